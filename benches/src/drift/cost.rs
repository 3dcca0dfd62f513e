//! What following a source costs, and how fast virtual time goes. Times the engine's own step.

use anyhow::Result;
use ra_core::{Clock, SampleRate, StreamSpec, SystemClock};
use ra_engine::sources::{
    ClockModel, Delivery, MockConfig, PacedConfig, Pacer, Signal, SimulatedConfig, SimulatedDevice,
};
use ra_engine::{AnySource, EngineConfig, Latency, Quality, SourceConfig, VirtualEngine};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::arena::ORIGIN_NS;
use super::contestant::{BLOCK_FRAMES, LATENCY_MS, RATE_HZ};
use super::replay::{Replay, ReplayInput};
use super::scenes::{JITTER_US, OUTLIERS, WANDERING};
use crate::{Quantiles, Recorder};

/// The crowd that is measured.
const N_FOLLOWERS: usize = 32;
const CHANNELS: u16 = 2;
/// Rounds of which the least disturbed one counts.
const ROUNDS: usize = 3;

/// What it costs.
#[derive(Clone, Debug, Serialize)]
pub struct CostFigures {
    /// By quality.
    pub followers: Vec<FollowerRow>,
    /// By quality.
    pub simulation: Vec<SpeedRow>,
}

/// A crowd of stereo sources at 48 kHz, each on its own clock, all in the mix.
#[derive(Clone, Debug, Serialize)]
pub struct FollowerRow {
    /// Of the resamplers.
    pub quality: String,
    /// How many there were.
    pub n_followers: usize,
    /// A step with them.
    pub step: Quantiles,
    /// A step without any.
    pub empty_step: Quantiles,
    /// One follower, mixing included, by the medians: percent of one core.
    pub percent_of_core: f64,
    /// So many fit into one core in real time, by the medians.
    pub fit_into_a_core: f64,
    /// The 99th percentile of a step with all of them, in percent of a block.
    pub p99_percent_of_block: f64,
}

/// Two simulated devices in virtual time.
#[derive(Clone, Debug, Serialize)]
pub struct SpeedRow {
    /// Of the resamplers.
    pub quality: String,
    /// Virtual seconds.
    pub seconds: f64,
    /// Virtual seconds per second of one core's time: two stereo devices that hear a tone, tone and devices included.
    pub times_real_time: f64,
    /// The same with silence that costs nothing: the engine and the deliveries alone.
    pub times_real_time_silent: f64,
}

/// Measures cost and speed; `seconds` of virtual time each.
///
/// # Errors
/// The engine refuses its settings.
pub fn measure_cost(seconds: f64) -> Result<CostFigures> {
    let mut figures = CostFigures { followers: Vec::new(), simulation: Vec::new() };
    for quality in [Quality::Fast, Quality::Balanced, Quality::Best] {
        figures.followers.push(followers(quality, seconds)?);
    }
    for quality in [Quality::Fast, Quality::Balanced] {
        let best = |run: fn(Quality, f64) -> Result<f64>| {
            (0..ROUNDS).try_fold(0.0, |best: f64, _| Ok::<f64, anyhow::Error>(best.max(run(quality, seconds)?)))
        };
        figures.simulation.push(SpeedRow {
            quality: quality.to_string(),
            seconds,
            times_real_time: best(simulated_speed)?,
            times_real_time_silent: best(silent_speed)?,
        });
    }
    Ok(figures)
}

fn followers(quality: Quality, seconds: f64) -> Result<FollowerRow> {
    let least = |n_sources: usize| -> Result<Quantiles> {
        let mut best = Crowd::new(quality, n_sources)?.time(seconds);
        for _ in 1..ROUNDS {
            let round = Crowd::new(quality, n_sources)?.time(seconds);
            if round.p50_ns < best.p50_ns {
                best = round;
            }
        }
        Ok(best)
    };
    let (step, empty_step) = (least(N_FOLLOWERS)?, least(0)?);
    let block_ns = BLOCK_FRAMES as f64 * 1e9 / f64::from(RATE_HZ);
    let follower_ns = (step.p50_ns as f64 - empty_step.p50_ns as f64) / N_FOLLOWERS as f64;
    Ok(FollowerRow {
        quality: quality.to_string(),
        n_followers: N_FOLLOWERS,
        step,
        empty_step,
        percent_of_core: 100.0 * follower_ns / block_ns,
        fit_into_a_core: (block_ns - empty_step.p50_ns as f64) / follower_ns,
        p99_percent_of_block: 100.0 * step.p99_ns as f64 / block_ns,
    })
}

/// Devices without faults, and the engine that follows them.
struct Crowd {
    engine: VirtualEngine,
    devices: Vec<(Pacer, Delivery, ReplayInput)>,
    noise: Vec<f32>,
}

impl Crowd {
    fn new(quality: Quality, n_sources: usize) -> Result<Self> {
        let mut engine = engine(quality)?;
        let mut devices = Vec::new();
        for n in 0..n_sources {
            let ppm = if n_sources < 2 { 0.0 } else { -200.0 + 400.0 * n as f64 / (n_sources - 1) as f64 };
            let paced = PacedConfig {
                clock: ClockModel { ppm, ..WANDERING },
                jitter_us: JITTER_US,
                seed: n as u64 + 1,
                room_origin_ns: Some(ORIGIN_NS),
                ..PacedConfig::default()
            };
            // Opened one after the other: devices do not deliver all at the same time.
            let mut pacer = Pacer::new(&paced, SampleRate::new(RATE_HZ)?, ORIGIN_NS + n as u64 * 1_234_567)?;
            let (source, input) = Replay::pair(StreamSpec::new(RATE_HZ, CHANNELS)?);
            engine.add_source(SourceConfig::named(format!("device {n}")), source)?;
            let next = pacer.next_delivery();
            devices.push((pacer, next, input));
        }
        let samples = PacedConfig::default().period_frames as usize * usize::from(CHANNELS);
        let noise = (0..samples as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0 - 0.5);
        Ok(Self { engine, devices, noise: noise.collect() })
    }

    fn deliver(&mut self) {
        let now_ns = self.engine.next_deadline_ns();
        for (pacer, next, input) in &mut self.devices {
            while next.due_ns <= now_ns {
                input.push(next, &self.noise);
                *next = pacer.next_delivery();
            }
        }
    }

    /// How long steps take, the first second apart.
    fn time(&mut self, seconds: f64) -> Quantiles {
        let clock = SystemClock;
        let mut recorder = Recorder::new();
        let n_blocks = blocks_in(seconds);
        for n in 0..n_blocks {
            self.deliver();
            let before_ns = clock.now_ns();
            self.engine.step();
            let took_ns = clock.now_ns() - before_ns;
            if n >= blocks_in(1.0) {
                recorder.record_ns(took_ns);
            }
        }
        recorder.quantiles()
    }
}

fn engine(quality: Quality) -> Result<VirtualEngine> {
    let config = EngineConfig { latency: Latency::Ms(LATENCY_MS), quality, ..EngineConfig::default() };
    Ok(VirtualEngine::new(config)?)
}

fn blocks_in(seconds: f64) -> u64 {
    (seconds * f64::from(RATE_HZ)) as u64 / BLOCK_FRAMES
}

/// The time that this thread has had of a core: what others do on the machine does not count.
fn core_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn silent_speed(quality: Quality, seconds: f64) -> Result<f64> {
    let mut crowd = Crowd::new(quality, 2)?;
    let began_s = core_seconds();
    for _ in 0..blocks_in(seconds) {
        crowd.deliver();
        crowd.engine.step();
    }
    Ok(seconds / (core_seconds() - began_s))
}

fn simulated_speed(quality: Quality, seconds: f64) -> Result<f64> {
    let mut engine = engine(quality)?;
    let mut handles = Vec::new();
    for (n, ppm) in [50.0, -150.0].into_iter().enumerate() {
        let signal = Signal::Tone { hz: 997.0, dbfs: -20.0 };
        let (device, handle) = SimulatedDevice::new(SimulatedConfig {
            paced: PacedConfig {
                clock: ClockModel { ppm, ..WANDERING },
                jitter_us: JITTER_US,
                outliers: OUTLIERS,
                seed: n as u64 + 1,
                room_origin_ns: Some(ORIGIN_NS),
                ..PacedConfig::default()
            },
            room: MockConfig::new(StreamSpec::new(RATE_HZ, CHANNELS)?, signal),
            faults: Vec::new(),
        })?;
        engine.add_source(SourceConfig::named(format!("device {n}")), AnySource::clocked(device))?;
        handles.push(handle);
    }
    let began_s = core_seconds();
    for _ in 0..blocks_in(seconds) {
        let now_ns = engine.next_deadline_ns();
        handles.iter().for_each(|handle| handle.deliver_until(now_ns));
        engine.step();
    }
    Ok(seconds / (core_seconds() - began_s))
}
