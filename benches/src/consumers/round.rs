//! One round: an engine with eight sources and sixteen consumers, from start to stop.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Result;
use ra_core::{Clock, ConsumerClass, Stats, StreamSpec};
use ra_engine::sources::{MockConfig, MockSource, Signal};
use ra_engine::{AnySource, Engine, EngineConfig, SinkConfig, SourceConfig};

use super::sick::{Consumer, Manner};
use super::step_clock::StepClock;
use crate::Quantiles;

const N_SOURCES: usize = 8;
const N_CONSUMERS: usize = 16;
const EVICT_AFTER_MS: u32 = 500;
/// Until the sick ones are sick, and the stopped one has been given up on.
const SETTLED: Duration = Duration::from_millis(1_200);

/// What a round came to.
pub struct Round {
    /// The mixer's steps, once everything has settled.
    pub step: Quantiles,
    /// The account at the end.
    pub stats: Stats,
}

/// Runs sixteen consumers for `length` after they have settled; four of them fall sick if `is_sick`.
///
/// # Errors
/// The engine's.
pub fn run_round(clock: &Arc<StepClock>, is_sick: bool, length: Duration) -> Result<Round> {
    let mut engine = Engine::with_clock(EngineConfig::default(), Arc::clone(clock) as Arc<dyn Clock>)?;
    let handle = engine.handle();
    for n in 0..N_SOURCES {
        let tone =
            MockConfig::new(StreamSpec::new(48_000, 2)?, Signal::Tone { hz: 200.0 * (n + 1) as f64, dbfs: -30.0 });
        handle.add_source(SourceConfig::named(format!("tone {n}")), AnySource::pulled(MockSource::new(tone)?))?;
    }
    let (end_of_stop, never) = channel();
    let mut sick = Vec::new();
    if is_sick {
        sick = vec![
            ("stopped", Manner::Stopped(never)),
            ("slow", Manner::TenthSpeed),
            ("full", Manner::FullDisk),
            ("panicking", Manner::Panicking),
        ];
    }
    let n_healthy = N_CONSUMERS - sick.len();
    let names = (0..n_healthy).map(|n| (format!("healthy {n}"), Manner::Healthy));
    for (name, manner) in names.chain(sick.into_iter().map(|(name, manner)| (name.to_owned(), manner))) {
        let config = SinkConfig {
            class: ConsumerClass::Normal,
            // The slow one has to hand on what waits for it at the end, at its own pace.
            max_lag_ms: (name == "slow").then_some(200),
            evict_after_ms: Some(EVICT_AFTER_MS),
            ..SinkConfig::named(name)
        };
        handle.add_sink(config, Consumer { manner, n_blocks: 0, sum: 0.0 })?;
    }
    engine.start()?;
    std::thread::sleep(SETTLED);
    let first = clock.n_steps();
    std::thread::sleep(length);
    let step = clock.quantiles(first);
    let stats = engine.stop()?;
    drop(end_of_stop);
    Ok(Round { step, stats })
}

#[cfg(test)]
mod tests {
    use ra_core::{GapReason, SinkState};

    use super::*;

    #[test]
    fn the_sick_are_as_sick_as_they_should_be_and_steps_are_seen() {
        let Round { step, stats } = run_round(&Arc::new(StepClock::new()), true, Duration::from_millis(300)).unwrap();
        assert!(step.count > 20 && step.p50_ns > 0, "{step:?}");
        let row = |name: &str| stats.sinks.iter().find(|sink| sink.name == name).unwrap();
        assert!(row("stopped").reason.as_deref().unwrap().starts_with("evicted"), "{:?}", row("stopped"));
        assert!(row("full").gaps.iter().all(|gap| gap.reason == GapReason::Refused), "{:?}", row("full"));
        assert!(row("full").account.dropped_frames > 0);
        assert_eq!(row("panicking").state, SinkState::Panicked);
        assert_eq!(row("slow").state, SinkState::Ok);
        assert_eq!(stats.sinks.len(), N_CONSUMERS);
        assert!(stats.sinks.iter().all(|sink| sink.account.is_balanced()));
    }
}
