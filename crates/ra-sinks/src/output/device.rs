//! What an output needs of a device, and the real thing behind it. The one file here that opens a stream.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use ra_core::{Granted, StreamSpec};
use ra_device::{
    DeviceError, DeviceEvent, OutputRequest, OutputStream, PeriodOutput, StreamCounts, host_of, probe_output,
};

/// Makes what plays on a device, once its format is known.
pub(super) type MakePlayer = Box<dyn FnOnce(StreamSpec) -> Box<dyn PeriodOutput> + Send>;

/// A device that plays. Closes when dropped, which may block for 2.5 s.
pub(super) trait Playing: Send {
    fn granted(&self) -> &Granted;
    /// Why nothing plays any more.
    fn loss(&self) -> Option<String>;
    fn counts(&self) -> StreamCounts;
    /// What happened since the last call.
    fn take_events(&mut self) -> Vec<DeviceEvent>;
}

/// Opens devices and lets them play.
pub(super) trait OpenDevice: Send + Sync {
    /// May block for 10 s, and the first time for 15.
    fn open(&self, request: &OutputRequest, make: MakePlayer) -> Result<Box<dyn Playing>, DeviceError>;
}

/// The system's devices. What `"default"` stands for is looked for once, and in that sound system from then on: it comes
/// back there.
#[derive(Default)]
pub(super) struct SystemDevices {
    default_of: OnceLock<String>,
    was_asked: AtomicBool,
}

impl OpenDevice for SystemDevices {
    fn open(&self, request: &OutputRequest, make: MakePlayer) -> Result<Box<dyn Playing>, DeviceError> {
        let request = OutputRequest { default_of: self.default_of.get().cloned(), ..request.clone() };
        // Relaxed: only one try at a time.
        let is_first = !self.was_asked.swap(true, Relaxed);
        let stream = OutputStream::open(&request, make).map_err(|error| match error {
            // What else there is, which takes its time to find out, is of interest once.
            DeviceError::Away { .. } if is_first => probe_output(&request).err().unwrap_or(error),
            error => error,
        })?;
        if let Some(host) = host_of(stream.id()) {
            self.default_of.get_or_init(|| host.to_owned());
        }
        stream.start()?;
        Ok(Box::new(stream))
    }
}

impl Playing for OutputStream {
    fn granted(&self) -> &Granted {
        OutputStream::granted(self)
    }

    fn loss(&self) -> Option<String> {
        OutputStream::loss(self)
    }

    fn counts(&self) -> StreamCounts {
        OutputStream::counts(self)
    }

    fn take_events(&mut self) -> Vec<DeviceEvent> {
        OutputStream::take_events(self)
    }
}
