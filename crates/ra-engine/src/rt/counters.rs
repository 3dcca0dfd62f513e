//! What the mixer counts. Each counter has one writer, the mixer; anybody may read.
//!
//! All accesses are relaxed: a counter orders nothing, and each is right by itself.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use ra_core::{MasterState, SourceState};

/// A counter with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        // One writer: a load and a store are enough, and cheaper than a read-modify-write.
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A measured value with one writer, or none yet.
#[derive(Debug)]
pub(crate) struct Gauge(AtomicU64);

impl Default for Gauge {
    fn default() -> Self {
        Self(AtomicU64::new(f64::NAN.to_bits()))
    }
}

impl Gauge {
    pub(crate) fn set(&self, value: Option<f64>) {
        self.0.store(value.unwrap_or(f64::NAN).to_bits(), Relaxed);
    }

    pub(crate) fn get(&self) -> Option<f64> {
        let value = f64::from_bits(self.0.load(Relaxed));
        (!value.is_nan()).then_some(value)
    }
}

/// What the mixer counts for the engine.
#[derive(Debug, Default)]
pub(crate) struct EngineCounters {
    /// Blocks mixed and published.
    pub(crate) blocks: Counter,
    /// Blocks whose step began more than one block after its deadline.
    pub(crate) late_blocks: Counter,
    /// Times the mixer woke too late to catch up: stamped gaps.
    pub(crate) late_gaps: Counter,
    /// Position of the next block.
    pub(crate) position: Counter,
    /// Gaps that nobody will learn of, and boxes that found no way back: the control side was away for very long. The counters
    /// are right all the same.
    pub(crate) lost_events: Counter,
    /// From capture to the buses, effects included, in nanoseconds.
    pub(crate) latency_ns: Counter,
    /// How far the master's clock is from the monotonic one.
    pub(crate) master_ppm: Gauge,
    master_state: AtomicU8,
}

impl EngineCounters {
    pub(crate) fn set_master(&self, state: MasterState, ppm: Option<f64>) {
        self.master_state.store(state as u8, Relaxed);
        self.master_ppm.set(ppm);
    }

    pub(crate) fn master_state(&self) -> MasterState {
        match self.master_state.load(Relaxed) {
            1 => MasterState::Watching,
            2 => MasterState::Following,
            3 => MasterState::Gone,
            _ => MasterState::Clock,
        }
    }
}

/// What the mixer counts for one source.
#[derive(Debug, Default)]
pub(crate) struct SourceCounters {
    /// Frames taken from the source's ring into the mix, at the ring's rate.
    pub(crate) taken_frames: Counter,
    /// Frames of silence that stood in for missing ones, at the engine's rate.
    pub(crate) inserted_frames: Counter,
    /// NaN and infinite samples that became silence.
    pub(crate) non_finite_samples: Counter,
    /// Times it ran over or under.
    pub(crate) xruns: Counter,
    /// Stamps that its clock's estimate did not believe.
    pub(crate) stamps_rejected: Counter,
    /// Times that its clock was found elsewhere: frames were lost unseen.
    pub(crate) clock_jumps: Counter,
    /// Its clock against the monotonic one.
    pub(crate) drift_ppm: Gauge,
    /// Standard deviation of its stamps.
    pub(crate) jitter_us: Gauge,
    /// The latency that it waits for before it is heard.
    pub(crate) held_until_ns: Gauge,
    state: AtomicU8,
    /// Another source is heard in its place.
    is_covered: AtomicBool,
}

impl SourceCounters {
    pub(crate) fn set_covered(&self, is_covered: bool) {
        self.is_covered.store(is_covered, Relaxed);
    }

    pub(crate) fn is_covered(&self) -> bool {
        self.is_covered.load(Relaxed)
    }

    pub(crate) fn set_live(&self) {
        self.state.store(1, Relaxed);
    }

    pub(crate) fn set_ended(&self) {
        self.state.store(2, Relaxed);
    }

    /// What the mixer sees of the source; the control side knows the rest.
    pub(crate) fn state(&self) -> SourceState {
        match self.state.load(Relaxed) {
            0 => SourceState::Opening,
            1 => SourceState::Live,
            _ => SourceState::Ended,
        }
    }
}
