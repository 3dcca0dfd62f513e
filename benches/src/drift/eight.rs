//! Eight sources for a day: how far any two of them are from each other, by their true clocks, and whether a frame is
//! missing or too many.

use anyhow::{Context, Result};
use ra_core::{SampleRate, StreamSpec};
use ra_engine::sources::{ClockModel, Delivery, PacedConfig, Pacer, RoomTime};
use ra_engine::{EngineConfig, Latency, Quality, SourceConfig, VirtualEngine};
use serde::Serialize;

use super::arena::{ORIGIN_NS, judge};
use super::contestant::{BLOCK_FRAMES, LATENCY_MS, RATE_HZ, Reading};
use super::replay::{Replay, ReplayInput};

const RATES_HZ: [u32; 8] = [48_000, 44_100, 96_000, 48_000, 44_100, 96_000, 48_000, 44_100];
const LOWEST_PPM: f64 = -200.0;
const HIGHEST_PPM: f64 = 200.0;
const JITTER_US: f64 = 100.0;
const JUDGED_FROM_S: f64 = 60.0;
/// Every so many blocks is judged: 21 ms, where nothing that steers is faster than a tenth of a second.
const JUDGED_EVERY: u64 = 8;

/// What eight sources did.
#[derive(Clone, Debug, Serialize)]
pub struct EightFigures {
    /// For so long, in virtual seconds.
    pub seconds: f64,
    /// Of all resamplers.
    pub quality: String,
    /// Each source.
    pub sources: Vec<SourceRow>,
    /// Each pair, by the sources' indices.
    pub pairs: Vec<PairRow>,
    /// The pair that is furthest apart at the 99th percentile, in us.
    pub worst_p99_us: f64,
    /// The furthest that any two ever were, in us.
    pub worst_max_us: f64,
    /// Frames that never sounded, of all sources.
    pub dropped_frames: u64,
    /// Frames of silence that stood in, of all sources.
    pub inserted_frames: u64,
}

/// One source.
#[derive(Clone, Debug, Serialize)]
pub struct SourceRow {
    /// Nominal rate, in hertz.
    pub rate_hz: u32,
    /// True drift.
    pub ppm: f64,
    /// The drift that the engine found, at the end.
    pub found_ppm: Option<f64>,
    /// What it delivered.
    pub produced_frames: u64,
    /// See [`EightFigures::dropped_frames`].
    pub dropped_frames: u64,
    /// See [`EightFigures::inserted_frames`].
    pub inserted_frames: u64,
}

/// One pair.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PairRow {
    /// The first source.
    pub a: usize,
    /// The second.
    pub b: usize,
    /// Root of the mean square of the distance, in us.
    pub rms_us: f64,
    /// 99 % of the time they are at most so far apart, in us.
    pub p99_us: f64,
    /// The furthest, in us.
    pub max_us: f64,
}

struct Device {
    pacer: Pacer,
    clock: ClockModel,
    rate: SampleRate,
    next: Delivery,
    input: ReplayInput,
}

/// Runs them for `seconds` of virtual time.
///
/// # Errors
/// The engine refuses its settings.
pub fn run_eight(seconds: f64) -> Result<EightFigures> {
    // The least work: what the sound is like is not judged here, and where it is read is the same at every quality.
    let quality = Quality::Fast;
    let config = EngineConfig { latency: Latency::Ms(LATENCY_MS), quality, ..EngineConfig::default() };
    let mut engine = VirtualEngine::new(config)?;
    let mut devices = devices(&mut engine)?;
    let rate = SampleRate::new(RATE_HZ)?;
    let mut pairs = Pairs::new(devices.len());
    let mut offsets_us = vec![f64::NAN; devices.len()];
    let n_blocks = (seconds * f64::from(RATE_HZ)) as u64 / BLOCK_FRAMES;
    let judged_from = (JUDGED_FROM_S * f64::from(RATE_HZ)) as u64 / BLOCK_FRAMES;
    for n in 0..n_blocks {
        let now_ns = engine.next_deadline_ns();
        for device in &mut devices {
            while device.next.due_ns <= now_ns {
                device.input.push_silence(&device.next);
                device.next = device.pacer.next_delivery();
            }
        }
        engine.step();
        if n < judged_from || !n.is_multiple_of(JUDGED_EVERY) {
            continue;
        }
        let block = RoomTime::from_frame(n * BLOCK_FRAMES, rate);
        for (index, (device, offset_us)) in devices.iter().zip(&mut offsets_us).enumerate() {
            let reading = engine.reading(index).with_context(|| format!("source {index} is silent at block {n}"))?;
            let reading =
                Reading { frame: reading.frame, fraction: reading.fraction, rate_factor: reading.rate_factor };
            let judged = judge(&device.pacer, &device.clock, device.rate, &reading, block);
            *offset_us = judged.map_or(f64::NAN, |(offset_us, _)| offset_us);
        }
        pairs.take(&offsets_us);
    }
    Ok(figures(seconds, quality, &engine, &devices, pairs.rows()))
}

fn devices(engine: &mut VirtualEngine) -> Result<Vec<Device>> {
    let n = RATES_HZ.len();
    let mut devices = Vec::with_capacity(n);
    for (index, rate_hz) in RATES_HZ.into_iter().enumerate() {
        let ppm = LOWEST_PPM + (HIGHEST_PPM - LOWEST_PPM) * index as f64 / (n - 1) as f64;
        let clock = ClockModel { ppm, ..ClockModel::PERFECT };
        let paced = PacedConfig {
            clock,
            jitter_us: JITTER_US,
            seed: index as u64 + 1,
            room_origin_ns: Some(ORIGIN_NS),
            ..PacedConfig::default()
        };
        let rate = SampleRate::new(rate_hz)?;
        let mut pacer = Pacer::new(&paced, rate, ORIGIN_NS)?;
        let (source, input) = Replay::pair(StreamSpec::new(rate_hz, 1)?);
        engine.add_source(SourceConfig::named(format!("device {index}")), source)?;
        let next = pacer.next_delivery();
        devices.push(Device { pacer, clock, rate, next, input });
    }
    Ok(devices)
}

fn figures(
    seconds: f64,
    quality: Quality,
    engine: &VirtualEngine,
    devices: &[Device],
    pairs: Vec<PairRow>,
) -> EightFigures {
    let stats = engine.stats();
    let sources: Vec<SourceRow> = devices
        .iter()
        .zip(&stats.sources)
        .map(|(device, source)| SourceRow {
            rate_hz: device.rate.hz(),
            ppm: device.clock.ppm,
            found_ppm: source.drift_ppm,
            produced_frames: source.account.produced_frames,
            dropped_frames: source.account.dropped_frames,
            inserted_frames: source.inserted_frames,
        })
        .collect();
    let worst = |value: fn(&PairRow) -> f64| pairs.iter().map(value).fold(f64::NAN, f64::max);
    EightFigures {
        seconds,
        quality: quality.to_string(),
        worst_p99_us: worst(|pair| pair.p99_us),
        worst_max_us: worst(|pair| pair.max_us),
        dropped_frames: sources.iter().map(|source| source.dropped_frames).sum(),
        inserted_frames: sources.iter().map(|source| source.inserted_frames).sum(),
        sources,
        pairs,
    }
}

/// Distances of all pairs, counted in steps: a day of them would not fit into memory.
struct Pairs {
    n_sources: usize,
    pairs: Vec<Distances>,
}

#[derive(Clone)]
struct Distances {
    counts: Vec<u32>,
    n: u64,
    sum_of_squares: f64,
    max_us: f64,
}

impl Pairs {
    const STEP_US: f64 = 0.02;
    /// What is further apart counts as this far.
    const STEPS: usize = 20_000;

    fn new(n_sources: usize) -> Self {
        let none = Distances { counts: vec![0; Self::STEPS + 1], n: 0, sum_of_squares: 0.0, max_us: 0.0 };
        Self { n_sources, pairs: vec![none; n_sources * (n_sources - 1) / 2] }
    }

    fn take(&mut self, offsets_us: &[f64]) {
        let mut pairs = self.pairs.iter_mut();
        for (a, offset_a) in offsets_us.iter().enumerate() {
            for (offset_b, pair) in offsets_us[a + 1..].iter().zip(&mut pairs) {
                let distance_us = (offset_a - offset_b).abs();
                pair.counts[((distance_us / Self::STEP_US) as usize).min(Self::STEPS)] += 1;
                pair.n += 1;
                pair.sum_of_squares += distance_us * distance_us;
                pair.max_us = pair.max_us.max(distance_us);
            }
        }
    }

    fn rows(&self) -> Vec<PairRow> {
        let names = (0..self.n_sources).flat_map(|a| (a + 1..self.n_sources).map(move |b| (a, b)));
        names
            .zip(&self.pairs)
            .map(|((a, b), pair)| PairRow {
                a,
                b,
                rms_us: (pair.sum_of_squares / pair.n as f64).sqrt(),
                p99_us: pair.quantile_us(0.99),
                max_us: pair.max_us,
            })
            .collect()
    }
}

impl Distances {
    /// Rounded up to a whole step.
    fn quantile_us(&self, part: f64) -> f64 {
        let wanted = (self.n as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (step, count) in self.counts.iter().enumerate().take(Pairs::STEPS) {
            seen += u64::from(*count);
            if seen >= wanted {
                return (step + 1) as f64 * Pairs::STEP_US;
            }
        }
        self.max_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_has_its_own_distance() {
        let mut pairs = Pairs::new(3);
        (0..99).for_each(|_| pairs.take(&[0.0, 1.0, -3.0]));
        pairs.take(&[0.0, 1000.0, 0.0]);
        let rows = pairs.rows();
        assert_eq!(rows.iter().map(|row| (row.a, row.b)).collect::<Vec<_>>(), [(0, 1), (0, 2), (1, 2)]);
        for (row, expected_us) in rows.iter().zip([1.0, 3.0, 4.0]) {
            assert!((row.p99_us - expected_us).abs() <= 2.0 * Pairs::STEP_US, "{row:?}");
        }
        assert_eq!((rows[0].max_us, rows[1].max_us), (1000.0, 3.0));
        assert!((rows[0].rms_us - (0.99f64 + 10_000.0).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn a_minute_and_a_half_of_eight_sources_loses_nothing_and_finds_every_drift() {
        let figures = run_eight(90.0).unwrap();
        assert_eq!((figures.dropped_frames, figures.inserted_frames, figures.pairs.len()), (0, 0, 28));
        for source in &figures.sources {
            assert!((source.found_ppm.unwrap() - source.ppm).abs() < 2.0, "{source:?}");
        }
        assert!(figures.worst_max_us < 100.0, "{}", figures.worst_max_us);
    }
}
