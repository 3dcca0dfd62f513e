//! What a consumer's thread lets the control side see: state, account, gaps.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use ra_core::{FrameAccount, Gap, SinkPolicy, SinkReport, SinkState};
use ra_queue::ReaderMonitor;

use crate::gap_list::GapList;

/// Of [`SinkShared::calls`]: the sink was given up on in the middle of a call.
const EVICTED: u64 = u64::MAX;

/// Shared by a consumer's thread, which writes, and the control side, which reads.
pub(crate) struct SinkShared {
    /// Gone once the sink has ended: it would keep the whole ring alive.
    monitor: Mutex<Option<ReaderMonitor>>,
    block_frames: u64,
    delivered_frames: AtomicU64,
    dropped_frames: AtomicU64,
    /// Frames of the last blocks that lie behind the end of an offline mix: never meant for the sink.
    cut_frames: AtomicU64,
    /// Frames produced when the sink ended; `u64::MAX` while it lives.
    frozen_frames: AtomicU64,
    /// Even: between two calls into the sink. Odd: in the middle of one. [`EVICTED`]: for ever.
    calls: AtomicU64,
    lags: AtomicU64,
    /// Frames were lost on the way to the consumer's own ring since it last looked.
    lost_before_cushion: AtomicBool,
    text: Mutex<SinkText>,
}

/// What changes rarely.
#[derive(Clone, Debug, Default)]
pub(crate) struct SinkText {
    pub(crate) policy: SinkPolicy,
    pub(crate) state: SinkState,
    pub(crate) reason: Option<String>,
    pub(crate) gaps: GapList,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) notes: Vec<String>,
}

impl SinkShared {
    pub(crate) fn new(monitor: ReaderMonitor, block_frames: usize, policy: SinkPolicy) -> Self {
        Self {
            monitor: Mutex::new(Some(monitor)),
            block_frames: block_frames as u64,
            delivered_frames: AtomicU64::new(0),
            dropped_frames: AtomicU64::new(0),
            cut_frames: AtomicU64::new(0),
            frozen_frames: AtomicU64::new(u64::MAX),
            calls: AtomicU64::new(0),
            lags: AtomicU64::new(0),
            lost_before_cushion: AtomicBool::new(false),
            text: Mutex::new(SinkText { policy, ..SinkText::default() }),
        }
    }

    /// The consumer's thread: a call into the sink begins. False: it was given up on.
    pub(crate) fn begin_call(&self) -> bool {
        self.turn_over(|calls| calls % 2 == 0)
    }

    /// The consumer's thread: the call has returned. False: the sink was given up on meanwhile, and whatever it did counts no
    /// more.
    pub(crate) fn end_call(&self) -> bool {
        self.turn_over(|calls| calls % 2 == 1)
    }

    fn turn_over(&self, is_expected: impl Fn(u64) -> bool) -> bool {
        let next = |calls| (calls != EVICTED && is_expected(calls)).then(|| calls + 1);
        // AcqRel: pairs with the exchange in `evict`, so that one of the two is first and the other sees it.
        self.calls.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }

    /// The control side: which call the sink is in the middle of.
    pub(crate) fn call_in_progress(&self) -> Option<u64> {
        Some(self.calls.load(Ordering::Acquire)).filter(|calls| calls % 2 == 1 && *calls != EVICTED)
    }

    /// The control side: gives up on a sink that is still in the middle of `call`. False: it has just returned.
    pub(crate) fn evict(&self, call: u64) -> bool {
        self.calls.compare_exchange(call, EVICTED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The control side: gives up on it, whether it is in the middle of a call or not.
    pub(crate) fn give_up(&self) {
        self.calls.store(EVICTED, Ordering::Release);
    }

    /// Whether it was given up on.
    pub(crate) fn is_evicted(&self) -> bool {
        self.calls.load(Ordering::Acquire) == EVICTED
    }

    /// The sink was later than it may be.
    pub(crate) fn note_lag(&self) {
        self.lags.fetch_add(1, Ordering::Relaxed);
    }

    /// Times that it was.
    pub(crate) fn lags(&self) -> u64 {
        self.lags.load(Ordering::Relaxed)
    }

    /// What carries blocks to the consumer's own ring was overtaken.
    pub(crate) fn lose_before_cushion(&self, n_blocks: u64) {
        self.note_lag();
        self.drop_frames(n_blocks * self.block_frames);
        // Release: pairs with the Acquire below. A block behind the loss reaches the consumer later still.
        self.lost_before_cushion.store(true, Ordering::Release);
    }

    /// Whether frames were lost on the way since the last call.
    pub(crate) fn take_lost_before_cushion(&self) -> bool {
        self.lost_before_cushion.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn set_buffer_bytes(&self, bytes: u64) {
        self.text.lock().policy.buffer_bytes = bytes;
    }

    pub(crate) fn set_niceness(&self, niceness: Option<i32>) {
        self.text.lock().policy.niceness = niceness;
    }

    /// Whether the sink takes nothing more.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen_frames.load(Ordering::Acquire) != u64::MAX
    }

    pub(crate) fn text(&self) -> SinkText {
        self.text.lock().clone()
    }

    pub(crate) fn state(&self) -> SinkState {
        self.text.lock().state
    }

    pub(crate) fn set_state(&self, state: SinkState, reason: Option<String>) {
        let mut text = self.text.lock();
        text.state = state;
        text.reason = reason;
    }

    pub(crate) fn log_gap(&self, gap: Gap) {
        self.text.lock().gaps.push(gap);
    }

    pub(crate) fn deliver(&self, n_frames: u64) {
        // Release, here and in `drop_frames`, pairs with the Acquire loads in `account`.
        self.delivered_frames.fetch_add(n_frames, Ordering::Release);
    }

    pub(crate) fn drop_frames(&self, n_frames: u64) {
        self.dropped_frames.fetch_add(n_frames, Ordering::Release);
    }

    /// These frames lie behind the end of the mix.
    pub(crate) fn cut(&self, n_frames: u64) {
        if n_frames > 0 {
            self.cut_frames.fetch_add(n_frames, Ordering::Release);
        }
    }

    /// The sink did not take these frames.
    pub(crate) fn refuse(&self, gap: Gap) {
        self.drop_frames(gap.n_frames);
        self.log_gap(gap);
    }

    pub(crate) fn finished(&self, report: &SinkReport) {
        let mut text = self.text.lock();
        text.files.clone_from(&report.files);
        text.notes.clone_from(&report.notes);
    }

    /// The sink could not write its end: frames that it had taken are lost after all.
    pub(crate) fn lose_tail(&self, n_frames: u64, path: PathBuf) {
        let delivered = self.delivered_frames.load(Ordering::Acquire);
        let n_frames = n_frames.min(delivered);
        // The sink is frozen: nobody else writes these any more.
        self.delivered_frames.store(delivered - n_frames, Ordering::Release);
        self.dropped_frames.fetch_add(n_frames, Ordering::Release);
        self.text.lock().files.push(path);
    }

    /// The sink takes nothing more: what waits for it is dropped, and what comes later is not its own.
    pub(crate) fn freeze(&self) {
        if self.is_frozen() {
            return;
        }
        let produced = self.produced_frames();
        let delivered = self.delivered_frames.load(Ordering::Acquire);
        self.dropped_frames.store(produced - delivered, Ordering::Release);
        // Release pairs with the Acquire in `account`: who sees the end also sees what was dropped by it.
        self.frozen_frames.store(produced, Ordering::Release);
        *self.monitor.lock() = None;
    }

    fn produced_frames(&self) -> u64 {
        let cut_frames = self.cut_frames.load(Ordering::Acquire);
        match &*self.monitor.lock() {
            Some(monitor) => monitor.counts().produced_blocks * self.block_frames - cut_frames,
            None => self.frozen_frames.load(Ordering::Acquire),
        }
    }

    /// Where the sink's frames are. Balanced at every instant: what was produced is read last, and only grows.
    pub(crate) fn account(&self) -> FrameAccount {
        let frozen_frames = self.frozen_frames.load(Ordering::Acquire);
        let delivered_frames = self.delivered_frames.load(Ordering::Acquire);
        let dropped_frames = self.dropped_frames.load(Ordering::Acquire);
        let produced = if frozen_frames == u64::MAX { self.produced_frames() } else { frozen_frames };
        // `freeze` may run between the loads: then what was dropped includes frames that are queued by the older view.
        let produced_frames = produced.max(delivered_frames + dropped_frames);
        let queued_frames = produced_frames - delivered_frames - dropped_frames;
        FrameAccount { produced_frames, delivered_frames, dropped_frames, queued_frames }
    }
}
