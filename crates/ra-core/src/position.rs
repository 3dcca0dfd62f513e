//! Places on a timeline, counted in frames. Knows no rate and no time of day.

use std::ops::{Add, AddAssign, Sub};

/// A frame's place on a timeline: frame 0 is the first one.
///
/// The mix timeline counts the engine's frames from its start; a clocked source counts its own frames, those that were
/// lost included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct FramePosition(pub u64);

impl FramePosition {
    /// Frames from `earlier` to `self`; 0 where `earlier` is not earlier.
    pub const fn frames_since(self, earlier: FramePosition) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for FramePosition {
    type Output = FramePosition;
    fn add(self, n_frames: u64) -> FramePosition {
        FramePosition(self.0.wrapping_add(n_frames))
    }
}

impl AddAssign<u64> for FramePosition {
    fn add_assign(&mut self, n_frames: u64) {
        *self = *self + n_frames;
    }
}

impl Sub for FramePosition {
    type Output = i64;
    /// The signed distance in frames.
    fn sub(self, other: FramePosition) -> i64 {
        self.0.wrapping_sub(other.0) as i64
    }
}

impl std::fmt::Display for FramePosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "frame {}", self.0)
    }
}
