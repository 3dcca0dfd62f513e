//! Faults planted in the loop: each must break a bound that the sound loop keeps, or the bounds prove nothing.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::disallowed_macros, reason = "figures, for --nocapture")]

#[path = "clock_loop/closed_loop.rs"]
mod closed_loop;
#[path = "clock_loop/device.rs"]
mod device;

use closed_loop::{Loop, Planted, run};
use device::{Device, DeviceClock};

/// The bounds that the loop breaks with this fault, on ten minutes of a wandering clock.
fn broken(planted: Planted) -> Vec<String> {
    let clock = DeviceClock { thermal_ppm: 10.0, ..DeviceClock::at_ppm(50.0) };
    let device = Device::new(48_000, clock, 256, 200.0).with_outliers();
    let run = run(&device, &Loop { planted, ..Loop::of(660.0) }, 2);
    let (rms, p99, max) = run.offset_us(60.0);
    let figures = [
        ("offset rms", rms, 10.0),
        ("offset p99", p99, 20.8),
        ("offset max", max, 50.0),
        ("ratio noise", run.ratio_noise_ppm(60.0), 1.0),
        ("modulation", run.modulation_s(60.0), 2.5e-12),
    ];
    println!("{planted:?}: {figures:?}");
    figures
        .iter()
        .filter(|(_, value, bound)| value > bound)
        .map(|(name, value, bound)| format!("{name} {value:.3e} above {bound}"))
        .collect()
}

#[test]
fn the_sound_loop_keeps_every_bound() {
    assert_eq!(broken(Planted::Nothing), [""; 0]);
}

#[test]
fn a_wrong_sign_is_found() {
    assert!(broken(Planted::WrongSign).len() >= 3);
}

#[test]
fn a_doubled_gain_is_found() {
    assert!(!broken(Planted::DoubledGain).is_empty());
}

#[test]
fn an_estimator_that_ignores_outliers_is_found() {
    assert!(!broken(Planted::NoOutlierRejection).is_empty());
}
