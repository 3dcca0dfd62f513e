//! Capture from a sound device, as a clocked source. Knows no backend: that is `ra-device`. Does not come back by itself
//! when the device is lost; whoever supervises it calls `stop` and `start` again.

mod remarks;

use std::collections::VecDeque;

use ra_core::{
    ClockedSource, Granted, PeriodInput, RealtimeGrant, SampleRate, Source, SourceError, StreamEvent, StreamSpec,
};
use ra_device::{
    DEFAULT_DEVICE, DeviceError, DeviceEvent, InputRequest, InputStream, ReturnWatch, StreamCounts, host_of,
    probe_input,
};

use remarks::{Quota, channels_remark, thread_remark};

/// Which device to capture from, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceConfig {
    /// A device's id as `ra devices` lists it (`pulseaudio:studio.monitor`), or `"default"`, which is the default: that of
    /// the first sound system that has one, and of that system from then on.
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
///
/// Its channel count stays what it was at first, whatever the device is when it comes back: of one that has more, the
/// first ones; a mono device's one again and again, each at its full level; and silence for what another lacks. A remark
/// says so. Its rate is the device's.
pub struct DeviceSource {
    request: InputRequest,
    /// The device behind the request: what `"default"` stood for when it was last looked up.
    id: String,
    spec: StreamSpec,
    stream: Option<InputStream>,
    pending: VecDeque<StreamEvent>,
    /// Whether the class of the callbacks' thread has been told.
    has_told_thread: bool,
    quota: Quota,
    /// While it could not be opened.
    awaited: Option<ReturnWatch>,
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
        let request = request_of(config);
        let probed = probe_input(&request).map_err(|error| source_error(&request.device, error))?;
        Ok(Self::of(request, probed.id, probed.spec))
    }

    /// As [`DeviceSource::open`]; where the device is not there now, its format is taken to be `assumed`, less the
    /// channels that the config selects, until [`ClockedSource::start`] finds it. Returns why it was not found, too.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, does I/O.
    ///
    /// # Errors
    /// [`SourceError::Setting`] for a channel that the device does not have, or that none can have.
    pub fn open_or_wait(config: DeviceConfig, assumed: StreamSpec) -> Result<(Self, Option<SourceError>), SourceError> {
        let request = request_of(config);
        let error = match probe_input(&request) {
            Ok(probed) => return Ok((Self::of(request, probed.id, probed.spec), None)),
            Err(error) => source_error(&request.device, error),
        };
        if matches!(error, SourceError::Setting { .. }) {
            return Err(error);
        }
        let sample_rate = request.sample_rate.unwrap_or(assumed.sample_rate);
        let channels = match &request.channels {
            Some(selected) => StreamSpec::new(sample_rate.hz(), selected.len() as u16).map(|spec| spec.channels),
            None => Ok(assumed.channels),
        };
        let channels = channels.map_err(|cause| SourceError::Setting {
            what: format!("channels of device {}", request.device),
            message: cause.to_string(),
        })?;
        let id = request.device.clone();
        Ok((Self::of(request, id, StreamSpec { sample_rate, channels }), Some(error)))
    }

    fn of(request: InputRequest, id: String, spec: StreamSpec) -> Self {
        let default_of = host_of(&id).map(str::to_owned);
        let request = InputRequest { n_channels: Some(spec.channels), default_of, ..request };
        let pending = VecDeque::new();
        let quota = Quota::default();
        Self { request, id, spec, stream: None, pending, has_told_thread: false, quota, awaited: None }
    }

    /// What the device's callback has counted since the start; `None` while it is stopped.
    pub fn counts(&self) -> Option<StreamCounts> {
        self.stream.as_ref().map(InputStream::counts)
    }

    /// The scheduling class of the sound system's thread that delivers, read back; `None` while it is stopped, before the
    /// first period, and where the system does not say.
    ///
    /// # Real-time safety
    /// Not real-time safe: does I/O.
    pub fn callback_thread(&self) -> Option<RealtimeGrant> {
        self.stream.as_ref().and_then(InputStream::callback_thread)
    }

    fn take_in(&mut self, event: DeviceEvent) {
        let id = &self.id;
        match event {
            DeviceEvent::Lost { reason, doubtful_frames } => {
                self.pending.push_back(StreamEvent::DeviceLost { reason, doubtful_frames });
            }
            DeviceEvent::XrunSeen { n } => {
                self.quota.warn(&format!("device {id}: xruns: {n}"));
                self.pending.push_back(StreamEvent::XrunsSeen { n });
            }
            DeviceEvent::ErrorsSeen { n } => {
                self.quota.warn(&format!("device {id}: errors of the sound system: {n}"));
                self.pending.push_back(StreamEvent::ErrorsSeen { n });
            }
            DeviceEvent::Rerouted => self.remark("the default device is another one now".to_owned()),
            DeviceEvent::RealtimeDenied => {
                self.remark("the sound system got no real-time class for its thread".to_owned());
            }
            DeviceEvent::NotNumbers { n_samples } => {
                self.quota.warn(&format!("device {id}: {n_samples} samples are no numbers"));
                self.pending.push_back(StreamEvent::Remark {
                    text: "delivers samples that are no numbers: they are silence in the mix".to_owned(),
                });
            }
            DeviceEvent::StoodStill { channel, level_lin } => {
                self.remark(format!("channel {channel} stands still at {level_lin:+.4} of full scale: it is broken"));
            }
            other => self.remark(format!("{other:?}")),
        }
    }

    fn remark(&mut self, text: String) {
        log::warn!("device {}: {text}", self.id);
        self.pending.push_back(StreamEvent::Remark { text });
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
    /// Opens the device and lets it run. Blocks for 10 s at most; half a second where a server that has the device does not
    /// answer, and for some milliseconds where it does and the device is away. What fails leaves nothing behind.
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<Granted, SourceError> {
        if self.stream.is_some() {
            let message = "it is running already, expected it to be stopped".to_owned();
            return Err(SourceError::Device { device: self.id.clone(), message });
        }
        self.pending.clear();
        self.has_told_thread = false;
        let opened = InputStream::open(&self.request, input).and_then(|stream| stream.start().map(|()| stream));
        let stream = match opened {
            Ok(stream) => stream,
            Err(error) => {
                // One that has seen the device has said so. One that has not goes on: what it has seen so far, another
                // would have to see again.
                self.awaited = self.awaited.take().or_else(|| ReturnWatch::start(&self.request, &error));
                return Err(source_error(&self.request.device, error));
            }
        };
        self.awaited = None;
        let granted = stream.granted().clone();
        if self.request.device == DEFAULT_DEVICE && stream.id() != self.id {
            let before = std::mem::replace(&mut self.id, stream.id().to_owned());
            self.request.default_of = host_of(&self.id).map(str::to_owned);
            if before != DEFAULT_DEVICE {
                self.remark(format!("the default device is {} now, and was {before}", self.id));
            }
        }
        let (there, wanted) = (stream.device_channels(), granted.spec.channels);
        if self.request.channels.is_none()
            && let Some(text) = channels_remark(there, wanted)
        {
            self.remark(text);
        }
        if let Some(wanted) = self.request.sample_rate.filter(|&wanted| wanted != granted.spec.sample_rate) {
            self.remark(format!("was asked for {wanted}, and has {}: it is resampled", granted.spec.sample_rate));
        }
        self.spec = granted.spec;
        self.stream = Some(stream);
        Ok(granted)
    }

    /// The loss of the device is said once, and so is the return of one that could not be opened, where it can be seen without
    /// opening it. Xruns have no length that anybody knows, so they are no gaps: the estimator sees
    /// what they cost by the stamps behind them.
    fn poll_event(&mut self) -> Option<StreamEvent> {
        if self.awaited.take_if(|awaited| awaited.is_back()).is_some() {
            return Some(StreamEvent::DeviceIsBack);
        }
        let stream = self.stream.as_mut()?;
        for event in stream.take_events() {
            self.take_in(event);
        }
        if !self.has_told_thread
            && let Some(grant) = self.callback_thread()
        {
            self.has_told_thread = true;
            let text = thread_remark(&grant);
            log::info!("device {}: {text}", self.id);
            self.pending.push_back(StreamEvent::Remark { text });
        }
        self.pending.pop_front()
    }

    /// Closes the device. Blocks for 2.5 s at most.
    fn stop(&mut self) {
        self.stream = None;
        self.awaited = None;
    }
}

fn request_of(config: DeviceConfig) -> InputRequest {
    let DeviceConfig { device, sample_rate, channels, period_frames } = config;
    InputRequest { device, sample_rate, channels, period_frames, ..InputRequest::default() }
}

fn source_error(device: &str, error: DeviceError) -> SourceError {
    match error {
        DeviceError::Channels { .. } | DeviceError::NoChannels { .. } => {
            SourceError::Setting { what: format!("channels of device {device}"), message: error.to_string() }
        }
        other => SourceError::Device { device: device.to_owned(), message: other.to_string() },
    }
}
