//! A reader of our own ring: a cursor that only its owner moves. Writes nothing that the writer ever looks at.

use std::sync::Arc;

use super::counts::{Progress, Tally};
use super::ring::Shared;
use super::{BlockReader, ReadOutcome, ReaderCounts, ReaderMonitor};

/// A reader's end of our own ring. Every call is wait-free: one attempt, whose failure is a loss to be reported.
#[derive(Debug)]
pub struct RingReader {
    shared: Arc<Shared>,
    tally: Arc<Tally>,
    /// The sequence number of the next block to be read.
    cursor: u64,
    /// The head as it was last seen: the line that the writer stores to is fetched only when this is used up.
    known_head: u64,
}

impl RingReader {
    // rt-lint: control-side
    pub(super) fn new(shared: Arc<Shared>, cursor: u64, first_count: u64) -> Self {
        Self { shared, tally: Arc::new(Tally::new(cursor, first_count)), cursor, known_head: cursor }
    }

    /// Whether there is a block to be read, after a look at the head.
    fn refresh(&mut self) -> bool {
        self.known_head = self.shared.head();
        self.known_head != self.cursor
    }

    /// Moves the cursor to `target` and counts what it passes as lost.
    fn lose_until(&mut self, target: u64) -> u64 {
        let n_blocks = target.wrapping_sub(self.cursor);
        self.cursor = target;
        self.tally.add_lost(n_blocks);
        n_blocks
    }
}

impl BlockReader for RingReader {
    fn read(&mut self, out: &mut [f32]) -> ReadOutcome {
        if self.known_head == self.cursor && !self.refresh() {
            if !self.shared.is_closed() {
                return ReadOutcome::Empty;
            }
            // The last block may have come between the two looks.
            if !self.refresh() {
                return ReadOutcome::Closed;
            }
        }
        if let Some(stamp) = self.shared.slots.read(self.cursor, out) {
            self.cursor = self.cursor.wrapping_add(1);
            self.tally.add_read();
            return ReadOutcome::Block(stamp);
        }
        // Overtaken: the slot's version showed a later block, so the head that is seen now is at least a whole ring
        // ahead, and the place to go on is ahead of the cursor.
        self.known_head = self.shared.head();
        ReadOutcome::Lagged { n_blocks: self.lose_until(self.shared.oldest_clear(self.known_head)) }
    }

    fn skip_ahead(&mut self) -> u64 {
        self.keep_newest(1)
    }

    fn keep_newest(&mut self, n_blocks: u64) -> u64 {
        self.known_head = self.shared.head();
        let kept = n_blocks.max(1).min(self.known_head.wrapping_sub(self.cursor));
        self.lose_until(self.known_head.wrapping_sub(kept))
    }

    fn lag_blocks(&self) -> u64 {
        self.shared.head().wrapping_sub(self.cursor)
    }

    fn counts(&self) -> ReaderCounts {
        self.tally.counts(&*self.shared)
    }

    fn monitor(&self) -> ReaderMonitor {
        ReaderMonitor::new(Arc::clone(&self.tally), Arc::clone(&self.shared) as Arc<dyn Progress>)
    }
}

impl Drop for RingReader {
    fn drop(&mut self) {
        self.tally.leave(self.cursor, self.shared.head());
    }
}
