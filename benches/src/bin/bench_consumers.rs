//! What sick consumers cost the mixer: sixteen at once, all healthy or four of them sick, in turns. Thin: the step is timed
//! on the engine's own audio thread, by the clock that it waits on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use ra_benches::consumers::{Round, StepClock, run_round};
use ra_benches::{BenchArgs, Load, Quantiles, Report, Table, median};
use serde::Serialize;

/// What sick consumers may add to the step, as ratios to the same with healthy ones.
const P50_MAX: f64 = 1.05;
const P99_9_MAX: f64 = 1.20;

#[derive(Serialize)]
struct Figures {
    n_rounds: usize,
    seconds_per_round: f64,
    healthy: Vec<Quantiles>,
    sick: Vec<Quantiles>,
    p50_ratio: f64,
    p99_9_ratio: f64,
    /// Frames that healthy consumers lost beside sick ones.
    lost_frames: u64,
    targets_met: bool,
}

fn main() -> Result<()> {
    let args = BenchArgs::from_env_or_exit("consumers");
    let load = Load::at_start();
    let (n_rounds, length) = if args.quick { (2, Duration::from_secs(1)) } else { (10, Duration::from_secs(10)) };
    let (mut healthy, mut sick, mut lost_frames) = (Vec::new(), Vec::new(), 0);
    let mut class = String::new();
    for n in 0..n_rounds {
        eprintln!("round {} of {n_rounds}", n + 1);
        // In turns, and each first as often as the other.
        let order = if n % 2 == 0 { [false, true] } else { [true, false] };
        for is_sick in order {
            let Round { step, stats } = run_round(&Arc::new(StepClock::new()), is_sick, length)?;
            for sink in &stats.sinks {
                ensure!(sink.account.is_balanced(), "the account of {} does not balance: {}", sink.name, sink.account);
            }
            let well = stats.sinks.iter().filter(|sink| sink.name.starts_with("healthy"));
            lost_frames += well.map(|sink| sink.account.dropped_frames).sum::<u64>();
            if is_sick {
                sick.push(step)
            } else {
                healthy.push(step)
            }
            class = format!("{:?}", stats.engine.realtime.class);
        }
    }
    let ratio = |of: fn(&Quantiles) -> u64| {
        let at_median = |rounds: &[Quantiles]| median(&rounds.iter().map(|step| of(step) as f64).collect::<Vec<_>>());
        at_median(&sick) / at_median(&healthy)
    };
    let (p50_ratio, p99_9_ratio) = (ratio(|step| step.p50_ns), ratio(|step| step.p99_9_ns));
    let targets_met = p50_ratio <= P50_MAX && p99_9_ratio <= P99_9_MAX && lost_frames == 0;

    println!("16 consumers, {} s a round; the mixer ran as {class}; step, us", length.as_secs());
    let mut table = Table::new(["round", "healthy p50", "p99.9", "max", "4 sick p50", "p99.9", "max"]);
    let us = |ns: u64| format!("{:.2}", ns as f64 / 1e3);
    for (n, (healthy, sick)) in healthy.iter().zip(&sick).enumerate() {
        let mut cells = vec![(n + 1).to_string()];
        for step in [healthy, sick] {
            cells.extend([us(step.p50_ns), us(step.p99_9_ns), us(step.max_ns)]);
        }
        table.row(cells);
    }
    print!("{table}");
    let said = |met: bool| if met { "met" } else { "missed" };
    println!("p50, ratio of medians: {p50_ratio:.3}, at most {P50_MAX}: {}", said(p50_ratio <= P50_MAX));
    println!("p99.9, ratio of medians: {p99_9_ratio:.3}, at most {P99_9_MAX}: {}", said(p99_9_ratio <= P99_9_MAX));
    println!("frames lost by healthy consumers: {lost_frames}, at most 0: {}", said(lost_frames == 0));
    let seconds_per_round = length.as_secs_f64();
    let figures =
        Figures { n_rounds, seconds_per_round, healthy, sick, p50_ratio, p99_9_ratio, lost_frames, targets_met };
    Report::new("consumers", args.quick, load, figures).write(args.json.as_deref())
}
