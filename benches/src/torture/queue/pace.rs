//! When a writer writes: never resting, in bursts, or as audio comes. Knows nothing of what is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ra_core::{Clock, SystemClock};

use super::random::Random;

/// Frames per second at audio pace.
const SAMPLE_RATE_HZ: u128 = 48_000;
/// A pacer that has no deadline of its own looks at the clock once in so many calls.
const CALLS_PER_LOOK: u64 = 8;

/// How a writer goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It never rests.
    FlatOut,
    /// It never rests for up to 3 ms, then is away for up to 1 ms: who shares its core runs in between, and is
    /// preempted wherever it stands.
    Bursts,
    /// 48000 frames in a second; late, it catches up at once.
    Audio,
}

/// Holds a writer to its pace and to its end.
pub(super) struct Pacer {
    pace: Pace,
    random: Random,
    begun_ns: u64,
    end_ns: u64,
    burst_end_ns: u64,
    n_calls: u64,
    gives_up: Arc<AtomicBool>,
}

impl Pacer {
    /// Begins now, and ends after `duration`, or soon after `gives_up` is set.
    pub(super) fn start(pace: Pace, duration: Duration, random: Random, gives_up: Arc<AtomicBool>) -> Self {
        let begun_ns = SystemClock.now_ns();
        let end_ns = begun_ns + duration.as_nanos() as u64;
        Self { pace, random, begun_ns, end_ns, burst_end_ns: begun_ns, n_calls: 0, gives_up }
    }

    /// Waits until frame `n_frames` is due, where the pace has it so; whether there is to be one more.
    pub(super) fn goes_on(&mut self, n_frames: u64) -> bool {
        self.n_calls += 1;
        if self.pace != Pace::Audio && !self.n_calls.is_multiple_of(CALLS_PER_LOOK) {
            return true;
        }
        let now_ns = SystemClock.now_ns();
        // Relaxed: a flag that orders nothing.
        if now_ns >= self.end_ns || self.gives_up.load(Ordering::Relaxed) {
            return false;
        }
        match self.pace {
            Pace::FlatOut => {}
            Pace::Bursts if now_ns < self.burst_end_ns => {}
            Pace::Bursts => {
                let back_ns = now_ns + self.random.between(20_000, 1_000_000);
                SystemClock.sleep_until_ns(back_ns);
                self.burst_end_ns = back_ns + self.random.between(20_000, 3_000_000);
            }
            Pace::Audio => {
                let due_ns = (u128::from(n_frames) * 1_000_000_000 / SAMPLE_RATE_HZ) as u64;
                SystemClock.sleep_until_ns((self.begun_ns + due_ns).min(self.end_ns));
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pace_comes_to_its_end_and_audio_is_not_early() {
        for pace in [Pace::FlatOut, Pace::Bursts, Pace::Audio] {
            let gives_up = Arc::new(AtomicBool::new(false));
            let mut pacer = Pacer::start(pace, Duration::from_millis(20), Random::new(1), gives_up);
            let (begun_ns, mut n_frames) = (SystemClock.now_ns(), 0);
            while pacer.goes_on(n_frames) {
                n_frames += 48;
            }
            let n_ms = (SystemClock.now_ns() - begun_ns) / 1_000_000;
            assert!(n_ms >= 19, "{pace:?}: {n_ms} ms");
            assert!(pace != Pace::Audio || n_frames <= 21 * 48, "{n_frames} frames in 20 ms");
        }
    }

    #[test]
    fn giving_up_ends_it() {
        let gives_up = Arc::new(AtomicBool::new(true));
        let mut pacer = Pacer::start(Pace::FlatOut, Duration::from_secs(3_600), Random::new(1), gives_up);
        assert!((0..CALLS_PER_LOOK).any(|_| !pacer.goes_on(0)));
    }
}
