//! `ra doctor`: what this machine grants to audio, and what to do about what it does not. Changes nothing on the machine.

mod advice;
mod jitter;
mod privileges;
mod report;
mod sound;
mod system;
mod text;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::Failure;
use crate::args::DoctorArgs;
use crate::screen;
use crate::stdout::print_result;
use crate::stop_signal::StopSignal;
use report::DoctorReport;

/// The version of the JSON document's shape.
const SCHEMA: u32 = 1;

/// The least and the most that `--for` may be.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(3600);

/// Looks, measures and advises.
pub(crate) fn doctor(args: &DoctorArgs) -> Result<(), Failure> {
    if !(LEAST..=MOST).contains(&args.run_for) {
        return Err(Failure::Usage(format!("--for: {:?}, expected 1s to 1h", args.run_for)));
    }
    let stop = StopSignal::listen()?;
    // Locked memory would be in the way of everything that starts threads, so what asks for it comes last.
    let (system, sound) = (system::look(), sound::look());
    let bar = screen::is_terminal().then(|| progress_bar(args.run_for));
    let timers = jitter::measure(args.run_for, &mut |elapsed| {
        if let Some(bar) = &bar {
            bar.set_position(elapsed.as_millis() as u64);
        }
        stop.is_asked()
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let timers = timers?;
    let mut report = DoctorReport { schema: SCHEMA, system, sound, timers, advice: Vec::new() };
    report.advice = advice::advise(&report);
    if args.json {
        let json = serde_json::to_string_pretty(&report);
        return print_result(&(json.map_err(|e| Failure::Running(format!("the report: {e}")))? + "\n"));
    }
    print_result(&text::of_report(&report))
}

fn progress_bar(duration: Duration) -> ProgressBar {
    let style = ProgressStyle::with_template("measuring the timers {bar:40} {eta} left");
    let bar = ProgressBar::new(duration.as_millis() as u64);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
