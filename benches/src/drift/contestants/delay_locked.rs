//! A second-order delay-locked loop on the stamps, whose filtered period is the resampler's ratio.
//!
//! The loop: F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005. The usual bandwidths are those of
//! the same author's zita-ajbridge and of zalsa in the JACK tools: 0.1 Hz on the stamps, and a delay error that is pulled
//! in at 1 Hz for 4 s and at 0.05 Hz from then on.

use std::f64::consts::{SQRT_2, TAU};

use ra_engine::sources::Delivery;

use super::super::contestant::{
    BLOCK_FRAMES, Contestant, LATENCY_MS, Losses, RATE_HZ, REACH_FRAMES, Reading, ns_between,
};

const START_S: f64 = 4.0;
const START_HZ: f64 = 1.0;
/// No loop may pull more than this.
const MOST: f64 = 0.05;

/// How narrow the loops are, behind the first [`START_S`].
#[derive(Clone, Copy, Debug)]
struct Tuning {
    loop_hz: f64,
    /// From the start on, the bandwidth falls with time until it is `loop_hz`: 1 Hz after 1 s, 0.1 Hz after 10 s.
    narrows_slowly: bool,
    pull_hz: f64,
    /// A stamp further off than this counts as this far off, in seconds.
    gate_s: f64,
}

/// Follows the stamps.
pub(super) struct DelayLocked {
    tuning: Tuning,
    filter: Option<Filter>,
    began_ns: u64,
    newest_end: i64,
    /// Where it reads next; `None` before the first sound.
    place: Option<(i64, f64)>,
    losses: Losses,
}

/// The loop's state.
#[derive(Clone, Copy, Debug)]
struct Filter {
    /// The filtered time of frame `position`: whole nanoseconds, and seconds behind them.
    anchor_ns: u64,
    late_s: f64,
    position: i64,
    n_frames: i64,
    /// The filtered period, per nominal period.
    period_factor: f64,
}

impl DelayLocked {
    pub(super) fn usual() -> Self {
        Self::new(Tuning { loop_hz: 0.1, narrows_slowly: false, pull_hz: 0.05, gate_s: f64::INFINITY })
    }

    pub(super) fn tuned() -> Self {
        Self::new(Tuning { loop_hz: 0.025, narrows_slowly: true, pull_hz: 0.1, gate_s: 1e-3 })
    }

    fn new(tuning: Tuning) -> Self {
        Self { tuning, filter: None, began_ns: 0, newest_end: 0, place: None, losses: Losses::default() }
    }

    fn bandwidths_hz(&self, age_s: f64) -> (f64, f64) {
        let Tuning { loop_hz, narrows_slowly, pull_hz, .. } = self.tuning;
        if narrows_slowly {
            let at_this_age_hz = START_HZ / age_s.max(1.0);
            (at_this_age_hz.max(loop_hz), at_this_age_hz.max(pull_hz))
        } else if age_s < START_S {
            (START_HZ, START_HZ)
        } else {
            (loop_hz, pull_hz)
        }
    }
}

impl Contestant for DelayLocked {
    fn deliver(&mut self, delivery: &Delivery) {
        let (position, n_frames) = (delivery.position.0 as i64, i64::from(delivery.n_frames));
        self.newest_end = position + n_frames;
        let Some(mut filter) = self.filter else {
            self.began_ns = delivery.capture_ns;
            let anchor_ns = delivery.capture_ns;
            self.filter = Some(Filter { anchor_ns, late_s: 0.0, position, n_frames, period_factor: 1.0 });
            return;
        };
        let age_s = ns_between(self.began_ns, delivery.capture_ns) * 1e-9;
        let (loop_hz, _) = self.bandwidths_hz(age_s);
        let period_s = filter.n_frames as f64 / f64::from(RATE_HZ);
        let omega = TAU * loop_hz * period_s;
        let predicted_s = filter.late_s + period_s * filter.period_factor;
        let surprise_s = ns_between(filter.anchor_ns, delivery.capture_ns) * 1e-9 - predicted_s;
        let error_s = surprise_s.clamp(-self.tuning.gate_s, self.tuning.gate_s);
        // The paper's t1 and e2: t1 += b e + e2, e2 += c e, with b = sqrt(2) omega and c = omega^2.
        let late_s = predicted_s + SQRT_2 * omega * error_s;
        filter.period_factor += omega * omega * error_s / period_s;
        let whole_ns = (late_s * 1e9).floor();
        filter.anchor_ns = filter.anchor_ns.saturating_add_signed(whole_ns as i64);
        filter.late_s = late_s - whole_ns * 1e-9;
        filter.position = position;
        filter.n_frames = n_frames;
        self.filter = Some(filter);
    }

    fn read_block(&mut self, now_ns: u64) -> Option<Reading> {
        let filter = self.filter?;
        // The frame that was captured one latency ago, by the filtered time and period.
        let after_anchor_s = ns_between(filter.anchor_ns, now_ns) * 1e-9 - filter.late_s - LATENCY_MS * 1e-3;
        let after_anchor = after_anchor_s * f64::from(RATE_HZ) / filter.period_factor;
        let (frame, fraction) = match self.place {
            Some(place) => place,
            None => {
                let whole = after_anchor.floor();
                let frame = filter.position + whole as i64;
                if frame < 0 {
                    return None;
                }
                (frame, after_anchor - whole)
            }
        };
        let behind_frames = after_anchor - (frame - filter.position) as f64 - fraction;
        let (_, pull_hz) = self.bandwidths_hz(ns_between(self.began_ns, now_ns) * 1e-9);
        let pull = (TAU * pull_hz * behind_frames / f64::from(RATE_HZ)).clamp(-MOST, MOST);
        let rate_factor = 1.0 / filter.period_factor + pull;
        let next = fraction + BLOCK_FRAMES as f64 * rate_factor;
        if (frame - self.newest_end) as f64 + next + REACH_FRAMES > 0.0 {
            self.losses.inserted_frames += BLOCK_FRAMES;
            return None;
        }
        self.place = Some((frame + next.floor() as i64, next - next.floor()));
        Some(Reading { frame, fraction, rate_factor })
    }

    fn losses(&self) -> Losses {
        self.losses
    }
}
