//! Where the blocks of one reader are. One tally per reader, written by that reader alone; the writer never sees it.

use std::sync::Arc;

use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// Where the blocks are that were published since a reader joined: `produced == read + lost + queued` at every instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReaderCounts {
    /// Blocks published since the reader joined (until it left).
    pub produced_blocks: u64,
    /// Blocks that it read.
    pub read_blocks: u64,
    /// Blocks that it was told were lost, that it skipped, or that it had not read when it left.
    pub lost_blocks: u64,
    /// Blocks that it has yet to come to. More than the ring holds: it will learn of a loss at its next read.
    pub queued_blocks: u64,
}

impl ReaderCounts {
    /// Whether `produced == read + lost + queued`.
    pub const fn is_balanced(&self) -> bool {
        self.produced_blocks == self.read_blocks.wrapping_add(self.lost_blocks).wrapping_add(self.queued_blocks)
    }
}

/// How far the writer has come; what a back end must offer for its readers to be counted.
pub(super) trait Progress: Send + Sync {
    /// The sequence number after the last published block. An Acquire load of a Release store.
    fn head(&self) -> u64;
}

/// One reader's counters, on cache lines of their own (two, for prefetchers that fetch in pairs).
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Tally {
    joined_at: u64,
    read: AtomicU64,
    lost: AtomicU64,
    left_at: AtomicU64,
    has_left: AtomicBool,
}

impl Tally {
    /// A reader whose first block is that of `joined_at`. `read` and `lost` begin at `first_count`, as if so many had
    /// been read and lost before: 0, but for tests of the wrap.
    pub(super) fn new(joined_at: u64, first_count: u64) -> Self {
        Self {
            joined_at: joined_at.wrapping_sub(first_count.wrapping_mul(2)),
            read: AtomicU64::new(first_count),
            lost: AtomicU64::new(first_count),
            left_at: AtomicU64::new(0),
            has_left: AtomicBool::new(false),
        }
    }

    /// Reader's end: one more block was read.
    pub(super) fn add_read(&self) {
        // Relaxed: only this reader writes it. Release: pairs with the Acquire in `counts`: the head that the reader
        // saw before this block is visible to whoever sees the block counted.
        self.read.store(self.read.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// Reader's end: `n_blocks` more were lost.
    pub(super) fn add_lost(&self, n_blocks: u64) {
        // Relaxed and Release: as in `add_read`.
        self.lost.store(self.lost.load(Ordering::Relaxed).wrapping_add(n_blocks), Ordering::Release);
    }

    /// Reader's end, once: it leaves from `cursor` while the writer stands at `head`.
    pub(super) fn leave(&self, cursor: u64, head: u64) {
        self.add_lost(head.wrapping_sub(cursor));
        // Relaxed: published by the store below.
        self.left_at.store(head, Ordering::Relaxed);
        // Release: pairs with the Acquire in `counts`.
        self.has_left.store(true, Ordering::Release);
    }

    /// Any thread. Each counter only grows, and those of the reader come first: what it counted had been published, so
    /// the head, read last, is at least as far, and `queued` can't go below 0.
    pub(super) fn counts(&self, progress: &dyn Progress) -> ReaderCounts {
        // Acquire: pairs with the Release in `add_read` and `add_lost`.
        let read = self.read.load(Ordering::Acquire);
        let lost = self.lost.load(Ordering::Acquire);
        // Acquire: pairs with the Release in `leave`. Relaxed: ordered by it.
        let end =
            if self.has_left.load(Ordering::Acquire) { self.left_at.load(Ordering::Relaxed) } else { progress.head() };
        let produced = end.wrapping_sub(self.joined_at);
        ReaderCounts {
            produced_blocks: produced,
            read_blocks: read,
            lost_blocks: lost,
            queued_blocks: produced.wrapping_sub(read).wrapping_sub(lost),
        }
    }
}

/// Takes a reader's counts from any thread, also after the reader has left.
#[derive(Clone)]
pub struct ReaderMonitor {
    tally: Arc<Tally>,
    progress: Arc<dyn Progress>,
}

impl ReaderMonitor {
    pub(super) fn new(tally: Arc<Tally>, progress: Arc<dyn Progress>) -> Self {
        Self { tally, progress }
    }

    /// Where the blocks are; balanced at every instant, while writer and reader run.
    ///
    /// What was read and lost only grows. So does what was produced, but for a reader in the act of leaving: blocks that
    /// are published at that very moment may be counted before it has left, and not any more behind it.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn counts(&self) -> ReaderCounts {
        self.tally.counts(&*self.progress)
    }
}

impl std::fmt::Debug for ReaderMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReaderMonitor").field("counts", &self.counts()).finish()
    }
}
