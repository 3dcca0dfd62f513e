//! What a sink can be told while it runs, what it tells of itself, and what happens to both when it hangs.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ra_engine::core::{
    Block, Gap, Metadata, Sink, SinkCommand, SinkError, SinkReport, SinkStart, SinkState, SinkStats, Stats, StreamSpec,
};
use ra_engine::{
    AnySource, CommandError, Engine, EngineConfig, EngineHandle, OfflineEngine, RealtimeRequest, SinkConfig,
    SourceConfig, VirtualEngine,
};
use support::{Collect, Constant, Samples, wait_for};

/// What a [`Told`] has been told, and what it is to do.
#[derive(Default)]
struct Seen {
    commands: Mutex<Vec<SinkCommand>>,
    n_frames: AtomicU64,
    /// Frames at which each command came.
    at_frames: Mutex<Vec<u64>>,
    n_flushed: AtomicU64,
    is_inside: AtomicBool,
    stall: AtomicBool,
    /// Given back behind the next call.
    take_back: AtomicU64,
    refuse: AtomicBool,
}

/// A sink that carries out every command, and writes a file for each split.
#[derive(Clone, Default)]
struct Told(Arc<Seen>);

impl Told {
    fn files(&self) -> Vec<PathBuf> {
        let n_splits = self.0.commands.lock().unwrap().iter().filter(|&c| *c == SinkCommand::Split).count();
        (0..=n_splits).map(|n| PathBuf::from(format!("told-{n}.wav"))).collect()
    }

    fn hang_if_told_to(&self) {
        self.0.is_inside.store(true, Ordering::Release);
        while self.0.stall.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        self.0.is_inside.store(false, Ordering::Release);
    }
}

impl Sink for Told {
    fn start(&mut self, _start: &SinkStart) -> Result<(), SinkError> {
        Ok(())
    }
    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        self.hang_if_told_to();
        self.0.n_frames.fetch_add(block.n_frames() as u64, Ordering::Release);
        Ok(())
    }
    fn gap(&mut self, _gap: &Gap) -> Result<(), SinkError> {
        Ok(())
    }
    fn flush(&mut self) -> Result<(), SinkError> {
        self.0.n_flushed.fetch_add(1, Ordering::Release);
        Ok(())
    }
    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        self.hang_if_told_to();
        Ok(SinkReport { files: self.files(), files_omitted: 7, ..SinkReport::default() })
    }
    fn command(&mut self, command: &SinkCommand) -> Result<(), SinkError> {
        if self.0.refuse.load(Ordering::Acquire) {
            return Err(SinkError::Unsupported { what: format!("{command} of a test") });
        }
        self.0.commands.lock().unwrap().push(command.clone());
        self.0.at_frames.lock().unwrap().push(self.0.n_frames.load(Ordering::Acquire));
        Ok(())
    }
    fn take_back_frames(&mut self) -> u64 {
        self.0.take_back.swap(0, Ordering::AcqRel)
    }
    fn take_report(&mut self) -> Option<SinkReport> {
        Some(SinkReport { files: self.files(), ..SinkReport::default() })
    }
}

fn running() -> (Engine, EngineHandle) {
    let mut engine =
        Engine::new(EngineConfig { realtime: RealtimeRequest::Ordinary, ..EngineConfig::default() }).unwrap();
    let handle = engine.handle();
    let source = AnySource::pulled(Constant(StreamSpec::new(48_000, 2).unwrap(), 0.5));
    handle.add_source(SourceConfig::named("a"), source).unwrap();
    engine.start().unwrap();
    (engine, handle)
}

fn row(stats: &Stats, name: &str) -> SinkStats {
    stats.sinks.iter().rev().find(|sink| sink.name == name).unwrap().clone()
}

fn impatient() -> SinkConfig {
    SinkConfig { evict_after_ms: Some(100), ..SinkConfig::named("told") }
}

#[test]
fn commands_come_in_order_between_two_blocks_and_are_answered() {
    let (engine, handle) = running();
    let sink = Told::default();
    handle.add_sink(SinkConfig::named("told"), sink.clone()).unwrap();
    let metadata = Metadata { title: Some("news".into()), ..Metadata::default() };
    handle.split("told").unwrap();
    handle.pause("told").unwrap();
    handle.resume("told").unwrap();
    handle.set_metadata("told", metadata.clone()).unwrap();
    let expected = [SinkCommand::Split, SinkCommand::Pause, SinkCommand::Resume, SinkCommand::SetMetadata(metadata)];
    assert_eq!(*sink.0.commands.lock().unwrap(), expected);
    assert!(sink.0.at_frames.lock().unwrap().iter().all(|frames| frames % 128 == 0));
    let now = row(&handle.stats().unwrap(), "told");
    assert_eq!(now.files, [PathBuf::from("told-0.wav"), "told-1.wav".into()], "known while it runs");
    let end = row(&engine.stop().unwrap(), "told");
    assert_eq!((end.state, end.files, end.files_omitted), (SinkState::Ok, now.files, 7));
}

#[test]
fn what_a_sink_refuses_is_the_callers_trouble_and_not_the_sinks() {
    let (engine, handle) = running();
    let sink = Told::default();
    sink.0.refuse.store(true, Ordering::Release);
    handle.add_sink(SinkConfig::named("told"), sink.clone()).unwrap();
    handle.add_sink(SinkConfig::named("plain"), Collect::default()).unwrap();
    let error = handle.split("told").unwrap_err();
    assert_eq!(error.to_string(), "sink \"told\": split of a test is not supported");
    let error = handle.set_metadata("plain", Metadata::default()).unwrap_err();
    assert_eq!(error.to_string(), "sink \"plain\": set metadata is not supported");
    let error = handle.pause("nobody").unwrap_err();
    assert!(matches!(&error, CommandError::UnknownSink { name } if name == "nobody"), "{error}");
    let before = sink.0.n_frames.load(Ordering::Acquire);
    wait_for("its going on", || sink.0.n_frames.load(Ordering::Acquire) > before + 10_000);
    assert!(row(&handle.stats().unwrap(), "told").reason.is_none());
    let stats = engine.stop().unwrap();
    assert!(stats.sinks.iter().all(|sink| sink.state == SinkState::Ok && sink.account.dropped_frames == 0));
}

#[test]
fn a_sink_that_hangs_answers_by_being_given_up_on_and_its_files_are_known() {
    let (engine, handle) = running();
    let sink = Told::default();
    handle.add_sink(impatient(), sink.clone()).unwrap();
    handle.split("told").unwrap();
    sink.0.stall.store(true, Ordering::Release);
    wait_for("a call that hangs", || sink.0.is_inside.load(Ordering::Acquire));
    // Two at once: both wait behind the call that hangs.
    let other = handle.clone();
    let waiting = std::thread::spawn(move || other.pause("told"));
    for error in [handle.resume("told").unwrap_err(), waiting.join().unwrap().unwrap_err()] {
        let is_known = matches!(&error, CommandError::SinkEvicted { .. } | CommandError::UnknownSink { .. });
        assert!(is_known, "{error}");
    }
    let evicted = row(&handle.stats().unwrap(), "told");
    assert_eq!(evicted.state, SinkState::Failed);
    assert_eq!(evicted.files, [PathBuf::from("told-0.wav"), "told-1.wav".into()]);
    assert!(matches!(handle.split("told"), Err(CommandError::UnknownSink { .. })), "its name is free");
    sink.0.stall.store(false, Ordering::Release);
    wait_for("its return", || Arc::strong_count(&sink.0) == 1);
    assert_eq!(sink.0.commands.lock().unwrap().len(), 1, "what it did not get in time it never gets");
    drop(engine.stop().unwrap());
}

#[test]
fn whoever_removes_a_sink_learns_that_it_was_given_up_on() {
    let (engine, handle) = running();
    let sink = Told::default();
    handle.add_sink(impatient(), sink.clone()).unwrap();
    sink.0.stall.store(true, Ordering::Release);
    wait_for("a call that hangs", || sink.0.is_inside.load(Ordering::Acquire));
    let error = handle.remove_sink("told").unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, CommandError::SinkEvicted { .. }), "{message}");
    assert!(message.starts_with("sink \"told\" was evicted: a call into it has not returned for"), "{message}");
    sink.0.stall.store(false, Ordering::Release);
    drop(engine.stop().unwrap());
}

#[test]
fn more_commands_than_may_wait_are_refused() {
    let (engine, handle) = running();
    let sink = Told::default();
    handle.add_sink(SinkConfig::named("told"), sink.clone()).unwrap();
    sink.0.stall.store(true, Ordering::Release);
    wait_for("a call that hangs", || sink.0.is_inside.load(Ordering::Acquire));
    let callers: Vec<_> = (0..40)
        .map(|_| {
            let handle = handle.clone();
            std::thread::spawn(move || handle.split("told"))
        })
        .collect();
    // Those that found no room return at once; the others when the sink does.
    wait_for("those that are refused", || callers.iter().filter(|caller| caller.is_finished()).count() == 24);
    sink.0.stall.store(false, Ordering::Release);
    let results: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
    let is_busy =
        |result: &&Result<(), CommandError>| matches!(result, Err(CommandError::SinkBusy { n_waiting: 16, .. }));
    assert_eq!(results.iter().filter(is_busy).count(), 24, "{results:?}");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 16);
    drop(engine.stop().unwrap());
}

#[test]
fn a_call_that_takes_long_is_told_of_while_it_does_and_counted() {
    let (engine, handle) = running();
    let sink = Told::default();
    handle.add_sink(SinkConfig::named("told"), sink.clone()).unwrap();
    sink.0.stall.store(true, Ordering::Release);
    wait_for("the stall", || row(&handle.stats().unwrap(), "told").stalls == 1);
    let stalled = row(&handle.stats().unwrap(), "told");
    assert_eq!(stalled.state, SinkState::Ok);
    let reason = stalled.reason.unwrap();
    assert!(reason.starts_with("stalled: a call into it has not returned for 1"), "{reason}");
    sink.0.stall.store(false, Ordering::Release);
    let before = sink.0.n_frames.load(Ordering::Acquire);
    wait_for("its going on", || sink.0.n_frames.load(Ordering::Acquire) > before + 1_000);
    assert!(row(&handle.stats().unwrap(), "told").reason.is_none());
    assert_eq!(row(&engine.stop().unwrap(), "told").stalls, 1);
}

#[test]
fn frames_that_are_lost_after_all_move_from_delivered_to_dropped_and_the_sum_stays() {
    let (engine, handle) = running();
    let sink = Told::default();
    handle.add_sink(SinkConfig::named("told"), sink.clone()).unwrap();
    let mut taken_back = 0;
    for round in 0..200 {
        let frames = sink.0.n_frames.load(Ordering::Acquire);
        wait_for("a block", || sink.0.n_frames.load(Ordering::Acquire) > frames);
        sink.0.take_back.store(50, Ordering::Release);
        wait_for("its being asked", || sink.0.take_back.load(Ordering::Acquire) == 0);
        taken_back += 50;
        let account = row(&handle.stats().unwrap(), "told").account;
        assert!(account.is_balanced(), "{account}");
        assert!(account.dropped_frames <= taken_back, "round {round}: {account}");
    }
    // More than it was ever given: all that it was given.
    let account = row(&engine.stop().unwrap(), "told").account;
    assert_eq!(account.dropped_frames, taken_back);
    assert_eq!(account.delivered_frames + taken_back, account.produced_frames);
    assert_eq!(account.queued_frames, 0);
}

#[test]
fn what_is_taken_back_at_the_end_counts_and_never_more_than_was_given() {
    let (engine, handle) = running();
    let sink = Told::default();
    handle.add_sink(SinkConfig::named("told"), sink.clone()).unwrap();
    wait_for("sound", || sink.0.n_frames.load(Ordering::Acquire) > 1_000);
    sink.0.take_back.store(u64::MAX, Ordering::Release);
    wait_for("its being asked", || sink.0.take_back.load(Ordering::Acquire) == 0);
    let account = row(&engine.stop().unwrap(), "told").account;
    assert!(account.is_balanced() && account.dropped_frames > 1_000, "{account}");
}

#[test]
fn offline_and_virtual_engines_tell_their_sinks_too() {
    let samples = || AnySource::pulled(Samples::new(48_000, 2, vec![0.25; 96_000]));
    let told = Told::default();
    let mut offline = OfflineEngine::new(EngineConfig::default()).unwrap();
    offline.add_source(SourceConfig::named("a"), samples()).unwrap();
    offline.add_sink(SinkConfig::named("told"), Box::new(told.clone())).unwrap();
    for _ in 0..4 {
        offline.feed();
        offline.step();
    }
    offline.tell_sink("told", SinkCommand::Split).unwrap();
    assert_eq!(*told.0.at_frames.lock().unwrap(), [512], "behind everything that was mixed so far");
    told.0.refuse.store(true, Ordering::Release);
    assert!(matches!(offline.tell_sink("told", SinkCommand::Split), Err(CommandError::Sink { .. })));
    assert!(matches!(offline.tell_sink("x", SinkCommand::Split), Err(CommandError::UnknownSink { .. })));
    let end = row(&offline.run(&mut |_| {}), "told");
    assert_eq!((end.state, end.files.len(), end.account.delivered_frames), (SinkState::Ok, 2, 48_000));

    let told = Told::default();
    let mut engine = VirtualEngine::new(EngineConfig::default()).unwrap();
    engine.add_source(SourceConfig::named("a"), samples()).unwrap();
    engine.add_sink(SinkConfig::named("told"), Box::new(told.clone())).unwrap();
    for _ in 0..3 {
        engine.step();
    }
    engine.tell_sink("told", SinkCommand::Pause).unwrap();
    engine.step();
    assert_eq!(*told.0.at_frames.lock().unwrap(), [384]);
    assert_eq!(row(&engine.finish(), "told").account.delivered_frames, 512);
}
