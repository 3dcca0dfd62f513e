//! The real thing: devices on threads of their own, the engine on its own threads, the wall clock, and the offset found in
//! the sound that a consumer reads. No time is simulated here but the devices' wrong clocks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use ra_core::{
    Clock, ClockedSource, Granted, PeriodInput, Source, SourceError, Stats, StreamEvent, StreamSpec, SystemClock,
};
use ra_engine::sources::{ClockModel, MockConfig, PacedConfig, PacedSource, Signal};
use ra_engine::{AnySource, BusEvent, BusReader, Engine, EngineConfig, Latency, SourceConfig};
use serde::Serialize;

use super::contestant::{LATENCY_MS, RATE_HZ};
use super::score::slope;
use super::seconds::Seconds;
use crate::{Quantiles, Recorder};

/// Both devices of a pair are this far off, to either side.
const PPM: f64 = 150.0;
pub(super) const TONE_HZ: f64 = 1_000.0;
pub(super) const TONE_DBFS: f64 = -12.0;
/// Seconds at the beginning that are not judged.
const JUDGED_FROM_S: usize = 10;
/// How often the consumer looks.
const POLL: Duration = Duration::from_millis(5);

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct RealFigures {
    /// Of wall clock.
    pub seconds: f64,
    /// Whether the mixer's thread was granted a real-time class.
    pub realtime_class: String,
    /// Steps that began more than a block late.
    pub late_blocks: u64,
    /// Frames that never sounded, of all sources.
    pub dropped_frames: u64,
    /// Frames of silence that stood in, of all sources.
    pub inserted_frames: u64,
    /// By where the stamps come from.
    pub pairs: Vec<RealPair>,
}

/// Two devices at +150 and -150 ppm in one room.
#[derive(Clone, Debug, Serialize)]
pub struct RealPair {
    /// Where the stamps come from.
    pub stamps: Stamps,
    /// From one's sound to the other's, found in the recorded tone second by second: its mean, in us; null, as all that
    /// follows from it, where fewer than two seconds could be judged.
    pub mean_us: f64,
    /// Its rms about the mean, in us.
    pub wander_rms_us: f64,
    /// The furthest from the mean, in us.
    pub wander_max_us: f64,
    /// Its largest absolute value, in us.
    pub max_us: f64,
    /// Of a straight line through it.
    pub slope_us_per_10min: f64,
    /// Seconds that were judged.
    pub judged_seconds: usize,
    /// Seconds in which sound was missing.
    pub disturbed_seconds: usize,
    /// The drift that the engine found for the device at +150 ppm.
    pub found_fast_ppm: Option<f64>,
    /// The same for the one at -150 ppm.
    pub found_slow_ppm: Option<f64>,
    /// How late the devices' threads woke, both together: what a device's stamps would have for jitter.
    pub lateness: Quantiles,
    /// The pair's offset, second by second from the first one on; null where sound was missing.
    pub offsets_us: Vec<f64>,
}

/// Where a device's stamps come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stamps {
    /// From its own clock, as hardware that counts its frames would give them.
    Exact,
    /// From the time at which its thread woke, less a period: all that most systems have.
    WakeUp,
}

/// Runs it for `seconds` of wall clock.
///
/// # Errors
/// The engine can't be started, or a consumer was too slow to judge anything.
pub fn run_real(seconds: f64) -> Result<RealFigures> {
    let config = EngineConfig { latency: Latency::Ms(LATENCY_MS), ..EngineConfig::default() };
    let mut engine = Engine::new(config)?;
    let handle = engine.handle();
    let room_origin_ns = SystemClock.now_ns();
    let mut listeners = Vec::new();
    let mut lateness = Vec::new();
    for stamps in [Stamps::Exact, Stamps::WakeUp] {
        let shared = Arc::new(Mutex::new(Recorder::new()));
        for ppm in [PPM, -PPM] {
            let name = format!("{stamps:?} {ppm}");
            let device = WatchedDevice::new(ppm, stamps, room_origin_ns, Arc::clone(&shared))?;
            handle.add_source(SourceConfig::named(&name), AnySource::clocked(device))?;
            let reader = handle.subscribe(&format!("source:{name}"))?;
            listeners.push((reader, Seconds::new(room_origin_ns)));
        }
        lateness.push((stamps, shared));
    }
    engine.start()?;
    let clock = SystemClock;
    let end_ns = clock.now_ns() + (seconds * 1e9) as u64;
    while clock.now_ns() < end_ns {
        for (reader, heard) in &mut listeners {
            drain(reader, heard)?;
        }
        std::thread::sleep(POLL);
    }
    let stats = handle.stats()?;
    engine.stop()?;
    let heard: Vec<Seconds> = listeners.into_iter().map(|(_, heard)| heard).collect();
    let pairs = lateness.iter().zip(heard.chunks(2)).zip(stats.sources.chunks(2));
    let pairs = pairs.map(|(((stamps, lateness), heard), sources)| {
        let quantiles = lateness.lock().unwrap_or_else(PoisonError::into_inner).quantiles();
        let found_ppm = [sources[0].drift_ppm, sources[1].drift_ppm];
        pair(*stamps, &heard[0], &heard[1], found_ppm, quantiles)
    });
    Ok(figures(seconds, &stats, pairs.collect()))
}

fn drain(reader: &mut BusReader, heard: &mut Seconds) -> Result<()> {
    loop {
        match reader.read() {
            BusEvent::Block(block) => heard.take(&block),
            // What is missing shows as seconds that are not whole.
            BusEvent::Lagged { .. } => {}
            BusEvent::Empty => return Ok(()),
            BusEvent::Ended | BusEvent::Disconnected { .. } => bail!("the engine has ended before its time"),
        }
    }
}

fn figures(seconds: f64, stats: &Stats, pairs: Vec<RealPair>) -> RealFigures {
    RealFigures {
        seconds,
        realtime_class: format!("{:?}", stats.engine.realtime.class).to_lowercase(),
        late_blocks: stats.engine.late_blocks,
        dropped_frames: stats.sources.iter().map(|source| source.account.dropped_frames).sum(),
        inserted_frames: stats.sources.iter().map(|source| source.inserted_frames).sum(),
        pairs,
    }
}

fn pair(
    stamps: Stamps,
    fast: &Seconds,
    slow: &Seconds,
    [found_fast_ppm, found_slow_ppm]: [Option<f64>; 2],
    lateness: Quantiles,
) -> RealPair {
    let offsets_us: Vec<f64> = fast.offsets_us().zip(slow.offsets_us()).map(|(fast, slow)| fast - slow).collect();
    let judged: Vec<(f64, f64)> = offsets_us
        .iter()
        .enumerate()
        .skip(JUDGED_FROM_S)
        .filter(|(_, offset_us)| offset_us.is_finite())
        .map(|(second, offset_us)| (second as f64, *offset_us))
        .collect();
    let n = judged.len() as f64;
    let mean_us = judged.iter().map(|(_, offset_us)| offset_us).sum::<f64>() / n;
    let about_mean = || judged.iter().map(|(_, offset_us)| offset_us - mean_us);
    RealPair {
        stamps,
        mean_us,
        wander_rms_us: (about_mean().map(|offset_us| offset_us * offset_us).sum::<f64>() / n).sqrt(),
        wander_max_us: about_mean().map(f64::abs).fold(f64::NAN, f64::max),
        max_us: judged.iter().map(|(_, offset_us)| offset_us.abs()).fold(f64::NAN, f64::max),
        slope_us_per_10min: slope(judged.iter().copied()) * 600.0,
        judged_seconds: judged.len(),
        disturbed_seconds: offsets_us.len().saturating_sub(JUDGED_FROM_S + judged.len()),
        found_fast_ppm,
        found_slow_ppm,
        lateness,
        offsets_us,
    }
}

/// A paced source that is watched when it wakes, and may be stamped by that.
struct WatchedDevice {
    device: PacedSource,
    stamps: Stamps,
    rate_factor: f64,
    lateness: Arc<Mutex<Recorder>>,
}

impl WatchedDevice {
    fn new(ppm: f64, stamps: Stamps, room_origin_ns: u64, lateness: Arc<Mutex<Recorder>>) -> Result<Self> {
        let paced = PacedConfig {
            name: format!("{stamps:?}{ppm}"),
            clock: ClockModel { ppm, ..ClockModel::PERFECT },
            room_origin_ns: Some(room_origin_ns),
            ..PacedConfig::default()
        };
        let tone = Signal::Tone { hz: TONE_HZ, dbfs: TONE_DBFS };
        let room = MockConfig::new(StreamSpec::new(RATE_HZ, 1)?, tone);
        let device = PacedSource::mock(paced, room, Arc::new(SystemClock))?;
        Ok(Self { device, stamps, rate_factor: 1.0 + ppm * 1e-6, lateness })
    }
}

impl Source for WatchedDevice {
    fn spec(&self) -> StreamSpec {
        self.device.spec()
    }

    fn describe(&self) -> String {
        self.device.describe()
    }
}

impl ClockedSource for WatchedDevice {
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<Granted, SourceError> {
        let (stamps, rate_factor, lateness) = (self.stamps, self.rate_factor, Arc::clone(&self.lateness));
        self.device.start(Box::new(WatchedInput { input, stamps, rate_factor, lateness }))
    }

    fn poll_event(&mut self) -> Option<StreamEvent> {
        self.device.poll_event()
    }

    fn stop(&mut self) {
        self.device.stop();
    }
}

struct WatchedInput {
    input: Box<dyn PeriodInput>,
    stamps: Stamps,
    rate_factor: f64,
    /// Shared with the other device of the pair; the threads are ordinary ones.
    lateness: Arc<Mutex<Recorder>>,
}

impl PeriodInput for WatchedInput {
    fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize {
        let now_ns = SystemClock.now_ns();
        let nominal_ns = interleaved.len() as f64 * 1e9 / f64::from(RATE_HZ);
        let due_ns = capture_ns + (nominal_ns / self.rate_factor) as u64;
        self.lateness.lock().unwrap_or_else(PoisonError::into_inner).record_ns(now_ns.saturating_sub(due_ns));
        let stamp_ns = match self.stamps {
            Stamps::Exact => capture_ns,
            Stamps::WakeUp => now_ns - nominal_ns as u64,
        };
        self.input.push(stamp_ns, interleaved)
    }

    fn mark_break(&mut self) {
        self.input.mark_break();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_by_wake_up_are_as_late_as_the_thread_was() {
        struct Kept(Arc<Mutex<Vec<u64>>>);
        impl PeriodInput for Kept {
            fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize {
                self.0.lock().unwrap().push(capture_ns);
                interleaved.len()
            }
            fn mark_break(&mut self) {}
        }
        for stamps in [Stamps::Exact, Stamps::WakeUp] {
            let kept = Arc::new(Mutex::new(Vec::new()));
            let lateness = Arc::new(Mutex::new(Recorder::new()));
            let input = Box::new(Kept(Arc::clone(&kept)));
            let mut input = WatchedInput { input, stamps, rate_factor: 1.0, lateness: Arc::clone(&lateness) };
            // 10 ms of sound whose last frame was captured 3 ms ago.
            let capture_ns = SystemClock.now_ns() - 13_000_000;
            assert_eq!(input.push(capture_ns, &[0.0; 480]), 480);
            let late_ns = lateness.lock().unwrap().quantiles().max_ns;
            assert!(late_ns >= 2_990_000, "{late_ns}");
            let stamp_ns = kept.lock().unwrap()[0];
            match stamps {
                Stamps::Exact => assert_eq!(stamp_ns, capture_ns),
                Stamps::WakeUp => assert!((stamp_ns - capture_ns).abs_diff(late_ns) * 100 < late_ns),
            }
        }
    }

    #[test]
    fn two_devices_on_threads_are_heard_for_as_long_as_they_should() {
        let figures = run_real(12.5).unwrap();
        assert_eq!(figures.pairs.len(), 2);
        for pair in &figures.pairs {
            // A machine under load may disturb some of it, and it is counted then.
            assert!(pair.judged_seconds + pair.disturbed_seconds >= 2, "{pair:?}");
            assert!(pair.lateness.count > 2_000, "{pair:?}");
        }
    }
}
