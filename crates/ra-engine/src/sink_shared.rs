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
    /// Frames that count as delivered above and were lost after all: dropped. One number, so that the sum of the two is the
    /// same before and behind it. Never more than were delivered.
    taken_back_frames: AtomicU64,
    /// Frames of the last blocks that lie behind the end of an offline mix: never meant for the sink.
    cut_frames: AtomicU64,
    /// Frames produced when the sink ended; `u64::MAX` while it lives.
    frozen_frames: AtomicU64,
    /// Even: between two calls into the sink. Odd: in the middle of one. [`EVICTED`]: for ever.
    calls: AtomicU64,
    lags: AtomicU64,
    stalls: AtomicU64,
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
    pub(crate) report: SinkReport,
}

impl SinkShared {
    pub(crate) fn new(monitor: ReaderMonitor, block_frames: usize, policy: SinkPolicy) -> Self {
        Self {
            monitor: Mutex::new(Some(monitor)),
            block_frames: block_frames as u64,
            delivered_frames: AtomicU64::new(0),
            dropped_frames: AtomicU64::new(0),
            taken_back_frames: AtomicU64::new(0),
            cut_frames: AtomicU64::new(0),
            frozen_frames: AtomicU64::new(u64::MAX),
            calls: AtomicU64::new(0),
            lags: AtomicU64::new(0),
            stalls: AtomicU64::new(0),
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

    /// The control side: a call into the sink takes long.
    pub(crate) fn note_stall(&self) {
        self.stalls.fetch_add(1, Ordering::Relaxed);
    }

    /// Times that one did.
    pub(crate) fn stalls(&self) -> u64 {
        self.stalls.load(Ordering::Relaxed)
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

    /// The sink's thread: what it has left behind so far.
    pub(crate) fn set_report(&self, report: SinkReport) {
        self.text.lock().report = report;
    }

    /// The sink's thread: frames that it had taken are lost after all. Never more than it was given.
    pub(crate) fn take_back(&self, n_frames: u64) {
        // Relaxed: this thread alone writes both.
        let delivered = self.delivered_frames.load(Ordering::Relaxed);
        let n_frames = n_frames.min(delivered - self.taken_back_frames.load(Ordering::Relaxed));
        // Release pairs with the Acquire in `account`: who sees them taken back also sees them delivered.
        self.taken_back_frames.fetch_add(n_frames, Ordering::Release);
    }

    /// The sink's thread: the file whose end could not be written is among those that it names.
    pub(crate) fn name_file(&self, path: PathBuf) {
        let mut text = self.text.lock();
        if !text.report.files.contains(&path) {
            text.report.files.push(path);
        }
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
        // First: what is taken back was delivered before, and the sum of the two counts below does not depend on it.
        let taken_back_frames = self.taken_back_frames.load(Ordering::Acquire);
        let delivered_frames = self.delivered_frames.load(Ordering::Acquire);
        let dropped_frames = self.dropped_frames.load(Ordering::Acquire);
        let produced = if frozen_frames == u64::MAX { self.produced_frames() } else { frozen_frames };
        // `freeze` may run between the loads: then what was dropped includes frames that are queued by the older view.
        let produced_frames = produced.max(delivered_frames + dropped_frames);
        let queued_frames = produced_frames - delivered_frames - dropped_frames;
        FrameAccount {
            produced_frames,
            delivered_frames: delivered_frames - taken_back_frames,
            dropped_frames: dropped_frames + taken_back_frames,
            queued_frames,
        }
    }
}

#[cfg(test)]
mod tests {
    use ra_core::BlockStamp;
    use ra_queue::{BlockReader, BlockWriter, Join, ring_fan_out};

    use super::*;

    /// Frames go from queued to delivered and on to dropped while somebody looks: the sum is never off, and nothing that was
    /// settled is ever queued again.
    #[test]
    fn the_account_balances_at_every_instant_while_frames_are_taken_back() {
        const N_BLOCKS: u64 = 20_000;
        let (mut writer, bus) = ring_fan_out(64, 2).expect("a ring");
        let reader = bus.join(Join::Next);
        let shared = SinkShared::new(reader.monitor(), 10, SinkPolicy::default());
        std::thread::scope(|scope| {
            let looker = scope.spawn(|| {
                let mut settled = 0;
                while !shared.is_frozen() {
                    let account = shared.account();
                    assert!(account.is_balanced(), "{account}");
                    let now = account.delivered_frames + account.dropped_frames;
                    assert!(now >= settled && now <= account.produced_frames, "{account} after {settled}");
                    assert!(account.produced_frames <= 10 * N_BLOCKS, "{account}");
                    settled = now;
                }
            });
            for seq in 0..N_BLOCKS {
                writer.publish(&BlockStamp { seq, ..BlockStamp::default() }, &[0.0; 2]);
                shared.deliver(10);
                shared.take_back(if seq % 3 == 0 { 7 } else { 0 });
            }
            shared.freeze();
            looker.join().expect("the sum was never off");
        });
        let account = shared.account();
        assert_eq!((account.produced_frames, account.queued_frames), (10 * N_BLOCKS, 0), "{account}");
        assert_eq!(account.dropped_frames, 7 * N_BLOCKS.div_ceil(3));
        shared.take_back(u64::MAX);
        assert_eq!(shared.account().dropped_frames, 10 * N_BLOCKS, "never more than it was given");
    }
}
