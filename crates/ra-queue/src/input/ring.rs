//! What the two ends of an input ring share: the memory of samples and stamps, and the counters that say whose it is.

use super::InputTrial;
use super::account::InputCounters;
use super::stamps::Stamps;
use crate::sync::Cells;

/// One ring of samples, and one of stamps beside it.
///
/// The counters are the indices. Of the samples, those of the frames from [`InputCounters::given_back`] up to
/// [`InputCounters::accepted`] are the reader's, all others the writer's; of the stamps, those from
/// [`InputCounters::n_taken`] on whose frames add up to what was accepted are the reader's. Each end moves its own
/// counter, by a Release store behind the last access to what it hands over; the other one looks by an Acquire load before
/// its first.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) samples: Cells,
    pub(super) stamps: Stamps,
    pub(super) capacity_frames: usize,
    pub(super) counters: InputCounters,
}

impl Ring {
    // rt-lint: control-side
    pub(super) fn new(capacity_frames: usize, n_channels: usize, capacity_periods: usize, trial: &InputTrial) -> Self {
        Self {
            samples: Cells::new(capacity_frames * n_channels),
            stamps: Stamps::new(capacity_periods),
            capacity_frames,
            counters: InputCounters::starting_at(trial),
        }
    }
}
