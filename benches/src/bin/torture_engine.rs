//! `torture_engine [--commands N] [--seed N] [--json FILE]`: a storm of live commands on a running engine; exit code 1 where
//! something does not hold. Thin: prints what [`ra_benches::torture::engine`] finds. Results on stdout, progress on stderr.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use ra_benches::torture::engine::{CountingAllocator, Progress, Storm, StormFigures, Timing};
use ra_benches::torture::{count, exit_code, verdict, whole_number};
use ra_benches::{Load, Quantiles, Report, Table};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const USAGE: &str = "usage: torture_engine [--commands N] [--seed N] [--json FILE]";
/// Fewer commands than this show that it works, and little more.
const QUICK_COMMANDS: usize = 5_000;

/// What was asked for.
struct Asked {
    n_commands: usize,
    seed: u64,
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    exit_code(parse(std::env::args().skip(1)), USAGE, |asked| run(&asked).map(verdict))
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Asked>, String> {
    let mut asked = Asked { n_commands: 10_000, seed: 1, json: None };
    while let Some(arg) = args.next() {
        if matches!(arg.as_str(), "--help" | "-h") {
            return Ok(None);
        }
        let Some(value) = args.next() else { return Err(format!("{arg} is unknown or lacks its value")) };
        match arg.as_str() {
            "--commands" => asked.n_commands = count(&arg, &value, 10_000_000)? as usize,
            "--seed" => asked.seed = whole_number(&arg, &value)?,
            "--json" => asked.json = Some(PathBuf::from(value)),
            _ => return Err(format!("unknown argument {arg:?}")),
        }
    }
    Ok(Some(asked))
}

fn run(asked: &Asked) -> Result<bool> {
    let load = Load::at_start();
    let storm = Storm { progress: Progress::Told, ..Storm::new(asked.n_commands, asked.seed) };
    let figures = storm.run()?;
    let criteria = figures.criteria(Timing::Judged);
    let report = Report::new("torture engine", asked.n_commands < QUICK_COMMANDS, load, figures);
    println!("{}", report.machine);
    print(&report.figures);
    print!("\n{criteria}");
    report.write(asked.json.as_deref())?;
    Ok(criteria.hold())
}

fn print(figures: &StormFigures) {
    println!(
        "{} commands of seed {}, list {}, in {:.1} s by two threads",
        figures.n_commands, figures.seed, figures.list_hash, figures.duration_s
    );
    let mut kinds = Table::new(["command", "times"]);
    for (kind, n) in &figures.kinds {
        kinds.row([(*kind).to_owned(), n.to_string()]);
    }
    print!("{kinds}");
    let mixer = &figures.mixer;
    let reason = mixer.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
    println!("\ngranted: mixer {:?} {}{reason}; devices {}", mixer.class, mixer.priority, figures.devices.join(", "));
    let realtime = &figures.realtime;
    if let Some(reason) = &realtime.calls_not_counted {
        println!("NOT JUDGED: system calls: {reason}");
    }
    let count = |n: Option<u64>| n.map_or("not told by the system".to_owned(), |n| n.to_string());
    println!(
        "page faults of the audio thread in {} blocks: {} without the disk, {} with it",
        realtime.blocks,
        count(realtime.minor_faults),
        count(realtime.major_faults)
    );
    println!("{}", figures.sound.bound);
    println!(
        "frames dropped: by sources {}, by sinks {}; blocks lost by readers {}; engine: {} late blocks, {} xruns (flips of \
         rates are some of them); recordings measured {}",
        figures.accounts.dropped_by_sources,
        figures.accounts.dropped_by_sinks,
        figures.sound.lost_blocks,
        figures.times.engine_late_blocks,
        figures.times.engine_xruns,
        figures.accounts.recordings
    );
    let mut table = Table::new(["late by, us", "p50", "p99", "p99.9", "p99.99", "max"]);
    table.row(row("mixer: deadline -> sources mixed".to_owned(), &figures.times.mixer));
    for (place, quantiles) in &figures.times.bare {
        table.row(row(format!("bare thread: {place}"), quantiles));
    }
    print!("\n{table}");
}

fn row(what: String, quantiles: &Quantiles) -> Vec<String> {
    let Quantiles { p50_ns, p99_ns, p99_9_ns, p99_99_ns, max_ns, .. } = *quantiles;
    let cells = [p50_ns, p99_ns, p99_9_ns, p99_99_ns, max_ns].map(|ns| format!("{:.1}", ns as f64 / 1e3));
    std::iter::once(what).chain(cells).collect()
}
