//! What can happen on a stream. Lag, end, loss and timeout are different things and are never one `None`.

use crate::{FramePosition, StreamSpec};

/// What a stream has to say next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StreamEvent {
    /// `n_frames` frames are there.
    Frames {
        /// How many.
        n_frames: usize,
    },
    /// Frames are missing; the stream goes on behind them.
    Gap(Gap),
    /// From here on the stream has another rate or channel count.
    FormatChanged {
        /// The new format.
        spec: StreamSpec,
    },
    /// The stream is complete: nothing was lost, nothing more comes.
    EndOfStream,
    /// The device is gone or broken; it may come back.
    DeviceLost {
        /// What the system said.
        reason: String,
        /// So many of the frames that came last may have been another device's: a sound server moves a stream, and says so
        /// a moment later. What of them is not in the mix yet does not get there.
        doubtful_frames: u64,
    },
    /// The device that was lost, or could not be opened, is there again: it is worth trying to start the source now. Only
    /// a hint; the source stays as it is.
    DeviceIsBack,
    /// The sound system reported errors that say nothing more precise. However many there were, one event tells of them.
    ErrorsSeen {
        /// How many since the last such event.
        n: u64,
    },
    /// The sound system ran over: frames of unknown number are missing.
    XrunsSeen {
        /// How many times since the last such event.
        n: u64,
    },
    /// Something that people should know of the device, in words: what was granted to its thread, that it delivers no sound
    /// at all. It goes on.
    Remark {
        /// What there is to say.
        text: String,
    },
}

/// A run of frames that is missing from a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Gap {
    /// Position of the first missing frame.
    pub at_frame: FramePosition,
    /// How many frames are missing.
    pub n_frames: u64,
    /// Why.
    pub reason: GapReason,
}

impl Gap {
    /// The position after the last missing frame.
    pub fn end(&self) -> FramePosition {
        self.at_frame + self.n_frames
    }
}

/// Why frames are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum GapReason {
    /// The source's ring was full, or its cushion grew past its bound: input lost.
    Overrun,
    /// The source had nothing when it was due: silence stands in its place.
    Underrun,
    /// The device was lost.
    DeviceLost,
    /// The device says, or its stamps show, that it did not capture these frames.
    NotCaptured,
    /// The mixer woke later than the ring holds.
    MixerLate,
    /// The consumer was overtaken in the ring.
    Lagged,
    /// The consumer refused the frames: a full disk, a file that is gone.
    Refused,
}

impl std::fmt::Display for GapReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            GapReason::Overrun => "overrun",
            GapReason::Underrun => "underrun",
            GapReason::DeviceLost => "device lost",
            GapReason::NotCaptured => "not captured",
            GapReason::MixerLate => "mixer late",
            GapReason::Lagged => "consumer lagged",
            GapReason::Refused => "refused by the consumer",
        })
    }
}
