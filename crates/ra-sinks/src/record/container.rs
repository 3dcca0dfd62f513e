//! The trait behind which file formats stand. Knows nothing of gaps, names or rhythms.

use std::io;

use ra_core::FramePosition;

/// How far a container has come, in frames since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameCounts {
    /// Frames that the container has taken; they are in the file or in its own buffer.
    pub(crate) taken_frames: u64,
    /// Frames that the file holds and that its header describes.
    pub(crate) published_frames: u64,
}

/// How sure a [`Container::publish`] makes the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Whoever opens the file sees them; they survive the process.
    Visible,
    /// They survive a power cut.
    Durable,
}

/// A file format being written: frames at the end, never a change to those before.
///
/// All methods are called on the sink's own thread. After any error the file is still valid, frames that were taken are
/// still kept, and every method may be called again.
pub(crate) trait Container: Send {
    /// Takes interleaved frames: all of them, or none where it fails. Returns how many samples were clipped.
    ///
    /// `position` is the first frame's place on the mix timeline; dither depends on it.
    fn append(&mut self, position: FramePosition, interleaved: &[f32]) -> io::Result<u64>;

    /// Takes `n_frames` frames of silence: all of them, or none where it fails. Memory does not grow with `n_frames`.
    fn append_silence(&mut self, n_frames: u64) -> io::Result<()>;

    /// Brings everything taken into the file and makes the file say so.
    fn publish(&mut self, durability: Durability) -> io::Result<()>;

    /// Writes what a complete file has at its end. Nothing is appended afterwards.
    fn close(&mut self, durability: Durability) -> io::Result<()>;

    /// How far it has come.
    fn counts(&self) -> FrameCounts;
}
