//! When a block is due, how long it lasts, and how old the sound is that it carries. Reads no clock.

use ra_core::{FramePosition, SampleRate};

/// A monotonic time to a fraction of a nanosecond: after months, an `f64` alone would round to tenths of microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ExactNs {
    pub(crate) ns: u64,
    /// 0 to 1.
    pub(crate) fraction_ns: f64,
}

impl ExactNs {
    /// `frames` at `rate` after `origin_ns`.
    pub(crate) fn of_frames(origin_ns: u64, frames: u64, rate: SampleRate) -> Self {
        let hz = u64::from(rate.hz());
        let (whole_s, rest) = (frames / hz, frames % hz);
        let rest_ns = rest * 1_000_000_000;
        Self {
            ns: origin_ns + whole_s * 1_000_000_000 + rest_ns / hz,
            fraction_ns: (rest_ns % hz) as f64 / f64::from(rate.hz()),
        }
    }

    /// So many nanoseconds earlier; before the clock's own beginning is its beginning.
    pub(crate) fn minus_ns(self, by_ns: f64) -> Self {
        self.plus_ns(-by_ns)
    }

    /// So many nanoseconds later.
    pub(crate) fn plus_ns(self, by_ns: f64) -> Self {
        let sum = self.fraction_ns + by_ns;
        let whole = sum.floor();
        Self { ns: self.ns.saturating_add_signed(whole as i64), fraction_ns: sum - whole }
    }
}

/// A block's place in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockTime {
    pub(crate) position: FramePosition,
    /// When its first frame is due.
    pub(crate) start: ExactNs,
    /// How long it lasts by the monotonic clock: the master's own clock may run otherwise.
    pub(crate) duration_ns: f64,
    /// From capture to the mix point, at its start.
    pub(crate) latency_ns: f64,
    /// The same at its end.
    pub(crate) latency_end_ns: f64,
    /// Seconds of captured sound in a nominal second of the mix, at its end; in between, on a straight line from the last
    /// block's end. Not 1 while the latency moves or a device gives the pace.
    pub(crate) capture_rate_end: f64,
}

impl BlockTime {
    /// When the sound at the block's first frame was captured.
    pub(crate) fn capture_start(&self) -> ExactNs {
        self.start.minus_ns(self.latency_ns)
    }

    /// When the sound right behind its last frame was captured.
    pub(crate) fn capture_end(&self) -> ExactNs {
        self.start.plus_ns(self.duration_ns - self.latency_end_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_exact_to_a_fraction_of_a_nanosecond_after_months() {
        let rate = SampleRate::HZ_44100;
        let frames = 44_100 * 86_400 * 90 + 1;
        let time = ExactNs::of_frames(7, frames, rate);
        assert_eq!(time.ns, 7 + 86_400 * 90 * 1_000_000_000 + 22_675);
        assert!((time.fraction_ns - 0.736_961_451).abs() < 1e-6, "{time:?}");
    }

    #[test]
    fn sums_carry_into_whole_nanoseconds() {
        let time = ExactNs { ns: 100, fraction_ns: 0.25 };
        assert_eq!(time.plus_ns(1.5), ExactNs { ns: 101, fraction_ns: 0.75 });
        assert_eq!(time.minus_ns(0.5), ExactNs { ns: 99, fraction_ns: 0.75 });
        assert_eq!(time.minus_ns(1e9).ns, 0);
    }
}
