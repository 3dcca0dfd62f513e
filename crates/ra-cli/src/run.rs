//! `ra run`: what a config says, until a signal, the end of `--for`, or the end of its files. The main thread waits, draws
//! and reports; it mixes nothing.

mod watch;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ra_engine::core::{SourceState, Stats};
use ra_engine::{Engine, EngineConfig, EngineHandle};

use crate::Failure;
use crate::args::RunArgs;
use crate::assemble::{Assembly, Titles, assemble};
use crate::config::{Config, load_config, parse_config};
use crate::meters::{Picture, render};
use crate::screen;
use crate::stdout::print_result;
use crate::stop_signal::StopSignal;
use crate::summary;
use watch::Watch;

/// What runs where no config is given.
const DEFAULT_CONFIG: &str = include_str!("default_config.toml");

/// Between two looks at the signals and the time.
const TICK: Duration = Duration::from_millis(25);

/// Between two pictures, and between two looks at the engine's account.
const LOOK: Duration = Duration::from_millis(100);

/// How much longer than `--for` is waited for a mixer that is behind.
const MOST_BEHIND: Duration = Duration::from_secs(2);

/// Runs a config.
pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let config = match &args.config {
        Some(file) => load_config(file),
        // No file of that name is read: paths are relative to the working directory.
        None => parse_config(Path::new("embedded-default.toml"), DEFAULT_CONFIG.as_bytes()),
    };
    let config = config.map_err(Failure::usage)?;
    let assembly = assemble(&config).map_err(Failure::usage)?;
    let ending_files = ending_files(&assembly);
    if args.until_end && ending_files.is_empty() {
        return Err(Failure::Usage(
            "--until-end: no source ends by itself, expected a file source without loop = true".to_owned(),
        ));
    }
    if let Some(file) = &args.summary {
        check_summary_path(file)?;
    }
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    let stop = StopSignal::listen()?;
    let stats = run_engine(args, &config, assembly, &ending_files, &stop)?;
    report(args, &config.engine, &stats)
}

fn ending_files(assembly: &Assembly) -> Vec<String> {
    assembly.sources.iter().filter(|s| s.is_ending_file).map(|s| s.config.name.clone()).collect()
}

/// A summary that can't be written is found before the run, not behind it.
fn check_summary_path(file: &Path) -> Result<(), Failure> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if file.is_dir() || file.file_name().is_none() {
        return Err(Failure::Usage(format!("--summary: {} is a directory, expected a file", file.display())));
    }
    if !parent.is_dir() {
        return Err(Failure::Usage(format!("--summary: there is no directory {}", parent.display())));
    }
    if !summary::may_replace(file) {
        return Err(Failure::Usage(format!("--summary: {} {}", file.display(), summary::NOT_A_SUMMARY)));
    }
    Ok(())
}

fn run_engine(
    args: &RunArgs,
    config: &Config,
    assembly: Assembly,
    ending_files: &[String],
    stop: &StopSignal,
) -> Result<Stats, Failure> {
    let mut engine = Engine::new(config.engine.clone()).map_err(Failure::usage)?;
    let handle = engine.handle();
    assembly.install(&handle)?;
    engine.start().map_err(Failure::running)?;
    let run = LiveRun { args, config, engine: &config.engine, handle: &handle, ending_files, start: Instant::now() };
    let watched = run.watch(stop);
    screen::clear_live();
    let stats = engine.stop().map_err(Failure::running);
    watched?;
    stats
}

/// A run that is going on.
struct LiveRun<'r> {
    args: &'r RunArgs,
    config: &'r Config,
    engine: &'r EngineConfig,
    handle: &'r EngineHandle,
    ending_files: &'r [String],
    start: Instant,
}

impl LiveRun<'_> {
    /// Waits, draws and reports until there is a reason to end.
    fn watch(&self, stop: &StopSignal) -> Result<(), Failure> {
        let mut watch = Watch::default();
        let mut titles = Titles::of(self.config);
        let has_meters = !self.args.no_meters && screen::is_terminal();
        let mut next_look = Duration::ZERO;
        while !stop.is_asked() {
            let elapsed = self.start.elapsed();
            let is_time_up = self.args.run_for.is_some_and(|limit| elapsed >= limit);
            if elapsed >= next_look || is_time_up {
                next_look = elapsed + LOOK;
                let stats = self.handle.stats().map_err(Failure::running)?;
                watch.report_changes(&stats, elapsed);
                for (sink, metadata) in titles.changes(&stats) {
                    if let Err(cause) = self.handle.set_metadata(&sink, metadata) {
                        log::warn!("sink {sink:?}: its title could not be set: {cause}");
                    }
                }
                if has_meters {
                    self.draw(&stats, elapsed);
                }
                if stats.engine.failure.is_some()
                    || self.has_ended(&stats)
                    || (is_time_up && self.is_long_enough(&stats, elapsed))
                {
                    return Ok(());
                }
            }
            let to_limit = self.args.run_for.map_or(TICK, |limit| limit.saturating_sub(self.start.elapsed()));
            // Where the time is up and the mixer behind, one look a millisecond is enough.
            std::thread::sleep(TICK.min(to_limit).max(Duration::from_millis(1)));
        }
        log::info!("stopping: a signal came; another one ends at once");
        Ok(())
    }

    fn draw(&self, stats: &Stats, elapsed: Duration) {
        let (columns, rows) = screen::terminal_size();
        let picture = Picture { elapsed, run_for: self.args.run_for, stats };
        screen::draw_live(render(&picture, columns, rows));
    }

    /// Whether every file that can end has ended.
    fn has_ended(&self, stats: &Stats) -> bool {
        let is_over = |name: &String| {
            let source = stats.sources.iter().find(|source| source.name == *name);
            source.is_some_and(|source| !matches!(source.state, SourceState::Opening | SourceState::Live))
        };
        self.args.until_end && self.ending_files.iter().all(is_over)
    }

    /// Whether as much was mixed as was asked for: time alone does not say so on a busy machine.
    fn is_long_enough(&self, stats: &Stats, elapsed: Duration) -> bool {
        let Some(limit) = self.args.run_for else { return false };
        let mixed_s =
            stats.engine.blocks as f64 * self.engine.block_frames as f64 / f64::from(self.engine.sample_rate.hz());
        mixed_s >= limit.as_secs_f64() || elapsed >= limit + MOST_BEHIND
    }
}

/// The account on stdout, the summary in its file, and what failed on stderr.
fn report(args: &RunArgs, engine: &EngineConfig, stats: &Stats) -> Result<(), Failure> {
    let written = args
        .summary
        .as_ref()
        .map(|file: &PathBuf| summary::to_json(stats).and_then(|json| summary::write_atomically(file, &json)));
    print_result(&summary::account(stats, engine))?;
    let mut failures = summary::failures(stats);
    if let Some(Err(failure)) = written {
        failures.push(failure.to_string());
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Running(failures.join("\n"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_default_makes_sense() {
        let config = parse_config(Path::new("embedded-default.toml"), DEFAULT_CONFIG.as_bytes()).unwrap();
        assert!(config.warnings.is_empty());
        let assembly = assemble(&config).unwrap();
        assert_eq!((assembly.sources.len(), assembly.sinks.len()), (3, 2));
        assert!(ending_files(&assembly).is_empty());
    }

    #[test]
    fn summaries_that_can_not_be_written_are_found_early() {
        let dir = tempfile::tempdir().unwrap();
        assert!(check_summary_path(&dir.path().join("s.json")).is_ok());
        assert!(check_summary_path(Path::new("s.json")).is_ok());
        for bad in [dir.path().to_path_buf(), dir.path().join("no/s.json"), PathBuf::from("/")] {
            assert!(matches!(check_summary_path(&bad), Err(Failure::Usage(_))), "{}", bad.display());
        }
    }
}
