//! The report of a simulation: the JSON that `docs/reports.md` describes. Measures nothing.

use ra_engine::core::{Gap, SourceState, StateChange};
use serde::Serialize;

/// What a simulation came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of this shape: 1.
    pub schema: u32,
    /// The scenario's seed.
    pub seed: u64,
    /// The scenario's duration, in seconds.
    pub duration_s: f64,
    /// The mixer, and what it was told.
    pub engine: EngineReport,
    /// Every source, in the scenario's order.
    pub sources: Vec<SourceReport>,
    /// Every pair of sources.
    pub pairs: Vec<PairReport>,
}

/// The mixer's part.
#[derive(Clone, Debug, Serialize)]
pub struct EngineReport {
    /// Blocks mixed in the scenario's duration.
    pub blocks: u64,
    /// The rate of the mix timeline, in Hz.
    pub sample_rate: u32,
    /// Frames of a block.
    pub block_frames: usize,
    /// `fast`, `balanced` or `best`.
    pub quality: String,
    /// From capture to the mix point at the end, in microseconds.
    pub latency_us: f64,
    /// From when on offsets count, in seconds.
    pub measure_from_s: f64,
    /// Times a source ran over or under.
    pub xruns: u64,
}

/// One source's part. Frames are its own, at its own rate, but for `inserted_frames` and `gaps`: those are the engine's.
#[derive(Clone, Debug, Serialize)]
pub struct SourceReport {
    /// Its name.
    pub name: String,
    /// Where it was in its life at the end.
    pub state: SourceState,
    /// Since when, in milliseconds since frame 0.
    pub since_ms: f64,
    /// Why, where the state alone does not say.
    pub reason: Option<String>,
    /// Who stands in for it.
    pub fallback: Option<String>,
    /// Times that it was lost.
    pub losses: u64,
    /// Times that it was opened again.
    pub reconnects: u64,
    /// Attempts to open it that failed.
    pub failed_opens: u64,
    /// Calls into it that did not return in time.
    pub hung_calls: u64,
    /// Errors that it reported.
    pub device_errors: u64,
    /// The latest 512 states that it went through.
    pub states: Vec<StateChange>,
    /// From capture to the mix point at the end, its own trim included, in microseconds.
    pub latency_us: f64,
    /// The engine's own estimate of its clock at the end, in ppm.
    pub drift_ppm: Option<f64>,
    /// The engine's own estimate of its stamps' standard deviation at the end, in microseconds.
    pub jitter_us: Option<f64>,
    /// Where its sound was against true time of capture plus the engine's one latency, in microseconds. Nothing is
    /// subtracted: its own trim is part of it.
    pub offset_us: OffsetReport,
    /// The last time that its sound was more than two of the engine's samples from its place, which is as much later as its
    /// trim says, in seconds from the source's start; at least when it was first heard. Null where it did not stay inside.
    pub settle_s: Option<f64>,
    /// Root mean square of the rate at which it was read less its clock's true rate, in ppm.
    pub ratio_noise_ppm: Option<f64>,
    /// Frames that it offered.
    pub produced_frames: u64,
    /// Frames that went into the mix.
    pub delivered_frames: u64,
    /// Frames that were lost on the way.
    pub dropped_frames: u64,
    /// Frames that were still on their way when all was closed: 0, or the engine has lost sight of them.
    pub queued_frames: u64,
    /// Frames of silence that stood in for missing ones, up to the last block that was mixed.
    pub inserted_frames: u64,
    /// Times it ran over or under.
    pub xruns: u64,
    /// Stamps that the engine did not believe.
    pub rejected_stamps: u64,
    /// Times that its clock was found at another place than it had to be.
    pub clock_jumps: u64,
    /// What is missing from it, on the mix timeline up to the last block that was mixed.
    pub gaps: Vec<Gap>,
    /// The truth: when it captured what it delivered, one stretch for each time that it was opened and behind each loss of
    /// frames. Its sound is to be found there, a latency later, and silence between.
    pub captured: Vec<CapturedStretch>,
}

/// A stretch of true time, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CapturedStretch {
    /// When its first frame was captured.
    pub from_s: f64,
    /// When the frame behind its last one would have been.
    pub to_s: f64,
}

/// Sizes of offsets, in microseconds; null where nothing was heard while offsets counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct OffsetReport {
    /// Root mean square.
    pub rms: Option<f64>,
    /// 99 % of the blocks were off by no more, to three digits.
    pub p99: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
}

/// How far two sources were apart.
#[derive(Clone, Debug, Serialize)]
pub struct PairReport {
    /// One source's name.
    pub a: String,
    /// The other one's.
    pub b: String,
    /// The difference of their offsets in blocks where both were heard. Nothing is subtracted, no mean and no trim.
    pub offset_us: OffsetReport,
}
