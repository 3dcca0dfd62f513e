//! The engine with its threads: live commands, sick sinks, lost sources, and an end that leaves nothing behind.
//!
//! Nothing here is right by luck of timing: tests wait for what must come, and check it exactly.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

use std::sync::atomic::Ordering;

use ra_engine::core::{GapReason, SinkState, SourceState, StreamSpec};
use ra_engine::{
    AnySource, BusEvent, CommandError, Engine, EngineConfig, RealtimeRequest, SinkConfig, SourceConfig, Strip,
};
use support::{Collect, Constant, Samples, largest_step, wait_for};

fn engine() -> Engine {
    Engine::new(EngineConfig { realtime: RealtimeRequest::Ordinary, ..EngineConfig::default() }).unwrap()
}

fn constant(value: f32) -> AnySource {
    AnySource::pulled(Constant(StreamSpec::new(48_000, 2).unwrap(), value))
}

fn seconds(n: f64) -> usize {
    (n * 48_000.0) as usize * 2
}

#[test]
fn sinks_that_are_there_at_the_start_begin_at_frame_0_and_agree_bit_for_bit() {
    let mut engine = engine();
    let handle = engine.handle();
    let long = Samples::new(48_000, 2, (0..40_000).map(|n| n as f32 / 65_536.0).collect());
    handle.add_source(SourceConfig::named("ramp"), AnySource::pulled(long)).unwrap();
    let (a, b) = (Collect::default(), Collect::default());
    let (a_heard, b_heard) = (a.0.clone(), b.0.clone());
    handle.add_sink(SinkConfig::named("a"), a).unwrap();
    handle.add_sink(SinkConfig::named("b"), b).unwrap();
    engine.start().unwrap();
    wait_for("the source's end", || handle.stats().unwrap().sources[0].state == SourceState::Ended);
    let stats = engine.stop().unwrap();
    let (a, b) = (a_heard.samples(), b_heard.samples());
    assert_eq!(a.len(), b.len());
    assert!(a == b);
    assert!(a[..40_000].iter().enumerate().all(|(n, &sample)| sample == n as f32 / 65_536.0));
    assert!(a[40_000..].iter().all(|&sample| sample == 0.0));
    for sink in &stats.sinks {
        assert!(sink.account.is_balanced());
        assert_eq!((sink.account.queued_frames, sink.account.dropped_frames), (0, 0), "{}", sink.account);
        assert_eq!(sink.account.delivered_frames, a.len() as u64 / 2);
    }
    assert_eq!(stats.sources[0].account.delivered_frames, 20_000);
    assert_eq!(stats.engine.blocks * 128, a.len() as u64 / 2);
    let starts = a_heard.starts.lock().unwrap();
    assert_eq!(starts[0].position.0, 0);
}

#[test]
fn commands_on_a_running_engine_never_click() {
    let mut engine = engine();
    let handle = engine.handle();
    handle.add_source(SourceConfig::named("a"), constant(0.5)).unwrap();
    let sink = Collect::default();
    let heard = sink.0.clone();
    handle.add_sink(SinkConfig::named("out"), sink).unwrap();
    engine.start().unwrap();
    let more = |seconds_more: f64| {
        let until = heard.n_samples() + seconds(seconds_more);
        wait_for("more sound", || heard.n_samples() > until);
    };
    more(0.05);
    handle.set_gain_db("a", -20.0).unwrap();
    more(0.05);
    handle.set_pan("a", 1.0).unwrap();
    more(0.05);
    handle.set_mute("a", true).unwrap();
    more(0.05);
    handle.set_mute("a", false).unwrap();
    handle.set_gain_db("a", 0.0).unwrap();
    more(0.05);
    handle.add_source(SourceConfig::named("b"), constant(0.25)).unwrap();
    more(0.05);
    handle.set_solo("b", true).unwrap();
    more(0.05);
    handle.set_solo("b", false).unwrap();
    more(0.05);
    handle.remove_source("b").unwrap();
    more(0.05);
    handle.set_routes("a", &[]).unwrap();
    more(0.05);
    handle.set_routes("a", &["main"]).unwrap();
    more(0.05);
    let gone = handle.set_gain_db("b", -6.0);
    assert!(matches!(gone, Err(CommandError::UnknownSource { .. })), "{gone:?}");
    let stats = engine.stop().unwrap();
    assert!(handle.stats().is_err(), "the engine has stopped");
    let out = heard.samples();
    // 10 ms are 480 frames; the largest change here is that of one source from silence, 0.5, while another one moves too.
    for channel in 0..2 {
        let step = largest_step(&out, 2, channel);
        assert!(step <= 0.75 / 480.0 * 1.01, "channel {channel}: a step of {step}");
    }
    assert_eq!(stats.sources[1].state, SourceState::Removed);
    assert!(stats.sources.iter().all(|source| source.account.is_balanced() && source.xruns == 0));
    let last = &out[out.len() - 2..];
    assert_eq!(last, [0.0, 0.5], "panned to the right, at unity again");
}

#[test]
fn a_panicking_sink_is_isolated_and_reported() {
    let mut engine = engine();
    let handle = engine.handle();
    handle.add_source(SourceConfig::named("a"), constant(0.5)).unwrap();
    let (sick, healthy) = (Collect::default(), Collect::default());
    let (sick_heard, healthy_heard) = (sick.0.clone(), healthy.0.clone());
    handle.add_sink(SinkConfig::named("sick"), sick).unwrap();
    handle.add_sink(SinkConfig::named("healthy"), healthy).unwrap();
    engine.start().unwrap();
    wait_for("sound", || sick_heard.n_samples() > 2000);
    sick_heard.panic.store(true, Ordering::Release);
    wait_for("the panic", || handle.stats().unwrap().sinks[0].state == SinkState::Panicked);
    let until = healthy_heard.n_samples() + seconds(0.1);
    wait_for("more sound", || healthy_heard.n_samples() > until);
    // Its name is free again.
    handle.add_sink(SinkConfig::named("sick"), Collect::default()).unwrap();
    let stats = engine.stop().unwrap();
    assert_eq!(stats.sinks[0].reason.as_deref(), Some("panicked: told to panic"));
    assert!(stats.sinks[0].account.is_balanced());
    assert!(stats.sinks[0].account.dropped_frames > 0);
    assert_eq!(stats.sinks[0].account.queued_frames, 0);
    assert_eq!(stats.sinks[1].account.dropped_frames, 0);
    assert_eq!(stats.sinks[2].state, SinkState::Ok);
}

#[test]
fn a_stalled_sink_lags_alone_and_learns_exactly_what_it_lost() {
    let config = EngineConfig { ring_ms: 50.0, realtime: RealtimeRequest::Ordinary, ..EngineConfig::default() };
    let mut engine = Engine::new(config).unwrap();
    let handle = engine.handle();
    handle.add_source(SourceConfig::named("a"), constant(0.5)).unwrap();
    let (slow, healthy) = (Collect::default(), Collect::default());
    let (slow_heard, healthy_heard) = (slow.0.clone(), healthy.0.clone());
    slow_heard.stall.store(true, Ordering::Release);
    handle.add_sink(SinkConfig::named("slow"), slow).unwrap();
    handle.add_sink(SinkConfig::named("healthy"), healthy).unwrap();
    engine.start().unwrap();
    wait_for("half a second", || healthy_heard.n_samples() > seconds(0.5));
    slow_heard.stall.store(false, Ordering::Release);
    wait_for("the slow one", || slow_heard.n_samples() > 10_000);
    let stats = engine.stop().unwrap();
    let account = stats.sinks[0].account;
    assert!(account.is_balanced() && account.queued_frames == 0, "{account}");
    let n_lost: u64 = slow_heard.gaps.lock().unwrap().iter().map(|gap| gap.n_frames).sum();
    assert!(n_lost > 0);
    assert_eq!(account.dropped_frames, n_lost, "the sink was told of every lost frame");
    assert!(slow_heard.gaps.lock().unwrap().iter().all(|gap| gap.reason == GapReason::Lagged));
    assert_eq!(account.delivered_frames, slow_heard.n_samples() as u64 / 2);
    assert_eq!(stats.sinks[0].gaps.iter().map(|gap| gap.n_frames).sum::<u64>(), n_lost);
}

#[test]
fn a_refusing_sink_is_reported_and_recovers() {
    let mut engine = engine();
    let handle = engine.handle();
    handle.add_source(SourceConfig::named("a"), constant(0.5)).unwrap();
    let sink = Collect::default();
    let heard = sink.0.clone();
    handle.add_sink(SinkConfig::named("disk"), sink).unwrap();
    engine.start().unwrap();
    wait_for("sound", || heard.n_samples() > 2000);
    heard.refuse.store(true, Ordering::Release);
    wait_for("the report", || handle.stats().unwrap().sinks[0].state == SinkState::Failed);
    let reason = handle.stats().unwrap().sinks[0].reason.clone().unwrap();
    assert!(reason.starts_with("full.wav: "), "{reason}");
    heard.refuse.store(false, Ordering::Release);
    wait_for("the recovery", || handle.stats().unwrap().sinks[0].state == SinkState::Ok);
    let stats = engine.stop().unwrap();
    let sink = &stats.sinks[0];
    assert!(sink.account.is_balanced());
    let n_refused: u64 = sink.gaps.iter().map(|gap| gap.n_frames).sum();
    assert!(n_refused > 0 && n_refused == sink.account.dropped_frames);
    assert!(sink.gaps.iter().all(|gap| gap.reason == GapReason::Refused));
}

#[test]
fn a_sink_comes_and_goes_while_the_engine_runs() {
    let mut engine = engine();
    let handle = engine.handle();
    handle.add_source(SourceConfig::named("a"), constant(0.5)).unwrap();
    engine.start().unwrap();
    for round in 0..3 {
        let sink = Collect::default();
        let heard = sink.0.clone();
        handle.add_sink(SinkConfig::named("guest"), sink).unwrap();
        let taken = handle.add_sink(SinkConfig::named("guest"), Collect::default());
        assert!(matches!(taken, Err(CommandError::NameTaken { .. })));
        wait_for("sound", || heard.n_samples() > 5000);
        handle.remove_sink("guest").unwrap();
        assert_eq!(heard.n_finished.load(Ordering::Acquire), 1, "round {round}: finished before the answer");
        let starts = heard.starts.lock().unwrap();
        assert_eq!(starts.len(), 1);
        assert!(round == 0 || starts[0].position.0 > 0);
        assert!(heard.gaps.lock().unwrap().is_empty());
    }
    assert!(matches!(handle.remove_sink("guest"), Err(CommandError::UnknownSink { .. })));
    let stats = engine.stop().unwrap();
    for sink in &stats.sinks {
        assert_eq!(sink.state, SinkState::Removed);
        assert!(sink.account.is_balanced() && sink.account.queued_frames == 0);
    }
}

#[test]
fn a_reader_of_ones_own_sees_every_block_with_its_stamp() {
    let mut engine = engine();
    let handle = engine.handle();
    handle.add_source(SourceConfig::named("a"), constant(0.5)).unwrap();
    let mut bus = handle.subscribe("main").unwrap();
    let mut unmixed = handle.subscribe("source:a").unwrap();
    engine.start().unwrap();
    let mut stamps = Vec::new();
    wait_for("fifty blocks", || {
        match bus.read() {
            BusEvent::Block(block) => {
                assert!(block.samples.iter().all(|&sample| sample == 0.5));
                stamps.push(block.stamp);
            }
            BusEvent::Empty => {}
            other => panic!("{other:?}"),
        }
        stamps.len() == 50
    });
    for (n, stamp) in stamps.iter().enumerate() {
        assert_eq!((stamp.seq, stamp.position.0), (n as u64, n as u64 * 128));
        let since_start_ns = stamp.capture_ns - stamps[0].capture_ns;
        assert!(since_start_ns.abs_diff(n as u64 * 128 * 1_000_000_000 / 48_000) <= 1, "absolute, to the nanosecond");
    }
    wait_for("the same block of the other bus", || match unmixed.read() {
        BusEvent::Block(block) => {
            assert_eq!(block.stamp, stamps[0]);
            true
        }
        _ => false,
    });
    engine.stop().unwrap();
    wait_for("the end", || matches!(bus.read(), BusEvent::Ended));
}

#[test]
fn a_limiter_comes_and_goes_without_a_step_and_every_path_stays_aligned() {
    use ra_engine::dsp::{Limiter, LimiterConfig};
    let mut engine = engine();
    let handle = engine.handle();
    let spec = StreamSpec::new(48_000, 2).unwrap();
    handle.add_source(SourceConfig::named("a"), constant(0.25)).unwrap();
    handle.add_source(SourceConfig::named("b"), constant(0.25)).unwrap();
    let sink = Collect::default();
    let heard = sink.0.clone();
    handle.add_sink(SinkConfig::named("out"), sink).unwrap();
    engine.start().unwrap();
    let more = || {
        let until = heard.n_samples() + seconds(0.06);
        wait_for("more sound", || heard.n_samples() > until);
    };
    more();
    let limiter = Limiter::new(LimiterConfig::default(), spec).unwrap();
    let id = handle.add_insert(Strip::Source("a".into()), Box::new(limiter)).unwrap();
    more();
    assert!(matches!(handle.remove_insert(Strip::Source("b".into()), id), Err(CommandError::UnknownInsert { .. })));
    handle.remove_insert(Strip::Source("a".into()), id).unwrap();
    more();
    engine.stop().unwrap();
    let out = heard.samples();
    assert!(out.iter().all(|&sample| (sample - 0.5).abs() < 1e-3), "a constant stays one through every crossfade");
}

#[test]
fn a_failing_source_keeps_what_it_gave_and_says_why() {
    use ra_engine::core::{PulledSource, Source, SourceError, StreamEvent};
    struct Breaks(usize);
    impl Source for Breaks {
        fn spec(&self) -> StreamSpec {
            StreamSpec::new(48_000, 2).unwrap()
        }
        fn describe(&self) -> String {
            "breaks".into()
        }
    }
    impl PulledSource for Breaks {
        fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
            if self.0 == 0 {
                let cause = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return Err(SourceError::File { path: "shrunk.wav".into(), cause });
            }
            let n = self.0.min(out.len() / 2);
            out[..2 * n].fill(0.5);
            self.0 -= n;
            Ok(StreamEvent::Frames { n_frames: n })
        }
        fn remaining_frames(&self) -> Option<u64> {
            None
        }
    }
    let mut engine = engine();
    let handle = engine.handle();
    handle.add_source(SourceConfig::named("file"), AnySource::pulled(Breaks(30_000))).unwrap();
    let sink = Collect::default();
    let heard = sink.0.clone();
    handle.add_sink(SinkConfig::named("out"), sink).unwrap();
    engine.start().unwrap();
    wait_for("the sound before the fault, and silence", || heard.n_samples() > 70_000);
    let stats = engine.stop().unwrap();
    assert_eq!(stats.sources[0].state, SourceState::Failed);
    assert!(stats.sources[0].reason.as_deref().unwrap().starts_with("shrunk.wav"));
    assert_eq!(stats.sources[0].account.delivered_frames, 30_000);
    assert_eq!(heard.samples().iter().filter(|&&sample| sample == 0.5).count(), 60_000);
}

#[test]
fn a_tail_that_cannot_be_written_is_dropped_after_all() {
    let mut engine = engine();
    let handle = engine.handle();
    handle.add_source(SourceConfig::named("a"), constant(0.5)).unwrap();
    let sink = Collect::default();
    let heard = sink.0.clone();
    handle.add_sink(SinkConfig::named("disk"), sink).unwrap();
    engine.start().unwrap();
    wait_for("sound", || heard.n_samples() > 10_000);
    heard.lost_tail_frames.store(1000, Ordering::Release);
    let stats = engine.stop().unwrap();
    let sink = &stats.sinks[0];
    assert_eq!(sink.state, SinkState::Failed);
    assert!(sink.account.is_balanced() && sink.account.queued_frames == 0);
    assert_eq!(sink.account.dropped_frames, 1000);
    assert_eq!(sink.files, [std::path::PathBuf::from("full.wav")], "what is in the file is still there");
}

#[test]
fn the_start_of_two_sinks_is_the_same_instant() {
    let mut engine = engine();
    let handle = engine.handle();
    let (a, b) = (Collect::default(), Collect::default());
    let (a_heard, b_heard) = (a.0.clone(), b.0.clone());
    handle.add_sink(SinkConfig::named("a"), a).unwrap();
    handle.add_sink(SinkConfig::named("b"), b).unwrap();
    engine.start().unwrap();
    engine.stop().unwrap();
    let (a, b) = (a_heard.starts.lock().unwrap(), b_heard.starts.lock().unwrap());
    assert_eq!(a[0].unix_ns, b[0].unix_ns);
    assert_eq!(a[0].unix_minus_monotonic_ns, b[0].unix_minus_monotonic_ns);
    assert!(a[0].unix_minus_monotonic_ns.is_some());
}

#[test]
fn a_removed_bus_takes_its_routes_along_and_its_sources_can_still_go() {
    use ra_engine::BusConfig;
    use ra_engine::core::ChannelCount;
    let mut engine = engine();
    let handle = engine.handle();
    engine.start().unwrap();
    for _ in 0..40 {
        handle.add_bus(BusConfig { name: "aux".into(), channels: ChannelCount::MONO }).unwrap();
        let config = SourceConfig { to: vec!["main".into(), "aux".into()], ..SourceConfig::named("a") };
        handle.add_source(config, constant(0.5)).unwrap();
        let sink = Collect::default();
        let heard = sink.0.clone();
        handle.add_sink(SinkConfig { from: "aux".into(), ..SinkConfig::named("aux") }, sink).unwrap();
        let own = SinkConfig { from: "source:a".into(), ..SinkConfig::named("own") };
        handle.add_sink(own, Collect::default()).unwrap();
        wait_for("sound", || heard.n_samples() > 0);
        handle.remove_bus("aux").unwrap();
        wait_for("the end of its sink", || heard.n_finished.load(Ordering::Acquire) == 1);
        handle.remove_source("a").unwrap();
        wait_for("the end of its own bus", || {
            let sinks = handle.stats().unwrap().sinks;
            let own = sinks.iter().rev().find(|sink| sink.name == "own").unwrap();
            own.account.queued_frames == 0 && handle.remove_sink("own").is_err()
        });
    }
    let stats = engine.stop().unwrap();
    assert!(stats.sinks.iter().all(|sink| sink.account.is_balanced() && sink.account.queued_frames == 0));
}

#[test]
fn an_effect_that_panics_ends_the_mix_and_says_so() {
    use ra_engine::dsp::Insert;
    struct Panics;
    impl Insert for Panics {
        fn process(&mut self, _: &mut [f32]) {
            panic!("told to panic");
        }
        fn latency_frames(&self) -> usize {
            0
        }
        fn name(&self) -> &'static str {
            "panics"
        }
    }
    let mut engine = engine();
    let handle = engine.handle();
    let sink = Collect::default();
    let heard = sink.0.clone();
    handle.add_sink(SinkConfig::named("out"), sink).unwrap();
    engine.start().unwrap();
    wait_for("sound", || heard.n_samples() > 2000);
    handle.add_insert(Strip::Bus("main".into()), Box::new(Panics)).unwrap();
    wait_for("the report", || handle.stats().unwrap().engine.failure.is_some());
    let stats = engine.stop().unwrap();
    assert!(stats.engine.failure.unwrap().contains("panicked"));
    assert!(stats.sinks[0].account.is_balanced());
    assert_eq!(heard.n_finished.load(Ordering::Acquire), 1, "what was published is kept");
}

#[test]
fn a_source_that_panics_has_failed_and_the_others_go_on() {
    use ra_engine::core::{PulledSource, Source, SourceError, StreamEvent};
    struct Panics(usize);
    impl Source for Panics {
        fn spec(&self) -> StreamSpec {
            StreamSpec::new(44_100, 2).unwrap()
        }
        fn describe(&self) -> String {
            "panics".into()
        }
    }
    impl PulledSource for Panics {
        fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
            assert!(self.0 > 0, "told to panic");
            self.0 -= 1;
            out.fill(0.25);
            Ok(StreamEvent::Frames { n_frames: out.len() / 2 })
        }
        fn remaining_frames(&self) -> Option<u64> {
            None
        }
    }
    let mut engine = engine();
    let handle = engine.handle();
    handle.add_source(SourceConfig::named("at once"), AnySource::pulled(Panics(0))).unwrap();
    handle.add_source(SourceConfig::named("later"), AnySource::pulled(Panics(10))).unwrap();
    handle.add_source(SourceConfig::named("healthy"), constant(0.5)).unwrap();
    engine.start().unwrap();
    wait_for("the reports", || {
        let stats = handle.stats().unwrap();
        stats.sources.iter().filter(|source| source.state == SourceState::Failed).count() == 2
    });
    let stats = engine.stop().unwrap();
    assert_eq!(stats.sources[1].reason.as_deref(), Some("its code panicked"));
    assert_eq!(stats.sources[2].state, SourceState::Live);
}

#[test]
fn a_sink_slower_than_real_time_can_be_removed() {
    let config = EngineConfig { ring_ms: 50.0, realtime: RealtimeRequest::Ordinary, ..EngineConfig::default() };
    let mut engine = Engine::new(config).unwrap();
    let handle = engine.handle();
    let sink = Collect::default();
    let heard = sink.0.clone();
    handle.add_sink(SinkConfig::named("slow"), sink).unwrap();
    engine.start().unwrap();
    heard.stall.store(true, Ordering::Release);
    wait_for("a lag", || handle.stats().unwrap().sinks[0].account.queued_frames > 4000);
    let remover = std::thread::spawn({
        let handle = handle.clone();
        move || handle.remove_sink("slow").unwrap()
    });
    heard.stall.store(false, Ordering::Release);
    remover.join().unwrap();
    let stats = engine.stop().unwrap();
    assert_eq!(stats.sinks[0].state, SinkState::Removed);
    assert!(stats.sinks[0].account.is_balanced() && stats.sinks[0].account.queued_frames == 0);
}
