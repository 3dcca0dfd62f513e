//! Playback through a sound device, as a sink: on the device's own clock, and through its losses and returns. Knows no
//! backend: that is `ra-device`. Never waits for the device, except at the end.

mod adapter;
mod brink;
mod bus_clock;
mod clock;
#[cfg(test)]
mod closed_loop_tests;
mod device;
mod fade;
mod feed;
mod keeper;
#[cfg(test)]
mod keeper_tests;
mod line;
mod open;
mod player;
mod search;
mod shared;
mod status;
mod steering;
mod troubles;

use std::sync::Arc;

use ra_core::{Block, Clock, Gap, PlaybackClock, Sink, SinkError, SinkReport, SinkStart, SystemClock};
use ra_device::{DEFAULT_DEVICE, OutputRequest};
use ra_dsp::{DspError, Quality};

pub use status::{OutputCounts, OutputMonitor, OutputState, OutputStatus};

use device::{OpenDevice, SystemDevices};
use keeper::Keeper;
use open::Plan;

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
/// Flushes between two reports: a second.
const FLUSHES_PER_REPORT: u32 = 10;

/// What an output is to the engine that feeds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputRole {
    /// One of many, on a clock of its own: the bus is resampled to it, at a rate that follows it.
    #[default]
    Follower,
    /// The engine follows it: at equal rates its sound is played as it is.
    Master,
}

/// Which device to play on, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputConfig {
    /// A device's id as `ra devices` lists it (`pulseaudio:studio`), or `"default"`, which is the default: that of the first
    /// sound system that has one, and of that system from then on.
    pub device: String,
    /// How much sound is left between the bus and the device when the device has taken a period, in milliseconds: it covers
    /// the lateness of both. 5 to 5000; default 60. It has to hold a block.
    pub cushion_ms: f64,
    /// Frames in the device's period, a wish. Default: about 10 ms, and 20 ms of a sound server.
    pub period_frames: Option<u32>,
    /// Of the resampler. Default: balanced.
    pub quality: Quality,
    /// What it is to its engine. Default: a follower.
    pub role: OutputRole,
    /// Whether starting fails when the device is not there; else it is looked for until it is, and what is written
    /// meanwhile is refused. Default: it fails.
    pub required: bool,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            device: DEFAULT_DEVICE.to_owned(),
            cushion_ms: 60.0,
            period_frames: None,
            quality: Quality::default(),
            role: OutputRole::default(),
            required: true,
        }
    }
}

/// A sound device that plays a bus.
///
/// Blocks go through a ring to the device's callback, which begins once the cushion and a period are there. The bus is
/// read at the rate at which the device plays, whatever its clock does, so that the cushion stays what it is. Where frames
/// run out all the same the sound fades away within 2 ms and comes back when the cushion is there again; where the device
/// falls behind by more than the cushion, frames are dropped until only the cushion is left, with a fade on either side.
///
/// A device that is lost is looked for, several times a second, on a thread that nobody waits for. What is written
/// meanwhile is refused with [`SinkError::Device`], and what it had not played yet is taken back.
pub struct OutputSink {
    config: OutputConfig,
    devices: Arc<dyn OpenDevice>,
    clock: Arc<dyn Clock>,
    monitor: OutputMonitor,
    keeper: Option<Keeper>,
    taken_back_frames: u64,
    flushes_until_report: u32,
    is_report_due: bool,
}

impl OutputSink {
    /// Checks the settings; opens nothing yet.
    ///
    /// # Errors
    /// [`SinkError::Setting`] for a cushion out of range.
    pub fn new(config: OutputConfig) -> Result<Self, SinkError> {
        Self::on(config, Arc::new(SystemDevices::default()), Arc::new(SystemClock))
    }

    /// On other devices than the system's, by another clock.
    fn on(config: OutputConfig, devices: Arc<dyn OpenDevice>, clock: Arc<dyn Clock>) -> Result<Self, SinkError> {
        if !CUSHION_RANGE_MS.contains(&config.cushion_ms) {
            let (from, to) = (CUSHION_RANGE_MS.start(), CUSHION_RANGE_MS.end());
            let message = format!("{} ms, expected {from} to {to} ms", config.cushion_ms);
            return Err(SinkError::Setting { what: "cushion_ms".into(), message });
        }
        Ok(Self {
            config,
            devices,
            clock,
            monitor: OutputMonitor::default(),
            keeper: None,
            taken_back_frames: 0,
            flushes_until_report: 0,
            is_report_due: false,
        })
    }

    /// What it has done so far; the device goes on meanwhile. Zeros before the start.
    pub fn counts(&self) -> OutputCounts {
        self.keeper.as_ref().map(|keeper| keeper.status().counts).unwrap_or_default()
    }

    /// Who tells what it is doing while an engine has it.
    pub fn monitor(&self) -> OutputMonitor {
        self.monitor.clone()
    }

    fn keeper(&mut self) -> Result<&mut Keeper, SinkError> {
        let device = &self.config.device;
        self.keeper.as_mut().ok_or_else(|| SinkError::Device {
            device: device.clone(),
            message: "it is not open, expected `start` to be called first".into(),
        })
    }

    /// Shows what it is doing, where that has changed or a while has passed.
    fn tell(&mut self) {
        let Some(keeper) = &self.keeper else { return };
        let status = keeper.status();
        self.flushes_until_report = self.flushes_until_report.saturating_sub(1);
        if self.flushes_until_report == 0 || self.monitor.status().state != status.state {
            self.flushes_until_report = FLUSHES_PER_REPORT;
            self.is_report_due = true;
        }
        self.monitor.set(status);
    }
}

impl Sink for OutputSink {
    /// Opens the device and lets it run; it plays silence until the cushion is there. Blocks for 15 s at most.
    ///
    /// # Errors
    /// [`SinkError::Device`] where it is required, and there is no such device (with the nearest id, and what there is), it
    /// is busy, or the sound system does not answer; [`SinkError::Setting`] for a cushion that does not hold a block.
    fn start(&mut self, start: &SinkStart) -> Result<(), SinkError> {
        let bus = start.spec;
        let block_ms = start.block_frames as f64 * 1e3 / f64::from(bus.sample_rate.hz());
        if self.config.cushion_ms < block_ms {
            let message = format!("{} ms, expected at least a block: {block_ms:.1} ms", self.config.cushion_ms);
            return Err(SinkError::Setting { what: "cushion_ms".into(), message });
        }
        let request = OutputRequest {
            device: self.config.device.clone(),
            // A follower is resampled anyway: at the device's own rate, nobody does it a second time.
            sample_rate: (self.config.role == OutputRole::Master).then_some(bus.sample_rate),
            channels: Some(bus.channels),
            period_frames: self.config.period_frames,
            ..OutputRequest::default()
        };
        let plan = Plan {
            devices: Arc::clone(&self.devices),
            request,
            bus,
            cushion_ms: self.config.cushion_ms,
            quality: self.config.quality,
            role: self.config.role,
        };
        let opened = match plan.open().map_err(|failure| failure.into_sink_error(&self.config.device)) {
            Ok(opened) => Ok(opened),
            Err(SinkError::Device { device, message }) if !self.config.required => {
                log::warn!("sink {}: device {device}: {message}; looking for it", start.name);
                Err(message)
            }
            Err(cause) => return Err(cause),
        };
        self.keeper = Some(Keeper::new(&start.name, plan, opened, self.clock.now_ns())?);
        self.tell();
        Ok(())
    }

    fn take_clock(&mut self) -> Option<Box<dyn PlaybackClock>> {
        self.keeper.as_mut()?.take_clock()
    }

    /// Never waits for the device.
    ///
    /// # Errors
    /// [`SinkError::Device`] while the device is lost.
    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        let now_ns = self.clock.now_ns();
        self.keeper()?.write(block, now_ns)
    }

    /// Fades over the place. Where the device has sound to go on with meanwhile, silence of the gap's length is put in, so
    /// that what follows sounds when it should.
    fn gap(&mut self, gap: &Gap) -> Result<(), SinkError> {
        self.keeper()?.gap(gap);
        Ok(())
    }

    /// Looks after the device, and logs what it complains about. There is nothing to make durable.
    fn flush(&mut self) -> Result<(), SinkError> {
        let now_ns = self.clock.now_ns();
        let looked = self.keeper()?.flush(now_ns);
        self.tell();
        looked
    }

    /// Plays what is queued and closes the device. Blocks for as long as that lasts, for half a second more for what the
    /// device itself holds, and for 2.5 s at most to close it.
    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        let Some(mut keeper) = self.keeper.take() else {
            return Ok(SinkReport::default());
        };
        let deadline_ns = self.clock.now_ns() + keeper.end()? + DEVICE_TAIL_NS;
        loop {
            let now_ns = self.clock.now_ns();
            if keeper.is_heard(now_ns) || now_ns >= deadline_ns {
                break;
            }
            self.clock.sleep_until_ns(now_ns + LOOK_NS);
        }
        let (status, lost_frames, end) = keeper.close();
        self.taken_back_frames += lost_frames;
        let mut notes = status.notes();
        if lost_frames > 0 && end.is_ok() {
            notes.push(format!("{}: {lost_frames} frames were not played in time at the end", self.config.device));
        }
        notes.iter().for_each(|note| log::info!("{note}"));
        self.monitor.set(status);
        end.map(|()| SinkReport { notes, ..SinkReport::default() })
    }

    fn take_back_frames(&mut self) -> u64 {
        let more = self.keeper.as_mut().map_or(0, Keeper::take_back_frames);
        std::mem::take(&mut self.taken_back_frames) + more
    }

    fn take_report(&mut self) -> Option<SinkReport> {
        std::mem::take(&mut self.is_report_due)
            .then(|| SinkReport { notes: self.monitor.status().notes(), ..SinkReport::default() })
    }
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
