//! From a command line to an exit code: the log, the command, and what is said of its failure.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::Failure;
use crate::args::{Cli, Command};
use crate::logger::{LogFilter, start_log};
use crate::{check, devices, doctor, mix, run, screen, sim, wave};

/// Runs `ra` with its arguments, the program's name first, and returns its exit code: 0 done, 1 failed while running, 2 the
/// command line or the config is wrong.
pub fn run_cli(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version go to stdout with code 0. A terminal that is gone needs neither.
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    let done = log_filter(&cli).and_then(|filter| {
        start_log(filter);
        carry_out(&cli.command)
    });
    // What waits goes out first, so that there is room for what has failed.
    screen::flush();
    let Err(failure) = done else { return ExitCode::SUCCESS };
    for line in failure.to_string().lines() {
        screen::print_log(line);
    }
    screen::flush();
    failure.exit_code()
}

/// Flags win over the environment; only here is the environment read.
fn log_filter(cli: &Cli) -> Result<LogFilter, Failure> {
    match std::env::var("RA_LOG") {
        Ok(text) if !text.is_empty() && cli.verbose == 0 && cli.quiet == 0 => {
            LogFilter::parse(&text).map_err(Failure::usage)
        }
        _ => Ok(LogFilter::from_verbosity(cli.quiet, cli.verbose)),
    }
}

fn carry_out(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Mix(args) => mix::mix(args),
        Command::Wave(args) => wave::wave(args),
        Command::Sim(args) => sim::sim(args),
        Command::Check(args) => check::check(&args.config),
        Command::Devices(args) => devices::devices(args),
        Command::Doctor(args) => doctor::doctor(args),
    }
}
