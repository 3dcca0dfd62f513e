//! Tracks of one clock, side by side and about one anchor: a slow one that is exact as long as the clock behaves, and a fast
//! one that notices when it does not. Decides which of them is right, and leaves wrong stamps to others. Beside them a
//! steady one, which only says how fast the clock goes in the long run.

use super::timeline::{Stamp, Timeline};
use super::track::{Covariance, Track, Wander};

/// What a crystal does by itself: warming up or cooling down, its rate's slope wanders by about 0.08 ppm/s in 100 s.
const CRYSTAL: Wander = Wander { rate_ppm2_per_s: 0.0, slope_ppm2_per_s3: 6e-5 };

/// What the fast track reckons with: a rate that changes by 20 ppm within a second.
const ANYTHING: Wander = Wander { rate_ppm2_per_s: 500.0, slope_ppm2_per_s3: 0.0 };

/// The rate of which nothing is known, in ppm: crystals, and whatever else people call a sample rate.
const CRYSTAL_SIGMA_PPM: f64 = 200.0;
const ANYTHING_SIGMA_PPM: f64 = 3_000.0;

/// A rate's slope before anything is known, in ppm/s.
const SLOPE_SIGMA_PPM_PER_S: f64 = 0.05;

/// From here on a delivery's weight falls, in standard deviations (Huber, Robust Statistics, 1981).
const FULL_WEIGHT_SIGMAS: f64 = 2.5;

/// The tracks differ by no more than this by chance, in standard deviations.
///
/// Fewer are faster and more often wrong: 4 are wrong about once a day at normal jitter, and 5.2 were never in
/// 60 simulated days.
const DISAGREEMENT_SIGMAS: f64 = 5.2;

/// They are compared only where the slow track knows more: where this part of the fast one's variance is its own.
const FAST_SHARE_MIN: f64 = 0.3;

/// So far back the steady track remembers, in seconds.
const STEADY_MEMORY_S: f64 = 60.0;

/// It is wrong where the slow one has been believed for so many seconds and differs by more than this, in standard deviations
/// and in ppm.
const STEADY_WRONG_AFTER_S: f64 = 15.0;
const STEADY_WRONG_SIGMAS: f64 = 5.0;
const STEADY_WRONG_PPM: f64 = 1.0;

/// No clock is further from its nominal rate than this: 25 %.
const RATE_DEVIATION_MAX_PPM: f64 = 250_000.0;

/// Both tracks, and the place and time that they count from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    /// A position on the source's timeline and about the time at which it was captured: the tracks hold what is missing.
    pub(super) anchor: Stamp,
    pub(super) slow: Track,
    pub(super) fast: Track,
    /// A line through the last minute, give or take. Stamps whose errors go together for a second look to the other two as
    /// if the clock changed its rate; here they are what they are.
    pub(super) steady: Track,
    /// How long nobody has doubted the slow track's rate, in seconds.
    undisputed_s: f64,
}

impl Estimate {
    /// Of a clock of which nothing is known.
    pub(super) fn unknown() -> Self {
        let var = |rate_sigma_ppm: f64, slope_sigma: f64| Covariance {
            ss: rate_sigma_ppm * rate_sigma_ppm,
            aa: slope_sigma * slope_sigma,
            ..Covariance::default()
        };
        Self {
            anchor: Stamp::default(),
            slow: Track { var: var(CRYSTAL_SIGMA_PPM, SLOPE_SIGMA_PPM_PER_S), ..Track::default() },
            fast: Track { var: var(ANYTHING_SIGMA_PPM, 0.0), ..Track::default() },
            steady: Track { var: var(CRYSTAL_SIGMA_PPM, 0.0), ..Track::default() },
            undisputed_s: 0.0,
        }
    }

    /// Whether a clock could do that.
    pub(super) fn is_plausible(&self) -> bool {
        self.slow.slow_ppm.abs() < RATE_DEVIATION_MAX_PPM && self.fast.slow_ppm.abs() < RATE_DEVIATION_MAX_PPM
    }

    /// The same rate, somewhere else: at `stamp`, give or take noise.
    pub(super) fn moved_to(mut self, stamp: Stamp, noise_us2: f64) -> Self {
        self.anchor = stamp;
        for track in [&mut self.slow, &mut self.fast, &mut self.steady] {
            track.forget_offset();
            track.var.ll = noise_us2;
        }
        self
    }

    /// Expects the rate at `slow_ppm`, as sure as the variance says.
    pub(super) fn set_rate(&mut self, slow_ppm: f64, var_ppm2: f64) {
        for track in [&mut self.slow, &mut self.fast, &mut self.steady] {
            track.slow_ppm = slow_ppm;
            track.var.ss = var_ppm2;
        }
        self.undisputed_s = 0.0;
    }

    /// Makes the rate less sure, as after `dt_s` seconds in which nobody looked.
    pub(super) fn loosen(&mut self, dt_s: f64) {
        self.slow.loosen_rate(dt_s);
        self.fast.loosen_rate(dt_s);
        self.steady.loosen_rate(dt_s);
    }

    /// Something has happened to the clock or to its stamps: what the slow track says of the rate is to prove itself anew.
    pub(super) fn doubt(&mut self) {
        self.undisputed_s = 0.0;
    }

    /// Moves both tracks on to a position; does nothing where it is not ahead.
    pub(super) fn advance_to(&mut self, timeline: Timeline, position: u64) {
        let dt_s = timeline.nominal_s(self.anchor.position, position);
        if dt_s <= 0.0 {
            return;
        }
        self.slow.predict(dt_s, &CRYSTAL);
        self.fast.predict(dt_s, &ANYTHING);
        self.steady.predict_steady(dt_s, STEADY_MEMORY_S);
        self.undisputed_s += dt_s;
        let (whole_ns, rest_ns) = timeline.nominal_ns(self.anchor.position, position);
        // What is whole goes into the anchor, so that the tracks' numbers stay small for ever.
        let late_ns = rest_ns + self.slow.late_us * 1e3;
        let whole_late_ns = late_ns.floor();
        self.anchor = Stamp {
            position,
            ns: self.anchor.ns.wrapping_add_signed(whole_ns).wrapping_add_signed(whole_late_ns as i64),
        };
        self.fast.late_us += (rest_ns - whole_late_ns) * 1e-3;
        self.steady.late_us += (rest_ns - whole_late_ns) * 1e-3;
        self.slow.late_us = (late_ns - whole_late_ns) * 1e-3;
    }

    /// By how much `stamp` is later than the slow track has it, in us.
    pub(super) fn surprise_us(&self, timeline: Timeline, stamp: Stamp) -> f64 {
        let behind_s = timeline.nominal_s(self.anchor.position, stamp.position);
        timeline.late_us(self.anchor, stamp) - self.slow.late_us - behind_s * self.slow.slow_ppm
    }

    /// Takes a delivery at the position that was advanced to, `surprise_us` later than the slow track has it.
    pub(super) fn take(&mut self, surprise_us: f64, noise_us2: f64) {
        let surprise_of = |track: &Track| surprise_us + self.slow.late_us - track.late_us;
        let (of_fast_us, of_steady_us) = (surprise_of(&self.fast), surprise_of(&self.steady));
        let tracks = [(&mut self.slow, surprise_us), (&mut self.fast, of_fast_us), (&mut self.steady, of_steady_us)];
        for (track, innovation_us) in tracks {
            let sigmas = innovation_us.abs() / (track.var.ll + noise_us2).sqrt();
            let weight = (FULL_WEIGHT_SIGMAS / sigmas).min(1.0);
            track.update(innovation_us, noise_us2 / weight);
        }
    }

    /// Where the tracks differ by more than chance: the fast one is right, and the slow one begins anew from there. Whether
    /// that was so.
    ///
    /// Where both are right their difference has the variance of the one less that of the other (Hausman, Econometrica 46,
    /// 1978).
    pub(super) fn settle_dispute(&mut self) -> bool {
        let var_us2 = self.fast.var.ll - self.slow.var.ll;
        let apart_us = self.fast.late_us - self.slow.late_us;
        if var_us2 < FAST_SHARE_MIN * self.fast.var.ll
            || apart_us * apart_us < DISAGREEMENT_SIGMAS * DISAGREEMENT_SIGMAS * var_us2
        {
            return false;
        }
        let apart_ppm = self.fast.slow_ppm - self.slow.slow_ppm;
        let slope = SLOPE_SIGMA_PPM_PER_S * SLOPE_SIGMA_PPM_PER_S;
        // As far as they were apart, as unsure: the outer product keeps the matrix positive.
        self.slow = self.fast;
        self.undisputed_s = 0.0;
        let var = &mut self.slow.var;
        var.ll += apart_us * apart_us;
        var.ls += apart_us * apart_ppm;
        var.ss += apart_ppm * apart_ppm;
        var.aa = slope;
        true
    }

    /// Lets the steady track begin anew from the slow one, where that differs and has been believed for long enough.
    pub(super) fn settle_drift(&mut self) {
        let apart_ppm = (self.steady.slow_ppm - self.slow.slow_ppm).abs();
        if self.undisputed_s >= STEADY_WRONG_AFTER_S
            && apart_ppm > STEADY_WRONG_SIGMAS * self.slow.var.ss.sqrt() + STEADY_WRONG_PPM
        {
            self.steady = self.slow;
        }
    }
}
