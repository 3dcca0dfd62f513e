//! An exponential sweep, and where it is played. Pure: a function of time, so that any rate can sample it.
//!
//! A. Farina, "Simultaneous measurement of impulse response and distortion with a swept-sine technique", AES 108 (2000):
//! `x(t) = sin(2π f₁ L (exp(t/L) − 1))` with `L = T / ln(f₂/f₁)` runs from f₁ to f₂ in T.

use std::f64::consts::{PI, TAU};

/// Low enough to be inside every loudspeaker's and headset's band, and short enough that no wave is cut off.
const FROM_HZ: f64 = 100.0;
/// Where it ends, as a part of the lower sample rate: what lies above is filtered by converters.
const TO_PART: f64 = 0.42;
/// How long it takes, in seconds.
const LENGTH_S: f64 = 0.5;
/// Faded in and out for so long, in seconds.
const FADE_S: f64 = 0.005;
/// −20 dBFS: well above any noise, and no fright.
const AMPLITUDE: f64 = 0.1;

/// An exponential sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sweep {
    to_hz: f64,
}

impl Sweep {
    /// One that both rates can carry.
    pub(super) fn for_rates(a_hz: f64, b_hz: f64) -> Self {
        Self { to_hz: TO_PART * a_hz.min(b_hz) }
    }

    /// Its lowest and highest frequency, in hertz.
    pub(super) fn band_hz(self) -> (f64, f64) {
        (FROM_HZ, self.to_hz)
    }

    /// Its value so long after its beginning; 0 outside.
    pub(super) fn at(self, seconds: f64) -> f64 {
        if !(0.0..LENGTH_S).contains(&seconds) {
            return 0.0;
        }
        let growth_s = LENGTH_S / (self.to_hz / FROM_HZ).ln();
        let phase = TAU * FROM_HZ * growth_s * ((seconds / growth_s).exp() - 1.0);
        let to_edge = seconds.min(LENGTH_S - seconds);
        let fade = if to_edge < FADE_S { 0.5 - 0.5 * (PI * to_edge / FADE_S).cos() } else { 1.0 };
        AMPLITUDE * fade * phase.sin()
    }

    /// Its samples at a rate.
    pub(super) fn samples(self, rate_hz: f64) -> Vec<f64> {
        let n = (LENGTH_S * rate_hz).ceil() as usize;
        (0..n).map(|i| self.at(i as f64 / rate_hz)).collect()
    }
}

/// When sweeps are played: one a second, the first after a second, the last so early that it can still be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Score {
    pub(super) first_frames: u64,
    pub(super) spacing_frames: u64,
    pub(super) n: u64,
}

/// What is left for the last sweep to arrive, in seconds.
const TAIL_S: f64 = 1.0;
/// Before the first sweep, in seconds: servers fill their buffers.
const LEAD_S: f64 = 1.0;
/// From one sweep to the next, in seconds.
const SPACING_S: f64 = 1.0;

/// The shortest test in which one sweep can be played and heard, in seconds.
pub(super) const SHORTEST_S: f64 = LEAD_S + LENGTH_S + TAIL_S;

impl Score {
    /// For a test of this length; with no sweep if it is too short.
    pub(super) fn for_test(seconds: f64, rate_hz: f64) -> Self {
        let room_s = seconds - SHORTEST_S;
        let n = if room_s < 0.0 { 0 } else { (room_s / SPACING_S).floor() as u64 + 1 };
        let frames = |s: f64| (s * rate_hz).round() as u64;
        Self { first_frames: frames(LEAD_S), spacing_frames: frames(SPACING_S), n }
    }

    /// At which frames the sweeps begin.
    pub(super) fn starts(self) -> impl Iterator<Item = u64> {
        (0..self.n).map(move |i| self.first_frames + i * self.spacing_frames)
    }

    /// How many frames of the stretch that begins with a sweep lie before this frame of the stream; `None` before the
    /// first and behind the last stretch.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub(super) fn frame_of_sweep(self, frame: u64) -> Option<u64> {
        let since_first = frame.checked_sub(self.first_frames)?;
        (since_first / self.spacing_frames < self.n).then(|| since_first % self.spacing_frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_as_loud_as_it_says_and_begins_and_ends_in_silence() {
        let sweep = Sweep::for_rates(48_000.0, 50_000.0);
        assert_eq!(sweep.band_hz(), (100.0, 0.42 * 48_000.0));
        let samples = sweep.samples(48_000.0);
        assert_eq!(samples.len(), 24_000);
        let peak = samples.iter().fold(0.0, |peak: f64, x| peak.max(x.abs()));
        assert!((0.099..=0.1).contains(&peak), "{peak}");
        assert!(samples[0].abs() < 1e-9 && samples[23_999].abs() < 1e-4);
        assert_eq!((sweep.at(-0.1), sweep.at(0.6)), (0.0, 0.0));
    }

    #[test]
    fn five_seconds_hold_three_sweeps() {
        let score = Score::for_test(5.0, 48_000.0);
        assert_eq!(score.starts().collect::<Vec<_>>(), [48_000, 96_000, 144_000]);
        assert_eq!((score.frame_of_sweep(47_999), score.frame_of_sweep(48_000)), (None, Some(0)));
        assert_eq!((score.frame_of_sweep(96_007), score.frame_of_sweep(192_000)), (Some(7), None));
        assert_eq!(Score::for_test(2.4, 48_000.0).n, 0);
        assert_eq!(Score::for_test(2.5, 48_000.0).n, 1);
    }
}
