//! What streams of both directions share: what a device offers, finding it, starting, closing.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use cpal::{
    StreamInstant,
    traits::{DeviceTrait, StreamTrait},
};
use ra_core::{ChannelCount, Granted, RealtimeGrant, StreamSpec};

use crate::{
    DeviceError, DeviceEvent, Direction, StreamCounts, deadline, find,
    hosts::HostLease,
    identity::{self, Watch},
    negotiate::{self, Choice, Offer, Wish},
    status::{Status, Watcher},
    thread_class,
};

/// What a device would be opened as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// The id of the device itself, also where `"default"` was asked for.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The rate and the channels that it would have. Channels: those selected.
    pub spec: StreamSpec,
}

/// A device that was found, and how to open it.
pub(crate) struct Target {
    pub(crate) device: cpal::Device,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) choice: Choice,
    /// The connection that the device is used by.
    pub(crate) lease: HostLease,
}

impl Target {
    /// Finds and negotiates; `None` where there is no device of that id. May block.
    pub(crate) fn find(
        id: &str,
        default_of: Option<&str>,
        direction: Direction,
        wish: &Wish,
    ) -> Result<Option<Self>, DeviceError> {
        let Some((device, lease)) = find::find(id, default_of, direction)? else { return Ok(None) };
        let offer = offer_of(&device, direction).map_err(|error| DeviceError::Refused {
            operation: "ask the device for its formats",
            message: error.to_string(),
        })?;
        let choice = negotiate::choose(&offer, wish)?;
        let id = device.id().map_or_else(|_| id.to_owned(), |id| id.to_string());
        identity::check_channels(&id, direction)?;
        let name = device.description().map_or_else(|_| id.clone(), |d| d.name().to_owned());
        Ok(Some(Self { device, id, name, choice, lease }))
    }

    /// The error for a device that is not there, which nobody takes for a slip of the pen.
    pub(crate) fn away() -> DeviceError {
        DeviceError::Away { operation: "open the device", message: "it is not there (now)".to_owned() }
    }

    /// The error for an opening that was refused.
    pub(crate) fn refused(error: cpal::Error) -> DeviceError {
        DeviceError::Refused { operation: "open the device", message: error.to_string() }
    }

    /// The error for a format that `negotiate` would not have chosen.
    pub(crate) fn unknown_format(format: cpal::SampleFormat) -> DeviceError {
        DeviceError::Format { offered: format.to_string() }
    }

    /// What is said of the device in logs and to people.
    pub(crate) fn label(&self) -> String {
        format!("{} ({})", self.id, self.name)
    }
}

/// Asks a device what it can do. May block.
pub(crate) fn offer_of(device: &cpal::Device, direction: Direction) -> Result<Offer, cpal::Error> {
    let (own, ranges) = match direction {
        Direction::Input => (device.default_input_config()?, device.supported_input_configs()?.collect::<Vec<_>>()),
        Direction::Output => (device.default_output_config()?, device.supported_output_configs()?.collect::<Vec<_>>()),
    };
    let server_remixes =
        device.id().is_ok_and(|id| matches!(id.host().to_string().as_str(), "pulseaudio" | "pipewire"));
    Ok(Offer { own_rate_hz: own.sample_rate(), own_channels: own.channels(), ranges, server_remixes })
}

/// The distance of two instants of one callback in nanoseconds; `None` where `earlier` is the later one.
///
/// # Real-time safety
/// Wait-free, no allocation.
pub(crate) fn distance_ns(later: StreamInstant, earlier: StreamInstant) -> Option<u64> {
    later.checked_duration_since(earlier).map(|d| d.as_nanos().min(u128::from(u64::MAX)) as u64)
}

/// A stream and the connection that it runs by, which is given back when the stream is closed: not before.
struct Leased {
    stream: cpal::Stream,
    _lease: HostLease,
}

/// An open stream in either direction, its status and its end.
pub(crate) struct OpenStream {
    stream: Option<Arc<Leased>>,
    status: Arc<Status>,
    watcher: Watcher,
    granted: Granted,
    id: String,
    device_channels: ChannelCount,
    watch: Option<Watch>,
}

impl OpenStream {
    /// Of a stream that was built on `target`.
    pub(crate) fn new(stream: cpal::Stream, target: Target, status: Arc<Status>, spec: StreamSpec) -> Self {
        let period_frames = stream.buffer_size().ok().filter(|&n| n > 0);
        let granted = Granted { spec, period_frames, device: target.label() };
        let Target { id, choice, lease, .. } = target;
        let stream = Some(Arc::new(Leased { stream, _lease: lease }));
        let device_channels = choice.spec.channels;
        Self { stream, status, watcher: Watcher::default(), granted, id, device_channels, watch: None }
    }

    /// With what watches on which device it is.
    pub(crate) fn with_watch(mut self, watch: Option<Watch>) -> Self {
        self.watch = watch;
        self
    }

    pub(crate) fn granted(&self) -> &Granted {
        &self.granted
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn device_channels(&self) -> ChannelCount {
        self.device_channels
    }

    pub(crate) fn start(&self) -> Result<(), DeviceError> {
        let Some(stream) = self.stream.clone() else {
            return Err(DeviceError::Refused { operation: "start the device", message: "it is closed".into() });
        };
        deadline::run("start the device", deadline::START_LIMIT, move || stream.stream.play())?
            .map_err(|error| DeviceError::Refused { operation: "start the device", message: error.to_string() })
    }

    pub(crate) fn take_events(&mut self) -> Vec<DeviceEvent> {
        self.watcher.take(&self.status)
    }

    pub(crate) fn loss(&self) -> Option<String> {
        self.status.loss()
    }

    pub(crate) fn counts(&self) -> StreamCounts {
        self.status.counts()
    }

    pub(crate) fn callback_thread(&self) -> Option<RealtimeGrant> {
        thread_class::of_thread(self.status.thread()?)
    }
}

/// How long the backend may take to let go of the callback once the stream is closed.
const RELEASE_LIMIT: Duration = Duration::from_millis(500);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.status.close();
        // Before the stream: its end is no news. It holds the status too, now and then.
        self.watch = None;
        let Some(stream) = self.stream.take() else { return };
        if let Err(error) = deadline::run("close the device", deadline::CLOSE_LIMIT, move || drop(stream)) {
            log::warn!("{}: {error}; its stream is left behind, silent", self.granted.device);
            return;
        }
        // PulseAudio's backend drops callbacks on a thread of its own, a moment later. Whoever closes a stream wants its
        // input back, so this waits for that moment; both callbacks hold the status.
        let deadline = Instant::now() + RELEASE_LIMIT;
        while Arc::strong_count(&self.status) > 1 {
            if Instant::now() >= deadline {
                log::debug!("{}: the backend keeps the closed stream's callback", self.granted.device);
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}
