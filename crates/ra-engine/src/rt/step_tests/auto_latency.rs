//! Devices that come while the latency is found by itself: heard whole, and at once where that disturbs nobody.

use std::sync::atomic::Ordering;

use ra_core::SourceState;

use super::fickle::{Fickle, room, run, source};
use super::{Bench, Constant, spec};
use crate::command::Command;
use crate::{AnySource, EngineConfig, Latency, SourceConfig};

fn bench() -> Bench {
    Bench::new(EngineConfig { latency: Latency::Auto, ..EngineConfig::default() })
}

/// A source whose device is not there yet.
fn add_absent(bench: &mut Bench, name: &str) -> Fickle {
    let (source, device) = Fickle::new();
    device.is_gone.store(true, Ordering::Relaxed);
    let config = SourceConfig { required: false, ..SourceConfig::named(name) };
    bench.tell(|reply| Command::AddSource { config, source, reply }).unwrap();
    device
}

/// The largest error of `got`, which begins at frame `from` of the mix, from its frame `at` on.
fn error(bench: &Bench, got: &[f32], from: u64, at: usize) -> f32 {
    let latency_s = bench.control.stats().engine.latency_us / 1e6;
    let expected = |n: usize| room((from as f64 + n as f64) / 48_000.0 - latency_s);
    got.iter().enumerate().skip(at).map(|(n, &x)| (x - expected(n)).abs()).fold(0.0, f32::max)
}

fn first_sound(got: &[f32]) -> usize {
    got.iter().position(|x| x.abs() > 0.01).unwrap()
}

#[test]
fn a_device_that_is_waited_for_is_whole_from_its_first_sound_on() {
    let mut bench = bench();
    bench.add("tape", AnySource::pulled(Constant(spec(48_000, 1))));
    let mut mic = add_absent(&mut bench, "mic");
    mic.set_periods(1024, 1024);
    let mut reader = bench.subscribe("source:mic");
    run(&mut bench, &mut reader, 400, |_, now_ns| mic.deliver_until(now_ns));
    mic.come_back();
    let from = bench.mixer.position().0;
    let got = run(&mut bench, &mut reader, 3000, |_, now_ns| mic.deliver_until(now_ns));
    let first = first_sound(&got);
    assert!(first < 24_000, "heard {first} frames behind its return");
    let stats = source(&bench, "mic");
    assert_eq!((stats.state, stats.gaps.len(), stats.inserted_frames), (SourceState::Live, 0, 0), "{:?}", stats.gaps);
    let error = error(&bench, &got, from, first + 480);
    assert!(error < 0.01, "{error}");
}

#[test]
fn a_lone_device_that_returns_with_longer_periods_is_one_gap() {
    for rate_hz in [48_000, 16_000] {
        let mut bench = bench();
        let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
        let mut reader = bench.subscribe("source:mic");
        run(&mut bench, &mut reader, 1000, |_, now_ns| mic.deliver_until(now_ns));
        mic.go();
        *mic.flips_to.lock() = Some(spec(rate_hz, 1));
        run(&mut bench, &mut reader, 300, |_, now_ns| mic.deliver_until(now_ns));
        mic.rate_hz = f64::from(rate_hz);
        mic.set_periods(2048, 2048);
        mic.come_back();
        let from = bench.mixer.position().0;
        let got = run(&mut bench, &mut reader, 3000, |_, now_ns| mic.deliver_until(now_ns));
        let stats = source(&bench, "mic");
        assert_eq!((stats.state, stats.gaps.len(), stats.xruns), (SourceState::Live, 1, 1), "{:?}", stats.gaps);
        // The second delivery is a second period behind the opening, which is within a quarter of a second.
        let back = stats.gaps[0].end().0 - from;
        assert!(back < 12_000 + 3 * 2048 * 48_000 / u64::from(rate_hz), "{rate_hz}: heard {back} frames later");
        let error = error(&bench, &got, from, 72_000);
        assert!(error < 0.02, "{rate_hz}: {error}");
    }
}

#[test]
fn where_others_sound_a_device_with_longer_periods_waits_for_the_latency() {
    let mut bench = bench();
    let mut steady = Fickle::add(&mut bench, SourceConfig::named("steady"));
    let mut mic = add_absent(&mut bench, "mic");
    mic.set_periods(1024, 1024);
    let mut reader = bench.subscribe("source:mic");
    run(&mut bench, &mut reader, 1000, |_, now_ns| steady.deliver_until(now_ns));
    mic.come_back();
    let before_us = bench.control.stats().engine.latency_us;
    let from = bench.mixer.position().0;
    let mut waits_for = None;
    let mut got = Vec::new();
    for _ in 0..4000 {
        got.extend(run(&mut bench, &mut reader, 1, |_, now_ns| {
            steady.deliver_until(now_ns);
            mic.deliver_until(now_ns);
        }));
        let stats = source(&bench, "mic");
        if stats.state == SourceState::Opening && stats.reason.is_some() {
            waits_for = stats.reason;
        }
    }
    let grown_ms = (bench.control.stats().engine.latency_us - before_us) / 1e3;
    assert!(grown_ms > 10.0, "{grown_ms}");
    let reason = waits_for.unwrap();
    assert!(reason.starts_with("its periods need a latency of 2"), "{reason}");
    // 5 ms a second, and a little for its beginning.
    let first_s = first_sound(&got) as f64 / 48_000.0;
    assert!((grown_ms / 5.0 - 1.5..grown_ms / 5.0 + 0.5).contains(&first_s), "{first_s} s for {grown_ms} ms");
    let stats = source(&bench, "mic");
    assert_eq!((stats.state, stats.reason, stats.gaps.len()), (SourceState::Live, None, 0), "{:?}", stats.gaps);
    assert!(bench.account(1).dropped_frames > 0, "what came while it waited is counted");
    let error = error(&bench, &got, from, 400_000);
    assert!(error < 0.02, "{error}");
    assert_eq!(source(&bench, "steady").inserted_frames, 0, "the other one was not touched");
}

#[test]
fn who_delivers_in_shorter_periods_than_he_says_does_not_wait() {
    let mut bench = bench();
    let mut steady = Fickle::add(&mut bench, SourceConfig::named("steady"));
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut reader = bench.subscribe("source:mic");
    let mut run_both = |bench: &mut Bench, mic: &mut Fickle, n_blocks| {
        run(bench, &mut reader, n_blocks, |_, now_ns| {
            steady.deliver_until(now_ns);
            mic.deliver_until(now_ns);
        })
    };
    run_both(&mut bench, &mut mic, 1000);
    mic.go();
    run_both(&mut bench, &mut mic, 300);
    mic.set_periods(1024, 240);
    mic.come_back();
    let from = bench.mixer.position().0;
    run_both(&mut bench, &mut mic, 1000);
    let stats = source(&bench, "mic");
    assert_eq!((stats.state, stats.gaps.len()), (SourceState::Live, 1), "{:?}", stats.gaps);
    let back = stats.gaps[0].end().0 - from;
    assert!(back < 24_000, "heard {back} frames later");
}
