//! What deliveries do to the loop when they go wrong: stalls, breaks, losses, jumps of time, wrong stamps. Never a NaN,
//! never wrong for good.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "clock_loop/closed_loop.rs"]
mod closed_loop;
#[path = "clock_loop/device.rs"]
mod device;

use closed_loop::{Loop, Run, run};
use device::{Device, DeviceClock, Fault};
use proptest::prelude::*;
use ra_core::{FramePosition, SampleRate};
use ra_dsp::{ClockEstimator, Observation};

const JITTERS_US: [f64; 3] = [0.0, 20.0, 200.0];

fn with(fault: Fault, jitter_us: f64, duration_s: f64) -> Run {
    let device = Device::new(48_000, DeviceClock::at_ppm(50.0), 256, jitter_us).with(fault);
    run(&device, &Loop::of(duration_s), 5)
}

/// What an undisturbed loop stays within.
fn usual_us(jitter_us: f64) -> f64 {
    0.5 + 0.2 * jitter_us
}

fn jumps(run: &Run) -> Vec<(f64, f64)> {
    run.events
        .iter()
        .filter_map(|&(t_s, event)| match event {
            Observation::Jumped { by_s, .. } => Some((t_s, by_s)),
            _ => None,
        })
        .collect()
}

#[test]
fn what_is_only_late_or_counted_is_not_even_noticed() {
    for fault in [
        Fault::Stall { at_s: 30.0, for_s: 0.5 },
        Fault::StampedStall { at_s: 30.0, for_s: 0.5 },
        Fault::StampedStall { at_s: 30.0, for_s: 5.0 },
        Fault::Gap { at_s: 30.0, n_frames: 4_800 },
        Fault::Gap { at_s: 30.0, n_frames: 480_000 },
        Fault::Twins { from_s: 30.0, to_s: 40.0 },
        Fault::Backwards { from_s: 30.0, to_s: 40.0, by_s: 0.1 },
        Fault::Period { from_s: 30.0, period_frames: 1_024 },
        Fault::Period { from_s: 30.0, period_frames: 16 },
        Fault::Period { from_s: 30.0, period_frames: 100 },
    ] {
        for jitter_us in JITTERS_US {
            let run = with(fault, jitter_us, 60.0);
            let peak_us = run.peak_us(25.0, 60.0);
            assert!(peak_us <= 1.5 * usual_us(jitter_us), "{fault:?} at {jitter_us} us: {peak_us:.1} us");
            assert!(jumps(&run).is_empty(), "{fault:?} at {jitter_us} us");
        }
    }
}

#[test]
fn unseen_losses_are_found_at_once() {
    for n_frames in [480, 2_400, 48_000] {
        for jitter_us in JITTERS_US {
            let run = with(Fault::Loss { at_s: 30.0, n_frames }, jitter_us, 60.0);
            let lost_s = n_frames as f64 / 48_000.0;
            let found = jumps(&run);
            let what = format!("{n_frames} at {jitter_us} us: {found:?}");
            assert!(found.len() == 1 && (found[0].1 - lost_s).abs() < 0.5e-3, "{what}");
            // The first delivery behind the loss is there a period later.
            assert!(found[0].0 - 30.0 - lost_s < 0.150, "{what}");
            assert!(run.peak_us(33.0, 60.0) < usual_us(jitter_us) + 10.0, "{what}: {:.1}", run.peak_us(33.0, 60.0));
            assert_eq!(run.estimator.counts().jumps, 1);
        }
    }
}

#[test]
fn a_jump_says_from_which_frame_on() {
    let mut estimator = ClockEstimator::new(SampleRate::HZ_48000);
    let ns = |n: u64| 1_000_000_000 + n * 10_000_000;
    let mut jumped = None;
    for n in 0..400u64 {
        // Twice the same sound from delivery 300 on: 20 ms earlier than they should be.
        let late_ns = if n < 300 { 0 } else { 20_000_000 };
        match estimator.observe(FramePosition(n * 480), 480, ns(n) - late_ns) {
            Observation::Jumped { from_position, by_s } => jumped = Some((n, from_position, by_s)),
            observation => assert_eq!(observation == Observation::Outlier, jumped.is_none() && n >= 300, "{n}"),
        }
        assert!(n == 0 || estimator.is_locked());
    }
    let (n, from_position, by_s) = jumped.unwrap();
    assert!(n <= 310 && from_position == FramePosition(300 * 480) && (by_s + 0.02).abs() < 1e-6, "{n} {by_s}");
    let counts = estimator.counts();
    assert_eq!((counts.accepted + counts.outliers, counts.jumps), (400, 1));
}

#[test]
fn six_hours_of_suspend_are_one_jump() {
    let hours_s = 6.0 * 3600.0;
    let run = with(Fault::Suspend { at_s: 30.0, for_s: hours_s }, 200.0, hours_s + 90.0);
    let found = jumps(&run);
    assert!(found.len() == 1 && (found[0].1 - hours_s * (1.0 - 50e-6)).abs() < 0.5e-3, "{found:?}");
    let peak_us = run.peak_us(hours_s + 40.0, hours_s + 90.0);
    assert!(peak_us < usual_us(200.0) + 10.0, "{peak_us:.1} us");
}

#[test]
fn a_break_keeps_the_rate() {
    for jitter_us in JITTERS_US {
        let run = with(Fault::Unplug { at_s: 30.0, for_s: 5.0 }, jitter_us, 90.0);
        let locked = run.events.iter().filter(|event| event.1 == Observation::Locked).count();
        assert!(locked == 2 && jumps(&run).is_empty(), "{:?}", run.events);
        // With the rate known, only the place is to be found: noise falls with the root of what came since.
        let (soon_us, late_us) = (run.peak_us(36.0, 90.0), run.peak_us(42.0, 90.0));
        let what = format!("{jitter_us} us: {soon_us:.1} {late_us:.1} us");
        assert!(soon_us < usual_us(jitter_us) + 10.0 && late_us < usual_us(jitter_us), "{what}");
    }
}

#[test]
fn a_count_that_begins_again_is_a_jump_too() {
    let run = with(Fault::Recount { at_s: 30.0 }, 20.0, 60.0);
    assert_eq!(jumps(&run).len(), 1, "{:?}", jumps(&run));
    assert!(run.peak_us(32.0, 60.0) < 10.0, "{:.1}", run.peak_us(32.0, 60.0));
}

#[test]
fn stamps_that_get_worse_or_were_never_good_cost_no_more_than_that() {
    for jitter_us in JITTERS_US {
        let run = with(Fault::Jitter { from_s: 30.0, sigma_us: 2_000.0 }, jitter_us, 90.0);
        let (peak_us, sigma_us) = (run.peak_us(25.0, 90.0), run.estimator.jitter_sigma_us());
        assert!(peak_us < 250.0 && jumps(&run).is_empty(), "{jitter_us} us: {peak_us:.1} us {:?}", jumps(&run));
        assert!((sigma_us / 2_000.0 - 1.0).abs() < 0.1, "{sigma_us}");
    }
    // Two deliveries with one stamp, always: 5.3 ms of ambiguity.
    let run = with(Fault::Twins { from_s: 0.0, to_s: 90.0 }, 100.0, 90.0);
    assert!(run.peak_us(20.0, 90.0) < 6_000.0, "{:.1}", run.peak_us(20.0, 90.0));
}

#[test]
fn a_loss_among_the_first_deliveries_is_found() {
    for at_s in [0.01, 0.05, 0.1, 0.2, 0.3, 0.35, 0.5] {
        let device =
            Device::new(48_000, DeviceClock::at_ppm(50.0), 256, 200.0).with(Fault::Loss { at_s, n_frames: 2_400 });
        let run = run(&device, &Loop::of(30.0), 2);
        assert!(run.peak_us(3.0, 30.0) < 100.0, "{at_s}: {:.1} us", run.peak_us(3.0, 30.0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever came before: a few seconds of good deliveries, and all is well.
    #[test]
    fn no_nonsense_is_remembered_for_long(
        nonsense in prop::collection::vec((any::<u64>(), 0u64..100_000, any::<u64>(), 0u8..12), 1..150),
        is_near in any::<bool>(), seed in 0u64..1000, is_break in any::<bool>(),
    ) {
        let mut estimator = ClockEstimator::new(SampleRate::HZ_48000);
        let start_ns = 1_000_000_000_000u64;
        let (mut position, mut time_ns) = (0u64, start_ns);
        for &(a, n_frames, b, kind) in &nonsense {
            match kind {
                0 => estimator.mark_break(),
                1 => position = a,
                2 => time_ns = b,
                _ => {}
            }
            let (at, ns) = if is_near { (position, time_ns.wrapping_add(b % 50_000_000)) } else { (a, b) };
            estimator.observe(FramePosition(at), n_frames, ns);
            position = position.wrapping_add(n_frames);
            time_ns = time_ns.wrapping_add(n_frames * 20_833);
            let place = estimator.frame_at(b, 0.5);
            prop_assert!(place.is_none_or(|place| place.fraction.is_finite()), "{place:?}");
            prop_assert!(estimator.rate_factor().is_finite() && estimator.rate_factor() > 0.0);
            prop_assert!(estimator.offset_sigma_us().is_finite() && estimator.jitter_sigma_us().is_finite());
            prop_assert!(!estimator.age_s().is_nan());
        }
        if is_break {
            estimator.mark_break();
        }
        let mut random = device::Random::new(seed);
        let (first, first_ns) = (123_456_789u64, start_ns + 77_000_000_000);
        let mut n = 0u64;
        while n < 1_125 * 4 {
            let ns = first_ns as i64 + (n * 256 * 1_000_000_000 / 48_000) as i64 + (random.normal() * 100_000.0) as i64;
            estimator.observe(FramePosition(first + n * 256), 256, ns as u64);
            n += 1;
        }
        let end_ns = first_ns + n * 256 * 1_000_000_000 / 48_000;
        let off_us = estimator.frame_at(end_ns, 0.0).unwrap().frames_since((first + n * 256) as i64) / 48_000.0 * 1e6;
        prop_assert!(off_us.abs() < 100.0, "{off_us} us {:?}", estimator.counts());
        prop_assert!((estimator.rate_factor() - 1.0).abs() < 20e-6, "{}", estimator.rate_factor());
    }
}

#[test]
fn behind_a_pause_the_backlog_does_not_hide_what_comes_on() {
    // A PulseAudio server that was stopped for 1.5 s delivers up to 16 periods at once, all stamped with one time, has lost the
    // rest, and goes on every 20 ms.
    for (n_backlog, backlog_ns) in [(0, 0), (8, 95_000_000), (16, 95_000_000), (16, 15_000_000), (40, 15_000_000)] {
        let mut estimator = ClockEstimator::new(SampleRate::new(50_000).unwrap());
        let mut position = 0;
        let mut observe = |at_ns: u64| {
            position += 1024;
            estimator.observe(FramePosition(position - 1024), 1024, at_ns)
        };
        // The server's thread wakes when it likes.
        let wobble = |n: u64| 300_000 * (n % 5);
        for n in 0..500 {
            observe(n * 20_480_000 + wobble(n));
        }
        let back_ns = 500 * 20_480_000 + 1_500_000_000;
        for n in 0..n_backlog {
            assert!(!matches!(observe(back_ns - backlog_ns + n * 70_000), Observation::Jumped { .. }), "the backlog");
        }
        let found =
            (0..100).find(|&n| matches!(observe(back_ns + n * 20_480_000 + wobble(n)), Observation::Jumped { .. }));
        assert!(found.is_some_and(|n| n <= 7), "{n_backlog} of backlog: {found:?}");
    }
}
