//! How errors that can be of either sign are spread. Knows nothing of what they are errors of.

use serde::Serialize;

/// Mean, standard deviation and largest magnitude of a set of errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// Their mean, in microseconds.
    pub mean_us: f64,
    /// Their standard deviation about the mean, in microseconds.
    pub sd_us: f64,
    /// The largest magnitude, in microseconds.
    pub max_us: f64,
    /// The mean in samples of the engine's rate.
    pub mean_samples: f64,
    /// The standard deviation in samples.
    pub sd_samples: f64,
    /// The largest magnitude in samples.
    pub max_samples: f64,
}

impl Spread {
    /// The spread of errors in nanoseconds; NaN where there are none.
    pub fn of_ns(errors_ns: &[f64], rate_hz: f64) -> Self {
        let count = errors_ns.len();
        let mean = errors_ns.iter().sum::<f64>() / count as f64;
        let sd = (errors_ns.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / count as f64).sqrt();
        let max = errors_ns.iter().fold(0.0, |max: f64, error| max.max(error.abs()));
        let samples = |ns: f64| ns * 1e-9 * rate_hz;
        Self {
            count,
            mean_us: mean / 1e3,
            sd_us: sd / 1e3,
            max_us: max / 1e3,
            mean_samples: samples(mean),
            sd_samples: samples(sd),
            max_samples: samples(max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_deviation_and_largest_of_three() {
        let spread = Spread::of_ns(&[1_000.0, -5_000.0, 1_000.0], 50_000.0);
        assert_eq!((spread.count, spread.mean_us, spread.max_us), (3, -1.0, 5.0));
        assert!((spread.sd_us - 8f64.sqrt()).abs() < 1e-12);
        assert!((spread.max_samples - 0.25).abs() < 1e-12 && (spread.mean_samples + 0.05).abs() < 1e-12);
        assert!(Spread::of_ns(&[], 48_000.0).mean_us.is_nan());
    }
}
