//! How long sound takes from capture to a consumer's hands, stage by stage, on real threads; and where an impulse comes
//! out, to 1/100 sample. Thin: prints and draws what [`ra_benches::latency`] measures.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use ra_benches::latency::{
    Cores, EndToEnd, FIRST_LOOK_NS, ImpulseRun, LOOK_AGAIN_NS, Round, RoundFigures, Scene, SceneFigures, Spread,
};
use ra_benches::plot::{Axis, LinePlot, Mark, Series};
use ra_benches::{BenchArgs, Load, Pictures, Quantiles, Report, Table};
use ra_core::SampleRate;
use serde::Serialize;

const ROUNDS: usize = 5;
const BLOCKS: [usize; 3] = [64, 128, 256];
/// The block for which there is a target, and what is promised for it: two of them.
const TARGET_BLOCK: usize = 128;
const TARGET_BLOCKS: u64 = 2;
const PERIOD_FRAMES: u32 = 256;
const CLOCK_PPM: f64 = 100.0;
const IMPULSE_CLOCKS_PPM: [f64; 2] = [150.0, -150.0];
/// Of the devices' stamps: exact ones, and those of an ordinary sound card.
const IMPULSE_JITTERS_US: [f64; 2] = [0.0, 100.0];

#[derive(Serialize)]
struct Figures {
    consumer: Waiting,
    scenes: Vec<SceneFigures>,
    impulses: Vec<EndToEnd>,
    targets: Vec<Target>,
}

/// How the consumer waits for blocks.
#[derive(Serialize)]
struct Waiting {
    first_look_ns: u64,
    look_again_ns: u64,
}

/// A figure beside what it should be.
#[derive(Serialize)]
struct Target {
    figure: &'static str,
    value_ns: u64,
    at_most_ns: u64,
    is_met: bool,
}

fn main() -> Result<()> {
    let args = BenchArgs::with_pictures_from_env_or_exit("bench_latency", Pictures::Svg);
    let load = Load::at_start();
    let ms = |quick, whole| Duration::from_millis(if args.quick { quick } else { whole });
    let scenes = measure(if args.quick { 1 } else { ROUNDS }, ms(800, 3_000), ms(1_200, 12_000))?;
    let mut impulses = Vec::new();
    for jitter_us in IMPULSE_JITTERS_US {
        eprintln!("impulses, {jitter_us} us of jitter");
        let run = ImpulseRun {
            clocks_ppm: IMPULSE_CLOCKS_PPM,
            jitter_us,
            settle: ms(3_000, 10_000),
            measure: ms(3_000, 30_000),
        };
        impulses.push(run.run()?);
    }
    let consumer = Waiting { first_look_ns: FIRST_LOOK_NS, look_again_ns: LOOK_AGAIN_NS };
    let targets = targets(&scenes);
    let report = Report::new("latency", args.quick, load, Figures { consumer, scenes, impulses, targets });
    println!("{}", report.machine);
    print(&report.figures);
    if let Some(folder) = args.pictures_folder()? {
        draw(&folder, &report.figures)?;
    }
    report.write(args.json.as_deref())
}

/// Runs every scene in every round, so that the machine's own stalls fall on all of them.
fn measure(n_rounds: usize, warm_up: Duration, measure: Duration) -> Result<Vec<SceneFigures>> {
    let scenes: Vec<Scene> = [Cores::Idle, Cores::Busy]
        .into_iter()
        .flat_map(|cores| BLOCKS.map(|block_frames| (cores, block_frames)))
        .map(|(cores, block_frames)| Scene {
            block_frames,
            cores,
            period_frames: PERIOD_FRAMES,
            clock_ppm: CLOCK_PPM,
            warm_up,
            measure,
        })
        .collect();
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); scenes.len()];
    for n in 1..=n_rounds {
        for (scene, rounds) in scenes.iter().zip(&mut rounds) {
            eprintln!("round {n} of {n_rounds}: {} frames, cores {}", scene.block_frames, name(scene.cores));
            rounds.push(scene.run()?);
        }
    }
    scenes.iter().zip(&rounds).map(|(scene, rounds)| SceneFigures::of(scene, rounds)).collect()
}

fn targets(scenes: &[SceneFigures]) -> Vec<Target> {
    let at_most_ns = SampleRate::HZ_48000.ns_of_frames(TARGET_BLOCKS * TARGET_BLOCK as u64);
    scenes
        .iter()
        .filter(|scene| scene.block_frames == TARGET_BLOCK && scene.cores == Cores::Idle)
        .map(|scene| Target {
            figure: "128 frames, idle: capture to the consumer's read beyond the device's period and the resampler's \
                     delay, p99, median of the rounds",
            value_ns: scene.median_added_p99_ns as u64,
            at_most_ns,
            is_met: scene.median_added_p99_ns <= at_most_ns as f64,
        })
        .collect()
}

fn print(figures: &Figures) {
    println!(
        "the consumer waits by absolute deadlines: it looks {} us after a block's deadline, then every {} us",
        figures.consumer.first_look_ns / 1000,
        figures.consumer.look_again_ns / 1000
    );
    for scene in &figures.scenes {
        print_scene(scene);
    }
    figures.impulses.iter().for_each(print_impulses);
    println!("\ntargets");
    for Target { figure, value_ns, at_most_ns, is_met } in &figures.targets {
        let verdict = if *is_met { "met" } else { "MISSED" };
        println!("{figure}: {} ms, at most {} ms: {verdict}", as_ms(*value_ns), as_ms(*at_most_ns));
    }
}

fn print_scene(scene: &SceneFigures) {
    let stages = &scene.stages;
    println!(
        "\n{} frames, cores {}; device: {} frames, {:+} ppm",
        scene.block_frames,
        name(scene.cores),
        scene.period_frames,
        scene.clock_ppm,
    );
    let mixer = match &scene.mixer.reason {
        None => format!("{:?} {}", scene.mixer.class, scene.mixer.priority),
        Some(reason) => format!("{:?} {} ({reason})", scene.mixer.class, scene.mixer.priority),
    };
    println!("granted: mixer {mixer}; device {}; consumer {}", scene.device_thread, scene.consumer_thread);
    let sum = |value: fn(&RoundFigures) -> u64| scene.rounds.iter().map(value).sum::<u64>();
    println!(
        "{} rounds, {} blocks; {} begun a block late, {} lost by the consumer, which looked {:.2} times for each; frames \
         inserted {}, dropped {}",
        scene.rounds.len(),
        sum(|round| round.n_blocks),
        sum(|round| round.late_blocks),
        sum(|round| round.lagged_blocks),
        scene.looks_per_block,
        sum(|round| round.inserted_frames),
        sum(|round| round.dropped_frames)
    );
    let mut table = Table::new(["round", "latency, ms", "at the end", "added, p99", "to the sink", "late deliveries"]);
    for (n, round) in scene.rounds.iter().enumerate() {
        let [begin_us, end_us] = round.latency_us;
        table.row([
            (n + 1).to_string(),
            format!("{:.3}", begin_us / 1e3),
            format!("{:.3}", end_us / 1e3),
            as_ms(round.added_p99_ns),
            as_ms(round.sink_added_p99_ns),
            round.late_deliveries.to_string(),
        ]);
    }
    table.row([
        "median".to_owned(),
        String::new(),
        String::new(),
        as_ms(scene.median_added_p99_ns as u64),
        as_ms(scene.median_sink_added_p99_ns as u64),
    ]);
    print!("{table}");
    let mut table = Table::new(["all rounds, ms", "p50", "p99", "p99.9", "max"]);
    for (stage, quantiles) in [
        ("a  capture of a period's first frame -> in the ring", &stages.delivered),
        ("b  capture of a block's first frame -> its deadline", &stages.mixed),
        ("c  deadline -> published", &stages.published),
        ("d  published -> read", &stages.read),
        ("total, first frame: capture -> read", &stages.total_first_frame),
        ("total, last frame", &stages.total_last_frame),
        ("added: beyond the device's period and the resampler", &stages.added),
        ("d' published -> a critical sink, which looks every 5 ms", &stages.sink_read),
        ("total, first frame, to that sink", &stages.sink_total_first_frame),
        ("added, to that sink", &stages.sink_added),
    ] {
        table.row([stage.to_owned()].into_iter().chain(cells(quantiles)));
    }
    print!("{table}");
}

fn print_impulses(impulses: &EndToEnd) {
    println!(
        "\nimpulses, {} frames, two devices, {} us of jitter: places against true times and the stated latency of {:.3} ms",
        impulses.block_frames,
        impulses.jitter_us,
        impulses.latency_us / 1e3
    );
    let mut table = Table::new(["", "impulses", "missing", "mean", "sd", "max", "mean, samples", "sd", "max"]);
    let row = |what: String, missing: String, spread: &Spread| {
        let us = |value: f64| format!("{value:.4} us");
        let samples = |value: f64| format!("{value:.5}");
        [
            what,
            spread.count.to_string(),
            missing,
            us(spread.mean_us),
            us(spread.sd_us),
            us(spread.max_us),
            samples(spread.mean_samples),
            samples(spread.sd_samples),
            samples(spread.max_samples),
        ]
    };
    for source in &impulses.sources {
        let what = format!("{:+} ppm", source.clock_ppm);
        table.row(row(what, source.n_missing.to_string(), &source.error));
    }
    table.row(row("from one to the other".to_owned(), String::new(), &impulses.between));
    print!("{table}");
    let mut table = Table::new(["ms", "p50", "p99", "p99.9", "max"]);
    for source in &impulses.sources {
        let what = format!("an impulse in the room -> read, {:+} ppm", source.clock_ppm);
        table.row([what].into_iter().chain(cells(&source.heard_after)));
    }
    print!("{table}");
}

fn draw(folder: &Path, figures: &Figures) -> Result<()> {
    let scenes = figures.scenes.iter().map(|scene| {
        let name = format!("{} frames, {}", scene.block_frames, name(scene.cores));
        Series::exceedance(name, scene.added_ms.iter().copied())
    });
    let target_ms = figures.targets.first().map(|target| target.at_most_ns as f64 / 1e6);
    LinePlot {
        title: "Capture to a consumer's read, beyond the device's period and the resampler's delay".to_owned(),
        x: Axis::linear("latency (ms)"),
        y: Axis::log("blocks that take at least as long (%)"),
        series: scenes.collect(),
        marks: target_ms.map(|at| Mark::x(at, "target: p99 at 128 frames, idle")).into_iter().collect(),
    }
    .write(&folder.join("latency.svg"))?;
    let sources = figures.impulses.iter().flat_map(|run| {
        run.sources.iter().map(|source| {
            let points = source.impulses.iter().map(|heard| (heard.true_s, heard.error_ns / 1e3)).collect();
            Series::new(format!("{:+} ppm, {} us of jitter", source.clock_ppm, run.jitter_us), points)
        })
    });
    LinePlot {
        title: "Impulses behind the engine: where they stand against where they should".to_owned(),
        x: Axis::linear("time (s)"),
        y: Axis::linear("error (us)"),
        series: sources.collect(),
        marks: Vec::new(),
    }
    .write(&folder.join("latency-impulses.svg"))
}

fn name(cores: Cores) -> &'static str {
    match cores {
        Cores::Idle => "idle",
        Cores::Busy => "busy",
    }
}

fn cells(quantiles: &Quantiles) -> [String; 4] {
    [quantiles.p50_ns, quantiles.p99_ns, quantiles.p99_9_ns, quantiles.max_ns].map(as_ms)
}

fn as_ms(ns: u64) -> String {
    format!("{:.3}", ns as f64 / 1e6)
}
