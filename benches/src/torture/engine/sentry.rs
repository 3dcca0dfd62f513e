//! An effect on `main` that stands guard on the audio thread: from the engine's first block on it marks the thread for the
//! allocator, puts the filter for system calls on it, and notes when each block is mixed. Leaves the sound alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ra_core::{Clock, SystemClock};
use ra_engine::dsp::Insert;

use super::allocations::mark_this_thread;
use super::system_calls::Seat;

/// What the sentry lets others see.
#[derive(Debug)]
pub(super) struct SentryLog {
    /// When each block was mixed, by its sequence number; 0: not yet.
    mixed_ns: Box<[AtomicU64]>,
    n_blocks: AtomicU64,
    is_to_leave: AtomicBool,
    has_left: AtomicBool,
}

impl SentryLog {
    /// Room for so many blocks; later ones are counted and not noted.
    pub(super) fn new(capacity_blocks: usize) -> Arc<Self> {
        Arc::new(Self {
            mixed_ns: (0..capacity_blocks).map(|_| AtomicU64::new(0)).collect(),
            n_blocks: AtomicU64::new(0),
            is_to_leave: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
        })
    }

    /// Blocks that were mixed so far.
    pub(super) fn n_blocks(&self) -> u64 {
        // Acquire pairs with the Release in `process`.
        self.n_blocks.load(Ordering::Acquire)
    }

    /// When the blocks of these numbers were mixed, as far as that was noted.
    pub(super) fn mixed_ns(&self, blocks: std::ops::Range<u64>) -> Vec<(u64, u64)> {
        let noted = blocks.filter_map(|seq| {
            let ns = self.mixed_ns.get(usize::try_from(seq).ok()?)?.load(Ordering::Relaxed);
            (ns != 0).then_some((seq, ns))
        });
        noted.collect()
    }

    /// Asks the sentry to take the mark off the thread: what comes now is the end.
    pub(super) fn ask_to_leave(&self) {
        // Release pairs with the Acquire in `process`.
        self.is_to_leave.store(true, Ordering::Release);
    }

    /// Whether it has.
    pub(super) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Acquire)
    }
}

/// The effect. To be there before the engine starts, in front of all others.
pub(super) struct Sentry {
    log: Arc<SentryLog>,
    /// `None`: system calls are watched from elsewhere.
    seat: Option<Seat>,
    n_blocks: u64,
}

impl Sentry {
    pub(super) fn new(log: Arc<SentryLog>, seat: Option<Seat>) -> Self {
        Self { log, seat, n_blocks: 0 }
    }
}

impl Insert for Sentry {
    fn process(&mut self, _interleaved: &mut [f32]) {
        if self.n_blocks == 0 {
            if let Some(seat) = &self.seat {
                seat.take();
            }
            mark_this_thread(true);
        }
        if let Some(noted) = self.log.mixed_ns.get(self.n_blocks as usize) {
            noted.store(SystemClock.now_ns(), Ordering::Relaxed);
        }
        self.n_blocks += 1;
        // Release: who sees the count sees the times.
        self.log.n_blocks.store(self.n_blocks, Ordering::Release);
        if self.log.is_to_leave.load(Ordering::Acquire) && !self.log.has_left.load(Ordering::Relaxed) {
            mark_this_thread(false);
            self.log.has_left.store(true, Ordering::Release);
        }
    }

    fn latency_frames(&self) -> usize {
        0
    }

    fn name(&self) -> &'static str {
        "sentry"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_noted_and_the_mark_goes_when_asked() {
        let log = SentryLog::new(2);
        let mut sentry = Sentry::new(Arc::clone(&log), None);
        let mut block = [0.25; 4];
        for _ in 0..3 {
            sentry.process(&mut block);
        }
        assert_eq!((log.n_blocks(), block), (3, [0.25; 4]));
        let noted = log.mixed_ns(0..3);
        assert_eq!(noted.len(), 2, "the third found no room");
        assert!(noted[0].1 <= noted[1].1 && noted[1].0 == 1);
        assert!(!log.has_left());
        log.ask_to_leave();
        sentry.process(&mut block);
        assert!(log.has_left());
    }
}
