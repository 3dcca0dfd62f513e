//! Sources that are lost and come back, in the mixer's step: gaps, fades, attempts.

use ra_core::{GapReason, SourceState, StreamEvent, VirtualClock};

use super::fickle::{Fickle, LATENCY_FRAMES, STEEPEST, config, largest_step, room, run, source};
use super::{Bench, ORIGIN_NS, spec};
use crate::SourceConfig;
use crate::command::Command;
use crate::control::{Completion, Request, Threadless};

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
fn what_may_be_another_devices_is_not_heard_and_is_a_part_of_the_gap() {
    // The last period, all of the cushion, and more than there is: some of it has been heard then.
    for doubtful_frames in [240, 960, 100_000] {
        let mut bench = Bench::new(config());
        let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
        let mut reader = bench.subscribe("source:mic");
        let mut last = 0;
        let got = run(&mut bench, &mut reader, 2000, |n, now_ns| {
            if n == 1002 {
                // It was opened again in the step before.
                mic.opened_s = None;
            }
            if n != 1001 {
                mic.deliver_until(now_ns);
            }
            if n == 1000 {
                last = mic.end_frame();
                let reason = "moved to another".to_owned();
                *mic.says.lock() = Some(StreamEvent::DeviceLost { reason, doubtful_frames });
            }
        });
        let stats = source(&bench, "mic");
        assert_eq!((stats.state, stats.losses, stats.gaps.len()), (SourceState::Live, 1, 1), "{:?}", stats.gaps);
        let gap = stats.gaps[0];
        // What has been mixed can't be taken back: two blocks, and what the resampler looks ahead by.
        let mixed = 1001 * 128 + 2 * 128;
        let expected = last.saturating_sub(doubtful_frames).max(mixed);
        assert!(
            gap.at_frame.0.abs_diff(expected) <= 400 && gap.at_frame.0 < last - 200,
            "{gap:?}, expected {expected}"
        );
        if doubtful_frames == 240 {
            assert!(gap.at_frame.0.abs_diff(expected) <= 2, "{gap:?}, expected {expected}");
        }
        assert!(gap.end().0.abs_diff(mic.begin_frame()) <= 3, "{gap:?}, expected to {}", mic.begin_frame());
        assert_eq!((gap.n_frames, gap.reason), (stats.inserted_frames, GapReason::DeviceLost));
        assert!(largest_step(&got[2000..]) < STEEPEST, "{}", largest_step(&got[2000..]));
        assert!(stats.account.is_balanced() && stats.account.dropped_frames > 0, "{}", stats.account);
    }
}

#[test]
fn what_is_lost_again_before_it_was_heard_is_never_heard() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    let moved = |doubtful_frames| Some(StreamEvent::DeviceLost { reason: "moved".to_owned(), doubtful_frames });
    let mut last = 0;
    let got = run(&mut bench, &mut reader, 2000, |n, now_ns| match n {
        1000 => {
            mic.deliver_until(now_ns);
            last = mic.end_frame();
            *mic.says.lock() = moved(0);
        }
        // Opened again, and another's sound comes from it at once, while the old sound is still in the cushion.
        1001 => (),
        1002..1005 => {
            let mut input = mic.input.lock();
            let input = input.as_mut().expect("open");
            input.push(now_ns - 1_000_000, &[3.0; 128]);
            if n == 1004 {
                *mic.says.lock() = moved(3 * 128);
            }
        }
        1005 => mic.opened_s = None,
        _ => mic.deliver_until(now_ns),
    });
    let stats = source(&bench, "mic");
    let loud: Vec<_> = got.iter().enumerate().filter(|(_, x)| x.abs() > 0.6).map(|(n, _)| n).collect();
    assert!(loud.is_empty(), "the other's sound: {:?} to {:?}, {:?}", loud.first(), loud.last(), stats);
    let states: Vec<_> = stats.states.iter().map(|change| change.state).collect();
    assert!(!states.contains(&SourceState::Ended) && stats.state == SourceState::Live, "{:?}", stats.states);
    assert_eq!(
        (stats.losses, stats.gaps.len(), stats.gaps[0].reason),
        (2, 1, GapReason::DeviceLost),
        "{:?}",
        stats.gaps
    );
    assert!(
        stats.gaps[0].at_frame.0.abs_diff(last) <= 2,
        "the own sound is heard to its end: {:?}, {last}",
        stats.gaps
    );
    assert!(stats.gaps[0].end().0.abs_diff(mic.begin_frame()) <= 3, "{:?}", stats.gaps);
    assert!(stats.account.is_balanced());
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
    *mic.says.lock() = Some(StreamEvent::DeviceLost { reason: "unplugged".into(), doubtful_frames: 0 });
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
