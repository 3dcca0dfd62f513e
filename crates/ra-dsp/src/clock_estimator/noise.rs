//! How noisy stamps are, from what surprised in them. Does not decide what an outlier is.

/// No stamp is taken to be better than this, in us: below it other things than chance rule.
pub(super) const SIGMA_MIN_US: f64 = 1.0;

/// None is taken to be worse: at a tenth of a second it says nothing of a clock.
const SIGMA_MAX_US: f64 = 100_000.0;

/// The level follows the last so many deliveries.
const MEMORY_DELIVERIES: f64 = 1024.0;

/// A rise is seen by the last so many, when it is by more than this factor of the variance.
const QUICK_DELIVERIES: f64 = 64.0;
const QUICK_MARGIN: f64 = 1.7;
/// A fall is followed as quickly while the level is above the last ones' by more than this factor of the variance.
const FALL_MARGIN: f64 = 3.0;

/// No surprise counts for more than this many standard deviations, and what a normal distribution keeps of its variance
/// when it is cut there.
const CLIP_SIGMAS: f64 = 3.0;
const CLIPPED_VARIANCE: f64 = 0.974_2;

/// Where more than this part of the last deliveries was left out, those count too: they are the noise.
const UNREST: f64 = 0.6;
const UNREST_MEMORY_DELIVERIES: f64 = 32.0;

/// A running estimate of a variance.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoiseLevel {
    variance_us2: f64,
    /// The same of fewer deliveries, from the differences between neighbours: a clock that runs away is no noise
    /// (von Neumann, Ann. Math. Stat. 12, 1941).
    quick_us2: f64,
    last_us: f64,
    n_deliveries: f64,
    /// The part of the last deliveries that was left out.
    unrest: f64,
}

impl NoiseLevel {
    /// A level that nobody has told.
    pub(super) fn guessed(sigma_us: f64) -> Self {
        Self::told(sigma_us, 0)
    }

    /// A level that `n_deliveries` have told.
    pub(super) fn told(sigma_us: f64, n_deliveries: usize) -> Self {
        let variance_us2 = bounded(sigma_us * sigma_us);
        Self { variance_us2, quick_us2: variance_us2, last_us: 0.0, n_deliveries: n_deliveries as f64, unrest: 0.0 }
    }

    /// Whether enough deliveries have told the level for a handful of new ones not to know better.
    pub(super) fn is_certain(&self) -> bool {
        self.n_deliveries >= QUICK_DELIVERIES
    }

    pub(super) fn variance_us2(&self) -> f64 {
        self.variance_us2
    }

    pub(super) fn sigma_us(&self) -> f64 {
        self.variance_us2.sqrt()
    }

    /// Takes the innovation of a delivery that was taken in; `expected_us2` of its variance is the estimate's own.
    pub(super) fn observe(&mut self, innovation_us: f64, expected_us2: f64) {
        self.unrest -= self.unrest / UNREST_MEMORY_DELIVERIES;
        self.learn(innovation_us, expected_us2);
    }

    /// Takes that of a delivery that was left out.
    pub(super) fn observe_outlier(&mut self, innovation_us: f64, expected_us2: f64) {
        self.unrest += (1.0 - self.unrest) / UNREST_MEMORY_DELIVERIES;
        if self.unrest > UNREST {
            self.learn(innovation_us, expected_us2);
        }
    }

    fn learn(&mut self, innovation_us: f64, expected_us2: f64) {
        self.n_deliveries = (self.n_deliveries + 1.0).min(MEMORY_DELIVERIES);
        let is_falling = self.variance_us2 > FALL_MARGIN * self.quick_us2;
        let n = self.n_deliveries.max(8.0).min(if is_falling { QUICK_DELIVERIES } else { MEMORY_DELIVERIES });
        let total_us2 = self.variance_us2 + expected_us2;
        // In proportion, so that it stays positive and the estimate's own part is no noise.
        self.variance_us2 *= 1.0 + (clipped(innovation_us * innovation_us / total_us2) - 1.0) / n;
        let apart_us = innovation_us - self.last_us;
        self.last_us = innovation_us;
        self.quick_us2 *= 1.0 + (clipped(0.5 * apart_us * apart_us / self.quick_us2) - 1.0) / n.min(QUICK_DELIVERIES);
        self.quick_us2 = bounded(self.quick_us2);
        self.variance_us2 = bounded(self.variance_us2.max(self.quick_us2 / QUICK_MARGIN));
    }
}

fn bounded(variance_us2: f64) -> f64 {
    variance_us2.clamp(SIGMA_MIN_US * SIGMA_MIN_US, SIGMA_MAX_US * SIGMA_MAX_US)
}

/// The square of a surprise in standard deviations, cut, and 1 on average all the same.
fn clipped(square: f64) -> f64 {
    square.min(CLIP_SIGMAS * CLIP_SIGMAS) / CLIPPED_VARIANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform numbers of the variance 1, always the same.
    fn noise(state: &mut u64) -> f64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((*state >> 11) as f64 / (1u64 << 52) as f64 - 1.0) * 3f64.sqrt()
    }

    #[test]
    fn it_finds_the_level_and_follows_it_up_and_down() {
        let mut state = 1;
        let mut level = NoiseLevel::told(1_000.0, 8);
        for (sigma_us, n, tolerance) in
            [(200.0, 8_000, 0.1), (2_000.0, 300, 0.35), (2_000.0, 3_000, 0.1), (20.0, 20_000, 0.1)]
        {
            for _ in 0..n {
                level.observe(sigma_us * noise(&mut state), 0.0);
            }
            assert!(
                (level.sigma_us() / sigma_us - 1.0).abs() < tolerance,
                "{} of {sigma_us} after {n}",
                level.sigma_us()
            );
        }
    }

    #[test]
    fn rare_outliers_hardly_count_and_a_majority_does() {
        let mut state = 1;
        let mut level = NoiseLevel::told(100.0, 1_000);
        for n in 0..20_000 {
            match n % 3 {
                0 => level.observe_outlier(10_000.0, 0.0),
                _ => level.observe(100.0 * noise(&mut state), 0.0),
            }
        }
        assert!((level.sigma_us() / 100.0 - 1.0).abs() < 0.1, "{}", level.sigma_us());
        for _ in 0..300 {
            level.observe_outlier(10_000.0 * noise(&mut state), 0.0);
        }
        assert!(level.sigma_us() > 3_000.0, "{}", level.sigma_us());
    }

    #[test]
    fn nothing_takes_it_out_of_bounds() {
        let mut level = NoiseLevel::guessed(0.0);
        for _ in 0..10_000 {
            level.observe(0.0, 5.0);
        }
        assert_eq!(level.sigma_us(), SIGMA_MIN_US);
        for n in 0..10_000 {
            level.observe(if n % 2 == 0 { 1e30 } else { -1e30 }, 5.0);
        }
        assert_eq!(level.sigma_us(), SIGMA_MAX_US);
    }
}
