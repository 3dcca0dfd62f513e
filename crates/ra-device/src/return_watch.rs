//! Looks for a device that is away, so that nobody has to open it again and again to find out. Opens nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{Direction, identity};

/// How often it looks. A look takes a tenth of a millisecond, and half a second where the server hangs.
const LOOK: Duration = Duration::from_millis(100);
/// How often behind `LONG`.
const LATE_LOOK: Duration = Duration::from_millis(250);
const LONG: Duration = Duration::from_secs(60);

/// Watches for the return of one device. Dropping it ends its thread, `ra-return`, without waiting for it.
#[derive(Debug)]
pub struct ReturnWatch {
    is_back: Arc<AtomicBool>,
    _stop: mpsc::Sender<()>,
}

impl ReturnWatch {
    /// Begins to watch. `None` where the device's sound system can't be asked cheaply (only PulseAudio can), or no thread is
    /// to be had.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, starts a thread.
    pub fn start(device: &str, direction: Direction) -> Option<Self> {
        if !identity::can_check(device) {
            return None;
        }
        let (device, is_back) = (device.to_owned(), Arc::new(AtomicBool::new(false)));
        let (stop, stopped) = mpsc::channel();
        let seen = is_back.clone();
        let look = move || {
            let begun = Instant::now();
            // A device that is there and can't be opened all the same does not come back by being there.
            let mut was_away = false;
            loop {
                match identity::check_device(&device, direction) {
                    Err(_) => was_away = true,
                    Ok(()) if was_away => {
                        // Relaxed: only a hint.
                        seen.store(true, Relaxed);
                        return;
                    }
                    Ok(()) => {}
                }
                let pause = if begun.elapsed() < LONG { LOOK } else { LATE_LOOK };
                match stopped.recv_timeout(pause) {
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        thread::Builder::new().name("ra-return".into()).spawn(look).ok()?;
        Some(Self { is_back, _stop: stop })
    }

    /// Whether the device was seen again after it had been away.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn is_back(&self) -> bool {
        // Relaxed: as above.
        self.is_back.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_can_not_be_asked_for_is_not_watched() {
        assert!(ReturnWatch::start("alsa:hw:CARD=Mic,DEV=0", Direction::Input).is_none());
        assert!(ReturnWatch::start("default", Direction::Input).is_none());
    }
}
