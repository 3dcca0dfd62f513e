//! Devices of a config. Described here, looked for when they are added.

use ra_engine::AnySource;
use ra_engine::core::{SampleRate, Sink};
use ra_engine::sinks::{OutputConfig, OutputSink};
use ra_engine::sources::{DeviceConfig, DeviceSource};

use crate::config::{At, DeviceEntry, OutputEntry};

/// A device to capture from.
pub(super) type CaptureConfig = DeviceConfig;

/// What to ask for, and what that is for people.
pub(super) fn plan_source(
    entry: &DeviceEntry,
    channels: Option<&At<Vec<u16>>>,
) -> Result<(CaptureConfig, String), String> {
    let sample_rate = entry.sample_rate_hz.map(SampleRate::new).transpose().map_err(|e| e.to_string())?;
    let config = DeviceConfig {
        device: entry.device.clone(),
        sample_rate,
        channels: channels.map(|channels| channels.value.clone()),
        period_frames: entry.period_frames,
    };
    Ok((config, format!("device {}", entry.device)))
}

/// Looks for the device.
pub(super) fn open_source(config: CaptureConfig) -> Result<AnySource, String> {
    DeviceSource::open(config).map(AnySource::clocked).map_err(|e| e.to_string())
}

/// A sink that looks for its device when it is added, and what it is.
pub(super) fn make_sink(entry: &OutputEntry) -> Result<(Box<dyn Sink>, String), String> {
    let default = OutputConfig::default();
    let config = OutputConfig {
        device: entry.device.clone(),
        cushion_ms: entry.cushion_ms.unwrap_or(default.cushion_ms),
        period_frames: entry.period_frames,
        ..default
    };
    let sink = OutputSink::new(config).map_err(|e| e.to_string())?;
    Ok((Box::new(sink), format!("output to device {}", entry.device)))
}
