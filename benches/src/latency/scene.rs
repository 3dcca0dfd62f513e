//! One real engine, one mock device, two consumers: how long each stage of the way takes, in one condition.

use std::sync::mpsc::Receiver;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ra_core::{ChannelCount, Clock, RealtimeGrant, Stats, StreamSpec, SystemClock};
use ra_engine::dsp::SteeredResampler;
use ra_engine::sources::{ClockModel, MockConfig, PacedConfig, Signal};
use ra_engine::{AnySource, BusConfig, ConsumerClass, Engine, EngineConfig, MAIN_BUS, SinkConfig, SourceConfig, Strip};
use serde::Serialize;

use super::Deadlines;
use super::consumer::{Consumer, ConsumerLog, ConsumerTask, ReadBlock};
use super::device::{DeliveryLog, PATIENCE, TimedDevice};
use super::figures::RoundFigures;
use super::probe::PublishProbe;
use super::stages::{Times, Way};
use super::tap::Tap;
use crate::BusyCores;

const PROBE_BUS: &str = "publish-probe";
const DEVICE: &str = "device";
/// A delivery that comes more than this after its period's end was kept waiting by the machine.
const LATE_NS: u64 = 1_000_000;

/// What else the machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cores {
    /// Nothing that we know of.
    Idle,
    /// An ordinary thread computes on each.
    Busy,
}

/// A condition to measure in.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// Frames in the engine's block.
    pub block_frames: usize,
    /// What else the machine does.
    pub cores: Cores,
    /// Frames in the device's period.
    pub period_frames: u32,
    /// The device's clock.
    pub clock_ppm: f64,
    /// How long the engine runs before anything counts.
    pub warm_up: Duration,
    /// How long is measured.
    pub measure: Duration,
}

/// What was found in one round of a scene.
#[derive(Clone, Debug)]
pub struct Round {
    pub(super) resampler_delay_ns: u64,
    pub(super) period_ns: u64,
    pub(super) mixer: RealtimeGrant,
    pub(super) device_thread: String,
    pub(super) consumer_thread: String,
    pub(super) n_looks: u64,
    pub(super) figures: RoundFigures,
    pub(super) times: Times,
    pub(super) added_ms: Vec<f64>,
}

/// What a running engine left behind.
struct Logs {
    deadlines: Deadlines,
    measured_ns: std::ops::Range<u64>,
    stats: [Stats; 2],
    device: DeliveryLog,
    consumer: ConsumerLog,
    sink: Vec<ReadBlock>,
}

impl Scene {
    /// Runs it once, on an engine of its own.
    ///
    /// # Errors
    /// The engine refuses something, or a log is not what it must be.
    pub fn run(&self) -> Result<Round> {
        let config = EngineConfig { block_frames: self.block_frames, ..EngineConfig::default() };
        let resampler_delay_ns = resampler_delay_ns(&config)?;
        let logs = self.listen(config)?;
        self.evaluate(logs, resampler_delay_ns)
    }

    fn listen(&self, config: EngineConfig) -> Result<Logs> {
        let seconds = (self.warm_up + self.measure).as_secs_f64() + 2.0;
        let frames = seconds * f64::from(config.sample_rate.hz());
        let capacity_blocks = (frames / self.block_frames as f64) as usize;
        let spec = config.main_spec();
        let mut engine = Engine::new(config)?;
        let handle = engine.handle();
        handle.add_bus(BusConfig { name: PROBE_BUS.to_owned(), channels: ChannelCount::MONO })?;
        handle.add_insert(Strip::Bus(PROBE_BUS.to_owned()), Box::new(PublishProbe))?;
        let mut reader = handle.subscribe(MAIN_BUS)?;
        let probe = Some(handle.subscribe(PROBE_BUS)?);
        engine.start()?;
        let deadlines = Deadlines::learn(&handle, &mut reader)?;
        let task = ConsumerTask { reader, probe, keeps_sound: false, deadlines, capacity_blocks };
        let consumer = Consumer::spawn(task)?;
        let (tap, sink_log) = Tap::new(capacity_blocks);
        let critical = SinkConfig { class: ConsumerClass::Critical, ..SinkConfig::named("tap") };
        handle.add_sink(critical, tap)?;
        let (device, device_log) = self.open_device(spec, frames)?;
        handle.add_source(SourceConfig::named(DEVICE), AnySource::clocked(device))?;
        let busy = match self.cores {
            Cores::Idle => None,
            Cores::Busy => Some(BusyCores::all().context("cannot keep the cores busy")?),
        };
        sleep(self.warm_up);
        let before = handle.stats()?;
        let from_ns = SystemClock.now_ns();
        sleep(self.measure);
        let until_ns = SystemClock.now_ns();
        let after = handle.stats()?;
        drop(busy);
        let consumer = consumer.finish()?;
        engine.stop()?;
        Ok(Logs {
            deadlines,
            measured_ns: from_ns..until_ns,
            stats: [before, after],
            device: device_log.recv_timeout(PATIENCE).context("the device left no log")?,
            consumer,
            sink: sink_log.recv_timeout(PATIENCE).context("the sink left no log")?,
        })
    }

    fn open_device(&self, spec: StreamSpec, frames: f64) -> Result<(TimedDevice, Receiver<DeliveryLog>)> {
        let config = PacedConfig {
            name: DEVICE.to_owned(),
            period_frames: self.period_frames,
            clock: ClockModel { ppm: self.clock_ppm, ..ClockModel::PERFECT },
            ..PacedConfig::default()
        };
        let capacity = (frames / f64::from(self.period_frames)) as usize;
        Ok(TimedDevice::new(config, MockConfig::new(spec, Signal::DEFAULT), capacity)?)
    }

    fn evaluate(&self, logs: Logs, resampler_delay_ns: u64) -> Result<Round> {
        let Logs { deadlines, measured_ns, stats: [before, after], device, consumer, sink } = logs;
        let rate = EngineConfig::default().sample_rate;
        let period_ns = rate.ns_of_frames(u64::from(self.period_frames));
        let way = Way {
            deadlines,
            measured_ns,
            last_frame_ns: rate.ns_of_frames(self.block_frames as u64 - 1),
            own_ns: period_ns + resampler_delay_ns,
        };
        let (times, added_ms) = way.times(&device.deliveries, &consumer, &sink);
        let stages = times.stages();
        ensure!(stages.published.count > 0 && stages.sink_read.count > 0, "nothing was heard while it was measured");
        let [source_before, source_after] = [&before, &after].map(|stats| stats.sources.first());
        let (source_before, source_after) = source_before.zip(source_after).context("the engine lost its source")?;
        let figures = RoundFigures {
            latency_us: [before.engine.latency_us, after.engine.latency_us],
            n_blocks: stages.added.count,
            added_p99_ns: stages.added.p99_ns,
            sink_added_p99_ns: stages.sink_added.p99_ns,
            late_deliveries: way.late_deliveries(&device.deliveries, period_ns, LATE_NS),
            late_blocks: after.engine.late_blocks - before.engine.late_blocks,
            lagged_blocks: consumer.n_lagged_blocks,
            inserted_frames: source_after.inserted_frames - source_before.inserted_frames,
            dropped_frames: source_after.account.dropped_frames - source_before.account.dropped_frames,
        };
        Ok(Round {
            resampler_delay_ns,
            period_ns,
            mixer: after.engine.realtime,
            device_thread: device.grant,
            consumer_thread: consumer.grant,
            n_looks: consumer.n_looks * stages.added.count / consumer.blocks.len() as u64,
            figures,
            times,
            added_ms,
        })
    }
}

/// What the resampler of an engine's defaults says of its delay, for a device of the engine's own rate.
fn resampler_delay_ns(config: &EngineConfig) -> Result<u64> {
    let rate = config.sample_rate;
    let resampler = SteeredResampler::new(1, rate, rate, config.block_frames, config.quality)?;
    Ok((resampler.latency_out_frames() / f64::from(rate.hz()) * 1e9) as u64)
}
