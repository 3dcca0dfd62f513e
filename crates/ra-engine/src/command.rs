//! The commands that handles send to the control thread, and how they are answered.

use crossbeam_channel::Sender;
use ra_core::{ClockedSource, PulledSource, Sink, SinkCommand, Stats, StreamSpec};
use ra_dsp::Insert;

use crate::{BusConfig, BusReader, CommandError, ReaderConfig, SinkConfig, SourceConfig};

/// A source of either kind, as it is handed to an engine.
pub enum AnySource {
    /// It gives as much as it is asked for.
    Pulled(Box<dyn PulledSource>),
    /// It pushes at its own pace.
    Clocked(Box<dyn ClockedSource>),
}

impl AnySource {
    /// A pulled source.
    pub fn pulled(source: impl PulledSource + 'static) -> Self {
        AnySource::Pulled(Box::new(source))
    }

    /// A clocked source.
    pub fn clocked(source: impl ClockedSource + 'static) -> Self {
        AnySource::Clocked(Box::new(source))
    }

    /// The format of its frames.
    pub fn spec(&self) -> StreamSpec {
        match self {
            AnySource::Pulled(source) => source.spec(),
            AnySource::Clocked(source) => source.spec(),
        }
    }

    /// What it is, for people.
    pub fn describe(&self) -> String {
        match self {
            AnySource::Pulled(source) => source.describe(),
            AnySource::Clocked(source) => source.describe(),
        }
    }
}

impl From<Box<dyn PulledSource>> for AnySource {
    fn from(source: Box<dyn PulledSource>) -> Self {
        AnySource::Pulled(source)
    }
}

impl From<Box<dyn ClockedSource>> for AnySource {
    fn from(source: Box<dyn ClockedSource>) -> Self {
        AnySource::Clocked(source)
    }
}

/// A place where effects can be inserted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Strip {
    /// A source, by name.
    Source(String),
    /// A bus, by name.
    Bus(String),
}

impl std::fmt::Display for Strip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Strip::Source(name) => write!(f, "source {name:?}"),
            Strip::Bus(name) => write!(f, "bus {name:?}"),
        }
    }
}

/// An insert's number, unique in its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InsertId(pub u32);

/// Where a command's answer goes.
pub(crate) type ReplyTo<T> = Sender<Result<T, CommandError>>;

/// What the control side can be told to do. Each is answered exactly once.
pub(crate) enum Command {
    AddBus { config: BusConfig, reply: ReplyTo<()> },
    RemoveBus { name: String, reply: ReplyTo<()> },
    AddSource { config: SourceConfig, source: AnySource, reply: ReplyTo<()> },
    RemoveSource { name: String, reply: ReplyTo<()> },
    RetrySource { name: String, reply: ReplyTo<()> },
    SetSource { name: String, change: SourceChange, reply: ReplyTo<()> },
    AddSink { config: SinkConfig, sink: Box<dyn Sink>, reply: ReplyTo<()> },
    RemoveSink { name: String, reply: ReplyTo<()> },
    TellSink { name: String, command: SinkCommand, reply: ReplyTo<()> },
    AddInsert { strip: Strip, insert: Box<dyn Insert>, reply: ReplyTo<InsertId> },
    RemoveInsert { strip: Strip, id: InsertId, reply: ReplyTo<()> },
    Subscribe { from: String, config: ReaderConfig, reply: ReplyTo<BusReader> },
    ReadStats { reply: ReplyTo<Stats> },
}

/// A change of one value of a source's strip; it is ramped, never stepped.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SourceChange {
    GainDb(f32),
    Pan(f32),
    Mute(bool),
    Solo(bool),
    To(Vec<String>),
}
