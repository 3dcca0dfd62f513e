//! How soon and how well the drift of a real server's clock is found: two servers whose null sinks are exact at 50,000 Hz,
//! one of them with a clock that runs fast.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ra_core::SampleRate;
use ra_device::testing::{NullSink, Scene, Servers};
use ra_engine::sources::{DeviceConfig, DeviceSource};
use ra_engine::{AnySource, Engine, EngineConfig, SourceConfig};
use serde::Serialize;

/// Exact: 20 µs a frame, and the server adds up whole microseconds.
pub(super) const EXACT: NullSink = NullSink { name: "exact", rate_hz: 50_000, channels: 2 };
/// How much the second server's clock is fast.
pub(super) const SKEW_PPM: f64 = 500.0;
/// The two devices: of the first server by PulseAudio's own protocol, of the second by ALSA's plugin.
pub(super) const DEVICES: [(&str, &str, f64); 2] =
    [("a", "pulseaudio:exact.monitor", 0.0), ("b", "alsa:b_exact", SKEW_PPM)];

/// What to measure.
#[derive(Clone, Debug)]
pub struct SkewRun {
    /// How often, with servers of its own each time.
    pub n_rounds: usize,
    /// When to look, in seconds after the device is open.
    pub looks_s: Vec<f64>,
}

/// One look.
#[derive(Clone, Debug, Serialize)]
pub struct SkewFigures {
    /// Which device.
    pub device: &'static str,
    /// What its clock is fast, in ppm.
    pub true_ppm: f64,
    /// When it was looked at.
    pub after_s: f64,
    /// What was found in each round; `None`: nothing yet.
    pub found_ppm: Vec<Option<f64>>,
}

impl SkewFigures {
    /// The most that any round was off, in ppm; infinite where nothing was found.
    pub fn worst_ppm(&self) -> f64 {
        let off = |found: &Option<f64>| found.map_or(f64::INFINITY, |ppm| (ppm - self.true_ppm).abs());
        self.found_ppm.iter().map(off).fold(0.0, f64::max)
    }
}

impl SkewRun {
    /// Runs it in `folder`, whose environment this process must have.
    ///
    /// # Errors
    /// What the engine refuses.
    pub fn run(&self, folder: &Path) -> Result<Vec<SkewFigures>> {
        let mut figures = Vec::new();
        for &after_s in &self.looks_s {
            for (device, _, true_ppm) in DEVICES {
                figures.push(SkewFigures { device, true_ppm, after_s, found_ppm: Vec::new() });
            }
        }
        for round in 1..=self.n_rounds {
            eprintln!("skew: round {round} of {}", self.n_rounds);
            let _servers = Servers::start(folder, &scene());
            let mut engine = Engine::new(EngineConfig::default())?;
            let handle = engine.handle();
            engine.start()?;
            for (name, device, _) in DEVICES {
                handle.add_source(SourceConfig::named(name), device_source(device, EXACT.rate_hz)?)?;
            }
            let open = Instant::now();
            for (look, &after_s) in self.looks_s.iter().enumerate() {
                sleep(Duration::from_secs_f64(after_s).saturating_sub(open.elapsed()));
                let stats = handle.stats()?;
                for (at, (name, _, _)) in DEVICES.into_iter().enumerate() {
                    let source = stats.sources.iter().find(|source| source.name == name).context("a source is gone")?;
                    figures[look * DEVICES.len() + at].found_ppm.push(source.drift_ppm);
                }
            }
            engine.stop()?;
        }
        Ok(figures)
    }
}

/// What these measurements need and is not installed: packages of Debian.
pub fn missing_tools() -> Vec<&'static str> {
    ra_device::testing::missing_tools(&scene())
}

/// Both servers.
pub(super) fn scene() -> Scene {
    Scene { a: vec![EXACT], b: Some((vec![EXACT], SKEW_PPM)), ..Scene::default() }
}

/// A device, to be given to an engine, at its own rate. Of an ALSA name nobody knows that, and a server that resamples
/// 50,000 Hz to 48,000 in pieces of 256 frames was seen to deliver 0.66 % too much.
pub(super) fn device_source(device: &str, rate_hz: u32) -> Result<AnySource> {
    let sample_rate = Some(SampleRate::new(rate_hz)?);
    let config = DeviceConfig { device: device.to_owned(), sample_rate, ..DeviceConfig::default() };
    Ok(AnySource::clocked(DeviceSource::open(config)?))
}
