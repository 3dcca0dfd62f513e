//! True time in seconds that stays exact for years. Knows no clock and no rate of its own.

use ra_core::SampleRate;

/// A point in true time: whole seconds and a fraction, so that a month of running costs no precision.
///
/// A plain `f64` of seconds resolves 0.5 ns after 30 days; the phase of an 18 kHz tone would then be known to −85 dB only.
/// The fraction here resolves better than 1e-15 s anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RoomTime {
    whole_s: i64,
    frac_s: f64,
}

impl RoomTime {
    /// Time 0.
    pub const ZERO: RoomTime = RoomTime { whole_s: 0, frac_s: 0.0 };

    /// `t_s` seconds. A value that is not finite counts as 0.
    pub fn from_s(t_s: f64) -> Self {
        let t_s = if t_s.is_finite() { t_s } else { 0.0 };
        let whole = t_s.floor();
        Self { whole_s: whole as i64, frac_s: t_s - whole }
    }

    /// The time at which frame `n` stands on a perfect clock of `rate`.
    pub fn from_frame(n: u64, rate: SampleRate) -> Self {
        let hz = u64::from(rate.hz());
        Self { whole_s: (n / hz) as i64, frac_s: (n % hz) as f64 / hz as f64 }
    }

    /// `ns` nanoseconds, exactly.
    pub fn from_ns(ns: i64) -> Self {
        Self { whole_s: ns.div_euclid(1_000_000_000), frac_s: ns.rem_euclid(1_000_000_000) as f64 * 1e-9 }
    }

    /// Whole seconds, rounded towards the past.
    pub const fn whole_s(self) -> i64 {
        self.whole_s
    }

    /// The rest, in `0.0..1.0` seconds.
    pub const fn frac_s(self) -> f64 {
        self.frac_s
    }

    /// All of it as one number of seconds, rounded.
    pub fn as_s(self) -> f64 {
        self.whole_s as f64 + self.frac_s
    }

    /// Nanoseconds, rounded to the nearest.
    pub fn as_ns(self) -> i64 {
        self.whole_s * 1_000_000_000 + (self.frac_s * 1e9).round() as i64
    }

    /// The time `s` seconds later; earlier where `s` is negative.
    pub fn plus_s(self, s: f64) -> Self {
        let moved = self.frac_s + s;
        let whole = moved.floor();
        let frac_s = moved - whole;
        // A tiny negative number minus its floor can round up to a whole second.
        if frac_s < 1.0 {
            Self { whole_s: self.whole_s + whole as i64, frac_s }
        } else {
            Self { whole_s: self.whole_s + whole as i64 + 1, frac_s: 0.0 }
        }
    }

    /// The sum of two times.
    pub fn plus(self, other: RoomTime) -> Self {
        let sum = RoomTime { whole_s: self.whole_s + other.whole_s, frac_s: self.frac_s };
        sum.plus_s(other.frac_s)
    }

    /// Seconds from `earlier` to `self`. Exact where the two are near each other.
    pub fn seconds_since(self, earlier: RoomTime) -> f64 {
        (self.whole_s - earlier.whole_s) as f64 + (self.frac_s - earlier.frac_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_loses_no_precision() {
        let rate = SampleRate::HZ_44100;
        let month = 30 * 86_400 * 44_100;
        let t = RoomTime::from_frame(month + 441, rate);
        assert_eq!(t.whole_s(), 30 * 86_400);
        assert!((t.frac_s() - 0.01).abs() < 1e-17);
        let later = t.plus_s(-0.02);
        assert_eq!(later.whole_s(), 30 * 86_400 - 1);
        assert!((later.seconds_since(t) + 0.02).abs() < 1e-15);
        assert_eq!(RoomTime::from_ns(-1).as_ns(), -1);
        assert_eq!(RoomTime::from_ns(1).plus(RoomTime::from_s(0.999_999_999)), RoomTime::from_s(1.0));
        assert_eq!(RoomTime::ZERO.plus_s(-1e-30), RoomTime::ZERO);
    }
}
