//! Clocked sources in the mixer's step: where their sound stands, and what becomes of it when they fail to deliver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assert_no_alloc::assert_no_alloc;
use parking_lot::Mutex;
use ra_core::{GapReason, PeriodInput, SourceState, SourceStats, StreamSpec};

use super::{Bench, ByHand, ORIGIN_NS, UNPLUGGED, spec};
use crate::command::Command;
use crate::control::{Completion, Request};
use crate::{BusEvent, BusReader, EngineConfig, Latency, OnRateMismatch, SourceConfig};

const LATENCY_MS: f64 = 20.0;
const TONE_HZ: f64 = 500.0;

fn config() -> EngineConfig {
    EngineConfig { latency: Latency::Ms(LATENCY_MS), ..EngineConfig::default() }
}

/// The sound in the room.
fn room(t_s: f64) -> f32 {
    (0.5 * (std::f64::consts::TAU * TONE_HZ * t_s).cos()) as f32
}

/// A device that hears the room and delivers in periods, at the rate that it really has.
struct Device {
    input: Arc<Mutex<Option<Box<dyn PeriodInput>>>>,
    hz: f64,
    period_frames: u64,
    next_frame: u64,
}

impl Device {
    fn new(bench: &mut Bench, rate_hz: u32) -> Self {
        let input = bench.add_by_hand("mic", spec(rate_hz, 1));
        Self { input, hz: f64::from(rate_hz), period_frames: 256, next_frame: 0 }
    }

    /// Delivers every period that is complete at `now_ns`.
    fn deliver_until(&mut self, now_ns: u64) {
        let mut input = self.input.lock();
        while self.next_is_complete(now_ns) {
            let period: Vec<f32> =
                (0..self.period_frames).map(|n| room((self.next_frame + n) as f64 / self.hz)).collect();
            let capture_ns = ORIGIN_NS + (self.next_frame as f64 / self.hz * 1e9).round() as u64;
            if let Some(input) = input.as_mut() {
                assert_no_alloc(|| input.push(capture_ns, &period));
            }
            self.next_frame += self.period_frames;
        }
    }

    /// Captures without delivering: those frames are gone.
    fn lose_until(&mut self, now_ns: u64) {
        while self.next_is_complete(now_ns) {
            self.next_frame += self.period_frames;
        }
    }

    fn next_is_complete(&self, now_ns: u64) -> bool {
        let end_s = (self.next_frame + self.period_frames) as f64 / self.hz;
        ORIGIN_NS as f64 + end_s * 1e9 <= now_ns as f64
    }

    /// Goes, with what it has not delivered.
    fn go(&self, is_gone: &AtomicBool) {
        is_gone.store(true, Ordering::Relaxed);
        *self.input.lock() = None;
    }

    fn mark_break(&self) {
        self.input.lock().as_mut().unwrap().mark_break();
    }
}

/// Adds a device of 48 kHz that can go, and while it is gone can't be opened.
fn add_fickle(bench: &mut Bench, name: &str, config: SourceConfig) -> (Device, Arc<AtomicBool>) {
    let input = Arc::new(Mutex::new(None));
    let source = ByHand::new(spec(48_000, 1), &input);
    let is_gone = Arc::clone(&source.is_gone);
    let config = SourceConfig { name: name.to_owned(), ..config };
    let source = crate::AnySource::clocked(source);
    bench.tell(|reply| Command::AddSource { config, source, reply }).unwrap();
    (Device { input, hz: 48_000.0, period_frames: 256, next_frame: 0 }, is_gone)
}

/// Steps for so many blocks; `deliver` is told the number of the block. Returns the sound of the source.
fn run(bench: &mut Bench, reader: &mut BusReader, n_blocks: u64, mut deliver: impl FnMut(u64, u64)) -> Vec<f32> {
    let mut got = Vec::new();
    for n in 0..n_blocks {
        deliver(n, bench.mixer.next_deadline_ns());
        bench.step();
        while let BusEvent::Block(block) = reader.read() {
            got.extend_from_slice(block.samples);
        }
    }
    got
}

fn stats(bench: &Bench) -> SourceStats {
    bench.control.stats().sources[0].clone()
}

/// The largest error against the room, `LATENCY_MS` ago, from frame `from` of the mix on.
fn error(got: &[f32], from: usize) -> f32 {
    let at = |n: usize| room((n as f64 / 48_000.0) - LATENCY_MS / 1000.0);
    got.iter().enumerate().skip(from).map(|(n, &sample)| (sample - at(n)).abs()).fold(0.0, f32::max)
}

fn largest_step(got: &[f32]) -> f32 {
    got.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max)
}

#[test]
fn sound_stands_where_it_was_captured_plus_the_latency_whatever_the_clock() {
    for (rate_hz, ppm) in [(48_000, 0.0), (48_000, 150.0), (44_100, -200.0), (96_000, 100.0)] {
        let mut bench = Bench::new(config());
        let mut device = Device::new(&mut bench, rate_hz);
        device.hz *= 1.0 + ppm * 1e-6;
        let mut reader = bench.subscribe("source:mic");
        let got = run(&mut bench, &mut reader, 4000, |_, now_ns| device.deliver_until(now_ns));
        // Silence for 20 ms, and then the room at once.
        let first = got.iter().position(|&sample| sample.abs() > 0.01).unwrap();
        assert!(first.abs_diff(960) < 40, "{rate_hz} Hz: {first}");
        // 1 us at 500 Hz and half scale is 0.0016.
        let settled = error(&got, 6 * 48_000);
        assert!(settled < 0.001, "{rate_hz} Hz, {ppm} ppm: {settled}");
        let source = stats(&bench);
        assert_eq!((source.state, source.xruns, source.inserted_frames), (SourceState::Live, 0, 0));
        assert!((source.drift_ppm.unwrap() - ppm).abs() < 1.0, "{:?}", source.drift_ppm);
        assert_eq!(source.account.dropped_frames, 0);
        assert!((bench.control.stats().engine.latency_us - LATENCY_MS * 1000.0).abs() < 1.0);
    }
}

#[test]
fn what_comes_too_late_is_a_faded_hole_and_dropped_and_the_rest_keeps_its_place() {
    let mut bench = Bench::new(config());
    let mut device = Device::new(&mut bench, 48_000);
    let mut reader = bench.subscribe("source:mic");
    // From block 1000 on nothing comes for 100 blocks; then all of it comes at once.
    let got = run(&mut bench, &mut reader, 2000, |n, now_ns| {
        if !(1000..1100).contains(&n) {
            device.deliver_until(now_ns);
        }
    });
    let source = stats(&bench);
    assert_eq!((source.xruns, source.gaps.len()), (1, 1), "{:?}", source.gaps);
    let gap = source.gaps[0];
    assert_eq!((gap.n_frames, gap.reason), (source.inserted_frames, GapReason::Underrun));
    // What was delivered by the time of block 999 sounds; the next that can sound is what is due at block 1100.
    let last_delivered = (999 * 128_u64) / 256 * 256 + 960;
    assert!(gap.at_frame.0.abs_diff(last_delivered) <= 1, "{gap:?}");
    assert!(gap.end().0.abs_diff(1100 * 128) < 128 + 40, "{gap:?}");
    assert!(source.account.dropped_frames > 11_000, "{}", source.account);
    assert!(bench.account(0).is_balanced());
    assert!(error(&got[..gap.at_frame.0 as usize - 4], 5000) < 0.002);
    assert!(got[gap.at_frame.0 as usize + 200..gap.end().0 as usize - 100].iter().all(|&sample| sample.abs() < 1e-3));
    assert!(error(&got, gap.end().0 as usize + 300) < 0.002, "the sound behind the hole is in its place");
    let slope = (std::f64::consts::TAU * TONE_HZ / 48_000.0 * 0.5) as f32;
    assert!(largest_step(&got[2000..]) < slope + 1.0 / 72.0, "{}", largest_step(&got[2000..]));
}

#[test]
fn an_overfull_ring_drops_the_newest_and_the_gap_keeps_its_length() {
    let mut bench = Bench::new(EngineConfig { latency: Latency::Ms(5000.0), ..config() });
    let mut device = Device::new(&mut bench, 48_000);
    let mut reader = bench.subscribe("source:mic");
    let capacity_frames = 48_000 * 7 + 1024;
    // Nobody mixes for ten seconds; the ring holds seven. To the control side it is later than to the mixer, and it has no
    // reason to think that the device has stopped.
    device.deliver_until(ORIGIN_NS + 10_000_000_000);
    bench.control_ns = Some(ORIGIN_NS + 10_000_000_000);
    let got = run(&mut bench, &mut reader, 6000, |_, now_ns| device.deliver_until(now_ns));
    let source = stats(&bench);
    let gap = source.gaps[0];
    assert_eq!((source.gaps.len(), gap.reason), (1, GapReason::Overrun), "{:?}", source.gaps);
    assert!(gap.at_frame.0.abs_diff(capacity_frames + 240_000) < 3, "{gap:?}");
    assert_eq!(source.account.dropped_frames, gap.n_frames);
    assert!(source.xruns >= 1 && bench.account(0).is_balanced());
    assert!(got[..239_000].iter().all(|&sample| sample == 0.0) && got[241_000].abs() + got[241_024].abs() > 0.1);
}

#[test]
fn a_break_is_a_gap_of_its_own_length_and_what_follows_is_in_its_place() {
    let mut bench = Bench::new(config());
    let mut device = Device::new(&mut bench, 48_000);
    let mut reader = bench.subscribe("source:mic");
    let mut is_away = false;
    let mut positions = 0;
    let got = run(&mut bench, &mut reader, 3000, |n, now_ns| {
        // Not for so long that it would be opened anew.
        if (1000..1600).contains(&n) {
            device.lose_until(now_ns);
            is_away = true;
        } else {
            if is_away {
                device.mark_break();
                is_away = false;
                positions = device.next_frame;
            }
            device.deliver_until(now_ns);
        }
    });
    let source = stats(&bench);
    assert_eq!((source.xruns, source.gaps.len()), (1, 1), "{:?}", source.gaps);
    let gap = source.gaps[0];
    assert_eq!((gap.n_frames, gap.reason), (source.inserted_frames, GapReason::NotCaptured));
    let from = 999 * 128 / 256 * 256 + 960;
    assert!(gap.at_frame.0.abs_diff(from) <= 2, "{gap:?}, expected from {from}");
    assert!(gap.end().0.abs_diff(positions + 960) <= 2, "{gap:?}, expected to {}", positions + 960);
    assert_eq!(source.account.dropped_frames, 0, "{}", source.account);
    assert!(error(&got, gap.end().0 as usize + 300) < 0.005);
}

#[test]
fn a_removed_clocked_source_leaves_a_balanced_account_and_nothing_queued() {
    let mut bench = Bench::new(config());
    let mut device = Device::new(&mut bench, 16_000);
    let mut reader = bench.subscribe("main");
    run(&mut bench, &mut reader, 100, |_, now_ns| device.deliver_until(now_ns));
    bench.tell(|reply| Command::RemoveSource { name: "mic".into(), reply }).unwrap();
    run(&mut bench, &mut reader, 12, |_, _| ());
    assert!(device.input.lock().is_none(), "the device was closed");
    let account = bench.account(0);
    assert_eq!(account.queued_frames, 0, "{account}");
    assert_eq!(account.produced_frames, device.next_frame);
    assert_eq!(stats(&bench).state, SourceState::Removed);
}

#[test]
fn a_lost_device_is_a_gap_from_its_last_frame_on_and_its_end_does_not_click() {
    let mut bench = Bench::new(config());
    let (mut device, is_gone) = add_fickle(&mut bench, "mic", SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    let got = run(&mut bench, &mut reader, 400, |n, now_ns| match n {
        0..200 => device.deliver_until(now_ns),
        // The device goes; nobody is told before the ring has run out.
        200 => device.go(&is_gone),
        _ => {}
    });
    let source = stats(&bench);
    assert_eq!((source.state, source.losses, source.reconnects), (SourceState::Lost, 1, 0));
    let reason = source.reason.unwrap();
    assert!(reason.starts_with(UNPLUGGED) && reason.contains("opened again in vain"), "{reason}");
    assert_eq!(source.gaps.len(), 1, "{:?}", source.gaps);
    let gap = source.gaps[0];
    assert!(gap.at_frame.0.abs_diff(device.next_frame + 960) <= 1, "{gap:?}");
    assert_eq!((gap.end().0, gap.reason), (400 * 128, GapReason::DeviceLost));
    assert_eq!(source.inserted_frames, gap.n_frames);
    let slope = (std::f64::consts::TAU * TONE_HZ / 48_000.0 * 0.5) as f32;
    assert!(largest_step(&got[2000..]) < slope + 1.0 / 72.0, "{}", largest_step(&got[2000..]));
    assert_eq!(bench.account(0).queued_frames, 0);
}

#[test]
fn a_late_mixer_reads_what_waits_and_a_stalled_process_goes_on_in_the_present() {
    let mut bench = Bench::new(EngineConfig { ring_ms: 500.0, ..config() });
    let mut device = Device::new(&mut bench, 48_000);
    let mut reader = bench.subscribe("source:mic");
    run(&mut bench, &mut reader, 1000, |_, now_ns| device.deliver_until(now_ns));
    // 300 ms late, and the device has gone on: everything that waits is read, nothing is dropped.
    let now_ns = bench.mixer.next_deadline_ns() + 300_000_000;
    device.deliver_until(now_ns);
    while bench.mixer.next_deadline_ns() <= now_ns {
        bench.mixer.run_due(now_ns);
    }
    bench.settle();
    let before = bench.account(0);
    assert_eq!((before.dropped_frames, stats(&bench).xruns), (0, 0), "{before}");
    // Ten seconds stopped; what the device delivered meanwhile has no place any more.
    let now_ns = bench.mixer.next_deadline_ns() + 10_000_000_000;
    device.deliver_until(now_ns);
    let position = bench.mixer.position();
    bench.mixer.run_due(now_ns);
    let jumped = bench.mixer.position() - position;
    assert!(jumped > 470_000, "{jumped}");
    while let BusEvent::Block(_) = reader.read() {}
    let from = bench.mixer.position().0 as usize;
    let got = run(&mut bench, &mut reader, 2000, |_, now_ns| device.deliver_until(now_ns));
    let stats = bench.control.stats();
    // One stamped gap; and what is due right behind it found no room in the ring in time.
    assert_eq!(stats.engine.xruns - stats.sources[0].xruns, 1);
    let gap = stats.sources[0].gaps[0];
    assert_eq!((stats.sources[0].gaps.len(), gap.reason), (1, GapReason::Overrun));
    assert!(gap.at_frame.0 as usize >= from - 128 * 8 && gap.n_frames < 1200, "{gap:?} at {from}");
    assert!(bench.account(0).queued_frames < 2000, "{}", bench.account(0));
    let at = |n: usize| room(((from + n) as f64 / 48_000.0) - LATENCY_MS / 1000.0);
    let error = got.iter().enumerate().skip(1000).map(|(n, &sample)| (sample - at(n)).abs()).fold(0.0, f32::max);
    assert!(error < 0.005, "{error}");
}

#[test]
fn one_outage_is_one_gap_at_another_rate_too() {
    let mut bench = Bench::new(config());
    let mut device = Device::new(&mut bench, 44_100);
    device.period_frames = 100;
    let mut reader = bench.subscribe("source:mic");
    run(&mut bench, &mut reader, 1200, |n, now_ns| {
        if !(500..900).contains(&n) {
            device.deliver_until(now_ns);
        }
    });
    let source = stats(&bench);
    assert_eq!((source.gaps.len(), source.xruns), (1, 1), "{:?}", source.gaps);
    assert_eq!(source.gaps[0].n_frames, source.inserted_frames);
}

#[test]
fn a_source_that_never_delivers_says_so_and_recovers() {
    let mut bench = Bench::new(config());
    let mut device = Device::new(&mut bench, 48_000);
    let mut reader = bench.subscribe("source:mic");
    run(&mut bench, &mut reader, 2000, |_, now_ns| device.lose_until(now_ns));
    let source = stats(&bench);
    assert_eq!(source.state, SourceState::Opening);
    assert!(source.reason.as_ref().unwrap().contains("has delivered nothing for 5 s"), "{:?}", source.reason);
    run(&mut bench, &mut reader, 100, |_, now_ns| device.deliver_until(now_ns));
    let source = stats(&bench);
    assert_eq!((source.state, source.reason), (SourceState::Live, None));
}

#[test]
fn a_rate_that_is_not_the_one_claimed_is_followed_or_refused() {
    for on_rate_mismatch in [OnRateMismatch::Follow, OnRateMismatch::Refuse] {
        let mut bench = Bench::new(config());
        let input = Arc::new(Mutex::new(None));
        let source = ByHand::new(spec(48_000, 1), &input);
        let config = SourceConfig { on_rate_mismatch, ..SourceConfig::named("mic") };
        let source = crate::AnySource::clocked(source);
        bench.tell(|reply| Command::AddSource { config, source, reply }).unwrap();
        let mut device = Device { input, hz: 44_100.0, period_frames: 256, next_frame: 0 };
        let mut reader = bench.subscribe("source:mic");
        let got = run(&mut bench, &mut reader, 5 * 375, |_, now_ns| device.deliver_until(now_ns));
        let source = stats(&bench);
        let reason = source.reason.unwrap();
        assert!(reason.contains("claims 48000 Hz and delivers 44100 Hz"), "{reason}");
        match on_rate_mismatch {
            OnRateMismatch::Follow => {
                assert_eq!(source.state, SourceState::Live);
                assert!(error(&got, 4 * 48_000) < 0.02, "{}", error(&got, 4 * 48_000));
            }
            OnRateMismatch::Refuse => assert_eq!(source.state, SourceState::Failed),
        }
    }
}

#[test]
fn a_trim_moves_one_source_and_no_other() {
    let mut bench = Bench::new(config());
    let input = Arc::new(Mutex::new(None));
    let source = ByHand::new(spec(48_000, 1), &input);
    let config = SourceConfig { latency_offset_ms: 0.5, ..SourceConfig::named("mic") };
    let source = crate::AnySource::clocked(source);
    bench.tell(|reply| Command::AddSource { config, source, reply }).unwrap();
    let mut device = Device { input, hz: 48_000.0, period_frames: 256, next_frame: 0 };
    let mut reader = bench.subscribe("source:mic");
    let got = run(&mut bench, &mut reader, 4000, |_, now_ns| device.deliver_until(now_ns));
    // Half a millisecond is a quarter of the tone's period.
    assert!(error(&got[24..], 6 * 48_000) < 0.002, "{}", error(&got[24..], 6 * 48_000));
}

#[test]
fn an_automatic_latency_is_what_periods_and_filters_need() {
    let mut bench = Bench::new(EngineConfig { latency: Latency::Auto, ..config() });
    let mut device = Device::new(&mut bench, 48_000);
    let mut reader = bench.subscribe("source:mic");
    run(&mut bench, &mut reader, 2000, |_, now_ns| device.deliver_until(now_ns));
    let latency_us = bench.control.stats().engine.latency_us;
    // A block, a period, the filter and the guard: 2.67 + 5.33 + 0.67 + 0.5 ms.
    assert!((8_500.0..9_500.0).contains(&latency_us), "{latency_us}");
    let source = stats(&bench);
    assert_eq!((source.xruns, source.account.dropped_frames), (0, 0));
}

/// Adds a device of 48 kHz that goes on in another format once it is told one.
fn add_flipping(bench: &mut Bench, period_frames: u64) -> (Device, Arc<Mutex<Option<StreamSpec>>>) {
    let input = Arc::new(Mutex::new(None));
    let source = ByHand::new(spec(48_000, 1), &input);
    let flips_to = Arc::clone(&source.flips_to);
    bench.add("mic", crate::AnySource::clocked(source));
    (Device { input, hz: 48_000.0, period_frames, next_frame: 0 }, flips_to)
}

#[test]
fn a_device_that_flips_its_rate_goes_on_in_its_place() {
    let mut bench = Bench::new(config());
    let (mut device, flips_to) = add_flipping(&mut bench, 256);
    let mut reader = bench.subscribe("source:mic");
    let mut second = 0.0;
    let got = run(&mut bench, &mut reader, 4000, |n, now_ns| {
        match n {
            // Half a second passes before it delivers again.
            1000 => *flips_to.lock() = Some(spec(16_000, 1)),
            1001..1200 => return,
            1200 => second = (now_ns - ORIGIN_NS) as f64 / 1e9,
            _ => {}
        }
        if n < 1000 {
            device.deliver_until(now_ns);
        } else if n >= 1200 {
            deliver_anew(&mut device, second, now_ns);
        }
    });
    let source = stats(&bench);
    assert_eq!((source.state, source.xruns), (SourceState::Live, 1), "{source:?}");
    assert_eq!(source.gaps.len(), 1, "{:?}", source.gaps);
    let gap = source.gaps[0];
    let (from, to) = (999 * 128 / 256 * 256 + 960, (second * 48_000.0) as u64 + 960);
    assert_eq!((gap.n_frames, gap.reason), (source.inserted_frames, GapReason::NotCaptured));
    assert!(gap.at_frame.0.abs_diff(from) <= 1 && gap.end().0.abs_diff(to) <= 2, "{gap:?}, expected {from} to {to}");
    assert!(error(&got, gap.end().0 as usize + 300) < 0.005, "{}", error(&got, gap.end().0 as usize + 300));
    let account = bench.account(0);
    assert!(account.produced_frames > 127_000 + 100_000, "both rings: {account}");
    assert_eq!(account.dropped_frames, 0);
}

#[test]
fn what_is_there_when_the_mix_begins_is_heard_from_its_very_first_frame() {
    let mut bench = Bench::new(config());
    let input = bench.add_by_hand("mic", spec(48_000, 1));
    let mut device = Device { input, hz: 48_000.0, period_frames: 250, next_frame: 0 };
    let mut reader = bench.subscribe("source:mic");
    let got = run(&mut bench, &mut reader, 100, |_, now_ns| device.deliver_until(now_ns));
    // A cosine: its first frame is its crest, a latency behind the beginning.
    let first = got.iter().position(|sample| sample.abs() > 0.4).unwrap();
    assert!((0.46..0.52).contains(&got[first]) && got[..first - 64].iter().all(|&sample| sample == 0.0), "{first}");
}

#[test]
fn neither_the_first_sound_of_a_device_nor_a_flip_of_its_rate_has_a_step() {
    // Wherever in a block the old sound ends, and wherever in a wave the new one begins.
    for flip in 300..330 {
        let mut bench = Bench::new(config());
        // What is there when the mix begins begins with it; this one comes later.
        bench.step();
        let (mut device, flips_to) = add_flipping(&mut bench, 250 + flip % 7);
        let mut reader = bench.subscribe("source:mic");
        let mut second = 0.0;
        let got = run(&mut bench, &mut reader, 500, |n, now_ns| {
            if n < flip {
                device.deliver_until(now_ns);
                return;
            }
            if n == flip {
                *flips_to.lock() = Some(spec(16_000, 1));
                second = (now_ns - ORIGIN_NS) as f64 / 1e9;
            } else if n > flip + 1 {
                deliver_anew(&mut device, second, now_ns);
            }
        });
        let slope = (std::f64::consts::TAU * TONE_HZ / 48_000.0 * 0.5) as f32;
        // The fades at a hole's edges, and what the resampler overshoots by.
        let bound = (slope + 0.5 / 72.0 + 0.5 / 240.0) * 1.1;
        let at = got.windows(2).position(|pair| (pair[1] - pair[0]).abs() >= bound);
        assert!(
            at.is_none(),
            "{flip}: {} of {bound} at {at:?}, {:?}",
            largest_step(&got),
            &got[at.unwrap() - 8..][..16]
        );
        assert!(got[480 * 128..].iter().any(|&sample| sample > 0.45), "{flip}: the new sound is there");
    }
}

#[test]
fn a_source_that_is_removed_while_its_device_is_opened_anew_leaves_nothing_queued() {
    let mut bench = Bench::new(config());
    let (mut device, flips_to) = add_flipping(&mut bench, 256);
    let mut reader = bench.subscribe("main");
    run(&mut bench, &mut reader, 100, |_, now_ns| device.deliver_until(now_ns));
    *flips_to.lock() = Some(spec(16_000, 1));
    bench.control.tick(bench.mixer.next_deadline_ns());
    let Some(Request::RestartClocked { id, mut source, input, .. }) = bench.control.take_request() else {
        panic!("the flip was seen");
    };
    source.stop();
    let result = source.start(Box::new(input));
    // It delivers at once; and before anybody is told that it is open, it is told to go.
    device.input.lock().as_mut().unwrap().push(bench.mixer.next_deadline_ns(), &[0.0; 256]);
    let (reply, _answer) = crossbeam_channel::bounded(1);
    bench.control.handle(Command::RemoveSource { name: "mic".into(), reply });
    bench.control.complete(Completion::ClockedOpened { id, source, result });
    bench.settle();
    run(&mut bench, &mut reader, 40, |_, _| ());
    let account = bench.account(0);
    assert_eq!((account.queued_frames, account.produced_frames), (0, device.next_frame + 256), "{account}");
}

/// Delivers what a device that was opened at `opened_s` captures at 16 kHz.
fn deliver_anew(device: &mut Device, opened_s: f64, now_ns: u64) {
    if device.hz != 16_000.0 {
        (device.hz, device.next_frame) = (16_000.0, 0);
    }
    let mut input = device.input.lock();
    loop {
        let at = |n: u64| opened_s + n as f64 / 16_000.0;
        if ORIGIN_NS as f64 + at(device.next_frame + 256) * 1e9 > now_ns as f64 {
            return;
        }
        let period: Vec<f32> = (0..256).map(|n| room(at(device.next_frame + n))).collect();
        let capture_ns = ORIGIN_NS + (at(device.next_frame) * 1e9).round() as u64;
        input.as_mut().unwrap().push(capture_ns, &period);
        device.next_frame += 256;
    }
}

#[test]
fn while_the_latency_moves_every_sound_stays_where_it_says() {
    let mut bench = Bench::new(EngineConfig { latency: Latency::Auto, ..config() });
    let mut device = Device::new(&mut bench, 48_000);
    device.hz *= 1.0 + 80e-6;
    let hz = device.hz;
    let (mut worst_us, mut first_ns, mut last_ns): (f64, f64, f64) = (0.0, 0.0, 0.0);
    for n in 0..20_000 {
        // Periods four times as long: what covered them does not any more.
        device.period_frames = if n < 3000 { 256 } else { 1024 };
        let (start_ns, latency_ns) = (bench.mixer.next_deadline_ns(), bench.mixer.latency_ns());
        device.deliver_until(start_ns);
        bench.step();
        let strip = bench.mixer.source(crate::rt::command::SourceId(0)).unwrap();
        if n == 2999 {
            first_ns = latency_ns;
        }
        if let Some(reading) = strip.follower.clocked().unwrap().reading().filter(|_| n > 1500) {
            let captured_s = (reading.frame as f64 + reading.fraction) / hz;
            let heard_s = (start_ns - ORIGIN_NS) as f64 / 1e9;
            worst_us = worst_us.max(((captured_s + latency_ns / 1e9 - heard_s) * 1e6).abs());
        }
        last_ns = latency_ns;
    }
    assert!(last_ns - first_ns > 14e6, "it has grown by {} ms", (last_ns - first_ns) / 1e6);
    assert!(worst_us < 5.0, "{worst_us} us off");
    // Nothing is missing since it has grown.
    let source = stats(&bench);
    assert!(source.gaps.last().unwrap().end().0 < 12_000 * 128, "{:?}", source.gaps.last());
}
