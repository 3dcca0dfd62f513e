//! What can be wrong with the sizes of a queue.

/// Why a queue can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// No room for a frame, or more memory than a ring may take.
    #[error("a capacity of {actual} frames, expected 1 to {max}")]
    CapacityFrames {
        /// What was given.
        actual: usize,
        /// The most that a ring of that many channels may hold.
        max: usize,
    },
    /// No room for a stamp, or more stamps than a ring may hold.
    #[error("a capacity of {actual} periods, expected 1 to {max}")]
    CapacityPeriods {
        /// What was given.
        actual: usize,
        /// The most that a ring may hold.
        max: usize,
    },
    /// Too few blocks to write one while another is read, or too many.
    #[error("a ring of {actual} blocks, expected {min} to {max}")]
    Blocks {
        /// What was given.
        actual: usize,
        /// The fewest.
        min: usize,
        /// The most for blocks of that size.
        max: usize,
    },
    /// No samples in a block, or more than a slot may hold.
    #[error("blocks of {actual} samples, expected 1 to {max}")]
    SamplesPerBlock {
        /// What was given.
        actual: usize,
        /// The most that a slot of this back end may hold.
        max: usize,
    },
}
