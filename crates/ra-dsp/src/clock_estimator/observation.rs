//! What the estimator says of single deliveries.

use ra_core::FramePosition;

/// What a delivery was.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Observation {
    /// It agreed, and the estimate has taken it in.
    Accepted,
    /// It was off by more than chance allows, and was left out.
    Outlier,
    /// The first one since the beginning or a break.
    Locked,
    /// Frames were lost, or came twice, unseen.
    Jumped {
        /// From here on the source is at another place.
        from_position: FramePosition,
        /// So many seconds later than before; negative: earlier.
        by_s: f64,
    },
}

/// How many deliveries were what, since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EstimatorCounts {
    /// Taken in; those that began and those that ended a jump too.
    pub accepted: u64,
    /// Left out.
    pub outliers: u64,
    /// Jumps of the source against its own count.
    pub jumps: u64,
    /// Times at which the source's rate changed more suddenly than a crystal's does by itself.
    pub rate_steps: u64,
}
