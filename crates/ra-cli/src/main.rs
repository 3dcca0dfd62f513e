//! The binary `ra`. Does nothing but call the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ra_cli::run_cli(std::env::args_os())
}
