//! What can be fed: the trait of consumers. Implementations live in `ra-sinks`.

use std::path::PathBuf;

use crate::{Block, FramePosition, Gap, Metadata, PeriodStamp, SampleRate, SinkError, StreamSpec};

/// What a sink is told before its first block.
#[derive(Clone, Debug)]
pub struct SinkStart {
    /// The sink's name in the engine.
    pub name: String,
    /// The format of the blocks to come.
    pub spec: StreamSpec,
    /// Frames in a full block; the last block may be shorter.
    pub block_frames: usize,
    /// Mix-timeline position of the first frame that it will get.
    pub position: FramePosition,
    /// Nanoseconds since the Unix epoch at which that frame was captured, for file names. Where the engine has not
    /// started yet: the time of opening, which comes a little earlier.
    pub unix_ns: i128,
    /// What turns a stamp's `capture_ns` into nanoseconds since the Unix epoch, where it is known: exact, and the same for
    /// all sinks of an engine.
    pub unix_minus_monotonic_ns: Option<i128>,
}

/// A consumer of one bus. The engine gives each its own thread; a slow, failing or panicking sink hurts nobody else.
///
/// All methods are called on the sink's own thread, in this order: `start`, then `write`, `gap`, `flush` and `command` as
/// things happen, then `finish` once. Behind each of these, also where it failed, the sink is asked for what it has to tell:
/// `take_back_frames` and `take_report`.
///
/// # Real-time safety
/// Not real-time safe: implementations may allocate, lock and do I/O.
pub trait Sink: Send {
    /// Opens what is behind the sink.
    ///
    /// # Errors
    /// [`SinkError`] where it can't be opened: the sink then ends as failed and is not called again.
    fn start(&mut self, start: &SinkStart) -> Result<(), SinkError>;

    /// The clock of the device that it plays on, once, after [`Sink::start`]. `None` (the default): it has none, or it was
    /// taken.
    fn take_clock(&mut self) -> Option<Box<dyn PlaybackClock>> {
        None
    }

    /// Takes one block. Positions only ever grow; every jump between blocks was announced by [`Sink::gap`].
    ///
    /// # Errors
    /// On any error the block counts as dropped. Where [`SinkError::is_fatal`] says so the sink is not called again;
    /// else it gets the next blocks too, and goes on where it can: a disk that has room again.
    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError>;

    /// Learns of frames that will never come, before the block behind them. They count as dropped already.
    ///
    /// # Errors
    /// As for [`Sink::write`].
    fn gap(&mut self, gap: &Gap) -> Result<(), SinkError>;

    /// Makes what was written visible and durable, as far as the sink promises. Called a few times a second.
    ///
    /// # Errors
    /// As for [`Sink::write`].
    fn flush(&mut self) -> Result<(), SinkError>;

    /// Writes every tail and closes.
    ///
    /// # Errors
    /// [`SinkError`] where the end could not be written; what was written before stays valid.
    fn finish(&mut self) -> Result<SinkReport, SinkError>;

    /// Does what it is told to, between two blocks.
    ///
    /// # Errors
    /// [`SinkError::Unsupported`] for what it can't do; by default that is everything. An error that is not fatal leaves the
    /// sink as it was: it is the command that failed.
    fn command(&mut self, command: &SinkCommand) -> Result<(), SinkError> {
        Err(SinkError::Unsupported { what: command.to_string() })
    }

    /// Frames that earlier calls took and that are lost after all, since the last call: they count as dropped from now on.
    fn take_back_frames(&mut self) -> u64 {
        0
    }

    /// What it has left behind so far, where that has changed since the last call. It replaces what was told before, so that
    /// it is known also of a sink that never ends.
    fn take_report(&mut self) -> Option<SinkReport> {
        None
    }
}

/// What a sink can be told while it runs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SinkCommand {
    /// Goes on in a new file.
    Split,
    /// Takes blocks and keeps none of them.
    Pause,
    /// Keeps blocks again.
    Resume,
    /// Says this of the sound from now on.
    SetMetadata(Metadata),
    /// The time of day is another function of a stamp's `capture_ns` from now on: the machine was suspended, or its time was
    /// set. For names to come; the stream itself goes on as if nothing had happened. Nobody waits for what comes of it.
    SetTimeOfDay {
        /// As in [`SinkStart`].
        unix_minus_monotonic_ns: i128,
    },
}

impl std::fmt::Display for SinkCommand {
    /// `split`, `pause`, `resume`, `set metadata`, `set the time of day`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SinkCommand::Split => "split",
            SinkCommand::Pause => "pause",
            SinkCommand::Resume => "resume",
            SinkCommand::SetMetadata(_) => "set metadata",
            SinkCommand::SetTimeOfDay { .. } => "set the time of day",
        })
    }
}

/// When a playback device plays its frames: a clock that an engine can follow as its master.
pub trait PlaybackClock: Send {
    /// The device's nominal rate: what positions count.
    fn sample_rate(&self) -> SampleRate;

    /// Shows every period that the device has asked for since the last call, in order. A stamp's `capture_ns` is the
    /// monotonic time at which its first frame is played.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    fn poll_stamps(&mut self, on_stamp: &mut dyn FnMut(&PeriodStamp));

    /// Whether nothing more will come: the device is closed or lost.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    fn is_closed(&self) -> bool;
}

/// What a sink leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkReport {
    /// The files that it wrote, in order: the latest ones, where they are many.
    pub files: Vec<PathBuf>,
    /// Files that it wrote before those.
    pub files_omitted: u64,
    /// Remarks for people: underruns of an output, clipped samples.
    pub notes: Vec<String>,
}
