//! No correction: what is written where nobody thinks of drift. A queue behind a lock, as full as the latency says; what
//! piles up is thrown away in one go, and where nothing is there, there is silence.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use ra_engine::sources::Delivery;

use super::super::contestant::{BLOCK_FRAMES, Contestant, LATENCY_FRAMES, Losses, Reading};

/// Reads as fast as it plays.
pub(super) struct Uncorrected {
    /// Really used, as a program with two threads would.
    queue: Mutex<VecDeque<f32>>,
    block: [f32; BLOCK_FRAMES as usize],
    /// The place behind the last frame that has come.
    newest_end: i64,
    is_playing: bool,
    losses: Losses,
}

impl Uncorrected {
    const CUSHION_FRAMES: usize = LATENCY_FRAMES as usize;

    pub(super) fn new() -> Self {
        Self {
            queue: Mutex::new(VecDeque::with_capacity(4 * Self::CUSHION_FRAMES)),
            block: [0.0; BLOCK_FRAMES as usize],
            newest_end: 0,
            is_playing: false,
            losses: Losses::default(),
        }
    }
}

impl Contestant for Uncorrected {
    fn deliver(&mut self, delivery: &Delivery) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.extend(std::iter::repeat_n(0.0, delivery.n_frames as usize));
        self.newest_end = delivery.position.0 as i64 + i64::from(delivery.n_frames);
    }

    fn read_block(&mut self, _now_ns: u64) -> Option<Reading> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_playing |= queue.len() >= Self::CUSHION_FRAMES;
        if !self.is_playing {
            return None;
        }
        if queue.len() > 2 * Self::CUSHION_FRAMES {
            let n_shed = queue.len() - Self::CUSHION_FRAMES;
            queue.drain(..n_shed);
            self.losses.lost_frames += n_shed as u64;
        }
        if queue.len() < self.block.len() {
            self.losses.inserted_frames += BLOCK_FRAMES;
            return None;
        }
        let frame = self.newest_end - queue.len() as i64;
        let n_frames = self.block.len();
        for (out, sample) in self.block.iter_mut().zip(queue.drain(..n_frames)) {
            *out = sample;
        }
        Some(Reading { frame, fraction: 0.0, rate_factor: 1.0 })
    }

    fn losses(&self) -> Losses {
        self.losses
    }
}
