//! Capture: a stream from a device into a [`PeriodInput`].

use std::sync::Arc;

use cpal::{InputCallbackInfo, traits::DeviceTrait};
use ra_core::{ChannelCount, Clock, Granted, PeriodInput, SampleRate, StreamSpec, SystemClock};

use crate::{
    DEFAULT_DEVICE, DeviceError, DeviceEvent, Direction, Probed, StreamCounts, deadline,
    input_period::InputPeriod,
    negotiate::Wish,
    sample::{DeviceSample, with_sample_type},
    status::Status,
    stream::{OpenStream, Target, distance_ns},
};

/// Which device to capture from, and how. What can't be had is replaced by what can, and [`Granted`] says by what;
/// except for channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRequest {
    /// A device's id, or `"default"` (the default).
    pub device: String,
    /// The rate to ask for; the device's own where it is `None` (the default) or not to be had.
    pub sample_rate: Option<SampleRate>,
    /// Which channels, counted from 1, in this order; `None` (the default) for all.
    pub channels: Option<Vec<u16>>,
    /// Frames in a period, a wish; `None` (the default) asks for about 5 ms, and 20 ms of a
    /// server: PulseAudio keeps no more than one period, and what it loses of shorter ones nobody reports.
    pub period_frames: Option<u32>,
}

impl Default for InputRequest {
    fn default() -> Self {
        Self { device: DEFAULT_DEVICE.to_owned(), sample_rate: None, channels: None, period_frames: None }
    }
}

impl InputRequest {
    fn wish(&self) -> Result<Wish, DeviceError> {
        let highest_channel = match &self.channels {
            None => None,
            Some(selection) => {
                let lowest = selection.iter().copied().min().unwrap_or(0);
                if lowest == 0 || selection.len() > usize::from(ChannelCount::MAX) {
                    let message = format!("expected 1 to {} channels, counted from 1", ChannelCount::MAX);
                    return Err(DeviceError::Refused { operation: "select these channels", message });
                }
                selection.iter().copied().max()
            }
        };
        let Self { sample_rate, period_frames, .. } = *self;
        Ok(Wish { sample_rate, channels: None, highest_channel, period_frames, usual_periods_per_second: 200 })
    }

    /// The channels of a target as the stream delivers them: counted from 0, and the spec that comes of it.
    fn select(&self, target: &Target) -> Result<(Box<[usize]>, StreamSpec), DeviceError> {
        let selection: Box<[usize]> = self.channels.iter().flatten().map(|&c| usize::from(c) - 1).collect();
        let mut spec = target.choice.spec;
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
        let target = Target::find(&request.device, Direction::Input, &wish)?;
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
    /// [`DeviceError`]: no such device, no such channel, refused, or no answer. `input` is dropped then.
    pub fn open(request: &InputRequest, input: Box<dyn PeriodInput>) -> Result<Self, DeviceError> {
        let (wish, request) = (request.wish()?, request.clone());
        deadline::run("open the device", deadline::OPEN_LIMIT, move || {
            let target = Target::find(&request.device, Direction::Input, &wish)?;
            let (selection, spec) = request.select(&target)?;
            let status = Arc::new(Status::new());
            let channels = target.choice.spec.channels.get();
            let period = InputPeriod::new(input, status.clone(), spec.sample_rate, channels, selection);
            let stream = with_sample_type!(target.choice.format, build(&target, period, status.clone()))?;
            Ok(Self { open: OpenStream::new(stream, status, spec, target.label()) })
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
            assert!(matches!(probe_input(&request), Err(DeviceError::Refused { .. })), "{request:?}");
        }
        let request = InputRequest { channels: Some(vec![3, 1]), ..InputRequest::default() };
        assert_eq!(request.wish().unwrap().highest_channel, Some(3));
    }
}
