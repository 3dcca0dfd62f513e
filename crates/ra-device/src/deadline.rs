//! Runs what may hang on a thread of its own and waits a bounded time for it. Never cancels: it leaves behind.

use std::{sync::mpsc, thread, time::Duration};

use crate::{DeviceError, quiet};

/// For opening: PulseAudio's own connection limit in cpal is 2 s.
pub(crate) const OPEN_LIMIT: Duration = Duration::from_secs(5);
/// For starting; a pipe source without a writer never starts.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(5);
/// For closing; a playback stream whose only device is gone never closes.
pub(crate) const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// For one sound system's part of a listing.
pub(crate) const LIST_LIMIT: Duration = Duration::from_secs(5);

/// Calls `work` on a new thread and returns what it returns, or gives up after `limit`.
///
/// After that the thread goes on until the sound system answers; its result is dropped there, which closes a stream
/// that came too late.
///
/// # Real-time safety
/// Not real-time safe: allocates, starts a thread and blocks.
///
/// # Errors
/// [`DeviceError::TimedOut`], or [`DeviceError::Refused`] where the thread can't be started or `work` panicked.
pub(crate) fn run<T: Send + 'static>(
    operation: &'static str,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DeviceError> {
    let (done, result) = mpsc::sync_channel(1);
    let worker = thread::Builder::new().name("ra-device".into()).spawn(move || {
        let _quiet = quiet::hush_this_thread();
        let outcome = work();
        // Nobody waits any more: what came of it is dropped here, and that closes it.
        if let Err(late) = done.send(outcome) {
            drop(late);
        }
    });
    if let Err(cause) = worker {
        return Err(DeviceError::Refused { operation, message: format!("no thread: {cause}") });
    }
    result.recv_timeout(limit).map_err(|why| match why {
        mpsc::RecvTimeoutError::Timeout => DeviceError::TimedOut { operation, limit_ms: limit.as_millis() as u64 },
        mpsc::RecvTimeoutError::Disconnected => {
            DeviceError::Refused { operation, message: "the sound backend panicked".into() }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_left_behind_and_dropped_when_it_comes() {
        struct Late(mpsc::Sender<()>);
        impl Drop for Late {
            fn drop(&mut self) {
                self.0.send(()).unwrap();
            }
        }
        let (release, held) = mpsc::channel::<()>();
        let (dropped, was_dropped) = mpsc::channel();
        let result = run("test a hang", Duration::from_millis(10), move || {
            held.recv().unwrap();
            Late(dropped)
        });
        assert_eq!(result.err(), Some(DeviceError::TimedOut { operation: "test a hang", limit_ms: 10 }));
        release.send(()).unwrap();
        was_dropped.recv_timeout(Duration::from_secs(10)).unwrap();
    }

    #[test]
    fn a_panic_of_the_backend_is_an_error() {
        let result: Result<(), _> = run("test a panic", Duration::from_secs(10), || panic!("planted"));
        assert!(matches!(result, Err(DeviceError::Refused { operation: "test a panic", .. })));
    }
}
