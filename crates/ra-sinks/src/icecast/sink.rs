//! The sink as the engine sees it: starts the network's thread, and waits for it for a moment at the end. Encodes nothing
//! itself: that is `on_air`.

use std::sync::Arc;
use std::time::Duration;

use ra_core::{Block, Clock, Gap, Sink, SinkCommand, SinkError, SinkReport, SinkStart, SystemClock};

use super::config::{IcecastConfig, setting};
use super::counts::{Counters, IcecastProbe};
use super::handshake::Caller;
use super::link::{Link, Status};
use super::on_air::OnAir;
use super::uplink;
use crate::encode::make_encoder;

/// How long what waits may take to be sent at the end, in nanoseconds.
const END_NS: u64 = 2_000_000_000;
/// How long the network's thread is waited for beyond that.
const END_SLACK: Duration = Duration::from_millis(2_500);

/// A stream to one mount of an Icecast server.
///
/// Blocks are encoded as they come, at the pace of the mix, and wait in a bounded queue for the network's own thread. While
/// there is no connection its state is `failed` and the reason names the server and what it said; it comes back by itself.
/// Several mounts or bit rates of one mix are several sinks.
pub struct IcecastSink {
    config: IcecastConfig,
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ClientConfig>>,
    counters: Arc<Counters>,
    running: Option<OnAir>,
}

impl IcecastSink {
    /// Checks the settings and reads the file of certificates, if there is one; connects nothing yet.
    ///
    /// # Errors
    /// [`SinkError::Setting`] for what makes no sense, is not built in, or can't be read.
    pub fn new(config: IcecastConfig) -> Result<Self, SinkError> {
        let config = config.checked()?;
        #[cfg(feature = "tls")]
        let tls = if config.url.is_tls() {
            let made = super::tls::client_config(config.tls_ca_file.as_deref());
            Some(made.map_err(|message| setting("tls_ca_file", message))?)
        } else {
            None
        };
        Ok(Self {
            config,
            #[cfg(feature = "tls")]
            tls,
            counters: Arc::default(),
            running: None,
        })
    }

    /// What shows its counts after it was given to an engine.
    pub fn probe(&self) -> IcecastProbe {
        IcecastProbe(Arc::clone(&self.counters))
    }

    fn running(&mut self) -> Result<&mut OnAir, SinkError> {
        self.running
            .as_mut()
            .ok_or_else(|| SinkError::Fatal("it is not open, expected `start` to be called first".into()))
    }
}

impl Sink for IcecastSink {
    /// Starts the network's thread. The first connection is made there; until it is there or has failed, sound is kept for it.
    ///
    /// # Errors
    /// [`SinkError::Setting`] where the codec can't carry the bus's format.
    fn start(&mut self, start: &SinkStart) -> Result<(), SinkError> {
        let config = &self.config;
        let encoder =
            make_encoder(&config.encoder(), start.spec).map_err(|cause| setting("codec", cause.to_string()))?;
        let limit_frames = start.spec.sample_rate.frames_in_ms_ceil(f64::from(config.queue_ms)) as u64;
        let link = Arc::new(Link::new(limit_frames, config.on_reconnect, Arc::clone(&self.counters)));
        let seed = config.jitter_seed.unwrap_or_else(|| SystemClock.now_ns() ^ start.unix_ns as u64);
        let mut caller = Caller::new(config.clone(), &start.name, encoder.content_type(), start.spec);
        #[cfg(feature = "tls")]
        caller.set_tls(self.tls.clone());
        let (for_thread, name) = (Arc::clone(&link), start.name.clone());
        std::thread::Builder::new()
            .name(format!("ra-net-{name}"))
            .spawn(move || uplink::run(&for_thread, &mut caller, &name, seed))
            .map_err(|cause| SinkError::Fatal(format!("no thread for the network: {cause}")))?;
        self.running = Some(OnAir::new(config, start, encoder, link));
        Ok(())
    }

    /// Encodes the block; never waits.
    ///
    /// # Errors
    /// [`SinkError::Server`] while there is no connection, by the rule
    /// [`OnReconnect::Live`](crate::OnReconnect::Live); [`SinkError::Fatal`] where the encoder fails: what waits is dropped.
    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        self.running()?.write(block)
    }

    /// Puts silence of the gap's length into the stream, `queue_ms` at most, so that the stream's time stays the mix's.
    fn gap(&mut self, gap: &Gap) -> Result<(), SinkError> {
        let most_ms = self.config.queue_ms;
        self.running()?.gap(gap, most_ms)
    }

    /// Says whether there is a connection.
    ///
    /// # Errors
    /// [`SinkError::Server`] while there is none.
    fn flush(&mut self) -> Result<(), SinkError> {
        let running = self.running()?;
        match running.link.status().0 {
            Status::Down(reason) => Err(running.no_connection(reason)),
            Status::Opening | Status::Up => Ok(()),
        }
    }

    /// Takes new metadata: a new logical stream in Ogg, without a hole in the sound; an update by URL for MP3. Where changes
    /// come faster than one a second, the last one counts.
    fn command(&mut self, command: &SinkCommand) -> Result<(), SinkError> {
        match command {
            SinkCommand::SetMetadata(metadata) => {
                self.running()?.set_metadata(metadata);
                Ok(())
            }
            other => Err(SinkError::Unsupported { what: other.to_string() }),
        }
    }

    fn take_back_frames(&mut self) -> u64 {
        self.running.as_ref().map_or(0, |running| running.link.take_lost_frames())
    }

    /// Sends what waits, for 2 s at most, and hangs up. What the server has not acknowledged by then counts as dropped.
    ///
    /// # Errors
    /// [`SinkError::Server`] where there is no connection.
    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        let Some(running) = &mut self.running else { return Ok(SinkReport::default()) };
        running.end_stream();
        running.link.end_by(SystemClock.now_ns() + END_NS);
        if !running.link.wait_for_end(Duration::from_nanos(END_NS) + END_SLACK) {
            log::debug!("icecast {}: the network's thread is left to itself", running.name);
            running.link.give_up("the network's thread did not end in time".to_owned());
        }
        match running.link.status().0 {
            Status::Down(reason) => Err(running.no_connection(reason)),
            Status::Opening => Err(running.no_connection("it ended before there was a connection".to_owned())),
            Status::Up => Ok(running.report()),
        }
    }

    fn take_report(&mut self) -> Option<SinkReport> {
        self.running.as_mut()?.take_report()
    }
}

impl Drop for IcecastSink {
    fn drop(&mut self) {
        // Not finished: nobody waits for what is left.
        if let Some(running) = &self.running {
            running.link.end_by(0);
        }
    }
}
