//! What a config says, once it is known to make sense. Plain data: opens nothing, starts nothing.

use std::path::{Path, PathBuf};

use ra_engine::core::Metadata;
use ra_engine::dsp::{EqualiserConfig, LimiterConfig};
use ra_engine::sinks::{MountUrl, OnReconnect, RecorderConfig, Station, StreamCodec};
use ra_engine::sources::{MockConfig, PacedConfig};
use ra_engine::{BusConfig, EngineConfig, SinkConfig, SourceConfig};

use super::problem::{ConfigText, Problem};
use super::table_reader::At;

/// A whole config file.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it stands, for messages about what turns out to be wrong later.
    pub text: ConfigText,
    /// `[engine]`.
    pub engine: EngineConfig,
    /// Every `[[bus]]` but `main`.
    pub buses: Vec<BusEntry>,
    /// The inserts of the bus `main`.
    pub main_inserts: Vec<InsertEntry>,
    /// Every `[[source]]`, in their order.
    pub sources: Vec<SourceEntry>,
    /// Every `[[sink]]`, in their order.
    pub sinks: Vec<SinkEntry>,
    /// What is doubtful.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// The directory that relative paths start from: the config file's.
    pub fn base_dir(&self) -> &Path {
        self.text.file().parent().unwrap_or(Path::new(""))
    }
}

/// A `[[bus]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct BusEntry {
    /// What the engine is told.
    pub config: BusConfig,
    /// Its effects, in the order in which the sound passes them.
    pub inserts: Vec<InsertEntry>,
}

/// A `[[source]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceEntry {
    /// What the engine is told.
    pub config: SourceConfig,
    /// What it is.
    pub kind: SourceKind,
    /// Which of its channels are taken, counted from 1 and in this order; `None`: all.
    pub channels: Option<At<Vec<u16>>>,
    /// Its effects, in the order in which the sound passes them.
    pub inserts: Vec<InsertEntry>,
    /// Where its table begins.
    pub offset: usize,
}

/// Where a source's sound comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceKind {
    /// A sound device.
    Device(DeviceEntry),
    /// A sound file.
    File(FileEntry),
    /// A synthetic signal.
    Mock(MockEntry),
}

/// `kind = "device"`.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceEntry {
    /// Its id, or `default`.
    pub device: String,
    /// The rate to ask for; `None`: the device's own.
    pub sample_rate_hz: Option<u32>,
    /// The period to ask for; `None`: the system's choice.
    pub period_frames: Option<u32>,
}

/// `kind = "file"`.
#[derive(Clone, Debug, PartialEq)]
pub struct FileEntry {
    /// The file, as it is written in the config.
    pub path: At<PathBuf>,
    /// Whether it begins again at its end.
    pub looped: bool,
}

/// `kind = "mock"`.
#[derive(Clone, Debug, PartialEq)]
pub struct MockEntry {
    /// What it sounds like, and in which format.
    pub config: MockConfig,
    /// The clock of its own that it runs on; `None`: it is pulled.
    pub paced: Option<PacedConfig>,
    /// Where its signal is described, or else its table begins.
    pub signal_offset: usize,
    /// Where its clock is described, or else its table begins.
    pub clock_offset: usize,
}

/// An effect on a source or a bus.
#[derive(Clone, Debug, PartialEq)]
pub struct InsertEntry {
    /// Which, and how it is set.
    pub kind: InsertKind,
    /// Where its table begins.
    pub offset: usize,
}

/// The effects that there are.
#[derive(Clone, Debug, PartialEq)]
pub enum InsertKind {
    /// A look-ahead limiter.
    Limiter(LimiterConfig),
    /// Filters in a row.
    Equaliser(EqualiserConfig),
}

/// A `[[sink]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkEntry {
    /// What the engine is told.
    pub config: SinkConfig,
    /// What it is.
    pub kind: SinkKind,
    /// Where its table begins.
    pub offset: usize,
}

/// Where a sink's sound goes.
#[derive(Clone, Debug, PartialEq)]
pub enum SinkKind {
    /// A file.
    Record(Box<RecordEntry>),
    /// A sound device.
    Output(OutputEntry),
    /// A mount of an Icecast server.
    Icecast(Box<IcecastEntry>),
}

/// `kind = "record"`.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordEntry {
    /// The path template, as it is written in the config.
    pub path: At<PathBuf>,
    /// The second directory, as it is written in the config.
    pub failover: Option<At<PathBuf>>,
    /// Where each key stands that is there.
    pub places: Vec<(&'static str, At<()>)>,
    /// Everything else; its paths are those above, and relative still.
    pub config: RecorderConfig,
}

impl RecordEntry {
    /// Where a setting stands; the path where it does not.
    pub fn offset_of(&self, key: &str) -> usize {
        self.places.iter().find(|(known, _)| *known == key).map_or(self.path.offset, |(_, place)| place.offset)
    }
}

/// `kind = "output"`.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputEntry {
    /// Its id, or `default`.
    pub device: String,
    /// How much sound waits before the device; `None`: as the sink chooses.
    pub cushion_ms: Option<f64>,
    /// The period to ask for; `None`: the system's choice.
    pub period_frames: Option<u32>,
    /// Whether nothing starts where it is not there.
    pub required: bool,
}

/// `kind = "icecast"`. Holds no password, but the place where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct IcecastEntry {
    /// Server and mount.
    pub url: At<MountUrl>,
    /// The user.
    pub user: String,
    /// Where the password stands.
    pub password: At<PasswordPlace>,
    /// What the sound is packed into.
    pub codec: StreamCodec,
    /// Where that is said, or else its table begins.
    pub codec_offset: usize,
    /// The target in kbit/s.
    pub bitrate_kbps: u32,
    /// What the server tells of it.
    pub station: Station,
    /// What is said of the sound at first, and where `metadata_from` says nothing.
    pub metadata: Metadata,
    /// The source whose tags are told while it plays: `source:NAME`.
    pub metadata_from: Option<At<String>>,
    /// What becomes of the sound of an outage.
    pub on_reconnect: OnReconnect,
    /// How much may wait for the network.
    pub queue_ms: u32,
    /// How long the server may acknowledge nothing.
    pub stall_ms: u32,
    /// How long an attempt to connect may take.
    pub connect_timeout_ms: u32,
    /// More signers who are trusted, as it is written in the config.
    pub tls_ca_file: Option<At<PathBuf>>,
}

/// Where a password stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordPlace {
    /// In an environment variable of this name.
    Variable(String),
    /// In a file, as it is written in the config.
    File(PathBuf),
}
