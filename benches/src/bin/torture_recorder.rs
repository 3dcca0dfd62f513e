//! `torture_recorder [--kills N] [--fulls N] [--splits N] [--power-cuts N] [--cross-4gib] [--seed N] [--json FILE]`: kills,
//! full disks, splits and power cuts under the recorder; exit code 1 where something does not hold. Thin: prints what
//! [`ra_benches::torture::recorder`] finds. Results on stdout, progress on stderr.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use ra_benches::torture::recorder::{RecorderFigures, RecorderTorture, record_until_killed};
use ra_benches::torture::{ended, exit_code, verdict, whole_number};
use ra_benches::{Load, Report, Table};

const USAGE: &str = "usage: torture_recorder [--kills N] [--fulls N] [--splits N] [--power-cuts N] [--cross-4gib] [--seed N] \
                     [--json FILE]\nWithout any of the first five: 1000 kills, 100 full disks, 1000 splits, 6000 power cuts.";
/// Fewer kills than this show that it works, and little more.
const QUICK_KILLS: u64 = 500;
/// The first word of the process that is going to be killed.
const VICTIM: &str = "--victim";

/// What was asked for.
struct Asked {
    torture: RecorderTorture,
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [VICTIM, dir, kind] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return ended(record_until_killed(Path::new(dir), kind).map(|()| ExitCode::SUCCESS));
    }
    exit_code(parse(words.into_iter()), USAGE, |asked| run(asked).map(verdict))
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Asked>, String> {
    let (mut kills, mut fulls, mut splits, mut cuts) = (None, None, None, None);
    let (mut seed, mut cross_4gib, mut json) = (1, false, None);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--cross-4gib" => {
                cross_4gib = true;
                continue;
            }
            _ => {}
        }
        let Some(value) = args.next() else { return Err(format!("{arg} is unknown or lacks its value")) };
        let number = || whole_number(&arg, &value);
        match arg.as_str() {
            "--kills" => kills = Some(number()?),
            "--fulls" => fulls = Some(number()?),
            "--splits" => splits = Some(number()?),
            "--power-cuts" => cuts = Some(number()?),
            "--seed" => seed = number()?,
            "--json" => json = Some(PathBuf::from(value)),
            _ => return Err(format!("unknown argument {arg:?}")),
        }
    }
    let is_all = [kills, fulls, splits, cuts].iter().all(Option::is_none) && !cross_4gib;
    let or = |asked: Option<u64>, usual| asked.unwrap_or(if is_all { usual } else { 0 });
    let victim = std::env::current_exe().map_err(|error| format!("this program does not find itself: {error}"))?;
    let torture = RecorderTorture {
        seed,
        n_kills: or(kills, 1_000),
        n_fulls: or(fulls, 100),
        n_splits: or(splits, 1_000),
        n_power_cuts: or(cuts, 6_000),
        cross_4gib,
        victim,
        tells: true,
    };
    Ok(Some(Asked { torture, json }))
}

fn run(asked: Asked) -> Result<bool> {
    let load = Load::at_start();
    let figures = asked.torture.run().context("the torture itself")?;
    let criteria = figures.criteria();
    let report = Report::new("torture recorder", asked.torture.n_kills < QUICK_KILLS, load, figures);
    println!("{}", report.machine);
    print(&report.figures);
    print!("\n{criteria}");
    report.write(asked.json.as_deref())?;
    Ok(criteria.hold())
}

fn print(figures: &RecorderFigures) {
    if !figures.kills.is_empty() {
        let mut table = Table::new([
            "kill -9",
            "killed",
            "not begun",
            "median s",
            "lost ms, median",
            "worst",
            "remarks",
            "read by",
        ]);
        for kill in &figures.kills {
            let judges: Vec<String> = kill.judged.iter().map(|(judge, n)| format!("{judge} {n}")).collect();
            table.row([
                kill.kind.clone(),
                kill.kills.to_string(),
                kill.before_the_begin.to_string(),
                format!("{:.2}", kill.median_s),
                format!("{:.1}", kill.median_lost_ms),
                format!("{:.1}", kill.worst_lost_ms),
                kill.remarks.to_string(),
                judges.join(", "),
            ]);
        }
        println!("\n{table}");
        let not_judging: std::collections::BTreeSet<_> = figures.kills.iter().flat_map(|k| &k.not_judging).collect();
        not_judging.iter().for_each(|why| println!("NOT JUDGING: {why}"));
        tell_faults(figures.kills.iter().map(|kill| (&kill.kind, &kill.faults)));
    }
    if !figures.power_cuts.is_empty() {
        let mut table = Table::new([
            "power cut",
            "cuts",
            "with losses",
            "writes",
            "syncs",
            "unsynced ms",
            "lost ms",
            "looks, failed",
        ]);
        for power in &figures.power_cuts {
            let looks = power.outside.iter().map(|(judge, n, failed)| format!("{judge} {n}, {failed}"));
            table.row([
                power.kind.clone(),
                power.cuts.to_string(),
                power.with_losses.to_string(),
                power.calls[0].to_string(),
                power.calls[2].to_string(),
                format!("{:.0}", power.longest_unsynced_ms),
                format!("{:.0}", power.worst_lost_ms),
                looks.collect::<Vec<_>>().join("; "),
            ]);
        }
        println!("\n{table}");
        let by_hound: u64 = figures.power_cuts.iter().map(|power| power.refused_by_hound).sum();
        if by_hound > 0 {
            println!("not judged: {by_hound} files shorter than their headers say, which hound alone refuses");
        }
        tell_faults(figures.power_cuts.iter().map(|power| (&power.kind, &power.faults)));
    }
    for split in &figures.splits {
        println!("{} splits, {}: {} files, {} frames", split.splits, split.kind, split.files, split.frames[0]);
    }
    tell_faults(figures.splits.iter().map(|split| (&split.kind, &split.faults)));
    if let Some(fulls) = &figures.fulls {
        println!(
            "{} full disks in {:.0} s, {}: {} with refusals, {} frames refused and silent; engine: {} late blocks",
            fulls.fulls, fulls.duration_s, fulls.disk, fulls.with_refusals, fulls.refused_frames, fulls.late_blocks
        );
        fulls.faults.iter().for_each(|fault| println!("  {fault}"));
    }
    if let Some(large) = &figures.large {
        println!("across 4 GiB: {} bytes, {} frames, {} looks while it grew", large.bytes, large.frames, large.looks);
    }
}

fn tell_faults<'a>(rows: impl Iterator<Item = (&'a String, &'a Vec<String>)>) {
    for (kind, faults) in rows {
        faults.iter().for_each(|fault| println!("  {kind}: {fault}"));
    }
}
