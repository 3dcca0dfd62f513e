//! Playback: a stream from a [`PeriodOutput`] to a device.

use std::sync::Arc;

use cpal::{OutputCallbackInfo, traits::DeviceTrait};
use ra_core::{ChannelCount, Clock, Granted, RealtimeGrant, SampleRate, StreamSpec, SystemClock};

use crate::{
    DEFAULT_DEVICE, DeviceError, DeviceEvent, Direction, PeriodOutput, Probed, StreamCounts, deadline, find,
    identity::{self, OnMove},
    negotiate::Wish,
    output_period::OutputPeriod,
    sample::{DeviceSample, with_sample_type},
    status::Status,
    stream::{OpenStream, Target, distance_ns},
};

/// Which device to play on, and how. What can't be had is replaced by what can, and [`Granted`] says by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRequest {
    /// A device's id, or `"default"` (the default).
    pub device: String,
    /// Of `"default"`: the sound system whose default it has to be, as in [`DeviceInfo::host`](crate::DeviceInfo::host);
    /// `None` (the default) for the first one that has a default.
    pub default_of: Option<String>,
    /// The rate to ask for; the device's own where it is `None` (the default) or not to be had.
    pub sample_rate: Option<SampleRate>,
    /// How many channels to ask for; the device's own count where it is `None` (the default) or not to be had.
    pub channels: Option<ChannelCount>,
    /// Frames in a period, a wish; `None` (the default) asks for about 10 ms, and 20 ms of a server.
    pub period_frames: Option<u32>,
}

impl Default for OutputRequest {
    fn default() -> Self {
        Self {
            device: DEFAULT_DEVICE.to_owned(),
            default_of: None,
            sample_rate: None,
            channels: None,
            period_frames: None,
        }
    }
}

impl OutputRequest {
    fn wish(&self) -> Wish {
        Wish {
            sample_rate: self.sample_rate,
            channels: self.channels.map(ChannelCount::as_u16),
            highest_channel: None,
            period_frames: self.period_frames,
            usual_periods_per_second: 100,
        }
    }

    fn find(&self) -> Result<Option<Target>, DeviceError> {
        Target::find(&self.device, self.default_of.as_deref(), Direction::Output, &self.wish())
    }
}

/// Says what an output would be opened as, without opening it. Blocks for 5 s at most.
///
/// # Real-time safety
/// Not real-time safe: allocates, does I/O.
///
/// # Errors
/// As for [`OutputStream::open`].
pub fn probe_output(request: &OutputRequest) -> Result<Probed, DeviceError> {
    let request = request.clone();
    deadline::run("look at the device", deadline::OPEN_LIMIT, move || {
        let target = request.find()?.ok_or_else(|| find::not_found(&request.device, Direction::Output))?;
        Ok(Probed { id: target.id, name: target.name, spec: target.choice.spec })
    })?
}

/// A playback stream. Closes when dropped: its output is not called from then on; dropping blocks for 2.5 s at most.
pub struct OutputStream {
    open: OpenStream,
}

impl OutputStream {
    /// Opens a device and makes what plays on it, once it is known which format that has to have. Blocks for 5 s at
    /// most.
    ///
    /// `make` is called on another thread; what it makes is called from the device's callback, with pieces of 1024
    /// frames at most. It plays nothing before [`OutputStream::start`].
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, does I/O.
    ///
    /// # Errors
    /// [`DeviceError`]: no such device, refused, or no answer. What there is instead of a device that is not there is not
    /// looked for: [`probe_output`] says that.
    pub fn open(
        request: &OutputRequest,
        make: impl FnOnce(StreamSpec) -> Box<dyn PeriodOutput> + Send + 'static,
    ) -> Result<Self, DeviceError> {
        let request = request.clone();
        deadline::run("open the device", deadline::OPEN_LIMIT, move || {
            identity::check_device(&request.device, Direction::Output)?;
            let target = request.find()?.ok_or_else(Target::away)?;
            let spec = target.choice.spec;
            let status = Arc::new(Status::new());
            let period = OutputPeriod::new(make(spec), status.clone(), spec.sample_rate, spec.channels.get());
            let on_move = OnMove::for_request(&request.device);
            let (stream, watch) = identity::watched(&target, Direction::Output, on_move, &status, || {
                with_sample_type!(target.choice.format, build(&target, period, status.clone()))
            })?;
            Ok(Self { open: OpenStream::new(stream, target, status, spec).with_watch(watch) })
        })?
    }

    /// What the device was opened with.
    pub fn granted(&self) -> &Granted {
        self.open.granted()
    }

    /// Lets it run. Blocks for 5 s at most.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, does I/O.
    ///
    /// # Errors
    /// [`DeviceError::Refused`], [`DeviceError::TimedOut`].
    pub fn start(&self) -> Result<(), DeviceError> {
        self.open.start()
    }

    /// The id of the device itself, also where `"default"` was asked for.
    pub fn id(&self) -> &str {
        self.open.id()
    }

    /// What happened since the last call. Never blocks.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub fn take_events(&mut self) -> Vec<DeviceEvent> {
        self.open.take_events()
    }

    /// Why nothing plays any more, if the sound system has said so.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub fn loss(&self) -> Option<String> {
        self.open.loss()
    }

    /// What the callback has counted.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn counts(&self) -> StreamCounts {
        self.open.counts()
    }

    /// The scheduling class of the thread that the callbacks come on, read back, as
    /// [`InputStream::callback_thread`](crate::InputStream::callback_thread) tells it.
    ///
    /// # Real-time safety
    /// Not real-time safe: does I/O.
    pub fn callback_thread(&self) -> Option<RealtimeGrant> {
        self.open.callback_thread()
    }
}

fn build<T: DeviceSample>(
    target: &Target,
    mut period: OutputPeriod,
    status: Arc<Status>,
) -> Result<cpal::Stream, DeviceError> {
    let on_data = move |data: &mut [T], info: &OutputCallbackInfo| {
        let stamp = info.timestamp();
        period.on_period(data, SystemClock.now_ns(), distance_ns(stamp.playback, stamp.callback));
    };
    // May be called on the audio thread, hundreds of thousands of times a second.
    let on_error = move |error: cpal::Error| status.count_error(error.kind());
    // No timeout of the backend's own: `deadline` has one, and ALSA would take it for one per period.
    target.device.build_output_stream(target.choice.config, on_data, on_error, None).map_err(Target::refused)
}
