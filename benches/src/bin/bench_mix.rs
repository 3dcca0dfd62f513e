//! `bench_mix`: the CPU time of mixing files offline, `ra mix` beside the peers that are installed.
//!
//! All contestants run in turns in one process run, on the same files, after a round that warms the page cache and
//! whose outputs are checked. It measures other programs from outside: nothing of `ra` is linked in.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use ra_benches::{
    BenchArgs, ChildCost, Load, Machine, Report, Table, median,
    mix::{Contestant, ExactSum, Job, Role, Verdict, read_only, read_whole},
    run_measured,
};
use serde::Serialize;

/// How far our output may be from the sum in double precision.
const OUR_TOLERANCE_LIN: f64 = 1e-6;
/// How far a peer may be and still count as having done the same work.
const PEER_TOLERANCE_LIN: f64 = 1e-4;

#[derive(Serialize)]
struct Figures {
    job: JobRow,
    rounds: usize,
    contestants: Vec<Row>,
    absent: Vec<&'static str>,
    best_peer: Option<&'static str>,
    /// Our CPU time over that of the best peer, tuned or not.
    ratio_to_best_peer: Option<f64>,
    best_untuned_peer: Option<&'static str>,
    /// Our CPU time over that of the best peer as its manual says to use it.
    ratio_to_best_untuned_peer: Option<f64>,
}

#[derive(Serialize)]
struct JobRow {
    n_files: usize,
    seconds: f64,
    sample_rate_hz: u32,
    channels: u16,
    format: &'static str,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    role: Role,
    version: String,
    command: String,
    cpu_s: Seconds,
    wall_s: Seconds,
    max_rss_kib: u64,
    verdict: Option<Verdict>,
    /// Why its figures do not count, where they do not.
    failure: Option<String>,
}

#[derive(Serialize)]
struct Seconds {
    median: f64,
    min: f64,
    max: f64,
}

impl Seconds {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        let fold = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick).unwrap_or(f64::NAN);
        Self { median: median(&values), min: fold(f64::min), max: fold(f64::max) }
    }
}

/// A contestant with what its rounds cost.
struct Runner {
    contestant: Contestant,
    verdict: Option<Verdict>,
    failure: Option<String>,
    costs: Vec<ChildCost>,
}

impl Runner {
    fn new(contestant: Contestant) -> Self {
        Self { contestant, verdict: None, failure: None, costs: Vec::new() }
    }

    /// One run into a fresh file, so that nobody gains from overwriting.
    fn run(&self, dir: &Path) -> Result<ChildCost> {
        if let Some(output) = self.contestant.output() {
            match std::fs::remove_file(dir.join(&output)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context(output),
                _ => {}
            }
        }
        run_measured(&mut self.contestant.command(dir))
    }

    fn check(&mut self, dir: &Path, sum: &ExactSum) -> Result<()> {
        self.run(dir)?;
        let Some(output) = self.contestant.output() else { return Ok(()) };
        let verdict = sum.judge(&dir.join(output))?;
        self.verdict = Some(verdict);
        let tolerance_lin = if self.contestant.role == Role::Ours { OUR_TOLERANCE_LIN } else { PEER_TOLERANCE_LIN };
        if !verdict.is_within(tolerance_lin) {
            bail!(
                "output differs from the exact sum: {} frames instead of {}, error {:e} instead of at most {tolerance_lin:e}",
                verdict.n_frames,
                verdict.expected_frames,
                verdict.max_error_lin
            );
        }
        Ok(())
    }

    fn row(&self) -> Row {
        Row {
            name: self.contestant.name,
            role: self.contestant.role,
            version: self.contestant.version.clone(),
            command: self.contestant.command_line(),
            cpu_s: Seconds::of(self.costs.iter().map(|cost| cost.cpu.as_secs_f64())),
            wall_s: Seconds::of(self.costs.iter().map(|cost| cost.wall.as_secs_f64())),
            max_rss_kib: self.costs.iter().map(|cost| cost.max_rss_kib).max().unwrap_or(0),
            verdict: self.verdict,
            failure: self.failure.clone(),
        }
    }
}

fn main() -> Result<ExitCode> {
    if let Some(files) = read_only(std::env::args_os().skip(1)) {
        read_whole(&files)?;
        return Ok(ExitCode::SUCCESS);
    }
    let args = BenchArgs::from_env_or_exit("bench_mix");
    let (job, n_rounds) = if args.quick { (Job::QUICK, 2) } else { (Job::FULL, 7) };
    let ra =
        std::env::var_os("RA_BIN").context("RA_BIN must name the ra to be measured; cargo xtask bench mix sets it")?;
    let dir = match std::env::var_os("RA_BENCH_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => std::env::temp_dir().join("ra-bench-mix"),
    };
    let dir = dir.join(if args.quick { "quick" } else { "full" });

    eprintln!("preparing {} files of {} s in {}", job.n_files, job.seconds(), dir.display());
    let inputs = job.prepare(&dir)?;
    let paths: Vec<PathBuf> = inputs.iter().map(|name| dir.join(name)).collect();
    let sum = ExactSum::write(job, &paths, &dir.join("sum.f64"))?;
    let (peers, absent) = Contestant::peers(&inputs);
    let floor = Contestant::floor(std::env::current_exe().context("this program has no name")?, &inputs);
    let contestants = [Contestant::ours(PathBuf::from(ra), &inputs)].into_iter().chain(peers).chain([floor]);
    let mut runners: Vec<Runner> = contestants.map(Runner::new).collect();

    for runner in &mut runners {
        eprintln!("checking {}", runner.contestant.name);
        runner.failure = runner.check(&dir, &sum).err().map(|error| format!("{error:#}"));
    }
    let load = Load::at_start();
    for round in 0..n_rounds {
        eprintln!("round {} of {n_rounds}", round + 1);
        // Everybody takes every place in the order in turn.
        let n_runners = runners.len();
        for place in 0..n_runners {
            let runner = &mut runners[(place + round) % n_runners];
            if runner.failure.is_none() {
                match runner.run(&dir) {
                    Ok(cost) => runner.costs.push(cost),
                    Err(error) => runner.failure = Some(format!("{error:#}")),
                }
            }
        }
    }
    let figures = figures(job, n_rounds, runners.iter().map(Runner::row).collect(), absent);
    print(&figures);
    let our_failure = figures.contestants[0].failure.clone();
    Report::new("mix", args.quick, load, figures).write(args.json.as_deref())?;
    match our_failure {
        None => Ok(ExitCode::SUCCESS),
        Some(failure) => bail!("ra mix: {failure}"),
    }
}

fn figures(job: Job, rounds: usize, contestants: Vec<Row>, absent: Vec<&'static str>) -> Figures {
    let best = |roles: &[Role]| {
        let fit = contestants.iter().filter(|row| row.failure.is_none() && roles.contains(&row.role));
        fit.min_by(|a, b| a.cpu_s.median.total_cmp(&b.cpu_s.median)).map(|row| (row.name, row.cpu_s.median))
    };
    let ours = best(&[Role::Ours]);
    let ratio = |peer: Option<(&str, f64)>| Some(ours?.1 / peer?.1);
    let best_peer = best(&[Role::Peer, Role::PeerTuned]);
    let best_untuned_peer = best(&[Role::Peer]);
    Figures {
        job: JobRow {
            n_files: job.n_files,
            seconds: job.seconds(),
            sample_rate_hz: Job::SAMPLE_RATE_HZ,
            channels: Job::CHANNELS,
            format: "f32",
        },
        rounds,
        absent,
        best_peer: best_peer.map(|(name, _)| name),
        ratio_to_best_peer: ratio(best_peer),
        best_untuned_peer: best_untuned_peer.map(|(name, _)| name),
        ratio_to_best_untuned_peer: ratio(best_untuned_peer),
        contestants,
    }
}

fn print(figures: &Figures) {
    let job = &figures.job;
    println!("mix of {} stereo float WAV files of {} s; {}", job.n_files, job.seconds, Machine::describe());
    let ours = figures.contestants[0].cpu_s.median;
    let mut table = Table::new(["", "CPU s", "min", "max", "wall s", "memory MiB", "error", "ra / this"]);
    for row in &figures.contestants {
        if row.failure.is_some() {
            table.row([row.name.to_owned(), "failed".to_owned()]);
            continue;
        }
        table.row([
            row.name.to_owned(),
            format!("{:.3}", row.cpu_s.median),
            format!("{:.3}", row.cpu_s.min),
            format!("{:.3}", row.cpu_s.max),
            format!("{:.3}", row.wall_s.median),
            format!("{:.1}", row.max_rss_kib as f64 / 1024.0),
            row.verdict.map_or_else(String::new, |verdict| format!("{:.1e}", verdict.max_error_lin)),
            if ours.is_nan() { String::new() } else { format!("{:.2}", ours / row.cpu_s.median) },
        ]);
    }
    print!("{table}");
    println!("medians of {} interleaved rounds; \"tuned\": with larger buffers than the program's own", figures.rounds);
    for (name, failure) in figures.contestants.iter().filter_map(|row| Some((row.name, row.failure.as_ref()?))) {
        println!("{name} failed: {failure}");
    }
    for name in &figures.absent {
        println!("not installed: {name}");
    }
    if let (Some(name), Some(ratio)) = (figures.best_peer, figures.ratio_to_best_peer) {
        println!("CPU time of ra over the best peer ({name}): {ratio:.3}");
    }
    if let (Some(name), Some(ratio)) = (figures.best_untuned_peer, figures.ratio_to_best_untuned_peer) {
        println!("CPU time of ra over the best peer as documented ({name}): {ratio:.3}");
    }
}
