//! Numbers out of offsets: spread, settling, slope. Knows no contestant.

use ra_engine::sources::PacedConfig;
use serde::Serialize;

use super::arena::{BLOCK_S, Trace, block_at};
use super::contestant::RATE_HZ;

/// One sample at 48 kHz, in us.
pub(super) const SAMPLE_US: f64 = 1e6 / 48_000.0;

/// How far values are from 0, or from their mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Root of the mean square.
    pub rms: f64,
    /// 99 % of the absolute values are at most this.
    pub p99: f64,
    /// The largest absolute value.
    pub max: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sizes: Vec<f64> = values.map(f64::abs).collect();
        sizes.sort_by(f64::total_cmp);
        let n = sizes.len();
        let at = |part: f64| sizes.get(((n as f64 * part).ceil() as usize).clamp(1, n.max(1)) - 1).copied();
        Self {
            rms: (sizes.iter().map(|size| size * size).sum::<f64>() / n as f64).sqrt(),
            p99: at(0.99).unwrap_or(f64::NAN),
            max: at(1.0).unwrap_or(f64::NAN),
        }
    }
}

/// What a part of a trace comes to.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Score {
    /// Where it stands on average, in us: what a listener could trim away.
    pub mean_us: f64,
    /// Offsets, the mean included, in us.
    pub offset_us: Spread,
    /// Offsets about their mean, in us.
    pub wander_us: Spread,
    /// Rms of the rate that was read less the true rate, in ppm.
    pub ratio_noise_ppm: f64,
    /// Blocks without sound.
    pub silent_blocks: usize,
}

impl Score {
    /// Of the blocks from `from_s` on.
    pub(super) fn of(trace: &Trace, from_s: f64) -> Self {
        let part = |values: &[f32]| -> Vec<f64> {
            let from = block_at(from_s).min(values.len());
            values[from..].iter().map(|&value| f64::from(value)).collect()
        };
        let all = part(&trace.offsets_us);
        let offsets: Vec<f64> = all.iter().copied().filter(|offset| offset.is_finite()).collect();
        let mean_us = offsets.iter().sum::<f64>() / offsets.len() as f64;
        let rates = part(&trace.rate_errors_ppm).into_iter().filter(|error| error.is_finite());
        Self {
            mean_us,
            offset_us: Spread::of(offsets.iter().copied()),
            wander_us: Spread::of(offsets.iter().map(|offset| offset - mean_us)),
            ratio_noise_ppm: Spread::of(rates).rms,
            silent_blocks: all.len() - offsets.len(),
        }
    }
}

/// The largest |offset| from `from_s` on, silent blocks apart.
pub(super) fn peak_us(trace: &Trace, from_s: f64) -> f64 {
    let from = block_at(from_s).min(trace.offsets_us.len());
    trace.offsets_us[from..].iter().map(|&offset| f64::from(offset).abs()).fold(f64::NAN, f64::max)
}

/// Seconds from `from_s` until every block sounds within `limit_us` of its place, to the end; `None`: never.
pub(super) fn settled_s(trace: &Trace, from_s: f64, limit_us: f64) -> Option<f64> {
    let from = block_at(from_s).min(trace.offsets_us.len());
    let part = &trace.offsets_us[from..];
    let is_in = |offset: &f32| f64::from(offset.abs()) <= limit_us;
    match part.iter().rposition(|offset| !is_in(offset)) {
        None => Some(0.0),
        Some(last) if last + 1 == part.len() => None,
        Some(last) => Some((last + 1) as f64 * BLOCK_S),
    }
}

/// The slope of a straight line through the offsets from `from_s` on, by least squares, in us per 10 minutes.
pub(super) fn slope_us_per_10min(trace: &Trace, from_s: f64) -> f64 {
    let from = block_at(from_s).min(trace.offsets_us.len());
    let sounding = trace.offsets_us[from..].iter().enumerate().filter(|(_, offset)| offset.is_finite());
    slope(sounding.map(|(n, &offset)| (n as f64 * BLOCK_S, f64::from(offset)))) * 600.0
}

/// What a reader that believes every stamp alike, for ever, would make of their errors from `from_s` on: the same slope
/// with the sign of an offset. No reader that knows nothing but the stamps can be expected to do better.
pub(super) fn slope_of_stamps_us_per_10min(trace: &Trace, from_s: f64) -> f64 {
    let first = trace.stamp_errors_us.partition_point(|(captured_s, _)| *captured_s < from_s);
    slope(trace.stamp_errors_us[first..].iter().map(|&(captured_s, late_us)| (captured_s, -late_us))) * 600.0
}

/// The standard deviation of the slope of a straight line through stamps whose errors are independent of each other:
/// `s sqrt(12 / n) / T` for n errors of deviation s over a time T (least squares).
pub(super) fn slope_sigma_us_per_10min(jitter_us: f64, seconds: f64) -> f64 {
    let n_stamps = seconds * f64::from(RATE_HZ) / f64::from(PacedConfig::default().period_frames);
    jitter_us * (12.0 / n_stamps).sqrt() / seconds * 600.0
}

/// The slope of a straight line through points, by least squares.
pub(super) fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let n = points.clone().count() as f64;
    let (x_mean, y_mean) = points.clone().fold((0.0, 0.0), |(x_sum, y_sum), (x, y)| (x_sum + x / n, y_sum + y / n));
    let (xx, xy) = points
        .fold((0.0, 0.0), |(xx, xy), (x, y)| (xx + (x - x_mean) * (x - x_mean), xy + (x - x_mean) * (y - y_mean)));
    xy / xx
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::Losses;

    fn trace(offset_us: impl Fn(f64) -> f64) -> Trace {
        let offsets_us: Vec<f32> = (0..block_at(100.0)).map(|n| offset_us(n as f64 * BLOCK_S) as f32).collect();
        let stamp_errors_us = (0..20_000).map(|n| (f64::from(n) * 0.005, f64::from(n) * -0.001)).collect();
        Trace { rate_errors_ppm: vec![2.0; offsets_us.len()], offsets_us, losses: Losses::default(), stamp_errors_us }
    }

    #[test]
    fn bias_and_wander_are_told_apart() {
        let score = Score::of(&trace(|t_s| 40.0 + 10.0 * (t_s * std::f64::consts::TAU).sin()), 20.0);
        assert!((score.mean_us - 40.0).abs() < 0.01, "{score:?}");
        assert!((score.wander_us.rms - 50f64.sqrt()).abs() < 0.01, "{score:?}");
        assert!((score.wander_us.max - 10.0).abs() < 0.05 && (score.offset_us.max - 50.0).abs() < 0.05, "{score:?}");
        assert!((score.ratio_noise_ppm - 2.0).abs() < 1e-9 && score.silent_blocks == 0);
        let silent = Score::of(&trace(|t_s| if t_s < 50.0 { f64::NAN } else { -3.0 }), 49.0);
        assert!((374..=376).contains(&silent.silent_blocks) && silent.offset_us.rms == 3.0, "{silent:?}");
    }

    #[test]
    fn the_99th_percentile_leaves_one_in_a_hundred_out() {
        let spread = Spread::of((1..=1000).map(|n| -f64::from(n)));
        assert_eq!((spread.p99, spread.max), (990.0, 1000.0));
    }

    #[test]
    fn settling_counts_from_the_start_to_the_last_time_outside() {
        let decay = trace(|t_s| if t_s < 0.5 { f64::NAN } else { 100.0 * (-t_s / 10.0).exp() });
        let within = |limit_us| settled_s(&decay, 0.0, limit_us);
        assert!((within(36.788).unwrap() - 10.0).abs() < 0.02);
        assert_eq!(within(0.001), None);
        assert_eq!(settled_s(&decay, 20.0, 100.0), Some(0.0));
        assert!((peak_us(&decay, 1.0) - 90.5).abs() < 0.1);
        assert!(settled_s(&trace(|t_s| if t_s > 99.0 { f64::NAN } else { 0.0 }), 0.0, 1.0).is_none());
    }

    #[test]
    fn a_slope_is_found_beneath_noise() {
        let sloping = trace(|t_s| 7.0 + t_s / 600.0 * 5.0 + (t_s * 1234.5).sin());
        assert!((slope_us_per_10min(&sloping, 10.0) - 5.0).abs() < 0.5);
        assert!((slope_of_stamps_us_per_10min(&sloping, 10.0) - 120.0).abs() < 1e-6);
        // 112 500 stamps in ten minutes.
        assert!((slope_sigma_us_per_10min(200.0, 600.0) - 2.066).abs() < 0.001);
    }
}
