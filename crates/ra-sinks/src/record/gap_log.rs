//! The list of what is missing from a recording: bounded, however long and however bad the recording is.

use std::collections::VecDeque;

use ra_core::{FramePosition, Gap};

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

    /// Forgets what lies behind `end`: it belongs to another file.
    pub(crate) fn cut_at(&mut self, end: FramePosition) {
        while let Some(last) = self.latest.back_mut().or(self.first.last_mut()) {
            if last.end() <= end {
                return;
            }
            if last.at_frame < end {
                self.n_frames -= last.end().frames_since(end);
                last.n_frames = end.frames_since(last.at_frame);
                return;
            }
            self.n_frames -= last.n_frames;
            self.n_gaps -= 1;
            if self.latest.pop_back().is_none() {
                self.first.pop();
            }
        }
    }

    /// Frames of the gaps that are kept, between two positions.
    pub(crate) fn frames_between(&self, from: FramePosition, to: FramePosition) -> u64 {
        let within = |gap: &Gap| gap.end().min(to).frames_since(gap.at_frame.max(from));
        self.iter().map(within).sum()
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
    use ra_core::GapReason;

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
    fn it_can_be_cut() {
        let mut log = GapLog::default();
        for i in 0..510 {
            log.push(gap(i * 10, 5, GapReason::Lagged));
        }
        assert_eq!(log.frames_between(FramePosition(5_003), FramePosition(5_021)), 2 + 5 + 1);
        assert_eq!(log.frames_between(FramePosition(9_000), FramePosition(8_000)), 0);
        log.cut_at(FramePosition(5_000));
        assert_eq!((log.n_gaps(), log.n_frames()), (500, 2_500));
        log.cut_at(FramePosition(4_992));
        assert_eq!(
            (log.n_gaps(), log.n_frames(), log.iter().last()),
            (500, 2_497, Some(&gap(4_990, 2, GapReason::Lagged)))
        );
        log.cut_at(FramePosition(0));
        assert_eq!((log.n_gaps(), log.n_frames(), log.n_omitted()), (0, 0, 0));
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
