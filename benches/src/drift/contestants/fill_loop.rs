//! A controller with a proportional and an integral part on the queue's fill, which sets a resampler's ratio every 10 s.
//!
//! Source of interval and gains: CamillaDSP, whose default `adjust_period` is 10 s and whose rate controller
//! (`src/utils/rate_controller.rs`, 2026) takes the fill's relative error times 0.2, plus 0.004 times its integral over
//! seconds, bounded to 0.5 %. It never looks at a stamp: the fill is what it knows. Those gains are on the careful side;
//! a second entrant has the best ones that a search found for this bench.

use ra_engine::sources::Delivery;

use super::super::contestant::{
    BLOCK_FRAMES, Contestant, LATENCY_FRAMES, Losses, RATE_HZ, REACH_FRAMES, Reading, ns_between,
};

const INTERVAL_S: f64 = 10.0;
const MOST: f64 = 0.005;

/// Keeps its queue as full as it was told.
pub(super) struct FillLoop {
    proportional: f64,
    integral_per_s: f64,
    newest_end: i64,
    /// Where it reads next: whole frames, and the rest.
    frame: i64,
    fraction: f64,
    is_playing: bool,
    rate_factor: f64,
    /// When the last delivery came.
    delivered_ns: u64,
    /// When the last block was due.
    last_block_ns: u64,
    fill_sum: f64,
    n_fills: u32,
    interval_began_ns: u64,
    /// The relative error's integral, in seconds.
    integral_s: f64,
    losses: Losses,
}

impl FillLoop {
    pub(super) fn usual() -> Self {
        Self::new(0.2, 0.004)
    }

    pub(super) fn tuned() -> Self {
        Self::new(0.6, 0.02)
    }

    fn new(proportional: f64, integral_per_s: f64) -> Self {
        Self {
            proportional,
            integral_per_s,
            newest_end: 0,
            frame: 0,
            fraction: 0.0,
            is_playing: false,
            rate_factor: 1.0,
            delivered_ns: 0,
            last_block_ns: 0,
            fill_sum: 0.0,
            n_fills: 0,
            interval_began_ns: 0,
            integral_s: 0.0,
            losses: Losses::default(),
        }
    }

    /// Frames between the reading and the newest one.
    fn fill_frames(&self) -> f64 {
        (self.newest_end - self.frame) as f64 - self.fraction
    }

    fn adjust(&mut self) {
        let error = (self.fill_sum / f64::from(self.n_fills) - LATENCY_FRAMES) / (INTERVAL_S * f64::from(RATE_HZ));
        self.integral_s += error * INTERVAL_S;
        self.rate_factor = 1.0 + (self.proportional * error + self.integral_per_s * self.integral_s).clamp(-MOST, MOST);
        self.fill_sum = 0.0;
        self.n_fills = 0;
    }
}

impl Contestant for FillLoop {
    fn deliver(&mut self, delivery: &Delivery) {
        self.newest_end = delivery.position.0 as i64 + i64::from(delivery.n_frames);
        self.delivered_ns = delivery.due_ns;
        if !self.is_playing {
            return;
        }
        // Of the block that sounds now, part is played: without that the fill would have teeth of 128 frames.
        let played = ns_between(self.last_block_ns, delivery.due_ns) * 1e-9 * f64::from(RATE_HZ) * self.rate_factor;
        self.fill_sum += self.fill_frames() + BLOCK_FRAMES as f64 * self.rate_factor - played;
        self.n_fills += 1;
        if self.interval_began_ns == 0 {
            self.interval_began_ns = delivery.due_ns;
        } else if ns_between(self.interval_began_ns, delivery.due_ns) >= INTERVAL_S * 1e9 {
            self.interval_began_ns = delivery.due_ns;
            self.adjust();
        }
    }

    fn read_block(&mut self, now_ns: u64) -> Option<Reading> {
        if !self.is_playing {
            // As if it had been playing, at its target, when the last delivery came.
            let since = ns_between(self.delivered_ns, now_ns) * 1e-9 * f64::from(RATE_HZ);
            let excess = self.fill_frames() - LATENCY_FRAMES + since;
            if self.fill_frames() < LATENCY_FRAMES {
                return None;
            }
            self.frame = excess.floor() as i64;
            self.fraction = excess - excess.floor();
            self.is_playing = true;
        }
        self.last_block_ns = now_ns;
        let advance = BLOCK_FRAMES as f64 * self.rate_factor;
        if self.fill_frames() < advance + REACH_FRAMES {
            self.losses.inserted_frames += BLOCK_FRAMES;
            return None;
        }
        let reading = Reading { frame: self.frame, fraction: self.fraction, rate_factor: self.rate_factor };
        let next = self.fraction + advance;
        self.frame += next.floor() as i64;
        self.fraction = next - next.floor();
        Some(reading)
    }

    fn losses(&self) -> Losses {
        self.losses
    }
}
