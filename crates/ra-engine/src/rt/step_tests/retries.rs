//! Attempts to open a lost device again: when they come, what they count, and what is said meanwhile.

use ra_core::{ClockedSource, Granted, SourceError, SourceState, StreamEvent};

use super::fickle::{Fickle, config, run, source};
use super::{Bench, Constant, spec};
use crate::command::Command;
use crate::control::{Completion, Request};
use crate::rt::command::SourceId;
use crate::{AnySource, OnLoss, SourceConfig};

const MS: u64 = 1_000_000;

fn lost() -> Option<StreamEvent> {
    Some(StreamEvent::DeviceLost { reason: "unplugged".into(), doubtful_frames: 0 })
}

fn refused() -> Result<Granted, SourceError> {
    Err(SourceError::Device { device: "by hand".into(), message: "no such device".into() })
}

/// Steps without carrying out requests, up to the one that opens a source again.
fn next_restart(bench: &mut Bench, n_blocks: usize) -> Option<(SourceId, Box<dyn ClockedSource>)> {
    for _ in 0..n_blocks {
        bench.mixer.step();
        bench.control.tick(bench.control_ns.unwrap_or(bench.mixer.next_deadline_ns()));
        if let Some(Request::RestartClocked { id, source, .. }) = bench.control.take_request() {
            return Some((id, source));
        }
    }
    None
}

#[test]
fn a_device_that_is_lost_soon_is_closed_until_the_next_attempt() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    let mut is_open = |bench: &mut Bench, mic: &mut Fickle, n_blocks| {
        run(bench, &mut reader, n_blocks, |_, now_ns| mic.deliver_until(now_ns));
        mic.input.lock().is_some()
    };
    assert!(is_open(&mut bench, &mut mic, 400));
    *mic.says.lock() = lost();
    assert!(is_open(&mut bench, &mut mic, 40), "it was well: opened again at once");
    *mic.says.lock() = lost();
    assert!(!is_open(&mut bench, &mut mic, 2), "it was not: no call of its system keeps a core busy until then");
    assert_eq!(source(&bench, "mic").state, SourceState::Lost);
    assert!(!is_open(&mut bench, &mut mic, 15));
    // 50 ms behind the loss.
    assert!(is_open(&mut bench, &mut mic, 10));
    assert!(is_open(&mut bench, &mut mic, 400));
    let stats = source(&bench, "mic");
    assert_eq!((stats.state, stats.losses, stats.reconnects), (SourceState::Live, 2, 2), "{stats:?}");
    assert!(stats.account.is_balanced());
}

#[test]
fn a_source_that_is_removed_or_stopped_while_it_is_closed_leaves_nothing() {
    for is_removed in [true, false] {
        let mut bench = Bench::new(config());
        let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
        let mut reader = bench.subscribe("main");
        for n_blocks in [400, 40] {
            run(&mut bench, &mut reader, n_blocks, |_, now_ns| mic.deliver_until(now_ns));
            *mic.says.lock() = lost();
        }
        bench.control.tick(bench.mixer.next_deadline_ns());
        let Some(Request::CloseClocked { id, mut source, .. }) = bench.control.take_request() else { panic!("closed") };
        if is_removed {
            let (reply, _answer) = crossbeam_channel::bounded(1);
            bench.control.handle(Command::RemoveSource { name: "mic".into(), reply });
        } else {
            bench.control.begin_stop();
        }
        source.stop();
        bench.control.complete(Completion::ClockedClosed { id, source });
        run(&mut bench, &mut reader, 40, |_, _| ());
        assert!(bench.control.sources_are_closed());
        assert!(bench.control.stats().sources[0].account.is_balanced());
    }
}

#[test]
fn a_device_that_is_back_after_a_while_is_tried_within_a_quarter_of_a_second() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    // Whenever it comes: at many places between two attempts, and long behind the first of them.
    for n_away in [1875, 2210, 2555, 2890, 3230] {
        run(&mut bench, &mut reader, 400, |_, now_ns| mic.deliver_until(now_ns));
        mic.go();
        run(&mut bench, &mut reader, n_away, |_, _| ());
        mic.come_back();
        let mut n_blocks = 0;
        while mic.input.lock().is_none() {
            run(&mut bench, &mut reader, 1, |_, _| ());
            n_blocks += 1;
            assert!(n_blocks * 128 <= 12_000, "away for {n_away} blocks");
        }
    }
}

#[test]
fn who_is_asked_to_try_during_an_attempt_tries_again_when_it_fails() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    run(&mut bench, &mut reader, 400, |_, now_ns| mic.deliver_until(now_ns));
    mic.go();
    run(&mut bench, &mut reader, 400, |_, _| ());
    let (id, source) = next_restart(&mut bench, 100).unwrap();
    let (reply, answer) = crossbeam_channel::bounded(1);
    bench.control.handle(Command::RetrySource { name: "mic".into(), reply });
    answer.try_recv().unwrap().unwrap();
    bench.control.complete(Completion::ClockedOpened { id, source, result: refused() });
    let (id, source) = next_restart(&mut bench, 1).expect("at once");
    // And that was it.
    bench.control.complete(Completion::ClockedOpened { id, source, result: refused() });
    assert!(next_restart(&mut bench, 50).is_none());
}

#[test]
fn a_call_that_hangs_is_one_attempt_whatever_comes_of_it() {
    for opens_in_the_end in [false, true] {
        let mut bench = Bench::new(config());
        let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
        let mut reader = bench.subscribe("source:mic");
        run(&mut bench, &mut reader, 400, |_, now_ns| mic.deliver_until(now_ns));
        mic.go();
        let (id, mut source_in_call) = next_restart(&mut bench, 100).unwrap();
        let begun_ns = bench.mixer.next_deadline_ns();
        for now_ms in [0, 15_001] {
            bench.control_ns = Some(begun_ns + now_ms * MS);
            assert!(next_restart(&mut bench, 1).is_none());
        }
        let stats = source(&bench, "mic");
        assert_eq!((stats.hung_calls, stats.failed_opens, stats.state), (1, 1, SourceState::Lost));
        bench.control_ns = Some(begun_ns + 20_000 * MS);
        assert!(next_restart(&mut bench, 1).is_none(), "it is still in that call");
        let result = if opens_in_the_end {
            Ok(Granted { spec: spec(48_000, 1), period_frames: Some(256), device: "by hand".into() })
        } else {
            refused()
        };
        source_in_call.stop();
        bench.control.complete(Completion::ClockedOpened { id, source: source_in_call, result });
        let stats = source(&bench, "mic");
        assert_eq!((stats.hung_calls, stats.failed_opens, stats.state), (1, 1, SourceState::Lost));
        // Its ring is nobody's any more: it is opened anew.
        mic.come_back();
        bench.control_ns = Some(begun_ns + 21_000 * MS);
        bench.settle();
        bench.settle();
        assert!(mic.input.lock().is_some());
    }
}

#[test]
fn an_engine_that_stops_does_not_wait_for_a_device_that_is_not_there() {
    let mut bench = Bench::new(config());
    let (source, _mic) = Fickle::new();
    let config = SourceConfig { required: false, ..SourceConfig::named("mic") };
    bench.control.add_source(config, source, None);
    let Some(Request::StartClocked { id, source, .. }) = bench.control.take_request() else { panic!("it is opened") };
    bench.control.begin_stop();
    bench.control.complete(Completion::ClockedOpened { id, source, result: refused() });
    bench.settle();
    assert!(bench.control.sources_are_closed());
    for _ in 0..10 {
        bench.step();
    }
    assert!(bench.mixer.clocked_tails_are_mixed());
    let stats = bench.control.stats().sources[0].clone();
    assert_eq!((stats.state, stats.failed_opens), (SourceState::Lost, 1), "{stats:?}");
    assert!(stats.reason.is_some_and(|reason| reason.contains("no such device")));
}

#[test]
fn what_is_odd_is_not_said_any_more_when_it_is_over() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    run(&mut bench, &mut reader, 400, |_, now_ns| mic.deliver_until(now_ns));
    // Another device under its name, with periods for which the latency is too short …
    mic.go();
    mic.set_periods(2048, 2048);
    run(&mut bench, &mut reader, 50, |_, _| ());
    mic.come_back();
    run(&mut bench, &mut reader, 400, |_, now_ns| mic.deliver_until(now_ns));
    let reason = source(&bench, "mic").reason.unwrap();
    assert!(reason.contains("needs a latency of 4"), "{reason}");
    // … and the first one again, on a clock that is far off, …
    mic.go();
    mic.set_periods(256, 256);
    mic.rate_hz = 48_000.0 * 1.002;
    run(&mut bench, &mut reader, 50, |_, _| ());
    mic.come_back();
    run(&mut bench, &mut reader, 2000, |_, now_ns| mic.deliver_until(now_ns));
    let reason = source(&bench, "mic").reason.unwrap();
    assert!(reason.contains("ppm off"), "{reason}");
    // … until it is not.
    let (next_s, next_frame) = (mic.opened_s.unwrap() + mic.next_frame as f64 / mic.rate_hz, mic.next_frame);
    mic.rate_hz = 48_000.0;
    mic.opened_s = Some(next_s - next_frame as f64 / mic.rate_hz);
    run(&mut bench, &mut reader, 10_000, |_, now_ns| mic.deliver_until(now_ns));
    assert_eq!(source(&bench, "mic").reason, None);
}

#[test]
fn a_fallback_does_not_hide_what_is_behind_it() {
    let mut bench = Bench::new(config());
    bench.add("tape", AnySource::pulled(Constant(spec(48_000, 1))));
    let on_loss = OnLoss::Fallback("tape".into());
    let config = SourceConfig { on_loss, return_after_ms: 1000.0, ..SourceConfig::named("mic") };
    let mut mic = Fickle::add(&mut bench, config);
    let mut reader = bench.subscribe("main");
    run(&mut bench, &mut reader, 400, |_, now_ns| mic.deliver_until(now_ns));
    let reason = |bench: &Bench| {
        let stats = source(bench, "mic");
        assert_eq!(stats.state, SourceState::Fallback, "{:?}", stats.states);
        (stats.reason.unwrap(), stats.states.last().unwrap().reason.clone().unwrap())
    };
    // It says nothing: a stall, …
    run(&mut bench, &mut reader, 100, |_, _| ());
    let (now, logged) = reason(&bench);
    assert!(
        now.contains("has delivered nothing for") && logged.contains("has delivered nothing for"),
        "{now}; {logged}"
    );
    // … then a loss, …
    mic.go();
    run(&mut bench, &mut reader, 100, |_, _| ());
    let (now, logged) = reason(&bench);
    assert!(now.contains("opened again in vain") && logged.contains("unplugged"), "{now}; {logged}");
    // … then it is open, …
    mic.come_back();
    run(&mut bench, &mut reader, 120, |_, _| ());
    let (now, logged) = reason(&bench);
    assert!(now.contains("its first sound is on the way") && logged.contains("unplugged"), "{now}; {logged}");
    // … and sounds, for too short a time yet.
    run(&mut bench, &mut reader, 100, |_, now_ns| mic.deliver_until(now_ns));
    let (now, logged) = reason(&bench);
    assert!(
        now.contains("heard again when it has sounded for 1000 ms") && logged.contains("unplugged"),
        "{now}; {logged}"
    );
    run(&mut bench, &mut reader, 400, |_, now_ns| mic.deliver_until(now_ns));
    let stats = source(&bench, "mic");
    assert_eq!((stats.state, stats.reason), (SourceState::Live, None));
}
