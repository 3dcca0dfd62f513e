//! How fast a bus is to be read so that the device behind it always finds as much sound as it should. Pure: sees stamps,
//! arrivals and levels, and gives a rate. Moves no sound and reads no clock.
//!
//! What is held is the delay from a frame's arrival to its sounding, which both clocks' estimates tell to microseconds;
//! where it has to be held is told by the level of the ring when the device asks, on average over a while.

use ra_core::{FramePosition, PeriodStamp, Ppm, SampleRate};
use ra_dsp::{ClockEstimator, Observation, RateSteering, SourcePosition};
use rtrb::Consumer;

use super::{bus_clock::BusClock, shared::Shared};

/// How long both clocks are watched at least before they are followed, in seconds: until their rates are known, but no
/// longer than the second number. The cushion bears what they differ by meanwhile.
const WATCHED_S: f64 = 2.0;
const WATCHED_AT_MOST_S: f64 = 10.0;
/// Estimates count as at least so old, in seconds: nothing depends on being in place at once, and a young or a restless
/// estimate is better followed calmly.
const CALM_S: f64 = 60.0;
/// The level is judged by its mean over so long, in seconds, and over so many periods.
const WINDOW_S: f64 = 2.0;
const WINDOW_PERIODS: u64 = 4;
/// So many windows are a first judgement; from then on a new one weighs as one of so many.
const FIRST_WINDOWS: u32 = 5;
/// The delay stays where it is while the level is no further off than this part of the cushion, and than this many seconds:
/// by how much sound comes at a time, and when, the level comes and goes without anything being wrong.
const TOLERATED_PART: f64 = 0.25;
const TOLERATED_S: f64 = 5e-3;
/// How fast the delay is moved to where the level wants it, in seconds per second: the pitch of a fifth of a cent.
const MOVE_MAX: f64 = 100e-6;

/// Steers what one opened device is fed with.
pub(super) struct Steering {
    device_hz: f64,
    bus_hz: f64,
    chunk_s: f64,
    device: ClockEstimator,
    stamps: Consumer<PeriodStamp>,
    steering: RateSteering,
    rate: f64,
    /// The bus's rate in terms of the device's, as it was known last.
    rate_factor: f64,
    /// Since the run began, in seconds of the device.
    run_s: f64,
    /// The run of the player that all this is about.
    run: Option<u64>,
    /// The delay that is to be held, in seconds; `None`: not followed yet.
    hold_s: Option<f64>,
    /// Where that is going.
    goal_s: f64,
    /// What the level is more than the delay, in seconds: all that lies between the two.
    bias_s: Option<f64>,
    n_windows: u32,
    window: Window,
    delay_s: Option<f64>,
    level_frames: Option<f64>,
}

/// Sums of what was seen since the last judgement.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    level_sum: u64,
    n_levels: u64,
    delay_sum_s: f64,
    n_delays: u64,
}

impl Steering {
    /// For chunks of `chunk_frames`, of the device.
    pub(super) fn new(bus: SampleRate, device: SampleRate, chunk_frames: usize, stamps: Consumer<PeriodStamp>) -> Self {
        let device_hz = f64::from(device.hz());
        let chunk_s = chunk_frames as f64 / device_hz;
        Self {
            device_hz,
            bus_hz: f64::from(bus.hz()),
            chunk_s,
            device: ClockEstimator::new(device),
            stamps,
            steering: RateSteering::new(chunk_s),
            rate: 1.0,
            rate_factor: 1.0,
            run_s: 0.0,
            run: None,
            hold_s: None,
            goal_s: 0.0,
            bias_s: None,
            n_windows: 0,
            window: Window::default(),
            delay_s: None,
            level_frames: None,
        }
    }

    /// The bus's frames come `by_s` seconds later than was thought.
    pub(super) fn bus_jumped(&mut self, by_s: f64) {
        self.shift(-by_s);
    }

    /// The rate of the next chunk, which begins with what stands at `place` on the bus and becomes frame `next_frame` of the
    /// ring.
    pub(super) fn next_rate(&mut self, place: SourcePosition, next_frame: u64, bus: &BusClock, shared: &Shared) -> f64 {
        self.poll_stamps();
        let Some(run) = shared.run() else {
            self.run = None;
            return self.rate;
        };
        if self.run != Some(run) {
            self.run = Some(run);
            self.hold_s = None;
            self.run_s = 0.0;
            self.judge_anew(shared);
        }
        self.run_s += self.chunk_s;
        let bus = bus.estimator();
        let sounding = self.device.time_of(FramePosition(shared.shift_frames().wrapping_add(next_frame)));
        let arrived = u64::try_from(place.frame).ok().and_then(|frame| bus.time_of(FramePosition(frame)));
        let (Some(sounding), Some(arrived)) = (sounding, arrived) else { return self.rate };
        let whole_s = (sounding.ns.wrapping_sub(arrived.ns)) as f64 * 1e-9;
        let delay_s = whole_s + (sounding.fraction_ns - arrived.fraction_ns) * 1e-9 - place.fraction / self.bus_hz;
        self.delay_s = Some(delay_s);
        self.window.delay_sum_s += delay_s;
        self.window.n_delays += 1;
        let is_known = bus.is_rate_known() && self.device.is_rate_known();
        if is_known {
            self.rate_factor = bus.rate_factor() / self.device.rate_factor();
        }
        if self.hold_s.is_none() {
            if self.run_s < if is_known { WATCHED_S } else { WATCHED_AT_MOST_S } {
                return self.rate;
            }
            self.steering.start(self.rate);
            (self.hold_s, self.goal_s) = (Some(delay_s), delay_s);
        }
        self.judge_level(shared);
        let before_s = self.hold_s.unwrap_or(delay_s);
        let most_s = MOVE_MAX * self.chunk_s;
        let hold_s = before_s + (self.goal_s - before_s).clamp(-most_s, most_s);
        self.hold_s = Some(hold_s);
        let error_s = delay_s - hold_s;
        let age_s = bus.age_s().min(self.device.age_s()).max(CALM_S);
        self.rate = self.steering.next(error_s, self.rate_factor, age_s);
        self.rate
    }

    /// The rate of a chunk that will not be heard: as it was.
    pub(super) fn same_rate(&mut self, shared: &Shared) -> f64 {
        self.poll_stamps();
        // What was dropped has moved everything: the delay is taken anew from what follows.
        self.hold_s = None;
        self.judge_anew(shared);
        self.rate
    }

    /// Sees what the device has asked for.
    fn poll_stamps(&mut self) {
        for _ in 0..self.stamps.slots() {
            let Ok(stamp) = self.stamps.pop() else { return };
            if let Observation::Jumped { by_s, .. } =
                self.device.observe(stamp.position, stamp.n_frames, stamp.capture_ns)
            {
                self.shift(by_s);
            }
        }
    }

    /// All delays are `by_s` longer from now on, without anything having moved in the ring.
    fn shift(&mut self, by_s: f64) {
        self.hold_s = self.hold_s.map(|hold_s| hold_s + by_s);
        self.goal_s += by_s;
        self.bias_s = self.bias_s.map(|bias_s| bias_s - by_s);
        self.window.n_delays = 0;
        self.window.delay_sum_s = 0.0;
    }

    /// What was learnt from levels counts no more.
    fn judge_anew(&mut self, shared: &Shared) {
        (self.bias_s, self.n_windows) = (None, 0);
        self.begin_window(shared);
    }

    fn begin_window(&mut self, shared: &Shared) {
        let (level_sum, n_levels) = shared.levels();
        self.window = Window { level_sum, n_levels, ..Window::default() };
    }

    /// Learns from the level where the delay has to be held.
    fn judge_level(&mut self, shared: &Shared) {
        let (level_sum, n_levels) = shared.levels();
        let n_new = n_levels.wrapping_sub(self.window.n_levels);
        let n_delays = self.window.n_delays as f64;
        if n_new < WINDOW_PERIODS || n_delays * self.chunk_s < WINDOW_S {
            return;
        }
        let level_frames = level_sum.wrapping_sub(self.window.level_sum) as f64 / n_new as f64;
        let now_s = level_frames / self.device_hz - self.window.delay_sum_s / n_delays;
        self.n_windows = self.n_windows.saturating_add(1);
        let weight = 1.0 / f64::from(self.n_windows.min(FIRST_WINDOWS));
        let bias_s = self.bias_s.map_or(now_s, |bias_s| bias_s + weight * (now_s - bias_s));
        self.bias_s = Some(bias_s);
        self.level_frames = Some(level_frames);
        let wanted_s = shared.target_frames() as f64 / self.device_hz - bias_s;
        let tolerated_s = (TOLERATED_PART * shared.cushion_frames() as f64 / self.device_hz).max(TOLERATED_S);
        if self.n_windows == FIRST_WINDOWS || (wanted_s - self.goal_s).abs() > tolerated_s {
            self.goal_s = wanted_s;
        }
        // So far off that there is no time for niceties.
        let cushion_s = shared.cushion_frames() as f64 / self.device_hz;
        if self.hold_s.is_some_and(|hold_s| (wanted_s - hold_s).abs() > cushion_s) {
            self.hold_s = Some(wanted_s);
        }
        self.begin_window(shared);
    }

    /// The rate that the last chunk ended with.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// The device's drift against the monotonic clock, once it is known.
    pub(super) fn drift_ppm(&self) -> Option<f64> {
        self.device.drift().map(|Ppm(ppm)| ppm)
    }

    /// From a frame's arrival to its sounding, in milliseconds.
    pub(super) fn latency_ms(&self) -> Option<f64> {
        self.delay_s.filter(|_| self.run.is_some()).map(|delay_s| delay_s * 1e3)
    }

    /// What the ring held when the device asked, on average over the last seconds, in frames of the device.
    pub(super) fn level_frames(&self) -> Option<f64> {
        self.level_frames.filter(|_| self.run.is_some())
    }
}
