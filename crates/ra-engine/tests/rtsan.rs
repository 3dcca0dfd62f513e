//! The audio thread under the compiler's real-time sanitizer: `cargo xtask rtsan`. Empty without it.
//!
//! Under `--cfg rtsan` the mixer's step is marked as nonblocking; the sanitizer ends the process with exit code 43 where it
//! allocates, frees, opens or yields.

#![cfg(rtsan)]
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

use std::process::Command;
use std::sync::Arc;

use ra_engine::core::{Clock, SourceState, StreamSpec, SystemClock};
use ra_engine::dsp::{Band, BandKind, Equaliser, EqualiserConfig, Insert, Limiter, LimiterConfig};
use ra_engine::sources::{MockConfig, PacedConfig, PacedSource, Signal};
use ra_engine::{AnySource, Engine, EngineConfig, SinkConfig, SourceConfig, Strip};
use support::{Collect, Constant, wait_for};

/// Set in the child process that is to break the rule.
const PLANT: &str = "RA_RTSAN_PLANT";
/// With what the sanitizer ends a program.
const VIOLATION: i32 = 43;

fn spec(sample_rate_hz: u32) -> StreamSpec {
    StreamSpec::new(sample_rate_hz, 2).unwrap()
}

#[test]
fn a_commanded_engine_with_every_kind_of_source_never_leaves_real_time() {
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let handle = engine.handle();
    let sink = Collect::default();
    let heard = sink.0.clone();
    handle.add_sink(SinkConfig::named("out"), sink).unwrap();
    engine.start().unwrap();
    let more = |n: usize| {
        let until = heard.n_samples() + n;
        wait_for("more sound", || heard.n_samples() > until);
    };
    for round in 0..3 {
        handle.add_source(SourceConfig::named("file"), AnySource::pulled(Constant(spec(48_000), 0.25))).unwrap();
        for (name, rate_hz) in [("same rate", 48_000), ("other rate", 44_100)] {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let config = PacedConfig { name: name.into(), ..PacedConfig::default() };
            let mock = MockConfig::new(spec(rate_hz), Signal::Tone { hz: 440.0, dbfs: -20.0 });
            let source = PacedSource::mock(config, mock, clock).unwrap();
            handle.add_source(SourceConfig::named(name), AnySource::clocked(source)).unwrap();
        }
        wait_for("the sources", || {
            handle.stats().unwrap().sources.iter().rev().take(3).all(|source| source.state == SourceState::Live)
        });
        let limiter = Limiter::new(LimiterConfig::default(), spec(48_000)).unwrap();
        let band = Band { kind: BandKind::Peak, hz: 1000.0, gain_db: 3.0, q: 1.0 };
        let equaliser = Equaliser::new(&EqualiserConfig { bands: vec![band] }, spec(48_000)).unwrap();
        let limiter = handle.add_insert(Strip::Bus("main".into()), Box::new(limiter)).unwrap();
        let equaliser = handle.add_insert(Strip::Source("file".into()), Box::new(equaliser)).unwrap();
        let unmixed = handle.subscribe("source:file").unwrap();
        handle.set_gain_db("file", -6.0 - round as f32).unwrap();
        handle.set_pan("same rate", 0.5).unwrap();
        handle.set_solo("file", true).unwrap();
        more(10_000);
        handle.remove_insert(Strip::Bus("main".into()), limiter).unwrap();
        handle.remove_insert(Strip::Source("file".into()), equaliser).unwrap();
        more(10_000);
        for name in ["file", "same rate", "other rate"] {
            handle.remove_source(name).unwrap();
        }
        drop(unmixed);
        more(10_000);
    }
    let stats = engine.stop().unwrap();
    assert!(stats.sources.iter().all(|source| source.account.is_balanced() && source.account.queued_frames == 0));
}

/// An effect that does what no effect may.
struct Allocates;

impl Insert for Allocates {
    fn process(&mut self, interleaved: &mut [f32]) {
        let copy = std::hint::black_box(interleaved.to_vec());
        interleaved.copy_from_slice(&copy);
    }
    fn latency_frames(&self) -> usize {
        0
    }
    fn name(&self) -> &'static str {
        "allocates"
    }
}

#[test]
fn an_effect_that_allocates_is_caught() {
    if std::env::var_os(PLANT).is_some() {
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let handle = engine.handle();
        handle.add_insert(Strip::Bus("main".into()), Box::new(Allocates)).unwrap();
        let sink = Collect::default();
        let heard = sink.0.clone();
        handle.add_sink(SinkConfig::named("out"), sink).unwrap();
        engine.start().unwrap();
        wait_for("sound that never comes", || heard.n_samples() > 10_000);
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "an_effect_that_allocates_is_caught", "--nocapture"])
        .env(PLANT, "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(VIOLATION), "{}", String::from_utf8_lossy(&output.stderr));
}
