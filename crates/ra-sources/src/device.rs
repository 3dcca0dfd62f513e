//! Capture from a sound device, as a clocked source. Knows no backend: that is `ra-device`. Does not come back by itself
//! when the device is lost; whoever supervises it calls `stop` and `start` again.

use ra_core::{ClockedSource, Granted, PeriodInput, SampleRate, Source, SourceError, StreamEvent, StreamSpec};
use ra_device::{DEFAULT_DEVICE, DeviceError, DeviceEvent, InputRequest, InputStream, StreamCounts, probe_input};

/// Which device to capture from, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceConfig {
    /// A device's id as `ra devices` lists it (`pulseaudio:studio.monitor`), or `"default"`, which is the default.
    pub device: String,
    /// The rate to ask for. Default: the device's own, which also stands in for one that it does not have.
    pub sample_rate: Option<SampleRate>,
    /// Which of the device's channels, counted from 1, in this order. Default: all.
    pub channels: Option<Vec<u16>>,
    /// Frames in a period, a wish: devices do as they like. Default: about 5 ms, and 20 ms of a sound server,
    /// which silently loses sound with shorter ones when the machine is busy.
    pub period_frames: Option<u32>,
}

impl Default for DeviceConfig {
    fn default() -> Self {
        Self { device: DEFAULT_DEVICE.to_owned(), sample_rate: None, channels: None, period_frames: None }
    }
}

/// A sound device that is captured from.
///
/// Stamps come from the device's own idea of when it captured, on the monotonic clock; wild ones are replaced by the
/// time at which the period arrived less its length, and counted.
pub struct DeviceSource {
    request: InputRequest,
    /// The device behind the request: what `"default"` stood for when it was last looked up.
    id: String,
    spec: StreamSpec,
    stream: Option<InputStream>,
    lost: Option<String>,
}

impl DeviceSource {
    /// Looks the device up, so that [`Source::spec`] is known; opens nothing yet. Blocks for 5 s at most.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, does I/O.
    ///
    /// # Errors
    /// [`SourceError::Device`] where there is no such device (with the nearest id, and what there is), it is busy, or the
    /// sound system does not answer; [`SourceError::Setting`] for a channel that it does not have.
    pub fn open(config: DeviceConfig) -> Result<Self, SourceError> {
        let DeviceConfig { device, sample_rate, channels, period_frames } = config;
        let request = InputRequest { device, sample_rate, channels, period_frames };
        let probed = probe_input(&request).map_err(|error| source_error(&request.device, error))?;
        Ok(Self { request, id: probed.id, spec: probed.spec, stream: None, lost: None })
    }

    /// What the device's callback has counted since the start; `None` while it is stopped.
    pub fn counts(&self) -> Option<StreamCounts> {
        self.stream.as_ref().map(InputStream::counts)
    }
}

impl Source for DeviceSource {
    fn spec(&self) -> StreamSpec {
        self.spec
    }

    fn describe(&self) -> String {
        format!("device {}", self.id)
    }
}

impl ClockedSource for DeviceSource {
    /// Opens the device and lets it run. Blocks for 10 s at most.
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<Granted, SourceError> {
        if self.stream.is_some() {
            let message = "it is running already, expected it to be stopped".to_owned();
            return Err(SourceError::Device { device: self.id.clone(), message });
        }
        self.lost = None;
        let stream = InputStream::open(&self.request, input)
            .and_then(|stream| stream.start().map(|()| stream))
            .map_err(|error| source_error(&self.request.device, error))?;
        let granted = stream.granted().clone();
        // "default" may be another device by now, with another format.
        self.spec = granted.spec;
        self.stream = Some(stream);
        Ok(granted)
    }

    /// The loss of the device is said once. Xruns have no length that anybody knows, so they are no gaps: they are logged
    /// here and counted in [`DeviceSource::counts`]; the estimator sees what they cost by the stamps behind them.
    fn poll_event(&mut self) -> Option<StreamEvent> {
        let stream = self.stream.as_mut()?;
        for event in stream.take_events() {
            match event {
                DeviceEvent::Lost { reason } => self.lost = Some(reason),
                DeviceEvent::XrunSeen { n } => log::warn!("device {}: {n} xruns", self.id),
                DeviceEvent::Rerouted => log::warn!("device {}: the default is another device now", self.id),
                DeviceEvent::RealtimeDenied => log::warn!("device {}: no real-time class for its thread", self.id),
                DeviceEvent::ErrorsSeen { n } => log::warn!("device {}: {n} errors of the sound system", self.id),
                other => log::warn!("device {}: {other:?}", self.id),
            }
        }
        self.lost.take().map(|reason| StreamEvent::DeviceLost { reason })
    }

    /// Closes the device. Blocks for 2.5 s at most.
    fn stop(&mut self) {
        self.stream = None;
    }
}

fn source_error(device: &str, error: DeviceError) -> SourceError {
    match error {
        DeviceError::Channels { .. } => {
            SourceError::Setting { what: format!("channels of device {device}"), message: error.to_string() }
        }
        other => SourceError::Device { device: device.to_owned(), message: other.to_string() },
    }
}
