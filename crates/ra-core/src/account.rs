//! The account that every frame appears in.

/// Where the frames of one source or one consumer are, in its own frames.
///
/// `produced == delivered + dropped + queued` at every instant; after a clean stop `queued` is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FrameAccount {
    /// Frames that came into being for this source or consumer.
    pub produced_frames: u64,
    /// Frames that arrived where they were meant to.
    pub delivered_frames: u64,
    /// Frames that were lost, by the declared policy.
    pub dropped_frames: u64,
    /// Frames that are on their way.
    pub queued_frames: u64,
}

impl FrameAccount {
    /// Whether `produced == delivered + dropped + queued`, also where a count has wrapped.
    pub const fn is_balanced(&self) -> bool {
        let Self { delivered_frames, dropped_frames, queued_frames, .. } = *self;
        self.produced_frames == delivered_frames.wrapping_add(dropped_frames).wrapping_add(queued_frames)
    }
}

impl std::ops::Add for FrameAccount {
    type Output = FrameAccount;
    fn add(self, other: FrameAccount) -> FrameAccount {
        FrameAccount {
            produced_frames: self.produced_frames + other.produced_frames,
            delivered_frames: self.delivered_frames + other.delivered_frames,
            dropped_frames: self.dropped_frames + other.dropped_frames,
            queued_frames: self.queued_frames + other.queued_frames,
        }
    }
}

impl std::fmt::Display for FrameAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "produced {} = delivered {} + dropped {} + queued {}",
            self.produced_frames, self.delivered_frames, self.dropped_frames, self.queued_frames
        )
    }
}
