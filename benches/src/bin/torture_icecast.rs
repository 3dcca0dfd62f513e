//! `torture_icecast [--restarts N] [--seconds N] [--seed N] [--relays LISTENERS] [--json FILE]`: the streamer against real
//! servers; exit code 1 where something does not hold. Thin: prints what [`ra_benches::torture::icecast`] finds. Results on
//! stdout, progress on stderr.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use ra_benches::torture::icecast::{IcecastFigures, IcecastTorture, OutageKind, RelayFigures, RelayTorture};
use ra_benches::torture::{count, exit_code, verdict, whole_number};
use ra_benches::{Load, Report, Table};

const USAGE: &str =
    "usage: torture_icecast [--restarts N] [--seconds N] [--seed N] [--json FILE], or: --relays LISTENERS";
/// Shorter runs than this show that it works, and little more.
const FULL: (usize, u64) = (100, 600);

struct Asked {
    torture: IcecastTorture,
    relays: Option<usize>,
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    exit_code(parse(std::env::args().skip(1)), USAGE, |asked| run(&asked).map(verdict))
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Asked>, String> {
    let (restarts, seconds) = FULL;
    let mut asked = Asked { torture: IcecastTorture { restarts, seconds, seed: 1 }, relays: None, json: None };
    while let Some(arg) = args.next() {
        if matches!(arg.as_str(), "--help" | "-h") {
            return Ok(None);
        }
        let Some(value) = args.next() else { return Err(format!("{arg} is unknown or lacks its value")) };
        let number = |most| count(&arg, &value, most);
        match arg.as_str() {
            "--restarts" => asked.torture.restarts = number(100_000)? as usize,
            "--seconds" => asked.torture.seconds = number(1_000_000)?,
            "--relays" => asked.relays = Some(number(2_000)? as usize),
            "--seed" => asked.torture.seed = whole_number(&arg, &value)?,
            "--json" => asked.json = Some(PathBuf::from(value)),
            _ => return Err(format!("unknown argument {arg:?}")),
        }
    }
    Ok(Some(asked))
}

fn run(asked: &Asked) -> Result<bool> {
    let load = Load::at_start();
    let tell = |text: &str| eprintln!("{text}");
    if let Some(listeners) = asked.relays {
        let figures = RelayTorture { listeners, seed: asked.torture.seed }.run(&tell)?;
        let criteria = figures.criteria();
        let report = Report::new("torture icecast --relays", listeners < 200, load, figures);
        println!("{}", report.machine);
        print_relays(&report.figures);
        print!("\n{criteria}");
        report.write(asked.json.as_deref())?;
        return Ok(criteria.hold());
    }
    let figures = asked.torture.run(&tell)?;
    let criteria = figures.criteria();
    let is_short = asked.torture.restarts < FULL.0 || asked.torture.seconds < FULL.1;
    let report = Report::new("torture icecast", is_short, load, figures);
    println!("{}", report.machine);
    print(&report.figures);
    print!("\n{criteria}");
    report.write(asked.json.as_deref())?;
    Ok(criteria.hold())
}

fn print(figures: &IcecastFigures) {
    let mut table = Table::new(["back after the server answered again, s", "outages", "median", "longest"]);
    let kinds = [
        ("killed: connections closed", OutageKind::Killed),
        ("swallowed by the network", OutageKind::Swallowed),
        ("frozen, then killed", OutageKind::Frozen),
    ];
    for (what, kind) in kinds {
        if let Some((n, median, longest)) = figures.back_s(kind) {
            table.row([what.to_owned(), n.to_string(), format!("{median:.2}"), format!("{longest:.2}")]);
        }
    }
    println!("seed {}\n{table}", figures.seed);
    let mut reasons: Vec<&str> = figures.outages.iter().filter_map(|row| row.reason.as_deref()).collect();
    reasons.sort_unstable();
    reasons.dedup_by_key(|reason| reason.split(": ").last());
    println!("what it said of them, one of each kind:");
    reasons.iter().take(8).for_each(|reason| println!("  {reason}"));
    println!("{}; {} gaps listed; {} frames taken back", figures.account, figures.gaps, figures.thrown_away_frames);
    figures.notes.iter().for_each(|note| println!("  {note}"));
    let steady = &figures.steady;
    let cpu =
        steady.cpu_percent.map_or("not told by the system".to_owned(), |percent| format!("{percent:.2} % of a core"));
    println!(
        "{:.0} s listened to: {:.0} bytes/s, {} pages, the latest {:.1} ms behind the line; encoding and sending {cpu}",
        steady.listened_s, steady.bytes_per_s, steady.pages, steady.latest_ms
    );
}

fn print_relays(figures: &RelayFigures) {
    println!(
        "{} listeners on two relays of one master; the fallback heard {:.1} s after the programme ended, the programme {:.1} s \
         after it was back",
        figures.listeners, figures.to_fallback_s, figures.to_programme_s
    );
}
