//! The config file: TOML in, a [`Config`] that makes sense out, or every error with its line. Opens nothing but the config
//! file itself.

mod engine_section;
mod icecast_section;
mod insert_section;
mod metadata_section;
mod model;
mod names;
mod parse;
mod problem;
mod record_section;
mod signal_section;
mod sink_section;
mod source_section;
mod suggest;
mod table_reader;

#[cfg(test)]
mod message_tests;

pub use model::{
    BusEntry, Config, DeviceEntry, FileEntry, IcecastEntry, InsertEntry, InsertKind, MockEntry, OutputEntry,
    PasswordPlace, RecordEntry, SinkEntry, SinkKind, SourceEntry, SourceKind,
};
pub use parse::{load_config, parse_config};
pub use problem::{ConfigError, ConfigText, Problem};
pub use table_reader::At;
