//! Where ra's sound goes: consumers of a bus, each an implementation of [`ra_core::Sink`].
//!
//! * feature `record` (default): [`Recorder`], a WAV recorder whose file is valid at every moment.
//! * feature `output`: playback through a device of the system.
//!
//! A sink owns its I/O and nothing else: it starts no thread, knows no mixer and reads no clock. The engine, or whoever
//! uses a sink by itself, calls it from one thread and tells it what time it is by the positions of the blocks.

#[cfg(feature = "output")]
mod output;
#[cfg(feature = "record")]
mod record;

#[cfg(feature = "output")]
pub use output::{OutputConfig, OutputCounts, OutputSink};
#[cfg(feature = "record")]
pub use record::{Recorder, RecorderConfig, SampleFormat, Sidecar, SyncRhythm};
