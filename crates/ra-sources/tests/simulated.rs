//! The simulated device: what each fault does to its deliveries, and that it knows the truth of them.

#![cfg(feature = "mock")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use std::f64::consts::TAU;
use std::sync::{Arc, Mutex};

use ra_core::{ClockedSource, PeriodInput, SampleRate, Source, StreamEvent, StreamSpec};
use ra_sources::{
    ClockModel, Fault, MockConfig, Outliers, PacedConfig, Signal, SimulatedConfig, SimulatedDevice,
    SimulatedDeviceHandle,
};

const ORIGIN_NS: u64 = 3_600_000_000_000;
const HZ: f64 = 997.0;

/// One delivery as the engine's end sees it, and the virtual time at which it came.
#[derive(Clone, Debug, PartialEq)]
struct Came {
    at_ns: u64,
    position: u64,
    capture_ns: u64,
    samples: Vec<f32>,
    after_break: bool,
}

#[derive(Clone, Default)]
struct Tap {
    now_ns: Arc<Mutex<u64>>,
    came: Arc<Mutex<Vec<Came>>>,
    position: u64,
    after_break: bool,
}

impl PeriodInput for Tap {
    fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize {
        let (position, after_break) = (self.position, std::mem::take(&mut self.after_break));
        let at_ns = *self.now_ns.lock().unwrap();
        self.came.lock().unwrap().push(Came {
            at_ns,
            position,
            capture_ns,
            samples: interleaved.to_vec(),
            after_break,
        });
        self.position += interleaved.len() as u64;
        interleaved.len()
    }

    fn mark_break(&mut self) {
        self.after_break = true;
    }
}

fn config(faults: Vec<Fault>) -> SimulatedConfig {
    SimulatedConfig {
        paced: PacedConfig {
            period_frames: 480,
            clock: ClockModel { ppm: 100.0, ..ClockModel::PERFECT },
            room_origin_ns: Some(ORIGIN_NS),
            ..PacedConfig::default()
        },
        room: MockConfig::new(StreamSpec::new(48_000, 1).unwrap(), Signal::Tone { hz: HZ, dbfs: -6.0 }),
        faults,
    }
}

/// Everything that is delivered in `for_s` seconds, in steps of a millisecond.
fn deliveries(config: SimulatedConfig, for_s: f64) -> (Vec<Came>, SimulatedDevice, SimulatedDeviceHandle) {
    let (mut device, handle) = SimulatedDevice::new(config).unwrap();
    let tap = Tap::default();
    device.start(Box::new(tap.clone())).unwrap();
    run(&handle, &tap, 0.0, for_s);
    let came = tap.came.lock().unwrap().clone();
    (came, device, handle)
}

fn run(handle: &SimulatedDeviceHandle, tap: &Tap, from_s: f64, to_s: f64) {
    for ms in (from_s * 1e3).round() as u64..(to_s * 1e3).round() as u64 {
        let now_ns = ORIGIN_NS + (ms + 1) * 1_000_000;
        *tap.now_ns.lock().unwrap() = now_ns;
        handle.deliver_until(now_ns);
        assert!(handle.next_due_ns().is_none_or(|due_ns| due_ns > now_ns));
    }
}

/// Seconds since the origin.
fn seconds(ns: u64) -> f64 {
    (ns as f64 - ORIGIN_NS as f64) * 1e-9
}

/// The truth that the handle tells is where the room's tone says the samples were captured.
fn assert_sound_is_where_the_truth_says(came: &[Came], handle: &SimulatedDeviceHandle) {
    let start = handle.n_starts() - 1;
    for delivery in came {
        for (i, &sample) in delivery.samples.iter().enumerate().step_by(37) {
            let t = handle.true_time(start, delivery.position as i64 + i as i64, 0.0);
            let truth = 10f64.powf(-0.3) * (TAU * (HZ * t.as_s()).fract()).sin();
            assert!((f64::from(sample) - truth).abs() < 1e-6, "position {}: {sample} {truth}", delivery.position);
        }
    }
}

#[test]
fn without_faults_it_is_the_room_on_time() {
    let (came, device, handle) = deliveries(config(vec![]), 2.0);
    assert_eq!(came.len(), 200); // the clock is fast: the 200th period ends at 1.9998 s
    for (delivery, k) in came.iter().zip(0u64..) {
        let period_s = 0.01 / (1.0 + 1e-4);
        assert_eq!((delivery.position, delivery.samples.len()), (k * 480, 480));
        assert!((seconds(delivery.capture_ns) - k as f64 * period_s).abs() < 2e-9);
        let late_s = seconds(delivery.at_ns) - (k + 1) as f64 * period_s;
        assert!((0.0..0.001_001).contains(&late_s), "{late_s}");
        assert!(!delivery.after_break);
    }
    assert_sound_is_where_the_truth_says(&came, &handle);
    assert_eq!(device.describe(), "paced (simulated, tone of 997 Hz at -6 dBFS)");
    assert!((handle.true_time(0, 0, 0.5).as_s() - 0.5 / 48_004.8).abs() < 1e-15);
}

#[test]
fn unplugged_it_loses_what_was_on_its_way_and_marks_the_break() {
    let (came, _, handle) = deliveries(config(vec![Fault::Unplug { at_s: 0.5, for_s: 0.25 }]), 2.0);
    let behind = came.iter().position(|delivery| delivery.after_break).unwrap();
    assert_eq!(came.iter().filter(|delivery| delivery.after_break).count(), 1);
    // The 50th period ends at 0.49995 s and is there; the next is cut off.
    assert_eq!(behind, 50);
    assert_eq!(came[behind].position, 50 * 480); // lost frames are not counted: nobody knows how many
    let back_s = seconds(came[behind].capture_ns);
    assert!((0.75..0.75 + 1.0 / 48_000.0).contains(&back_s), "{back_s}");
    assert!(came[behind].at_ns > ORIGIN_NS + 759_000_000);
    let is_sound = |position| handle.true_time_of_sound(0, position, 0.0, (10, 20)).is_some();
    assert!(is_sound(0) && is_sound(23_979) && !is_sound(23_980) && !is_sound(24_010) && is_sound(24_011));
    let n_delivered: i64 = came.iter().map(|delivery| delivery.samples.len() as i64).sum();
    assert!(is_sound(n_delivered - 1) && !is_sound(n_delivered));
    assert_sound_is_where_the_truth_says(&came, &handle);

    // What a stall holds back when the device goes is lost with it.
    let stalled = vec![Fault::Stall { at_s: 0.3, for_s: 1.0 }, Fault::Unplug { at_s: 0.5, for_s: 0.25 }];
    let (came, _, handle) = deliveries(config(stalled), 2.0);
    let behind = came.iter().position(|delivery| delivery.after_break).unwrap();
    assert_eq!(behind, 30);
    assert!(came[behind].at_ns >= ORIGIN_NS + 1_300_000_000);
    assert_sound_is_where_the_truth_says(&came, &handle);

    // Shorter than a period: the period that it cuts is lost all the same.
    let (came, _, handle) = deliveries(config(vec![Fault::Unplug { at_s: 0.505, for_s: 0.001 }]), 1.0);
    let behind = came.iter().position(|delivery| delivery.after_break).unwrap();
    assert_eq!(behind, 50);
    assert!((seconds(came[behind].capture_ns) - 0.506).abs() < 3e-5);
    assert_sound_is_where_the_truth_says(&came, &handle);
}

#[test]
fn a_stall_delivers_its_backlog_in_a_burst_with_true_stamps() {
    let (plain, _, _) = deliveries(config(vec![]), 2.0);
    let (came, _, handle) = deliveries(config(vec![Fault::Stall { at_s: 0.5, for_s: 0.25 }]), 2.0);
    assert_eq!(came.len(), plain.len());
    let burst_ns = ORIGIN_NS + 750_000_000;
    assert_eq!(came.iter().filter(|delivery| delivery.at_ns == burst_ns).count(), 25);
    for (with, without) in came.iter().zip(&plain) {
        assert_eq!(
            (with.position, with.capture_ns, &with.samples),
            (without.position, without.capture_ns, &without.samples)
        );
        let is_held = without.at_ns > ORIGIN_NS + 500_000_000 && without.at_ns <= burst_ns;
        assert_eq!(with.at_ns, if is_held { burst_ns } else { without.at_ns });
    }
    assert_sound_is_where_the_truth_says(&came, &handle);
}

#[test]
fn a_burst_pairs_deliveries() {
    let (came, _, handle) = deliveries(config(vec![Fault::Burst { at_s: 0.5, for_s: 0.2 }]), 1.0);
    assert_eq!(came.len(), 100);
    let pairs = came.windows(2).filter(|pair| pair[0].at_ns == pair[1].at_ns).count();
    assert_eq!(pairs, 10);
    assert!(came.windows(2).all(|pair| pair[0].capture_ns < pair[1].capture_ns));
    assert_sound_is_where_the_truth_says(&came, &handle);
}

#[test]
fn period_sizes_change_and_frames_get_lost_unseen() {
    let faults = vec![
        Fault::Lose { at_s: 1.0, n_frames: 4_801 },
        Fault::Period { at_s: 0.5, period_frames: 96 },
        Fault::Period { at_s: 0.7, period_frames: 4_800 },
    ];
    let (came, _, handle) = deliveries(config(faults), 2.0);
    let sizes: Vec<usize> = came.iter().map(|delivery| delivery.samples.len()).collect();
    assert!(sizes.starts_with(&[480; 50]));
    assert_eq!(sizes.iter().filter(|&&size| size == 96).count(), 96); // from 0.50995 s to 0.70193 s
    assert_eq!(sizes.last(), Some(&4_800));
    let jump = came.windows(2).find(|pair| {
        let nominal_s = pair[0].samples.len() as f64 / 48_004.8;
        seconds(pair[1].capture_ns) - seconds(pair[0].capture_ns) > nominal_s + 1e-6
    });
    let jump = jump.unwrap();
    let lost_s = seconds(jump[1].capture_ns) - seconds(jump[0].capture_ns) - 4_800.0 / 48_004.8;
    assert!((lost_s * 48_004.8 - 4_801.0).abs() < 1e-3, "{lost_s}");
    assert_eq!(jump[1].position, jump[0].position + 4_800);
    assert!(!jump[1].after_break);
    assert_sound_is_where_the_truth_says(&came, &handle);
}

#[test]
fn bad_stamps_are_bad_for_as_long_as_they_should_be() {
    let faults = vec![Fault::BackwardsStamp { at_s: 0.3, for_s: 0.1 }, Fault::EqualStamps { at_s: 0.6, for_s: 0.1 }];
    let (came, _, handle) = deliveries(config(faults), 1.0);
    let (plain, _, _) = deliveries(config(vec![]), 1.0);
    let backwards = came.windows(2).filter(|pair| pair[1].capture_ns + 10_000_000 == pair[0].capture_ns).count();
    let equal = came.windows(2).filter(|pair| pair[1].capture_ns == pair[0].capture_ns).count();
    assert_eq!((backwards, equal), (10, 10));
    let wrong = came.iter().zip(&plain).filter(|(with, without)| with.capture_ns != without.capture_ns).count();
    assert_eq!(wrong, 20);
    assert!(came.iter().zip(&plain).all(|(with, without)| with.at_ns == without.at_ns));
    assert_sound_is_where_the_truth_says(&came, &handle);
}

#[test]
fn a_flipped_format_is_an_event_and_a_new_start() {
    let rate = SampleRate::HZ_44100;
    let (mut device, handle) =
        SimulatedDevice::new(config(vec![Fault::Format { at_s: 0.5, sample_rate: rate }])).unwrap();
    let tap = Tap::default();
    device.start(Box::new(tap.clone())).unwrap();
    assert!(device.start(Box::new(tap.clone())).is_err(), "started twice");
    run(&handle, &tap, 0.0, 0.6);
    assert_eq!(tap.came.lock().unwrap().len(), 50);
    assert_eq!(handle.next_due_ns(), None);
    let spec = StreamSpec::new(44_100, 1).unwrap();
    assert_eq!(device.poll_event(), Some(StreamEvent::FormatChanged { spec }));
    assert_eq!(device.poll_event(), None);
    assert_eq!(device.spec(), spec);
    device.stop();
    let tap = Tap::default();
    assert_eq!(device.start(Box::new(tap.clone())).unwrap().spec, spec);
    assert_eq!(handle.n_starts(), 2);
    run(&handle, &tap, 0.6, 1.0);
    let came = tap.came.lock().unwrap();
    assert_eq!(came[0].position, 0);
    assert_eq!(came[0].capture_ns, ORIGIN_NS + 600_000_000);
    assert!((seconds(came[1].capture_ns) - 0.6 - 480.0 / 44_104.41).abs() < 2e-9);
    assert_sound_is_where_the_truth_says(&came, &handle);
    assert_eq!(device.poll_event(), None);
}

#[test]
fn the_silent_one_never_delivers_and_a_stopped_one_no_more() {
    let (came, _, handle) = deliveries(config(vec![Fault::Silent]), 1.0);
    assert!(came.is_empty());
    assert_eq!(handle.next_due_ns(), None);
    let (came, mut device, handle) = deliveries(config(vec![]), 0.1);
    device.stop();
    handle.deliver_until(ORIGIN_NS + 10_000_000_000);
    assert_eq!(came.len(), 10);
    assert_eq!(handle.next_due_ns(), None);
}

#[test]
fn every_error_of_a_slow_storm_is_told_however_often_one_asks() {
    let storm = Fault::Storm { at_s: 0.5, for_s: 2.0, per_s: 10.0 };
    let (mut device, handle) = SimulatedDevice::new(config(vec![storm])).unwrap();
    let (mut n_errors, mut n_asked) = (0, 0);
    for ms in (0..4000).step_by(3) {
        handle.deliver_until(ORIGIN_NS + ms * 1_000_000);
        // As many events as anybody asks for, while it goes on.
        for _ in 0..3 {
            let Some(StreamEvent::ErrorsSeen { n }) = device.poll_event() else { break };
            n_errors += n;
            n_asked += 1;
        }
    }
    assert_eq!(n_errors, 20);
    assert!((1990..2010).contains(&n_asked), "{n_asked}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    let noisy = |seed| {
        let mut config = config(vec![Fault::Stall { at_s: 0.5, for_s: 0.1 }]);
        config.paced.jitter_us = 200.0;
        config.paced.outliers = Outliers { probability: 0.05, ms: 10.0 };
        config.paced.seed = seed;
        deliveries(config, 2.0).0
    };
    assert!(noisy(1) == noisy(1));
    assert!(noisy(1) != noisy(2));
}

#[test]
fn nonsense_is_refused_by_name() {
    for (fault, says) in [
        (Fault::Unplug { at_s: -1.0, for_s: 1.0 }, "fault.at_s: -1"),
        (Fault::Stall { at_s: 1.0, for_s: 0.0 }, "fault.for_s: 0"),
        (Fault::Burst { at_s: 1.0, for_s: f64::NAN }, "fault.for_s: NaN"),
        (Fault::Period { at_s: 1.0, period_frames: 0 }, "fault.period_frames: 0"),
        (Fault::Lose { at_s: 1.0, n_frames: 0 }, "fault.n_frames: 0"),
        (Fault::Format { at_s: 1.0, sample_rate: SampleRate::new(1_000).unwrap() }, "signal.hz: 997 Hz"),
    ] {
        let error = SimulatedDevice::new(config(vec![fault])).err().unwrap().to_string();
        assert!(error.contains(says), "{error}, expected {says}");
    }
}

/// What a device with its tone costs: `cargo test --release -p ra-sources --test simulated -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_device() {
    struct Sum(f32);
    impl PeriodInput for Sum {
        fn push(&mut self, _capture_ns: u64, interleaved: &[f32]) -> usize {
            self.0 += interleaved[0];
            interleaved.len()
        }
        fn mark_break(&mut self) {}
    }
    let thermal = ClockModel { ppm: 50.0, thermal_ppm: 10.0, ..ClockModel::PERFECT };
    for (what, clock, channels, signal) in [
        ("steady tone", ClockModel { ppm: 50.0, ..ClockModel::PERFECT }, 1, Signal::Tone { hz: HZ, dbfs: -12.0 }),
        ("wandering tone", thermal, 1, Signal::Tone { hz: HZ, dbfs: -12.0 }),
        ("wandering stereo tone", thermal, 2, Signal::Tone { hz: HZ, dbfs: -12.0 }),
        ("wandering silence", thermal, 1, Signal::Silence),
        ("wandering impulses", thermal, 1, Signal::Impulses { every_s: 1.0, dbfs: -6.0 }),
        ("wandering noise", thermal, 1, Signal::Noise { dbfs: -20.0 }),
    ] {
        let (mut device, handle) = SimulatedDevice::new(SimulatedConfig {
            paced: PacedConfig {
                clock,
                jitter_us: 200.0,
                outliers: Outliers { probability: 0.001, ms: 10.0 },
                ..PacedConfig::default()
            },
            room: MockConfig::new(StreamSpec::new(48_000, channels).unwrap(), signal),
            faults: vec![],
        })
        .unwrap();
        device.start(Box::new(Sum(0.0))).unwrap();
        let start = std::time::Instant::now();
        let n_blocks = 375 * 120;
        for block in 0..n_blocks {
            handle.deliver_until(block * 128 * 1_000_000_000 / 48_000);
        }
        let ns = start.elapsed().as_nanos() as f64 / (n_blocks * 128) as f64;
        println!("{what}: {ns:.2} ns a frame");
    }
}
