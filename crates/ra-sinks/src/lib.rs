//! Where ra's sound goes: consumers of a bus, each an implementation of [`ra_core::Sink`].
//!
//! * feature `record` (default): [`Recorder`], a recorder whose files are valid at every moment.
//! * feature `icecast` (default; `tls`: over https): [`IcecastSink`], a stream to an Icecast server.
//! * feature `output`: playback through a device of the system.
//!
//! A sink owns its I/O and nothing else: it starts no thread, knows no mixer and reads no clock; but an output sees when its
//! blocks arrive, and looks for a lost device on a thread of its own; and a stream has a thread for its network. The engine, or whoever uses a sink by itself, calls it
//! from one thread and tells it what time it is by the positions of the blocks.

#[cfg(any(feature = "record", feature = "icecast"))]
mod encode;
#[cfg(feature = "icecast")]
mod icecast;
#[cfg(test)]
#[cfg(all(feature = "record", feature = "flac", feature = "opus"))]
#[path = "../tests/record/judges.rs"]
#[allow(dead_code, reason = "shared with the tests from outside, which use all of it")]
mod judges;
#[cfg(feature = "output")]
mod output;
#[cfg(feature = "record")]
mod record;

#[cfg(all(unix, feature = "icecast-testing"))]
pub use icecast::testing as icecast_testing;
#[cfg(feature = "icecast")]
pub use icecast::{
    IcecastConfig, IcecastCounts, IcecastProbe, IcecastSink, MountUrl, MountUrlError, OnReconnect, Password,
    ReconnectPolicy, Retry, Station, StreamCodec,
};
#[cfg(feature = "output")]
pub use output::{OutputConfig, OutputCounts, OutputMonitor, OutputRole, OutputSink, OutputState, OutputStatus};
#[cfg(feature = "record")]
pub use record::{
    ClockMark, OggCodec, OriginNote, RecordFrom, Recorder, RecorderConfig, Retention, SampleFormat, Sidecar,
    SilenceRule, SplitRule, SyncRhythm,
};
#[cfg(feature = "record-testing")]
pub use record::{StorageCall, StorageTap, StorageTapGuard, tap_storage_below};
