//! Files and synthetic signals of a config, opened.

use std::path::Path;
use std::sync::Arc;

use ra_engine::AnySource;
use ra_engine::core::{PulledSource, SystemClock};
use ra_engine::sources::{AtEnd, FileConfig, FileSource, MockSource, PacedConfig, PacedSource};

use crate::channel_select::{ClockedSelect, PulledSelect};
use crate::config::{At, FileEntry, MockEntry};

/// A source; or where and why there is none.
type Made = Result<AnySource, (usize, String)>;

/// Opens a file, relative to `base_dir`.
pub(super) fn open_file(base_dir: &Path, entry: &FileEntry, channels: Option<&At<Vec<u16>>>) -> Made {
    let at_end = if entry.looped { AtEnd::Loop } else { AtEnd::Stop };
    let config = FileConfig { at_end, ..FileConfig::new(base_dir.join(&entry.path.value)) };
    let file = FileSource::open(config).map_err(|e| (entry.path.offset, e.to_string()))?;
    select_pulled(Box::new(file), channels)
}

/// Makes a synthetic source, pulled or with a clock of its own.
pub(super) fn make_mock(entry: &MockEntry, room_origin_ns: u64, channels: Option<&At<Vec<u16>>>) -> Made {
    // The signal is checked by itself, so that each error stands at its own line.
    let source = MockSource::new(entry.config.clone()).map_err(|e| (entry.signal_offset, e.to_string()))?;
    let Some(paced) = &entry.paced else { return select_pulled(Box::new(source), channels) };
    let config = PacedConfig { room_origin_ns: Some(room_origin_ns), ..paced.clone() };
    let source = PacedSource::mock(config, entry.config.clone(), Arc::new(SystemClock))
        .map_err(|e| (entry.clock_offset, e.to_string()))?;
    let Some(channels) = channels else { return Ok(AnySource::clocked(source)) };
    ClockedSelect::new(Box::new(source), &channels.value, paced.period_frames as usize)
        .map(AnySource::clocked)
        .map_err(|e| (channels.offset, e.to_string()))
}

fn select_pulled(source: Box<dyn PulledSource>, channels: Option<&At<Vec<u16>>>) -> Made {
    let Some(channels) = channels else { return Ok(source.into()) };
    PulledSelect::new(source, &channels.value).map(AnySource::pulled).map_err(|e| (channels.offset, e.to_string()))
}
