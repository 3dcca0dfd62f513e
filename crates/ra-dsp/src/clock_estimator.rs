//! Where a source's clock is at a monotonic time, and how fast it goes, from stamped deliveries. Reads no clock, moves no
//! samples and steers nothing.

mod estimate;
mod noise;
mod observation;
mod place;
mod timeline;
mod track;
mod window;

use ra_core::{FramePosition, Ppm, SampleRate};

pub use observation::{EstimatorCounts, Observation};
pub use place::{SourcePosition, SourceTime};

use estimate::Estimate;
use noise::NoiseLevel;
use timeline::{Stamp, Timeline};
use window::{Line, WINDOW_DELIVERIES, Window};

/// A delivery further off than this many standard deviations is left out.
const GATE_SIGMAS: f64 = 6.0;

/// Deliveries that are left out, but agree with each other for so long, are right.
const JUMP_SPAN_S: f64 = 0.08;
const JUMP_DELIVERIES: usize = 6;
/// The same where deliveries are rare.
const JUMP_RARE_SPAN_S: f64 = 1.0;
const JUMP_RARE_DELIVERIES: usize = 3;
/// They agree with each other when they scatter at most so many times as much as ever.
const AGREEMENT: f64 = 3.0;
/// After this long nothing else helps: what there is is the truth, however it scatters.
const LOST_SPAN_S: f64 = 1.0;
const LOST_DELIVERIES: usize = 8;

/// The noise of stamps before anything is known, in us.
const JITTER_AT_FIRST_US: f64 = 1_000.0;

/// The first deliveries are looked at all together until there are enough of them for so long, in seconds.
const START_SPAN_S: f64 = 3.0;
const START_DELIVERIES: usize = 8;

/// Among the first deliveries a second look may find that the first was wrong: by more than this it is a jump, in us.
const JUMP_AT_START_US: f64 = 5_000.0;

/// A count or a time that is further away than this did not go on from the last one, in seconds: eleven days.
const APART_MAX_S: f64 = 1e6;

/// A drift is worth telling below this standard deviation, in ppm.
const DRIFT_SIGMA_MAX_PPM: f64 = 50.0;

/// Follows one source's clock.
#[derive(Clone, Debug)]
pub struct ClockEstimator {
    timeline: Timeline,
    phase: Phase,
    estimate: Estimate,
    /// As it was when the phase began: what the first deliveries are weighed against.
    before: Estimate,
    noise: NoiseLevel,
    /// At the start: all deliveries. Later: those that were left out since the last one that was not.
    window: Window,
    /// Nominal seconds since the beginning, the last break or the last jump.
    observed_s: f64,
    /// Nominal seconds from one delivery to the next.
    period_s: f64,
    counts: EstimatorCounts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come since the beginning or the last break.
    Waiting,
    /// The first deliveries: looked at all together, again and again.
    Starting,
    /// One by one.
    Following,
}

impl ClockEstimator {
    /// An estimator for a source of this nominal rate, which knows nothing yet.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn new(nominal: SampleRate) -> Self {
        Self {
            timeline: Timeline::new(nominal),
            phase: Phase::Waiting,
            estimate: Estimate::unknown(),
            before: Estimate::unknown(),
            noise: NoiseLevel::guessed(JITTER_AT_FIRST_US),
            window: Window::new(),
            observed_s: 0.0,
            period_s: 0.0,
            counts: EstimatorCounts::default(),
        }
    }

    /// Takes one delivery: `n_frames` frames from `position` on the source's own timeline, the first of which was captured
    /// at `capture_ns`, give or take an error. An empty one says nothing and is an outlier.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn observe(&mut self, position: FramePosition, n_frames: u64, capture_ns: u64) -> Observation {
        let stamp = Stamp { position: position.0, ns: capture_ns };
        let observation = match self.phase {
            _ if n_frames == 0 => Observation::Outlier,
            Phase::Waiting => self.begin(stamp),
            Phase::Starting => self.start_on(stamp),
            Phase::Following => self.follow(stamp),
        };
        match observation {
            Observation::Accepted | Observation::Locked => self.counts.accepted += 1,
            Observation::Outlier => self.counts.outliers += 1,
            Observation::Jumped { .. } => {
                self.counts.accepted += 1;
                self.counts.jumps += 1;
            }
        }
        observation
    }

    /// The next delivery comes after a break of unknown length: forgets the offset and keeps the rate, the less sure the
    /// longer the break turns out to have been.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn mark_break(&mut self) {
        self.phase = Phase::Waiting;
    }

    /// Whether a delivery has come since the beginning or the last break.
    pub fn is_locked(&self) -> bool {
        self.phase != Phase::Waiting
    }

    /// The frame of the source that was, or will be, captured at the monotonic time `time_ns + fraction_ns`, as the newest
    /// estimate has it; `None` when not locked.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn frame_at(&self, time_ns: u64, fraction_ns: f64) -> Option<SourcePosition> {
        if !self.is_locked() {
            return None;
        }
        let Estimate { anchor, slow, .. } = &self.estimate;
        let passed_us = (Timeline::ns_between(anchor.ns, time_ns) + fraction_ns) * 1e-3 - slow.late_us;
        let nominal_s = passed_us * 1e-6 / (1.0 + slow.slow_ppm * 1e-6);
        let frames = nominal_s * self.timeline.hz();
        let whole = frames.floor();
        Some(SourcePosition { frame: (anchor.position as i64).wrapping_add(whole as i64), fraction: frames - whole })
    }

    /// When the frame at `position` was, or will be, captured, as the newest estimate has it; `None` when not locked.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn time_of(&self, position: FramePosition) -> Option<SourceTime> {
        if !self.is_locked() {
            return None;
        }
        let Estimate { anchor, slow, .. } = &self.estimate;
        let (whole_ns, rest_ns) = self.timeline.nominal_ns(anchor.position, position.0);
        let nominal_s = self.timeline.nominal_s(anchor.position, position.0);
        let more_ns = rest_ns + (slow.late_us + nominal_s * slow.slow_ppm) * 1e3;
        let whole_more_ns = more_ns.floor();
        let ns = (anchor.ns as i64).wrapping_add(whole_ns).wrapping_add(whole_more_ns as i64);
        Some(SourceTime { ns, fraction_ns: more_ns - whole_more_ns })
    }

    /// Source frames per nominal frame of the master's time: 1 + drift. 1.0 when unknown.
    pub fn rate_factor(&self) -> f64 {
        1.0 / (1.0 + self.estimate.slow.slow_ppm * 1e-6)
    }

    /// Whether [`Self::rate_factor`] is worth following: its standard deviation is below 50 ppm.
    pub fn is_rate_known(&self) -> bool {
        self.estimate.slow.var.ss < DRIFT_SIGMA_MAX_PPM * DRIFT_SIGMA_MAX_PPM
    }

    /// The source's drift over the last minute or so, once its standard deviation is below 50 ppm. [`Self::rate_factor`] is
    /// what it seems to be at this moment, which is the better one to steer by.
    pub fn drift(&self) -> Option<Ppm> {
        let steady = &self.estimate.steady;
        let is_telling = steady.var.ss < DRIFT_SIGMA_MAX_PPM * DRIFT_SIGMA_MAX_PPM;
        is_telling.then(|| Ppm((1.0 / (1.0 + steady.slow_ppm * 1e-6) - 1.0) * 1e6))
    }

    /// The standard deviation of the estimated place, in us: the estimator's own opinion.
    pub fn offset_sigma_us(&self) -> f64 {
        self.estimate.slow.var.ll.sqrt()
    }

    /// The standard deviation of the stamps' errors, outliers apart, in us.
    pub fn jitter_sigma_us(&self) -> f64 {
        self.noise.sigma_us()
    }

    /// How many deliveries were what, since the beginning.
    pub fn counts(&self) -> EstimatorCounts {
        self.counts
    }

    /// How much source time the estimate rests on, in seconds: what was observed since the beginning, the last break or the
    /// last jump, and no more than what the estimate remembers, which shrinks at once when the clock does something new.
    pub fn age_s(&self) -> f64 {
        // A line through so much time of noisy stamps has the rate's variance 12 r / t^3, r being the noise times the
        // period: least squares, by hand.
        let memory_s = (12.0 * self.noise.variance_us2() * self.period_s / self.estimate.slow.var.ss).cbrt();
        if memory_s > 0.0 { self.observed_s.min(memory_s) } else { self.observed_s }
    }

    fn begin(&mut self, stamp: Stamp) -> Observation {
        if self.counts.accepted > 0 {
            self.estimate.loosen((Timeline::ns_between(self.estimate.anchor.ns, stamp.ns) * 1e-9).max(0.0));
        }
        self.before = self.estimate;
        self.estimate = self.before.moved_to(stamp, self.noise.variance_us2());
        self.estimate.doubt();
        self.observed_s = 0.0;
        self.window.clear();
        self.window.push(stamp);
        self.phase = Phase::Starting;
        Observation::Locked
    }

    /// One of the first deliveries.
    fn start_on(&mut self, stamp: Stamp) -> Observation {
        self.window.push(stamp);
        let mut observation = self.take(stamp).unwrap_or(Observation::Outlier);
        let n = self.window.stamps().len();
        if self.window.is_worth_a_look()
            && let Some(jumped) = self.look_again(stamp, n)
        {
            observation = jumped;
        }
        let (span_s, _) = self.window.span_s(self.timeline);
        if n >= WINDOW_DELIVERIES || (n >= START_DELIVERIES && span_s >= START_SPAN_S) {
            self.window.clear();
            self.phase = Phase::Following;
        }
        observation
    }

    /// Begins anew from the window's `n` deliveries, now that there are more of them. A jump where that changes much.
    fn look_again(&mut self, newest: Stamp, n: usize) -> Option<Observation> {
        let line = self.line(&self.window, &self.before).filter(|line| line.is_straight)?;
        let (first, again) = self.window.replay(self.timeline, &line, &self.before, self.noise_us2(&line))?;
        // Both have a say on when the newest delivery should have come.
        let by_us = self.estimate.surprise_us(self.timeline, newest) - again.surprise_us(self.timeline, newest);
        self.estimate = again;
        if n >= START_DELIVERIES && !self.noise.is_certain() {
            self.noise = NoiseLevel::told(line.sigma_us, n);
        }
        let is_jump = n >= JUMP_DELIVERIES && by_us.abs() > JUMP_AT_START_US.max(GATE_SIGMAS * line.sigma_us);
        is_jump.then_some(Observation::Jumped { from_position: FramePosition(first.position), by_s: by_us * 1e-6 })
    }

    fn follow(&mut self, stamp: Stamp) -> Observation {
        if let Some(observation) = self.take(stamp) {
            self.window.clear();
            return observation;
        }
        if !self.window.may_go_on(self.timeline, stamp) {
            self.window.clear();
        }
        if self.window.push(stamp)
            && let Some(observation) = self.reacquire()
        {
            return observation;
        }
        Observation::Outlier
    }

    /// Takes a delivery in, unless it is too far off.
    fn take(&mut self, stamp: Stamp) -> Option<Observation> {
        let dt_s = self.timeline.nominal_s(self.estimate.anchor.position, stamp.position);
        let passed_s = Timeline::ns_between(self.estimate.anchor.ns, stamp.ns) * 1e-9;
        if dt_s.abs().max(passed_s.abs()) > APART_MAX_S {
            return None;
        }
        let mut ahead = self.estimate;
        ahead.advance_to(self.timeline, stamp.position);
        let surprise_us = ahead.surprise_us(self.timeline, stamp);
        let own_us2 = ahead.slow.var.ll;
        let total_us2 = own_us2 + self.noise.variance_us2();
        if surprise_us * surprise_us > GATE_SIGMAS * GATE_SIGMAS * total_us2 {
            self.noise.observe_outlier(surprise_us, own_us2);
            return None;
        }
        ahead.take(surprise_us, self.noise.variance_us2());
        if !ahead.is_plausible() {
            return None;
        }
        self.noise.observe(surprise_us, own_us2);
        if ahead.settle_dispute() {
            self.counts.rate_steps += 1;
        }
        if dt_s > 0.0 {
            self.observed_s += dt_s;
            self.period_s += (dt_s - self.period_s) * if self.period_s == 0.0 { 1.0 } else { 0.02 };
        }
        self.estimate = ahead;
        self.estimate.settle_drift();
        Some(Observation::Accepted)
    }

    /// The noise by which to weigh what lies on `line`.
    fn noise_us2(&self, line: &Line) -> f64 {
        if self.noise.is_certain() { self.noise.variance_us2() } else { line.sigma_us * line.sigma_us }
    }

    /// The line through a window's deliveries, expecting the rate of `expected`.
    fn line(&self, window: &Window, expected: &Estimate) -> Option<Line> {
        let Estimate { slow, .. } = expected;
        window.line(self.timeline, slow.slow_ppm, slow.var.ss, self.noise.sigma_us())
    }

    /// Looks whether the deliveries that were left out agree with each other, and goes on from them if they do: most of them, or
    /// all of the newest. Behind a pause a backlog comes first, stamped as it pleases, and agrees with nothing.
    fn reacquire(&mut self) -> Option<Observation> {
        // Of many, every fourth is soon enough.
        let n = self.window.stamps().len();
        if n > 16 && !n.is_multiple_of(4) {
            return None;
        }
        self.go_on_from(&self.window.clone()).or_else(|| {
            let newest = self.window.newest(self.timeline, JUMP_DELIVERIES, JUMP_SPAN_S)?;
            let (span_s, stamped_s) = newest.span_s(self.timeline);
            let line = self.line(&newest, &self.estimate)?;
            let is_agreed = line.sigma_us <= AGREEMENT * self.noise.sigma_us()
                && line.n_inliers == newest.stamps().len()
                && line.is_straight
                && (0.5 * span_s..2.0 * span_s).contains(&stamped_s);
            if !is_agreed {
                return None;
            }
            self.go_on_from(&newest)
        })
    }

    /// Goes on from deliveries that were left out, if they agree with each other.
    fn go_on_from(&mut self, window: &Window) -> Option<Observation> {
        let first = *window.stamps().first()?;
        let n = window.stamps().len();
        let (span_s, stamped_s) = window.span_s(self.timeline);
        let is_enough = (n >= JUMP_DELIVERIES && span_s >= JUMP_SPAN_S)
            || (n >= JUMP_RARE_DELIVERIES && span_s >= JUMP_RARE_SPAN_S);
        if !is_enough {
            return None;
        }
        let line = self.line(window, &self.estimate)?;
        let is_agreed = line.sigma_us <= AGREEMENT * self.noise.sigma_us() && 3 * line.n_inliers >= 2 * n;
        let is_lost = n >= LOST_DELIVERIES && span_s >= LOST_SPAN_S && stamped_s >= LOST_SPAN_S;
        if !is_agreed && !is_lost {
            return None;
        }
        let by_us = self.estimate.surprise_us(self.timeline, first) + line.late_us;
        let is_other_noise = !is_agreed || (n >= START_DELIVERIES && AGREEMENT * line.sigma_us < self.noise.sigma_us());
        let told = NoiseLevel::told(line.sigma_us, n);
        if !is_agreed && !line.is_surprise && by_us.abs() < GATE_SIGMAS * line.sigma_us / (n as f64).sqrt() {
            // Only the noise has grown: the estimate is as good as ever, and the deliveries scatter about it.
            self.noise = told;
            self.window.clear();
            return None;
        }
        let mut before = self.estimate;
        before.loosen(by_us.abs() * 1e-6 + span_s);
        let noise_us2 = if is_other_noise { told.variance_us2() } else { self.noise_us2(&line) };
        let (first, estimate) = window.replay(self.timeline, &line, &before, noise_us2)?;
        self.estimate = estimate;
        self.estimate.doubt();
        if is_other_noise {
            self.noise = told;
        }
        if line.is_surprise {
            self.counts.rate_steps += 1;
        }
        self.observed_s = span_s;
        self.window.clear();
        Some(Observation::Jumped { from_position: FramePosition(first.position), by_s: by_us * 1e-6 })
    }
}
