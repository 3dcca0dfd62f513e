//! Where the frames that a block reads stand in the mix.

use ra_core::FramePosition;

/// Where input frames stand in the mix, in frames of the mix, reckoned along one block's own rate.
pub(crate) struct MixPosition {
    pub(crate) block: f64,
    /// What sounds at the block's first frame.
    pub(crate) frame: i64,
    pub(crate) fraction: f64,
    pub(crate) step: f64,
}

impl MixPosition {
    pub(crate) fn of(&self, frame: i64) -> f64 {
        self.block + ((frame - self.frame) as f64 - self.fraction) / self.step
    }

    pub(crate) fn frame_of(&self, frame: i64) -> FramePosition {
        FramePosition(self.of(frame).max(0.0).round() as u64)
    }
}
