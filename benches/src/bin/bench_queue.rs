//! `bench_queue [--json FILE] [--quick]`: the queues of ra beside other ways to do the same, in one process run.
//!
//! Results are a table on stdout, or JSON into FILE beside it. What every contestant delivers is checked first.

#[path = "../queue/contestants.rs"]
mod contestants;
#[path = "../queue/copy.rs"]
mod copy;
#[path = "../queue/os.rs"]
mod os;
#[path = "../queue/preempted.rs"]
mod preempted;
#[path = "../queue/publish.rs"]
mod publish;
#[path = "../queue/timing.rs"]
mod timing;

use std::time::Duration;

use anyhow::Result;
use ra_benches::{BenchArgs, Load, Report, Table, median};
use serde::Serialize;

use contestants::Contestant;
use copy::CopyRow;
use preempted::Preempted;
use publish::{PublishRow, READERS, Readers};
use timing::Timing;

/// What the bench found.
#[derive(Debug, Serialize)]
struct Figures {
    publish: Vec<PublishRow>,
    read: Vec<CopyRow>,
    input: Vec<CopyRow>,
    /// Missing where no core could be had for it.
    preempted: Option<Preempted>,
    targets: Vec<Target>,
}

/// A figure beside what it should be.
#[derive(Debug, Serialize)]
struct Target {
    figure: &'static str,
    value: f64,
    at_most: f64,
    is_met: bool,
}

impl Target {
    fn new(figure: &'static str, value: f64, at_most: f64) -> Self {
        Self { figure, value, at_most, is_met: value <= at_most }
    }
}

fn main() -> Result<()> {
    let args = BenchArgs::from_env_or_exit("bench_queue");
    let load = Load::at_start();
    let cores = os::allowed_cores();
    let ms = |quick, whole| Duration::from_millis(if args.quick { quick } else { whole });

    contestants::check_all()?;
    eprintln!("every contestant delivers every block, unharmed and in order");

    let publish = measure_publish(&cores, ms(50, 500))?;
    let read = copy::reads(ms(200, 1_000))?;
    let input = copy::inputs(ms(200, 1_000))?;
    let preempted = match cores.first() {
        Some(&core) => Some(preempted::run(core, if args.quick { 5 } else { 10 }, ms(150, 3_000))?),
        None => None,
    };
    let targets = targets(&publish, &read, &input, preempted.as_ref());
    let report = Report::new("queue", args.quick, load, Figures { publish, read, input, preempted, targets });
    println!("{}", report.machine);
    print(&report.figures);
    report.write(args.json.as_deref())
}

fn measure_publish(cores: &[usize], budget: Duration) -> Result<Vec<PublishRow>> {
    let mut rows = Vec::new();
    for n_readers in READERS {
        for contestant in Contestant::ALL {
            rows.push(publish::with_idle_readers(contestant, n_readers, budget)?);
        }
    }
    if let [writer, readers, ..] = *cores {
        for n_readers in READERS.into_iter().filter(|&n| n > 0) {
            for contestant in Contestant::ALL {
                rows.push(publish::with_polling_readers(contestant, n_readers, [writer, readers], budget)?);
            }
        }
    }
    Ok(rows)
}

/// The figures that were promised, beside what they must be.
fn targets(publish: &[PublishRow], read: &[CopyRow], input: &[CopyRow], preempted: Option<&Preempted>) -> Vec<Target> {
    let idle: Vec<f64> = publish
        .iter()
        .filter(|row| row.contestant == Contestant::Ring.name() && row.readers == Readers::Idle)
        .map(|row| row.timing.p50_ns)
        .collect();
    let of = |rows: &[CopyRow], name: &str| {
        rows.iter().find(|row| row.operation == name).map_or(f64::NAN, |row| row.timing.p50_ns)
    };
    let memcpy_ns = of(read, "memcpy");
    let mut targets = vec![
        Target::new(
            "publish, p50: the slowest of 0 to 32 idle readers against the median of them",
            idle.iter().copied().fold(0.0, f64::max) / median(&idle),
            1.1,
        ),
        Target::new("publish, p50, against one rtrb slice write", median(&idle) / of(input, "rtrb slice write"), 1.5),
        Target::new(
            "read, p50, ns (at most 1.5 memcpy + 20 ns)",
            of(read, Contestant::Ring.name()),
            1.5 * memcpy_ns + 20.0,
        ),
        Target::new(
            "input ring, write and read, p50, against bare rtrb slices",
            of(input, "input ring: push + stamp + read") / of(input, "rtrb slices: write + read"),
            1.1,
        ),
    ];
    let ring = preempted
        .and_then(|preempted| preempted.scenes.iter().find(|row| row.scene.starts_with(Contestant::Ring.name())));
    if let Some(ring) = ring {
        targets.push(Target::new("publish with preempted readers, p99.99 against the control", ring.ratio_p99_99, 2.0));
    }
    targets
}

fn print(figures: &Figures) {
    for readers in [Readers::Idle, Readers::Polling] {
        let rows: Vec<&PublishRow> = figures.publish.iter().filter(|row| row.readers == readers).collect();
        if rows.is_empty() {
            println!("\npublish with polling readers: not measured, it needs two cores to pin threads to");
            continue;
        }
        let what = match readers {
            Readers::Idle => "idle readers",
            Readers::Polling => "readers that poll flat out on another core",
        };
        println!(
            "\npublish 256 x 2 frames, {what}; ns (p50 per operation in batches; the tail one by one, clock included)"
        );
        let mut table = Table::new(["contestant", "readers", "p50", "p99", "p99.9", "p99.99", "max"]);
        for contestant in Contestant::ALL {
            for row in rows.iter().filter(|row| row.contestant == contestant.name()) {
                table.row([row.contestant.to_owned(), row.n_readers.to_string()].into_iter().chain(cells(&row.timing)));
            }
        }
        print!("{table}");
    }
    for (title, rows) in [("read 256 x 2 frames", &figures.read), ("input ring, 256 x 2 frames", &figures.input)] {
        println!("\n{title}; ns");
        let mut table = Table::new(["operation", "p50", "p99", "p99.9", "p99.99", "max"]);
        for row in rows {
            table.row(std::iter::once(row.operation.clone()).chain(cells(&row.timing)));
        }
        print!("{table}");
    }
    match &figures.preempted {
        Some(preempted) => print_preempted(preempted),
        None => println!("\npreempted readers: not measured, threads can't be pinned here"),
    }
    println!("\ntargets");
    let mut table = Table::new(["figure", "value", "at most", ""]);
    for target in &figures.targets {
        let verdict = if target.is_met { "met" } else { "MISSED" };
        table.row([
            target.figure.to_owned(),
            format!("{:.2}", target.value),
            format!("{:.2}", target.at_most),
            verdict.to_owned(),
        ]);
    }
    print!("{table}");
}

fn print_preempted(preempted: &Preempted) {
    println!(
        "\npublish every {} us, writer ({}) and readers on one core, medians of {} rounds of {} s; ns",
        preempted.period_us, preempted.writer_class, preempted.rounds, preempted.round_s
    );
    let header = [
        "scene",
        "p50",
        "p99.99",
        "max",
        "p99.99 / control",
        "max / control",
        "pooled p99.99",
        "pooled max",
        "rounds cut",
    ];
    let mut table = Table::new(header);
    for row in &preempted.scenes {
        table.row([
            row.scene.clone(),
            format!("{:.0}", row.p50_ns),
            format!("{:.0}", row.p99_99_ns),
            format!("{:.0}", row.max_ns),
            format!("{:.2}", row.ratio_p99_99),
            format!("{:.2}", row.ratio_max),
            row.pooled.p99_99_ns.to_string(),
            row.pooled.max_ns.to_string(),
            row.rounds_cut.to_string(),
        ]);
    }
    print!("{table}");
    println!("a round is cut where the writer is stuck for more than its length: its figures are then lower bounds");
}

fn cells(timing: &Timing) -> [String; 5] {
    let single = &timing.single;
    [
        format!("{:.1}", timing.p50_ns),
        single.p99_ns.to_string(),
        single.p99_9_ns.to_string(),
        single.p99_99_ns.to_string(),
        format!("{}{}", if timing.was_stuck { "> " } else { "" }, single.max_ns),
    ]
}
