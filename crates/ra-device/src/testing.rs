//! Sound servers for tests and benches: PulseAudio servers with null sinks, one of them with a clock of its own, and a
//! JACK server without a sound card. They can be killed, stopped and changed. Not for production: it panics where a server
//! does not start.

mod jack;
mod pulse;
mod servers;
mod signal;
mod tone;

pub use jack::JackServer;
pub use pulse::{NullSink, Pacat, PulseServer, with_pulse_server};
pub use servers::{Scene, Servers, missing_tools, prepare};
pub use tone::{longest_clean_stretch, measure_tone};

use std::{
    process::{Command, Stdio},
    time::Duration,
};

/// For a server to come up, on a machine that has a lot to do.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether a program can be started.
fn is_installed(tool: &str) -> bool {
    let version = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    // JACK's tools know no --version, and say so by their exit code.
    version.is_ok()
}
