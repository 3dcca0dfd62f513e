//! Looks for a device until it is there: a thread that may hang without anybody noticing. Decides nothing for the sink.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
    mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError},
};
use std::time::Duration;

use ra_core::SinkError;
use ra_device::DeviceError;

use super::open::{OpenFailure, Opened, Plan};

/// The wait behind the first failed try, in milliseconds; it doubles with each …
const FIRST_WAIT_MS: u64 = 50;
/// … up to this: a device that is back is to be heard within half a second.
const LONGEST_WAIT_MS: u64 = 250;
/// The same behind tries that were given up on: each leaves a thread behind until the sound system answers. A server that
/// answers no questions at all leaves none, and is asked again as soon as one that refuses.
const FIRST_HUNG_WAIT_MS: u64 = 1_000;
const LONGEST_HUNG_WAIT_MS: u64 = 60_000;

/// How long to wait behind each failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    next_ms: u64,
    next_hung_ms: u64,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next_ms: FIRST_WAIT_MS, next_hung_ms: FIRST_HUNG_WAIT_MS }
    }

    /// The wait behind one more failure, in milliseconds.
    pub(super) fn after(&mut self, error: &DeviceError) -> u64 {
        if matches!(error, DeviceError::TimedOut { .. }) {
            let wait_ms = self.next_hung_ms;
            self.next_hung_ms = (2 * wait_ms).min(LONGEST_HUNG_WAIT_MS);
            return wait_ms;
        }
        self.next_hung_ms = FIRST_HUNG_WAIT_MS;
        let wait_ms = self.next_ms;
        self.next_ms = (2 * wait_ms).min(LONGEST_WAIT_MS);
        wait_ms
    }
}

/// What the sink knows of its search meanwhile.
#[derive(Debug, Default)]
struct Progress {
    failed_opens: AtomicU64,
    reason: Mutex<Option<String>>,
}

/// A search in progress. Dropping it ends it, after the try that it is at; what that opens is closed again.
pub(super) struct Search {
    found: Receiver<Result<Opened, SinkError>>,
    /// Dropping it is the word to end.
    _stop: Sender<()>,
    progress: Arc<Progress>,
}

/// What a search has come to.
pub(super) enum Found {
    /// Nothing so far.
    Nothing,
    /// The device is open.
    Device(Box<Opened>),
    /// It is there and can't be used.
    Unusable(SinkError),
}

impl Search {
    /// Looks for a device from now on. `name`: the sink's.
    ///
    /// # Errors
    /// [`SinkError::Fatal`] where no thread can be had.
    pub(super) fn start(plan: Plan, name: &str) -> Result<Self, SinkError> {
        let progress = Arc::new(Progress::default());
        let (to_sink, found) = mpsc::channel();
        let (stop, stopped) = mpsc::channel::<()>();
        let seen = Arc::clone(&progress);
        let look = move || {
            let mut backoff = Backoff::new();
            loop {
                let wait_ms = match plan.open() {
                    // Nobody wants it any more: it is closed right here.
                    Ok(opened) => return drop(to_sink.send(Ok(opened))),
                    Err(OpenFailure::Conversion(error)) => return drop(to_sink.send(Err(error))),
                    Err(OpenFailure::Device(error)) => {
                        seen.failed_opens.fetch_add(1, Relaxed);
                        let wait_ms = backoff.after(&error);
                        *seen.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                        wait_ms
                    }
                };
                if stopped.recv_timeout(Duration::from_millis(wait_ms)) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name(format!("ra-seek-{name}")).spawn(look);
        thread.map_err(|cause| SinkError::Fatal(format!("no thread to look for its device: {cause}")))?;
        Ok(Self { found, _stop: stop, progress })
    }

    /// What has come of it. Never blocks.
    pub(super) fn look(&self) -> Found {
        match self.found.try_recv() {
            Ok(Ok(opened)) => Found::Device(Box::new(opened)),
            Ok(Err(error)) => Found::Unusable(error),
            Err(TryRecvError::Empty) => Found::Nothing,
            Err(TryRecvError::Disconnected) => {
                Found::Unusable(SinkError::Fatal("what looks for its device has panicked".to_owned()))
            }
        }
    }

    /// Tries that failed so far.
    pub(super) fn failed_opens(&self) -> u64 {
        self.progress.failed_opens.load(Relaxed)
    }

    /// Why the last one did.
    pub(super) fn reason(&self) -> Option<String> {
        self.progress.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_capped() {
        let refused = DeviceError::Refused { operation: "open", message: "busy".into() };
        let hung = DeviceError::TimedOut { operation: "open", limit_ms: 5_000 };
        let mut backoff = Backoff::new();
        let waits: Vec<u64> = (0..6).map(|_| backoff.after(&refused)).collect();
        assert_eq!(waits, [50, 100, 200, 250, 250, 250]);
        let unanswered = DeviceError::Unanswered { operation: "reach the sound server", limit_ms: 500 };
        let waits: Vec<u64> = (0..100).map(|_| backoff.after(&unanswered)).collect();
        assert!(waits.iter().all(|&wait_ms| wait_ms == 250), "nothing is left behind: {waits:?}");
        let waits: Vec<u64> = (0..9).map(|_| backoff.after(&hung)).collect();
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
        assert_eq!((backoff.after(&refused), backoff.after(&hung)), (250, 1_000), "an answer ends that");
    }
}
