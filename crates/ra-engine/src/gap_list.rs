//! A bounded history of gaps: the first ones and the latest ones, neighbours merged.

use std::collections::VecDeque;

use ra_core::Gap;

/// How many of the first gaps are kept, and how many of the latest.
const KEPT_EACH: usize = 512;

/// Gaps in the order of their positions.
#[derive(Clone, Debug, Default)]
pub(crate) struct GapList {
    first: Vec<Gap>,
    latest: VecDeque<Gap>,
}

impl GapList {
    /// Adds a gap; one that continues the newest for the same reason is merged with it.
    pub(crate) fn push(&mut self, gap: Gap) {
        let newest = self.latest.back_mut().or(self.first.last_mut());
        if let Some(newest) = newest
            && newest.reason == gap.reason
            && newest.end() == gap.at_frame
        {
            newest.n_frames += gap.n_frames;
        } else if self.first.len() < KEPT_EACH {
            self.first.push(gap);
        } else {
            if self.latest.len() == KEPT_EACH {
                self.latest.pop_front();
            }
            self.latest.push_back(gap);
        }
    }

    /// All that are kept.
    pub(crate) fn to_vec(&self) -> Vec<Gap> {
        self.first.iter().chain(&self.latest).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_core::{FramePosition, GapReason};

    fn gap(at: u64, n_frames: u64) -> Gap {
        Gap { at_frame: FramePosition(at), n_frames, reason: GapReason::Underrun }
    }

    #[test]
    fn neighbours_are_merged_and_the_list_is_bounded() {
        let mut list = GapList::default();
        list.push(gap(0, 128));
        list.push(gap(128, 128));
        assert_eq!(list.to_vec(), [gap(0, 256)]);
        for i in 1..5000 {
            list.push(gap(i * 1000, 10));
        }
        let all = list.to_vec();
        assert_eq!(all.len(), 2 * KEPT_EACH);
        assert_eq!(all[0], gap(0, 256));
        assert_eq!(all[2 * KEPT_EACH - 1], gap(4_999_000, 10));
    }
}
