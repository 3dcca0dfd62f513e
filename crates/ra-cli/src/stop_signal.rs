//! Ctrl-C and friends: the first asks for a clean end, the second ends at once with exit code 1.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::Failure;

/// Whether somebody asked for the end.
#[derive(Clone, Debug)]
pub(crate) struct StopSignal {
    asked: Arc<AtomicBool>,
}

impl StopSignal {
    /// Listens for SIGINT and SIGTERM from now on.
    ///
    /// # Errors
    /// [`Failure::Running`] where the system refuses.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
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
