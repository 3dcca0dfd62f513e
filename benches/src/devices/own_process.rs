//! A process whose environment names sound servers that are still to be started. The environment of a process with threads
//! can't be changed safely, so the program is started once more.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use ra_device::testing::prepare;

const FOLDER: &str = "RA_BENCH_DEVICES_FOLDER";

/// Which of the two processes this is.
pub enum OwnProcess {
    /// The one with the environment; servers are to be started in that folder.
    Inside(PathBuf),
    /// The first one: the other has done its work, and that was its exit code.
    Done(ExitCode),
}

/// Starts the program once more with the same arguments, with an environment for servers in a fresh folder, which is
/// removed afterwards.
///
/// # Errors
/// It can't be started, or was ended by a signal.
pub fn own_process() -> Result<OwnProcess> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return Ok(OwnProcess::Inside(PathBuf::from(folder)));
    }
    let folder = tempfile::tempdir().context("no folder for sound servers")?;
    let status = command(folder.path())?.args(std::env::args_os().skip(1)).status()?;
    let code = status.code().with_context(|| format!("the run ended with {status}"))?;
    Ok(OwnProcess::Done(ExitCode::from(u8::try_from(code).unwrap_or(1))))
}

/// This program, to be started with the environment of a folder's servers.
pub(super) fn command(folder: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("no path of this program")?);
    prepare(&mut command, folder);
    command.env(FOLDER, folder);
    Ok(command)
}
