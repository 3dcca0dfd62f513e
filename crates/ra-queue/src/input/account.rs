//! Where the frames of an input ring are: counters with two owners, which are the ring's indices too, and a snapshot that
//! always balances. Never makes either end wait.

use std::sync::Arc;

use ra_core::FrameAccount;

use super::InputTrial;
use super::ring::Ring;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// Snapshots that are tried before one is taken that the reader moved under.
const MAX_TRIES: usize = 64;

/// The counters of both ends, each side on cache lines of its own (two, for prefetchers that fetch in pairs).
#[derive(Debug)]
pub(super) struct InputCounters {
    writer: WriterCounters,
    reader: ReaderCounters,
}

#[derive(Debug)]
#[repr(align(128))]
struct WriterCounters {
    /// Frames that went into the ring. Shows them and their stamp to the reader, which takes stamps until their frames add up
    /// to this.
    accepted: AtomicU64,
    /// Frames that were offered and did not fit.
    refused: AtomicU64,
    /// Whether the writer is gone, so that nothing will come.
    is_gone: AtomicBool,
}

#[derive(Debug)]
#[repr(align(128))]
struct ReaderCounters {
    /// Frames that were read. Gives their room back.
    delivered: AtomicU64,
    /// Frames that the reader dropped. Gives their room back.
    discarded: AtomicU64,
    /// Stamps that were taken. Gives their room back.
    n_taken: AtomicU64,
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
                is_gone: AtomicBool::new(false),
            },
            reader: ReaderCounters {
                delivered: AtomicU64::new(trial.n_delivered),
                discarded: AtomicU64::new(trial.n_discarded),
                n_taken: AtomicU64::new(0),
                is_gone: AtomicBool::new(false),
            },
        }
    }

    /// Writer's end; `total` frames so far. Called when the newest ones and their stamp are in place.
    #[inline]
    pub(super) fn store_accepted(&self, total: u64) {
        // Release: pairs with the Acquire in `accepted` and `snapshot`. The reader meets a frame only behind this store, so
        // nobody sees a frame delivered that was not accepted before.
        self.writer.accepted.store(total, Ordering::Release);
    }

    /// Writer's end; `total` frames so far.
    pub(super) fn store_refused(&self, total: u64) {
        // Relaxed: orders nothing. A snapshot balances whatever it sees here, and the end is known before `offered` is.
        self.writer.refused.store(total, Ordering::Relaxed);
    }

    /// Writer's end, once, when it leaves.
    pub(super) fn set_writer_gone(&self) {
        // Release: pairs with the Acquire in `is_writer_gone`: all that it did is seen by then.
        self.writer.is_gone.store(true, Ordering::Release);
    }

    /// Frames that went into the ring, for the reader: they and their stamps are in place.
    #[inline]
    pub(super) fn accepted(&self) -> u64 {
        // Acquire: pairs with the Release in `store_accepted`.
        self.writer.accepted.load(Ordering::Acquire)
    }

    /// Whether the writer is gone. What it did before is seen by looks that come behind this one.
    pub(super) fn is_writer_gone(&self) -> bool {
        // Acquire: pairs with the Release in `set_writer_gone`.
        self.writer.is_gone.load(Ordering::Acquire)
    }

    /// Frames that were ever offered. Exact for who has seen that the writer is gone.
    pub(super) fn offered(&self) -> u64 {
        // Relaxed: to see that the writer is gone is to see its last stores.
        let refused = self.writer.refused.load(Ordering::Relaxed);
        self.writer.accepted.load(Ordering::Relaxed).wrapping_add(refused)
    }

    /// Reader's end; `total` frames so far. Called when they have been copied.
    #[inline]
    pub(super) fn store_delivered(&self, total: u64) {
        // Release: pairs with the Acquire in `given_back`, so that no frame is written over while it is read, and in
        // `snapshot`.
        self.reader.delivered.store(total, Ordering::Release);
    }

    /// Reader's end; `total` frames so far.
    pub(super) fn store_discarded(&self, total: u64) {
        // Release: pairs with the Acquire in `snapshot`.
        self.reader.discarded.store(total, Ordering::Release);
    }

    /// Reader's end; `total` stamps so far. Called when they have been copied.
    #[inline]
    pub(super) fn store_taken(&self, total: u64) {
        // Release: pairs with the Acquire in `n_taken`, so that no stamp is written over while it is read.
        self.reader.n_taken.store(total, Ordering::Release);
    }

    /// Frames whose room the writer has back; the reader may make it more at any time.
    #[inline]
    pub(super) fn given_back(&self) -> u64 {
        // Acquire: pairs with the Release in `store_delivered`.
        let delivered = self.reader.delivered.load(Ordering::Acquire);
        // Acquire: pairs with the Release in `store_discarded`: frames read before others were discarded are done with.
        delivered.wrapping_add(self.reader.discarded.load(Ordering::Acquire))
    }

    /// Stamps whose room the writer has back; the reader may make it more at any time.
    #[inline]
    pub(super) fn n_taken(&self) -> u64 {
        // Acquire: pairs with the Release in `store_taken`.
        self.reader.n_taken.load(Ordering::Acquire)
    }

    /// Reader's end, once, when it leaves.
    pub(super) fn set_reader_gone(&self) {
        // Release: pairs with the Acquire in `is_reader_gone`.
        self.reader.is_gone.store(true, Ordering::Release);
    }

    /// Whether the reader is gone.
    pub(super) fn is_reader_gone(&self) -> bool {
        // Acquire: pairs with the Release in `set_reader_gone`: what it counted before is seen by then.
        self.reader.is_gone.load(Ordering::Acquire)
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
        // Before the snapshot: behind it, the reader's counters stand still. Looked at later, what the reader read before it
        // left, but behind the snapshot, would be dropped.
        let is_gone = self.is_reader_gone();
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
    ring: Arc<Ring>,
}

impl InputMonitor {
    pub(super) fn new(ring: Arc<Ring>) -> Self {
        Self { ring }
    }

    /// Takes the account, in frames of the source; balanced at every instant, while both ends run.
    ///
    /// *Produced* are the frames that were offered; *dropped* those that didn't fit, those that the reader discarded,
    /// and those that were in the ring when the reader left.
    ///
    /// How it balances without stopping anybody: each counter has one owner and only grows, `produced` and `queued` are
    /// sums of the others, and the reader's counters are read before the writer's. A frame is counted as accepted
    /// before the reader can see it, so `queued` can't go below 0; that it is counted as delivered is what gives its room
    /// back, so `queued` can't pass the ring's capacity in a snapshot under which the reader stood still. Such a
    /// snapshot is tried for 64 times; a reader that moves under every one of them leaves a `queued` that is larger by
    /// what it read meanwhile.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn account(&self) -> FrameAccount {
        self.ring.counters.account()
    }

    /// Frames that the ring holds at most.
    pub fn capacity_frames(&self) -> usize {
        self.ring.capacity_frames
    }
}
