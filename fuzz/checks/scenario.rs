//! What must hold of any bytes that are read as a scenario: one that means the same however it is spelled and can be set
//! up, or errors with their places.

use std::path::Path;

use ra_sim::{Scenario, ScenarioSource, Simulation};

use super::problems::{self, Told};

/// More than this is honest memory, and slow to try: samples of a period, frames a second, sources.
const MOST_SAMPLES: usize = 1 << 16;
const MOST_RATE_HZ: u32 = 96_000;
const MOST_SOURCES: usize = 4;

/// Every key of a scenario, and what stands in the place of one.
const KEYS: [&str; 36] = [
    "duration_s",
    "seed",
    "sample_rate",
    "block_frames",
    "latency_ms",
    "quality",
    "measure_from_s",
    "source",
    "name",
    "channels",
    "period_frames",
    "clock",
    "jitter_us",
    "outliers",
    "latency_offset_ms",
    "on_rate_mismatch",
    "signal",
    "faults",
    "kind",
    "hz",
    "dbfs",
    "every_s",
    "from_hz",
    "to_hz",
    "correlation",
    "noise_dbfs",
    "ppm",
    "thermal_ppm",
    "thermal_period_s",
    "step_ppm",
    "step_at_s",
    "probability",
    "ms",
    "at_s",
    "n_frames",
    "unknown key",
];

/// Reads `bytes` as a scenario and checks what comes of it; says whether it was accepted.
///
/// # Panics
/// Where something does not hold.
pub(crate) fn check(bytes: &[u8]) -> bool {
    match Scenario::parse(Path::new("fuzz.toml"), bytes) {
        Ok(scenario) => {
            check_respelled(&scenario, bytes);
            if is_small(&scenario)
                && let Err(error) = Simulation::new(&scenario)
            {
                panic!("accepted, and can't be set up: {error}");
            }
            true
        }
        Err(error) => {
            assert!(!error.problems.is_empty(), "refused without a reason");
            assert!(!error.to_string().is_empty());
            for problem in &error.problems {
                let told = Told { line: problem.line, column: problem.column, message: &problem.message };
                problems::check(&told, bytes, &KEYS);
            }
            false
        }
    }
}

/// Writes the text anew, by another writer's taste in order, quotes and spacing: it must mean the same.
fn check_respelled(scenario: &Scenario, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|e| panic!("accepted, and no text: {e}"));
    // What this library can't hold, such as a seed above 2^63, can't be written by it.
    let Ok(table) = toml::from_str::<toml::Table>(text) else { return };
    let respelled = toml::to_string(&table).unwrap_or_else(|e| panic!("what was read can't be written: {e}"));
    let again = Scenario::parse(Path::new("fuzz.toml"), respelled.as_bytes())
        .unwrap_or_else(|e| panic!("refused when it is spelled anew: {e}\n{respelled}"));
    assert_eq!(*scenario, again, "spelled anew:\n{respelled}");
}

fn is_small(scenario: &Scenario) -> bool {
    let is_small = |source: &ScenarioSource| {
        source.channels.get() * source.period_frames as usize <= MOST_SAMPLES
            && source.channels.get() <= 2
            && source.sample_rate.hz() <= MOST_RATE_HZ
    };
    scenario.sources.len() <= MOST_SOURCES
        && scenario.sample_rate.hz() <= MOST_RATE_HZ
        && scenario.sources.iter().all(is_small)
}
