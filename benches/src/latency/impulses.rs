//! The true figure from end to end: impulses in a room, heard by devices on clocks of their own, found again behind the
//! engine to a fraction of a sample, and compared with when they truly were.

use std::sync::mpsc::Receiver;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ra_core::{Clock, SampleRate, StreamSpec, SystemClock};
use ra_engine::sources::{ClockModel, MockConfig, PacedConfig, Signal};
use ra_engine::{AnySource, Engine, EngineConfig, MAIN_BUS, SOURCE_BUS_PREFIX, SourceConfig};
use serde::Serialize;

use super::consumer::{Consumer, ConsumerLog, ConsumerTask};
use super::device::{DeliveryLog, PATIENCE, TimedDevice};
use super::place::{REACH_FRAMES, place_of_impulse};
use super::{Deadlines, Spread};
use crate::{Quantiles, Recorder};

/// From one impulse to the next. No whole number of frames, so that they stand at every fraction of one.
const EVERY_S: f64 = 0.099_73;
/// Their peak, and the least that counts as one: half of it.
const IMPULSE_DBFS: f64 = -6.0;
const LEAST_LIN: f32 = 0.25;
const PERIOD_FRAMES: u32 = 256;

/// A run with two devices.
#[derive(Clone, Copy, Debug)]
pub struct ImpulseRun {
    /// Their clocks.
    pub clocks_ppm: [f64; 2],
    /// Standard deviation of the error that a delivery and its stamp share, in microseconds.
    pub jitter_us: f64,
    /// How long the estimates may take to settle; nothing counts until then.
    pub settle: Duration,
    /// How long impulses are collected.
    pub measure: Duration,
}

/// What was found with impulses.
#[derive(Clone, Debug, Serialize)]
pub struct EndToEnd {
    /// Frames in the engine's block.
    pub block_frames: usize,
    /// Frames in the devices' periods.
    pub period_frames: u32,
    /// The jitter of their deliveries and stamps.
    pub jitter_us: f64,
    /// The engine's latency at the end.
    pub latency_us: f64,
    /// One for each device.
    pub sources: Vec<ImpulseSource>,
    /// From an impulse's place in one source to its place in the other, which should be 0.
    pub between: Spread,
}

/// What was found in one source.
#[derive(Clone, Debug, Serialize)]
pub struct ImpulseSource {
    /// Its clock.
    pub clock_ppm: f64,
    /// What the device's thread was granted.
    pub device_thread: String,
    /// What the thread of its consumer was granted.
    pub consumer_thread: String,
    /// Impulses that could not be found: a hole was in their place.
    pub n_missing: usize,
    /// Where the impulses stand, against their true times and the engine's stated latency.
    pub error: Spread,
    /// From the impulse in the room to the consumer's read of the block that it stands in.
    pub heard_after: Quantiles,
    /// Every impulse, in order.
    #[serde(skip)]
    pub impulses: Vec<Heard>,
}

/// One impulse that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// Which one.
    pub number: u64,
    /// When it was in the room, in seconds from the room's beginning.
    pub true_s: f64,
    /// How much later it stands than the stamps say, in nanoseconds.
    pub error_ns: f64,
    /// From the room to the consumer's read, in nanoseconds.
    pub heard_after_ns: f64,
}

impl ImpulseRun {
    /// Runs it, with an engine's defaults.
    ///
    /// # Errors
    /// The engine refuses something, or no impulse was found.
    pub fn run(&self) -> Result<EndToEnd> {
        let config = EngineConfig::default();
        let (block_frames, rate) = (config.block_frames, config.sample_rate);
        let frames = ((self.settle + self.measure).as_secs_f64() + 2.0) * f64::from(rate.hz());
        let mut engine = Engine::new(config)?;
        let handle = engine.handle();
        let mut main = handle.subscribe(MAIN_BUS)?;
        engine.start()?;
        let deadlines = Deadlines::learn(&handle, &mut main)?;
        drop(main);
        let origin_ns = SystemClock.now_ns();
        let (mut consumers, mut devices) = (Vec::new(), Vec::new());
        for clock_ppm in self.clocks_ppm {
            let name = format!("{clock_ppm:+} ppm");
            let config = self.device(&name, clock_ppm, origin_ns);
            let (device, log) = open_device(config, frames)?;
            handle.add_source(SourceConfig::named(&name), AnySource::clocked(device))?;
            let reader = handle.subscribe(&format!("{SOURCE_BUS_PREFIX}{name}"))?;
            let capacity_blocks = (frames / block_frames as f64) as usize;
            let task = ConsumerTask { reader, probe: None, keeps_sound: true, deadlines, capacity_blocks };
            consumers.push(Consumer::spawn(task)?);
            devices.push(log);
        }
        sleep(self.settle);
        let from_ns = SystemClock.now_ns();
        sleep(self.measure);
        let latency_us = handle.stats()?.engine.latency_us;
        let room = Room { origin_ns, from_s: (from_ns - origin_ns) as f64 / 1e9, block_frames, rate };
        let mut sources = Vec::new();
        let logs = consumers.into_iter().map(Consumer::finish).collect::<Result<Vec<ConsumerLog>>>()?;
        engine.stop()?;
        for ((log, device), clock_ppm) in logs.iter().zip(devices).zip(self.clocks_ppm) {
            let DeliveryLog { grant, .. } = device.recv_timeout(PATIENCE).context("a device left no log")?;
            sources.push(ImpulseSource { device_thread: grant, ..room.search(log, clock_ppm)? });
        }
        let between: Vec<f64> = pairs(&sources[0].impulses, &sources[1].impulses);
        ensure!(!between.is_empty(), "no impulse was found in both sources");
        let between = Spread::of_ns(&between, f64::from(rate.hz()));
        Ok(EndToEnd {
            block_frames,
            period_frames: PERIOD_FRAMES,
            jitter_us: self.jitter_us,
            latency_us,
            sources,
            between,
        })
    }

    fn device(&self, name: &str, clock_ppm: f64, origin_ns: u64) -> PacedConfig {
        PacedConfig {
            name: name.to_owned(),
            period_frames: PERIOD_FRAMES,
            clock: ClockModel { ppm: clock_ppm, ..ClockModel::PERFECT },
            jitter_us: self.jitter_us,
            // Of its own for each.
            seed: clock_ppm.to_bits(),
            room_origin_ns: Some(origin_ns),
            ..PacedConfig::default()
        }
    }
}

fn open_device(config: PacedConfig, frames: f64) -> Result<(TimedDevice, Receiver<DeliveryLog>)> {
    let impulses = Signal::Impulses { every_s: EVERY_S, dbfs: IMPULSE_DBFS };
    let spec = StreamSpec::new(SampleRate::HZ_48000.hz(), 1)?;
    let capacity = (frames / f64::from(PERIOD_FRAMES)) as usize;
    Ok(TimedDevice::new(config, MockConfig::new(spec, impulses), capacity)?)
}

/// How much later each impulse stands in `b` than in `a`.
fn pairs(a: &[Heard], b: &[Heard]) -> Vec<f64> {
    let other = |number: u64| b.binary_search_by_key(&number, |heard| heard.number).ok().map(|at| b[at].error_ns);
    a.iter().filter_map(|heard| other(heard.number).map(|error_ns| error_ns - heard.error_ns)).collect()
}

/// When what sounded.
#[derive(Clone, Copy, Debug)]
struct Room {
    origin_ns: u64,
    /// Impulses from this time on count.
    from_s: f64,
    block_frames: usize,
    rate: SampleRate,
}

impl Room {
    fn search(&self, log: &ConsumerLog, clock_ppm: f64) -> Result<ImpulseSource> {
        ensure!(log.blocks.len() * self.block_frames == log.sound.len(), "the sound does not fit its stamps");
        let last_s = log.blocks.last().map_or(0.0, |block| self.s_of(block.stamp.capture_ns));
        let numbers = (self.from_s / EVERY_S).ceil() as u64..((last_s / EVERY_S).floor() as u64);
        let n_expected = usize::try_from(numbers.end.saturating_sub(numbers.start)).unwrap_or(0);
        let impulses: Vec<Heard> = numbers.filter_map(|number| self.find(log, number)).collect();
        ensure!(!impulses.is_empty(), "no impulse of {n_expected} was found");
        let errors: Vec<f64> = impulses.iter().map(|heard| heard.error_ns).collect();
        let mut heard_after = Recorder::new();
        impulses.iter().for_each(|heard| heard_after.record_ns(heard.heard_after_ns.max(0.0) as u64));
        Ok(ImpulseSource {
            clock_ppm,
            device_thread: String::new(),
            consumer_thread: log.grant.clone(),
            n_missing: n_expected - impulses.len(),
            error: Spread::of_ns(&errors, f64::from(self.rate.hz())),
            heard_after: heard_after.quantiles(),
            impulses,
        })
    }

    /// Looks for an impulse in all the sound that is nearer to it than to another one.
    fn find(&self, log: &ConsumerLog, number: u64) -> Option<Heard> {
        let true_s = number as f64 * EVERY_S;
        let block_of = |s: f64| log.blocks.partition_point(|block| self.s_of(block.stamp.capture_ns) <= s);
        let (first, end) = (block_of(true_s - 0.45 * EVERY_S), block_of(true_s + 0.45 * EVERY_S));
        let frames = first * self.block_frames..(end * self.block_frames).min(log.sound.len());
        let sound = &log.sound[frames.clone()];
        let louder = |&a: &usize, &b: &usize| sound[a].abs().total_cmp(&sound[b].abs());
        let peak = (0..sound.len()).max_by(louder).filter(|&at| sound[at].abs() >= LEAST_LIN)?;
        let place = place_of_impulse(&log.sound, frames.start + peak)?;
        let (block, into_frames) = self.split(place);
        self.is_whole(log, place)?;
        // The latency may be on its way: what the stamps on both sides say, and between them a straight line.
        let (here, next) = (log.blocks.get(block)?, log.blocks.get(block + 1)?);
        let block_s = self.s_of(next.stamp.capture_ns) - self.s_of(here.stamp.capture_ns);
        let stated_s = self.s_of(here.stamp.capture_ns) + block_s * into_frames / self.block_frames as f64;
        Some(Heard {
            number,
            true_s,
            error_ns: (stated_s - true_s) * 1e9,
            heard_after_ns: (self.s_of(here.read_ns) - true_s) * 1e9,
        })
    }

    /// `None` where frames are missing among those around `place`.
    fn is_whole(&self, log: &ConsumerLog, place: f64) -> Option<()> {
        let first = self.split(place - REACH_FRAMES as f64).0;
        let last = self.split(place + REACH_FRAMES as f64).0 + 1;
        let (from, to) = (log.blocks.get(first)?.stamp.position, log.blocks.get(last)?.stamp.position);
        (to.frames_since(from) == ((last - first) * self.block_frames) as u64).then_some(())
    }

    /// The block in which a place is, and how many frames into it.
    fn split(&self, place: f64) -> (usize, f64) {
        let block = (place / self.block_frames as f64).floor().max(0.0);
        (block as usize, place - block * self.block_frames as f64)
    }

    /// A monotonic time as seconds of the room: small enough to be exact.
    fn s_of(&self, ns: u64) -> f64 {
        ns.wrapping_sub(self.origin_ns) as i64 as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use ra_core::{BlockStamp, FramePosition, PulledSource};
    use ra_engine::sources::MockSource;

    use super::super::consumer::ReadBlock;
    use super::*;

    const LATENCY_NS: u64 = 9_000_000;

    /// A consumer's log of the room, heard `late_ns` later than its stamps say.
    fn log(late_ns: f64) -> (Room, ConsumerLog) {
        let (rate, origin_ns, n_blocks) = (SampleRate::HZ_48000, 5_000_000_000_u64, 400);
        let room = Room { origin_ns, from_s: 0.2, block_frames: 128, rate };
        let impulses = Signal::Impulses { every_s: EVERY_S, dbfs: IMPULSE_DBFS };
        let mut mock = MockSource::new(MockConfig::new(StreamSpec::new(48_000, 1).unwrap(), impulses)).unwrap();
        mock.set_clock(ClockModel::PERFECT, ra_engine::sources::RoomTime::from_s(-late_ns * 1e-9)).unwrap();
        let mut sound = vec![0.0; n_blocks * 128];
        mock.read(&mut sound).unwrap();
        let block = |seq: u64| {
            let position = FramePosition(seq * 128);
            let capture_ns = origin_ns + rate.ns_of_frames(position.0);
            let stamp = BlockStamp { seq, position, capture_ns };
            ReadBlock { stamp, read_ns: capture_ns + LATENCY_NS }
        };
        (room, ConsumerLog { blocks: (0..n_blocks as u64).map(block).collect(), sound, ..ConsumerLog::default() })
    }

    #[test]
    fn impulses_are_found_where_they_are_and_not_where_they_should_be() {
        for late_ns in [0.0, 123.0, 7_300.0, 250_000.0] {
            let (room, log) = log(late_ns);
            let found = room.search(&log, 0.0).unwrap();
            assert_eq!((found.n_missing, found.impulses[0].number), (0, 3));
            assert!(found.error.count >= 7, "{found:?}");
            assert!((found.error.mean_us * 1e3 - late_ns).abs() < 20.0, "{late_ns}: {:?}", found.error);
            assert!(found.error.sd_us < 0.02, "{:?}", found.error);
            // A block holds sound of up to its own length before the impulse.
            let earliest = LATENCY_NS as f64 + late_ns - 128.0 / 48_000.0 * 1e9;
            assert!(
                found.impulses.iter().all(|heard| {
                    (earliest - 1e3..LATENCY_NS as f64 + late_ns + 1e3).contains(&heard.heard_after_ns)
                })
            );
        }
    }

    #[test]
    fn an_impulse_in_a_hole_is_missing_and_pairs_leave_it_out() {
        let (room, whole) = log(0.0);
        let mut holed = whole.clone();
        let at = (5.0 * EVERY_S * 48_000.0) as usize;
        holed.sound[at - 100..at + 100].fill(0.0);
        // Behind it, blocks were lost: the sound around them fits together no more, what stands further away does.
        let lost = (7.0 * EVERY_S * 48_000.0 / 128.0) as usize;
        holed.blocks[lost + 1..].iter_mut().for_each(|block| block.stamp.position += 128);
        let found = room.search(&holed, 0.0).unwrap();
        assert_eq!(found.n_missing, 2);
        let whole = room.search(&whole, 0.0).unwrap();
        assert_eq!(pairs(&whole.impulses, &found.impulses).len(), found.impulses.len());
        assert!(pairs(&whole.impulses, &found.impulses).iter().all(|ns| ns.abs() < 1.0));
    }
}
