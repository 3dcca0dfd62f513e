//! Devices of real sound servers: how well the drift of skewed clocks is found, whether a click stays beside itself, what a
//! mixer with devices takes, how soon `ra run` records. Thin: prints what [`ra_benches::devices`] measures; exit code 1 where
//! a figure of a whole run misses its bound. A quick one shows that it works, on a machine that may be busy.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use ra_benches::devices::{
    ClickFigures, ClickRun, LoadFigures, LoadRun, OwnProcess, SkewFigures, SkewRun, StartFigures, StartRun,
    missing_tools, own_process, play_clicks,
};
use ra_benches::soak::Criteria;
use ra_benches::{BenchArgs, Load, Quantiles, Report, Table, median};
use serde::Serialize;

/// When drift is looked at, and how far off it may be then.
const DRIFT_BOUNDS: [(f64, f64); 2] = [(10.0, 20.0), (60.0, 5.0)];
const CLICK_MS: f64 = 2.0;
const STEP_SHARE: f64 = 0.15;
const START_MS: f64 = 300.0;

#[derive(Serialize)]
struct Figures {
    skew: Vec<SkewFigures>,
    clicks: ClickFigures,
    load: LoadFigures,
    /// Where `RA_BIN` names a program with JACK, and there is a JACK server.
    start: Option<StartFigures>,
    /// Why there is none.
    no_start: Option<String>,
}

fn main() -> ExitCode {
    match play_clicks().and_then(|played| if played { Ok(ExitCode::SUCCESS) } else { measure() }) {
        Ok(code) => code,
        Err(cause) => {
            eprintln!("error: {cause:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<ExitCode> {
    let args = BenchArgs::from_env_or_exit("bench_devices");
    let folder = match own_process()? {
        OwnProcess::Done(code) => return Ok(code),
        OwnProcess::Inside(folder) => folder,
    };
    let missing = missing_tools();
    if !missing.is_empty() {
        bail!("not installed: {}", missing.join(", "));
    }
    let load = Load::at_start();
    let figures = run(&folder, args.quick)?;
    let criteria = criteria(&figures);
    let report = Report::new("devices", args.quick, load, figures);
    println!("{}", report.machine);
    print(&report.figures);
    print!("\n{criteria}");
    report.write(args.json.as_deref())?;
    if args.quick && !criteria.hold() {
        println!("a quick run: missed bounds are not judged");
    }
    Ok(if criteria.hold() || args.quick { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(folder: &Path, quick: bool) -> Result<Figures> {
    let seconds = |short, whole| Duration::from_secs(if quick { short } else { whole });
    let looks_s = if quick { vec![DRIFT_BOUNDS[0].0] } else { DRIFT_BOUNDS.map(|(after_s, _)| after_s).to_vec() };
    let skew = SkewRun { n_rounds: if quick { 1 } else { 3 }, looks_s }.run(folder)?;
    eprintln!("clicks");
    let clicks = ClickRun { length: seconds(10, 600) }.run(folder)?;
    eprintln!("load");
    let load = LoadRun { length: seconds(5, 600) }.run(folder)?;
    eprintln!("start");
    let (start, no_start) = match StartRun::possible() {
        Ok(ra) => (Some(StartRun { ra, n_rounds: if quick { 3 } else { 20 } }.run(folder)?), None),
        Err(reason) => (None, Some(reason)),
    };
    Ok(Figures { skew, clicks, load, start, no_start })
}

fn criteria(figures: &Figures) -> Criteria {
    let mut criteria = Criteria::default();
    for skew in &figures.skew {
        let bound = DRIFT_BOUNDS.iter().find(|(after_s, _)| *after_s == skew.after_s).map_or(f64::NAN, |bound| bound.1);
        let what = format!("drift of {} ({:+} ppm) after {} s", skew.device, skew.true_ppm, skew.after_s);
        let is = format!("off by {:.1} ppm", skew.worst_ppm());
        criteria.check(skew.worst_ppm() <= bound, what, is, &format!("at most {bound} ppm"));
    }
    let clicks = &figures.clicks;
    let what = format!("{} clicks in {:.0} s, from themselves", clicks.n_pairs, clicks.length_s);
    criteria.check(clicks.worst_ms <= CLICK_MS, what, format!("{:.2} ms", clicks.worst_ms), "at most 2 ms");
    let heard = clicks.n_single as f64 <= 0.02 * clicks.n_pairs as f64 + 1.0;
    criteria.check(heard, "clicks heard by one alone", clicks.n_single, "at most 2 %, and one at an end");
    let load = &figures.load;
    criteria.check(load.ours() == 0, "xruns of our making", load.ours(), "0");
    let share = format!("{:.1} %", 100.0 * load.share_p99_9());
    criteria.check(load.share_p99_9() <= STEP_SHARE, "mixer p99.9 of the period", share, "at most 15 %");
    if let Some(start) = &figures.start {
        let ms = median(&start.live_ms);
        let what = "from the start of ra run to the first recorded frame of JACK, median";
        criteria.check(ms <= START_MS, what, format!("{ms:.0} ms"), "at most 300 ms");
    }
    criteria
}

fn print(figures: &Figures) {
    let mut table = Table::new(["clock", "true ppm", "after s", "found ppm"]);
    for skew in &figures.skew {
        let found: Vec<_> =
            skew.found_ppm.iter().map(|ppm| ppm.map_or("-".to_owned(), |ppm| format!("{ppm:+.1}"))).collect();
        let row = [skew.device.to_owned(), format!("{:+}", skew.true_ppm), skew.after_s.to_string(), found.join(" ")];
        table.row(row);
    }
    print!("{table}");
    let clicks = &figures.clicks;
    println!(
        "\nclicks, one server's less the other's: first {:+.2} ms, last {:+.2} ms, mean {:+.2} ms, worst {:.2} ms, spread \
         {:.2} ms; behind their second {:+.2} and {:+.2} ms",
        clicks.first_ms,
        clicks.last_ms,
        clicks.mean_ms,
        clicks.worst_ms,
        clicks.spread_ms,
        clicks.behind_ms[0],
        clicks.behind_ms[1]
    );
    let load = &figures.load;
    let Quantiles { p50_ns, p99_ns, p99_9_ns, max_ns, .. } = load.step;
    let us = |ns: u64| ns as f64 / 1e3;
    println!(
        "\n4 devices, 4 files, 128 frames ({:.0} us): step p50 {:.0} p99 {:.0} p99.9 {:.0} max {:.0} us; late blocks {} of {}; \
         ours: {} mixer late, {} overruns, {} starved files, {} dropped frames; the servers': {} gaps; mixer {}",
        us(load.period_ns),
        us(p50_ns),
        us(p99_ns),
        us(p99_9_ns),
        us(max_ns),
        load.late_blocks,
        load.blocks,
        load.mixer_late,
        load.overruns,
        load.starved_files,
        load.sink_dropped_frames,
        load.server_gaps,
        load.realtime
    );
    match (&figures.start, &figures.no_start) {
        (Some(start), _) => println!(
            "\nra run with JACK, ms from its start: first frame median {:.0}, the device in the mix median {:.0}, worst {:.0}",
            median(&start.first_frame_ms),
            median(&start.live_ms),
            start.live_ms.iter().copied().fold(0.0, f64::max)
        ),
        (None, reason) => println!("\nNOT MEASURED: start with JACK: {}", reason.as_deref().unwrap_or_default()),
    }
}
