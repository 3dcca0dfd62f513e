//! The time of the mixer's step: 1 to 32 stereo sources, 128 frames, equal rates, against the period. Thin: the step is
//! the engine's own, called here in place of the audio thread.

use std::time::Instant;

use anyhow::{Result, ensure};
use ra_benches::{BenchArgs, Load, Quantiles, Recorder, Report, Table};
use ra_core::{Clock, PulledSource, Source, SourceError, StreamEvent, StreamSpec, SystemClock};
use ra_engine::{AnySource, BusEvent, EngineConfig, OfflineEngine, SourceConfig};
use serde::Serialize;

const BLOCK_FRAMES: usize = 128;
const SAMPLE_RATE_HZ: u32 = 48_000;
/// What one step may take at the 99th percentile, as a part of the period, for 8 sources.
const TARGET_P99_PERCENT: f64 = 2.0;

/// Noise that costs the feeder next to nothing: the step is what is timed.
struct Loop {
    spec: StreamSpec,
    samples: Vec<f32>,
}

impl Source for Loop {
    fn spec(&self) -> StreamSpec {
        self.spec
    }

    fn describe(&self) -> String {
        "a loop of noise".to_owned()
    }
}

impl PulledSource for Loop {
    fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
        let n_samples = out.len().min(self.samples.len());
        out[..n_samples].copy_from_slice(&self.samples[..n_samples]);
        Ok(StreamEvent::Frames { n_frames: self.spec.frames(n_samples) })
    }

    fn remaining_frames(&self) -> Option<u64> {
        None
    }
}

#[derive(Serialize)]
struct Row {
    n_sources: usize,
    step: Quantiles,
    p50_percent_of_period: f64,
    p99_percent_of_period: f64,
}

#[derive(Serialize)]
struct Figures {
    block_frames: usize,
    period_ns: u64,
    target_p99_percent_of_period: f64,
    target_met: bool,
    rows: Vec<Row>,
}

fn main() -> Result<()> {
    let args = BenchArgs::from_env_or_exit("step");
    let load = Load::at_start();
    let n_steps = if args.quick { 4_000 } else { 200_000 };
    let period_ns = BLOCK_FRAMES as u64 * 1_000_000_000 / u64::from(SAMPLE_RATE_HZ);
    let rows: Vec<Row> = [1, 2, 4, 8, 16, 32]
        .into_iter()
        .map(|n_sources| measure(n_sources, n_steps, period_ns))
        .collect::<Result<_>>()?;
    let target_met = rows.iter().any(|row| row.n_sources == 8 && row.p99_percent_of_period <= TARGET_P99_PERCENT);

    let mut table = Table::new(["stereo sources", "p50", "p99", "p99.9", "max", "p50 of period", "p99 of period"]);
    for row in &rows {
        let us = |ns: u64| format!("{:.2} us", ns as f64 / 1e3);
        table.row([
            row.n_sources.to_string(),
            us(row.step.p50_ns),
            us(row.step.p99_ns),
            us(row.step.p99_9_ns),
            us(row.step.max_ns),
            format!("{:.3} %", row.p50_percent_of_period),
            format!("{:.3} %", row.p99_percent_of_period),
        ]);
    }
    print!("{table}");
    println!(
        "target: 8 sources, p99 <= {TARGET_P99_PERCENT} % of the period: {}",
        if target_met { "met" } else { "missed" }
    );
    Report::new(
        "step",
        args.quick,
        load,
        Figures {
            block_frames: BLOCK_FRAMES,
            period_ns,
            target_p99_percent_of_period: TARGET_P99_PERCENT,
            target_met,
            rows,
        },
    )
    .write(args.json.as_deref())
}

fn measure(n_sources: usize, n_steps: u32, period_ns: u64) -> Result<Row> {
    let mut engine = OfflineEngine::new(EngineConfig { block_frames: BLOCK_FRAMES, ..EngineConfig::default() })?;
    let spec = StreamSpec::new(SAMPLE_RATE_HZ, 2)?;
    // Dyadic values: their sum is exact, so the check below is too.
    let samples: Vec<f32> =
        (0..8192_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 22) as f32 / 4096.0 - 0.125).collect();
    for n in 0..n_sources {
        let source = AnySource::pulled(Loop { spec, samples: samples.clone() });
        engine.add_source(SourceConfig::named(format!("s{n}")), source)?;
    }
    let mut bus = engine.subscribe("main")?;

    engine.feed();
    engine.step();
    match bus.read() {
        BusEvent::Block(block) => ensure!(
            block.samples.iter().zip(&samples).all(|(&out, &sample)| out == sample * n_sources as f32),
            "the mix is not the sum of its sources"
        ),
        other => anyhow::bail!("expected a block, got {other:?}"),
    }

    let clock = SystemClock;
    let mut recorder = Recorder::new();
    let started = Instant::now();
    for _ in 0..n_steps {
        engine.feed();
        let before_ns = clock.now_ns();
        engine.step();
        recorder.record_ns(clock.now_ns() - before_ns);
    }
    ensure!(started.elapsed().as_secs() < 600, "a bench that takes ten minutes is stuck");
    let step = recorder.quantiles();
    let percent = |ns: u64| 100.0 * ns as f64 / period_ns as f64;
    Ok(Row {
        n_sources,
        step,
        p50_percent_of_period: percent(step.p50_ns),
        p99_percent_of_period: percent(step.p99_ns),
    })
}
