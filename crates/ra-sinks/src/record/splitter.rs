//! Where the next file begins: by length, by size, by the time of day, whichever comes first. Counts frames; opens nothing.

use ra_core::{FramePosition, SampleRate};

use super::policy::{ClockMark, SplitRule};

/// After a file that could not be opened, how much sound passes until that is tried again, in milliseconds.
const RETRY_MS: f64 = 1000.0;

/// The rule, and where it stands in the current file.
#[derive(Clone, Debug)]
pub(crate) struct Splitter {
    rule: SplitRule,
    rate: SampleRate,
    /// By length and by size.
    fixed: Option<FramePosition>,
    /// The next mark of the clock, in nanoseconds since the Unix epoch.
    mark_ns: Option<i128>,
    /// Where that mark falls, as far as is known.
    at_mark: Option<FramePosition>,
    /// No attempt before this.
    not_before: FramePosition,
}

/// What a file costs, where that can be said before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileCost {
    /// Bytes of an empty file.
    pub(crate) head_bytes: u64,
    /// Bytes of a frame.
    pub(crate) frame_bytes: u64,
}

impl Splitter {
    pub(crate) fn new(rule: SplitRule, rate: SampleRate) -> Self {
        Self { rule, rate, fixed: None, mark_ns: None, at_mark: None, not_before: FramePosition(0) }
    }

    /// A file begins at `start`, which was captured at `unix_ns`. `cost`: where a frame always costs the same.
    pub(crate) fn begin_file(&mut self, start: FramePosition, unix_ns: i128, cost: Option<FileCost>) {
        let by_length = self.rule.every.map(|every| {
            let frames = (every.as_secs_f64() * f64::from(self.rate.hz())).ceil() as u64;
            start + frames.max(1)
        });
        let by_size = self.rule.every_bytes.zip(cost).map(|(bytes, cost)| {
            // One byte less: a file of an odd length may be padded.
            let frames = (bytes - 1).saturating_sub(cost.head_bytes) / cost.frame_bytes.max(1);
            start + frames.max(1)
        });
        self.fixed = by_length.into_iter().chain(by_size).min();
        self.mark_ns = self.rule.at.map(|mark| next_mark_ns(mark, unix_ns));
        self.at_mark = None;
        self.not_before = start;
    }

    /// The frame at `position` was captured at `unix_ns`: the nearer to the mark, the better it is known where that is.
    pub(crate) fn see_time(&mut self, position: FramePosition, unix_ns: i128) {
        let (Some(mark), Some(mark_ns)) = (self.rule.at, &mut self.mark_ns) else { return };
        // Somebody has set the clock back. A second is more than stamps differ by: no mark is struck twice.
        if unix_ns + mark.interval_ns() + 1_000_000_000 < *mark_ns {
            *mark_ns = next_mark_ns(mark, unix_ns);
        }
        let mark_ns = *mark_ns;
        let ahead_ns = (mark_ns - unix_ns).max(0);
        let ahead_frames = (ahead_ns * i128::from(self.rate.hz()) + 999_999_999) / 1_000_000_000;
        self.at_mark = u64::try_from(ahead_frames).ok().and_then(|n| position.0.checked_add(n)).map(FramePosition);
    }

    /// Where the current file ends, by what is known now.
    pub(crate) fn boundary(&self) -> Option<FramePosition> {
        let boundary = self.fixed.into_iter().chain(self.at_mark).min()?;
        Some(boundary.max(self.not_before))
    }

    /// The last boundary that is not behind `end`, where files begin at each of them from now on: a long gap makes one file,
    /// not many files of silence.
    pub(crate) fn last_boundary(&self, end: FramePosition) -> Option<FramePosition> {
        let first = self.boundary().filter(|&first| first <= end)?;
        let every =
            self.rule.every.map(|every| ((every.as_secs_f64() * f64::from(self.rate.hz())).ceil() as u64).max(1));
        let mark = self.rule.at.map(|mark| (mark.interval_ns() * i128::from(self.rate.hz()) / 1_000_000_000) as u64);
        // With both rules, files begin at the marks and count their length from there.
        let step = mark.or(every).unwrap_or(u64::MAX);
        Some(first + end.frames_since(first) / step * step)
    }

    /// The file that was to begin at `position` could not be opened.
    pub(crate) fn retry_behind(&mut self, position: FramePosition) {
        self.not_before = position + self.rate.frames_in_ms_ceil(RETRY_MS) as u64;
    }

    /// Whether a file of `bytes` is too large for another block.
    pub(crate) fn is_too_large(&self, bytes: u64) -> bool {
        self.rule.every_bytes.is_some_and(|most| bytes >= most)
    }

    /// The current file ends at `position`, or where it is tried again.
    pub(crate) fn end_at(&mut self, position: FramePosition) {
        self.fixed = Some(self.fixed.map_or(position, |fixed| fixed.min(position)));
    }
}

/// The first mark behind `unix_ns`.
fn next_mark_ns(mark: ClockMark, unix_ns: i128) -> i128 {
    let interval_ns = mark.interval_ns();
    unix_ns.div_euclid(interval_ns) * interval_ns + interval_ns
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn splitter(rule: SplitRule) -> Splitter {
        Splitter::new(rule, SampleRate::HZ_48000)
    }

    const HOUR_NS: i128 = 3_600_000_000_000;

    #[test]
    fn files_are_as_long_as_they_may_be() {
        let mut by_length = splitter(SplitRule { every: Some(Duration::from_millis(1500)), ..SplitRule::default() });
        by_length.begin_file(FramePosition(7), 0, None);
        assert_eq!(by_length.boundary(), Some(FramePosition(72_007)));
        let mut by_size = splitter(SplitRule { every_bytes: Some(100_000), ..SplitRule::default() });
        by_size.begin_file(FramePosition(7), 0, Some(FileCost { head_bytes: 80, frame_bytes: 6 }));
        assert_eq!(by_size.boundary(), Some(FramePosition(7 + 99_919 / 6)));
        by_size.begin_file(FramePosition(7), 0, None);
        assert_eq!(by_size.boundary(), None, "it shows when it is there");
        assert!(by_size.is_too_large(100_000) && !by_size.is_too_large(99_999));
        by_size.end_at(FramePosition(99));
        assert_eq!(by_size.boundary(), Some(FramePosition(99)));
        let both =
            SplitRule { every: Some(Duration::from_secs(1)), every_bytes: Some(100_000), ..SplitRule::default() };
        let mut both = splitter(both);
        both.begin_file(FramePosition(0), 0, Some(FileCost { head_bytes: 0, frame_bytes: 1 }));
        assert_eq!(both.boundary(), Some(FramePosition(48_000)));
    }

    #[test]
    fn the_hour_is_struck_at_the_first_frame_that_is_not_before_it() {
        let mut hourly = splitter(SplitRule { at: Some(ClockMark::Hour), ..SplitRule::default() });
        // 10 ms before the hour, and a third of a frame.
        let start_ns = 5 * HOUR_NS - 10_000_000 - 6_944;
        hourly.begin_file(FramePosition(1000), start_ns, None);
        hourly.see_time(FramePosition(1000), start_ns);
        assert_eq!(hourly.boundary(), Some(FramePosition(1000 + 481)));
        // The clock is seen to be another: a frame later.
        hourly.see_time(FramePosition(1400), 5 * HOUR_NS - 81 * 20_833 - 5_000);
        assert_eq!(hourly.boundary(), Some(FramePosition(1482)));
        // Late: at once.
        hourly.see_time(FramePosition(1500), 5 * HOUR_NS + 1);
        assert_eq!(hourly.boundary(), Some(FramePosition(1500)));
        // Set back by half a day: the next hour that it will strike counts. By a millisecond: the same one.
        let mut set_back = hourly.clone();
        set_back.see_time(FramePosition(1400), 5 * HOUR_NS - 12 * HOUR_NS - 1_000_000_000);
        assert_eq!(set_back.boundary(), Some(FramePosition(1400 + 48_000)));
        set_back.begin_file(FramePosition(1482), 5 * HOUR_NS, None);
        set_back.see_time(FramePosition(1490), 5 * HOUR_NS - 1_000_000);
        assert_eq!(set_back.boundary(), Some(FramePosition(1490 + 3600 * 48_000 + 48)));
        // A file that begins on the hour lasts until the next one.
        hourly.begin_file(FramePosition(1482), 5 * HOUR_NS, None);
        hourly.see_time(FramePosition(1482), 5 * HOUR_NS);
        assert_eq!(hourly.boundary(), Some(FramePosition(1482 + 3600 * 48_000)));
    }

    #[test]
    fn a_long_gap_skips_the_files_that_it_would_fill() {
        let mut s = splitter(SplitRule { every: Some(Duration::from_secs(1)), ..SplitRule::default() });
        s.begin_file(FramePosition(0), 0, None);
        assert_eq!(s.last_boundary(FramePosition(47_999)), None);
        assert_eq!(s.last_boundary(FramePosition(48_000)), Some(FramePosition(48_000)));
        assert_eq!(s.last_boundary(FramePosition(500_000)), Some(FramePosition(480_000)));
        let mut hourly = splitter(SplitRule { at: Some(ClockMark::Minute), ..SplitRule::default() });
        hourly.begin_file(FramePosition(0), 59_000_000_000, None);
        hourly.see_time(FramePosition(0), 59_000_000_000);
        let minute = 60 * 48_000;
        assert_eq!(hourly.last_boundary(FramePosition(48_000 + 5 * minute)), Some(FramePosition(48_000 + 5 * minute)));
    }

    #[test]
    fn after_a_failure_it_is_tried_again_a_second_later() {
        let mut s = splitter(SplitRule { every: Some(Duration::from_secs(1)), ..SplitRule::default() });
        s.begin_file(FramePosition(0), 0, None);
        s.retry_behind(FramePosition(48_000));
        assert_eq!(s.boundary(), Some(FramePosition(96_000)));
    }
}
