//! What a scenario says: the engine's settings, the devices, and what goes wrong with them. Runs nothing.
//! The file is described in `docs/scenarios.md`.

mod fault_table;
mod parse;
mod ring;
mod source_table;
mod table;
mod text;

use std::path::Path;

use ra_engine::core::{ChannelCount, SampleRate, SourceError, StreamSpec};
use ra_engine::sources::{
    ClockModel, Fault, MockConfig, Outliers, PacedConfig, Signal, SimulatedConfig, SimulatedDevice,
    SimulatedDeviceHandle,
};
use ra_engine::{EngineConfig, Latency, OnLoss, OnRateMismatch, Quality, RealtimeRequest, SourceConfig, VirtualEngine};

use crate::{ScenarioError, SimulationError};

/// A whole scenario. Plain data: a file gives one, and so may a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Seeds everything random: the room's noise, and, with its number, each source's own generator. Default 0.
    pub seed: u64,
    /// How long it runs, in seconds of true time, 0.001 to 10⁸.
    pub duration_s: f64,
    /// The engine's rate. Default 48 000 Hz.
    pub sample_rate: SampleRate,
    /// Frames of a block, 16 to 8192. Default 128.
    pub block_frames: usize,
    /// From capture to the mix point, 1 to 10 000 ms. Default 20 ms.
    pub latency: Latency,
    /// Of the resamplers. Default balanced.
    pub quality: Quality,
    /// From when on offsets count, in seconds; less than the duration. Default 60, or half the duration where that is less.
    pub measure_from_s: Option<f64>,
    /// The devices, one at least.
    pub sources: Vec<ScenarioSource>,
}

/// A device of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioSource {
    /// Its name, unique among the sources: 1 to 64 characters, no slash.
    pub name: String,
    /// The rate that it claims. Default 48 000 Hz.
    pub sample_rate: SampleRate,
    /// Its channels. Default 1.
    pub channels: ChannelCount,
    /// Frames of a delivery, 1 to 65 536. Default 256.
    pub period_frames: u32,
    /// How wrong its clock is. Default: not at all.
    pub clock: ClockModel,
    /// Standard deviation of the error that a delivery and its stamp share, 0 to 10⁶ µs. Default 0.
    pub jitter_us: f64,
    /// Deliveries that come far too late. Default: none.
    pub outliers: Outliers,
    /// What sounds in the room, as far as this device hears it.
    pub signal: Signal,
    /// How much later than it was captured its sound is to be heard, −1000 to 1000 ms. Default 0.
    pub latency_offset_ms: f64,
    /// What becomes of it when its rate is not the one that it claims. Default: it is followed.
    pub on_rate_mismatch: OnRateMismatch,
    /// What is heard in its place when it is lost. Default: silence.
    pub on_loss: OnLoss,
    /// How long it has to sound again before it is heard in the place of its fallback, 0 to 60 000 ms. Default 150.
    pub return_after_ms: f64,
    /// Whether it must be there at the start: else it is waited for. Default yes.
    pub required: bool,
    /// What goes wrong with it. Default: nothing.
    pub faults: Vec<Fault>,
}

impl Scenario {
    /// A scenario with every default, and no source yet.
    pub fn new(duration_s: f64) -> Self {
        Self {
            seed: 0,
            duration_s,
            sample_rate: SampleRate::HZ_48000,
            block_frames: 128,
            latency: Latency::Ms(20.0),
            quality: Quality::Balanced,
            measure_from_s: None,
            sources: Vec::new(),
        }
    }

    /// Reads and parses a scenario file.
    ///
    /// # Errors
    /// [`ScenarioError`] with every problem that was found, the unreadable file included.
    pub fn load(file: &Path) -> Result<Self, ScenarioError> {
        parse::load(file)
    }

    /// Parses a scenario that is in memory; `file` is its name in messages. Any bytes give a scenario or a list of errors.
    ///
    /// # Errors
    /// [`ScenarioError`] with every problem that was found.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, ScenarioError> {
        parse::parse(file, bytes)
    }

    /// Whether any source has another one to stand in for it.
    pub fn has_fallbacks(&self) -> bool {
        self.sources.iter().any(|source| source.on_loss.fallback().is_some())
    }

    /// From when on offsets count, in seconds.
    pub fn measured_from_s(&self) -> f64 {
        self.measure_from_s.unwrap_or_else(|| 60f64.min(self.duration_s / 2.0))
    }

    /// Frames of the mix timeline that the duration has, rounded to the nearest.
    pub fn n_frames(&self) -> u64 {
        (self.duration_s * f64::from(self.sample_rate.hz())).round() as u64
    }

    /// The settings of the engine that it runs on.
    pub fn engine_config(&self) -> EngineConfig {
        EngineConfig {
            sample_rate: self.sample_rate,
            block_frames: self.block_frames,
            latency: self.latency,
            quality: self.quality,
            realtime: RealtimeRequest::Ordinary,
            ..EngineConfig::default()
        }
    }

    /// The room's band: the lowest rate that its sound passes through, anywhere.
    pub fn band_rate(&self) -> SampleRate {
        let rates = self.sources.iter().flat_map(|source| {
            let flips = source.faults.iter().filter_map(Fault::new_rate);
            flips.chain([source.sample_rate])
        });
        rates.fold(self.sample_rate, SampleRate::min)
    }

    /// The simulated device of the `index`-th source, in virtual time, and what moves it. Its deliveries are those of a run
    /// of this scenario, for whoever else wants them: another engine, a contestant.
    ///
    /// # Errors
    /// [`SimulationError::Source`] where the source makes no sense; [`SimulationError::Value`] where there is none.
    pub fn device(&self, index: usize) -> Result<(SimulatedDevice, SimulatedDeviceHandle), SimulationError> {
        let source = self.sources.get(index).ok_or_else(|| SimulationError::Value {
            key: "source",
            actual: index.to_string(),
            expected: format!("less than {}", self.sources.len()),
        })?;
        SimulatedDevice::new(source.simulated_config(self.seed, index, self.band_rate()))
            .map_err(|cause| SimulationError::Source { name: source.name.clone(), cause })
    }

    /// Checks the bounds of the scenario's own values; those of the engine and of the sources are checked by these.
    pub(crate) fn check(&self) -> Result<(), SimulationError> {
        let value = |key, actual: f64, expected: String| {
            Err(SimulationError::Value { key, actual: actual.to_string(), expected })
        };
        if !(0.001..=1e8).contains(&self.duration_s) {
            return value("duration_s", self.duration_s, "0.001 to 100000000 s".to_owned());
        }
        let from_s = self.measured_from_s();
        if !(from_s >= 0.0 && from_s < self.duration_s) {
            return value("measure_from_s", from_s, format!("0 to less than the duration of {} s", self.duration_s));
        }
        if self.sources.is_empty() {
            return value("the number of sources", 0.0, "1 at least".to_owned());
        }
        for source in &self.sources {
            self.check_ring(source)
                .and_then(|()| self.check_fallback(source))
                .map_err(|cause| SimulationError::Source { name: source.name.clone(), cause })?;
        }
        Ok(())
    }

    /// Checks that a source's fallback is there, and is not the source itself in the end.
    fn check_fallback(&self, source: &ScenarioSource) -> Result<(), SourceError> {
        let error = |message: String| Err(SourceError::Setting { what: "on_loss".to_owned(), message });
        let mut next = source.on_loss.fallback();
        // A chain that is longer than this goes round, somewhere else: the sources in that circle say so.
        for _ in 0..self.sources.len() {
            let Some(name) = next else { return Ok(()) };
            let Some(fallback) = self.sources.iter().find(|source| source.name == name) else {
                return error(format!("names the source {name:?}, expected one of this scenario"));
            };
            if fallback.name == source.name {
                return error("leads back to the source itself, expected another one".to_owned());
            }
            next = fallback.on_loss.fallback();
        }
        Ok(())
    }

    /// Checks that the engine would make a ring for a source.
    fn check_ring(&self, source: &ScenarioSource) -> Result<(), SourceError> {
        ring::check(self, source)
    }
}

impl ScenarioSource {
    /// A source with every default.
    pub fn new(name: impl Into<String>, signal: Signal) -> Self {
        Self {
            name: name.into(),
            sample_rate: SampleRate::HZ_48000,
            channels: ChannelCount::MONO,
            period_frames: 256,
            clock: ClockModel::PERFECT,
            jitter_us: 0.0,
            outliers: Outliers::default(),
            signal,
            latency_offset_ms: 0.0,
            on_rate_mismatch: OnRateMismatch::Follow,
            on_loss: OnLoss::Silence,
            return_after_ms: 150.0,
            required: true,
            faults: Vec::new(),
        }
    }

    /// What the engine is told of it. It is heard by itself and goes to no bus: nobody wants the sum.
    pub fn source_config(&self) -> SourceConfig {
        SourceConfig {
            to: Vec::new(),
            latency_offset_ms: self.latency_offset_ms,
            on_rate_mismatch: self.on_rate_mismatch,
            on_loss: self.on_loss.clone(),
            return_after_ms: self.return_after_ms,
            required: self.required,
            ..SourceConfig::named(&self.name)
        }
    }

    fn simulated_config(&self, seed: u64, index: usize, band_rate: SampleRate) -> SimulatedConfig {
        let spec = StreamSpec { sample_rate: self.sample_rate, channels: self.channels };
        SimulatedConfig {
            paced: PacedConfig {
                name: self.name.clone(),
                period_frames: self.period_frames,
                clock: self.clock,
                jitter_us: self.jitter_us,
                outliers: self.outliers,
                seed: source_seed(seed, index),
                room_origin_ns: Some(VirtualEngine::ORIGIN_NS),
            },
            // The room is one: its noise has the scenario's seed, whoever hears it.
            room: MockConfig { seed, band_rate: Some(band_rate), ..MockConfig::new(spec, self.signal) },
            faults: self.faults.clone(),
        }
    }
}

/// The seed of a source's own generator: a step of SplitMix64 from the scenario's, so that neighbouring seeds share nothing
/// (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
fn source_seed(seed: u64, index: usize) -> u64 {
    let z = seed.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
