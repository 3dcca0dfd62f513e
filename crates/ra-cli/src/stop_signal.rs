//! Ctrl-C and friends: the first asks for a clean end, the second ends at once with exit code 1.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

/// What asks for a clean end: Ctrl-C, a service manager, a terminal that is closed.
#[cfg(unix)]
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// The exit code of the second signal.
const AT_ONCE: i32 = 1;

use crate::Failure;

/// Whether somebody asked for the end.
#[derive(Clone, Debug)]
pub(crate) struct StopSignal {
    /// Which of the signals came.
    came: Arc<[Arc<AtomicBool>]>,
}

impl StopSignal {
    /// Listens for the signals that ask for the end from now on.
    ///
    /// # Errors
    /// [`Failure::Running`] where the system refuses.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let came: Arc<[_]> = SIGNALS.iter().map(|_| Arc::new(AtomicBool::new(false))).collect();
        for (signal, own) in SIGNALS.into_iter().zip(came.iter()) {
            Self::listen_for(signal, own, &came)
                .map_err(|e| Failure::Running(format!("signal {signal} can't be listened for: {e}")))?;
        }
        Ok(Self { came })
    }

    /// Two signals may be handled by two threads at once: each shows its own flag before it looks at the others', so at
    /// least one of them sees that it is the second. The order in which handlers are registered is that in which they run.
    fn listen_for(signal: i32, own: &Arc<AtomicBool>, all: &[Arc<AtomicBool>]) -> std::io::Result<()> {
        register_conditional_shutdown(signal, AT_ONCE, Arc::clone(own))?;
        register(signal, Arc::clone(own))?;
        for other in all.iter().filter(|other| !Arc::ptr_eq(other, own)) {
            register_conditional_shutdown(signal, AT_ONCE, Arc::clone(other))?;
        }
        Ok(())
    }

    /// Whether a signal came.
    pub(crate) fn is_asked(&self) -> bool {
        // Relaxed: the flags carry no data with them, and they are looked at again.
        self.came.iter().any(|came| came.load(Ordering::Relaxed))
    }
}
