//! What is said of devices where this build has none.

use ra_engine::core::{Sink, StreamSpec};
use ra_engine::{AnySource, EngineConfig, SourceConfig};

use crate::config::{At, DeviceEntry, OutputEntry};

const NONE: &str = "this build of ra has no sound devices (feature device)";

/// There is none.
pub(super) enum CaptureConfig {}

/// Says that there are no devices.
pub(super) fn plan_source(
    _entry: &DeviceEntry,
    _channels: Option<&At<Vec<u16>>>,
) -> Result<(CaptureConfig, String), String> {
    Err(NONE.to_owned())
}

/// Says that there are no devices.
pub(super) fn make_sink(
    _entry: &OutputEntry,
    _name: &str,
    _engine: &EngineConfig,
) -> Result<(Box<dyn Sink>, String), String> {
    Err(NONE.to_owned())
}

/// Can't be called.
pub(super) fn open_source(
    capture: CaptureConfig,
    _source: &SourceConfig,
    _assumed: StreamSpec,
) -> Result<AnySource, String> {
    match capture {}
}
