//! Ctrl-C and friends: the first asks for a clean end, the second ends at once with exit code 1.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM};

/// What asks for a clean end: Ctrl-C, a service manager, a terminal that is closed.
#[cfg(unix)]
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

use crate::Failure;

/// Whether somebody asked for the end.
#[derive(Clone, Debug)]
pub(crate) struct StopSignal {
    asked: Arc<AtomicBool>,
}

impl StopSignal {
    /// Listens for the signals that ask for the end from now on.
    ///
    /// # Errors
    /// [`Failure::Running`] where the system refuses.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in SIGNALS {
            // Order matters: handlers run as registered, so only a signal that finds the flag set ends the process.
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&asked))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&asked)))
                .map_err(|e| Failure::Running(format!("signal {signal} can't be listened for: {e}")))?;
        }
        Ok(Self { asked })
    }

    /// Whether a signal came.
    pub(crate) fn is_asked(&self) -> bool {
        // Relaxed: the flag carries no data with it, and it is looked at again.
        self.asked.load(Ordering::Relaxed)
    }
}
