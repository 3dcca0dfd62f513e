//! A clock that is wrong in a known way: the rate of a simulated device. Reads no time itself.

use std::f64::consts::{PI, TAU};

use ra_core::{SampleRate, SourceError};

use crate::RoomTime;

/// How far a simulated device's clock may be off, in ppm, all terms together.
const MAX_TOTAL_PPM: f64 = 100_000.0;

/// A device clock as a function of true time `t` in seconds: it runs at
/// `1 + (ppm + thermal_ppm * sin(2πt / thermal_period_s) + [t >= step_at_s] * step_ppm) * 1e-6` of its nominal rate.
///
/// # Examples
/// ```
/// use ra_core::SampleRate;
/// use ra_sources::ClockModel;
/// let clock = ClockModel { ppm: 100.0, ..ClockModel::PERFECT };
/// assert!((clock.frames_at(10.0, SampleRate::HZ_48000) - 480_048.0).abs() < 1e-6);
/// assert!((clock.time_of_frame(480_048, SampleRate::HZ_48000) - 10.0).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockModel {
    /// Constant deviation, ppm; positive runs fast. Default 0.
    pub ppm: f64,
    /// Amplitude of a slow sinusoidal deviation, ppm. Default 0.
    pub thermal_ppm: f64,
    /// Period of that sinusoid, seconds. Default 600.
    pub thermal_period_s: f64,
    /// A deviation that is added from `step_at_s` on, ppm. Default 0.
    pub step_ppm: f64,
    /// When the step happens, seconds of true time. Default 0.
    pub step_at_s: f64,
}

impl Default for ClockModel {
    fn default() -> Self {
        Self::PERFECT
    }
}

impl ClockModel {
    /// The clock that is never wrong.
    pub const PERFECT: ClockModel =
        ClockModel { ppm: 0.0, thermal_ppm: 0.0, thermal_period_s: 600.0, step_ppm: 0.0, step_at_s: 0.0 };

    /// Checks that every term is finite, that the period is at least 0.1 s, and that the terms together stay within
    /// ±100 000 ppm.
    ///
    /// # Errors
    /// [`SourceError::Setting`] names the term.
    pub fn check(&self) -> Result<(), SourceError> {
        let fault = |what: &str, message: String| Err(SourceError::Setting { what: format!("clock.{what}"), message });
        for (what, value) in [
            ("ppm", self.ppm),
            ("thermal_ppm", self.thermal_ppm),
            ("thermal_period_s", self.thermal_period_s),
            ("step_ppm", self.step_ppm),
            ("step_at_s", self.step_at_s),
        ] {
            if !value.is_finite() {
                return fault(what, format!("{value}, expected a finite number"));
            }
        }
        if self.thermal_period_s < 0.1 {
            return fault("thermal_period_s", format!("{} s, expected at least 0.1 s", self.thermal_period_s));
        }
        let total_ppm = self.ppm.abs() + self.thermal_ppm.abs() + self.step_ppm.abs();
        if total_ppm > MAX_TOTAL_PPM {
            return fault("ppm", format!("{total_ppm} ppm in all, expected at most {MAX_TOTAL_PPM} ppm"));
        }
        Ok(())
    }

    /// The rate at true time `t_s`, as a factor of the nominal rate.
    pub fn rate_factor(&self, t_s: f64) -> f64 {
        1.0 + self.deviation(t_s)
    }

    /// Frames that the clock counts from true time 0 to `t_s`; the exact integral of [`rate_factor`](Self::rate_factor).
    pub fn frames_at(&self, t_s: f64, nominal: SampleRate) -> f64 {
        (t_s + self.gained_s(t_s)) * f64::from(nominal.hz())
    }

    /// The true time, in seconds, at which the clock has counted `n` frames since true time 0; the inverse of
    /// [`frames_at`](Self::frames_at).
    pub fn time_of_frame(&self, n: u64, nominal: SampleRate) -> f64 {
        self.frame_time(n, nominal, RoomTime::ZERO).as_s()
    }

    /// As [`time_of_frame`](Self::time_of_frame), for a device that was opened at `opened` and counts from there.
    pub fn frame_time(&self, n: u64, nominal: SampleRate, opened: RoomTime) -> RoomTime {
        // What the device's own clock shows when frame n comes: its reading at the opening, and n nominal frames.
        let reading = opened.plus(RoomTime::from_frame(n, nominal)).plus_s(self.gained_s(opened.as_s()));
        reading.plus_s(-self.correction_s(reading.as_s()))
    }

    /// The largest |second derivative| of the clock's reading, per second: how fast its rate can wander, the step apart.
    pub(crate) fn wander_per_s(&self) -> f64 {
        self.thermal_ppm.abs() * 1e-6 * TAU / self.thermal_period_s
    }

    /// Whether the rate jumps between two true times.
    #[cfg(feature = "mock")]
    pub(crate) fn steps_between(&self, from_s: f64, to_s: f64) -> bool {
        self.step_ppm != 0.0 && from_s < self.step_at_s && self.step_at_s < to_s
    }

    /// Seconds by which the clock's reading is ahead of true time at true time `t_s`.
    fn gained_s(&self, t_s: f64) -> f64 {
        self.gained_and_deviation(t_s).0
    }

    /// How far the rate at true time `t_s` is off, as a part of the nominal rate.
    fn deviation(&self, t_s: f64) -> f64 {
        self.gained_and_deviation(t_s).1
    }

    /// [`gained_s`](Self::gained_s) and [`deviation`](Self::deviation), for the price of one: a simulation asks for them
    /// thousands of times a second.
    fn gained_and_deviation(&self, t_s: f64) -> (f64, f64) {
        let (mut thermal_s, mut thermal_ppm) = (0.0, 0.0);
        if self.thermal_ppm != 0.0 {
            // ∫ sin(2πu/T) du from 0 to t = (T/π) sin²(πt/T): this form keeps small values exact.
            let (sin, cos) = (PI * t_s / self.thermal_period_s).sin_cos();
            thermal_s = self.thermal_ppm * (self.thermal_period_s / PI) * sin * sin;
            thermal_ppm = self.thermal_ppm * (2.0 * sin * cos);
        }
        // The step is counted from the later of its time and 0, so that every clock reads 0 at time 0.
        let stepped_s = (t_s - self.step_at_s.max(0.0)).max(0.0);
        let step_ppm = if t_s >= self.step_at_s { self.step_ppm } else { 0.0 };
        let gained_s = (self.ppm * t_s + thermal_s + self.step_ppm * stepped_s) * 1e-6;
        (gained_s, (self.ppm + thermal_ppm + step_ppm) * 1e-6)
    }

    /// What to take off a reading to get true time: the root of `c = gained(reading - c)`, by Newton's method.
    ///
    /// Solving for the small difference and not for the time keeps it exact to well under 1 ns after years. The function
    /// is increasing and at most kinked once, so that a few steps are enough; the bound is for safety.
    fn correction_s(&self, reading_s: f64) -> f64 {
        let mut c = 0.0;
        for _ in 0..16 {
            let (gained_s, deviation) = self.gained_and_deviation(reading_s - c);
            let step = (c - gained_s) / (1.0 + deviation);
            c -= step;
            // What Newton's method leaves is half the curvature times the step's square, where there is no kink.
            let is_exact = self.step_ppm == 0.0 && self.wander_per_s() * step * step <= 1e-17;
            if is_exact || step.abs() <= 1e-16 * (1.0 + c.abs()) {
                break;
            }
        }
        c
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WILD: ClockModel =
        ClockModel { ppm: -150.0, thermal_ppm: 20.0, thermal_period_s: 600.0, step_ppm: 100.0, step_at_s: 3_600.0 };

    #[test]
    fn the_inverse_is_exact_over_days() {
        let rate = SampleRate::HZ_48000;
        for t_s in [0.0, 0.1, 599.0, 3_599.999_999, 3_600.0, 3_600.000_1, 86_400.0, 30.0 * 86_400.0] {
            let n = WILD.frames_at(t_s, rate).round() as u64;
            let back = WILD.frames_at(WILD.time_of_frame(n, rate), rate);
            // 1 ns is 4.8e-5 frames; frames_at itself rounds to 1.5e-5 at 1.2e11 frames.
            assert!((back - n as f64).abs() < 4.8e-5, "{t_s} s: {back} against {n}");
        }
    }

    #[test]
    fn the_integral_agrees_with_the_rate() {
        let rate = SampleRate::HZ_48000;
        let mut sum = 0.0;
        let steps = 400_000;
        let dt = 4_000.0 / f64::from(steps);
        for i in 0..steps {
            sum += WILD.rate_factor((f64::from(i) + 0.5) * dt) * dt * 48_000.0;
        }
        assert!((sum - WILD.frames_at(4_000.0, rate)).abs() < 1e-3, "{sum}");
    }

    #[test]
    fn frames_are_evenly_spaced_to_a_picosecond_after_a_month() {
        let rate = SampleRate::HZ_48000;
        let clock = ClockModel { ppm: 200.0, ..WILD };
        let start = 30 * 86_400 * 48_000;
        let mut last = clock.frame_time(start, rate, RoomTime::ZERO);
        let step_s = 1.0 / 48_000.0 / clock.rate_factor(last.as_s());
        for n in start + 1..start + 1000 {
            let t = clock.frame_time(n, rate, RoomTime::ZERO);
            assert!((t.seconds_since(last) - step_s).abs() < 2e-12);
            last = t;
        }
    }

    #[test]
    fn a_device_opened_later_runs_on_the_same_clock() {
        let rate = SampleRate::HZ_48000;
        let opened = RoomTime::from_s(5_000.0);
        assert!(WILD.frame_time(0, rate, opened).seconds_since(opened).abs() < 1e-14);
        let t = WILD.frame_time(48_000_000, rate, opened);
        let counted = WILD.frames_at(t.as_s(), rate) - WILD.frames_at(5_000.0, rate);
        assert!((counted - 48_000_000.0).abs() < 1e-5, "{counted}");
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (clock, what) in [
            (ClockModel { ppm: f64::NAN, ..ClockModel::PERFECT }, "clock.ppm"),
            (ClockModel { thermal_period_s: 0.0, ..ClockModel::PERFECT }, "clock.thermal_period_s"),
            (ClockModel { ppm: 2e5, ..ClockModel::PERFECT }, "100000 ppm"),
        ] {
            let message = clock.check().unwrap_err().to_string();
            assert!(message.contains(what), "{message}");
        }
        assert!(WILD.check().is_ok());
    }
}
