//! Durations as people write them on the command line: `10s`, `1.5m`, `1h`, `500ms`. Knows no clock.

use std::time::Duration;

/// The longest duration that is taken: a thousand years of hours, so that sums never overflow.
const MOST_S: f64 = 3.2e10;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no duration, expected a number and a unit such as 500ms, 10s, 1.5m or 2h")]
pub struct DurationError {
    /// What was given.
    pub text: String,
}

/// Reads a number with a unit: `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// [`DurationError`] where there is no unit, where the number is no positive number, and beyond a thousand years.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// assert_eq!(ra_cli::parse_duration("1.5m")?, Duration::from_secs(90));
/// assert!(ra_cli::parse_duration("10").is_err());
/// # Ok::<(), ra_cli::DurationError>(())
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError { text: text.to_owned() };
    let trimmed = text.trim();
    let unit_at = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
    let (number, unit) = trimmed.split_at(unit_at);
    let unit_s = match unit.trim_start() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(error()),
    };
    let seconds = number.parse::<f64>().map_err(|_| error())? * unit_s;
    if seconds > MOST_S {
        return Err(error());
    }
    // Less than half a nanosecond is no time at all.
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero()).ok_or_else(error)
}

/// A duration as a clock shows it: `01:02:03`.
pub(crate) fn clock_face(duration: Duration) -> String {
    let s = duration.as_secs();
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_mean_what_people_mean() {
        for (text, ms) in
            [("500ms", 500), ("10s", 10_000), ("1.5m", 90_000), ("1h", 3_600_000), ("2d", 172_800_000), (" 3 s ", 3000)]
        {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
    }

    #[test]
    fn everything_else_is_explained() {
        for text in [
            "",
            "10",
            "s",
            "-1s",
            "0s",
            "0.0000000001s",
            "1e3s",
            "10 parsecs",
            "1.2.3s",
            "inf",
            "nans",
            "1s2",
            "99999999999d",
            "٣s",
        ] {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(error.ends_with("expected a number and a unit such as 500ms, 10s, 1.5m or 2h"), "{error}");
        }
    }

    #[test]
    fn clocks_show_hours_beyond_a_day() {
        assert_eq!(clock_face(Duration::from_millis(3_723_999)), "01:02:03");
        assert_eq!(clock_face(Duration::from_secs(100 * 3600)), "100:00:00");
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,20}") {
            let _ = parse_duration(&text);
        }
    }
}
