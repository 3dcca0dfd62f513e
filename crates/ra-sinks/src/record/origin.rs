//! When and where on the mix timeline a recording begins, in words and in the form that broadcast wave files keep.

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use ra_core::SinkStart;

/// The beginning in one line: the sink's name, the time in UTC to the microsecond, and the mix timeline's position.
pub(super) fn describe(start: &SinkStart) -> String {
    let time = utc(start.unix_ns).map_or_else(|| "an unknown time".to_owned(), |t| format!("{t:.6}Z"));
    format!("{} from {time}, mix timeline frame {}", start.name, start.position.0)
}

/// Date and time of day in UTC; None outside the calendar's years.
pub(super) fn utc(unix_ns: i128) -> Option<DateTime> {
    Some(Offset::UTC.to_datetime(Timestamp::from_nanosecond(unix_ns).ok()?))
}

/// Frames since midnight, in UTC, of the recording's first frame, rounded down.
pub(super) fn frames_since_midnight(start: &SinkStart) -> u64 {
    let ns_of_day = start.unix_ns.rem_euclid(86_400_000_000_000) as u64;
    start.spec.sample_rate.frames_in_ns(ns_of_day)
}

#[cfg(test)]
mod tests {
    use ra_core::{FramePosition, StreamSpec};

    use super::*;

    #[test]
    fn the_beginning_is_told_in_words_and_in_frames() {
        let start = SinkStart {
            name: "mic".into(),
            spec: StreamSpec::new(48_000, 1).unwrap(),
            block_frames: 128,
            position: FramePosition(77),
            unix_ns: 1_795_256_130_500_000_000,
            unix_minus_monotonic_ns: None,
        };
        assert_eq!(describe(&start), "mic from 2026-11-21T10:15:30.500000Z, mix timeline frame 77");
        assert_eq!(frames_since_midnight(&start), (10 * 3600 + 15 * 60 + 30) * 48_000 + 24_000);
        let before = SinkStart { unix_ns: -1, ..start };
        assert_eq!(frames_since_midnight(&before), 24 * 3600 * 48_000 - 1);
    }
}
