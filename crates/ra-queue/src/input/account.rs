//! Where the frames of an input ring are: four counters, two owners, and a snapshot that always balances.
//! Never makes either end wait.

use std::sync::Arc;

use ra_core::FrameAccount;

use super::InputTrial;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// Snapshots that are tried before one is taken that the reader moved under.
const MAX_TRIES: usize = 64;

/// The counters of both ends, each side on cache lines of its own (two, for prefetchers that fetch in pairs).
#[derive(Debug, Default)]
pub(super) struct InputCounters {
    writer: WriterCounters,
    reader: ReaderCounters,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct WriterCounters {
    /// Frames that went into the ring. Stored before the frames' stamp is.
    accepted: AtomicU64,
    /// Frames that were offered and did not fit.
    refused: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct ReaderCounters {
    /// Frames that were read. Stored before their room is given back.
    delivered: AtomicU64,
    /// Frames that the reader dropped. Stored before their room is given back.
    discarded: AtomicU64,
    /// Whether the reader is gone, so that what is left in the ring will never be delivered.
    is_gone: AtomicBool,
}

impl InputCounters {
    /// Counters that begin where `trial` says.
    // rt-lint: control-side
    pub(super) fn starting_at(trial: &InputTrial) -> Self {
        Self {
            writer: WriterCounters {
                accepted: AtomicU64::new(trial.n_accepted()),
                refused: AtomicU64::new(trial.n_refused),
            },
            reader: ReaderCounters {
                delivered: AtomicU64::new(trial.n_delivered),
                discarded: AtomicU64::new(trial.n_discarded),
                is_gone: AtomicBool::new(false),
            },
        }
    }

    /// Writer's end; `total` frames so far. Called before the stamp of the newest ones is written.
    pub(super) fn store_accepted(&self, total: u64) {
        // Release: pairs with the Acquire in `snapshot`. The reader meets a frame only behind the release of its stamp,
        // which comes after this store, so nobody sees a frame delivered that was not accepted before.
        self.writer.accepted.store(total, Ordering::Release);
    }

    /// Writer's end; `total` frames so far.
    pub(super) fn store_refused(&self, total: u64) {
        // Relaxed: orders nothing. A snapshot balances whatever it sees here, and the end is known before `offered` is.
        self.writer.refused.store(total, Ordering::Relaxed);
    }

    /// Reader's end; `total` frames so far. Called before the frames' room is given back.
    pub(super) fn store_delivered(&self, total: u64) {
        // Release: pairs with the Acquire in `snapshot`.
        self.reader.delivered.store(total, Ordering::Release);
    }

    /// Reader's end; `total` frames so far. Called before the frames' room is given back.
    pub(super) fn store_discarded(&self, total: u64) {
        // Release: pairs with the Acquire in `snapshot`.
        self.reader.discarded.store(total, Ordering::Release);
    }

    /// Reader's end, once, when it leaves.
    pub(super) fn set_reader_gone(&self) {
        // Release: pairs with the Acquire in `account`.
        self.reader.is_gone.store(true, Ordering::Release);
    }

    /// Frames that were ever offered. Exact for who has seen that the writer is gone.
    pub(super) fn offered(&self) -> u64 {
        // Relaxed: to see that the writer is gone (rtrb's flag: Release and Acquire) is to see its last stores.
        let refused = self.writer.refused.load(Ordering::Relaxed);
        self.writer.accepted.load(Ordering::Relaxed).wrapping_add(refused)
    }

    fn snapshot(&self) -> (Snapshot, bool) {
        // Acquire: pairs with the Release in `store_delivered` and `store_discarded`. The reader's side comes first:
        // everything in it was accepted before, so `accepted`, read later, is at least as large.
        let delivered = self.reader.delivered.load(Ordering::Acquire);
        let discarded = self.reader.discarded.load(Ordering::Acquire);
        // Acquire: pairs with the Release in `store_accepted`, and keeps the second look at the reader behind it.
        let accepted = self.writer.accepted.load(Ordering::Acquire);
        // Relaxed: as in `store_refused`.
        let refused = self.writer.refused.load(Ordering::Relaxed);
        // Relaxed: orders nothing by itself. Were `accepted` to hold a frame that took the room of one delivered after
        // our first look, then that delivery happened before the store of `accepted` that we acquired, and
        // coherence makes it visible here.
        let is_still = self.reader.delivered.load(Ordering::Relaxed) == delivered
            && self.reader.discarded.load(Ordering::Relaxed) == discarded;
        (Snapshot { delivered, discarded, accepted, refused }, is_still)
    }

    fn account(&self) -> FrameAccount {
        // Acquire: pairs with the Release in `set_reader_gone`, and before the snapshot: behind it, the reader's counters
        // stand still. Looked at later, what the reader read before it left, but behind the snapshot, would be dropped.
        let is_gone = self.reader.is_gone.load(Ordering::Acquire);
        let (mut snapshot, mut is_still) = self.snapshot();
        for _ in 1..MAX_TRIES {
            if is_still {
                break;
            }
            (snapshot, is_still) = self.snapshot();
        }
        let queued = snapshot.accepted.wrapping_sub(snapshot.delivered).wrapping_sub(snapshot.discarded);
        let (queued, abandoned) = if is_gone { (0, queued) } else { (queued, 0) };
        FrameAccount {
            produced_frames: snapshot.accepted.wrapping_add(snapshot.refused),
            delivered_frames: snapshot.delivered,
            dropped_frames: snapshot.refused.wrapping_add(snapshot.discarded).wrapping_add(abandoned),
            queued_frames: queued,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Snapshot {
    delivered: u64,
    discarded: u64,
    accepted: u64,
    refused: u64,
}

/// Tells where the frames of an input ring are, from any thread.
#[derive(Clone, Debug)]
pub struct InputMonitor {
    counters: Arc<InputCounters>,
    capacity_frames: usize,
}

impl InputMonitor {
    pub(super) fn new(counters: Arc<InputCounters>, capacity_frames: usize) -> Self {
        Self { counters, capacity_frames }
    }

    /// Takes the account, in frames of the source; balanced at every instant, while both ends run.
    ///
    /// *Produced* are the frames that were offered; *dropped* those that didn't fit, those that the reader discarded,
    /// and those that were in the ring when the reader left.
    ///
    /// How it balances without stopping anybody: each counter has one owner and only grows, `produced` and `queued` are
    /// sums of the others, and the reader's counters are read before the writer's. A frame is counted as accepted
    /// before the reader can see it, so `queued` can't go below 0; it is counted as delivered before its room is given
    /// back, so `queued` can't pass the ring's capacity in a snapshot under which the reader stood still. Such a
    /// snapshot is tried for 64 times; a reader that moves under every one of them leaves a `queued` that is larger by
    /// what it read meanwhile.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn account(&self) -> FrameAccount {
        self.counters.account()
    }

    /// Frames that the ring holds at most.
    pub fn capacity_frames(&self) -> usize {
        self.capacity_frames
    }
}
