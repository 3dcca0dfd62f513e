//! How long the ring is that the engine makes for a source, so that one beyond its bounds is told of the scenario's own
//! values. Makes no ring; that the engine agrees is a test's business.

use ra_engine::Latency;
use ra_engine::core::SourceError;

use super::{Scenario, ScenarioSource};

/// The most samples that the engine gives a ring: 256 MiB.
const MOST_SAMPLES: usize = 1 << 26;
/// The most frames: a ring has room for a stamp every sixteen of them, and no more than 2^20 stamps.
const MOST_FRAMES: usize = 16 << 20;
/// A ring holds a second at least, a server's largest period and some blocks, in milliseconds.
const LEAST_MS: f64 = 1000.0;
const LARGEST_PERIOD_MS: f64 = 2000.0;
const BLOCKS: f64 = 8.0;

/// Checks that a source's ring is within the engine's bounds.
pub(super) fn check(scenario: &Scenario, source: &ScenarioSource) -> Result<(), SourceError> {
    let latency_ms = match scenario.latency {
        Latency::Auto => Latency::MAX_AUTO_MS,
        Latency::Ms(ms) => ms,
    };
    let latency_ms = latency_ms + source.latency_offset_ms.abs();
    let block_ms = scenario.sample_rate.ns_of_frames(scenario.block_frames as u64) as f64 / 1e6;
    let ring_ms = LEAST_MS.max(latency_ms) + LARGEST_PERIOD_MS + BLOCKS * block_ms;
    let n_frames = source.sample_rate.frames_in_ms_ceil(ring_ms);
    let most = MOST_FRAMES.min(MOST_SAMPLES / source.channels.get());
    if n_frames <= most {
        return Ok(());
    }
    let message = format!(
        "{} in {} and with blocks of {block_ms:.3} ms need a ring of {n_frames} frames, expected at most {most}",
        source.sample_rate, source.channels,
    );
    Err(SourceError::Setting { what: "sample_rate".to_owned(), message })
}
