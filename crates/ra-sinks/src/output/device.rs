//! What an output needs of a device, and the real thing behind it. The one file here that opens a stream.

use ra_core::{Granted, StreamSpec};
use ra_device::{DeviceError, DeviceEvent, OutputRequest, OutputStream, PeriodOutput, StreamCounts};

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
    /// May block for 10 s.
    fn open(&self, request: &OutputRequest, make: MakePlayer) -> Result<Box<dyn Playing>, DeviceError>;
}

/// The system's devices.
pub(super) struct SystemDevices;

impl OpenDevice for SystemDevices {
    fn open(&self, request: &OutputRequest, make: MakePlayer) -> Result<Box<dyn Playing>, DeviceError> {
        let stream = OutputStream::open(request, make)?;
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
