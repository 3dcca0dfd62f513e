//! Playback through a sound device, as a sink. Knows no backend: that is `ra-device`. Never waits for the device, except
//! at the end; does not come back by itself when the device is lost.

mod adapter;
mod clock;
mod fade;
mod feed;
mod player;

use std::sync::{Arc, mpsc};

use ra_core::{Block, Clock, Gap, PlaybackClock, SampleRate, Sink, SinkError, SinkReport, SinkStart, SystemClock};
use ra_device::{DEFAULT_DEVICE, DeviceError, DeviceEvent, OutputRequest, OutputStream};
use ra_dsp::{DspError, Quality};

use adapter::Adapter;
use clock::OutputClock;
use feed::{Feed, feed_and_player};
use player::Shared;

// The trap for allocations in the callback; it is only set off inside `assert_no_alloc`.
#[cfg(all(test, debug_assertions))]
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;

/// Cushions outside of this make no sense, in milliseconds.
const CUSHION_RANGE_MS: std::ops::RangeInclusive<f64> = 5.0..=5_000.0;
/// What a device may hold behind the ring, and what the end may be late by.
const DEVICE_TAIL_NS: u64 = 500_000_000;
/// How often the end is looked for.
const LOOK_NS: u64 = 2_000_000;

/// Which device to play on, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputConfig {
    /// A device's id as `ra devices` lists it (`pulseaudio:studio`), or `"default"`, which is the default.
    pub device: String,
    /// How much sound is kept between the bus and the device, in milliseconds: it covers the lateness of both. 5 to 5000;
    /// default 60. It has to hold a block.
    pub cushion_ms: f64,
    /// Frames in the device's period, a wish. Default: about 10 ms, and 20 ms of a sound server.
    pub period_frames: Option<u32>,
    /// Of the resampler, where the device has another rate than the bus. Default: balanced.
    pub quality: Quality,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self { device: DEFAULT_DEVICE.to_owned(), cushion_ms: 60.0, period_frames: None, quality: Quality::default() }
    }
}

/// What an output has done, in frames of the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputCounts {
    /// Frames that were meant for the device, those that were dropped included.
    pub offered_frames: u64,
    /// Frames that the device took.
    pub played_frames: u64,
    /// Frames that were dropped because the device did not keep up.
    pub dropped_frames: u64,
    /// Times that the device found too little.
    pub underruns: u64,
    /// Frames of silence that it got then.
    pub underrun_frames: u64,
}

/// A sound device that plays a bus.
///
/// Blocks go through a ring to the device's callback, which begins once the cushion is there. Where frames run out the
/// sound fades away within 2 ms and comes back when the cushion is there again; where the device falls behind by twice the
/// cushion, frames are dropped until only the cushion is left, with a fade on either side.
pub struct OutputSink {
    config: OutputConfig,
    running: Option<Running>,
}

struct Running {
    stream: OutputStream,
    feed: Feed,
    adapter: Adapter,
    shared: Arc<Shared>,
    device_rate: SampleRate,
    /// Until somebody takes it.
    clock: Option<OutputClock>,
}

impl OutputSink {
    /// Checks the settings; opens nothing yet.
    ///
    /// # Errors
    /// [`SinkError::Setting`] for a cushion out of range.
    pub fn new(config: OutputConfig) -> Result<Self, SinkError> {
        if CUSHION_RANGE_MS.contains(&config.cushion_ms) {
            Ok(Self { config, running: None })
        } else {
            let (from, to) = (CUSHION_RANGE_MS.start(), CUSHION_RANGE_MS.end());
            let message = format!("{} ms, expected {from} to {to} ms", config.cushion_ms);
            Err(SinkError::Setting { what: "cushion_ms".into(), message })
        }
    }

    /// What it has done so far; the device goes on meanwhile. Zeros before the start.
    pub fn counts(&self) -> OutputCounts {
        self.running.as_ref().map(Running::counts).unwrap_or_default()
    }

    fn running(&mut self) -> Result<&mut Running, SinkError> {
        let device = &self.config.device;
        self.running.as_mut().ok_or_else(|| SinkError::Device {
            device: device.clone(),
            message: "it is not open, expected `start` to be called first".into(),
        })
    }
}

impl Running {
    fn counts(&self) -> OutputCounts {
        let (written_frames, dropped_frames) = self.feed.counts();
        OutputCounts {
            offered_frames: written_frames + dropped_frames,
            played_frames: self.shared.played_frames(),
            dropped_frames,
            underruns: self.shared.underruns(),
            underrun_frames: self.shared.underrun_frames(),
        }
    }

    fn device(&self) -> String {
        self.stream.granted().device.clone()
    }

    fn check_device(&self) -> Result<(), SinkError> {
        match self.stream.loss() {
            Some(reason) => Err(SinkError::Device { device: self.device(), message: format!("lost: {reason}") }),
            None => Ok(()),
        }
    }
}

impl Sink for OutputSink {
    /// Opens the device and lets it run; it plays silence until the cushion is there. Blocks for 10 s at most.
    ///
    /// # Errors
    /// [`SinkError::Device`] where there is no such device (with the nearest id, and what there is), it is busy, or the
    /// sound system does not answer; [`SinkError::Setting`] for a cushion that does not hold a block.
    fn start(&mut self, start: &SinkStart) -> Result<(), SinkError> {
        let bus = start.spec;
        let block_ms = start.block_frames as f64 * 1e3 / f64::from(bus.sample_rate.hz());
        if self.config.cushion_ms < block_ms {
            let message = format!("{} ms, expected at least a block: {block_ms:.1} ms", self.config.cushion_ms);
            return Err(SinkError::Setting { what: "cushion_ms".into(), message });
        }
        let request = OutputRequest {
            device: self.config.device.clone(),
            sample_rate: Some(bus.sample_rate),
            channels: Some(bus.channels),
            period_frames: self.config.period_frames,
        };
        let shared = Arc::new(Shared::default());
        let (to_us, made) = mpsc::channel();
        let (cushion_ms, for_device) = (self.config.cushion_ms, shared.clone());
        let stream = OutputStream::open(&request, move |device| {
            let rate = device.sample_rate;
            // A resampler gives its frames in chunks: a block of the bus may come out as one more of them.
            let cushion_frames = rate.frames_in_ms_ceil(cushion_ms).max(2 * adapter::CHUNK_FRAMES);
            let (feed, player) = feed_and_player(device, cushion_frames, for_device);
            // Nobody listens where opening took too long; then the player is dropped too.
            let (player, clock) = clock::with_clock(player, rate, device.channels.get());
            if to_us.send((feed, device, clock)).is_err() {
                log::debug!("an output was opened too late");
            }
            Box::new(player)
        });
        let stream = stream.map_err(|error| device_error(&self.config.device, &error))?;
        let Ok((feed, device, clock)) = made.try_recv() else {
            return Err(SinkError::Fatal(format!("device {}: it was opened without a ring", self.config.device)));
        };
        let adapter = Adapter::new(bus, device, self.config.quality).map_err(|error| conversion_error(&error))?;
        stream.start().map_err(|error| device_error(&self.config.device, &error))?;
        let granted = stream.granted();
        if let Some(period) =
            granted.period_frames.filter(|&n| n as usize > device.sample_rate.frames_in_ms_ceil(cushion_ms))
        {
            log::warn!(
                "{}: its period of {period} frames is longer than the cushion of {cushion_ms} ms",
                granted.device
            );
        }
        log::info!("{}: {device}, period {:?} frames, playing {bus}", granted.device, granted.period_frames);
        self.running =
            Some(Running { stream, feed, adapter, shared, device_rate: device.sample_rate, clock: Some(clock) });
        Ok(())
    }

    fn take_clock(&mut self) -> Option<Box<dyn PlaybackClock>> {
        let clock = self.running.as_mut()?.clock.take()?;
        Some(Box::new(clock))
    }

    /// Never waits for the device.
    ///
    /// # Errors
    /// [`SinkError::Device`] where the device is lost.
    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        let running = self.running()?;
        running.check_device()?;
        let samples = running.adapter.convert(block.samples).map_err(|error| conversion_error(&error))?;
        running.feed.write(samples);
        Ok(())
    }

    /// Fades over the place. The time of the missing frames has passed already: no silence is put in for them.
    fn gap(&mut self, _gap: &Gap) -> Result<(), SinkError> {
        let running = self.running()?;
        running.feed.cut();
        running.check_device()
    }

    /// Logs what the device reported. There is nothing to make durable.
    fn flush(&mut self) -> Result<(), SinkError> {
        let running = self.running()?;
        let device = running.device();
        for event in running.stream.take_events() {
            match event {
                DeviceEvent::XrunSeen { n } => log::warn!("{device}: {n} xruns"),
                DeviceEvent::ErrorsSeen { n } => log::warn!("{device}: {n} errors of the sound system"),
                DeviceEvent::Lost { reason } => log::warn!("{device}: lost: {reason}"),
                other => log::warn!("{device}: {other:?}"),
            }
        }
        running.check_device()
    }

    /// Plays what is queued and closes the device. Blocks for as long as that lasts (twice the cushion at most), for half a
    /// second more for what the device itself holds, and for 2.5 s at most to close it.
    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        let Some(mut running) = self.running.take() else {
            return Ok(SinkReport::default());
        };
        let tail = running.adapter.tail().map_err(|error| conversion_error(&error))?;
        running.feed.write(tail);
        running.feed.end();
        let queued_ns = running.device_rate.ns_of_frames(running.feed.queued_frames() as u64);
        let deadline_ns = SystemClock.now_ns() + queued_ns + DEVICE_TAIL_NS;
        loop {
            let now_ns = SystemClock.now_ns();
            let heard = running.shared.heard_ns().is_some_and(|heard_ns| heard_ns <= now_ns);
            if heard || now_ns >= deadline_ns || running.stream.loss().is_some() {
                break;
            }
            SystemClock.sleep_until_ns(now_ns + LOOK_NS);
        }
        let device = running.device();
        let clipped_samples = running.stream.counts().clipped_samples;
        let lost = running.check_device();
        let Running { stream, feed, shared, .. } = running;
        let (written_frames, dropped_frames) = feed.counts();
        drop(stream);
        let unplayed_frames = written_frames.saturating_sub(shared.played_frames());
        let mut notes = vec![format!(
            "{device}: played {} frames; underruns {} ({} frames of silence); dropped {dropped_frames} frames",
            shared.played_frames(),
            shared.underruns(),
            shared.underrun_frames()
        )];
        if unplayed_frames > 0 {
            notes.push(format!("{device}: {unplayed_frames} frames were not played in time at the end"));
        }
        if clipped_samples > 0 {
            notes.push(format!("{device}: {clipped_samples} samples beyond full scale"));
        }
        for note in &notes {
            log::info!("{note}");
        }
        lost.map(|()| SinkReport { files: Vec::new(), notes })
    }
}

fn device_error(device: &str, error: &DeviceError) -> SinkError {
    SinkError::Device { device: device.to_owned(), message: error.to_string() }
}

/// Rates that can't be converted into each other stay that way.
fn conversion_error(error: &DspError) -> SinkError {
    SinkError::Fatal(format!("can't convert to the device's format: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cushion_out_of_range_is_refused_with_what_was_expected() {
        for cushion_ms in [0.0, -1.0, f64::NAN, 1e9] {
            let error = OutputSink::new(OutputConfig { cushion_ms, ..OutputConfig::default() }).err().unwrap();
            assert!(error.to_string().contains("expected 5 to 5000 ms"), "{error}");
        }
    }

    #[test]
    fn an_output_that_was_never_started_takes_nothing_and_ends_well() {
        let mut sink = OutputSink::new(OutputConfig::default()).unwrap();
        assert!(matches!(sink.flush(), Err(SinkError::Device { .. })));
        assert_eq!(sink.counts(), OutputCounts::default());
        assert_eq!(sink.finish().unwrap(), SinkReport::default());
    }
}
