//! Looks at what a reader of the fan-out is given: whole, in order, each loss told. Knows no thread and no writer.

use ra_queue::{BlockReader, ReadOutcome, ReaderCounts};

use super::Temper;
use crate::torture::queue::Findings;
use crate::torture::queue::content::BlockContent;
use crate::torture::queue::findings::Order;
use crate::torture::queue::random::Random;

/// What a look at a reader came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A block or a loss.
    Something,
    Nothing,
    End,
}

/// One reader's own account of what it was given.
pub(super) struct Listener {
    content: BlockContent,
    out: Vec<f32>,
    order: Order,
    /// The number of the block that this reader began with, once that is known.
    joined_at: Option<u64>,
    n_read: u64,
    n_lost: u64,
    findings: Findings,
}

impl Listener {
    /// `joined_at`: the number of the first block, where that is known beforehand.
    pub(super) fn new(content: BlockContent, joined_at: Option<u64>) -> Self {
        Self {
            content,
            out: vec![0.0; content.n_samples()],
            order: joined_at.map_or_else(Order::default, Order::from),
            joined_at,
            n_read: 0,
            n_lost: 0,
            findings: Findings { readers: 1, ..Findings::default() },
        }
    }

    /// Reads once.
    pub(super) fn look(&mut self, reader: &mut dyn BlockReader) -> Look {
        match reader.read(&mut self.out) {
            ReadOutcome::Block(stamp) => {
                let n = self.content.number_of(&stamp);
                self.findings.torn += u64::from(!self.content.is_whole(&stamp, &self.out));
                self.order.see(n, &mut self.findings);
                // What was lost before the first block was lost behind the place where it joined.
                self.joined_at.get_or_insert(n.wrapping_sub(self.n_lost));
                self.n_read += 1;
                Look::Something
            }
            ReadOutcome::Lagged { n_blocks } => {
                // A loss of none is a loss that did not happen.
                self.findings.check(n_blocks > 0);
                self.lose(n_blocks);
                Look::Something
            }
            ReadOutcome::Empty => Look::Nothing,
            ReadOutcome::Closed => Look::End,
        }
    }

    /// Passes what waits, all but the newest or all but a few.
    pub(super) fn skip(&mut self, reader: &mut dyn BlockReader, random: &mut Random) {
        let n_passed = if random.once_in(2) { reader.skip_ahead() } else { reader.keep_newest(random.between(0, 4)) };
        self.lose(n_passed);
    }

    fn lose(&mut self, n_blocks: u64) {
        self.n_lost += n_blocks;
        self.order.pass(n_blocks);
    }

    /// Counts as unbalanced what does not hold.
    pub(super) fn check(&mut self, holds: bool) {
        self.findings.check(holds);
    }

    /// The number of the block that is read next, as far as this reader knows.
    pub(super) fn cursor(&self) -> Option<u64> {
        Some(self.joined_at?.wrapping_add(self.n_read).wrapping_add(self.n_lost))
    }

    pub(super) fn joined_at(&self) -> Option<u64> {
        self.joined_at
    }

    pub(super) fn n_read(&self) -> u64 {
        self.n_read
    }

    /// The end of a reader that stayed until there was nothing left of `n_written` blocks: what it saw, what the
    /// writer wrote, and the queue's own account (counted from 0) must be one and the same.
    pub(super) fn settle(mut self, n_written: u64, counts: ReaderCounts) -> Findings {
        let joined_at = self.joined_at.unwrap_or(n_written);
        let account = ReaderCounts {
            produced_blocks: n_written.wrapping_sub(joined_at),
            read_blocks: self.n_read,
            lost_blocks: self.n_lost,
            queued_blocks: 0,
        };
        self.findings.check(account.is_balanced() && counts == account);
        Findings { produced: account.produced_blocks, read: self.n_read, lost: self.n_lost, ..self.findings }
    }

    /// The end of a reader that has left: `counts` (from 0) were taken afterwards. What it had yet to come to is lost.
    pub(super) fn settle_after_leaving(mut self, counts: ReaderCounts) -> Findings {
        self.findings.check(counts.is_balanced() && counts.queued_blocks == 0);
        self.findings.check(counts.read_blocks == self.n_read && counts.lost_blocks >= self.n_lost);
        Findings { produced: counts.produced_blocks, read: self.n_read, lost: counts.lost_blocks, ..self.findings }
    }
}

/// How long a reader of this temper stays away after a look, in units of its own kind.
pub(super) enum Pause {
    None,
    Yield,
    /// Turns of a spin loop, some 10 ns each.
    Spin(u64),
    SleepUs(u64),
}

impl Temper {
    /// What this temper does after a look.
    pub(super) fn pause_after(self, look: Look, random: &mut Random) -> Pause {
        match (self, look) {
            (Temper::Sleeping, Look::Nothing) => Pause::SleepUs(random.between(50, 500)),
            (Temper::Sleeping, Look::Something) if random.once_in(16) => Pause::SleepUs(random.between(1, 5_000)),
            (Temper::Slow, Look::Something) => Pause::Spin(random.between(0, 2_000)),
            (_, Look::Nothing) => Pause::Yield,
            _ => Pause::None,
        }
    }
}
