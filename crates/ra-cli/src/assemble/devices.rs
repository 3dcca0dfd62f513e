//! Devices of a config. Described here, looked for when they are added.

use ra_engine::core::{SampleRate, Sink, StreamSpec};
use ra_engine::sinks::{OutputConfig, OutputRole, OutputSink};
use ra_engine::sources::{DeviceConfig, DeviceSource};
use ra_engine::{AnySource, EngineConfig, Master, SourceConfig};

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

/// Looks for the device. One that is not required is waited for where it is not there, and taken to have the engine's
/// format until it is.
pub(super) fn open_source(
    capture: CaptureConfig,
    source: &SourceConfig,
    assumed: StreamSpec,
) -> Result<AnySource, String> {
    if source.required {
        return DeviceSource::open(capture).map(AnySource::clocked).map_err(|e| e.to_string());
    }
    let (device, problem) = DeviceSource::open_or_wait(capture, assumed).map_err(|e| e.to_string())?;
    if let Some(problem) = problem {
        log::warn!("source {}: waited for: {problem}", source.name);
    }
    Ok(AnySource::clocked(device))
}

/// A sink that looks for its device when it is added, and what it is. `name`: the sink's.
pub(super) fn make_sink(
    entry: &OutputEntry,
    name: &str,
    engine: &EngineConfig,
) -> Result<(Box<dyn Sink>, String), String> {
    let is_master = matches!(&engine.master, Master::Sink(master) if master == name);
    let config = OutputConfig {
        device: entry.device.clone(),
        cushion_ms: entry.cushion_ms.unwrap_or(OutputConfig::default().cushion_ms),
        period_frames: entry.period_frames,
        quality: engine.quality,
        role: if is_master { OutputRole::Master } else { OutputRole::Follower },
        required: entry.required,
    };
    let sink = OutputSink::new(config).map_err(|e| e.to_string())?;
    Ok((Box::new(sink), format!("output to device {}", entry.device)))
}
