//! A station on the air: an engine that plays a tone into streams. Judges nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ra_core::{Metadata, SinkStats, Stats, StreamSpec};
use ra_engine::sinks::{IcecastConfig, IcecastProbe, IcecastSink, Password};
use ra_engine::sources::{MockConfig, MockSource, Signal};
use ra_engine::{AnySource, Engine, EngineConfig, EngineHandle, RealtimeRequest, SinkConfig, SourceConfig};
use ra_sinks::icecast_testing::IcecastServer;

/// The tone that goes in.
pub(super) const TONE_HZ: f64 = 997.0;
/// Its peak.
pub(super) const TONE_DBFS: f64 = -20.0;
/// What no machine needs that is not stuck.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(5);

/// An engine and its streams.
pub(super) struct Station {
    engine: Engine,
    pub(super) handle: EngineHandle,
}

/// Settings of a stream to a server of this machine, for outages that are found soon.
pub(super) fn stream_config(url: &str, title: &str, seed: u64) -> Result<IcecastConfig> {
    let mut config = IcecastConfig::new(url.parse()?, Password::new(IcecastServer::PASSWORD));
    config.metadata = titled(title);
    config.stall_ms = 2_000;
    config.jitter_seed = Some(seed);
    Ok(config)
}

pub(super) fn titled(title: &str) -> Metadata {
    Metadata { title: Some(title.to_owned()), ..Metadata::default() }
}

impl Station {
    /// Starts a station without streams.
    pub(super) fn start() -> Result<Self> {
        let config = EngineConfig { realtime: RealtimeRequest::Ordinary, ..EngineConfig::default() };
        let mut engine = Engine::new(config)?;
        let handle = engine.handle();
        let tone = MockConfig::new(StreamSpec::new(48_000, 2)?, Signal::Tone { hz: TONE_HZ, dbfs: TONE_DBFS });
        handle.add_source(SourceConfig::named("tone"), AnySource::pulled(MockSource::new(tone)?))?;
        engine.start()?;
        Ok(Self { engine, handle })
    }

    /// Adds a stream.
    pub(super) fn add(&self, name: &str, config: IcecastConfig) -> Result<IcecastProbe> {
        let sink = IcecastSink::new(config)?;
        let probe = sink.probe();
        self.handle.add_sink(SinkConfig::named(name), sink)?;
        Ok(probe)
    }

    /// What the engine says of a stream, whose account is to balance at every instant.
    pub(super) fn stream(&self, name: &str) -> Result<SinkStats> {
        let stats = self.handle.stats()?;
        let sink = stats.sinks.into_iter().rfind(|sink| sink.name == name).context("no such stream")?;
        ensure!(sink.account.is_balanced(), "the account of {name} does not balance: {}", sink.account);
        Ok(sink)
    }

    pub(super) fn stop(self) -> Result<Stats> {
        Ok(self.engine.stop()?)
    }
}

/// Waits until something is so; returns how many seconds it took.
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<f64> {
    let begun = Instant::now();
    loop {
        if is_so()? {
            return Ok(begun.elapsed().as_secs_f64());
        }
        ensure!(begun.elapsed() < PATIENCE, "waited {} s in vain until {what}", PATIENCE.as_secs());
        std::thread::sleep(LOOK);
    }
}
