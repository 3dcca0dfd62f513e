//! When the frames of a bus arrive at a sink, by estimate: the sink's thread looks every few milliseconds and then takes
//! several blocks at once. Reads no clock.

use ra_core::{FramePosition, SampleRate};
use ra_dsp::{ClockEstimator, Observation};

/// Blocks that come within so much time of each other came at one look: only the newest of them says when it came.
const BURST_NS: u64 = 400_000;

/// The clock of a bus as its consumer sees it.
#[derive(Clone, Debug)]
pub(super) struct BusClock {
    estimator: ClockEstimator,
    /// The newest block: known to be the last of its burst when the next one comes.
    newest: Option<Arrival>,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    position: FramePosition,
    n_frames: u64,
    at_ns: u64,
}

impl BusClock {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self { estimator: ClockEstimator::new(rate), newest: None }
    }

    /// A block of `n_frames` from `position` came at the monotonic time `at_ns`. Returns by how many seconds everything
    /// comes later than was thought, where it jumped.
    pub(super) fn observe(&mut self, position: FramePosition, n_frames: u64, at_ns: u64) -> Option<f64> {
        let last = self.newest.replace(Arrival { position, n_frames, at_ns })?;
        if at_ns.saturating_sub(last.at_ns) < BURST_NS {
            return None;
        }
        match self.estimator.observe(last.position, last.n_frames, last.at_ns) {
            Observation::Jumped { by_s, .. } => Some(by_s),
            _ => None,
        }
    }

    pub(super) fn estimator(&self) -> &ClockEstimator {
        &self.estimator
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_every_ten_milliseconds_shows_the_rate_of_the_bus() {
        let mut clock = BusClock::new(SampleRate::HZ_48000);
        let rate_hz = 48_000.0 * (1.0 + 120e-6);
        let (mut position, mut n_jumps) = (0u64, 0);
        for look in 1..6_000u64 {
            let now_ns = look * 10_000_000;
            while (position + 128) as f64 / rate_hz <= now_ns as f64 * 1e-9 {
                n_jumps += usize::from(clock.observe(FramePosition(position), 128, now_ns + position % 7).is_some());
                position += 128;
            }
        }
        let drift_ppm = clock.estimator().drift().unwrap().0;
        assert!((drift_ppm - 120.0).abs() < 2.0, "{drift_ppm}");
        assert_eq!(n_jumps, 0);
        let jitter_us = clock.estimator().jitter_sigma_us();
        assert!(jitter_us < 1_000.0, "{jitter_us}: less than a block");
    }
}
