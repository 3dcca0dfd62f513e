//! A disk that stalls for ten seconds under a recorder: told while it lasts, counted, and nobody else's business.
//!
//! The engine's clock runs four times as fast as the system's; nothing here is right by luck of timing: where the machine is
//! too slow for that, the mixer leaves time out for everybody, and says so.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use ra_core::{
    Clock, GapReason, PulledSource, SinkState, SinkStats, Source, SourceError, StreamEvent, StreamSpec, SystemClock,
};
use ra_engine::{AnySource, Engine, EngineConfig, EngineHandle, RealtimeRequest, SinkConfig, SourceConfig};
use ra_sinks::{Recorder, RecorderConfig, StorageCall, StorageTap, tap_storage_below};

const SPEED: u64 = 4;
const STALL_FRAMES: u64 = 10 * 48_000;

struct FastClock {
    origin_ns: u64,
}

impl Clock for FastClock {
    fn now_ns(&self) -> u64 {
        self.origin_ns + (SystemClock.now_ns() - self.origin_ns) * SPEED
    }

    fn sleep_until_ns(&self, deadline_ns: u64) {
        let ahead_ns = deadline_ns.saturating_sub(self.origin_ns);
        SystemClock.sleep_until_ns(self.origin_ns + ahead_ns.div_ceil(SPEED));
    }
}

/// A disk that does not return from one write until it is let go.
struct Stall {
    is_due: AtomicBool,
    has_begun: Mutex<Sender<()>>,
    is_over: Mutex<Receiver<()>>,
}

impl StorageTap for Stall {
    fn before(&self, _path: &Path, call: StorageCall<'_>) -> io::Result<()> {
        if matches!(call, StorageCall::Write { .. }) && self.is_due.swap(false, Ordering::AcqRel) {
            self.has_begun.lock().unwrap().send(()).unwrap();
            self.is_over.lock().unwrap().recv().unwrap();
        }
        Ok(())
    }

    fn after(&self, _path: &Path, _call: StorageCall<'_>) {}
}

/// The same value for ever.
struct Constant(StreamSpec);

impl Source for Constant {
    fn spec(&self) -> StreamSpec {
        self.0
    }

    fn describe(&self) -> String {
        "constant".to_owned()
    }
}

impl PulledSource for Constant {
    fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
        out.fill(0.25);
        Ok(StreamEvent::Frames { n_frames: self.0.frames(out.len()) })
    }

    fn remaining_frames(&self) -> Option<u64> {
        None
    }
}

fn row(handle: &EngineHandle, name: &str) -> SinkStats {
    handle.stats().unwrap().sinks.into_iter().find(|sink| sink.name == name).unwrap()
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !is_there() {
        assert!(start.elapsed().as_secs() < 60, "waited a minute for {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn frames_of(path: &PathBuf) -> Vec<f32> {
    hound::WavReader::open(path).unwrap().into_samples::<f32>().map(|s| s.unwrap()).collect()
}

#[test]
fn a_disk_that_stalls_for_ten_seconds_is_told_of_and_costs_nobody_else_a_frame() {
    let (slow, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ((has_begun, begun), (over, is_over)) = (channel(), channel());
    let stall = Arc::new(Stall {
        is_due: AtomicBool::new(false),
        has_begun: Mutex::new(has_begun),
        is_over: Mutex::new(is_over),
    });
    let _tap = tap_storage_below(slow.path(), stall.clone());
    let clock = Arc::new(FastClock { origin_ns: SystemClock.now_ns() });
    let config = EngineConfig { realtime: RealtimeRequest::Ordinary, ..EngineConfig::default() };
    let mut engine = Engine::with_clock(config, clock).unwrap();
    let handle = engine.handle();
    let source = AnySource::pulled(Constant(StreamSpec::new(48_000, 2).unwrap()));
    handle.add_source(SourceConfig::named("a"), source).unwrap();
    for (name, dir) in [("slow", &slow), ("other", &other)] {
        let recorder = Recorder::new(RecorderConfig::new(dir.path().join("{name}.wav"))).unwrap();
        // Whoever else is on this machine: the other one may be late.
        let max_lag_ms = (name == "other").then_some(60_000);
        handle.add_sink(SinkConfig { max_lag_ms, ..SinkConfig::named(name) }, recorder).unwrap();
    }
    engine.start().unwrap();
    wait_for("sound", || row(&handle, "slow").account.delivered_frames > 48_000);

    stall.is_due.store(true, Ordering::Release);
    begun.recv().unwrap();
    // A busy machine may have made it wait before.
    let n_stalls = row(&handle, "slow").stalls;
    let stalled_at = row(&handle, "slow").account;
    wait_for("word of it", || row(&handle, "slow").stalls > n_stalls);
    let told = row(&handle, "slow");
    assert!(told.reason.as_deref().unwrap().starts_with("stalled: a call into it has not returned"), "{told:?}");
    let n_waited = told.account.produced_frames - stalled_at.produced_frames;
    assert!(n_waited < STALL_FRAMES, "told while it lasts, after {n_waited} frames");
    wait_for("ten seconds", || {
        row(&handle, "slow").account.produced_frames > stalled_at.produced_frames + STALL_FRAMES
    });
    let before = row(&handle, "slow");
    assert_eq!(before.account.delivered_frames, stalled_at.delivered_frames);
    over.send(()).unwrap();
    wait_for("its going on", || row(&handle, "slow").account.delivered_frames > stalled_at.delivered_frames + 96_000);

    let stats = engine.stop().unwrap();
    let [slow, other] = &stats.sinks[..] else { panic!("{stats:?}") };
    assert_eq!((slow.state, &slow.reason), (SinkState::Ok, &None));
    assert!(slow.account.is_balanced() && slow.account.queued_frames == 0, "{}", slow.account);
    assert!(slow.account.dropped_frames > 7 * 48_000, "ten seconds less the ring's two: {}", slow.account);
    assert!(slow.gaps.iter().any(|gap| gap.reason == GapReason::Lagged), "{:?}", slow.gaps);
    let gap_frames = |sink: &SinkStats| sink.gaps.iter().map(|gap| gap.n_frames).sum::<u64>();
    assert!(gap_frames(slow) >= slow.account.dropped_frames, "{:?}", slow.gaps);
    let sound = frames_of(&slow.files[0]);
    assert_eq!(sound.len() as u64 / 2, slow.account.delivered_frames + gap_frames(slow), "as long as the time");
    let n_silent = sound.iter().filter(|sample| **sample == 0.0).count() as u64 / 2;
    assert!(n_silent >= gap_frames(slow), "{n_silent} frames of silence for {:?}", slow.gaps);
    let sidecar = std::fs::read(format!("{}.json", slow.files[0].display())).unwrap();
    let sidecar: serde_json::Value = serde_json::from_slice(&sidecar).unwrap();
    assert_eq!(sidecar["gap_frames"], gap_frames(slow));

    assert_eq!((other.state, other.account.dropped_frames), (SinkState::Ok, 0), "{other:?}");
    assert!(other.gaps.iter().all(|gap| gap.reason == GapReason::MixerLate), "{:?}", other.gaps);
    let n_frames = frames_of(&other.files[0]).len() as u64 / 2;
    assert_eq!(n_frames, other.account.produced_frames + gap_frames(other));
}
