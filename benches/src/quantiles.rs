//! Durations, gathered in a histogram of fixed size and told as quantiles: never as a mean alone.

use hdrhistogram::Histogram;
use serde::Serialize;

/// A histogram of durations between 1 ns and 60 s, to three digits. Recording allocates nothing.
#[derive(Clone, Debug)]
pub struct Recorder {
    histogram: Histogram<u64>,
}

impl Recorder {
    const MAX_NS: u64 = 60_000_000_000;

    /// An empty recorder.
    ///
    /// # Panics
    /// Never: the bounds are constants that the histogram takes.
    #[expect(clippy::expect_used, reason = "constant bounds, tested below")]
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, Self::MAX_NS, 3).expect("the bounds are constants");
        Self { histogram }
    }

    /// Adds a duration in nanoseconds; what is longer than 60 s counts as 60 s.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn record_ns(&mut self, ns: u64) {
        self.histogram.saturating_record(ns.clamp(1, Self::MAX_NS));
    }

    /// Adds what another recorder holds.
    pub fn merge(&mut self, other: &Self) {
        // Saturates instead of failing: both have the same bounds.
        for value in other.histogram.iter_recorded() {
            self.histogram.saturating_record_n(value.value_iterated_to(), value.count_since_last_iteration());
        }
    }

    /// The quantiles of what was recorded.
    pub fn quantiles(&self) -> Quantiles {
        let at = |quantile: f64| self.histogram.value_at_quantile(quantile);
        Quantiles {
            count: self.histogram.len(),
            p50_ns: at(0.5),
            p99_ns: at(0.99),
            p99_9_ns: at(0.999),
            p99_99_ns: at(0.9999),
            max_ns: self.histogram.max(),
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

/// Quantiles of a set of durations, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// How many durations: a quantile beyond `1 - 1/count` is just the maximum.
    pub count: u64,
    /// Half are at most this.
    pub p50_ns: u64,
    /// 99 % are at most this.
    pub p99_ns: u64,
    /// 99.9 % are at most this.
    pub p99_9_ns: u64,
    /// 99.99 % are at most this.
    pub p99_99_ns: u64,
    /// The longest, to three digits.
    pub max_ns: u64,
}

/// The median of some values; the mean of the middle two where their number is even, NaN where there are none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_one_to_ten_thousand() {
        let mut recorder = Recorder::new();
        (1..=10_000).for_each(|ns| recorder.record_ns(ns));
        let quantiles = recorder.quantiles();
        let near = |actual: u64, expected: u64| assert!(actual.abs_diff(expected) * 500 <= expected, "{quantiles:?}");
        assert_eq!(quantiles.count, 10_000);
        near(quantiles.p50_ns, 5_000);
        near(quantiles.p99_ns, 9_900);
        near(quantiles.p99_9_ns, 9_990);
        near(quantiles.p99_99_ns, 9_999);
        near(quantiles.max_ns, 10_000);
    }

    #[test]
    fn out_of_range_is_clamped_and_counted() {
        let mut recorder = Recorder::new();
        recorder.record_ns(0);
        recorder.record_ns(u64::MAX);
        let quantiles = recorder.quantiles();
        assert_eq!(quantiles.count, 2);
        assert!(quantiles.max_ns >= 59_000_000_000);
    }

    #[test]
    fn merging_keeps_every_value() {
        let (mut a, mut b) = (Recorder::new(), Recorder::new());
        (0..100).for_each(|_| a.record_ns(10));
        (0..300).for_each(|_| b.record_ns(1_000));
        a.merge(&b);
        let quantiles = a.quantiles();
        assert_eq!(quantiles.count, 400);
        assert_eq!(quantiles.p50_ns, 1_000);
    }

    #[test]
    fn median_of_odd_even_and_none() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
