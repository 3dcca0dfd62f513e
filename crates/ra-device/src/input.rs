//! Capture: a stream from a device into a [`PeriodInput`].

use std::sync::Arc;

use cpal::{InputCallbackInfo, traits::DeviceTrait};
use ra_core::{ChannelCount, Clock, Granted, PeriodInput, RealtimeGrant, SampleRate, StreamSpec, SystemClock};

use crate::{
    DEFAULT_DEVICE, DeviceError, DeviceEvent, Direction, Probed, StreamCounts, deadline, find,
    identity::{self, OnMove},
    input_period::InputPeriod,
    negotiate::Wish,
    sample::{DeviceSample, with_sample_type},
    status::Status,
    stream::{OpenStream, Target, distance_ns},
};

/// Of a selection that is wrong, so many channels are shown.
const SHOWN_CHANNELS: usize = 16;

/// Which device to capture from, and how. What can't be had is replaced by what can, and [`Granted`] says by what;
/// except for channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRequest {
    /// A device's id, or `"default"` (the default).
    pub device: String,
    /// Of `"default"`: the sound system whose default it has to be, as in [`DeviceInfo::host`](crate::DeviceInfo::host);
    /// `None` (the default) for the first one that has a default.
    pub default_of: Option<String>,
    /// The rate to ask for; the device's own where it is `None` (the default) or not to be had.
    pub sample_rate: Option<SampleRate>,
    /// Which channels, counted from 1, in this order; `None` (the default) for all.
    pub channels: Option<Vec<u16>>,
    /// How many channels have to come, where `channels` does not say which: the first ones of a device that has more, a
    /// mono device's one again and again at its full level, and silence for what another lacks. `None` (the default) for
    /// as many as the device has.
    pub n_channels: Option<ChannelCount>,
    /// Frames in a period, a wish; `None` (the default) asks for about 5 ms, and 20 ms of a
    /// server: PulseAudio keeps no more than one period, and what it loses of shorter ones nobody reports.
    pub period_frames: Option<u32>,
}

impl Default for InputRequest {
    fn default() -> Self {
        Self {
            device: DEFAULT_DEVICE.to_owned(),
            default_of: None,
            sample_rate: None,
            channels: None,
            n_channels: None,
            period_frames: None,
        }
    }
}

impl InputRequest {
    fn wish(&self) -> Result<Wish, DeviceError> {
        let highest_channel = match &self.channels {
            None => None,
            Some(selection) => {
                let lowest = selection.iter().copied().min().unwrap_or(0);
                if lowest == 0 || selection.len() > usize::from(ChannelCount::MAX) {
                    let actual = selection.iter().copied().take(SHOWN_CHANNELS).collect();
                    return Err(DeviceError::NoChannels { actual, most: ChannelCount::MAX });
                }
                selection.iter().copied().max()
            }
        };
        let Self { sample_rate, period_frames, .. } = *self;
        let channels = self.n_channels.filter(|_| self.channels.is_none()).map(ChannelCount::as_u16);
        Ok(Wish { sample_rate, channels, highest_channel, period_frames, usual_periods_per_second: 200 })
    }

    fn find(&self, wish: &Wish) -> Result<Option<Target>, DeviceError> {
        Target::find(&self.device, self.default_of.as_deref(), Direction::Input, wish)
    }

    /// The channels of a target as the stream delivers them: counted from 0, and the spec that comes of it.
    fn select(&self, target: &Target) -> Result<(Box<[usize]>, StreamSpec), DeviceError> {
        let mut spec = target.choice.spec;
        let selection: Box<[usize]> = match (&self.channels, self.n_channels) {
            (Some(channels), _) => channels.iter().map(|&channel| usize::from(channel) - 1).collect(),
            (None, Some(wanted)) => fit(spec.channels, wanted),
            (None, None) => Box::default(),
        };
        if !selection.is_empty() {
            // `wish` has checked the length.
            spec.channels = ChannelCount::new(selection.len() as u16).map_err(|cause| DeviceError::Refused {
                operation: "select these channels",
                message: cause.to_string(),
            })?;
        }
        Ok((selection, spec))
    }
}

/// A channel that no device has: silence.
const SILENT: usize = usize::MAX;

/// The channels, counted from 0, that make `wanted` out of what there is; none for all in their order.
fn fit(there: ChannelCount, wanted: ChannelCount) -> Box<[usize]> {
    match (there.get(), wanted.get()) {
        (there, wanted) if there == wanted => Box::default(),
        (1, wanted) => vec![0; wanted].into_boxed_slice(),
        (there, wanted) => (0..wanted).map(|channel| if channel < there { channel } else { SILENT }).collect(),
    }
}

/// Says what an input would be opened as, without opening it. Blocks for 5 s at most.
///
/// # Real-time safety
/// Not real-time safe: allocates, does I/O.
///
/// # Errors
/// As for [`InputStream::open`].
pub fn probe_input(request: &InputRequest) -> Result<Probed, DeviceError> {
    let (wish, request) = (request.wish()?, request.clone());
    deadline::run("look at the device", deadline::OPEN_LIMIT, move || {
        let target = request.find(&wish)?.ok_or_else(|| find::not_found(&request.device, Direction::Input))?;
        let (_, spec) = request.select(&target)?;
        Ok(Probed { id: target.id, name: target.name, spec })
    })?
}

/// A capture stream. Closes when dropped: nothing is delivered from then on; dropping blocks for 2.5 s at most.
pub struct InputStream {
    open: OpenStream,
}

impl InputStream {
    /// Opens a device that will deliver into `input` once it is started. Blocks for 5 s at most.
    ///
    /// `input` is called from the device's callback. Periods are as long as the device likes (24 to 94,000 frames have
    /// been seen of one that was asked for 480), and are handed over in pieces of 1024 frames at most.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, does I/O.
    ///
    /// # Errors
    /// [`DeviceError`]: no such device, no such channel, refused, or no answer. `input` is dropped then. What there is
    /// instead of a device that is not there is not looked for: [`probe_input`] says that.
    pub fn open(request: &InputRequest, input: Box<dyn PeriodInput>) -> Result<Self, DeviceError> {
        let (wish, request) = (request.wish()?, request.clone());
        deadline::run("open the device", deadline::OPEN_LIMIT, move || {
            identity::check_device(&request.device, Direction::Input)?;
            let target = request.find(&wish)?.ok_or_else(Target::away)?;
            let (selection, spec) = request.select(&target)?;
            let status = Arc::new(Status::new());
            let channels = target.choice.spec.channels.get();
            let period = InputPeriod::new(input, status.clone(), spec.sample_rate, channels, selection);
            let on_move = OnMove::for_request(&request.device);
            let (stream, watch) = identity::watched(&target, Direction::Input, on_move, &status, || {
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

    /// The channels that the device was opened with, of which those are made that are delivered.
    pub fn device_channels(&self) -> ChannelCount {
        self.open.device_channels()
    }

    /// What happened since the last call. Never blocks.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub fn take_events(&mut self) -> Vec<DeviceEvent> {
        self.open.take_events()
    }

    /// Why nothing comes any more, if the sound system has said so.
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

    /// The scheduling class of the thread that the callbacks come on, read back: it is the sound system's own, and is
    /// never asked to change. `None` before the first period, and where the system does not say (it does on Linux).
    ///
    /// # Real-time safety
    /// Not real-time safe: does I/O.
    pub fn callback_thread(&self) -> Option<RealtimeGrant> {
        self.open.callback_thread()
    }
}

fn build<T: DeviceSample>(
    target: &Target,
    mut period: InputPeriod,
    status: Arc<Status>,
) -> Result<cpal::Stream, DeviceError> {
    let on_data = move |data: &[T], info: &InputCallbackInfo| {
        let stamp = info.timestamp();
        period.on_period(data, SystemClock.now_ns(), distance_ns(stamp.callback, stamp.capture));
    };
    // May be called on the audio thread, hundreds of thousands of times a second.
    let on_error = move |error: cpal::Error| status.count_error(error.kind());
    // No timeout of the backend's own: `deadline` has one, and ALSA would take it for one per period.
    target.device.build_input_stream(target.choice.config, on_data, on_error, None).map_err(Target::refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_zero_and_no_channels_are_refused_before_anything_is_opened() {
        for channels in [vec![], vec![0], vec![1, 0], vec![1; 257]] {
            let request = InputRequest { channels: Some(channels), ..InputRequest::default() };
            assert!(matches!(probe_input(&request), Err(DeviceError::NoChannels { .. })), "{request:?}");
        }
        let request = InputRequest { channels: Some(vec![3, 1]), ..InputRequest::default() };
        assert_eq!(request.wish().unwrap().highest_channel, Some(3));
    }

    #[test]
    fn a_number_of_channels_is_made_of_what_there_is() {
        let fitted =
            |there, wanted| fit(ChannelCount::new(there).unwrap(), ChannelCount::new(wanted).unwrap()).to_vec();
        assert_eq!(fitted(2, 2), Vec::<usize>::new());
        assert_eq!(fitted(8, 2), [0, 1]);
        assert_eq!(fitted(1, 2), [0, 0]);
        assert_eq!(fitted(2, 4), [0, 1, SILENT, SILENT]);
    }
}
