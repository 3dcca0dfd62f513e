//! The rate at which a device really delivers, from its stamps. Pure.
//!
//! A line by weighted least squares through (frames counted, time of the stamp), with an intercept of its own after every jump that
//! the clock estimator of `ra-dsp` finds, and without the stamps that it leaves out. The uncertainty allows for errors that
//! are alike in neighbouring stamps (W. K. Newey, K. D. West, Econometrica 55, 1987) and for slopes that differ between the
//! halves of the test, whichever says more: a sound server's stamps wander for seconds.

use ra_core::{FramePosition, SampleRate};
use ra_dsp::{ClockEstimator, Observation};

use super::{delivery::Deliveries, quantiles::median};

/// From so many standard deviations on a stamp's weight falls: 95 % as good as least squares where errors are normal.
const HUBER: f64 = 1.345;
/// Times that the weights are made anew.
const ROUNDS: usize = 8;
/// What is asked of a line at least.
const LEAST_STAMPS: usize = 8;

/// The rate of a device, against the system's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RateReport {
    /// Frames per second.
    pub rate_hz: f64,
    /// How far that is from the nominal rate.
    pub drift_ppm: f64,
    /// The standard deviation of that, as the scatter of the stamps has it. What wanders more slowly than the test is long
    /// is not in it: a busy sound server's stamps were seen to be off by 10 ppm for 10 s at a sigma of 2.
    pub sigma_ppm: f64,
    /// What the engine's own clock estimator has found by the end of the test, once it is sure to 50 ppm.
    pub estimator_ppm: Option<f64>,
    /// The standard deviation of the stamps from the line, in microseconds.
    pub stamp_jitter_us: f64,
    /// How much time the line rests on, in seconds.
    pub seconds: f64,
    /// Frames that came, by the time that it took: less than the rate where frames were lost on the way.
    pub delivered_hz: f64,
    /// Times at which the stamps jumped against the count of frames: frames were lost or came twice, and nobody said so.
    pub jumps: u64,
    /// How far all of those were together, in milliseconds; positive where frames were lost.
    pub jumped_ms: f64,
}

/// A stamp, as it is fitted.
struct Point {
    /// In seconds of nominal time.
    x: f64,
    /// How much later than nominal, in seconds.
    late: f64,
    segment: usize,
}

impl RateReport {
    /// `None` with too few stamps.
    pub(super) fn of(deliveries: &Deliveries) -> Option<Self> {
        let nominal_hz = f64::from(deliveries.rate().hz());
        let observed = Observed::all(deliveries);
        let points = &observed.points;
        let (first, last) = (points.first()?, points.last()?);
        if points.len() < LEAST_STAMPS || last.x <= first.x {
            return None;
        }
        let line = Line::through(points)?;
        let halves = points.split_at(points.len() / 2);
        let halves = Line::through(halves.0).zip(Line::through(halves.1));
        // The slopes of the halves of white errors differ by four standard deviations of the whole's slope.
        let wander = halves.map_or(0.0, |(a, b)| (a.slope - b.slope).abs() / 4.0);
        let factor = 1.0 / (1.0 + line.slope);
        Some(Self {
            rate_hz: nominal_hz * factor,
            drift_ppm: (factor - 1.0) * 1e6,
            sigma_ppm: line.sigma.max(wander) * factor * factor * 1e6,
            estimator_ppm: observed.estimator_ppm,
            stamp_jitter_us: line.scatter * 1e6,
            seconds: last.x - first.x,
            delivered_hz: nominal_hz * (last.x - first.x) / (last.x + last.late - first.x - first.late),
            jumps: observed.jumps,
            jumped_ms: observed.jumped_s * 1e3,
        })
    }
}

/// What the estimator says of the deliveries, and those that are to be fitted.
struct Observed {
    points: Vec<Point>,
    estimator_ppm: Option<f64>,
    jumps: u64,
    jumped_s: f64,
}

impl Observed {
    fn all(deliveries: &Deliveries) -> Self {
        let rate: SampleRate = deliveries.rate();
        let mut estimator = ClockEstimator::new(rate);
        let settled_from = deliveries.settled().first().map_or(u64::MAX, |d| d.position);
        let mut is_outlier = vec![false; deliveries.all().len()];
        // Positions at which a segment begins, and how far each jumped.
        let mut jumps: Vec<(u64, f64)> = Vec::new();
        for (i, d) in deliveries.all().iter().enumerate() {
            match estimator.observe(FramePosition(d.position), d.n_frames, d.stamp_ns) {
                Observation::Outlier => is_outlier[i] = true,
                Observation::Jumped { from_position, by_s } => {
                    // What agreed on the new place was left out until it did.
                    let from = deliveries.all().partition_point(|d| d.position < from_position.0);
                    is_outlier[from..=i].fill(false);
                    jumps.push((from_position.0, by_s));
                }
                _ => {}
            }
        }
        jumps.retain(|&(from, _)| from > settled_from);
        let hz = f64::from(rate.hz());
        let origin = deliveries.all().first().copied();
        let points = deliveries
            .all()
            .iter()
            .zip(&is_outlier)
            .filter(|(d, is_outlier)| !**is_outlier && d.position >= settled_from);
        let points = points.filter_map(|(d, _)| {
            let origin = origin?;
            let x = (d.position - origin.position) as f64 / hz;
            let passed_s = (d.stamp_ns as i64).wrapping_sub(origin.stamp_ns as i64) as f64 / 1e9;
            let segment = jumps.iter().filter(|&&(from, _)| from <= d.position).count();
            Some(Point { x, late: passed_s - x, segment })
        });
        Self {
            points: points.collect(),
            estimator_ppm: estimator.drift().map(|drift| drift.0),
            jumps: jumps.len() as u64,
            jumped_s: jumps.iter().map(|&(_, by_s)| by_s).sum(),
        }
    }
}

/// One slope through points with an intercept for each segment.
struct Line {
    slope: f64,
    /// Of the slope.
    sigma: f64,
    /// Of the points.
    scatter: f64,
    /// Of each point: how far along it is and how far off the line, both from the means.
    errors: Vec<(f64, f64)>,
}

impl Line {
    /// By weights that fall with the distance from the line (P. J. Huber, Robust Statistics, 1981): on a busy machine
    /// stamps are late far more often than chance has it, and far more than they are early.
    fn through(points: &[Point]) -> Option<Self> {
        let mut weights = vec![1.0; points.len()];
        let mut line = Self::weighted(points, &weights)?;
        for _ in 0..ROUNDS {
            let mut distances: Vec<f64> = line.errors.iter().map(|(_, e)| e.abs()).collect();
            // The standard deviation of what is normal, by the median of the distances.
            let bend = HUBER * 1.4826 * median(&mut distances);
            if bend <= 0.0 {
                break;
            }
            for (weight, (_, error)) in weights.iter_mut().zip(&line.errors) {
                *weight = (bend / error.abs()).min(1.0);
            }
            line = Self::weighted(points, &weights)?;
        }
        Some(line)
    }

    fn weighted(points: &[Point], weights: &[f64]) -> Option<Self> {
        let (first, last) = (points.first()?.segment, points.last()?.segment);
        let mut means = vec![(0.0, 0.0, 0.0); last - first + 1];
        for (point, weight) in points.iter().zip(weights) {
            let (x, late, total) = &mut means[point.segment - first];
            (*x, *late, *total) = (*x + weight * point.x, *late + weight * point.late, *total + weight);
        }
        let centred = |point: &Point| {
            let (x, late, total) = means[point.segment - first];
            (point.x - x / total, point.late - late / total)
        };
        let (mut xx, mut xy) = (0.0, 0.0);
        for ((x, late), weight) in points.iter().map(centred).zip(weights) {
            (xx, xy) = (xx + weight * x * x, xy + weight * x * late);
        }
        let n_lines = means.iter().filter(|mean| mean.2 > 0.0).count();
        let n_free = points.len().checked_sub(1 + n_lines).filter(|&n| n > 0)? as f64;
        if xx <= 0.0 {
            return None;
        }
        let slope = xy / xx;
        let errors: Vec<(f64, f64)> = points.iter().map(centred).map(|(x, late)| (x, late - slope * x)).collect();
        let squares: f64 = errors.iter().map(|(_, e)| e * e).sum();
        let pulls: Vec<f64> = errors.iter().zip(weights).map(|((x, e), weight)| weight * x * e).collect();
        // Bartlett's weights keep the sum positive; neighbours count up to the root of their number.
        let lags = (points.len() as f64).sqrt().ceil() as usize;
        let product = |lag: usize| pulls.iter().zip(&pulls[lag..]).map(|(a, b)| a * b).sum::<f64>();
        let alike: f64 = (1..lags).map(|lag| 2.0 * (1.0 - lag as f64 / lags as f64) * product(lag)).sum();
        let variance = (product(0) + alike).max(0.0) * points.len() as f64 / n_free / (xx * xx);
        Some(Self { slope, sigma: variance.sqrt(), scatter: (squares / n_free).sqrt(), errors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::delivery::Piece;

    /// Errors that are the same in every run, evenly spread from −1 to 1.
    fn noise(i: u64) -> f64 {
        let mut x = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// A device of 480 frames a period for 10 s, `error_s` giving what each stamp is late by.
    fn deliveries(ppm: f64, n: u64, error_s: impl Fn(u64) -> f64) -> Deliveries {
        let mut deliveries = Deliveries::new(SampleRate::HZ_48000);
        for i in 0..n {
            let true_s = 100.0 + i as f64 * 0.01 / (1.0 + ppm * 1e-6);
            let stamp_ns = ((true_s + error_s(i)) * 1e9) as u64;
            deliveries.push(Piece { called_ns: stamp_ns + 10_000_000, stamp_ns, n_frames: 480 });
        }
        deliveries
    }

    #[test]
    fn the_rate_is_found_within_its_own_uncertainty() {
        for ppm in [-300.0, 0.0, 47.0, 500.0] {
            for seed in 0..8 {
                let report = RateReport::of(&deliveries(ppm, 1000, |i| 1e-3 * noise(i + seed * 10_000))).unwrap();
                let off = report.drift_ppm - ppm;
                assert!(off.abs() < 4.0 * report.sigma_ppm, "{off} ppm off at {ppm}: {report:?}");
                // White errors of 0.577 ms over 9.5 s: sqrt(12) · 0.577e-3 / (9.5 · sqrt(950)) = 6.8 ppm.
                assert!((2.0..25.0).contains(&report.sigma_ppm), "{report:?}");
                assert!((report.stamp_jitter_us - 577.0).abs() < 40.0, "{report:?}");
                assert!((report.rate_hz - 48_000.0 * (1.0 + report.drift_ppm * 1e-6)).abs() < 1e-6);
                assert_eq!(report.jumps, 0);
            }
        }
    }

    #[test]
    fn a_wrong_nominal_rate_shows_as_what_it_is() {
        let report = RateReport::of(&deliveries(-81_250.0, 1000, |_| 0.0)).unwrap();
        assert!((report.rate_hz - 44_100.0).abs() < 0.01, "{report:?}");
    }

    #[test]
    fn errors_that_wander_widen_the_uncertainty() {
        let white = RateReport::of(&deliveries(0.0, 1000, |i| 0.5e-3 * noise(i))).unwrap();
        let wave = |i: u64| 0.5e-3 * (i as f64 * 0.01 * std::f64::consts::TAU / 7.0).sin();
        let wandering = RateReport::of(&deliveries(0.0, 1000, wave)).unwrap();
        assert!(wandering.sigma_ppm > 3.0 * white.sigma_ppm, "{wandering:?} {white:?}");
        assert!(wandering.drift_ppm.abs() < 3.0 * wandering.sigma_ppm, "{wandering:?}");
    }

    #[test]
    fn frames_that_were_lost_unseen_are_a_jump_and_no_drift() {
        let lost = |i: u64| 0.1e-3 * noise(i) + if i >= 600 { 0.05 } else { 0.0 };
        let report = RateReport::of(&deliveries(20.0, 1000, lost)).unwrap();
        assert_eq!(report.jumps, 1, "{report:?}");
        assert!((report.jumped_ms - 50.0).abs() < 1.0, "{report:?}");
        // 50 ms of 9.5 s.
        assert!((report.delivered_hz / 48_000.0 - 1.0 + 0.05 / 9.55).abs() < 1e-4, "{report:?}");
        assert!((report.drift_ppm - 20.0).abs() < 5.0 && report.sigma_ppm < 10.0, "{report:?}");
    }

    #[test]
    fn a_single_late_stamp_changes_nothing() {
        let clean = RateReport::of(&deliveries(20.0, 1000, |i| 0.1e-3 * noise(i))).unwrap();
        let spiked = |i: u64| 0.1e-3 * noise(i) + if i == 900 { 0.03 } else { 0.0 };
        let report = RateReport::of(&deliveries(20.0, 1000, spiked)).unwrap();
        assert!((report.drift_ppm - clean.drift_ppm).abs() < 0.2, "{report:?} {clean:?}");
        assert_eq!(report.jumps, 0);
    }

    /// Too little late for the estimator to leave them out: least squares would say 9 ppm.
    #[test]
    fn a_busy_machine_that_delivers_late_in_spells_bends_little() {
        let late = |i: u64| 20e-6 * noise(i) + if i > 500 && i.is_multiple_of(5) { 0.3e-3 } else { 0.0 };
        let points: Vec<_> = (0..1000).map(|i| Point { x: i as f64 * 0.01, late: late(i), segment: 0 }).collect();
        let slope = Line::through(&points).unwrap().slope;
        assert!(slope.abs() < 2e-6, "{slope}");
    }

    #[test]
    fn too_little_is_nothing() {
        assert_eq!(RateReport::of(&deliveries(0.0, 7, |_| 0.0)), None);
        assert_eq!(RateReport::of(&Deliveries::new(SampleRate::HZ_48000)), None);
    }
}
