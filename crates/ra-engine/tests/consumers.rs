//! Consumers that can't keep up: each by its declared rule, each with its account, and nobody else notices.
//!
//! Nothing here is right by luck of timing: tests wait for what must come, and check it exactly.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ra_engine::core::{
    Block, FramePosition, Gap, GapReason, Sink, SinkError, SinkReport, SinkStart, SinkState, SinkStats, Stats,
    StreamSpec,
};
use ra_engine::{
    AnySource, BusEvent, CommandError, ConsumerClass, Engine, EngineConfig, EngineHandle, OnLag, ReaderConfig,
    RealtimeRequest, SinkConfig, SourceConfig,
};
use support::{Collect, Constant, wait_for};

const BLOCK_FRAMES: u64 = 128;

/// An engine with one source that waits to be started.
fn engine(config: EngineConfig) -> (Engine, EngineHandle) {
    let engine = Engine::new(EngineConfig { realtime: RealtimeRequest::Ordinary, ..config }).unwrap();
    let handle = engine.handle();
    let source = AnySource::pulled(Constant(StreamSpec::new(48_000, 2).unwrap(), 0.5));
    handle.add_source(SourceConfig::named("a"), source).unwrap();
    (engine, handle)
}

/// A running engine with one source and a ring of 64 blocks, 171 ms.
fn running() -> (Engine, EngineHandle) {
    let (mut engine, handle) = engine(EngineConfig { ring_ms: 150.0, ..EngineConfig::default() });
    engine.start().unwrap();
    (engine, handle)
}

/// What a sink of these tests does; it takes whatever comes.
trait Deeds: Send {
    fn start(&mut self) {}
    fn write(&mut self, _block: &Block<'_>) {}
    fn finish(&mut self) {}
}

/// A sink that does so, and never complains.
struct Plain<T>(T);

impl<T: Deeds> Sink for Plain<T> {
    fn start(&mut self, _start: &SinkStart) -> Result<(), SinkError> {
        self.0.start();
        Ok(())
    }
    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        self.0.write(block);
        Ok(())
    }
    fn gap(&mut self, _gap: &Gap) -> Result<(), SinkError> {
        Ok(())
    }
    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        self.0.finish();
        Ok(SinkReport::default())
    }
}

fn row(stats: &Stats, name: &str) -> SinkStats {
    stats.sinks.iter().rev().find(|sink| sink.name == name).unwrap().clone()
}

fn wait_for_blocks(handle: &EngineHandle, n_blocks: u64) {
    let until = handle.stats().unwrap().engine.blocks + n_blocks;
    wait_for("blocks", || handle.stats().unwrap().engine.blocks > until);
}

/// Whatever it may be: every frame is somewhere, and every lost one is in a gap.
fn check_account(sink: &SinkStats) {
    assert!(sink.account.is_balanced(), "{}: {}", sink.name, sink.account);
}

/// Stalls a sink with these settings for 200 blocks, and lets it go on; returns its row and the gaps that it was told of.
fn stall(config: SinkConfig) -> (SinkStats, Vec<Gap>, Vec<FramePosition>) {
    let (engine, handle) = running();
    let sink = Collect::default();
    let heard = sink.0.clone();
    let name = config.name.clone();
    handle.add_sink(config, sink).unwrap();
    wait_for("sound", || heard.n_samples() > 2_000);
    heard.stall.store(true, Ordering::Release);
    wait_for_blocks(&handle, 200);
    heard.stall.store(false, Ordering::Release);
    let before = heard.n_samples();
    wait_for("its going on, or its end", || {
        heard.n_samples() > before + 4_000 || heard.n_finished.load(Ordering::Acquire) > 0
    });
    let stats = engine.stop().unwrap();
    let gaps = heard.gaps.lock().unwrap().clone();
    let starts = heard.starts.lock().unwrap().iter().map(|start| start.position).collect();
    let row = row(&stats, &name);
    check_account(&row);
    assert_eq!(row.account.queued_frames, 0, "{}", row.account);
    assert_eq!(row.account.delivered_frames, heard.n_samples() as u64 / 2);
    (row, gaps, starts)
}

fn rule(on_lag: OnLag, max_lag_ms: u32) -> SinkConfig {
    SinkConfig { max_lag_ms: Some(max_lag_ms), on_lag: Some(on_lag), ..SinkConfig::named("slow") }
}

#[test]
fn who_drops_the_oldest_loses_what_is_beyond_its_limit() {
    let (row, gaps, _) = stall(rule(OnLag::DropOldest, 100));
    let n_lost: u64 = gaps.iter().map(|gap| gap.n_frames).sum();
    assert_eq!(row.account.dropped_frames, n_lost);
    assert!(row.lags > 0 && n_lost > 0 && gaps.iter().all(|gap| gap.reason == GapReason::Lagged), "{gaps:?}");
    assert_eq!((row.state, row.policy.on_lag), (SinkState::Ok, OnLag::DropOldest));
    assert!((row.policy.max_lag_ms - 101.3).abs() < 0.1, "38 blocks: {}", row.policy.max_lag_ms);
}

#[test]
fn who_skips_to_live_loses_all_but_the_newest() {
    let (row, gaps, _) = stall(rule(OnLag::SkipToLive, 100));
    let n_lost: u64 = gaps.iter().map(|gap| gap.n_frames).sum();
    assert_eq!(row.account.dropped_frames, n_lost);
    // Stalled for 200 blocks: one in its hands, at most a few that came meanwhile; all others are lost in one gap.
    assert!(gaps[0].n_frames >= 195 * BLOCK_FRAMES, "{gaps:?}");
    assert_eq!(row.state, SinkState::Ok);
}

#[test]
fn who_is_disconnected_writes_its_tail_and_says_why() {
    let (row, gaps, _) = stall(rule(OnLag::Disconnect, 100));
    assert_eq!((row.state, gaps.len()), (SinkState::Failed, 0));
    assert!(row.reason.as_deref().unwrap().starts_with("disconnected: "), "{:?}", row.reason);
    assert!(row.account.dropped_frames >= 200 * BLOCK_FRAMES, "{}", row.account);
    assert_eq!(row.lags, 1);
}

#[test]
fn who_may_be_later_than_the_ring_is_long_loses_nothing_by_a_stall() {
    let (row, gaps, starts) = stall(rule(OnLag::Disconnect, 5_000));
    assert_eq!((row.state, row.lags, gaps.len()), (SinkState::Ok, 0, 0), "{:?}", row.reason);
    assert_eq!(row.account.dropped_frames, 0);
    assert_eq!(starts.len(), 1);
    // 1875 blocks and a seventh, rounded up to 4096, of 256 samples each: 4 MiB and their stamps.
    assert!((4 << 20..5 << 20).contains(&row.policy.buffer_bytes), "{}", row.policy.buffer_bytes);
}

#[test]
fn a_sink_with_a_long_cushion_that_leaves_gets_everything_up_to_then() {
    let (engine, handle) = running();
    let sink = Collect::default();
    let heard = sink.0.clone();
    handle.add_sink(rule(OnLag::DropOldest, 5_000), sink).unwrap();
    wait_for("sound", || heard.n_samples() > 2_000);
    let account = row(&handle.stats().unwrap(), "slow").account;
    handle.remove_sink("slow").unwrap();
    let row = row(&engine.stop().unwrap(), "slow");
    check_account(&row);
    assert_eq!((row.state, row.account.queued_frames), (SinkState::Removed, 0));
    assert!(row.account.delivered_frames >= account.produced_frames, "{} and then {}", account, row.account);
    assert_eq!(row.account.delivered_frames, heard.n_samples() as u64 / 2);
    assert!(heard.gaps.lock().unwrap().is_empty());
}

#[test]
fn a_sink_that_hangs_is_evicted_and_can_be_added_again() {
    let (engine, handle) = running();
    let sink = Collect::default();
    let heard = sink.0.clone();
    let config = SinkConfig { evict_after_ms: Some(100), ..SinkConfig::named("wedged") };
    handle.add_sink(config.clone(), sink).unwrap();
    wait_for("sound", || heard.n_samples() > 2_000);
    heard.stall.store(true, Ordering::Release);
    wait_for("the eviction", || row(&handle.stats().unwrap(), "wedged").state == SinkState::Failed);
    let evicted = row(&handle.stats().unwrap(), "wedged");
    check_account(&evicted);
    assert!(evicted.reason.as_deref().unwrap().starts_with("evicted: "), "{:?}", evicted.reason);
    assert_eq!(evicted.account.queued_frames, 0, "what waited is dropped");
    // Its name is free while its thread still hangs, and what it does later is nobody's any more.
    let again = Collect::default();
    let again_heard = again.0.clone();
    handle.add_sink(config, again).unwrap();
    wait_for("sound again", || again_heard.n_samples() > 2_000);
    heard.stall.store(false, Ordering::Release);
    wait_for("the return of the first", || Arc::strong_count(&heard) == 1);
    let stats = engine.stop().unwrap();
    assert_eq!(stats.sinks[0].account, evicted.account, "settled at the eviction");
    assert_eq!(stats.sinks[0].reason, evicted.reason);
    assert_eq!(heard.n_finished.load(Ordering::Acquire), 0);
    let row = row(&stats, "wedged");
    assert_eq!((row.state, row.account.dropped_frames), (SinkState::Ok, 0));
    assert_eq!(again_heard.n_finished.load(Ordering::Acquire), 1);
}

#[test]
fn a_sink_that_hangs_while_it_opens_or_leaves_costs_its_caller_its_time_and_no_more() {
    #[derive(Clone, Default)]
    struct Hanging(Arc<Mutex<()>>);
    impl Deeds for Hanging {
        fn start(&mut self) {
            drop(self.0.lock().unwrap());
        }
        fn finish(&mut self) {
            drop(self.0.lock().unwrap());
        }
    }
    let (engine, handle) = running();
    let sink = Hanging::default();
    let config = SinkConfig { evict_after_ms: Some(100), ..SinkConfig::named("hanging") };
    let held = sink.0.lock().unwrap();
    let result = handle.add_sink(config.clone(), Plain(sink.clone()));
    assert!(
        matches!(&result, Err(CommandError::Thread { message, .. }) if message.starts_with("evicted")),
        "{result:?}"
    );
    drop(held);
    handle.add_sink(config, Plain(sink.clone())).unwrap();
    let held = sink.0.lock().unwrap();
    let result = handle.remove_sink("hanging");
    assert!(matches!(result, Err(CommandError::SinkEvicted { .. })), "{result:?}");
    let stats = engine.stop().unwrap();
    drop(held);
    assert!(stats.sinks.iter().all(|sink| sink.state == SinkState::Failed), "{:?}", stats.sinks);
    stats.sinks.iter().for_each(check_account);
}

#[test]
fn a_reader_of_ones_own_is_late_by_its_own_rule() {
    let (engine, handle) = running();
    let reader = |on_lag| handle.subscribe_with("main", ReaderConfig { max_lag_ms: Some(50), on_lag }).unwrap();
    let (mut oldest, mut live) = (reader(OnLag::DropOldest), reader(OnLag::SkipToLive));
    let mut cut = reader(OnLag::Disconnect);
    wait_for_blocks(&handle, 40);
    // 50 ms are 19 blocks; an eighth of them less is 17.
    assert!(matches!(oldest.read(), BusEvent::Lagged { n_blocks } if n_blocks >= 20));
    assert!((16..=19).contains(&oldest.lag_blocks()), "{}", oldest.lag_blocks());
    assert!(matches!(oldest.read(), BusEvent::Block(_)));
    assert!(matches!(live.read(), BusEvent::Lagged { n_blocks } if n_blocks >= 39));
    assert!(matches!(live.read(), BusEvent::Block(_)));
    assert!(matches!(cut.read(), BusEvent::Disconnected { lag_blocks } if lag_blocks >= 40));
    assert!(matches!(cut.read(), BusEvent::Ended) && matches!(cut.read(), BusEvent::Ended));
    for reader in [&oldest, &live, &cut] {
        assert!(reader.counts().is_balanced(), "{:?}", reader.counts());
    }
    drop(engine.stop().unwrap());
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let (_engine, handle) = running();
    for (config, key) in [
        (SinkConfig { max_lag_ms: Some(19), ..SinkConfig::named("s") }, "max_lag_ms"),
        (SinkConfig { class: ConsumerClass::BestEffort, max_lag_ms: Some(79), ..SinkConfig::named("s") }, "max_lag_ms"),
        (SinkConfig { evict_after_ms: Some(99), ..SinkConfig::named("s") }, "evict_after_ms"),
    ] {
        let result = handle.add_sink(config, Collect::default());
        assert!(matches!(&result, Err(CommandError::Value { key: named, .. }) if *named == key), "{result:?}");
    }
    let result = handle.subscribe_with("main", ReaderConfig { max_lag_ms: Some(0), ..ReaderConfig::default() });
    assert!(matches!(result, Err(CommandError::Value { key: "max_lag_ms", .. })));
}

/// Takes ten times as long for a block as the block lasts.
#[derive(Clone, Default)]
struct TenthSpeed(Arc<AtomicU64>);

impl Deeds for TenthSpeed {
    fn write(&mut self, block: &Block<'_>) {
        // A slow device waits; how long exactly does not matter to the test.
        std::thread::sleep(Duration::from_micros(26_667));
        self.0.fetch_add(block.n_frames() as u64, Ordering::Release);
    }
}

#[test]
fn four_sick_consumers_of_sixteen_cost_the_twelve_others_not_a_frame() {
    // The usual ring: a machine that keeps a healthy one waiting for 2 s has other troubles.
    let (mut engine, handle) = engine(EngineConfig::default());
    let [stopped, full, panicking] = [(); 3].map(|()| Collect::default());
    let sick = [stopped.0.clone(), full.0.clone(), panicking.0.clone()];
    let impatient = SinkConfig { evict_after_ms: Some(300), ..SinkConfig::named("stopped") };
    handle.add_sink(impatient, stopped).unwrap();
    handle.add_sink(SinkConfig::named("full"), full).unwrap();
    handle.add_sink(SinkConfig::named("panicking"), panicking).unwrap();
    let slow_rule = SinkConfig { max_lag_ms: Some(200), ..SinkConfig::named("slow") };
    let slow_frames = TenthSpeed::default();
    handle.add_sink(slow_rule, Plain(slow_frames.clone())).unwrap();
    let healthy: Vec<_> = (0..12)
        .map(|n| {
            let sink = Collect::default();
            let heard = sink.0.clone();
            handle.add_sink(SinkConfig::named(format!("healthy {n}")), sink).unwrap();
            heard
        })
        .collect();
    engine.start().unwrap();
    wait_for("sound", || healthy[0].n_samples() > 10_000);
    sick[0].stall.store(true, Ordering::Release);
    sick[1].refuse.store(true, Ordering::Release);
    sick[2].panic.store(true, Ordering::Release);
    let begun = Instant::now();
    wait_for("the eviction, and two seconds", || {
        row(&handle.stats().unwrap(), "stopped").state == SinkState::Failed && begun.elapsed().as_secs() >= 2
    });
    let stats = engine.stop().unwrap();
    stats.sinks.iter().for_each(check_account);
    let first = healthy[0].samples();
    for (n, heard) in healthy.iter().enumerate() {
        let row = row(&stats, &format!("healthy {n}"));
        assert_eq!((row.state, row.account.dropped_frames, row.gaps.len()), (SinkState::Ok, 0, 0), "{row:?}");
        assert!(heard.samples() == first, "every healthy one heard the same");
    }
    assert_eq!(row(&stats, "panicking").state, SinkState::Panicked);
    let full = row(&stats, "full");
    assert!(full.gaps.iter().all(|gap| gap.reason == GapReason::Refused), "{:?}", full.gaps);
    assert_eq!(full.account.dropped_frames, full.gaps.iter().map(|gap| gap.n_frames).sum::<u64>());
    assert!(full.account.dropped_frames > 0);
    assert!(row(&stats, "stopped").reason.unwrap().starts_with("evicted"));
    let slow = row(&stats, "slow");
    assert_eq!(slow.state, SinkState::Ok);
    assert!(slow.account.dropped_frames > slow.account.delivered_frames && slow.lags > 0, "{}", slow.account);
    assert_eq!(slow.account.delivered_frames, slow_frames.0.load(Ordering::Acquire));
    sick[0].stall.store(false, Ordering::Release);
}

#[test]
fn a_sink_slower_than_real_time_leaves_when_it_is_told_to() {
    let (engine, handle) = running();
    let sink = TenthSpeed::default();
    let config = SinkConfig { max_lag_ms: Some(100), ..SinkConfig::named("slow") };
    handle.add_sink(config, Plain(sink.clone())).unwrap();
    wait_for("a lag", || row(&handle.stats().unwrap(), "slow").lags > 0);
    handle.remove_sink("slow").unwrap();
    let taken = sink.0.load(Ordering::Acquire);
    wait_for_blocks(&handle, 50);
    assert_eq!(sink.0.load(Ordering::Acquire), taken, "nothing comes behind its end");
    let row = row(&engine.stop().unwrap(), "slow");
    check_account(&row);
    assert_eq!((row.state, row.account.queued_frames), (SinkState::Removed, 0), "{row:?}");
    assert_eq!(row.account.delivered_frames, taken);
}

#[test]
fn a_disconnected_sink_stays_failed_whatever_was_before() {
    let (engine, handle) = running();
    let sink = Collect::default();
    let heard = sink.0.clone();
    handle.add_sink(rule(OnLag::Disconnect, 100), sink).unwrap();
    wait_for("sound", || heard.n_samples() > 2_000);
    heard.refuse.store(true, Ordering::Release);
    wait_for("trouble", || row(&handle.stats().unwrap(), "slow").state == SinkState::Failed);
    heard.stall.store(true, Ordering::Release);
    wait_for_blocks(&handle, 100);
    heard.refuse.store(false, Ordering::Release);
    heard.stall.store(false, Ordering::Release);
    wait_for("its end", || heard.n_finished.load(Ordering::Acquire) > 0);
    let row = row(&engine.stop().unwrap(), "slow");
    assert_eq!(row.state, SinkState::Failed);
    assert!(row.reason.as_deref().unwrap().starts_with("disconnected"), "{:?}", row.reason);
}

/// Does well, until it is dropped.
struct BadEnd(Option<Arc<Mutex<()>>>);

impl Deeds for BadEnd {}

impl Drop for BadEnd {
    fn drop(&mut self) {
        match &self.0 {
            Some(held) => drop(held.lock()),
            None => std::panic::resume_unwind(Box::new("at the end")),
        }
    }
}

#[test]
fn a_sink_that_hangs_or_panics_when_it_is_dropped_holds_nobody_up() {
    let (engine, handle) = running();
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let config = SinkConfig { evict_after_ms: Some(100), ..SinkConfig::named("hanging") };
    handle.add_sink(config, Plain(BadEnd(Some(Arc::clone(&lock))))).unwrap();
    let result = handle.remove_sink("hanging");
    assert!(matches!(result, Err(CommandError::SinkEvicted { .. })), "{result:?}");
    handle.add_sink(SinkConfig::named("panicking"), Plain(BadEnd(None))).unwrap();
    handle.remove_sink("panicking").unwrap();
    // Refused ones are dropped where nobody waits for them.
    let elsewhere = |name: &str| SinkConfig { from: "nowhere".to_owned(), ..SinkConfig::named(name) };
    assert!(handle.add_sink(elsewhere("a"), Plain(BadEnd(Some(Arc::clone(&lock))))).is_err());
    assert!(handle.add_sink(elsewhere("b"), Plain(BadEnd(None))).is_err());
    let stats = handle.stats().unwrap();
    assert!(row(&stats, "hanging").reason.unwrap().starts_with("evicted"));
    assert_eq!(row(&stats, "panicking").state, SinkState::Panicked);
    stats.sinks.iter().for_each(check_account);
    drop(engine.stop().unwrap());
    drop(held);
}

#[test]
fn two_sinks_of_one_bus_have_seen_the_same_be_one_of_them_abandoned() {
    let (mut engine, handle) = engine(EngineConfig { stop_timeout_ms: 200, ..EngineConfig::default() });
    let slow = TenthSpeed::default();
    handle.add_sink(SinkConfig::named("slow"), Plain(slow.clone())).unwrap();
    handle.add_sink(SinkConfig::named("healthy"), Collect::default()).unwrap();
    engine.start().unwrap();
    wait_for_blocks(&handle, 200);
    let stats = engine.stop().unwrap();
    let (abandoned, healthy) = (row(&stats, "slow"), row(&stats, "healthy"));
    assert_eq!(abandoned.state, SinkState::Failed, "{abandoned:?}");
    assert_eq!(abandoned.account.produced_frames, healthy.account.produced_frames);
    assert!(slow.0.load(Ordering::Acquire) <= abandoned.account.delivered_frames + BLOCK_FRAMES);
}
