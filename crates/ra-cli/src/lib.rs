//! The command `ra` as a library, so that its parsers can be tested and fuzzed: [`run_cli`] is all that the binary calls.
//!
//! Reads the command line, the config and the environment, and turns them into calls of `ra-engine`; everything that
//! makes or takes sound is there. Results go to stdout, the log and the live meters to stderr.

mod args;
mod assemble;
mod channel_select;
mod check;
mod cli;
mod config;
mod devices;
mod doctor;
mod duration;
mod failure;
#[doc(hidden)]
pub mod fuzzing;
mod gain_arg;
mod logger;
mod meters;
mod mix;
mod run;
mod screen;
mod sim;
mod size;
mod stdout;
mod stop_signal;
mod summary;
mod wave;

pub use args::{
    CheckArgs, Cli, Command, DeviceTestArgs, DevicesArgs, DevicesCommand, DoctorArgs, FormatArg, MixArgs, RunArgs,
    ScaleArg, SimArgs, ThemeArg, WaveArgs,
};
pub use cli::run_cli;
pub use config::{
    At, BusEntry, Config, ConfigError, ConfigText, DeviceEntry, FileEntry, IcecastEntry, InsertEntry, InsertKind,
    MockEntry, OutputEntry, PasswordPlace, Problem, RecordEntry, SinkEntry, SinkKind, SourceEntry, SourceKind,
    load_config, parse_config,
};
pub use duration::{DurationError, parse_duration};
pub use failure::Failure;
pub use gain_arg::{GainArg, GainArgError, parse_gain};
pub use size::{SizeError, parse_size};
