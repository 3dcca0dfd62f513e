//! From a backend's stream instants to monotonic nanoseconds. Pure: the time is a parameter.
//!
//! cpal's instants have an origin per stream, so only their difference within one callback is used, and it is paired
//! with a reading of the monotonic clock in that callback. Backends have been seen to stamp the future (JACK after a
//! stop: up to 1.38 s), to stamp capture and callback alike (PipeWire), and to give nothing.

/// A latency that no working device has, on top of the period itself.
const ABSURD_NS: u64 = 1_000_000_000;

/// A monotonic time, and whether the backend's own stamp was good enough to make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Monotonic nanoseconds.
    pub(crate) ns: u64,
    /// False where the stamp is a guess: the period's length from now.
    pub(crate) trusted: bool,
}

/// When the first frame of a period that lasts `period_ns` was captured. `age_ns` is what the backend says of its age
/// (callback − capture); `None` for a stamp in the future.
///
/// # Real-time safety
/// Wait-free, no allocation.
pub(crate) fn capture(now_ns: u64, age_ns: Option<u64>, period_ns: u64) -> Stamp {
    let (distance_ns, trusted) = judge(age_ns, period_ns);
    // The first frame can't be younger than the period is long, whatever the stamp says.
    Stamp { ns: now_ns.saturating_sub(distance_ns.max(period_ns)), trusted }
}

/// When the first frame of a period that lasts `period_ns` will be heard. `ahead_ns` is what the backend says of it
/// (playback − callback); `None` for a stamp in the past.
///
/// # Real-time safety
/// Wait-free, no allocation.
pub(crate) fn playback(now_ns: u64, ahead_ns: Option<u64>, period_ns: u64) -> Stamp {
    let (distance_ns, trusted) = judge(ahead_ns, period_ns);
    Stamp { ns: now_ns.saturating_add(distance_ns), trusted }
}

fn judge(distance_ns: Option<u64>, period_ns: u64) -> (u64, bool) {
    match distance_ns {
        Some(ns) if ns <= ABSURD_NS.saturating_add(period_ns) => (ns, true),
        _ => (period_ns, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 100_000_000_000;
    const PERIOD: u64 = 5_000_000;

    #[test]
    fn a_sound_stamp_is_believed() {
        assert_eq!(capture(NOW, Some(7_000_000), PERIOD), Stamp { ns: NOW - 7_000_000, trusted: true });
        assert_eq!(playback(NOW, Some(7_000_000), PERIOD), Stamp { ns: NOW + 7_000_000, trusted: true });
    }

    #[test]
    fn the_future_and_the_absurdly_old_are_replaced() {
        for wild in [None, Some(1_380_000_000), Some(u64::MAX)] {
            assert_eq!(capture(NOW, wild, PERIOD), Stamp { ns: NOW - PERIOD, trusted: false });
            assert_eq!(playback(NOW, wild, PERIOD), Stamp { ns: NOW + PERIOD, trusted: false });
        }
    }

    #[test]
    fn a_period_of_two_seconds_may_be_two_seconds_old() {
        let long = 1_960_000_000;
        assert_eq!(capture(NOW, Some(long + 20_000_000), long), Stamp { ns: NOW - long - 20_000_000, trusted: true });
    }

    #[test]
    fn a_capture_stamp_of_now_means_a_period_ago() {
        assert_eq!(capture(NOW, Some(0), PERIOD), Stamp { ns: NOW - PERIOD, trusted: true });
    }
}
