//! Encoded pages that wait for the network, no more of them than so many frames. Knows no thread.

use std::collections::VecDeque;
use std::sync::Arc;

/// What every listener of a logical stream needs first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StreamHead {
    /// Counts the logical streams of a sink.
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

/// One page on its way.
#[derive(Clone, Debug)]
pub(super) struct QueuedPage {
    pub(super) head: Arc<StreamHead>,
    pub(super) bytes: Vec<u8>,
    /// How long it lasts.
    pub(super) n_frames: u64,
    /// How many of its frames are the bus's.
    pub(super) real_frames: u64,
}

/// Pages in their order.
#[derive(Debug)]
pub(super) struct PageQueue {
    pages: VecDeque<QueuedPage>,
    limit_frames: u64,
    queued_frames: u64,
    most_frames: u64,
}

impl PageQueue {
    pub(super) fn new(limit_frames: u64) -> Self {
        Self { pages: VecDeque::new(), limit_frames, queued_frames: 0, most_frames: 0 }
    }

    pub(super) fn push(&mut self, page: QueuedPage) {
        self.queued_frames += page.n_frames;
        self.most_frames = self.most_frames.max(self.queued_frames.min(self.limit_frames));
        self.pages.push_back(page);
    }

    /// Puts pages that were taken before in front of all others.
    pub(super) fn put_back(&mut self, pages: impl DoubleEndedIterator<Item = QueuedPage>) {
        for page in pages.rev() {
            self.queued_frames += page.n_frames;
            self.pages.push_front(page);
        }
    }

    pub(super) fn pop(&mut self) -> Option<QueuedPage> {
        let page = self.pages.pop_front()?;
        self.queued_frames -= page.n_frames;
        Some(page)
    }

    /// Where more waits than may: throws the oldest pages away, and an eighth of the limit more, so that there is one hole
    /// instead of many. Returns the real frames that are lost by it.
    pub(super) fn throw_away_overflow(&mut self) -> u64 {
        let mut lost_frames = 0;
        if self.queued_frames > self.limit_frames {
            let wanted = self.limit_frames - self.limit_frames / 8;
            while self.queued_frames > wanted {
                let Some(page) = self.pop() else { break };
                lost_frames += page.real_frames;
            }
        }
        lost_frames
    }

    /// Throws everything away; returns the real frames that are lost by it.
    pub(super) fn clear(&mut self) -> u64 {
        self.queued_frames = 0;
        self.pages.drain(..).map(|page| page.real_frames).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// How long what waits may last.
    pub(super) fn limit_frames(&self) -> u64 {
        self.limit_frames
    }

    /// The most that has ever waited.
    pub(super) fn most_frames(&self) -> u64 {
        self.most_frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(n_frames: u64, real_frames: u64) -> QueuedPage {
        let head = Arc::new(StreamHead { number: 0, bytes: Vec::new() });
        QueuedPage { head, bytes: vec![n_frames as u8], n_frames, real_frames }
    }

    #[test]
    fn beyond_the_limit_the_oldest_go_in_one_piece() {
        let mut queue = PageQueue::new(800);
        (0..8).for_each(|_| queue.push(page(100, 90)));
        assert_eq!(queue.throw_away_overflow(), 0, "as much as may wait");
        queue.push(page(50, 50));
        assert_eq!(queue.throw_away_overflow(), 180, "850 down to 700 at most");
        assert_eq!((queue.queued_frames, queue.most_frames()), (650, 800));
        assert_eq!(queue.clear(), 6 * 90 + 50);
        assert!(queue.is_empty() && queue.queued_frames == 0);
    }

    #[test]
    fn what_was_taken_goes_back_in_its_place() {
        let mut queue = PageQueue::new(1_000);
        (1..5).for_each(|n| queue.push(page(n, n)));
        let taken: Vec<_> = [queue.pop(), queue.pop()].into_iter().flatten().collect();
        assert_eq!(queue.queued_frames, 7);
        queue.put_back(taken.into_iter());
        let order: Vec<u64> = std::iter::from_fn(|| queue.pop()).map(|page| page.n_frames).collect();
        assert_eq!(order, [1, 2, 3, 4]);
    }
}
