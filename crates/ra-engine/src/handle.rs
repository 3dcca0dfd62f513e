//! The clonable handle through which any thread commands a running engine.

use crossbeam_channel::{Sender, bounded};
use ra_core::{Metadata, Sink, SinkCommand, Stats};
use ra_dsp::Insert;

use crate::command::{Command, ReplyTo, SourceChange};
use crate::{AnySource, BusConfig, BusReader, CommandError, InsertId, ReaderConfig, SinkConfig, SourceConfig, Strip};

/// Commands an engine from any thread. Clones are cheap; all of them speak to the same engine.
///
/// Every method sends one command to the control thread and waits for its answer. Gains, pans, mutes and solos are
/// ramped over [`crate::EngineConfig::ramp_ms`]: none of them clicks.
///
/// # Real-time safety
/// Not real-time safe: allocates and blocks until the control thread answers.
///
/// # Errors
/// Every method returns [`CommandError`]; after an error nothing has changed.
#[derive(Clone)]
pub struct EngineHandle {
    pub(crate) commands: Sender<Command>,
    #[cfg(feature = "async")]
    pub(crate) notifier: std::sync::Arc<crate::async_reader::Notifier>,
}

impl EngineHandle {
    fn ask<T>(&self, command: impl FnOnce(ReplyTo<T>) -> Command) -> Result<T, CommandError> {
        let (reply, answer) = bounded(1);
        self.commands.send(command(reply)).map_err(|_| CommandError::Stopped)?;
        answer.recv().map_err(|_| CommandError::Stopped)?
    }

    /// Makes a bus.
    pub fn add_bus(&self, config: BusConfig) -> Result<(), CommandError> {
        self.ask(|reply| Command::AddBus { config, reply })
    }

    /// Ends a bus: its sinks get what is in the ring and finish.
    pub fn remove_bus(&self, name: &str) -> Result<(), CommandError> {
        self.ask(|reply| Command::RemoveBus { name: name.to_owned(), reply })
    }

    /// Opens a source and fades it in. Returns when it is open, or could not be opened.
    pub fn add_source(&self, config: SourceConfig, source: impl Into<AnySource>) -> Result<(), CommandError> {
        let source = source.into();
        self.ask(|reply| Command::AddSource { config, source, reply })
    }

    /// Fades a source out and closes it.
    pub fn remove_source(&self, name: &str) -> Result<(), CommandError> {
        self.ask(|reply| Command::RemoveSource { name: name.to_owned(), reply })
    }

    /// Opens a source that is lost now, whenever its next attempt would be: somebody knows that its device is back. Does
    /// nothing to one that is not lost.
    pub fn retry_source(&self, name: &str) -> Result<(), CommandError> {
        self.ask(|reply| Command::RetrySource { name: name.to_owned(), reply })
    }

    /// Sets a source's gain in decibels, −120 to +40.
    pub fn set_gain_db(&self, name: &str, gain_db: f32) -> Result<(), CommandError> {
        self.set(name, SourceChange::GainDb(gain_db))
    }

    /// Sets a source's place between left (−1) and right (1).
    pub fn set_pan(&self, name: &str, pan: f32) -> Result<(), CommandError> {
        self.set(name, SourceChange::Pan(pan))
    }

    /// Silences a source, or lets it be heard again.
    pub fn set_mute(&self, name: &str, mute: bool) -> Result<(), CommandError> {
        self.set(name, SourceChange::Mute(mute))
    }

    /// Lets only this source and others that are soloed be heard, or ends that.
    pub fn set_solo(&self, name: &str, solo: bool) -> Result<(), CommandError> {
        self.set(name, SourceChange::Solo(solo))
    }

    /// Routes a source to these buses and no others.
    pub fn set_routes(&self, name: &str, to: &[&str]) -> Result<(), CommandError> {
        self.set(name, SourceChange::To(to.iter().map(|&bus| bus.to_owned()).collect()))
    }

    fn set(&self, name: &str, change: SourceChange) -> Result<(), CommandError> {
        self.ask(|reply| Command::SetSource { name: name.to_owned(), change, reply })
    }

    /// Gives a sink a thread of its own and feeds it from its bus. Returns when it is open, or could not be opened.
    pub fn add_sink(&self, config: SinkConfig, sink: impl Sink + 'static) -> Result<(), CommandError> {
        self.add_boxed_sink(config, Box::new(sink))
    }

    /// As [`EngineHandle::add_sink`], for a sink that is boxed already.
    pub fn add_boxed_sink(&self, config: SinkConfig, sink: Box<dyn Sink>) -> Result<(), CommandError> {
        self.ask(|reply| Command::AddSink { config, sink, reply })
    }

    /// Ends a sink: it gets what is in the ring at that moment, writes its tail and closes. Returns when it has, or when it
    /// was given up on: [`CommandError::SinkEvicted`].
    pub fn remove_sink(&self, name: &str) -> Result<(), CommandError> {
        self.ask(|reply| Command::RemoveSink { name: name.to_owned(), reply })
    }

    /// Lets a sink go on in a new file, where it is in its bus at this moment. Returns when it has, as all of these do.
    ///
    /// A sink that hangs does not keep the caller for ever: it is given up on after its `evict_after_ms`.
    pub fn split(&self, name: &str) -> Result<(), CommandError> {
        self.tell_sink(name, SinkCommand::Split)
    }

    /// Lets a sink keep nothing of what it gets, until [`EngineHandle::resume`]. What it gets meanwhile counts as delivered.
    pub fn pause(&self, name: &str) -> Result<(), CommandError> {
        self.tell_sink(name, SinkCommand::Pause)
    }

    /// Lets a sink keep what it gets again.
    pub fn resume(&self, name: &str) -> Result<(), CommandError> {
        self.tell_sink(name, SinkCommand::Resume)
    }

    /// Tells a sink what its sound is called from now on.
    pub fn set_metadata(&self, name: &str, metadata: Metadata) -> Result<(), CommandError> {
        self.tell_sink(name, SinkCommand::SetMetadata(metadata))
    }

    fn tell_sink(&self, name: &str, command: SinkCommand) -> Result<(), CommandError> {
        self.ask(|reply| Command::TellSink { name: name.to_owned(), command, reply })
    }

    /// Puts an effect behind those that are on the strip already, without a click.
    pub fn add_insert(&self, strip: Strip, insert: Box<dyn Insert>) -> Result<InsertId, CommandError> {
        self.ask(|reply| Command::AddInsert { strip, insert, reply })
    }

    /// Takes an effect out again, without a click.
    pub fn remove_insert(&self, strip: Strip, id: InsertId) -> Result<(), CommandError> {
        self.ask(|reply| Command::RemoveInsert { strip, id, reply })
    }

    /// A reader of a bus (or of `source:NAME`) for a consumer that has a thread of its own: it sees every block that is
    /// published from now on, and learns exactly what it missed.
    pub fn subscribe(&self, from: &str) -> Result<BusReader, CommandError> {
        self.subscribe_with(from, ReaderConfig::default())
    }

    /// As [`EngineHandle::subscribe`], with a rule for what happens when it is late.
    pub fn subscribe_with(&self, from: &str, config: ReaderConfig) -> Result<BusReader, CommandError> {
        self.ask(|reply| Command::Subscribe { from: from.to_owned(), config, reply })
    }

    /// What the engine can say of itself at this moment.
    pub fn stats(&self) -> Result<Stats, CommandError> {
        self.ask(|reply| Command::ReadStats { reply })
    }
}
