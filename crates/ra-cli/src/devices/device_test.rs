//! `ra devices test`: opens a device, measures it, and says whether it is good. The measuring is `ra-device`'s.

use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ra_device::measure::{MeasureConfig, MeasureProgress, MeasureReport, SHORTEST_ROUND_TRIP, measure};
use ra_device::{DeviceError, InputRequest, OutputRequest, probe_input, probe_output};
use ra_engine::core::SampleRate;
use serde::Serialize;

use super::{SCHEMA, test_text};
use crate::Failure;
use crate::args::DeviceTestArgs;
use crate::screen;
use crate::stdout::print_result;
use crate::stop_signal::StopSignal;

/// The least and the most that `--for` may be.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(3600);
/// The most with `--output`: all that is heard is kept, and searched at once.
const MOST_ROUND_TRIP: Duration = Duration::from_secs(60);

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    #[serde(flatten)]
    report: &'a MeasureReport,
}

/// Measures a device.
pub(super) fn device_test(args: &DeviceTestArgs) -> Result<(), Failure> {
    let config = config_of(args)?;
    let stop = StopSignal::listen()?;
    let bar = screen::is_terminal().then(|| progress_bar(config.duration));
    let report = measure(&config, &mut |at| {
        if let Some(bar) = &bar {
            show(bar, at);
        }
        if stop.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let report = report.map_err(failure)?;
    if args.json {
        let json = serde_json::to_string_pretty(&Document { schema: SCHEMA, report: &report });
        print_result(&(json.map_err(|e| Failure::Running(format!("the report: {e}")))? + "\n"))?;
    } else {
        print_result(&test_text::of_report(&report))?;
    }
    if report.verdict.good {
        return Ok(());
    }
    let faults: Vec<_> = report.verdict.faults.iter().map(|fault| fault.text.as_str()).collect();
    Err(Failure::Running(format!("{} is not good: {}", args.id, faults.join("; "))))
}

fn config_of(args: &DeviceTestArgs) -> Result<MeasureConfig, Failure> {
    if !(LEAST..=MOST).contains(&args.run_for) {
        return Err(Failure::Usage(format!("--for: {:?}, expected 1s to 1h", args.run_for)));
    }
    if args.output.is_some() && args.run_for < SHORTEST_ROUND_TRIP {
        let least = SHORTEST_ROUND_TRIP.as_secs_f64();
        return Err(Failure::Usage(format!("--for: {:?}, expected {least} s at least with --output", args.run_for)));
    }
    let sample_rate = args.rate.map(SampleRate::new).transpose().map_err(|e| Failure::Usage(format!("--rate: {e}")))?;
    if args.output.is_some() && args.run_for > MOST_ROUND_TRIP {
        let most = MOST_ROUND_TRIP.as_secs();
        return Err(Failure::Usage(format!("--for: {:?}, expected {most} s at most with --output", args.run_for)));
    }
    if args.period == Some(0) {
        return Err(Failure::Usage("--period: 0, expected 1 frame at least".to_owned()));
    }
    let period_frames = args.period;
    let of_input = InputRequest { device: args.id.clone(), sample_rate, period_frames, ..InputRequest::default() };
    let of_output = |device: &str| OutputRequest {
        device: device.to_owned(),
        sample_rate,
        period_frames,
        ..OutputRequest::default()
    };
    let (mut input, mut output) = (None, args.output.as_deref().map(of_output));
    match (probe_input(&of_input), &output) {
        (Ok(_), _) => input = Some(of_input),
        // An output by itself can be measured too: what it is asked for, and how regularly.
        (Err(error @ (DeviceError::NotFound { .. } | DeviceError::NoDefault { .. })), None) => {
            let alone = of_output(&args.id);
            match probe_output(&alone) {
                Ok(_) => output = Some(alone),
                Err(as_output) => return Err(failure(the_nearer(error, as_output))),
            }
        }
        (Err(error), _) => return Err(failure(error)),
    }
    Ok(MeasureConfig { input, output, duration: args.run_for })
}

/// Of two ways in which an id is wrong, the one that knows what may have been meant.
fn the_nearer(as_input: DeviceError, as_output: DeviceError) -> DeviceError {
    let knows = |error: &DeviceError| matches!(error, DeviceError::NotFound { nearest: Some(_), .. });
    if knows(&as_output) && !knows(&as_input) { as_output } else { as_input }
}

/// An id that is none is a mistake on the command line; what goes wrong with a device that is there is not.
fn failure(error: DeviceError) -> Failure {
    match error {
        DeviceError::NotFound { .. } | DeviceError::Channels { .. } => Failure::usage(error),
        other => Failure::running(other),
    }
}

fn progress_bar(duration: Duration) -> ProgressBar {
    let style = ProgressStyle::with_template("measuring {bar:40} {msg}");
    let bar = ProgressBar::new(duration.as_millis() as u64);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(bar: &ProgressBar, at: MeasureProgress) {
    bar.set_position(at.elapsed.as_millis() as u64);
    let peak = if at.peak_lin > 0.0 { format!(", peak {:.1} dBFS", 20.0 * at.peak_lin.log10()) } else { String::new() };
    bar.set_message(format!("{:.1} s{peak}", at.elapsed.as_secs_f64()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> DeviceTestArgs {
        DeviceTestArgs {
            id: "alsa:no such thing".into(),
            run_for: Duration::from_secs(5),
            output: None,
            rate: None,
            period: None,
            json: false,
        }
    }

    #[test]
    fn what_can_not_be_measured_is_a_mistake_on_the_command_line() {
        let (short, long) = (Duration::from_millis(900), Duration::from_secs(3601));
        for wrong in [
            args(),
            DeviceTestArgs { run_for: short, ..args() },
            DeviceTestArgs { run_for: long, ..args() },
            DeviceTestArgs { run_for: Duration::from_secs(2), output: Some("default".into()), ..args() },
            DeviceTestArgs { run_for: Duration::from_secs(61), output: Some("default".into()), ..args() },
            DeviceTestArgs { rate: Some(1), ..args() },
            DeviceTestArgs { period: Some(0), ..args() },
        ] {
            assert!(matches!(config_of(&wrong), Err(Failure::Usage(_))), "{wrong:?}: {:?}", config_of(&wrong));
        }
    }
}
