//! `torture_devices [--cycles N] [--seed N] [--json FILE]`: one microphone of a real sound server is lost and comes back
//! again and again; exit code 1 where something does not hold. Thin: prints what [`ra_benches::devices`] finds. Results on
//! stdout, progress on stderr.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use ra_benches::devices::{DeviceTorture, OwnProcess, TortureFigures, own_process};
use ra_benches::torture::engine::CountingAllocator;
use ra_benches::torture::{count, exit_code, verdict, whole_number};
use ra_benches::{Load, Report, Table};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const USAGE: &str = "usage: torture_devices [--cycles N] [--seed N] [--json FILE]";
/// Fewer cycles than this show that it works, and little more.
const QUICK_CYCLES: usize = 50;

/// What was asked for.
struct Asked {
    torture: DeviceTorture,
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    exit_code(parse(std::env::args().skip(1)), USAGE, |asked| {
        Ok(match own_process()? {
            OwnProcess::Done(code) => code,
            OwnProcess::Inside(folder) => verdict(run(&asked, &folder)?),
        })
    })
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Asked>, String> {
    let mut asked = Asked { torture: DeviceTorture { n_cycles: 100, seed: 1 }, json: None };
    while let Some(arg) = args.next() {
        if matches!(arg.as_str(), "--help" | "-h") {
            return Ok(None);
        }
        let Some(value) = args.next() else { return Err(format!("{arg} is unknown or lacks its value")) };
        match arg.as_str() {
            "--cycles" => asked.torture.n_cycles = count(&arg, &value, 100_000)? as usize,
            "--seed" => asked.torture.seed = whole_number(&arg, &value)?,
            "--json" => asked.json = Some(PathBuf::from(value)),
            _ => return Err(format!("unknown argument {arg:?}")),
        }
    }
    Ok(Some(asked))
}

fn run(asked: &Asked, folder: &Path) -> Result<bool> {
    let missing = DeviceTorture::missing_tools();
    if !missing.is_empty() {
        bail!("not installed: {}", missing.join(", "));
    }
    let load = Load::at_start();
    let figures = asked.torture.run(folder).context("the torture itself")?;
    let criteria = figures.criteria();
    let report = Report::new("torture devices", asked.torture.n_cycles < QUICK_CYCLES, load, figures);
    println!("{}", report.machine);
    print(&report.figures);
    print!("\n{criteria}");
    report.write(asked.json.as_deref())?;
    Ok(criteria.hold())
}

fn print(figures: &TortureFigures) {
    let some = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.2}"));
    let mut table =
        Table::new(["ms", "cycles", "back p50", "back max", "silence max", "undelivered max", "ends max", "shift max"]);
    for kind in &figures.kinds {
        table.row([
            kind.kind.to_owned(),
            kind.n.to_string(),
            format!("{:.0}", kind.back_p50_ms),
            format!("{:.0}", kind.back_max_ms),
            format!("{:.1}", kind.silent_max_ms),
            format!("{:.1}", kind.undelivered_max_ms),
            some(kind.ends_max_ms),
            some(kind.shift_max_ms),
        ]);
    }
    print!("{table}");
}
