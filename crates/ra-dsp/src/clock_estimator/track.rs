//! A Kalman filter of three numbers: how late a clock is, how fast it loses time, and how that changes. Knows neither
//! stamps nor frames: its variable is the source's own nominal time, and a measurement is a lateness.

/// After this long without a sign of it, a change of the rate is forgotten, in seconds.
const RATE_SLOPE_MEMORY_S: f64 = 200.0;

/// Beyond this the rate's slope says nothing of what happened in between, in seconds.
const LONG_GAP_S: f64 = 20.0;

/// How far a crystal may go in a long gap, per second and at most, in ppm.
const GAP_WANDER_PPM_PER_S: f64 = 0.05;
const GAP_WANDER_MAX_PPM: f64 = 20.0;

/// What the clock is taken to do by itself, as the spectral densities of white noise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wander {
    /// That moves the rate, in ppm²/s.
    pub(super) rate_ppm2_per_s: f64,
    /// That moves the rate's slope, in (ppm/s)²/s.
    pub(super) slope_ppm2_per_s3: f64,
}

/// Mean and covariance of (lateness in µs, lateness gained per second in ppm, change of that in ppm/s).
///
/// µs per second are ppm, so that no number here is ever large or tiny.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Track {
    /// How late the clock is against its anchor, in µs.
    pub(super) late_us: f64,
    /// How much later it gets, in ppm: positive is a slow clock.
    pub(super) slow_ppm: f64,
    /// How that changes, in ppm/s.
    pub(super) slope_ppm_per_s: f64,
    pub(super) var: Covariance,
}

/// The upper triangle of a symmetric 3×3 matrix: l = lateness, s = slowness, a = slope.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Covariance {
    pub(super) ll: f64,
    pub(super) ls: f64,
    pub(super) la: f64,
    pub(super) ss: f64,
    pub(super) sa: f64,
    pub(super) aa: f64,
}

impl Track {
    /// Moves on by `dt_s` of the source's nominal time.
    pub(super) fn predict(&mut self, dt_s: f64, wander: &Wander) {
        if dt_s <= 0.0 {
            return;
        }
        if dt_s > LONG_GAP_S {
            self.predict_long(dt_s);
            return;
        }
        let half_dt2 = 0.5 * dt_s * dt_s;
        self.late_us += self.slow_ppm * dt_s + self.slope_ppm_per_s * half_dt2;
        self.slow_ppm += self.slope_ppm_per_s * dt_s;
        let keep = 1.0 / (1.0 + dt_s / RATE_SLOPE_MEMORY_S);
        self.slope_ppm_per_s *= keep;

        // F P Fᵀ with F = [1 dt dt²/2; 0 1 dt; 0 0 keep]: first the rows, then the columns.
        let v = self.var;
        let (f_ll, f_ls, f_la) = (
            v.ll + dt_s * v.ls + half_dt2 * v.la,
            v.ls + dt_s * v.ss + half_dt2 * v.sa,
            v.la + dt_s * v.sa + half_dt2 * v.aa,
        );
        let (f_ss, f_sa) = (v.ss + dt_s * v.sa, v.sa + dt_s * v.aa);
        // The integrals of white noise over dt: Bar-Shalom, Li, Kirubarajan, Estimation with Applications (2001), 6.2.
        let (qs, qa) = (wander.rate_ppm2_per_s, wander.slope_ppm2_per_s3);
        let (dt2, dt3) = (dt_s * dt_s, dt_s * dt_s * dt_s);
        self.var = Covariance {
            ll: f_ll + dt_s * f_ls + half_dt2 * f_la + qs * dt3 / 3.0 + qa * dt3 * dt2 / 20.0,
            ls: f_ls + dt_s * f_la + qs * dt2 / 2.0 + qa * dt2 * dt2 / 8.0,
            la: keep * (f_la + qa * dt3 / 6.0),
            ss: f_ss + dt_s * f_sa + qs * dt_s + qa * dt3 / 3.0,
            sa: keep * (f_sa + qa * dt2 / 2.0),
            aa: keep * keep * (v.aa + qa * dt_s),
        };
    }

    fn predict_long(&mut self, dt_s: f64) {
        self.forget_slope();
        self.loosen_rate(dt_s);
        self.late_us += self.slow_ppm * dt_s;
        let v = &mut self.var;
        v.ll += 2.0 * dt_s * v.ls + dt_s * dt_s * v.ss;
        // What the offset has done in the gap says nothing of the rate now.
        v.ls = 0.0;
    }

    /// Moves on by `dt_s` at a rate that nothing moves; what was learnt weighs less the longer ago it was.
    pub(super) fn predict_steady(&mut self, dt_s: f64, memory_s: f64) {
        self.late_us += self.slow_ppm * dt_s;
        let (v, fade) = (self.var, 1.0 + dt_s / memory_s);
        self.var = Covariance {
            ll: fade * (v.ll + 2.0 * dt_s * v.ls + dt_s * dt_s * v.ss),
            ls: fade * (v.ls + dt_s * v.ss),
            ss: fade * v.ss,
            ..Covariance::default()
        };
    }

    /// Takes away all opinion on the slope; its variance stays.
    fn forget_slope(&mut self) {
        self.slope_ppm_per_s = 0.0;
        (self.var.la, self.var.sa) = (0.0, 0.0);
    }

    /// Makes the rate less sure, as it is after `dt_s` seconds in which nobody looked.
    pub(super) fn loosen_rate(&mut self, dt_s: f64) {
        let sigma_ppm = (GAP_WANDER_PPM_PER_S * dt_s).min(GAP_WANDER_MAX_PPM);
        self.var.ss += sigma_ppm * sigma_ppm;
    }

    /// Forgets where the clock is and keeps how fast it goes.
    pub(super) fn forget_offset(&mut self) {
        self.forget_slope();
        self.late_us = 0.0;
        (self.var.ll, self.var.ls) = (0.0, 0.0);
    }

    /// Takes a measurement that differs from the expectation by `innovation_us`, of noise variance `noise_us2`.
    ///
    /// Joseph's form, which keeps the covariance positive whatever the rounding does (Bucy and Joseph, Filtering for
    /// Stochastic Processes, 1968).
    pub(super) fn update(&mut self, innovation_us: f64, noise_us2: f64) {
        let v = self.var;
        let total = v.ll + noise_us2;
        let (kl, ks, ka) = (v.ll / total, v.ls / total, v.la / total);
        self.late_us += kl * innovation_us;
        self.slow_ppm += ks * innovation_us;
        self.slope_ppm_per_s += ka * innovation_us;
        let rest = noise_us2 / total;
        // (I - K H) P (I - K H)ᵀ + K R Kᵀ, with H = [1 0 0] written out.
        self.var = Covariance {
            ll: rest * rest * v.ll + kl * kl * noise_us2,
            ls: rest * (v.ls - ks * v.ll) + kl * ks * noise_us2,
            la: rest * (v.la - ka * v.ll) + kl * ka * noise_us2,
            ss: v.ss - 2.0 * ks * v.ls + ks * ks * total,
            sa: v.sa - ks * v.la - ka * v.ls + ks * ka * total,
            aa: v.aa - 2.0 * ka * v.la + ka * ka * total,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRYSTAL: Wander = Wander { rate_ppm2_per_s: 0.0, slope_ppm2_per_s3: 6e-5 };

    /// Sylvester's criterion, with room for rounding.
    fn is_positive(v: &Covariance) -> bool {
        let minor = v.ll * v.ss - v.ls * v.ls;
        let whole = v.ll * (v.ss * v.aa - v.sa * v.sa) - v.ls * (v.ls * v.aa - v.sa * v.la)
            + v.la * (v.ls * v.sa - v.ss * v.la);
        v.ll > 0.0 && v.ss > 0.0 && v.aa > 0.0 && minor > 0.0 && whole > 0.0
    }

    fn unknown() -> Track {
        Track { var: Covariance { ll: 1e6, ss: 4e4, aa: 2.5e-3, ..Covariance::default() }, ..Track::default() }
    }

    #[test]
    fn the_covariance_stays_positive_whatever_comes() {
        for (dt_s, noise_us2) in [(3e-4, 1.0), (3e-4, 4e6), (5.3e-3, 1.0), (5.3e-3, 4e4), (2.0, 1.0), (2.0, 4e6)] {
            let mut track = unknown();
            for n in 0..300_000u32 {
                track.predict(dt_s, &CRYSTAL);
                track.update(
                    if n % 2 == 0 { 100.0 } else { -100.0 } - track.late_us,
                    noise_us2 * (1.0 + f64::from(n % 7)),
                );
                assert!(n % 97 != 0 || is_positive(&track.var), "{dt_s} {noise_us2} {n}: {:?}", track.var);
            }
            track.predict(100_000.0, &CRYSTAL);
            assert!(is_positive(&track.var), "{:?}", track.var);
        }
    }

    #[test]
    #[ignore = "a minute in a release build: the same over 1e9 deliveries, two months of 256-frame periods"]
    fn the_covariance_stays_positive_for_months() {
        let mut track = unknown();
        for n in 0..1_000_000_000u32 {
            track.predict(256.0 / 48_000.0, &CRYSTAL);
            track.update(if n % 2 == 0 { 100.0 } else { -100.0 } - track.late_us, 1.0);
        }
        assert!(is_positive(&track.var) && track.late_us.abs() < 100.0 && track.slow_ppm.abs() < 10.0, "{track:?}");
    }

    #[test]
    fn the_variance_is_that_of_least_squares_at_first_and_of_the_steady_filter_later() {
        let noise_us2 = 4e4;
        let dt_s = 256.0 / 48_000.0;
        let mut track = unknown();
        track.var.ss = 1e12;
        track.var.aa = 0.0;
        track.update(0.0, noise_us2);
        for _ in 1..200 {
            track.predict(dt_s, &Wander { rate_ppm2_per_s: 0.0, slope_ppm2_per_s3: 0.0 });
            track.update(0.0, noise_us2);
        }
        // A line through n points: 12 / (n^3 T^2) and 4 / n of the noise.
        assert!((track.var.ss / (12.0 * noise_us2 / (200f64.powi(3) * dt_s * dt_s)) - 1.0).abs() < 0.02);
        assert!((track.var.ll / (4.0 * noise_us2 / 200.0) - 1.0).abs() < 0.02);

        let mut track = unknown();
        for _ in 0..100_000 {
            track.predict(dt_s, &CRYSTAL);
            track.update(0.0, noise_us2);
        }
        // Poles of a third-order Butterworth at (q/r)^(1/6): the gain for the offset is 2 w per second.
        let r = noise_us2 * dt_s;
        let w = (CRYSTAL.slope_ppm2_per_s3 / r).powf(1.0 / 6.0);
        assert!((track.var.ll / (2.0 * w * r) - 1.0).abs() < 0.05, "{} {}", track.var.ll, 2.0 * w * r);
    }

    #[test]
    fn a_long_gap_keeps_the_rate_and_opens_the_offset() {
        let mut track = Track { slow_ppm: 50.0, slope_ppm_per_s: 0.1, ..unknown() };
        track.var.ss = 1.0;
        let before = track;
        track.predict(3_600.0, &CRYSTAL);
        assert_eq!((track.slow_ppm, track.slope_ppm_per_s), (50.0, 0.0));
        assert!((track.late_us - before.late_us - 180_000.0).abs() < 1e-6);
        assert!((track.var.ss - 401.0).abs() < 1e-9 && track.var.ll > 70_000.0 * 70_000.0, "{:?}", track.var);
    }
}
