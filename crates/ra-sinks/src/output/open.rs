//! Opens a device with a line to it. May block; knows nothing of losses.

use std::sync::{Arc, mpsc};

use ra_core::{SinkError, StreamSpec};
use ra_device::{DeviceError, OutputRequest};
use ra_dsp::Quality;

use super::{
    OutputRole,
    clock::Stream,
    device::{OpenDevice, Playing},
    line::{Line, LineConfig, LineParts},
};

/// Everything that opening takes, as often as it is needed.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) devices: Arc<dyn OpenDevice>,
    pub(super) request: OutputRequest,
    pub(super) bus: StreamSpec,
    pub(super) cushion_ms: f64,
    pub(super) quality: Quality,
    pub(super) role: OutputRole,
}

/// An open device and the line to it.
pub(super) struct Opened {
    // The device goes first: what it plays from outlives it.
    pub(super) playing: Box<dyn Playing>,
    pub(super) line: Line,
    /// Until somebody follows it.
    pub(super) stamps: Option<Stream>,
}

/// Why it could not be opened.
#[derive(Debug)]
pub(super) enum OpenFailure {
    /// Not now.
    Device(DeviceError),
    /// Never.
    Conversion(SinkError),
}

impl OpenFailure {
    pub(super) fn into_sink_error(self, device: &str) -> SinkError {
        match self {
            OpenFailure::Device(error) => SinkError::Device { device: device.to_owned(), message: error.to_string() },
            OpenFailure::Conversion(error) => error,
        }
    }
}

impl Plan {
    /// Opens the device and lets it play silence. Blocks for 10 s at most.
    pub(super) fn open(&self) -> Result<Opened, OpenFailure> {
        let (to_us, made) = mpsc::channel();
        let Self { bus, cushion_ms, quality, role, .. } = *self;
        let playing = self.devices.open(
            &self.request,
            Box::new(move |device| {
                let made = LineParts::new(&LineConfig { bus, device, cushion_ms, quality, role });
                let player: Box<dyn ra_device::PeriodOutput> = match made {
                    Ok(LineParts { line, player, stamps }) => {
                        // Nobody listens where opening took too long; then the player is dropped too.
                        if to_us.send(Ok((line, stamps))).is_err() {
                            log::debug!("an output was opened too late");
                        }
                        Box::new(player)
                    }
                    Err(error) => {
                        drop(to_us.send(Err(super::conversion_error(&error))));
                        Box::new(Silence)
                    }
                };
                player
            }),
        );
        let playing = playing.map_err(OpenFailure::Device)?;
        match made.try_recv() {
            Ok(Ok((line, stamps))) => Ok(Opened { playing, line, stamps: Some(stamps) }),
            Ok(Err(error)) => Err(OpenFailure::Conversion(error)),
            Err(_) => {
                let message = "it was opened without anything to play".to_owned();
                Err(OpenFailure::Device(DeviceError::Refused { operation: "open the device", message }))
            }
        }
    }
}

/// What plays on a device that can't be used.
struct Silence;

impl ra_device::PeriodOutput for Silence {
    fn render(&mut self, _playback_ns: u64, _interleaved: &mut [f32]) {}
}
