//! How a device calls back: sizes, intervals, and how far from the regular. Pure.

use super::{delivery::Deliveries, quantiles::Quantiles};

/// The callbacks of a test, the first half second apart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CallbackReport {
    /// How many there were.
    pub n: u64,
    /// Frames in the shortest one.
    pub shortest_frames: u64,
    /// Frames in half of them, at most; in 99 of 100; in the longest.
    pub frames: Quantiles,
    /// From one to the next, in microseconds.
    pub interval_us: Quantiles,
    /// How far the intervals are from what the frames of the callback before should last, in microseconds, either way.
    pub jitter_us: Quantiles,
}

impl CallbackReport {
    pub(super) fn of(deliveries: &Deliveries) -> Self {
        let settled = deliveries.settled();
        let mut frames: Vec<f64> = settled.iter().map(|d| d.n_frames as f64).collect();
        let mut intervals_us = Vec::with_capacity(settled.len());
        let mut jitters_us = Vec::with_capacity(settled.len());
        for pair in settled.windows(2) {
            let interval_us = pair[1].called_ns.saturating_sub(pair[0].called_ns) as f64 / 1e3;
            let due_us = pair[0].n_frames as f64 * 1e6 / f64::from(deliveries.rate().hz());
            intervals_us.push(interval_us);
            jitters_us.push((interval_us - due_us).abs());
        }
        Self {
            n: settled.len() as u64,
            shortest_frames: settled.iter().map(|d| d.n_frames).min().unwrap_or(0),
            frames: Quantiles::of(&mut frames),
            interval_us: Quantiles::of(&mut intervals_us),
            jitter_us: Quantiles::of(&mut jitters_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::delivery::Piece;
    use ra_core::SampleRate;

    #[test]
    fn regular_callbacks_have_no_jitter_and_a_late_one_shows() {
        let mut deliveries = Deliveries::new(SampleRate::HZ_48000);
        for i in 0..1000u64 {
            let late_ns = if i == 700 { 3_000_000 } else { 0 };
            deliveries.push(Piece { called_ns: i * 10_000_000 + late_ns, stamp_ns: i * 10_000_000 + 1, n_frames: 480 });
        }
        let report = CallbackReport::of(&deliveries);
        assert_eq!((report.n, report.shortest_frames), (950, 480));
        assert_eq!(report.frames, Quantiles { p50: 480.0, p99: 480.0, max: 480.0 });
        assert_eq!(report.interval_us, Quantiles { p50: 10_000.0, p99: 10_000.0, max: 13_000.0 });
        assert_eq!(report.jitter_us, Quantiles { p50: 0.0, p99: 0.0, max: 3_000.0 });
        assert_eq!(CallbackReport::of(&Deliveries::new(SampleRate::HZ_48000)), CallbackReport::default());
    }

    #[test]
    fn sizes_that_vary_with_their_intervals_are_no_jitter() {
        let mut deliveries = Deliveries::new(SampleRate::HZ_48000);
        let mut now_ns = 0;
        for i in 0..500u64 {
            let n_frames = if i.is_multiple_of(2) { 48 } else { 960 };
            deliveries.push(Piece { called_ns: now_ns, stamp_ns: now_ns + 1, n_frames });
            now_ns += n_frames * 1_000_000 / 48;
        }
        let report = CallbackReport::of(&deliveries);
        assert_eq!((report.shortest_frames, report.frames.max), (48, 960.0));
        assert!(report.jitter_us.max < 1e-6);
    }
}
