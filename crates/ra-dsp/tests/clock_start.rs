//! How fast the loop finds a clock: cold starts, rates that nobody would expect, clocks that change at once.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::disallowed_macros, reason = "figures, for --nocapture")]

#[path = "clock_loop/closed_loop.rs"]
mod closed_loop;
#[path = "clock_loop/device.rs"]
mod device;

use closed_loop::{Loop, Run, median, run};
use device::{Device, DeviceClock};
use ra_core::{FramePosition, SampleRate};
use ra_dsp::{ClockEstimator, Observation};

/// Two samples at 48 kHz, and one.
const TWO_SAMPLES_US: f64 = 41.7;
const SAMPLE_US: f64 = 20.8;

fn runs(device: &Device, duration_s: f64) -> Vec<Run> {
    (1..=5).map(|seed| run(device, &Loop::of(duration_s), seed)).collect()
}

fn median_of(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    median(runs.iter().map(of).collect())
}

#[test]
fn a_cold_start_is_inside_two_samples_within_three_seconds() {
    for ppm in [-200.0, -100.0, 0.0, 100.0, 200.0] {
        let runs = runs(&Device::new(48_000, DeviceClock::at_ppm(ppm), 256, 200.0), 60.0);
        let peak_us = median_of(&runs, |run| run.peak_us(1.0, 60.0));
        let settle_s = median_of(&runs, |run| run.inside_after_s(TWO_SAMPLES_US, 0.0));
        println!("{ppm} ppm: peak {peak_us:.1} us, inside two samples after {settle_s:.2} s");
        assert!(peak_us <= 75.0 && settle_s <= 2.0, "{ppm} ppm: {peak_us:.1} us, {settle_s:.2} s");
        for run in &runs {
            assert!(run.peak_us(1.0, 60.0) <= 150.0 && run.inside_after_s(TWO_SAMPLES_US, 0.0) < 8.0, "{ppm} ppm");
        }
    }
}

#[test]
fn a_late_first_delivery_does_not_poison_the_start() {
    let mut device = Device::new(48_000, DeviceClock::at_ppm(100.0), 256, 200.0);
    device.is_first_late = true;
    for run in runs(&device, 30.0) {
        assert!(run.peak_us(1.0, 30.0) <= 150.0, "{:.1} us", run.peak_us(1.0, 30.0));
        assert!(run.peak_us(0.0, 1.0) <= 1_000.0, "{:.1} us", run.peak_us(0.0, 1.0));
    }
}

#[test]
fn rates_that_nobody_would_expect_are_found() {
    // A crystal that is none; 48000 that is 44100, and the other way round.
    for ppm in [5_000.0, -5_000.0, -81_250.0, 88_435.0] {
        for jitter_us in [20.0, 200.0] {
            let device = Device::new(48_000, DeviceClock::at_ppm(ppm), 256, jitter_us).with_outliers();
            for run in runs(&device, 20.0) {
                let rate_ppm =
                    run.from(2.0).map(|block| (block.steered_ppm - block.true_ppm).abs()).fold(0.0, f64::max);
                let (early_us, late_us) = (run.peak_us(0.0, 5.0), run.peak_us(5.0, 20.0));
                let what = format!("{ppm} ppm, {jitter_us} us: {rate_ppm:.1} ppm, {early_us:.0} and {late_us:.0} us");
                assert!(rate_ppm <= 100.0 && early_us < 5_000.0 && late_us < 60.0, "{what}");
                assert_eq!(run.estimator.counts().jumps, 0, "{what}");
            }
        }
    }
}

#[test]
fn the_rate_is_told_when_it_is_known() {
    let mut estimator = ClockEstimator::new(SampleRate::HZ_48000);
    assert!(!estimator.is_locked() && estimator.drift().is_none() && estimator.rate_factor() == 1.0);
    assert!(estimator.frame_at(1, 0.0).is_none() && estimator.time_of(FramePosition(1)).is_none());
    // 44100 frames come in every second.
    let ns = |n: u64| 1_000_000_000 + n * 256 * 1_000_000_000 / 44_100;
    assert_eq!(estimator.observe(FramePosition(0), 256, ns(0)), Observation::Locked);
    assert!(estimator.is_locked() && estimator.drift().is_none());
    for n in 1..=345 {
        assert!(matches!(
            estimator.observe(FramePosition(n * 256), 256, ns(n)),
            Observation::Accepted | Observation::Outlier
        ));
    }
    let drift = estimator.drift().unwrap().0;
    assert!((drift + 81_250.0).abs() < 1.0 && (estimator.rate_factor() - 0.91875).abs() < 1e-6, "{drift}");
    // 11 s behind the start, 9 s behind the newest delivery, half a nanosecond more or less.
    let place = estimator.frame_at(12_000_000_000, 0.5).unwrap();
    assert!((place.frames_since(485_100) - 0.5e-9 * 44_100.0).abs() < 0.2, "{place:?}");
    let time = estimator.time_of(FramePosition(485_100)).unwrap();
    assert!(time.ns_since(12_000_000_000).abs() < 5_000.0, "{time:?}");
    assert!((0.0..1.0).contains(&place.fraction) && (0.0..1.0).contains(&time.fraction_ns));
    // And before the first frame.
    assert!((estimator.frame_at(500_000_000, 0.0).unwrap().frames_since(-22_050)).abs() < 0.2);
}

#[test]
fn a_clock_that_changes_at_once_is_followed() {
    for (jitter_us, step_ppm, peak_max_us, inside_max_s) in [
        (0.0, 100.0, 15.0, 0.1),
        (20.0, 100.0, 50.0, 1.0),
        (100.0, -100.0, 120.0, 3.0),
        (200.0, 100.0, 175.0, 8.0),
        (20.0, 1_000.0, 700.0, 4.0),
        (20.0, -81_250.0, 40_000.0, 12.0),
    ] {
        let clock = DeviceClock { step_ppm, step_at_s: 60.0, ..DeviceClock::at_ppm(20.0) };
        let runs = runs(&Device::new(48_000, clock, 256, jitter_us).with_outliers(), 120.0);
        let peak_us = median_of(&runs, |run| run.peak_us(60.0, 120.0));
        let inside_s = median_of(&runs, |run| run.inside_after_s(SAMPLE_US, 60.0));
        println!("{step_ppm} ppm at {jitter_us} us: peak {peak_us:.1} us, inside one sample after {inside_s:.2} s");
        assert!(
            peak_us <= peak_max_us && inside_s <= inside_max_s,
            "{step_ppm} at {jitter_us}: {peak_us:.1} {inside_s:.2}"
        );
        for run in &runs {
            assert!((1..=6).contains(&run.estimator.counts().rate_steps), "{:?}", run.estimator.counts());
        }
    }
}

#[test]
fn an_output_that_fills_its_buffer_first_is_found_all_the_same() {
    // A sound server asks for what its buffer holds, and then for what it has played; it splits periods, and both halves
    // share one stamp's error.
    for (n_early, by_ms, is_whole) in [
        (1, 5.0, true),
        (1, 40.0, false),
        (2, 38.5, true),
        (2, 38.5, false),
        (3, 20.0, true),
        (5, 38.5, true),
        (8, 100.0, false),
        (20, 38.5, true),
    ] {
        for parts in [&[480_u64][..], &[1_024, 9], &[256, 256, 256, 256, 9]] {
            for jitter_us in [0.0, 30.0, 300.0] {
                let (mut estimator, mut state) = (ClockEstimator::new(SampleRate::HZ_48000), 1_u64);
                let (mut position, mut period, mut late_us) = (0, 0, 0.0);
                let true_us = |position: u64| 1e6 + position as f64 / 0.048 / (1.0 + 60e-6);
                let mut largest_us: f64 = 0.0;
                while position < 48_000 * 6 {
                    // What fills the buffer may come in one piece.
                    let n_parts = if is_whole && period < n_early { 1 } else { parts.len() };
                    for &n_frames in &parts[..n_parts] {
                        let early_us = if period < n_early { 1e3 * by_ms } else { 0.0 };
                        let stamp_us = true_us(position) + late_us - early_us;
                        estimator.observe(FramePosition(position), n_frames, (stamp_us * 1e3) as u64);
                        position += n_frames;
                        let true_ns = (true_us(position) * 1e3) as u64;
                        let off_us = estimator.time_of(FramePosition(position)).unwrap().ns_since(true_ns) * 1e-3;
                        if position > 48_000 * 2 {
                            largest_us = largest_us.max(off_us.abs());
                        }
                    }
                    period += 1;
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    late_us = jitter_us * ((state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0) * 3f64.sqrt();
                }
                let off_ppm = (estimator.rate_factor() - 1.0) * 1e6 - 60.0;
                let what = format!(
                    "{n_early} periods of {parts:?} {by_ms} ms early, {jitter_us} us: {largest_us:.1} us, {off_ppm:.1} ppm"
                );
                println!("{what}");
                assert!(largest_us < 2.0 + jitter_us && off_ppm.abs() < 1.0 + 0.4 * jitter_us, "{what}");
                assert!(estimator.drift().is_some(), "{what}");
            }
        }
    }
}
