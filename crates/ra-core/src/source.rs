//! What can be captured: the two kinds of source. Implementations live in `ra-sources`.

use crate::{SourceError, StreamEvent, StreamSpec};

/// What every source can say of itself.
pub trait Source: Send {
    /// The format that its frames have. Called from any thread that holds the source.
    fn spec(&self) -> StreamSpec;

    /// What it is, in a few words for people: `file bed.flac`, `device pulseaudio:studio.monitor`.
    fn describe(&self) -> String;
}

/// A source that gives as much as it is asked for, ahead of time: files, synthesis.
///
/// It never drifts and never drops; the engine's master clock paces it.
pub trait PulledSource: Source {
    /// Fills `out` with interleaved frames. Called on a feeder thread; may block (disk, decoder).
    ///
    /// `out.len()` is a multiple of the channel count. [`StreamEvent::Frames`] says how many frames were written, at
    /// least one; a short count does not mean the end. After [`StreamEvent::EndOfStream`] every call says so again.
    ///
    /// # Real-time safety
    /// Not real-time safe: implementations may allocate, lock and do I/O.
    ///
    /// # Errors
    /// [`SourceError`] where the source can't go on: unreadable data, a file that shrank under us. Frames that were
    /// read before the fault have been returned by earlier calls.
    fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError>;

    /// Frames from the current place to the end, where that is known; `None` for endless or unknown.
    fn remaining_frames(&self) -> Option<u64>;
}

/// The engine's end that a clocked source delivers into.
pub trait PeriodInput: Send {
    /// Hands over one period of interleaved frames; returns how many frames were taken. The rest is counted as dropped.
    ///
    /// `capture_ns` is the monotonic time at which the first frame was captured. `interleaved.len()` is a multiple of
    /// the channel count. Called from the source's own thread or device callback.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize;

    /// Says that frames of unknown number were not captured before the next delivery: the device was away, or has lost
    /// some without saying how many. Where the next delivery belongs is then found by its stamp alone.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    fn mark_break(&mut self);
}

/// A source that pushes at its own pace: devices, networks, other processes.
///
/// Its clock is its own: the engine follows and resamples it.
pub trait ClockedSource: Source {
    /// Opens what is behind the source and lets it deliver into `input`. Called on a thread that may block.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, does I/O.
    ///
    /// # Errors
    /// [`SourceError`] where it can't be opened; the source may be started again later.
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<Granted, SourceError>;

    /// What happened since the last call, if anything. Called on the control side; never blocks.
    fn poll_event(&mut self) -> Option<StreamEvent>;

    /// Stops delivering and drops the `input`. Called on a thread that may block. Does nothing when not started.
    fn stop(&mut self);
}

/// What the system granted when a clocked source was started, read back and not merely asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Granted {
    /// The format in which frames arrive.
    pub spec: StreamSpec,
    /// Frames in a delivery, where the system says so. Sizes may vary all the same.
    pub period_frames: Option<u32>,
    /// The device that is really behind it, for people and for logs.
    pub device: String,
}
