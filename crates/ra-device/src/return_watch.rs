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

use crate::{DEFAULT_DEVICE, DeviceError, Direction, InputRequest, identity};

/// How often it looks. A look takes a tenth of a millisecond, and half a second where the server hangs.
const LOOK: Duration = Duration::from_millis(100);
/// How often behind `LONG`.
const LATE_LOOK: Duration = Duration::from_millis(250);
const LONG: Duration = Duration::from_secs(60);

/// Watches for the return of one input. Dropping it ends its thread, `ra-return`, without waiting for it.
#[derive(Debug)]
pub struct ReturnWatch {
    is_back: Arc<AtomicBool>,
    _stop: mpsc::Sender<()>,
}

impl ReturnWatch {
    /// Begins to watch for what could not be opened, for the reason `why`: where that is its absence, it has come back as soon
    /// as it is seen. `None` where the device's sound system can't be asked cheaply (only PulseAudio can), or no thread is
    /// to be had.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, starts a thread.
    pub fn start(request: &InputRequest, why: &DeviceError) -> Option<Self> {
        let of_default = |host: &str| identity::default_of(host, Direction::Input);
        let device = match request.device.as_str() {
            DEFAULT_DEVICE => request.default_of.as_deref().and_then(of_default)?.to_owned(),
            id => id.to_owned(),
        };
        if !identity::can_check(&device) {
            return None;
        }
        let mut was_away = why.is_away();
        let is_back = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = mpsc::channel();
        let seen = is_back.clone();
        let look = move || {
            let begun = Instant::now();
            loop {
                // Not at once: what is seen here and can't be opened all the same is not tried again and again without a pause.
                let pause = if begun.elapsed() < LONG { LOOK } else { LATE_LOOK };
                match stopped.recv_timeout(pause) {
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                }
                // A device that is there and can't be opened all the same does not come back by being there.
                match identity::check_device(&device, Direction::Input) {
                    Err(_) => was_away = true,
                    Ok(()) if was_away => {
                        // Relaxed: only a hint.
                        seen.store(true, Relaxed);
                        return;
                    }
                    Ok(()) => {}
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
        let why = DeviceError::Away { operation: "open the device", message: "it is not there".to_owned() };
        let watched = |device: &str, default_of: Option<&str>| {
            let default_of = default_of.map(str::to_owned);
            let request = InputRequest { device: device.to_owned(), default_of, ..InputRequest::default() };
            ReturnWatch::start(&request, &why).is_some()
        };
        assert!(!watched("alsa:hw:CARD=Mic,DEV=0", None));
        assert!(!watched("default", None) && !watched("default", Some("alsa")));
        let is_there = cfg!(all(feature = "pulseaudio", target_os = "linux"));
        assert_eq!((watched("pulseaudio:x", None), watched("default", Some("pulseaudio"))), (is_there, is_there));
    }
}
