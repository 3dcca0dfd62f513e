//! This project's engine in virtual time, whole: what is judged is what its own reading says, against the true clock.

use anyhow::Result;
use ra_core::StreamSpec;
use ra_engine::sources::Delivery;
use ra_engine::{EngineConfig, Latency, SourceConfig, VirtualEngine};

use super::super::contestant::{Contestant, LATENCY_MS, Losses, RATE_HZ, Reading};
use super::super::replay::{Replay, ReplayInput};

/// An engine with one source, and every setting but the latency at its default.
pub(super) struct Ours {
    engine: VirtualEngine,
    input: ReplayInput,
}

impl Ours {
    pub(super) fn new() -> Result<Self> {
        let mut engine =
            VirtualEngine::new(EngineConfig { latency: Latency::Ms(LATENCY_MS), ..EngineConfig::default() })?;
        let (source, input) = Replay::pair(StreamSpec::new(RATE_HZ, 1)?);
        engine.add_source(SourceConfig::named("device"), source)?;
        Ok(Self { engine, input })
    }
}

impl Contestant for Ours {
    fn deliver(&mut self, delivery: &Delivery) {
        self.input.push_silence(delivery);
    }

    fn read_block(&mut self, now_ns: u64) -> Option<Reading> {
        assert!(
            self.engine.next_deadline_ns().abs_diff(now_ns) <= 1,
            "a block is due at another time than it should be"
        );
        self.engine.step();
        let reading = self.engine.reading(0)?;
        Some(Reading { frame: reading.frame, fraction: reading.fraction, rate_factor: reading.rate_factor })
    }

    fn losses(&self) -> Losses {
        let stats = self.engine.stats();
        stats.sources.first().map_or_else(Losses::default, |source| Losses {
            lost_frames: source.account.dropped_frames,
            inserted_frames: source.inserted_frames,
        })
    }
}
