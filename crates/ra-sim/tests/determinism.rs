//! The same scenario gives the same bytes, and changing one source leaves the others' alone. What each key of a scenario
//! does to the sound is in the other tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "support/keep.rs"]
mod keep;

use std::ops::ControlFlow;

use keep::Keep;
use ra_engine::core::{Block, Gap, Sink, SinkError, SinkReport, SinkStart};
use ra_engine::sources::{ClockModel, Fault, Outliers, Signal};
use ra_engine::{Latency, Quality};
use ra_sim::{Scenario, ScenarioSource, Simulation, SimulationError};

fn source(name: &str, ppm: f64) -> ScenarioSource {
    ScenarioSource {
        clock: ClockModel { ppm, ..ClockModel::PERFECT },
        jitter_us: 200.0,
        outliers: Outliers { probability: 0.01, ms: 10.0 },
        ..ScenarioSource::new(name, Signal::Noise { dbfs: -20.0 })
    }
}

fn scenario() -> Scenario {
    Scenario {
        seed: 5,
        quality: Quality::Fast,
        latency: Latency::Ms(25.0),
        sources: vec![source("a", 50.0), source("b", -70.0)],
        ..Scenario::new(5.001)
    }
}

/// The report as JSON, and the samples of each source.
fn run(scenario: &Scenario) -> (String, Vec<Vec<f32>>) {
    let keep = Keep::default();
    let simulation = Simulation::new(scenario).unwrap().samples_to(Box::new(keep.clone())).unwrap();
    let outcome = simulation.run(&mut |_| ControlFlow::Continue(())).unwrap();
    let samples = keep.0.lock().unwrap();
    let n = scenario.sources.len();
    assert_eq!(samples.len(), n * scenario.n_frames() as usize);
    let lanes = (0..n).map(|source| samples.iter().skip(source).step_by(n).copied().collect()).collect();
    (serde_json::to_string(&outcome.report).unwrap(), lanes)
}

#[test]
fn the_same_scenario_gives_the_same_bytes_and_another_seed_others() {
    let (report, samples) = run(&scenario());
    let again = run(&scenario());
    assert!(report == again.0 && samples == again.1);
    let other = run(&Scenario { seed: 6, ..scenario() });
    assert!(report != other.0 && samples != other.1);
    assert!(samples[0].iter().any(|&x| x != 0.0));
}

#[test]
fn changing_one_source_leaves_the_others_alone() {
    let (_, samples) = run(&scenario());
    let mut changed = scenario();
    changed.sources[0] = ScenarioSource {
        jitter_us: 50.0,
        period_frames: 100,
        signal: Signal::Tone { hz: 500.0, dbfs: -6.0 },
        faults: vec![Fault::Stall { at_s: 2.0, for_s: 0.3 }, Fault::Lose { at_s: 4.0, n_frames: 77 }],
        ..source("a", 500.0)
    };
    let (_, others) = run(&changed);
    assert!(samples[0] != others[0]);
    assert!(samples[1] == others[1]);
}

#[test]
fn a_trim_is_part_of_its_sources_latency_and_of_its_offset() {
    let mut trimmed = scenario();
    trimmed.sources[0].latency_offset_ms = 2.0;
    trimmed.sources[1].outliers = Outliers::default();
    let outcome = Simulation::new(&trimmed).unwrap().run(&mut |_| ControlFlow::Continue(())).unwrap();
    let [a, b] = &outcome.report.sources[..] else { panic!("two sources") };
    assert_eq!((a.latency_us, b.latency_us), (27_000.0, 25_000.0));
    // Nothing is subtracted: the trim is in its offsets, and in the pair's.
    let pair = &outcome.report.pairs[0].offset_us;
    for (offset, place_us) in [(&a.offset_us, 2_000.0), (&b.offset_us, 0.0), (pair, 2_000.0)] {
        let (rms, max) = (offset.rms.unwrap(), offset.max.unwrap());
        assert!((rms - place_us).abs() < 50.0 && (max - place_us).abs() < 150.0, "{offset:?}, expected {place_us}");
    }
    // Who is where its trim puts it has settled.
    assert!(a.settle_s.is_some() && b.settle_s.is_some(), "{a:?}\n{b:?}");
}

#[test]
fn a_caller_may_stop_and_a_failing_sink_ends_it() {
    let stopped = Simulation::new(&scenario()).unwrap().run(&mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(SimulationError::Stopped)));

    struct Full;
    impl Sink for Full {
        fn start(&mut self, _: &SinkStart) -> Result<(), SinkError> {
            Ok(())
        }
        fn write(&mut self, _: &Block<'_>) -> Result<(), SinkError> {
            Err(SinkError::Fatal("full".to_owned()))
        }
        fn gap(&mut self, _: &Gap) -> Result<(), SinkError> {
            Ok(())
        }
        fn flush(&mut self) -> Result<(), SinkError> {
            Ok(())
        }
        fn finish(&mut self) -> Result<SinkReport, SinkError> {
            Ok(SinkReport::default())
        }
    }
    let simulation = Simulation::new(&scenario()).unwrap().samples_to(Box::new(Full)).unwrap();
    let failed = simulation.run(&mut |_| ControlFlow::Continue(()));
    assert!(matches!(failed, Err(SimulationError::Sink(_))));

    let wide = Scenario {
        sources: vec![
            ScenarioSource { channels: ra_engine::core::ChannelCount::new(200).unwrap(), ..source("a", 0.0) },
            ScenarioSource { channels: ra_engine::core::ChannelCount::new(57).unwrap(), ..source("b", 0.0) },
        ],
        ..scenario()
    };
    let error = Simulation::new(&wide).unwrap().samples_to(Box::new(Full)).err().unwrap().to_string();
    assert!(error.contains("the number of channels of all sources is 257, expected 1 to 256"), "{error}");
}

#[test]
fn the_report_has_the_shape_that_is_promised() {
    let (report, _) = run(&scenario());
    let json: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (json["schema"].as_u64(), json["seed"].as_u64(), json["duration_s"].as_f64()),
        (Some(1), Some(5), Some(5.001))
    );
    assert_eq!(json["engine"]["blocks"], 1876); // 240 048 frames
    let source = &json["sources"][0];
    for key in ["latency_us", "drift_ppm", "settle_s", "ratio_noise_ppm"] {
        assert!(source[key].is_f64(), "{key}: {source}");
    }
    for key in ["produced_frames", "delivered_frames", "dropped_frames", "queued_frames", "inserted_frames"] {
        assert!(source[key].is_u64(), "{key}: {source}");
    }
    assert!(source["gaps"].is_array());
    for offset in [&source["offset_us"], &json["pairs"][0]["offset_us"]] {
        assert!(["rms", "p99", "max"].iter().all(|key| offset[key].is_f64()), "{offset}");
    }
    assert_eq!((&json["pairs"][0]["a"], &json["pairs"][0]["b"]), (&"a".into(), &"b".into()));
}
