//! Leaves out or repeats single frames when the sound is 100 us away from its place, as players of synchronised rooms do.
//!
//! Snapcast's client ("below 0.2 ms" in its README; `client/stream.cpp`) looks at medians of how old its sound is and
//! plays a little faster or slower, by leaving out or repeating a frame now and then, as long as the median is more than
//! 100 us off. This one counts on: it corrects the whole error that the median shows, and not only back to the threshold.

use std::collections::VecDeque;

use ra_engine::sources::Delivery;

use super::super::contestant::{BLOCK_FRAMES, Contestant, LATENCY_MS, Losses, RATE_HZ, Reading, ns_between};

/// The median is over so many deliveries: 1 s of 256 frames.
const WINDOW: usize = 188;
/// A median of less than this many says too little.
const WINDOW_LEAST: usize = 48;
const THRESHOLD_US: f64 = 100.0;
/// Blocks from one corrected frame to the next: 21 ms, so that they are no burst.
const SPACING_BLOCKS: u32 = 8;
const FRAME_US: f64 = 1e6 / RATE_HZ as f64;

/// Steps by whole frames.
pub(super) struct DropRepeat {
    stamp: Option<(i64, u64)>,
    newest_end: i64,
    /// The next frame to sound; `None` before the first.
    next_frame: Option<i64>,
    /// How far off the sound was by the last stamps, in us; positive: too early.
    offsets_us: VecDeque<f64>,
    has_new_stamp: bool,
    /// Frames still to be repeated; negative: to be left out.
    pending: i64,
    blocks_since: u32,
    losses: Losses,
}

impl DropRepeat {
    pub(super) fn new() -> Self {
        Self {
            stamp: None,
            newest_end: 0,
            next_frame: None,
            offsets_us: VecDeque::with_capacity(WINDOW),
            has_new_stamp: false,
            pending: 0,
            blocks_since: 0,
            losses: Losses::default(),
        }
    }

    /// How much too early frame `frame` would sound at `now_ns`, by the newest stamp, in us.
    fn offset_us(&self, frame: i64, now_ns: u64) -> Option<f64> {
        let (position, stamp_ns) = self.stamp?;
        let after_stamp_us = (frame - position) as f64 * FRAME_US + LATENCY_MS * 1e3;
        Some(after_stamp_us - ns_between(stamp_ns, now_ns) * 1e-3)
    }

    fn measure(&mut self, frame: i64, now_ns: u64) {
        if !std::mem::take(&mut self.has_new_stamp) {
            return;
        }
        let Some(offset_us) = self.offset_us(frame, now_ns) else { return };
        if self.offsets_us.len() == WINDOW {
            self.offsets_us.pop_front();
        }
        self.offsets_us.push_back(offset_us);
        if self.pending != 0 || self.offsets_us.len() < WINDOW_LEAST {
            return;
        }
        let mut sorted: Vec<f64> = self.offsets_us.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let median_us = sorted[sorted.len() / 2];
        if median_us.abs() > THRESHOLD_US {
            self.pending = (median_us / FRAME_US).round() as i64;
        }
    }

    /// One frame of what is pending, if it is time; what was measured before is moved with it.
    fn correct(&mut self, frame: i64) -> i64 {
        self.blocks_since = self.blocks_since.saturating_add(1);
        if self.pending == 0 || self.blocks_since < SPACING_BLOCKS {
            return frame;
        }
        self.blocks_since = 0;
        let sign = self.pending.signum();
        self.pending -= sign;
        self.offsets_us.iter_mut().for_each(|offset_us| *offset_us -= sign as f64 * FRAME_US);
        if sign > 0 {
            self.losses.inserted_frames += 1;
        } else {
            self.losses.lost_frames += 1;
        }
        frame - sign
    }
}

impl Contestant for DropRepeat {
    fn deliver(&mut self, delivery: &Delivery) {
        self.stamp = Some((delivery.position.0 as i64, delivery.capture_ns));
        self.newest_end = delivery.position.0 as i64 + i64::from(delivery.n_frames);
        self.has_new_stamp = true;
    }

    fn read_block(&mut self, now_ns: u64) -> Option<Reading> {
        let frame = match self.next_frame {
            Some(frame) => frame,
            None => {
                let frame = -(self.offset_us(0, now_ns)? / FRAME_US).round() as i64;
                if frame < 0 {
                    return None;
                }
                frame
            }
        };
        self.measure(frame, now_ns);
        let frame = self.correct(frame);
        self.next_frame = Some(frame);
        if frame + BLOCK_FRAMES as i64 > self.newest_end {
            self.losses.inserted_frames += BLOCK_FRAMES;
            return None;
        }
        self.next_frame = Some(frame + BLOCK_FRAMES as i64);
        Some(Reading { frame, fraction: 0.0, rate_factor: 1.0 })
    }

    fn losses(&self) -> Losses {
        self.losses
    }
}
