//! When a stream's callbacks come, as a straight line through its frames. Pure.

use super::{
    delivery::{Deliveries, Delivery},
    quantiles::median,
};

/// How many groups the uncertainty is told from.
const BATCHES: usize = 8;

/// The time of a callback against the frames before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeLine {
    /// The line passes here: a frame, and a time in nanoseconds.
    frame: f64,
    ns: f64,
    ns_per_frame: f64,
    /// The standard deviation of its height, in nanoseconds.
    pub(super) sigma_ns: f64,
}

impl TimeLine {
    /// Through the times that `time_of` takes from deliveries: the slope by least squares, the height by the median of
    /// what is off, which no late callback moves. `None` with too few.
    pub(super) fn through(deliveries: &Deliveries, time_of: fn(&Delivery) -> u64) -> Option<Self> {
        let settled = deliveries.settled();
        let origin_ns = time_of(settled.first()?);
        let points: Vec<(f64, f64)> = settled
            .iter()
            .map(|d| (d.position as f64, (time_of(d) as i64).wrapping_sub(origin_ns as i64) as f64))
            .collect();
        if points.len() < 2 * BATCHES {
            return None;
        }
        let n = points.len() as f64;
        let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
        let (xx, xy) =
            points.iter().fold((0.0, 0.0), |(xx, xy), p| (xx + (p.0 - x) * (p.0 - x), xy + (p.0 - x) * (p.1 - y)));
        if xx <= 0.0 {
            return None;
        }
        let ns_per_frame = xy / xx;
        let mut off: Vec<f64> = points.iter().map(|p| p.1 - y - ns_per_frame * (p.0 - x)).collect();
        // In the order of time: errors that wander differ from batch to batch.
        let batches: Vec<f64> =
            off.chunks(points.len().div_ceil(BATCHES)).map(|batch| median(&mut batch.to_vec())).collect();
        let mean = batches.iter().sum::<f64>() / batches.len() as f64;
        let variance = batches.iter().map(|b| (b - mean) * (b - mean)).sum::<f64>() / (batches.len() - 1).max(1) as f64;
        let sigma_ns = (variance / batches.len() as f64).sqrt();
        Some(Self { frame: x, ns: origin_ns as f64 + y + median(&mut off), ns_per_frame, sigma_ns })
    }

    /// The time that the line has for a frame, in nanoseconds, less that which `other` has for another frame.
    pub(super) fn ns_between(&self, frame: f64, other: &Self, other_frame: f64) -> f64 {
        (self.ns - other.ns) + self.ns_per_frame * (frame - self.frame)
            - other.ns_per_frame * (other_frame - other.frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::delivery::Piece;
    use ra_core::SampleRate;

    #[test]
    fn a_line_is_where_callbacks_are_on_time_whatever_a_late_one_does() {
        let mut deliveries = Deliveries::new(SampleRate::HZ_48000);
        for i in 0..500u64 {
            let late_ns = if i % 50 == 7 { 9_000_000 } else { (i % 3) * 10_000 };
            deliveries.push(Piece { called_ns: 5_000_000_000 + i * 10_000_000 + late_ns, stamp_ns: i, n_frames: 480 });
        }
        let line = TimeLine::through(&deliveries, |d| d.called_ns).unwrap();
        let again = TimeLine::through(&deliveries, |d| d.called_ns).unwrap();
        assert!((line.ns_between(48_000.0, &again, 0.0) - 1e9).abs() < 30_000.0);
        let height_ns = line.ns + line.ns_per_frame * (120_000.0 - line.frame);
        assert!((height_ns - 7.5e9).abs() < 60_000.0, "{height_ns}");
        assert!(line.sigma_ns > 0.0 && line.sigma_ns < 30_000.0, "{line:?}");
        assert!(TimeLine::through(&Deliveries::new(SampleRate::HZ_48000), |d| d.called_ns).is_none());
    }
}
