//! The recorder: blocks of a bus into a file that opens unrepaired at every moment and is as long as the time it covers.
//!
//! From the outside in: `recorder` is the [`ra_core::Sink`], `session` what it does between start and end, file by file,
//! `take` one file from start to finish with its timeline, `container` the trait behind which file formats stand,
//! `wav_writer` and `encoded_file` those that there are, `storage` the bytes on disk. Nothing here reads a clock: every
//! rhythm counts frames.

mod bext;
mod bounded_list;
mod channel_choice;
mod config;
mod container;
mod encoded_file;
mod file_identity;
mod gap_log;
mod journal;
mod levels;
mod opener;
mod origin;
mod page_queue;
mod policy;
mod recent;
mod recorder;
mod retention;
mod series;
mod session;
mod sidecar;
mod silence;
mod splitter;
mod storage;
mod storage_meter;
mod storage_tap;
mod take;
mod template;
mod time_of_day;
mod wav_header;
mod wav_writer;

#[cfg(test)]
#[cfg(all(feature = "flac", feature = "opus"))]
mod encoded_bench;
#[cfg(test)]
#[cfg(all(feature = "flac", feature = "opus"))]
mod encoded_file_tests;
#[cfg(test)]
#[cfg(all(feature = "flac", feature = "opus"))]
mod encoded_growth_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod faulty_storage;

pub use config::{OggCodec, OriginNote, RecorderConfig, SampleFormat, Sidecar, SyncRhythm};
pub use policy::{ClockMark, RecordFrom, Retention, SilenceRule, SplitRule};
pub use recorder::Recorder;
#[cfg(feature = "record-testing")]
pub use storage_tap::{StorageCall, StorageTap, StorageTapGuard, tap_storage_below};
