//! Results on stdout. A reader that went away (`ra devices | head -1`) is no failure.

use std::io::{ErrorKind, Write};

#[cfg(all(unix, feature = "device"))]
use rustix::event::{PollFd, PollFlags, Timespec, poll};

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

/// Whether nobody reads stdout any more. Never waits.
#[cfg(all(unix, feature = "device"))]
pub(crate) fn is_unread() -> bool {
    let stdout = std::io::stdout();
    let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
    // What can't be asked is taken to be read.
    poll(&mut ends, Some(&Timespec::default())).is_ok() && ends[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Whether nobody reads stdout any more: not to be known here.
#[cfg(all(not(unix), feature = "device"))]
pub(crate) fn is_unread() -> bool {
    false
}
