//! Where sound was against where it should have been: distributions of offsets in bounded memory, for a month as for a
//! minute. Takes what the engine read and the truth; asks no estimator for its opinion.

use hdrhistogram::Histogram;

use crate::report::OffsetReport;

/// Significant digits of percentiles.
const DIGITS: u8 = 3;
/// The largest offset that percentiles tell apart, in picoseconds: 1000 s.
const MOST_PS: u64 = 1_000_000_000_000_000;

/// The sizes of a number of offsets: exact root mean square and maximum, percentiles to three digits.
#[derive(Debug)]
pub(crate) struct Offsets {
    /// Of |offset| in picoseconds.
    histogram: Option<Histogram<u64>>,
    n: u64,
    sum_us2: f64,
    max_us: f64,
}

impl Offsets {
    pub(crate) fn new() -> Self {
        // The bounds are constants that the histogram takes.
        Self { histogram: Histogram::new_with_bounds(1, MOST_PS, DIGITS).ok(), n: 0, sum_us2: 0.0, max_us: 0.0 }
    }

    /// Counts an offset.
    pub(crate) fn add_us(&mut self, offset_us: f64) {
        let size_us = offset_us.abs();
        self.n += 1;
        self.sum_us2 += size_us * size_us;
        self.max_us = self.max_us.max(size_us);
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record((size_us * 1e6) as u64);
        }
    }

    /// What came together; nothing where no offset was counted.
    pub(crate) fn report(&self) -> OffsetReport {
        if self.n == 0 {
            return OffsetReport::default();
        }
        let p99_us = self.histogram.as_ref().map(|histogram| histogram.value_at_quantile(0.99) as f64 * 1e-6);
        OffsetReport {
            rms: Some((self.sum_us2 / self.n as f64).sqrt()),
            // A histogram's percentile is the upper end of a bin.
            p99: p99_us.map(|us| us.min(self.max_us)),
            max: Some(self.max_us),
        }
    }
}

/// A block of a source, as it was heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// When, on the mix timeline, in seconds.
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
    /// How far its sound was from true time plus the engine's latency, in microseconds.
    pub(crate) offset_us: f64,
    /// How far it was from its own place, which its trim moves.
    pub(crate) astray_us: f64,
    /// How far the rate at which it was read was from the true one.
    pub(crate) rate_error_ppm: f64,
}

/// One source's measurement.
#[derive(Debug)]
pub(crate) struct SourceMeasure {
    offsets: Offsets,
    /// Of (rate read − true rate)², in ppm².
    sum_rate_ppm2: f64,
    n_rates: u64,
    tolerance_us: f64,
    /// When the source was last seen off by more than the tolerance, or not yet to be heard; `None`: never heard.
    settled_s: Option<f64>,
    is_off: bool,
}

impl SourceMeasure {
    /// Settled is who is inside `tolerance_us`.
    pub(crate) fn new(tolerance_us: f64) -> Self {
        Self { offsets: Offsets::new(), sum_rate_ppm2: 0.0, n_rates: 0, tolerance_us, settled_s: None, is_off: true }
    }

    /// A block was heard. Offsets count where `is_measured`.
    pub(crate) fn heard(&mut self, heard: &Heard, is_measured: bool) {
        let Heard { from_s, to_s, offset_us, astray_us, rate_error_ppm } = *heard;
        self.is_off = astray_us.abs() > self.tolerance_us;
        if self.is_off {
            self.settled_s = Some(to_s);
        } else if self.settled_s.is_none() {
            self.settled_s = Some(from_s); // right from its first sound on
        }
        if is_measured {
            self.offsets.add_us(offset_us);
            self.sum_rate_ppm2 += rate_error_ppm * rate_error_ppm;
            self.n_rates += 1;
        }
    }

    pub(crate) fn offset_us(&self) -> OffsetReport {
        self.offsets.report()
    }

    /// When it was last off, in seconds; `None` where it was still off at the end, or never heard.
    pub(crate) fn settle_s(&self) -> Option<f64> {
        self.settled_s.filter(|_| !self.is_off)
    }

    pub(crate) fn ratio_noise_ppm(&self) -> Option<f64> {
        (self.n_rates > 0).then(|| (self.sum_rate_ppm2 / self.n_rates as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_offsets_have_their_percentile() {
        let mut offsets = Offsets::new();
        assert_eq!(offsets.report(), OffsetReport::default());
        for i in 1..=1000 {
            offsets.add_us(if i % 2 == 0 { f64::from(i) } else { -f64::from(i) });
        }
        let report = offsets.report();
        assert!((report.p99.unwrap() / 990.0 - 1.0).abs() < 2e-3, "{report:?}");
        assert_eq!(report.max, Some(1000.0));
        // The mean of the first n squares is (n + 1)(2n + 1) / 6.
        assert!((report.rms.unwrap() - (1001.0 * 2001.0f64 / 6.0).sqrt()).abs() < 1e-9);
        let mut one = Offsets::new();
        one.add_us(1e-6);
        assert_eq!(one.report().p99, Some(1e-6));
        one.add_us(1e30); // beyond the histogram
        assert_eq!(one.report().max, Some(1e30));
    }

    #[test]
    fn settling_is_the_last_time_outside() {
        let mut measure = SourceMeasure::new(40.0);
        assert_eq!(measure.settle_s(), None); // never heard
        let block = |from_s: f64, astray_us: f64| Heard {
            from_s,
            to_s: from_s + 0.1,
            offset_us: astray_us - 500.0,
            astray_us,
            rate_error_ppm: 1.0,
        };
        measure.heard(&block(0.5, 10.0), false);
        assert_eq!(measure.settle_s(), Some(0.5));
        measure.heard(&block(0.6, -41.0), false);
        assert_eq!(measure.settle_s(), None);
        measure.heard(&block(0.7, 39.0), false);
        assert_eq!(measure.settle_s(), Some(0.7));
        assert_eq!(measure.offset_us(), OffsetReport::default());
        measure.heard(&Heard { offset_us: -30.0, rate_error_ppm: 3.0, ..block(0.8, 0.0) }, true);
        measure.heard(&Heard { offset_us: 30.0, rate_error_ppm: -4.0, ..block(0.9, 0.0) }, true);
        assert_eq!(measure.offset_us().rms, Some(30.0));
        assert!((measure.ratio_noise_ppm().unwrap() - 12.5f64.sqrt()).abs() < 1e-12);
    }
}
