//! The list of what is missing from a recording: bounded, however long and however bad the recording is.

use std::collections::VecDeque;

use ra_core::Gap;

/// How many gaps are kept from the start of a recording, and how many of the latest: 1000 in all. Between them gaps are
/// only counted.
const KEPT_GAPS: usize = 500;

/// Gaps in the order of the timeline.
#[derive(Debug, Default)]
pub(crate) struct GapLog {
    first: Vec<Gap>,
    latest: VecDeque<Gap>,
    n_gaps: u64,
    n_frames: u64,
}

/// What became of a gap that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It is an entry of its own.
    Added,
    /// It continues the entry before it, for the same reason.
    Merged,
}

impl GapLog {
    /// Adds a gap that begins at or behind the end of the last one.
    pub(crate) fn push(&mut self, gap: Gap) -> Pushed {
        self.n_frames += gap.n_frames;
        if let Some(last) = self.latest.back_mut().or(self.first.last_mut())
            && last.end() == gap.at_frame
            && last.reason == gap.reason
        {
            last.n_frames += gap.n_frames;
            return Pushed::Merged;
        }
        self.n_gaps += 1;
        if self.first.len() < KEPT_GAPS {
            self.first.push(gap);
        } else {
            if self.latest.len() == KEPT_GAPS {
                self.latest.pop_front();
            }
            self.latest.push_back(gap);
        }
        Pushed::Added
    }

    /// The gaps that are kept.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Gap> {
        self.first.iter().chain(&self.latest)
    }

    /// All gaps, the ones that are not kept included.
    pub(crate) const fn n_gaps(&self) -> u64 {
        self.n_gaps
    }

    /// Gaps that are counted and not kept.
    pub(crate) fn n_omitted(&self) -> u64 {
        self.n_gaps - (self.first.len() + self.latest.len()) as u64
    }

    /// Frames in all gaps.
    pub(crate) const fn n_frames(&self) -> u64 {
        self.n_frames
    }
}

#[cfg(test)]
mod tests {
    use ra_core::{FramePosition, GapReason};

    use super::*;

    fn gap(at: u64, n_frames: u64, reason: GapReason) -> Gap {
        Gap { at_frame: FramePosition(at), n_frames, reason }
    }

    #[test]
    fn neighbours_with_one_reason_are_one_gap() {
        let mut log = GapLog::default();
        assert_eq!(log.push(gap(0, 10, GapReason::Lagged)), Pushed::Added);
        assert_eq!(log.push(gap(10, 5, GapReason::Lagged)), Pushed::Merged);
        assert_eq!(log.push(gap(15, 5, GapReason::Refused)), Pushed::Added);
        assert_eq!(log.push(gap(30, 5, GapReason::Refused)), Pushed::Added);
        assert_eq!((log.n_gaps(), log.n_frames(), log.n_omitted()), (3, 25, 0));
        assert_eq!(log.iter().next(), Some(&gap(0, 15, GapReason::Lagged)));
    }

    #[test]
    fn beyond_its_bound_it_keeps_the_first_and_the_latest_and_counts() {
        let mut log = GapLog::default();
        for i in 0..5000 {
            log.push(gap(i * 10, 1, GapReason::Lagged));
        }
        assert_eq!((log.n_gaps(), log.n_omitted(), log.n_frames()), (5000, 4000, 5000));
        let kept: Vec<u64> = log.iter().map(|g| g.at_frame.0 / 10).collect();
        assert_eq!(kept, (0..500).chain(4500..5000).collect::<Vec<_>>());
        assert_eq!(log.push(gap(49_991, 3, GapReason::Lagged)), Pushed::Merged);
    }
}
