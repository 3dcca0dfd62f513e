//! `cargo xtask`: everything that is done to this repository, by one command each.
//!
//! Builds in seconds: it depends on no crate of ours and on no system library.

mod args;
mod bench;
mod check;
mod ci;
mod command;
mod demo;
mod fuzz;
mod layering;
mod loom;
mod realtime_lint;
mod repo;
mod rtsan;
mod selection;
mod setup;
mod soak;
mod steps;
mod test;
mod torture;

use std::process::ExitCode;

use args::UsageError;
use repo::Repo;

fn main() -> ExitCode {
    let run = || {
        let (command, args) = match command::choose(std::env::args_os().skip(1))? {
            command::Choice::Run(command, args) => (command, args),
            command::Choice::Help(text) => {
                println!("{text}");
                return Ok(());
            }
        };
        (command.run)(&Repo::find()?, args)
    };
    let result: anyhow::Result<()> = run();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}
