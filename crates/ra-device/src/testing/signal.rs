//! Signals to a server's process, by the shell's `kill`: stopped and continued, as an overloaded machine would.

use std::process::Command;

/// Sends a signal by its name.
///
/// # Panics
/// Where there is no such process.
pub(super) fn send(name: &str, process: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status();
    assert!(status.as_ref().is_ok_and(|status| status.success()), "kill -{name} {process}: {status:?}");
}
