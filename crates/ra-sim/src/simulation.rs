//! Runs a scenario: lets the devices deliver what is due, steps the engine, and compares what it read with the truth.
//! Decides nothing that the engine decides; starts no thread.

use std::ops::ControlFlow;

use ra_engine::core::{BlockStamp, FramePosition, Gap, SampleRate, Sink, SourceStats, Stats};
use ra_engine::sources::{Fault, RoomTime, SimulatedDeviceHandle};
use ra_engine::{AnySource, MAIN_BUS, MonoLaw, SourceConfig, SourceReading, VirtualEngine};

use crate::measure::{Heard, Offsets, SourceMeasure};
use crate::report::{CapturedStretch, EngineReport, PairReport, Report, SourceReport};
use crate::side_by_side::SideBySide;
use crate::{OffsetSeries, Scenario, ScenarioSource, SimulationError};

/// Blocks between two calls of the progress function.
const BLOCKS_PER_PROGRESS: u64 = 256;

/// The version of the report's shape.
const SCHEMA: u32 = 1;

/// A scenario that is ready to run.
pub struct Simulation {
    scenario: Scenario,
    engine: VirtualEngine,
    devices: Vec<Device>,
    pairs: Vec<(usize, usize, Offsets)>,
    samples: Option<SideBySide>,
    mix: Option<SideBySide>,
    series: Option<OffsetSeries>,
    /// Blocks that were mixed.
    blocks: u64,
    /// Offsets of the block just mixed; `None` where a source was silent.
    now_us: Vec<Option<f64>>,
}

struct Device {
    handle: SimulatedDeviceHandle,
    /// The source's trim, in seconds.
    trim_s: f64,
    /// How far behind a loss, and how far before one, a reading may be of silence: in the source's frames.
    edge_frames: (u64, u64),
    measure: SourceMeasure,
}

/// How far a simulation is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Frames of the mix timeline that are done.
    pub done_frames: u64,
    /// Frames that there will be.
    pub n_frames: u64,
}

/// What a simulation leaves.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The report.
    pub report: Report,
    /// Offsets over time, where they were asked for.
    pub series: Option<OffsetSeries>,
    /// The engine's whole account, behind its clean stop.
    pub stats: Stats,
}

impl Simulation {
    /// Builds the engine and the devices of a scenario. All devices begin at time 0.
    ///
    /// # Errors
    /// [`SimulationError`] names the value that makes no sense.
    pub fn new(scenario: &Scenario) -> Result<Self, SimulationError> {
        scenario.check()?;
        let mut engine = VirtualEngine::new(scenario.engine_config())?;
        let tolerance_us = 2e6 / f64::from(scenario.sample_rate.hz());
        let mut devices = Vec::with_capacity(scenario.sources.len());
        for (index, source) in scenario.sources.iter().enumerate() {
            let (device, handle) = scenario.device(index)?;
            // Who stands in is heard in the mix; else nobody wants the sum.
            let to = if scenario.has_fallbacks() { vec![MAIN_BUS.to_owned()] } else { Vec::new() };
            let calls = handle.clone();
            let end_of_call_ns = move |now_ns| calls.hangs_until_ns(now_ns);
            let config = SourceConfig { to, mono_law: MonoLaw::Unity, ..source.source_config() };
            engine.add_slow_source(config, AnySource::clocked(device), end_of_call_ns)?;
            devices.push(Device {
                handle,
                trim_s: source.latency_offset_ms * 1e-3,
                edge_frames: edge_frames(scenario, source),
                measure: SourceMeasure::new(tolerance_us),
            });
        }
        let n = devices.len();
        let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b, Offsets::new()))).collect();
        let now_us = vec![None; n];
        Ok(Self {
            scenario: scenario.clone(),
            engine,
            devices,
            pairs,
            samples: None,
            mix: None,
            series: None,
            blocks: 0,
            now_us,
        })
    }

    /// Hands the samples at the mix point to a sink, from frame 0 to the end of the duration: the sources side by side in
    /// their order, each source's channels in turn, not summed.
    ///
    /// # Errors
    /// [`SimulationError::Value`] where the sources have more channels than a stream can have; the sink's own error where
    /// it can't be started.
    pub fn samples_to(mut self, sink: Box<dyn Sink>) -> Result<Self, SimulationError> {
        self.samples = Some(SideBySide::start(&self.scenario, &mut self.engine, sink)?);
        Ok(self)
    }

    /// Hands the mix to a sink, from frame 0 to the end of the duration: all sources, each as loud as it is by itself and on
    /// both sides, those apart that only stand in for another. Silent where no source of the scenario has a fallback: nothing
    /// is mixed then.
    ///
    /// # Errors
    /// The sink's own error where it can't be started.
    pub fn mix_to(mut self, sink: Box<dyn Sink>) -> Result<Self, SimulationError> {
        self.mix = Some(SideBySide::of_the_mix(&self.scenario, &mut self.engine, sink)?);
        Ok(self)
    }

    /// Collects the offsets of every source, `every_s` seconds apart (each block's, for 0).
    pub fn with_series(mut self, every_s: f64) -> Self {
        self.series = Some(OffsetSeries::new(every_s, self.devices.len()));
        self
    }

    /// Runs to the end, calling `progress` every now and then: its answer may be to stop.
    ///
    /// # Errors
    /// [`SimulationError::Stopped`]; [`SimulationError::Sink`] where the samples could not be written;
    /// [`SimulationError::Failed`] where the engine does not mix any more.
    pub fn run(mut self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Outcome, SimulationError> {
        let n_frames = self.scenario.n_frames();
        while self.engine.position().0 < n_frames {
            self.step()?;
            if self.blocks.is_multiple_of(BLOCKS_PER_PROGRESS) {
                let done = Progress { done_frames: self.engine.position().0.min(n_frames), n_frames };
                if progress(done).is_break() {
                    return Err(SimulationError::Stopped);
                }
            }
        }
        self.finish()
    }

    fn step(&mut self) -> Result<(), SimulationError> {
        let now_ns = self.engine.next_deadline_ns();
        for device in &self.devices {
            device.handle.deliver_until(now_ns);
        }
        let position = self.engine.position();
        self.engine.step();
        self.measure(position.0);
        for samples in self.samples.iter_mut().chain(&mut self.mix) {
            samples.write(BlockStamp { seq: self.blocks, position, capture_ns: now_ns })?;
        }
        self.blocks += 1;
        Ok(())
    }

    /// Compares what was read for the block at `position` with what should have been.
    fn measure(&mut self, position: u64) {
        let rate = self.scenario.sample_rate;
        let block_time = RoomTime::from_frame(position, rate);
        let block_s = self.scenario.block_frames as f64 / f64::from(rate.hz());
        let from_s = block_time.as_s();
        let is_measured = from_s >= self.scenario.measured_from_s();
        let latency_s = self.engine.latency_ns() * 1e-9;
        for (index, (device, now_us)) in self.devices.iter_mut().zip(&mut self.now_us).enumerate() {
            *now_us = self.engine.reading(index).and_then(|reading| {
                let (captured, true_rate) = device.captured(&reading)?;
                // Against the one latency of all: a trim is an offset that was asked for, and shows.
                let offset_us = 1e6 * captured.plus_s(latency_s).seconds_since(block_time);
                let heard = Heard {
                    from_s,
                    to_s: from_s + block_s,
                    offset_us,
                    astray_us: offset_us + 1e6 * device.trim_s,
                    rate_error_ppm: 1e6 * (reading.rate_factor - true_rate),
                };
                device.measure.heard(&heard, is_measured);
                Some(offset_us)
            });
        }
        if is_measured {
            for (a, b, offsets) in &mut self.pairs {
                if let (Some(a_us), Some(b_us)) = (self.now_us[*a], self.now_us[*b]) {
                    offsets.add_us(a_us - b_us);
                }
            }
        }
        if let Some(series) = &mut self.series {
            series.take(from_s, latency_s * 1e6, &self.now_us);
        }
    }

    fn finish(self) -> Result<Outcome, SimulationError> {
        let Self { scenario, mut engine, devices, pairs, samples, mix, series, blocks, .. } = self;
        for samples in samples.into_iter().chain(mix) {
            samples.finish()?;
        }
        let latency_us = engine.latency_ns() * 1e-3;
        // What the engine thinks while all goes on; the account is that behind the stop, when nothing is on its way.
        engine.tick();
        let before = engine.stats();
        let end = engine.position();
        let stats = engine.finish();
        if let Some(failure) = &stats.engine.failure {
            return Err(SimulationError::Failed(failure.clone()));
        }
        let sources = scenario.sources.iter().zip(&devices).zip(before.sources.iter().zip(&stats.sources));
        let sources = sources.map(|((source, device), (before, after))| {
            let gaps = GapsUntil::new(&before.gaps, end);
            let captured = device.captured_until(end, scenario.sample_rate);
            let latency_us = latency_us + 1e6 * device.trim_s;
            SourceReport { captured, ..source_report(&source.name, latency_us, &device.measure, (before, after), gaps) }
        });
        let name = |index: usize| scenario.sources[index].name.clone();
        let report = Report {
            schema: SCHEMA,
            seed: scenario.seed,
            duration_s: scenario.duration_s,
            engine: engine_report(&scenario, blocks, latency_us, &before),
            sources: sources.collect(),
            pairs: pairs
                .iter()
                .map(|(a, b, offsets)| PairReport { a: name(*a), b: name(*b), offset_us: offsets.report() })
                .collect(),
        };
        Ok(Outcome { report, series, stats })
    }
}

impl Device {
    /// The stretches of true time whose sound was delivered by the end of the mix.
    fn captured_until(&self, end: FramePosition, rate: SampleRate) -> Vec<CapturedStretch> {
        let end_s = RoomTime::from_frame(end.0, rate).as_s();
        let stretches = (0..self.handle.n_starts()).flat_map(|start| self.handle.captured(start));
        stretches
            .map(|(from, to)| CapturedStretch { from_s: from.as_s(), to_s: to.as_s() })
            .filter(|stretch| stretch.from_s < end_s)
            .collect()
    }

    /// When the sound of a reading was captured, and the clock's rate then; `None` where it is one of silence. At the edges of a hole the engine goes
    /// on by itself, over frames that never were.
    fn captured(&self, reading: &SourceReading) -> Option<(RoomTime, f64)> {
        self.handle.true_time_of_sound(reading.start, reading.frame, reading.fraction, self.edge_frames)
    }
}

/// A source's gaps on the timeline that was mixed. The engine tells silence as soon as it goes into a resampler, which is
/// ahead of the mix.
struct GapsUntil {
    gaps: Vec<Gap>,
    /// Frames that were told and lie behind the end.
    beyond_frames: u64,
}

impl GapsUntil {
    fn new(told: &[Gap], end: FramePosition) -> Self {
        let n_frames = |gap: &Gap| gap.n_frames.min(end.frames_since(gap.at_frame));
        let beyond_frames = told.iter().map(|gap| gap.n_frames - n_frames(gap)).sum();
        let cut = told.iter().map(|gap| Gap { n_frames: n_frames(gap), ..*gap });
        Self { gaps: cut.filter(|gap| gap.n_frames > 0).collect(), beyond_frames }
    }
}

/// A block and the resampler's reach before a loss; its fades and its reach behind one.
fn edge_frames(scenario: &Scenario, source: &ScenarioSource) -> (u64, u64) {
    const REACH_FRAMES: u64 = 512;
    const FADE_S: f64 = 0.002;
    // At the highest rate that it ever has: too wide an edge only leaves out some sound.
    let flips = source.faults.iter().filter_map(Fault::new_rate);
    let rate = f64::from(flips.fold(source.sample_rate, SampleRate::max).hz());
    let block_s = scenario.block_frames as f64 / f64::from(scenario.sample_rate.hz());
    ((FADE_S * rate) as u64 + REACH_FRAMES, (block_s * rate) as u64 + REACH_FRAMES)
}

fn engine_report(scenario: &Scenario, blocks: u64, latency_us: f64, before: &Stats) -> EngineReport {
    EngineReport {
        blocks,
        sample_rate: SampleRate::hz(scenario.sample_rate),
        block_frames: scenario.block_frames,
        quality: scenario.quality.to_string(),
        latency_us,
        measure_from_s: scenario.measured_from_s(),
        xruns: before.engine.xruns,
    }
}

fn source_report(
    name: &str,
    latency_us: f64,
    measure: &SourceMeasure,
    (before, after): (&SourceStats, &SourceStats),
    gaps: GapsUntil,
) -> SourceReport {
    SourceReport {
        name: name.to_owned(),
        state: before.state,
        since_ms: before.since_ms,
        reason: before.reason.clone(),
        fallback: before.fallback.clone(),
        losses: before.losses,
        reconnects: before.reconnects,
        failed_opens: before.failed_opens,
        hung_calls: before.hung_calls,
        device_errors: before.device_errors,
        states: before.states.clone(),
        latency_us,
        drift_ppm: before.drift_ppm,
        jitter_us: before.jitter_us,
        offset_us: measure.offset_us(),
        settle_s: measure.settle_s(),
        ratio_noise_ppm: measure.ratio_noise_ppm(),
        produced_frames: after.account.produced_frames,
        delivered_frames: after.account.delivered_frames,
        dropped_frames: after.account.dropped_frames,
        queued_frames: after.account.queued_frames,
        inserted_frames: before.inserted_frames.saturating_sub(gaps.beyond_frames),
        xruns: before.xruns,
        rejected_stamps: before.rejected_stamps,
        clock_jumps: before.clock_jumps,
        gaps: gaps.gaps,
        captured: Vec::new(),
    }
}
