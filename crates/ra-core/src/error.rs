//! What can be wrong with a spec, a source or a sink.

use std::path::PathBuf;

use crate::{ChannelCount, SampleRate};

/// A rate or a channel count that is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Not a usable rate.
    #[error("a sample rate of {actual_hz} Hz, expected {} to {} Hz", SampleRate::MIN_HZ, SampleRate::MAX_HZ)]
    SampleRate {
        /// What was given, in hertz.
        actual_hz: u32,
    },
    /// Not a usable channel count.
    #[error("{actual} channels, expected 1 to {}", ChannelCount::MAX)]
    ChannelCount {
        /// What was given.
        actual: u16,
    },
}

/// Why a source can't be opened or can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file can't be opened or read.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The file is no sound file that we know, or is damaged.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        message: String,
    },
    /// The rate or the channel count is out of range.
    #[error("{what}: {cause}")]
    Spec {
        /// Which source.
        what: String,
        /// Which bound.
        #[source]
        cause: SpecError,
    },
    /// The device can't be opened or was lost.
    #[error("device {device}: {message}")]
    Device {
        /// The device's id.
        device: String,
        /// What the system said, and what there is instead.
        message: String,
    },
    /// A setting makes no sense.
    #[error("{what}: {message}")]
    Setting {
        /// Which setting.
        what: String,
        /// What was found and what was expected.
        message: String,
    },
}

/// Why a sink can't be opened or can't take a block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The file can't be created, written or closed.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The device can't be opened or was lost.
    #[error("device {device}: {message}")]
    Device {
        /// The device's id.
        device: String,
        /// What the system said, and what there is instead.
        message: String,
    },
    /// A setting makes no sense.
    #[error("{what}: {message}")]
    Setting {
        /// Which setting.
        what: String,
        /// What was found and what was expected.
        message: String,
    },
    /// The end could not be written: some frames that had been taken are lost.
    #[error("{}: {cause}", path.display())]
    Tail {
        /// The file.
        path: PathBuf,
        /// Frames that were taken and are not in the file: delivered before, dropped now.
        lost_frames: u64,
        /// What the system said, and what is missing.
        #[source]
        cause: std::io::Error,
    },
    /// There is no connection to the server; it is tried again.
    #[error("{server}: {message}")]
    Server {
        /// The server, as people know it; no password.
        server: String,
        /// Why, and what the server said.
        message: String,
    },
    /// The sink has no such thing. It goes on as before.
    #[error("{what} is not supported")]
    Unsupported {
        /// What it was told to do.
        what: String,
    },
    /// The sink is beyond repair.
    #[error("{0}")]
    Fatal(String),
}

impl SinkError {
    /// Whether the sink can't go on. A failed file write is not fatal: there may be room again in a moment.
    pub const fn is_fatal(&self) -> bool {
        matches!(self, SinkError::Fatal(_) | SinkError::Setting { .. })
    }
}
