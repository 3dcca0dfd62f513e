//! Sources that are lost and come back, and those that stand in for them meanwhile, in the mixer's step: gaps, fades, places.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use ra_core::{GapReason, PeriodInput, SourceState, SourceStats, StreamEvent, StreamSpec, VirtualClock};

use super::{Bench, ByHand, Constant, ORIGIN_NS, spec};
use crate::command::Command;
use crate::control::{Completion, Request, Threadless};
use crate::{AnySource, BusEvent, BusReader, CommandError, EngineConfig, Latency, OnLoss, SourceConfig};

const LATENCY_FRAMES: u64 = 960;
const HZ: f64 = 500.0;

fn config() -> EngineConfig {
    EngineConfig { latency: Latency::Ms(20.0), ..EngineConfig::default() }
}

/// What every device hears.
fn room(t_s: f64) -> f32 {
    (0.5 * (std::f64::consts::TAU * HZ * t_s).cos()) as f32
}

/// A device that can be pulled out, and begins anew with every start.
struct Fickle {
    input: Arc<Mutex<Option<Box<dyn PeriodInput>>>>,
    flips_to: Arc<Mutex<Option<StreamSpec>>>,
    is_gone: Arc<AtomicBool>,
    says: Arc<Mutex<Option<StreamEvent>>>,
    rate_hz: f64,
    /// When its frame 0 was captured, in seconds of the mix; `None`: it is not open.
    opened_s: Option<f64>,
    next_frame: u64,
}

impl Fickle {
    fn add(bench: &mut Bench, config: SourceConfig) -> Self {
        let (source, device) = Self::new();
        bench.tell(|reply| Command::AddSource { config, source, reply }).unwrap();
        device
    }

    fn new() -> (AnySource, Self) {
        let input = Arc::new(Mutex::new(None));
        let source = ByHand::new(spec(48_000, 1), &input);
        let (flips_to, is_gone) = (Arc::clone(&source.flips_to), Arc::clone(&source.is_gone));
        let says = Arc::clone(&source.says);
        let device = Self { input, flips_to, is_gone, says, rate_hz: 48_000.0, opened_s: None, next_frame: 0 };
        (AnySource::clocked(source), device)
    }

    fn go(&mut self) {
        self.is_gone.store(true, Ordering::Relaxed);
        *self.input.lock() = None;
        self.opened_s = None;
    }

    fn come_back(&mut self) {
        self.is_gone.store(false, Ordering::Relaxed);
    }

    /// Delivers every period of 5 ms that is complete by then.
    fn deliver_until(&mut self, now_ns: u64) {
        let mut input = self.input.lock();
        let Some(input) = input.as_mut() else { return };
        let now_s = (now_ns as f64 - ORIGIN_NS as f64) / 1e9;
        if self.opened_s.is_none() {
            (self.opened_s, self.next_frame) = (Some(now_s), 0);
        }
        let opened_s = self.opened_s.unwrap();
        let at = |n: u64| opened_s + n as f64 / self.rate_hz;
        let n_frames = (self.rate_hz / 200.0) as u64;
        while at(self.next_frame + n_frames) <= now_s {
            let period: Vec<f32> = (0..n_frames).map(|n| room(at(self.next_frame + n))).collect();
            let capture_ns = (ORIGIN_NS as f64 + at(self.next_frame) * 1e9).round() as u64;
            input.push(capture_ns, &period);
            self.next_frame += n_frames;
        }
    }

    /// Where the sound ends that it has delivered, on the mix timeline.
    fn end_frame(&self) -> u64 {
        ((self.opened_s.unwrap() + self.next_frame as f64 / self.rate_hz) * 48_000.0).round() as u64 + LATENCY_FRAMES
    }

    /// Where its sound begins since it was opened last.
    fn begin_frame(&self) -> u64 {
        (self.opened_s.unwrap() * 48_000.0).round() as u64 + LATENCY_FRAMES
    }
}

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

fn source(bench: &Bench, name: &str) -> SourceStats {
    bench.control.stats().sources.into_iter().find(|source| source.name == name).unwrap()
}

fn largest_step(got: &[f32]) -> f32 {
    got.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max)
}

/// The tone's own slope, the fades' at a hole's edges, and what the resampler overshoots by.
const STEEPEST: f32 = (0.5 * std::f32::consts::TAU * HZ as f32 / 48_000.0 + 0.5 / 72.0 + 0.5 / 240.0) * 1.1;

#[test]
fn an_outage_is_one_gap_of_its_length_and_the_sound_is_back_in_its_place() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    let mut last = 0;
    let got = run(&mut bench, &mut reader, 3000, |n, now_ns| {
        match n {
            1000 => {
                last = mic.end_frame();
                mic.go();
            }
            1500 => mic.come_back(),
            _ => {}
        }
        mic.deliver_until(now_ns);
    });
    let stats = source(&bench, "mic");
    assert_eq!((stats.state, stats.losses, stats.reconnects, stats.reason), (SourceState::Live, 1, 1, None));
    assert_eq!((stats.gaps.len(), stats.xruns), (1, 1), "{:?}", stats.gaps);
    let gap = stats.gaps[0];
    assert_eq!((gap.n_frames, gap.reason), (stats.inserted_frames, GapReason::DeviceLost));
    assert!(gap.at_frame.0.abs_diff(last) <= 2, "{gap:?}, expected from {last}");
    assert!(gap.end().0.abs_diff(mic.begin_frame()) <= 3, "{gap:?}, expected to {}", mic.begin_frame());
    // Back within a quarter of a second of the device.
    let back_frames = mic.begin_frame() - LATENCY_FRAMES - 1500 * 128;
    assert!(back_frames < 12_000, "opened {back_frames} frames behind its return");
    let end = gap.end().0 as usize;
    assert!(got[gap.at_frame.0 as usize + 200..end - 100].iter().all(|&sample| sample.abs() < 1e-3));
    let error = |from: usize| {
        let at = |n: usize| room(n as f64 / 48_000.0 - 0.02);
        got.iter().enumerate().skip(from).map(|(n, &sample)| (sample - at(n)).abs()).fold(0.0, f32::max)
    };
    assert!(error(end + 480) < 0.005, "{}", error(end + 480));
    assert!(largest_step(&got[2000..]) < STEEPEST, "{} of {STEEPEST}", largest_step(&got[2000..]));
    let states: Vec<_> = stats.states.iter().map(|change| change.state).collect();
    use SourceState::{Live, Lost, Opening};
    assert_eq!(states, [Opening, Live, Lost, Opening, Live], "{:?}", stats.states);
    assert!(stats.failed_opens >= 5 && stats.failed_opens < 20, "{}", stats.failed_opens);
    let account = bench.account(0);
    assert_eq!(account.dropped_frames, 0, "{account}");
    // A whole outage is one thing that goes wrong.
    assert_eq!(bench.control.outstanding(), 1 + 3 + 1, "bus main, strip with two routes, bus source:mic");
}

#[test]
fn silence_is_a_stall_then_a_loss_and_a_stall_that_ends_is_none() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    run(&mut bench, &mut reader, 1000, |_, now_ns| mic.deliver_until(now_ns));
    run(&mut bench, &mut reader, 60, |_, _| ());
    let stats = source(&bench, "mic");
    assert_eq!(stats.state, SourceState::Stalled, "{:?}", stats.states);
    assert!(stats.reason.as_deref().is_some_and(|reason| reason.contains("has delivered nothing for 0.1")));
    run(&mut bench, &mut reader, 200, |_, now_ns| mic.deliver_until(now_ns));
    let stats = source(&bench, "mic");
    assert_eq!((stats.state, stats.losses, stats.gaps.len()), (SourceState::Live, 0, 1));
    assert_eq!(stats.gaps[0].reason, GapReason::Underrun);
    // For good: first stalled, then lost, closed and opened anew; nobody says anything.
    run(&mut bench, &mut reader, 1200, |_, _| ());
    let stats = source(&bench, "mic");
    let states: Vec<_> = stats.states.iter().map(|change| change.state).collect();
    use SourceState::{Live, Lost, Opening, Stalled};
    assert_eq!(states, [Opening, Live, Stalled, Live, Stalled, Lost, Opening], "{:?}", stats.states);
    assert_eq!((stats.losses, stats.reconnects), (1, 1), "{stats:?}");
    assert_eq!((stats.gaps.len(), stats.gaps[1].reason), (2, GapReason::DeviceLost), "{:?}", stats.gaps);
}

#[test]
fn who_comes_back_at_another_rate_is_in_its_place_too() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    run(&mut bench, &mut reader, 1000, |_, now_ns| mic.deliver_until(now_ns));
    // A headset: 48 to 16 kHz and back, lost in between. And 16 to 192: the ring is made anew.
    for rate_hz in [16_000, 48_000, 8_000, 192_000] {
        mic.go();
        // What is said of a device that is away is old news; this one is another one when it is opened.
        *mic.flips_to.lock() = Some(spec(rate_hz, 1));
        run(&mut bench, &mut reader, 100, |_, _| ());
        mic.come_back();
        mic.rate_hz = f64::from(rate_hz);
        let from = bench.mixer.position().0 as usize;
        let got = run(&mut bench, &mut reader, 1500, |_, now_ns| mic.deliver_until(now_ns));
        let stats = source(&bench, "mic");
        assert_eq!(stats.state, SourceState::Live, "{rate_hz}: {stats:?}");
        assert!(stats.gaps.last().unwrap().end().0.abs_diff(mic.begin_frame()) <= 12, "{rate_hz}: {:?}", stats.gaps);
        let at = |n: usize| room((from + n) as f64 / 48_000.0 - 0.02);
        let error = got.iter().enumerate().skip(140_000).map(|(n, &sample)| (sample - at(n)).abs()).fold(0.0, f32::max);
        assert!(error < 0.01, "{rate_hz}: {error}");
    }
    assert_eq!(source(&bench, "mic").losses, 4);
}

#[test]
fn who_is_told_that_a_device_is_back_tries_at_once() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    for by_command in [false, true] {
        run(&mut bench, &mut reader, 400, |_, now_ns| mic.deliver_until(now_ns));
        mic.go();
        run(&mut bench, &mut reader, 400, |_, _| ());
        // It was tried just now; the next attempt by itself would be dozens of blocks away.
        let n_failed = source(&bench, "mic").failed_opens;
        while source(&bench, "mic").failed_opens == n_failed {
            run(&mut bench, &mut reader, 1, |_, _| ());
        }
        mic.come_back();
        if by_command {
            bench.tell(|reply| Command::RetrySource { name: "mic".into(), reply }).unwrap();
        } else {
            *mic.says.lock() = Some(StreamEvent::DeviceIsBack);
        }
        run(&mut bench, &mut reader, 2, |_, _| ());
        assert!(mic.input.lock().is_some(), "by command: {by_command}");
    }
}

#[test]
fn a_source_that_no_thread_can_be_had_for_fails_and_leaves_nothing() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("main");
    run(&mut bench, &mut reader, 300, |_, now_ns| mic.deliver_until(now_ns));
    *mic.says.lock() = Some(StreamEvent::DeviceLost { reason: "unplugged".into() });
    bench.control.tick(bench.mixer.next_deadline_ns());
    let Some(Request::RestartClocked { id, .. }) = bench.control.take_request() else { panic!("it is opened again") };
    let message = "out of threads".to_owned();
    bench.control.complete(Completion::NoThread { what: Threadless::Source(id), message });
    // What its strip held is heard and the strip given back; its device went with the request.
    *mic.input.lock() = None;
    run(&mut bench, &mut reader, 40, |_, _| ());
    let stats = source(&bench, "mic");
    assert_eq!((stats.state, stats.account.queued_frames), (SourceState::Failed, 0), "{stats:?}");
    assert!(stats.reason.is_some_and(|reason| reason.contains("out of threads")));
    assert!(bench.control.sources_are_closed());
    assert_eq!(bench.control.outstanding(), 1);
}

#[test]
fn what_a_device_reports_is_counted_and_kept() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    let said = [
        StreamEvent::ErrorsSeen { n: 600_000 },
        StreamEvent::XrunsSeen { n: 2 },
        StreamEvent::Remark { text: "stands still".into() },
        StreamEvent::Remark { text: "stands still".into() },
    ];
    for event in said {
        *mic.says.lock() = Some(event);
        run(&mut bench, &mut reader, 10, |_, now_ns| mic.deliver_until(now_ns));
    }
    let stats = source(&bench, "mic");
    assert_eq!((stats.device_errors, stats.notes), (600_002, vec!["stands still".to_owned()]));
    assert_eq!((stats.state, stats.losses), (SourceState::Live, 0));
}

#[test]
fn a_suspend_and_a_clock_that_is_set_are_counted_and_move_nothing() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    let clock = VirtualClock::at_ns(ORIGIN_NS);
    bench.control.look_at_clocks(&clock);
    run(&mut bench, &mut reader, 100, |_, now_ns| mic.deliver_until(now_ns));
    clock.suspend_for_ns(5_000_000_000);
    bench.control.look_at_clocks(&clock);
    clock.step_unix_by_ns(-2_000_000_000);
    bench.control.look_at_clocks(&clock);
    run(&mut bench, &mut reader, 100, |_, now_ns| mic.deliver_until(now_ns));
    let engine = bench.control.stats().engine;
    assert_eq!((engine.suspends, engine.suspended_ms), (1, 5_000.0));
    assert_eq!((engine.clock_steps, engine.clock_stepped_ms), (1, -2_000.0));
    assert_eq!(bench.mixer.position().0, 200 * 128);
    assert!(source(&bench, "mic").gaps.is_empty());
}

/// A microphone, and a constant that stands in for it.
fn with_fallback(bench: &mut Bench, return_after_ms: f64) -> Fickle {
    bench.add("tape", AnySource::pulled(Constant(spec(48_000, 1))));
    let on_loss = OnLoss::Fallback("tape".into());
    Fickle::add(bench, SourceConfig { on_loss, return_after_ms, ..SourceConfig::named("mic") })
}

#[test]
fn the_fallback_takes_over_at_once_and_the_return_waits() {
    let mut bench = Bench::new(config());
    let mut mic = with_fallback(&mut bench, 300.0);
    let mut main = bench.subscribe("main");
    let (mut last, mut detectable) = (0, 0);
    let got = run(&mut bench, &mut main, 3000, |n, now_ns| {
        match n {
            1000 => {
                (last, detectable) = (mic.end_frame() as usize, 1000 * 128);
                mic.go();
            }
            1500 => mic.come_back(),
            _ => {}
        }
        mic.deliver_until(now_ns);
    });
    // Main is stereo, with mono at -3 dB: the constant of 0.5 is 0.3536 there, the tone swings about 0.
    let left: Vec<f32> = got.iter().step_by(2).copied().collect();
    let tape = 0.5 * std::f32::consts::FRAC_1_SQRT_2;
    let is_tape = |at: usize| (left[at] - tape).abs() < 1e-4;
    assert!((0..last).all(|at| left[at..at + 48].iter().any(|x| (x - tape).abs() > 0.1)), "silent until needed");
    let takeover = (last..).find(|&at| is_tape(at) && is_tape(at + 48)).unwrap();
    // When the sound of the device ends, its last frames are played: the cushion is as long as the latency.
    assert!(takeover - last < 480, "wholly there {} frames behind the end of the sound", takeover - last);
    assert!(takeover - detectable < 960 + 480, "{}", takeover - detectable);
    let back = (takeover..).find(|&at| !is_tape(at)).unwrap();
    let heard = mic.begin_frame() as usize;
    let waited = back - heard;
    assert!((14_400..14_400 + 512).contains(&waited), "heard again {waited} frames behind its first sound");
    let at = |n: usize| room(n as f64 / 48_000.0 - 0.02) * std::f32::consts::FRAC_1_SQRT_2;
    let error = (back + 480..left.len()).map(|n| (left[n] - at(n)).abs()).fold(0.0, f32::max);
    assert!(error < 0.005, "{error}: by itself, in its place, and the tape is silent");
    assert!(largest_step(&left[2000..]) < STEEPEST, "{} of {STEEPEST}", largest_step(&left[2000..]));
    let states: Vec<_> = source(&bench, "mic").states.iter().map(|change| change.state).collect();
    use SourceState::{Fallback, Live, Lost, Opening};
    assert_eq!(states, [Opening, Live, Lost, Fallback, Live], "{:?}", source(&bench, "mic").states);
    assert_eq!(source(&bench, "mic").fallback.as_deref(), Some("tape"));
}

#[test]
fn a_source_alone_is_recorded_as_it_was_whoever_stands_in() {
    let mut bench = Bench::new(config());
    let mut mic = with_fallback(&mut bench, 300.0);
    let mut reader = bench.subscribe("source:mic");
    let mut tape = bench.subscribe("source:tape");
    let mut n_tape = 0;
    let got = run(&mut bench, &mut reader, 1200, |n, now_ns| {
        match n {
            500 => mic.go(),
            700 => mic.come_back(),
            _ => {}
        }
        mic.deliver_until(now_ns);
        while let BusEvent::Block(block) = tape.read() {
            assert!(block.samples.iter().all(|&sample| sample == 0.5), "it runs all the time");
            n_tape += block.samples.len();
        }
    });
    assert!(n_tape > 1100 * 128);
    let gap = source(&bench, "mic").gaps[0];
    let end = gap.end().0 as usize;
    assert!(got[gap.at_frame.0 as usize + 200..end - 100].iter().all(|&sample| sample.abs() < 1e-3));
    let at = |n: usize| room(n as f64 / 48_000.0 - 0.02);
    let error = (end + 480..got.len()).map(|n| (got[n] - at(n)).abs()).fold(0.0, f32::max);
    assert!(error < 0.005, "{error}: in the mix it waits, by itself it does not");
}

#[test]
fn a_fallback_that_is_lost_itself_is_silence_or_its_own_fallback() {
    let mut bench = Bench::new(config());
    bench.add("tape", AnySource::pulled(Constant(spec(48_000, 1))));
    let named = |name: &str, on_loss| SourceConfig { on_loss, return_after_ms: 100.0, ..SourceConfig::named(name) };
    let mut spare = Fickle::add(&mut bench, named("spare", OnLoss::Fallback("tape".into())));
    let mut mic = Fickle::add(&mut bench, named("mic", OnLoss::Fallback("spare".into())));
    let mut other = Fickle::add(&mut bench, named("other", OnLoss::Fallback("spare".into())));
    let mut main = bench.subscribe("main");
    let mut peak = |bench: &mut Bench, all: &mut [&mut Fickle], n_blocks| {
        let got = run(bench, &mut main, n_blocks, |_, now_ns| all.iter_mut().for_each(|one| one.deliver_until(now_ns)));
        got[got.len() - 9_600..].iter().fold((0.0_f32, 0.0_f32), |(low, high), &x| (low.min(x), high.max(x)))
    };
    let one = 0.5 * std::f32::consts::FRAC_1_SQRT_2;
    let near = |found: (f32, f32), low: f32, high: f32| {
        assert!((found.0 - low).abs() < 0.01 && (found.1 - high).abs() < 0.01, "{found:?}, expected {low} to {high}");
    };
    near(peak(&mut bench, &mut [&mut mic, &mut other, &mut spare], 800), -2.0 * one, 2.0 * one);
    mic.go();
    // The spare one, in the place of the first; the tape waits.
    near(peak(&mut bench, &mut [&mut mic, &mut other, &mut spare], 200), -2.0 * one, 2.0 * one);
    other.go();
    // For both of them, once.
    near(peak(&mut bench, &mut [&mut mic, &mut other, &mut spare], 200), -one, one);
    spare.go();
    near(peak(&mut bench, &mut [&mut mic, &mut other, &mut spare], 200), 0.0, one);
    assert_eq!(source(&bench, "mic").state, SourceState::Fallback);
    bench.tell(|reply| Command::RemoveSource { name: "tape".into(), reply }).unwrap();
    near(peak(&mut bench, &mut [&mut mic, &mut other, &mut spare], 200), 0.0, 0.0);
    assert_eq!(source(&bench, "mic").state, SourceState::Lost, "nobody stands in");
    for device in [&mut mic, &mut other, &mut spare] {
        device.come_back();
    }
    near(peak(&mut bench, &mut [&mut mic, &mut other, &mut spare], 800), -2.0 * one, 2.0 * one);
    assert_eq!(source(&bench, "spare").state, SourceState::Live);
}

#[test]
fn nobody_stands_in_for_himself() {
    let mut bench = Bench::new(config());
    let mut add = |name: &str, fallback: &str| {
        let config = SourceConfig { on_loss: OnLoss::Fallback(fallback.into()), ..SourceConfig::named(name) };
        let (source, _) = Fickle::new();
        bench.tell(|reply| Command::AddSource { config, source, reply })
    };
    assert!(matches!(add("a", "a"), Err(CommandError::Value { key: "on_loss", .. })));
    add("a", "b").unwrap();
    add("b", "c").unwrap();
    assert!(matches!(add("c", "a"), Err(CommandError::Value { key: "on_loss", .. })));
    add("c", "d").unwrap();
}

#[test]
fn a_source_that_is_not_required_is_waited_for() {
    let mut bench = Bench::new(config());
    bench.add("tape", AnySource::pulled(Constant(spec(48_000, 1))));
    let named =
        |required| SourceConfig { required, on_loss: OnLoss::Fallback("tape".into()), ..SourceConfig::named("mic") };
    let add = |bench: &mut Bench, required| {
        let (source, device) = Fickle::new();
        device.is_gone.store(true, Ordering::Relaxed);
        let answer = bench.tell(|reply| Command::AddSource { config: named(required), source, reply });
        (answer, device)
    };
    assert!(matches!(add(&mut bench, true).0, Err(CommandError::Source { .. })), "required: an error, as ever");
    let (answer, mut mic) = add(&mut bench, false);
    answer.unwrap();
    let mut main = bench.subscribe("main");
    let mut reader = bench.subscribe("source:mic");
    let got = run(&mut bench, &mut main, 400, |_, now_ns| mic.deliver_until(now_ns));
    let tape = 0.5 * std::f32::consts::FRAC_1_SQRT_2;
    assert!(got.iter().all(|sample| (sample - tape).abs() < 1e-6), "its fallback, from the very first frame on");
    let stats = bench.control.stats().sources[2].clone();
    assert_eq!((stats.state, stats.losses, stats.reconnects), (SourceState::Fallback, 0, 0));
    assert!(stats.gaps.is_empty() && stats.inserted_frames == 0, "nothing is missing of what never was");
    mic.come_back();
    let from = bench.mixer.position().0 as usize;
    while !matches!(reader.read(), BusEvent::Empty) {}
    let got = run(&mut bench, &mut reader, 2000, |_, now_ns| mic.deliver_until(now_ns));
    let stats = bench.control.stats().sources[2].clone();
    assert_eq!((stats.state, stats.losses, stats.reconnects, stats.reason), (SourceState::Live, 0, 0, None));
    assert!(stats.gaps.is_empty(), "{:?}", stats.gaps);
    let at = |n: usize| room((from + n) as f64 / 48_000.0 - 0.02);
    let error = got.iter().enumerate().skip(200_000).map(|(n, &x)| (x - at(n)).abs()).fold(0.0, f32::max);
    assert!(error < 0.005, "{error}");
}
