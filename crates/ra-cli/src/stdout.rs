//! Results on stdout. A reader that went away (`ra devices | head -1`) is no failure.

use std::io::{ErrorKind, Write};

use crate::{Failure, screen};

/// Writes a result, behind what was logged before it.
pub(crate) fn print_result(text: &str) -> Result<(), Failure> {
    screen::flush();
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failure::Running(format!("stdout: {e}"))),
        _ => Ok(()),
    }
}
