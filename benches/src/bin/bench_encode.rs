//! What a recorder costs per second of sound, by format: the processor's time of its own thread, the system's part
//! included. Thin: the recorder is the one that records, called here in place of its sink's thread.

use std::{fmt::Write as _, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use ra_benches::{BenchArgs, Load, Report, Table, median};
use ra_core::{Block, BlockStamp, FramePosition, SampleRate, Sink, SinkStart, StreamSpec};
use ra_sinks::{Recorder, RecorderConfig, SampleFormat, Sidecar};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

const BLOCK_FRAMES: usize = 128;
/// As the engine flushes: a few times a second.
const FLUSH_BLOCKS: usize = 37;

struct Case {
    name: &'static str,
    extension: &'static str,
    format: SampleFormat,
    /// The most that it may take of one core, in percent of real time.
    target_percent: f64,
}

const CASES: [Case; 6] = [
    Case { name: "WAV f32", extension: "wav", format: SampleFormat::F32, target_percent: 0.2 },
    Case { name: "WAV s24", extension: "wav", format: SampleFormat::S24, target_percent: 0.2 },
    Case { name: "WAV s16", extension: "wav", format: SampleFormat::S16, target_percent: 0.2 },
    Case { name: "FLAC s24", extension: "flac", format: SampleFormat::S24, target_percent: 2.0 },
    Case { name: "FLAC s16", extension: "flac", format: SampleFormat::S16, target_percent: 2.0 },
    Case { name: "Opus 128 kbit/s", extension: "opus", format: SampleFormat::F32, target_percent: 3.0 },
];

#[derive(Serialize)]
struct Row {
    format: &'static str,
    sample_rate_hz: u32,
    /// Of one core, in percent of real time: the median and the extremes of all rounds.
    cpu_percent: f64,
    min_cpu_percent: f64,
    max_cpu_percent: f64,
    bytes_per_second: f64,
    target_percent: f64,
    target_met: bool,
}

#[derive(Serialize)]
struct Figures {
    channels: u16,
    block_frames: usize,
    audio_s: u64,
    n_rounds: usize,
    rows: Vec<Row>,
}

fn main() -> Result<()> {
    let args = BenchArgs::from_env_or_exit("encode");
    let load = Load::at_start();
    let (audio_s, n_rounds) = if args.quick { (5, 3) } else { (60, 7) };
    let rates = [SampleRate::HZ_48000, SampleRate::HZ_44100];
    let mut rows = Vec::new();
    for rate in rates {
        let sound = sound(rate, 10);
        for case in &CASES {
            rows.push(measure(case, rate, &sound, audio_s, n_rounds)?);
        }
    }

    let mut table = Table::new(["stereo", "rate", "CPU of real time", "least", "most", "kbit/s", "target"]);
    for row in &rows {
        table.row([
            row.format.to_owned(),
            format!("{} Hz", row.sample_rate_hz),
            format!("{:.3} %", row.cpu_percent),
            format!("{:.3} %", row.min_cpu_percent),
            format!("{:.3} %", row.max_cpu_percent),
            format!("{:.0}", row.bytes_per_second * 8e-3),
            format!("{} % {}", row.target_percent, if row.target_met { "met" } else { "missed" }),
        ]);
    }
    print!("{table}");
    let figures = Figures { channels: 2, block_frames: BLOCK_FRAMES, audio_s, n_rounds, rows };
    Report::new("encode", args.quick, load, figures).write(args.json.as_deref())
}

/// Something like music: two chords that glide, and noise that falls by 3 dB per octave (the filter's coefficients are
/// Paul Kellet's, as often printed), at −20 dBFS.
fn sound(rate: SampleRate, duration_s: u32) -> Vec<f32> {
    let mut seed = 1u64;
    let mut poles = [[0.0f64; 3]; 2];
    let mut out = Vec::new();
    for n in 0..rate.hz() * duration_s {
        let t = f64::from(n) / f64::from(rate.hz());
        for (side, poles) in poles.iter_mut().enumerate() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let white = f64::from((seed >> 33) as u32) / f64::from(1u32 << 30) - 1.0;
            *poles = [
                0.997_65 * poles[0] + 0.099_046 * white,
                0.963 * poles[1] + 0.296_516_4 * white,
                0.57 * poles[2] + 1.052_691_3 * white,
            ];
            let pink = (poles.iter().sum::<f64>() + 0.1848 * white) * 0.02;
            let base = 220.0 + 3.0 * t + 110.0 * side as f64;
            let chord: f64 = [1.0, 1.25, 1.5, 2.0].iter().map(|k| (std::f64::consts::TAU * base * k * t).sin()).sum();
            out.push((pink + 0.03 * chord) as f32);
        }
    }
    out
}

fn measure(case: &Case, rate: SampleRate, sound: &[f32], audio_s: u64, n_rounds: usize) -> Result<Row> {
    let dir = tempfile::tempdir()?;
    let mut percents = Vec::new();
    let mut bytes = 0;
    for round in 0..n_rounds {
        let path = dir.path().join(format!("{round}.{}", case.extension));
        let cpu = record(case, rate, sound, audio_s, &path)?;
        percents.push(100.0 * cpu.as_secs_f64() / audio_s as f64);
        bytes = std::fs::metadata(&path)?.len();
        std::fs::remove_file(&path)?;
    }
    percents.sort_by(f64::total_cmp);
    let cpu_percent = median(&percents);
    Ok(Row {
        format: case.name,
        sample_rate_hz: rate.hz(),
        cpu_percent,
        min_cpu_percent: percents[0],
        max_cpu_percent: percents[percents.len() - 1],
        bytes_per_second: bytes as f64 / audio_s as f64,
        target_percent: case.target_percent,
        target_met: cpu_percent <= case.target_percent,
    })
}

/// Records `audio_s` seconds and returns what that took of the processor.
fn record(case: &Case, rate: SampleRate, sound: &[f32], audio_s: u64, path: &Path) -> Result<Duration> {
    let spec = StreamSpec::new(rate.hz(), 2)?;
    let config = RecorderConfig { format: case.format, sidecar: Sidecar::None, ..RecorderConfig::new(path) };
    let mut recorder = Recorder::new(config)?;
    let before = thread_time();
    recorder.start(&SinkStart {
        name: "bench".into(),
        spec,
        block_frames: BLOCK_FRAMES,
        position: FramePosition(0),
        unix_ns: 0,
        unix_minus_monotonic_ns: None,
    })?;
    let mut position = 0u64;
    let n_frames = audio_s * u64::from(rate.hz());
    let mut blocks = sound.chunks_exact(BLOCK_FRAMES * 2).cycle();
    for n in 0..n_frames.div_ceil(BLOCK_FRAMES as u64) {
        let samples = blocks.next().context("no sound")?;
        let stamp = BlockStamp { seq: n, position: FramePosition(position), capture_ns: 0 };
        recorder.write(&Block { stamp, spec, samples })?;
        position += BLOCK_FRAMES as u64;
        if n as usize % FLUSH_BLOCKS == FLUSH_BLOCKS - 1 {
            recorder.flush()?;
        }
    }
    let report = recorder.finish()?;
    let cpu = thread_time() - before;
    // A recorder that drops its work is fast.
    let mut notes = String::new();
    report.notes.iter().try_for_each(|note| write!(notes, " {note}"))?;
    ensure!(notes.is_empty(), "the recorder complains:{notes}");
    ensure!(std::fs::metadata(path)?.len() > audio_s * 4_000, "{} is too small", path.display());
    Ok(cpu)
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
