//! What the rounds of a scene add up to: the figures of the report. Measures nothing.

use anyhow::{Context, Result};
use ra_core::RealtimeGrant;
use serde::Serialize;

use super::scene::{Cores, Round, Scene};
use super::stages::{Stages, Times};
use crate::median;

/// What was found in a scene, over all of its rounds.
#[derive(Clone, Debug, Serialize)]
pub struct SceneFigures {
    /// Frames in the engine's block.
    pub block_frames: usize,
    /// What else the machine did.
    pub cores: Cores,
    /// Frames in the device's period.
    pub period_frames: u32,
    /// The same as a duration.
    pub period_ns: u64,
    /// The device's clock.
    pub clock_ppm: f64,
    /// What the resampler says of its own delay.
    pub resampler_delay_ns: u64,
    /// What the mixer's thread was granted.
    pub mixer: RealtimeGrant,
    /// What the device's thread was granted.
    pub device_thread: String,
    /// What the consumer's thread was granted.
    pub consumer_thread: String,
    /// How often the consumer looked, per block that it read.
    pub looks_per_block: f64,
    /// Each round by itself.
    pub rounds: Vec<RoundFigures>,
    /// The median of the rounds' `added_p99_ns`: a machine that stands still for a moment spoils one round.
    pub median_added_p99_ns: f64,
    /// The same for the sink.
    pub median_sink_added_p99_ns: f64,
    /// How long each stage took, all rounds in one.
    pub stages: Stages,
    /// `added` of each block, in milliseconds: for the picture.
    #[serde(skip)]
    pub added_ms: Vec<f64>,
}

/// One round: an engine of its own.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RoundFigures {
    /// The engine's latency when the measurement began and when it ended.
    pub latency_us: [f64; 2],
    /// Blocks whose deadline fell into the measurement.
    pub n_blocks: u64,
    /// From capture to the consumer's read, beyond the device's period and the resampler's delay: 99 % are at most this.
    pub added_p99_ns: u64,
    /// The same to the sink.
    pub sink_added_p99_ns: u64,
    /// Deliveries that came more than 1 ms after their period's end: what the machine did to a thread of the highest
    /// priority.
    pub late_deliveries: usize,
    /// Blocks that the mixer began more than a block late.
    pub late_blocks: u64,
    /// Blocks that the consumer lost.
    pub lagged_blocks: u64,
    /// Frames of silence that stood in for late ones.
    pub inserted_frames: u64,
    /// Frames that came too late, or found no room.
    pub dropped_frames: u64,
}

impl SceneFigures {
    /// Adds the rounds of a scene up.
    ///
    /// # Errors
    /// There are none.
    pub fn of(scene: &Scene, rounds: &[Round]) -> Result<Self> {
        let first = rounds.first().context("a scene without a round")?;
        let mut times = Times::default();
        rounds.iter().for_each(|round| times.merge(&round.times));
        let figures: Vec<RoundFigures> = rounds.iter().map(|round| round.figures).collect();
        let n_looks: u64 = rounds.iter().map(|round| round.n_looks).sum();
        let n_blocks: u64 = figures.iter().map(|round| round.n_blocks).sum();
        let median_of = |value: fn(&RoundFigures) -> u64| -> f64 {
            median(&figures.iter().map(|round| value(round) as f64).collect::<Vec<f64>>())
        };
        Ok(Self {
            block_frames: scene.block_frames,
            cores: scene.cores,
            period_frames: scene.period_frames,
            period_ns: first.period_ns,
            clock_ppm: scene.clock_ppm,
            resampler_delay_ns: first.resampler_delay_ns,
            mixer: first.mixer.clone(),
            device_thread: first.device_thread.clone(),
            consumer_thread: first.consumer_thread.clone(),
            looks_per_block: n_looks as f64 / n_blocks as f64,
            median_added_p99_ns: median_of(|round| round.added_p99_ns),
            median_sink_added_p99_ns: median_of(|round| round.sink_added_p99_ns),
            rounds: figures,
            stages: times.stages(),
            added_ms: rounds.iter().flat_map(|round| round.added_ms.iter().copied()).collect(),
        })
    }
}
