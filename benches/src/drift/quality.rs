//! What the whole engine does to tones while it follows a wandering clock by jittered stamps: what it adds to them, and how
//! level it is. Finds it in the sound alone.

use anyhow::{Result, ensure};
use ra_core::{SampleRate, StreamSpec};
use ra_engine::sources::{Delivery, Pacer, RoomTime};
use ra_engine::{BusEvent, BusReader, EngineConfig, Latency, Quality, SourceConfig, VirtualEngine};
use serde::Serialize;

use super::arena::{ORIGIN_NS, Scene, judge};
use super::contestant::{BLOCK_FRAMES, LATENCY_MS, RATE_HZ, Reading};
use super::replay::{Replay, ReplayInput};
use super::scenes::{JITTER_US, WANDERING};
use super::spectrum::{PIECE_FRAMES, Tone, find_tone};
use super::tone::sample_tone;
use crate::median;

/// Whose distortion is told.
const TONES_HZ: [u32; 4] = [1_000, 5_000, 10_000, 18_000];
/// Whose level is told.
const LEVELS_HZ: [u32; 8] = [100, 1_000, 5_000, 10_000, 15_000, 18_000, 19_000, 20_000];
const AMPLITUDE: f64 = 0.5;
/// So close to the tone, what there is is its own slow wander.
const BAND_HZ: f64 = 20.0;
const PIECES: usize = 6;

/// What one quality does.
#[derive(Clone, Debug, Serialize)]
pub struct QualityFigures {
    /// `fast`, `balanced` or `best`.
    pub quality: String,
    /// What it adds.
    pub tones: Vec<ToneRow>,
    /// How level it is.
    pub levels: Vec<LevelRow>,
    /// The largest deviation of a level from 0 dB, up to 20 kHz.
    pub flatness_db: f64,
}

/// One tone.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ToneRow {
    /// Its frequency.
    pub hz: u32,
    /// Everything further than 20 Hz from it, against it, in dB: the worst of the pieces of 1.4 s.
    pub worst_thd_n_db: f64,
    /// The same, the median of the pieces.
    pub median_thd_n_db: f64,
    /// How far the sound was from its place while it was measured, rms in us: the slow wander.
    pub wander_us: f64,
}

/// One level.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LevelRow {
    /// The tone's frequency.
    pub hz: u32,
    /// Its level against what went in.
    pub level_db: f64,
}

struct Voice {
    hz: u32,
    pacer: Pacer,
    next: Delivery,
    input: ReplayInput,
    reader: BusReader,
    sound: Vec<f32>,
    squared_offsets_us2: f64,
    n_offsets: u64,
}

/// Measures one quality from `from_s` on: all tones at once, each a source of its own.
///
/// # Errors
/// The engine refuses its settings, or a source is silent.
pub fn measure_quality(quality: Quality, from_s: f64) -> Result<QualityFigures> {
    let config = EngineConfig { latency: Latency::Ms(LATENCY_MS), quality, ..EngineConfig::default() };
    let mut engine = VirtualEngine::new(config)?;
    let mut frequencies: Vec<u32> = TONES_HZ.into_iter().chain(LEVELS_HZ).collect();
    frequencies.sort_unstable();
    frequencies.dedup();
    let mut voices: Vec<Voice> =
        frequencies.into_iter().map(|hz| voice(&mut engine, hz, from_s)).collect::<Result<_>>()?;
    let rate = SampleRate::new(RATE_HZ)?;
    let from_block = (from_s * f64::from(RATE_HZ)) as u64 / BLOCK_FRAMES;
    let n_blocks = from_block + (PIECES * PIECE_FRAMES) as u64 / BLOCK_FRAMES;
    let mut period = Vec::new();
    for n in 0..n_blocks {
        let now_ns = engine.next_deadline_ns();
        for voice in &mut voices {
            voice.deliver_until(now_ns, &mut period);
        }
        engine.step();
        let block = RoomTime::from_frame(n * BLOCK_FRAMES, rate);
        for (index, voice) in voices.iter_mut().enumerate() {
            voice.listen(n >= from_block)?;
            if n >= from_block
                && let Some(reading) = engine.reading(index)
            {
                let reading =
                    Reading { frame: reading.frame, fraction: reading.fraction, rate_factor: reading.rate_factor };
                if let Some((offset_us, _)) = judge(&voice.pacer, &WANDERING, rate, &reading, block) {
                    voice.squared_offsets_us2 += offset_us * offset_us;
                    voice.n_offsets += 1;
                }
            }
        }
    }
    for (voice, source) in voices.iter().zip(&engine.stats().sources) {
        let lost = (source.account.dropped_frames, source.inserted_frames);
        ensure!(lost == (0, 0), "{} Hz: dropped and inserted frames: {lost:?}", voice.hz);
    }
    Ok(figures(quality, &voices))
}

fn voice(engine: &mut VirtualEngine, hz: u32, from_s: f64) -> Result<Voice> {
    let scene = Scene {
        clock: WANDERING,
        jitter_us: JITTER_US,
        outliers: Default::default(),
        seed: u64::from(hz),
        seconds: from_s,
        judged_from_s: from_s,
    };
    let mut pacer = Pacer::new(&scene.paced(), SampleRate::new(RATE_HZ)?, ORIGIN_NS)?;
    let name = format!("{hz} Hz");
    let (source, input) = Replay::pair(StreamSpec::new(RATE_HZ, 1)?);
    engine.add_source(SourceConfig::named(&name), source)?;
    let reader = engine.subscribe(&format!("source:{name}"))?;
    let next = pacer.next_delivery();
    let sound = Vec::with_capacity(PIECES * PIECE_FRAMES);
    Ok(Voice { hz, pacer, next, input, reader, sound, squared_offsets_us2: 0.0, n_offsets: 0 })
}

impl Voice {
    fn deliver_until(&mut self, now_ns: u64, period: &mut Vec<f32>) {
        while self.next.due_ns <= now_ns {
            sample_tone(&self.pacer, &self.next, self.hz, AMPLITUDE, period);
            self.input.push(&self.next, period);
            self.next = self.pacer.next_delivery();
        }
    }

    fn listen(&mut self, is_kept: bool) -> Result<()> {
        loop {
            match self.reader.read() {
                BusEvent::Block(block) if is_kept => self.sound.extend_from_slice(block.samples),
                BusEvent::Block(_) => {}
                BusEvent::Empty => return Ok(()),
                other => anyhow::bail!("{} Hz: expected a block, got {other:?}", self.hz),
            }
        }
    }

    fn pieces(&self) -> Vec<Tone> {
        let pieces = self.sound.chunks_exact(PIECE_FRAMES);
        pieces.map(|piece| find_tone(piece, f64::from(RATE_HZ), f64::from(self.hz), BAND_HZ)).collect()
    }
}

fn figures(quality: Quality, voices: &[Voice]) -> QualityFigures {
    let (mut tones, mut levels) = (Vec::new(), Vec::new());
    for voice in voices {
        let pieces = voice.pieces();
        let rests: Vec<f64> = pieces.iter().map(|tone| tone.rest_db).collect();
        let found: Vec<f64> = pieces.iter().map(|tone| 20.0 * (tone.amplitude / AMPLITUDE).log10()).collect();
        if TONES_HZ.contains(&voice.hz) {
            tones.push(ToneRow {
                hz: voice.hz,
                worst_thd_n_db: rests.iter().copied().fold(f64::NAN, f64::max),
                median_thd_n_db: median(&rests),
                wander_us: (voice.squared_offsets_us2 / voice.n_offsets as f64).sqrt(),
            });
        }
        if LEVELS_HZ.contains(&voice.hz) {
            levels.push(LevelRow { hz: voice.hz, level_db: median(&found) });
        }
    }
    let flatness_db = levels.iter().map(|level| level.level_db.abs()).fold(f64::NAN, f64::max);
    QualityFigures { quality: quality.to_string(), tones, levels, flatness_db }
}
