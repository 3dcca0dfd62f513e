//! How far a writer has come, as it says itself: what accounts are held against. Knows nothing of any queue.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a writer has begun to write and what it has written, both from 0.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Progress {
    begun: AtomicU64,
    done: AtomicU64,
}

impl Progress {
    /// The writer, before it writes what makes it `total`.
    pub(super) fn begin(&self, total: u64) {
        // Release: pairs with the Acquire in `at_most`.
        self.begun.store(total, Ordering::Release);
    }

    /// The writer, after that.
    pub(super) fn finish(&self, total: u64) {
        // Release: pairs with the Acquire in `at_least`: what was written before can be seen.
        self.done.store(total, Ordering::Release);
    }

    /// Taken before a look at the queue: the queue holds at least this.
    pub(super) fn at_least(&self) -> u64 {
        // Acquire: pairs with the Release in `finish`.
        self.done.load(Ordering::Acquire)
    }

    /// Taken after a look at the queue: it held no more than this. (What it held was begun before, and seen with it.)
    pub(super) fn at_most(&self) -> u64 {
        // Acquire: pairs with the Release in `begin`.
        self.begun.load(Ordering::Acquire)
    }
}
