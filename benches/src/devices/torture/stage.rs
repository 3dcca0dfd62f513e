//! The engine that is tortured, and what listens to it.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ra_core::{Gap, SourceState, SourceStats, Stats, StreamSpec};
use ra_engine::sinks::{Recorder, RecorderConfig};
use ra_engine::sources::{AtEnd, DeviceConfig, DeviceSource, FileConfig, FileSource, MockConfig, MockSource, Signal};
use ra_engine::{AnySource, BusConfig, Engine, EngineConfig, EngineHandle, Latency, OnLoss, SinkConfig, SourceConfig};

use super::super::dial;
use super::super::tape::{Findings, Tape};
use super::RATE_HZ;
use crate::torture::engine::Dice;

/// Fixed: that it finds one by itself is measured elsewhere, and here would move what is compared.
const LATENCY_MS: f64 = 100.0;
/// For a source to be well again. A machine that has a lot to do may take longer than what is asked for.
const PATIENCE: Duration = Duration::from_secs(20);
/// A resampler rings before and behind a sound that begins or ends, at less than -54 dB of a dial.
const RINGING_LIN: f32 = 0.001;
/// Below -50 dBFS nobody hears a fallback.
const AUDIBLE_LIN: f32 = 0.003;

/// What a gap grows by is told within so many frames.
const GROWTH_FRAMES: u64 = 1_024;

/// The engine and what listens to it.
pub(super) struct Stage {
    pub(super) engine: Engine,
    pub(super) handle: EngineHandle,
    pub(super) mic: Findings,
    pub(super) main: Findings,
    pub(super) other: Findings,
}

impl Stage {
    pub(super) fn start(recording: &Path) -> Result<Self> {
        let config = EngineConfig { latency: Latency::Ms(LATENCY_MS), ..EngineConfig::default() };
        let mut engine = Engine::new(config)?;
        let handle = engine.handle();
        let spec = StreamSpec::new(RATE_HZ, 2)?;
        let tone = |hz, dbfs| MockConfig::new(spec, Signal::Tone { hz, dbfs });
        handle.add_bus(BusConfig { name: "elsewhere".to_owned(), channels: spec.channels })?;
        let bed = tone(440.0, -12.0);
        handle.add_source(SourceConfig::named("bed"), AnySource::pulled(MockSource::new(bed)?))?;
        let known = write_noise(&recording.with_file_name("known.wav"))?;
        let to = vec!["elsewhere".to_owned()];
        let plays_on = SourceConfig { to, ..SourceConfig::named("plays-on") };
        handle.add_source(plays_on, AnySource::pulled(FileSource::open(known.clone())?))?;
        let device = DeviceConfig { device: "pulseaudio:mic.monitor".to_owned(), ..DeviceConfig::default() };
        let on_loss = OnLoss::Fallback("bed".to_owned());
        let mic = SourceConfig { on_loss, return_after_ms: 50.0, ..SourceConfig::named("mic") };
        handle.add_source(mic, AnySource::clocked(DeviceSource::open(device)?))?;
        let (tape, mic) = Tape::new(RINGING_LIN);
        handle.add_sink(SinkConfig { from: "source:mic".to_owned(), ..SinkConfig::named("mic-tape") }, tape)?;
        let (tape, main) = Tape::new(AUDIBLE_LIN);
        handle.add_sink(SinkConfig::named("main-tape"), tape)?;
        let (tape, other) = Tape::expecting(FileSource::open(known)?);
        let from = "source:plays-on".to_owned();
        handle.add_sink(SinkConfig { from, ..SinkConfig::named("other-tape") }, tape)?;
        let recorder = Recorder::new(RecorderConfig::new(recording))?;
        handle.add_sink(SinkConfig { from: "source:mic".to_owned(), ..SinkConfig::named("recorder") }, recorder)?;
        engine.start()?;
        Ok(Self { engine, handle, mic, main, other })
    }

    /// Waits until the microphone is live, its dial has been heard for 0.4 s, and it was from `position` on.
    pub(super) fn wait_until_well(&self, position: u64) -> Result<f64> {
        const READINGS: usize = 150;
        let begun = Instant::now();
        loop {
            let stats = self.handle.stats()?;
            let source = source(&stats, "mic")?;
            {
                let found = self.mic.look();
                let latest = found.readings.iter().rev().take(READINGS);
                let behind: Vec<f64> =
                    latest.filter(|reading| reading.position >= position).filter_map(|r| r.behind_frames).collect();
                if behind.len() == READINGS && source.state == SourceState::Live {
                    // Where they lie about, the middle of them around the first.
                    let around = |one: &f64| dial::difference_frames(*one, behind[0], RATE_HZ);
                    let offsets: Vec<f64> = behind.iter().map(around).collect();
                    return Ok(behind[0] + crate::median(&offsets));
                }
            }
            if begun.elapsed() > PATIENCE {
                bail!("the microphone is not well: {:?}, {:?}, {:?}", source.state, source.reason, source.states);
            }
            sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the microphone delivers after its return, and returns the gaps that were listed since `begun_at`.
    pub(super) fn wait_for_end(&self, begun_at: u64, back_ns: u64) -> Result<Vec<Gap>> {
        let begun = Instant::now();
        loop {
            let stats = self.handle.stats()?;
            let source = source(&stats, "mic")?;
            let gaps: Vec<Gap> =
                source.gaps.iter().filter(|gap| gap.at_frame.0 + 48_000 / 5 > begun_at).copied().collect();
            // Live again, and the mix is past what was captured when the device came back.
            let mixed = self.mic.look().readings.back().copied();
            let is_past = mixed.is_some_and(|reading| reading.capture_ns > back_ns);
            // One that grows has no end yet.
            let has_ended = |gap: &Gap| mixed.is_some_and(|reading| reading.position > gap.end().0 + GROWTH_FRAMES);
            if is_past && source.state == SourceState::Live && gaps.last().is_some_and(has_ended) {
                return Ok(gaps);
            }
            ensure!(
                begun.elapsed() < PATIENCE,
                "the microphone is not back: {:?}, {:?}, {:?}, {gaps:?}",
                source.state,
                source.reason,
                source.states
            );
            sleep(Duration::from_millis(2));
        }
    }

    /// When the frame at a position of the mix was captured.
    pub(super) fn capture_ns(&self, position: u64) -> Result<u64> {
        let found = self.mic.look();
        let after = found.readings.iter().find(|reading| reading.position + 128 > position);
        let reading = after.or(found.readings.back()).context("nothing was mixed")?;
        let frames = position as i64 - reading.position as i64;
        Ok((reading.capture_ns as i64 + frames * 1_000_000_000 / i64::from(RATE_HZ)) as u64)
    }
}

/// A source's part of a snapshot.
pub(super) fn source<'s>(stats: &'s Stats, name: &str) -> Result<&'s SourceStats> {
    stats.sources.iter().find(|source| source.name == name).with_context(|| format!("no source {name}"))
}

/// A second of noise, to be played again and again: a file's samples are what they are, however they are read.
fn write_noise(path: &Path) -> Result<FileConfig> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: RATE_HZ,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(path, spec).with_context(|| path.display().to_string())?;
    let mut dice = Dice::new(7);
    for _ in 0..2 * RATE_HZ {
        writer.write_sample(dice.below(1 << 20) as f32 / (1 << 22) as f32 - 0.125)?;
    }
    writer.finalize()?;
    Ok(FileConfig { at_end: AtEnd::Loop, ..FileConfig::new(path) })
}
