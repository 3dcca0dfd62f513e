//! A bounded history of gaps: the first ones and the latest ones, neighbours merged.

use std::collections::VecDeque;

use ra_core::Gap;

use crate::rt::gap_teller::go_on;

/// How many of the first gaps are kept, and how many of the latest.
const KEPT_EACH: usize = 512;

/// Gaps in the order of their positions.
#[derive(Clone, Debug, Default)]
pub(crate) struct GapList {
    first: Vec<Gap>,
    latest: VecDeque<Gap>,
}

impl GapList {
    /// Adds a gap; one that continues the newest is merged with it, where the reason is the same or has become clear since.
    pub(crate) fn push(&mut self, gap: Gap) {
        let newest = self.latest.back_mut().or(self.first.last_mut());
        if newest.is_some_and(|newest| go_on(newest, &gap)) {
            return;
        }
        if self.first.len() < KEPT_EACH {
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
        list.push(Gap { reason: GapReason::DeviceLost, ..gap(256, 10) });
        assert_eq!(list.to_vec(), [Gap { reason: GapReason::DeviceLost, ..gap(0, 266) }]);
        for i in 1..5000 {
            list.push(gap(i * 1000, 10));
        }
        let all = list.to_vec();
        assert_eq!(all.len(), 2 * KEPT_EACH);
        assert_eq!(all[0].n_frames, 266);
        assert_eq!(all[2 * KEPT_EACH - 1], gap(4_999_000, 10));
    }
}
