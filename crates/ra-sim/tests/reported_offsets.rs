//! What the report says against what is in the file: across starts of a device that flips its rate, with trims, and at the
//! end of the mix.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "support/run.rs"]
mod run;
#[path = "support/sound.rs"]
mod sound;

use ra_engine::core::{SampleRate, SourceState};
use ra_engine::sources::{ClockModel, Fault, Signal};
use ra_engine::{Latency, Quality};
use ra_sim::{Scenario, ScenarioSource};
use run::{SAMPLE_US, assert_within, run};

fn flip(at_s: f64, hz: u32) -> Fault {
    Fault::Format { at_s, sample_rate: SampleRate::new(hz).unwrap() }
}

/// A tone on a clock of its own, and what goes wrong with it.
fn faulty(duration_s: f64, faults: Vec<Fault>) -> Scenario {
    let source = ScenarioSource {
        clock: ClockModel { ppm: 60.0, ..ClockModel::PERFECT },
        jitter_us: 100.0,
        faults,
        ..ScenarioSource::new("a", Signal::Tone { hz: 997.0, dbfs: -12.0 })
    };
    Scenario { latency: Latency::Ms(50.0), quality: Quality::Fast, sources: vec![source], ..Scenario::new(duration_s) }
}

/// The report and the file agree behind `from_s`, and both say that all is well.
#[track_caller]
fn assert_well_behind(run: &run::Run, from_s: f64) {
    let source = &run.report.sources[0];
    assert_eq!(source.state, SourceState::Live, "{source:?}");
    assert_within(&source.name, &source.offset_us, 30.0, 100.0, 150.0);
    assert!(source.settle_s.is_some_and(|s| s < from_s + 1.0), "{source:?}");
    run.assert_tone_in_place(0, from_s..run.scenario.duration_s, 2.0 * SAMPLE_US);
}

#[test]
fn a_format_that_flips_twice_while_the_first_sound_is_on_its_way() {
    let run = run(faulty(15.0, vec![flip(10.2, 44_100), flip(10.23, 96_000)]));
    assert_well_behind(&run, 12.0);
    run.assert_tone_in_place(0, 5.0..10.0, SAMPLE_US);
}

#[test]
fn a_format_that_flips_thrice_in_quick_succession() {
    let flips = vec![flip(10.2, 44_100), flip(10.225, 96_000), flip(10.25, 32_000), flip(10.4, 48_000)];
    assert_well_behind(&run(faulty(15.0, flips)), 12.0);
}

#[test]
fn a_format_that_flips_before_anything_was_heard() {
    for at_s in [0.0, 0.001, 0.03] {
        let run = run(faulty(6.0, vec![flip(at_s, 44_100)]));
        assert_well_behind(&run, 2.0);
        let produced_s = run.report.sources[0].produced_frames as f64 / 44_100.0;
        assert!((5.9..6.1).contains(&produced_s), "{produced_s} s at the new rate");
    }
}

#[test]
fn a_flip_that_is_due_before_the_device_runs_again_counts_too() {
    for second_s in [10.2, 10.205] {
        let run = run(faulty(15.0, vec![flip(10.2, 44_100), flip(second_s, 96_000)]));
        assert_well_behind(&run, 12.0);
        let last_frames = run.report.sources[0].produced_frames as f64 - 10.2 * 48_000.0;
        assert!((last_frames / 96_000.0 - 4.78).abs() < 0.05, "{last_frames} frames behind the flips");
    }
}

#[test]
fn a_trim_shows_in_offsets_in_pairs_and_in_the_file() {
    let source = |name: &str, latency_offset_ms| ScenarioSource {
        latency_offset_ms,
        ..ScenarioSource::new(name, Signal::Tone { hz: 20.0, dbfs: -12.0 })
    };
    let run = run(Scenario { sources: vec![source("a", 10.0), source("b", 0.0)], ..Scenario::new(6.0) });
    let latency_s = run.report.engine.latency_us * 1e-6;
    for (index, apart_us) in [(0, -10_000.0), (1, 0.0)] {
        let (found_us, _) = run.sound.tone(index, 20.0, latency_s, &(3.0..6.0));
        let offset = &run.report.sources[index].offset_us;
        assert!((found_us - apart_us).abs() < 1.0, "{found_us} µs in the file, expected {apart_us}");
        assert!((offset.rms.unwrap() - apart_us.abs()).abs() < 1.0, "{offset:?}");
        assert!(run.report.sources[index].settle_s.is_some_and(|s| s < 1.0), "settled where its trim puts it");
    }
    let pair = &run.report.pairs[0].offset_us;
    assert!((pair.rms.unwrap() - 10_000.0).abs() < 1.0 && (pair.max.unwrap() - 10_000.0).abs() < 1.0, "{pair:?}");
}

#[test]
fn a_hole_at_the_end_is_told_to_the_last_frame_that_was_mixed_and_no_further() {
    for (duration_s, fault) in [
        (3.0, Fault::Unplug { at_s: 2.5, for_s: 5.0 }),
        (3.001, Fault::Unplug { at_s: 2.5, for_s: 5.0 }),
        (3.007, Fault::Stall { at_s: 2.5, for_s: 5.0 }),
        (3.013, Fault::Stall { at_s: 2.5, for_s: 5.0 }),
        (2.5505, Fault::Stall { at_s: 2.5, for_s: 5.0 }),
    ] {
        // What is true of every run's gaps is checked there.
        let run = run(faulty(duration_s, vec![fault]));
        let source = &run.report.sources[0];
        let n_mixed = run.report.engine.blocks * 128;
        assert_eq!(source.gaps.last().map(|gap| gap.end().0), Some(n_mixed), "{duration_s} s: {source:?}");
        assert_eq!(source.gaps.len(), 1, "{source:?}");
    }
}

#[test]
fn a_format_that_flips_at_the_very_end_leaves_balanced_books() {
    for at_s in [2.9, 2.95, 2.97, 2.985, 2.999] {
        run(faulty(3.0, vec![flip(at_s, 44_100)]));
        run(faulty(3.0, vec![flip(at_s, 96_000), flip(at_s, 32_000)]));
    }
}
