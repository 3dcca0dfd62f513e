//! What a recorder does over hours and days: when it begins a new file, what counts as silence, which files it deletes.
//! Rules only: decides nothing by itself.

use std::time::Duration;

use ra_core::SinkError;

/// The shortest file that a rule may ask for.
const LEAST_LENGTH: Duration = Duration::from_millis(100);
/// The smallest file that a rule may ask for, in bytes.
const LEAST_BYTES: u64 = 64 * 1024;

fn setting(what: &str, message: String) -> SinkError {
    SinkError::Setting { what: what.into(), message }
}

/// When a new file begins. Where several rules are set, whichever comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SplitRule {
    /// When a file is so long. At least 100 ms, rounded up to a frame.
    pub every: Option<Duration>,
    /// Before a file becomes larger than so many bytes; at least 64 KiB. WAV files keep to it exactly; a coded file may pass
    /// it by what its codec holds back, at most 200 ms of sound.
    pub every_bytes: Option<u64>,
    /// At these times of day, in UTC.
    pub at: Option<ClockMark>,
}

impl SplitRule {
    /// Whether there is none.
    pub const fn is_never(&self) -> bool {
        self.every.is_none() && self.every_bytes.is_none() && self.at.is_none()
    }

    pub(crate) fn check(&self) -> Result<(), SinkError> {
        if let Some(every) = self.every.filter(|&every| every < LEAST_LENGTH) {
            let (actual, least) = (every.as_secs_f64(), LEAST_LENGTH.as_secs_f64());
            return Err(setting("split_every", format!("{actual} s, expected at least {least} s")));
        }
        if let Some(bytes) = self.every_bytes.filter(|&bytes| bytes < LEAST_BYTES) {
            return Err(setting("split_every", format!("{bytes} bytes, expected at least {LEAST_BYTES}")));
        }
        Ok(())
    }
}

/// Times of day at which a file can end, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClockMark {
    /// Every full minute.
    Minute,
    /// Minutes 0, 15, 30 and 45.
    QuarterHour,
    /// Minutes 0 and 30.
    HalfHour,
    /// Every full hour.
    Hour,
    /// Midnight.
    Day,
}

impl ClockMark {
    /// Every mark, and the word that configs use for it.
    pub const WORDS: [(&'static str, ClockMark); 5] = [
        ("minute", ClockMark::Minute),
        ("15min", ClockMark::QuarterHour),
        ("30min", ClockMark::HalfHour),
        ("hour", ClockMark::Hour),
        ("day", ClockMark::Day),
    ];

    /// Nanoseconds from one to the next; all of them divide a day, and count from midnight.
    pub(crate) const fn interval_ns(self) -> i128 {
        let minutes = match self {
            ClockMark::Minute => 1,
            ClockMark::QuarterHour => 15,
            ClockMark::HalfHour => 30,
            ClockMark::Hour => 60,
            ClockMark::Day => 24 * 60,
        };
        minutes * 60_000_000_000
    }
}

/// Whether a recorder records as soon as it is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordFrom {
    /// It does.
    #[default]
    Start,
    /// It waits, paused, for [`ra_core::SinkCommand::Resume`], and creates no file before that.
    Resume,
}

/// What counts as silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SilenceRule {
    /// Every sample of every channel is below this, in dBFS: −200 to 0.
    pub below_dbfs: f32,
    /// For at least this long: 10 ms to a day.
    pub at_least: Duration,
}

impl SilenceRule {
    pub(crate) fn check(&self) -> Result<(), SinkError> {
        if !(-200.0..=0.0).contains(&self.below_dbfs) {
            return Err(setting("silence_dbfs", format!("{}, expected -200 to 0", self.below_dbfs)));
        }
        let bounds = Duration::from_millis(10)..=Duration::from_secs(86_400);
        if !bounds.contains(&self.at_least) {
            let actual = self.at_least.as_secs_f64();
            return Err(setting("silence_s", format!("{actual}, expected 0.01 to 86400")));
        }
        Ok(())
    }
}

/// Which of its older files a recorder deletes. Never one that is being written, and never one that it can't prove to have
/// written itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Those that ended so long ago. At least a second.
    pub keep: Option<Duration>,
    /// The oldest, while all of them together are larger than so many bytes.
    pub max_total_bytes: Option<u64>,
}

impl Retention {
    /// Whether it deletes none.
    pub const fn is_none(&self) -> bool {
        self.keep.is_none() && self.max_total_bytes.is_none()
    }

    pub(crate) fn check(&self) -> Result<(), SinkError> {
        if self.keep.is_some_and(|keep| keep < Duration::from_secs(1)) {
            return Err(setting("keep", "less than a second, expected more".into()));
        }
        if let Some(bytes) = self.max_total_bytes.filter(|&bytes| bytes < LEAST_BYTES) {
            return Err(setting("max_total", format!("{bytes} bytes, expected at least {LEAST_BYTES}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let says = |result: Result<(), SinkError>| result.unwrap_err().to_string();
        let every = Some(Duration::from_millis(99));
        assert_eq!(
            says(SplitRule { every, ..SplitRule::default() }.check()),
            "split_every: 0.099 s, expected at least 0.1 s"
        );
        let every_bytes = Some(65_535);
        assert_eq!(
            says(SplitRule { every_bytes, ..SplitRule::default() }.check()),
            "split_every: 65535 bytes, expected at least 65536"
        );
        let rule = SilenceRule { below_dbfs: -60.0, at_least: Duration::from_secs(2) };
        assert!(rule.check().is_ok());
        assert!(says(SilenceRule { below_dbfs: 0.1, ..rule }.check()).starts_with("silence_dbfs: 0.1, "));
        assert!(says(SilenceRule { below_dbfs: f32::NAN, ..rule }.check()).starts_with("silence_dbfs: NaN, "));
        assert!(says(SilenceRule { at_least: Duration::ZERO, ..rule }.check()).starts_with("silence_s: 0, "));
        let keep = Some(Duration::from_millis(999));
        assert!(says(Retention { keep, ..Retention::default() }.check()).starts_with("keep: "));
        assert!(
            says(Retention { max_total_bytes: Some(1), ..Retention::default() }.check()).starts_with("max_total: ")
        );
    }

    #[test]
    fn marks_divide_the_day() {
        for (_, mark) in ClockMark::WORDS {
            assert_eq!(86_400_000_000_000 % mark.interval_ns(), 0, "{mark:?}");
        }
    }
}
