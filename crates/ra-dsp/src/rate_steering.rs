//! From "how far behind is the reading" to a reading rate that moves so smoothly that nobody hears it. Knows no clock and
//! no samples; does not judge the estimate that it is fed.

/// The wish is `rate_factor + k · error`. `k` is this divided by the age of the estimate: what is young is worth following
/// quickly, what is old is followed as slowly as it changes itself.
const PULL: f64 = 4.5;

/// The bounds of `k`, in 1/s.
const PULL_MIN_PER_S: f64 = 0.05;
const PULL_MAX_PER_S: f64 = 8.0;

/// However long a block is, one takes no more than this part of the error away: all remains stable.
const PULL_PER_BLOCK_MAX: f64 = 0.1;

/// The low-passes' poles lie this many times above `k`, and never below the lowest, in rad/s: they leave the loop's phase
/// alone.
const POLE_RATIO: f64 = 8.0;
const POLE_MIN_PER_S: f64 = 8.0;

/// The largest correction `k · error`, and the largest in the first second; it falls from the one to the other as 1/t.
const CORRECTION_MAX: f64 = 1_000e-6;
const CORRECTION_MAX_AT_FIRST: f64 = 5_000e-6;

/// A rate that differs by more than this in the first second was not known before: a source that claims another rate than
/// it has. No low-pass has to walk there.
const LEAP: f64 = 7_000e-6;

/// Steers the rate at which a resampler reads, block by block.
///
/// Three low-passes in a row follow the wish, so that the small step which an estimate makes at every delivery reaches the
/// reading *position* with 80 dB less per decade: the wish has lost 60 when it has become the rate, and the position is the
/// rate's integral.
///
/// # Examples
/// ```
/// let block_s = 128.0 / 48_000.0;
/// let mut steering = ra_dsp::RateSteering::new(block_s);
/// steering.start(1.0);
/// let (mut error_s, mut rate) = (100e-6, 1.0); // 100 us behind a clock that is 50 ppm fast, observed for long
/// for _ in 0..(60.0 / block_s) as u32 {
///     let next = steering.next(error_s, 1.00005, 20.0);
///     error_s += block_s * (1.00005 - 0.5 * (rate + next));
///     rate = next;
/// }
/// assert!(error_s.abs() < 1e-9 && (rate - 1.00005).abs() < 1e-9);
/// ```
#[derive(Clone, Debug)]
pub struct RateSteering {
    block_s: f64,
    /// The three low-passes, as deviations from 1.
    stages: [f64; 3],
    /// Since the start.
    passed_s: f64,
}

impl RateSteering {
    /// Steering for blocks of `block_s` seconds, between 1 us and 10 s, that begins at the nominal rate.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn new(block_s: f64) -> Self {
        let block_s = if block_s.is_nan() { 1e-3 } else { block_s.clamp(1e-6, 10.0) };
        Self { block_s, stages: [0.0; 3], passed_s: 0.0 }
    }

    /// Begins anew at `rate_factor`.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn start(&mut self, rate_factor: f64) {
        if rate_factor.is_finite() {
            self.stages = [rate_factor - 1.0; 3];
        }
        self.passed_s = 0.0;
    }

    /// The rate factor at the end of the next block; the resampler runs there in a straight line from the last one.
    ///
    /// `error_s`: how far the reading is behind where it should be now, in seconds (positive: read faster). `rate_factor`:
    /// how fast the estimate says that the source goes. `age_s`: how much time the estimate rests on
    /// ([`ClockEstimator::age_s`](crate::ClockEstimator::age_s)). With a number that is not finite the rate stays.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn next(&mut self, error_s: f64, rate_factor: f64, age_s: f64) -> f64 {
        self.passed_s += self.block_s;
        if !(error_s.is_finite() && rate_factor.is_finite() && age_s.is_finite()) {
            return 1.0 + self.stages[2];
        }
        let pull_per_s =
            (PULL / age_s.max(1e-3)).clamp(PULL_MIN_PER_S, PULL_MAX_PER_S).min(PULL_PER_BLOCK_MAX / self.block_s);
        let pole_per_s = (pull_per_s * POLE_RATIO).max(POLE_MIN_PER_S);
        let correction_max = (CORRECTION_MAX_AT_FIRST / self.passed_s.max(1.0)).max(CORRECTION_MAX);
        let known = rate_factor - 1.0;
        let mut wish = known + (pull_per_s * error_s).clamp(-correction_max, correction_max);
        if self.passed_s < 1.0 && (known - self.stages[2]).abs() > LEAP {
            self.stages = [wish; 3];
        }
        // Exact for a wish that stays throughout the block.
        let gain = 1.0 - (-pole_per_s * self.block_s).exp();
        for stage in &mut self.stages {
            *stage += gain * (wish - *stage);
            wish = *stage;
        }
        1.0 + wish
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error after `from_s`, and the largest of the other sign, beginning with `error_s` behind a true rate.
    fn settle(block_s: f64, age_s: f64, mut error_s: f64, rate_factor: f64) -> (f64, f64) {
        let mut steering = RateSteering::new(block_s);
        steering.start(1.0);
        let (mut rate, mut t_s) = (1.0, 0.0);
        let (mut late, mut beyond) = (0.0f64, 0.0f64);
        let sign = error_s.signum();
        while t_s < 400.0_f64.max(400.0 * block_s) {
            let next = steering.next(error_s, rate_factor, age_s);
            error_s += block_s * (rate_factor - 0.5 * (rate + next));
            rate = next;
            t_s += block_s;
            beyond = beyond.max(-sign * error_s);
            late = if t_s > 0.9 * 400.0 { late.max(error_s.abs()) } else { 0.0 };
        }
        (late, beyond)
    }

    #[test]
    fn every_block_length_at_every_rate_and_age_settles_without_ringing() {
        for out_hz in [8_000.0, 44_100.0, 48_000.0, 192_000.0] {
            for block_frames in [16.0, 128.0, 1024.0, 8192.0] {
                for age_s in [0.0, 0.3, 3.0, 20.0, 100.0] {
                    let (late, beyond) = settle(block_frames / out_hz, age_s, 100e-6, 1.0);
                    let what = format!("{block_frames} at {out_hz} Hz, age {age_s}: {late:e}, beyond {beyond:e}");
                    assert!(late < 1e-9 && beyond < 15e-6, "{what}");
                }
            }
        }
    }

    #[test]
    fn a_wrong_sign_runs_away() {
        let mut steering = RateSteering::new(1e-3);
        let (mut error_s, mut rate) = (1e-6, 1.0);
        for _ in 0..100_000 {
            let next = steering.next(-error_s, 1.0, 20.0);
            error_s += 1e-3 * (1.0 - 0.5 * (rate + next));
            rate = next;
        }
        assert!(error_s > 1e-3, "{error_s}");
    }

    #[test]
    fn corrections_are_bounded_and_wider_at_first() {
        let mut steering = RateSteering::new(1e-3);
        steering.start(1.0);
        let rates: Vec<f64> = (0..10_000).map(|_| steering.next(10.0, 1.0001, 0.1) - 1.0001).collect();
        assert!((rates[900] - 5_000e-6).abs() < 1e-6, "{}", rates[900]);
        assert!((rates[9_999] - 1_000e-6).abs() < 1e-6, "{}", rates[9_999]);
        assert!(rates.iter().all(|rate| *rate <= 5_000e-6 + 1e-12));
    }

    #[test]
    fn a_rate_that_was_unknown_is_there_at_once_and_only_at_first() {
        let mut steering = RateSteering::new(1e-3);
        steering.start(1.0);
        assert!((steering.next(0.0, 0.91875, 0.1) - 0.91875).abs() < 1e-12);
        for _ in 0..2_000 {
            steering.next(0.0, 0.91875, 20.0);
        }
        assert!((steering.next(0.0, 1.0, 20.0) - 0.91875).abs() < 1e-6);
    }

    #[test]
    fn nonsense_leaves_the_rate_as_it_is() {
        let mut steering = RateSteering::new(f64::NAN);
        steering.start(1.0001);
        steering.start(f64::INFINITY);
        for (error_s, rate_factor, age_s) in [(f64::NAN, 1.0, 1.0), (0.0, f64::INFINITY, 1.0), (0.0, 1.0, f64::NAN)] {
            assert!((steering.next(error_s, rate_factor, age_s) - 1.0001).abs() < 1e-12);
        }
        assert!(steering.next(f64::MAX, 1.0, 0.0).is_finite());
    }
}
