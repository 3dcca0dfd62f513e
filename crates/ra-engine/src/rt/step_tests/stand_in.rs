//! Sources that stand in for others, in the mixer's step: who is heard when.

use std::sync::atomic::Ordering;

use ra_core::{PulledSource, Source, SourceError, SourceState, StreamEvent, StreamSpec};
use ra_dsp::{Insert, Limiter, LimiterConfig};

use super::fickle::{Fickle, STEEPEST, config, largest_step, room, run, source};
use super::{Bench, Constant, spec};
use crate::command::{Command, SourceChange};
use crate::{AnySource, BusEvent, CommandError, EngineConfig, Latency, OnLoss, SourceConfig, Strip};

/// A microphone, and a constant that stands in for it.
fn with_fallback(bench: &mut Bench, return_after_ms: f64) -> Fickle {
    bench.add("tape", AnySource::pulled(Constant(spec(48_000, 1))));
    let on_loss = OnLoss::Fallback("tape".into());
    Fickle::add(bench, SourceConfig { on_loss, return_after_ms, ..SourceConfig::named("mic") })
}

#[test]
fn a_loss_that_is_over_before_it_is_heard_is_covered_where_it_is_longer_than_10_ms() {
    // It is open again at once, and delivers so much later: the mix comes there when nobody is lost any more.
    for (away_ms, is_covered) in [(0, false), (40, true)] {
        let mut bench = Bench::new(EngineConfig { latency: Latency::Ms(100.0), ..config() });
        let mut mic = with_fallback(&mut bench, 30.0);
        let mut main = bench.subscribe("main");
        let got = run(&mut bench, &mut main, 2000, |n, now_ns| {
            if n == 1000 {
                let reason = "moved".to_owned();
                *mic.says.lock() = Some(StreamEvent::DeviceLost { reason, doubtful_frames: 0 });
            } else if n == 1002 {
                mic.opened_s = None;
            }
            if !(1001..1002 + away_ms * 48 / 128).contains(&n) {
                mic.deliver_until(now_ns);
            }
        });
        let left: Vec<f32> = got.iter().step_by(2).copied().collect();
        let tape = 0.5 * std::f32::consts::FRAC_1_SQRT_2;
        let heard = left.windows(48).position(|w| w.iter().all(|x| (x - tape).abs() < 1e-4));
        assert_eq!(heard.is_some(), is_covered, "{away_ms} ms: {heard:?}");
        let longest = left[6000..].split(|x| x.abs() > 1e-4).map(<[f32]>::len).max().unwrap();
        assert!(longest < 48 * 16, "{away_ms} ms away: {longest} frames of silence");
        let stats = source(&bench, "mic");
        assert_eq!((stats.state, stats.losses), (SourceState::Live, 1), "{:?}", stats.states);
        assert!(largest_step(&left[6000..]) < STEEPEST, "{}", largest_step(&left[6000..]));
    }
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

#[test]
fn a_chain_that_ends_in_silence_stands_in_for_nobody() {
    let mut bench = Bench::new(config());
    let named = |name: &str, on_loss| SourceConfig { on_loss, ..SourceConfig::named(name) };
    let mut last = Fickle::add(&mut bench, SourceConfig::named("last"));
    let mut spare = Fickle::add(&mut bench, named("spare", OnLoss::Fallback("last".into())));
    let mut mic = Fickle::add(&mut bench, named("mic", OnLoss::Fallback("spare".into())));
    let mut main = bench.subscribe("main");
    let mut run_all = |bench: &mut Bench, all: &mut [&mut Fickle; 3], n_blocks| {
        run(bench, &mut main, n_blocks, |_, now_ns| all.iter_mut().for_each(|one| one.deliver_until(now_ns)));
    };
    run_all(&mut bench, &mut [&mut mic, &mut spare, &mut last], 400);
    mic.go();
    spare.go();
    run_all(&mut bench, &mut [&mut mic, &mut spare, &mut last], 100);
    let state = |bench: &Bench, name| source(bench, name).state;
    assert_eq!((state(&bench, "mic"), state(&bench, "spare")), (SourceState::Fallback, SourceState::Fallback));
    last.go();
    run_all(&mut bench, &mut [&mut mic, &mut spare, &mut last], 100);
    assert_eq!((state(&bench, "mic"), state(&bench, "spare")), (SourceState::Lost, SourceState::Lost));
}

#[test]
fn a_stand_in_is_heard_where_the_source_itself_would_be() {
    let mut bench = Bench::new(config());
    let mut mic = with_fallback(&mut bench, 0.0);
    bench.add("other", AnySource::pulled(Constant(spec(48_000, 1))));
    let mut main = bench.subscribe("main");
    run(&mut bench, &mut main, 400, |_, now_ns| mic.deliver_until(now_ns));
    mic.go();
    let one = 0.5 * std::f32::consts::FRAC_1_SQRT_2;
    let mut level = |bench: &mut Bench, n_of_them: f32, state| {
        let got = run(bench, &mut main, 60, |_, _| ());
        let last = got[got.len() - 1];
        assert!((last - n_of_them * one).abs() < 1e-4, "{last}, expected {n_of_them} of {one}");
        assert_eq!(source(bench, "mic").state, state);
    };
    level(&mut bench, 2.0, SourceState::Fallback);
    bench.change("mic", SourceChange::Mute(true));
    level(&mut bench, 1.0, SourceState::Lost);
    bench.change("mic", SourceChange::Mute(false));
    level(&mut bench, 2.0, SourceState::Fallback);
    bench.change("other", SourceChange::Solo(true));
    level(&mut bench, 1.0, SourceState::Lost);
    bench.change("mic", SourceChange::Solo(true));
    level(&mut bench, 2.0, SourceState::Fallback);
    bench.change("other", SourceChange::Solo(false));
    level(&mut bench, 1.0, SourceState::Fallback);
    bench.change("mic", SourceChange::Solo(false));
    level(&mut bench, 2.0, SourceState::Fallback);
}

#[test]
fn behind_effects_places_are_changed_where_the_sound_ends_and_begins() {
    let mut bench = Bench::new(config());
    let mut mic = with_fallback(&mut bench, 0.0);
    let limiter =
        Limiter::new(LimiterConfig { lookahead_ms: 40.0, ..LimiterConfig::default() }, spec(48_000, 1)).unwrap();
    let path_frames = limiter.latency_frames();
    assert!(path_frames > 1000);
    let strip = Strip::Source("mic".into());
    bench.tell(|reply| Command::AddInsert { strip, insert: Box::new(limiter), reply }).unwrap();
    let mut main = bench.subscribe("main");
    let mut last = 0;
    let got = run(&mut bench, &mut main, 2000, |n, now_ns| {
        match n {
            1000 => {
                last = mic.end_frame() as usize + path_frames;
                mic.go();
            }
            1300 => mic.come_back(),
            _ => {}
        }
        mic.deliver_until(now_ns);
    });
    let left: Vec<f32> = got.iter().step_by(2).copied().collect();
    let law = std::f32::consts::FRAC_1_SQRT_2;
    let is_mic = |at: usize| (left[at] - room((at - path_frames) as f64 / 48_000.0 - 0.02) * law).abs() < 0.01;
    let is_tape = |at: usize| (left[at] - 0.5 * law).abs() < 1e-3;
    assert!((last - 3000..last - 40).all(is_mic), "to its last frame");
    assert!((last + 480..last + 1000).all(is_tape), "and the tape takes over there");
    let back = mic.begin_frame() as usize + path_frames;
    assert!((back - 1000..back - 40).all(is_tape), "until it sounds again");
    assert!((back + 1000..left.len()).all(is_mic), "by itself, and at once");
    assert!(largest_step(&left[4000..]) < STEEPEST, "{} of {STEEPEST}", largest_step(&left[4000..]));
}

/// A file that can't be read on from some place.
struct Torn(u64);

impl Source for Torn {
    fn spec(&self) -> StreamSpec {
        spec(48_000, 1)
    }
    fn describe(&self) -> String {
        "torn".into()
    }
}

impl PulledSource for Torn {
    fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
        let n_frames = out.len().min(self.0 as usize);
        if n_frames == 0 {
            return Err(SourceError::Device { device: "torn".into(), message: "it has shrunk".into() });
        }
        self.0 -= n_frames as u64;
        out[..n_frames].fill(0.25);
        Ok(StreamEvent::Frames { n_frames })
    }
    fn remaining_frames(&self) -> Option<u64> {
        None
    }
}

#[test]
fn a_file_that_has_failed_has_failed_whoever_stands_in_for_it() {
    let mut bench = Bench::new(config());
    bench.add("tape", AnySource::pulled(Constant(spec(48_000, 1))));
    let config = SourceConfig { on_loss: OnLoss::Fallback("tape".into()), ..SourceConfig::named("file") };
    bench.tell(|reply| Command::AddSource { config, source: AnySource::pulled(Torn(20_000)), reply }).unwrap();
    let mut main = bench.subscribe("main");
    let got = run(&mut bench, &mut main, 1000, |_, _| ());
    assert!((got[got.len() - 1] - 0.5 * std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-4, "the tape is heard");
    let stats = source(&bench, "file");
    assert_eq!(stats.state, SourceState::Failed);
    assert!(stats.reason.is_some_and(|reason| reason.contains("it has shrunk")));
}
