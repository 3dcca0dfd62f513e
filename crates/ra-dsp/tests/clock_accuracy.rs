//! How exactly the loop of estimator and steering follows a clock for long: offset, ratio noise, modulation, slope, against
//! the true clock.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::disallowed_macros, reason = "figures, for --nocapture")]

#[path = "clock_loop/closed_loop.rs"]
mod closed_loop;
#[path = "clock_loop/device.rs"]
mod device;

use closed_loop::{Loop, run};
use device::{Device, DeviceClock};

const THERMAL: DeviceClock = DeviceClock { thermal_ppm: 10.0, ..DeviceClock::at_ppm(50.0) };

#[test]
fn an_hour_of_wandering_with_jitter_and_outliers() {
    for seed in 1..=5 {
        let device = Device::new(48_000, THERMAL, 256, 200.0).with_outliers();
        let run = run(&device, &Loop::of(3_600.0), seed);
        let (rms, p99, max) = run.offset_us(60.0);
        let (ratio_ppm, modulation_s) = (run.ratio_noise_ppm(60.0), run.modulation_s(60.0));
        println!("seed {seed}: {rms:.2} {p99:.2} {max:.2} us, {ratio_ppm:.2} ppm, {modulation_s:.1e} s");
        assert!(rms <= 7.0 && p99 <= 20.8 && max <= 35.0, "seed {seed}: {rms:.2} {p99:.2} {max:.2} us");
        assert!(ratio_ppm <= 1.1, "seed {seed}: {ratio_ppm:.2} ppm");
        assert!(modulation_s < 2.5e-12, "seed {seed}: {modulation_s:.1e} s");
        let counts = run.estimator.counts();
        assert!((550..800).contains(&counts.outliers) && counts.jumps == 0 && counts.rate_steps == 0, "{counts:?}");
        assert!((run.estimator.jitter_sigma_us() / 200.0 - 1.0).abs() < 0.1, "{}", run.estimator.jitter_sigma_us());
        assert!(run.estimator.offset_sigma_us() < 8.0, "{}", run.estimator.offset_sigma_us());
    }
}

#[test]
fn half_the_jitter_at_any_drift_rate_and_period() {
    for (hz, ppm, period_frames, rms_max_us) in [
        (48_000, -200.0, 256, 4.0),
        (44_100, -50.0, 256, 4.0),
        (96_000, 0.0, 256, 4.0),
        (48_000, 200.0, 256, 4.0),
        (8_000, 100.0, 64, 4.5),
        (192_000, -100.0, 480, 4.0),
        (48_000, 200.0, 16, 1.5),
        (48_000, -200.0, 1_024, 7.5),
    ] {
        for seed in 1..=2 {
            let device = Device::new(hz, DeviceClock::at_ppm(ppm), period_frames, 100.0);
            let run = run(&device, &Loop::of(300.0), seed);
            let (rms, p99, max) = run.offset_us(60.0);
            let what = format!("{hz} Hz {ppm} ppm {period_frames} frames seed {seed}: {rms:.2} {p99:.2} {max:.2} us");
            assert!(rms <= rms_max_us && p99 <= 20.8, "{what}");
            let drift = run.estimator.drift().unwrap().0;
            assert!((drift - ppm).abs() < 3.0, "{what}, drift {drift}");
            assert!(run.modulation_s(60.0) < 2.5e-12, "{what}");
        }
    }
}

#[test]
fn much_jitter_and_rare_deliveries_are_followed_as_well_as_they_allow() {
    // The bound: the least that a filter for such clocks can reach, and half as much again.
    for (period_frames, jitter_us, latency_s, rms_max_us) in
        [(256, 1_000.0, 0.020, 37.0), (256, 5_000.0, 0.040, 150.0), (94_000, 200.0, 2.5, 110.0)]
    {
        let device = Device::new(48_000, THERMAL, period_frames, jitter_us).with_outliers();
        let run = run(&device, &Loop { latency_s, ..Loop::of(1_260.0) }, 1);
        let (rms, _, max) = run.offset_us(120.0);
        let modulation_s = run.modulation_s(120.0);
        let what = format!("{period_frames} frames, {jitter_us} us: {rms:.1} {max:.1} us, {modulation_s:.1e} s");
        assert!(rms <= rms_max_us && max < 5.0 * rms_max_us && modulation_s < 2.5e-12, "{what}");
        assert_eq!(run.estimator.counts().jumps, 0, "{what}");
    }
}

#[test]
fn without_jitter_next_to_nothing_is_left() {
    for clock in [DeviceClock::at_ppm(-123.0), THERMAL] {
        let run = run(&Device::new(48_000, clock, 256, 0.0), &Loop::of(600.0), 1);
        let (_, _, max) = run.offset_us(10.0);
        assert!(max < 0.5, "{max} us");
    }
}

#[test]
fn ten_minutes_of_a_steady_clock_have_no_slope() {
    // A line through 600 s of noise of the density r per second has the slope's variance 12 r / t^3, whatever the filter:
    // 0.2, 0.5, 1.0 and 2.1 us per ten minutes here.
    for (jitter_us, slope_max_us) in [(0.0, 0.05), (20.0, 1.0), (50.0, 1.0), (100.0, 2.5), (200.0, 5.0)] {
        for seed in 1..=3 {
            let run = run(&Device::new(48_000, DeviceClock::at_ppm(73.0), 256, jitter_us), &Loop::of(660.0), seed);
            let slope_us = run.slope_us_per_600_s(60.0);
            println!("{jitter_us} us, seed {seed}: {slope_us:.2} us per 10 min");
            assert!(slope_us.abs() <= slope_max_us, "{jitter_us} us, seed {seed}: {slope_us:.2}");
        }
    }
}

#[test]
fn every_block_length_follows() {
    for block_frames in [16, 64, 1_024, 8_192] {
        let device = Device::new(44_100, THERMAL, 256, 200.0).with_outliers();
        let run = run(&device, &Loop { block_frames, latency_s: 0.2, ..Loop::of(300.0) }, 3);
        let (rms, p99, max) = run.offset_us(60.0);
        assert!(rms <= 9.0 && p99 <= 25.0, "{block_frames}: {rms:.2} {p99:.2} {max:.2} us");
    }
}
