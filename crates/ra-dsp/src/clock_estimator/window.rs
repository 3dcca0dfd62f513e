//! A few deliveries that are looked at all together: finds a line through them that single wrong stamps can't move.
//! Keeps no state beyond the deliveries.

use super::estimate::Estimate;
use super::noise::SIGMA_MIN_US;
use super::timeline::{Stamp, Timeline};

/// The most deliveries that are kept.
pub(super) const WINDOW_DELIVERIES: usize = 64;

/// Below this many deliveries their own scatter is no measure of the noise.
const TELLING_DELIVERIES: usize = 6;

/// A delivery further from the line than this many standard deviations is no part of it.
const OUTLIER_SIGMAS: f64 = 6.0;

/// A rate this many standard deviations from what was expected is believed at once.
const RATE_SURPRISE_SIGMAS: f64 = 6.0;

/// Deliveries lie on one line where they scatter about it at most so many times as much as neighbours do.
const STRAIGHT_SIGMAS: f64 = 3.0;

/// A period comes in so many parts at most, or at least not all the time in more.
const PARTS_MAX: usize = 8;

/// Makes the median of the deviations a standard deviation (Hampel, JASA 69, 1974).
const SIGMA_OF_MEDIAN: f64 = 1.4826;

/// However little is known of the rate, one that is further off than a few times this is a surprise.
const RATE_SIGMA_MAX_PPM: f64 = 3_000.0;

/// Neighbours further apart than this have nothing to do with each other, in seconds.
const FAR_S: f64 = 10.0;

/// Deliveries in the order in which they came; when it is full, every second one goes, and so on with those to come.
#[derive(Clone, Debug)]
pub(super) struct Window {
    stamps: [Stamp; WINDOW_DELIVERIES],
    len: usize,
    /// Every so many deliveries are kept.
    stride: u32,
    /// How many of them have passed since the last one that was kept.
    passed: u32,
}

/// A line through a window's deliveries: lateness against the window's first delivery, had the rate been nominal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// The lateness gained per second, in ppm, and the variance of that.
    pub(super) slow_ppm: f64,
    pub(super) slow_var_ppm2: f64,
    /// Whether the deliveries themselves have said so, and not only the expectation.
    pub(super) is_surprise: bool,
    /// The line's lateness at the first delivery, in us.
    pub(super) late_us: f64,
    /// The scatter about it, in us.
    pub(super) sigma_us: f64,
    /// Whether that is what neighbours scatter too: else the deliveries lie on two lines.
    pub(super) is_straight: bool,
    /// How many deliveries lie on it.
    pub(super) n_inliers: usize,
}

impl Line {
    /// Whether a lateness `late_us` at `at_s` seconds behind the first delivery lies on it.
    pub(super) fn contains(&self, at_s: f64, late_us: f64) -> bool {
        (late_us - self.late_us - self.slow_ppm * at_s).abs() <= OUTLIER_SIGMAS * self.sigma_us
    }

    /// The expected line moved to where a handful of deliveries are.
    fn through_few(mut self, late_us: &mut [f64]) -> Self {
        late_us.sort_unstable_by(f64::total_cmp);
        // An early stamp can't be late: where few disagree, the earlier ones are right.
        let earliest_us = late_us.first().copied().unwrap_or_default();
        let near = late_us.partition_point(|late| late - earliest_us <= OUTLIER_SIGMAS * self.sigma_us);
        self.late_us = median(&mut late_us[..near]);
        self.n_inliers = near;
        self
    }

    /// The expected line moved to where the deliveries are, and turned if they insist; the scatter is theirs.
    ///
    /// `late_us` is the lateness against the expected slope.
    fn through_many(mut self, at_s: &[f64], late_us: &[f64]) -> Self {
        // The slope from the medians of the two halves: almost half of either may be wrong.
        let half = at_s.len() / 2;
        let run_s = median_of(&at_s[half..]) - median_of(&at_s[..half]);
        let rise_us = median_of(&late_us[half..]) - median_of(&late_us[..half]);
        let turn_ppm = if run_s > 0.0 { rise_us / run_s } else { 0.0 };
        let (turned_us, turned_sigma_us) = scatter(at_s, late_us, turn_ppm);
        let (flat_us, flat_sigma_us) = scatter(at_s, late_us, 0.0);
        let own_sigma_us = turned_sigma_us.min(flat_sigma_us).max(SIGMA_MIN_US);
        // A median's variance is pi/2 of a mean's; two of them, over half of the deliveries each.
        let turn_var_ppm2 = std::f64::consts::PI * own_sigma_us * own_sigma_us / (half as f64 * run_s * run_s);
        let known_var_ppm2 = self.slow_var_ppm2.min(RATE_SIGMA_MAX_PPM * RATE_SIGMA_MAX_PPM);
        let chance_ppm2 = RATE_SURPRISE_SIGMAS * RATE_SURPRISE_SIGMAS * (turn_var_ppm2 + known_var_ppm2);
        // Turned by one half that is elsewhere altogether, the line would fit worse.
        self.is_surprise = turn_ppm * turn_ppm > chance_ppm2 && turned_sigma_us < flat_sigma_us;
        let turn_ppm = if self.is_surprise { turn_ppm } else { 0.0 };
        self.late_us = if self.is_surprise { turned_us } else { flat_us };
        self.sigma_us = own_sigma_us;
        self.is_straight = own_sigma_us <= STRAIGHT_SIGMAS * neighbour_sigma_us(at_s, late_us, turn_ppm);
        let reach_us = OUTLIER_SIGMAS * self.sigma_us;
        let is_near = |(at, late): (&f64, &f64)| (late - turn_ppm * at - self.late_us).abs() <= reach_us;
        self.n_inliers = at_s.iter().zip(late_us).filter(|&pair| is_near(pair)).count();
        if self.is_surprise {
            self.slow_ppm += turn_ppm;
            // Twice as unsure as it says: what surprises once may do so again.
            self.slow_var_ppm2 = 4.0 * turn_var_ppm2;
        }
        self
    }
}

impl Window {
    pub(super) const fn new() -> Self {
        Self { stamps: [Stamp { position: 0, ns: 0 }; WINDOW_DELIVERIES], len: 0, stride: 1, passed: 0 }
    }

    pub(super) fn clear(&mut self) {
        (self.len, self.stride, self.passed) = (0, 1, 0);
    }

    pub(super) fn stamps(&self) -> &[Stamp] {
        &self.stamps[..self.len]
    }

    /// Takes a delivery. Whether it has been kept.
    pub(super) fn push(&mut self, stamp: Stamp) -> bool {
        if self.len > 0 {
            self.passed += 1;
            if self.passed < self.stride {
                return false;
            }
        }
        self.passed = 0;
        if self.len == WINDOW_DELIVERIES {
            for at in 0..WINDOW_DELIVERIES / 2 {
                self.stamps[at] = self.stamps[2 * at];
            }
            self.len = WINDOW_DELIVERIES / 2;
            self.stride = self.stride.saturating_mul(2);
        }
        self.stamps[self.len] = stamp;
        self.len += 1;
        true
    }

    /// The newest deliveries alone, so many and as many as last so long by the source's count; `None` where those are all, or
    /// where there are not so many.
    pub(super) fn newest(&self, timeline: Timeline, n_least: usize, span_s: f64) -> Option<Self> {
        let stamps = self.stamps();
        let last = *stamps.last()?;
        let is_long = |stamp: &Stamp| timeline.nominal_s(stamp.position, last.position) >= span_s;
        let at = stamps.iter().rposition(is_long)?.min(stamps.len().checked_sub(n_least)?);
        if at == 0 {
            return None;
        }
        let mut newest = Self { len: stamps.len() - at, ..self.clone() };
        newest.stamps.copy_within(at.., 0);
        Some(newest)
    }

    /// Whether the newest delivery may change the picture: of the first few each does, of later ones only many.
    pub(super) fn is_worth_a_look(&self) -> bool {
        matches!(self.len, 2..=8 | 11 | 16 | 23 | 32 | 45 | WINDOW_DELIVERIES)
    }

    /// Whether a delivery may have come behind those that are here: not before them, and neither its count nor its time far
    /// away.
    pub(super) fn may_go_on(&self, timeline: Timeline, stamp: Stamp) -> bool {
        self.stamps().last().is_none_or(|last| {
            let (own_s, stamped_s) =
                (timeline.nominal_s(last.position, stamp.position), Timeline::ns_between(last.ns, stamp.ns) * 1e-9);
            (0.0..FAR_S).contains(&own_s) && (stamped_s - own_s).abs() < FAR_S
        })
    }

    /// How long the deliveries last by the source's own count, and by their stamps, in seconds.
    pub(super) fn span_s(&self, timeline: Timeline) -> (f64, f64) {
        match self.stamps() {
            [first, .., last] => {
                (timeline.nominal_s(first.position, last.position), Timeline::ns_between(first.ns, last.ns) * 1e-9)
            }
            _ => (0.0, 0.0),
        }
    }

    /// The line through the deliveries, as far as one can tell: the slope is expected at `slow_ppm` with the variance
    /// `slow_var_ppm2`, and as long as there are few deliveries the scatter at `sigma_us`.
    pub(super) fn line(&self, timeline: Timeline, slow_ppm: f64, slow_var_ppm2: f64, sigma_us: f64) -> Option<Line> {
        let first = *self.stamps().first()?;
        let mut at_s = [0.0; WINDOW_DELIVERIES];
        let mut late_us = [0.0; WINDOW_DELIVERIES];
        for (at, stamp) in self.stamps().iter().enumerate() {
            at_s[at] = timeline.nominal_s(first.position, stamp.position);
            late_us[at] = timeline.late_us(first, *stamp) - slow_ppm * at_s[at];
        }
        let (at_s, late_us) = (&at_s[..self.len], &mut late_us[..self.len]);
        let expected = Line {
            slow_ppm,
            slow_var_ppm2,
            is_surprise: false,
            is_straight: true,
            late_us: 0.0,
            sigma_us,
            n_inliers: self.len,
        };
        Some(if self.len < TELLING_DELIVERIES {
            expected.through_few(late_us)
        } else {
            expected.through_many(at_s, late_us)
        })
    }

    /// The first delivery on `line`, and what `before` becomes when it and all others there are taken one after the other;
    /// nothing where no clock could do that.
    pub(super) fn replay(
        &self,
        timeline: Timeline,
        line: &Line,
        before: &Estimate,
        noise_us2: f64,
    ) -> Option<(Stamp, Estimate)> {
        let origin = *self.stamps().first()?;
        let mut replayed: Option<(Stamp, Estimate)> = None;
        for &stamp in self.stamps() {
            let at_s = timeline.nominal_s(origin.position, stamp.position);
            if !line.contains(at_s, timeline.late_us(origin, stamp)) {
                continue;
            }
            if let Some((_, estimate)) = &mut replayed {
                estimate.advance_to(timeline, stamp.position);
                estimate.take(estimate.surprise_us(timeline, stamp), noise_us2);
            } else {
                let mut begun = before.moved_to(stamp, noise_us2);
                if line.is_surprise {
                    begun.set_rate(line.slow_ppm, line.slow_var_ppm2);
                }
                replayed = Some((stamp, begun));
            }
        }
        replayed.filter(|(_, estimate)| estimate.is_plausible())
    }
}

/// The median and the scatter of the latenesses about a line of the slope `slow_ppm`.
fn scatter(at_s: &[f64], late_us: &[f64], slow_ppm: f64) -> (f64, f64) {
    let mut scratch = [0.0; WINDOW_DELIVERIES];
    let scratch = &mut scratch[..at_s.len()];
    for ((out, at), late) in scratch.iter_mut().zip(at_s).zip(late_us) {
        *out = late - slow_ppm * at;
    }
    let middle = median(scratch);
    for value in scratch.iter_mut() {
        *value = (*value - middle).abs();
    }
    // The last factor repays the two numbers that were fitted first.
    let n = at_s.len() as f64;
    (middle, SIGMA_OF_MEDIAN * median(scratch) * n / (n - 2.0).max(1.0))
}

/// The scatter of the deliveries as their neighbours tell it: whatever is slow, or happens once, is not in it.
///
/// Parts of one period share its stamp's error, so neighbours further apart have a say too; not so far that a single step
/// could be between most of them.
fn neighbour_sigma_us(at_s: &[f64], late_us: &[f64], slow_ppm: f64) -> f64 {
    let apart_us = |lag: usize| {
        let mut scratch = [0.0; WINDOW_DELIVERIES];
        let scratch = &mut scratch[..at_s.len().saturating_sub(lag)];
        for (n, out) in scratch.iter_mut().enumerate() {
            *out = (late_us[n + lag] - late_us[n] - slow_ppm * (at_s[n + lag] - at_s[n])).abs();
        }
        median(scratch)
    };
    let lags = 1..=(at_s.len() / 4).clamp(1, PARTS_MAX);
    (SIGMA_OF_MEDIAN * std::f64::consts::FRAC_1_SQRT_2 * lags.map(apart_us).fold(0.0, f64::max)).max(SIGMA_MIN_US)
}

fn median_of(values: &[f64]) -> f64 {
    let mut scratch = [0.0; WINDOW_DELIVERIES];
    let scratch = &mut scratch[..values.len()];
    scratch.copy_from_slice(values);
    median(scratch)
}

/// The median; 0 of nothing. Sorts in place, at most [`WINDOW_DELIVERIES`] values.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len(), values.get(middle)) {
        (n, Some(upper)) if n % 2 == 0 => 0.5 * (values[middle - 1] + upper),
        (_, Some(value)) => *value,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline() -> Timeline {
        Timeline::new(ra_core::SampleRate::HZ_48000)
    }

    /// A window of deliveries every 480 frames with these latenesses, in us.
    fn window(late_us: &[f64]) -> Window {
        let mut window = Window::new();
        for (n, late) in late_us.iter().enumerate() {
            let ns = 5_000_000_000 + n as i64 * 10_000_000 + (late * 1e3) as i64;
            window.push(Stamp { position: 1_000 + 480 * n as u64, ns: ns as u64 });
        }
        window
    }

    fn line(late_us: &[f64]) -> Line {
        window(late_us).line(timeline(), 0.0, 200.0 * 200.0, 1_000.0).unwrap()
    }

    #[test]
    fn of_few_the_early_ones_are_right() {
        let line = line(&[10_000.0, 100.0, -100.0]);
        // Counted from the first delivery, which is the late one.
        assert!((line.late_us + 10_000.0).abs() < 1.0 && line.n_inliers == 2, "{line:?}");
    }

    #[test]
    fn outliers_move_nothing() {
        let mut late_us: Vec<f64> = (0..40).map(|n| [0.0, 30.0, -30.0, 15.0][n % 4]).collect();
        for at in [0, 7, 8, 25, 39] {
            late_us[at] += 10_000.0;
        }
        let line = line(&late_us);
        assert!(!line.is_surprise && line.n_inliers == 35, "{line:?}");
        assert!((line.late_us + 10_000.0).abs() < 20.0 && (10.0..60.0).contains(&line.sigma_us), "{line:?}");
    }

    #[test]
    fn a_wrong_rate_is_a_surprise_and_standing_stamps_are_no_clock() {
        let slow: Vec<f64> = (0..16).map(|n| 880.0 * f64::from(n) + [0.0, 50.0, -50.0][n as usize % 3]).collect();
        let line = line(&slow);
        assert!(line.is_surprise && (line.slow_ppm - 88_000.0).abs() < 1_000.0, "{line:?}");
        let standing: Vec<f64> = (0..16).map(|n| -10_000.0 * f64::from(n)).collect();
        let line = self::line(&standing);
        let replayed = window(&standing).replay(timeline(), &line, &Estimate::unknown(), 1.0);
        assert!(line.slow_ppm < -900_000.0 && replayed.is_none(), "{line:?}");
    }

    #[test]
    fn a_full_window_keeps_every_second_delivery() {
        let mut window = Window::new();
        for n in 0..1_000u64 {
            window.push(Stamp { position: n, ns: n });
        }
        let kept: Vec<u64> = window.stamps().iter().map(|stamp| stamp.position).collect();
        assert!(kept.len() <= WINDOW_DELIVERIES && kept.windows(2).all(|pair| pair[1] - pair[0] == 16), "{kept:?}");
    }

    #[test]
    fn the_newest_are_so_many_and_so_long() {
        let all = window(&[0.0; 20]);
        let positions = |n_least, span_s| {
            let newest = all.newest(timeline(), n_least, span_s)?;
            Some((newest.stamps()[0].position, newest.stamps().len()))
        };
        assert_eq!(positions(6, 0.08), Some((1_000 + 480 * 11, 9)));
        assert_eq!(positions(12, 0.08), Some((1_000 + 480 * 8, 12)));
        assert_eq!(
            (positions(6, 0.19), positions(6, 0.2), positions(20, 0.08), positions(21, 0.0)),
            (None, None, None, None)
        );
    }

    #[test]
    fn equal_positions_and_stamps_are_no_trouble() {
        let mut window = Window::new();
        for _ in 0..20 {
            window.push(Stamp { position: 5, ns: 5 });
        }
        let line = window.line(timeline(), 0.0, 1.0, 1.0).unwrap();
        assert!(!line.is_surprise && line.late_us == 0.0 && line.sigma_us.is_finite(), "{line:?}");
    }
}
