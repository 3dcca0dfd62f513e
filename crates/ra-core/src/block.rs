//! Blocks of interleaved samples and the stamps that place them in time. Owns no sample memory.

use crate::{FramePosition, StreamSpec};

/// Where and when a block of the mix timeline stands. Blocks of one engine pass share one stamp on every bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockStamp {
    /// Counts published blocks from 0. Consecutive in a ring; a reader that misses some was overtaken.
    pub seq: u64,
    /// The mix-timeline position of the block's first frame. A jump beyond the previous block's end is a stamped gap.
    pub position: FramePosition,
    /// Monotonic nanoseconds at which the block's first frame was captured.
    pub capture_ns: u64,
}

/// Where and when one delivery of a clocked source stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeriodStamp {
    /// Position of the first frame on the source's own timeline. Frames that were offered and not taken are counted in.
    pub position: FramePosition,
    /// Frames of this delivery that are in the ring.
    pub n_frames: u64,
    /// Monotonic nanoseconds at which the delivery's first frame was captured.
    pub capture_ns: u64,
    /// Frames of unknown number were not captured before this delivery; `position` does not count them.
    pub is_after_break: bool,
}

/// A block as a consumer sees it: a stamp and borrowed interleaved samples.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// Place and time of the first frame.
    pub stamp: BlockStamp,
    /// Rate and channels of `samples`.
    pub spec: StreamSpec,
    /// Interleaved samples; `samples.len() == n_frames * channels`.
    pub samples: &'a [f32],
}

impl Block<'_> {
    /// Frames in the block.
    pub const fn n_frames(&self) -> usize {
        self.spec.frames(self.samples.len())
    }

    /// The position after the block's last frame.
    pub fn end_position(&self) -> FramePosition {
        self.stamp.position + self.n_frames() as u64
    }
}
