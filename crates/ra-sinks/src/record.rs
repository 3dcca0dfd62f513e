//! The recorder: blocks of a bus into a file that opens unrepaired at every moment and is as long as the time it covers.
//!
//! From the outside in: `recorder` is the [`ra_core::Sink`], `take` one recording from start to finish with its
//! timeline, `container` the trait behind which file formats stand, `wav_writer` the one that there is, `storage` the
//! bytes on disk. Nothing here reads a clock: every rhythm counts frames.

mod config;
mod container;
mod gap_log;
mod levels;
mod recorder;
mod sidecar;
mod storage;
mod take;
mod template;
mod wav_header;
mod wav_writer;

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod faulty_storage;

pub use config::{RecorderConfig, SampleFormat, Sidecar, SyncRhythm};
pub use recorder::Recorder;
