//! What the fuzz targets and their replay reach of this crate's insides. No part of its interface, and nothing to build
//! on: it changes as the insides do.

use ra_engine::core::{PulledSource, SourceError};

use crate::channel_select::PulledSelect;
use crate::config::{Config, ConfigError};
use crate::logger::LogFilter;

/// Makes everything that a config describes, and lets go of it. Opens the sound files that it names; creates none.
///
/// # Errors
/// [`ConfigError`] with everything that turns out to make no sense.
pub fn assemble(config: &Config) -> Result<(), ConfigError> {
    crate::assemble::assemble(config).map(drop)
}

/// Takes `channels`, counted from 1, of a source.
///
/// # Errors
/// [`SourceError`] where the source has no such channel.
pub fn select_channels(source: Box<dyn PulledSource>, channels: &[u16]) -> Result<Box<dyn PulledSource>, SourceError> {
    Ok(Box::new(PulledSelect::new(source, channels)?))
}

/// Parses what `RA_LOG` may hold.
///
/// # Errors
/// The message for the person who wrote it.
pub fn check_log_filter(text: &str) -> Result<(), String> {
    LogFilter::parse(text).map(drop).map_err(|e| e.to_string())
}
