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
  ra wave take.wav                       a picture of it beside it, take.wav.svg; gaps shaded, clipping marked
  ra sim scenarios/two_clocks.toml       runs simulated devices in virtual time, and says how far off they were
  ra devices                             what can be captured and played here
  ra devices test ID --output ID2        opens them and measures: rate, callbacks, level, round trip
  ra doctor                              what this machine grants, and what to do about what it does not

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
    /// Draw a sound file: its waveform, what is missing from it, where it is clipped
    Wave(WaveArgs),
    /// Run a scenario of simulated devices in virtual time, and measure it
    Sim(SimArgs),
    /// Check a config without running it
    Check(CheckArgs),
    /// List the devices that can be captured and played, watch them come and go, or measure one
    Devices(DevicesArgs),
    /// Say what this machine grants to audio, and what to do about what it does not
    Doctor(DoctorArgs),
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

/// `ra wave`.
#[derive(Args, Clone, Debug)]
pub struct WaveArgs {
    /// The sound file; gaps are taken from FILE.json where the recorder left one
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The picture, SVG or PNG by its name; without it FILE.svg
    #[arg(short, long, value_name = "OUT.svg|OUT.png")]
    pub output: Option<PathBuf>,
    /// Width of the picture in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 1600)]
    pub width: u32,
    /// Height of the picture in pixels; without it as the channels need
    #[arg(long, value_name = "PIXELS")]
    pub height: Option<u32>,
    /// How levels are spread over the height
    #[arg(long, value_enum, default_value_t = ScaleArg::Linear)]
    pub scale: ScaleArg,
    /// Colours of the picture
    #[arg(long, value_enum, default_value_t = ThemeArg::Auto)]
    pub theme: ThemeArg,
    /// Print the outline as one JSON document; no picture then, unless -o asks for one
    #[arg(long)]
    pub json: bool,
    /// Replace the picture where it exists
    #[arg(long)]
    pub force: bool,
}

/// How levels are spread over the height of a waveform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScaleArg {
    /// Evenly
    Linear,
    /// In dBFS, from -72 in the middle
    Db,
}

/// Colours of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ThemeArg {
    /// SVG: as the viewer's are; PNG: light
    Auto,
    /// Dark on light
    Light,
    /// Light on dark
    Dark,
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
#[command(args_conflicts_with_subcommands = true)]
pub struct DevicesArgs {
    /// Measure a device instead of listing all
    #[command(subcommand)]
    pub command: Option<DevicesCommand>,
    /// Print one JSON document; with --watch, one to a line
    #[arg(long)]
    pub json: bool,
    /// Only what can be captured
    #[arg(long, conflicts_with = "output")]
    pub input: bool,
    /// Only what can be played to
    #[arg(long)]
    pub output: bool,
    /// Only the devices of one sound system: alsa, pulseaudio …
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Go on and tell what comes, goes and changes, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

/// What `ra devices` can do besides listing.
#[derive(Clone, Debug, Subcommand)]
pub enum DevicesCommand {
    /// Open a device and measure it: rate, callbacks, level, xruns; with --output the round trip too
    Test(DeviceTestArgs),
}

/// `ra devices test`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Exit codes: 0 it is good; 1 something is wrong with it, or it can't be opened; 2 there is no such device."
)]
pub struct DeviceTestArgs {
    /// An id that `ra devices` prints, or default; an output too, if no input has that id
    #[arg(value_name = "ID")]
    pub id: String,
    /// How long to measure: 1s to 1h; 60s at most with --output
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, default_value = "5s")]
    pub run_for: Duration,
    /// Play a sweep here and measure how long it takes to come back by ID
    #[arg(long, value_name = "ID2")]
    pub output: Option<String>,
    /// The rate to ask for; without it the device's own
    #[arg(long, value_name = "HZ")]
    pub rate: Option<u32>,
    /// The period to ask for; without it what `ra run` asks for
    #[arg(long, value_name = "FRAMES")]
    pub period: Option<u32>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `ra doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// How long to measure the timers: 1s to 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, default_value = "10s")]
    pub run_for: Duration,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
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
    fn a_device_is_tested_or_all_are_listed() {
        let cli = parse("ra devices test alsa:hw:0 --for 2s --output default --period 128").unwrap();
        let Command::Devices(DevicesArgs { command: Some(DevicesCommand::Test(test)), .. }) = cli.command else {
            panic!("no test");
        };
        assert_eq!((test.id.as_str(), test.run_for, test.period), ("alsa:hw:0", Duration::from_secs(2), Some(128)));
        let cli = parse("ra devices --watch --json --host alsa").unwrap();
        let Command::Devices(DevicesArgs { command: None, watch: true, .. }) = cli.command else { panic!("no watch") };
    }

    #[test]
    fn what_is_wrong_is_exit_code_2() {
        for line in [
            "ra",
            "ra sim",
            "ra sim a.toml b.toml",
            "ra doctor --for 10",
            "ra devices test",
            "ra devices test x --rate fast",
            "ra devices --watch test x",
            "ra mix -o c.wav",
            "ra mix a.wav",
            "ra run --for 10",
            "ra run a b",
            "ra mix a.wav -o b.wav --gain 1",
            "ra mix a.wav -o b.wav --format mp3",
            "ra -q -v devices",
            "ra check",
            "ra wave",
            "ra wave a.wav --width many",
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}: {error}");
        }
        assert_eq!(parse("ra --help").unwrap_err().exit_code(), 0);
        assert_eq!(parse("ra --version").unwrap_err().exit_code(), 0);
    }
}
