//! The command line. Runs nothing.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::duration::parse_duration;
use crate::gain_arg::{GainArg, parse_gain};

const EXAMPLES: &str = "\
Examples:
  ra run                                 synthetic sources into ./recordings/, until Ctrl-C
  ra run studio.toml --for 1h            what studio.toml says, for an hour
  ra check studio.toml                   says what is wrong with it, and where
  ra mix a.wav b.flac -o both.wav        mixes files as fast as the machine allows
  ra mix a.wav b.wav -o both.wav --gain 2=-6
  ra sim scenarios/two_clocks.toml       runs simulated devices in virtual time, and says how far off they were
  ra devices                             what can be captured and played here

Results go to stdout, the log to stderr. Exit codes: 0 done; 1 failed while running; 2 the command line or the config
is wrong: nothing was started, nothing written.";

/// Captures many sources at once, each on its own clock, mixes them, and records or plays the result.
#[derive(Clone, Debug, Parser)]
#[command(name = "ra", version, propagate_version = true, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    /// Say more: -v what happens, -vv why, -vvv everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say less: -q errors only, -qq nothing
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "verbose")]
    pub quiet: u8,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What `ra` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run what a config says until Ctrl-C, and end cleanly: every file valid, every tail written
    Run(RunArgs),
    /// Mix sound files into one, as fast as the machine allows
    Mix(MixArgs),
    /// Run a scenario of simulated devices in virtual time, and measure it
    Sim(SimArgs),
    /// Check a config without running it
    Check(CheckArgs),
    /// List the devices that can be captured and played
    Devices(DevicesArgs),
}

/// `ra run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The config; without one, synthetic sources are recorded to ./recordings/
    #[arg(value_name = "CONFIG.toml")]
    pub config: Option<PathBuf>,
    /// Stop after this long: 500ms, 10s, 1.5m, 2h
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub run_for: Option<Duration>,
    /// Write what happened to each source and sink as JSON
    #[arg(long, value_name = "FILE.json")]
    pub summary: Option<PathBuf>,
    /// Stop when every file source that does not loop has ended
    #[arg(long)]
    pub until_end: bool,
    /// Draw no live meters (none are drawn where stderr is no terminal)
    #[arg(long)]
    pub no_meters: bool,
}

/// `ra mix`.
#[derive(Args, Clone, Debug)]
pub struct MixArgs {
    /// The sound files, one at least
    #[arg(value_name = "IN", required = true, num_args = 1..)]
    pub inputs: Vec<PathBuf>,
    /// The WAV file to write; it must not exist
    #[arg(short, long, value_name = "OUT.wav")]
    pub output: PathBuf,
    /// Sample rate of the output; without it, that of the first input
    #[arg(long, value_name = "HZ")]
    pub rate: Option<u32>,
    /// Gain of one input, in dB: --gain 2=-6 for the second
    #[arg(long = "gain", value_name = "N=DB", value_parser = parse_gain, allow_hyphen_values = true)]
    pub gains: Vec<GainArg>,
    /// How samples are kept
    #[arg(long, value_enum, default_value_t = FormatArg::F32)]
    pub format: FormatArg,
    /// Replace the output where it exists: it is replaced when the mix is complete, and not before
    #[arg(long)]
    pub force: bool,
}

/// `ra sim`.
#[derive(Args, Clone, Debug)]
pub struct SimArgs {
    /// The scenario
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: PathBuf,
    /// Write the report as JSON; - for stdout, in the place of the table
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the samples at the mix point: the sources side by side, not summed, 32-bit float
    #[arg(long, value_name = "FILE.wav")]
    pub wav: Option<PathBuf>,
}

/// How samples are kept in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// 32-bit float
    F32,
    /// 24-bit integer, dithered
    S24,
    /// 16-bit integer, dithered
    S16,
}

/// `ra check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The config
    #[arg(value_name = "CONFIG.toml")]
    pub config: PathBuf,
}

/// `ra devices`.
#[derive(Args, Clone, Debug)]
pub struct DevicesArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Only what can be captured
    #[arg(long, conflicts_with = "output")]
    pub input: bool,
    /// Only what can be played to
    #[arg(long)]
    pub output: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn gains_may_be_negative_and_come_in_numbers() {
        let cli = parse("ra mix a.wav b.wav -o c.wav --gain 1=-6 --gain=2=+3.5 --format s24").unwrap();
        let Command::Mix(mix) = cli.command else { panic!("no mix") };
        assert_eq!(mix.gains, [GainArg { input: 1, gain_db: -6.0 }, GainArg { input: 2, gain_db: 3.5 }]);
        assert_eq!(mix.format, FormatArg::S24);
        assert_eq!(mix.inputs.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_exit_code_2() {
        for line in [
            "ra",
            "ra sim",
            "ra sim a.toml b.toml",
            "ra doctor",
            "ra mix -o c.wav",
            "ra mix a.wav",
            "ra run --for 10",
            "ra run a b",
            "ra mix a.wav -o b.wav --gain 1",
            "ra mix a.wav -o b.wav --format mp3",
            "ra -q -v devices",
            "ra check",
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}: {error}");
        }
        assert_eq!(parse("ra --help").unwrap_err().exit_code(), 0);
        assert_eq!(parse("ra --version").unwrap_err().exit_code(), 0);
    }
}
