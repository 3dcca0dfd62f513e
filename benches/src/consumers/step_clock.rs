//! A clock that times what the audio thread does between two waits. Nothing here allocates, locks or logs on that thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ra_core::{Clock, SystemClock};

use crate::{Quantiles, Recorder};

/// Steps that are kept: half an hour of them.
const CAPACITY: usize = 1 << 20;
/// The engine's name for its audio thread.
const AUDIO_THREAD: &str = "ra-mixer";

thread_local! {
    /// Whether this is the audio thread; not known before its first wait.
    static IS_AUDIO: Cell<Option<bool>> = const { Cell::new(None) };
    /// When the last wait ended.
    static WOKEN_NS: Cell<u64> = const { Cell::new(0) };
}

/// The system's clock, watched.
pub struct StepClock {
    steps_ns: Box<[AtomicU64]>,
    n_steps: AtomicUsize,
}

impl StepClock {
    /// A clock that has seen nothing yet.
    pub fn new() -> Self {
        Self { steps_ns: (0..CAPACITY).map(|_| AtomicU64::new(0)).collect(), n_steps: AtomicUsize::new(0) }
    }

    /// Steps so far.
    pub fn n_steps(&self) -> usize {
        self.n_steps.load(Ordering::Acquire).min(CAPACITY)
    }

    /// The steps from number `first` on.
    pub fn quantiles(&self, first: usize) -> Quantiles {
        let mut recorder = Recorder::new();
        for step in &self.steps_ns[first.min(self.n_steps())..self.n_steps()] {
            recorder.record_ns(step.load(Ordering::Relaxed));
        }
        recorder.quantiles()
    }

    fn is_audio() -> bool {
        IS_AUDIO.with(|known| {
            known.get().unwrap_or_else(|| {
                let is_audio = std::thread::current().name() == Some(AUDIO_THREAD);
                known.set(Some(is_audio));
                is_audio
            })
        })
    }
}

impl Default for StepClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for StepClock {
    fn now_ns(&self) -> u64 {
        SystemClock.now_ns()
    }

    fn sleep_until_ns(&self, deadline_ns: u64) {
        if !Self::is_audio() {
            SystemClock.sleep_until_ns(deadline_ns);
            return;
        }
        let woken_ns = WOKEN_NS.get();
        if woken_ns != 0 {
            let n = self.n_steps.load(Ordering::Relaxed);
            if let Some(step) = self.steps_ns.get(n) {
                step.store(SystemClock.now_ns() - woken_ns, Ordering::Relaxed);
                // Release: pairs with the Acquire in `n_steps`.
                self.n_steps.store(n + 1, Ordering::Release);
            }
        }
        SystemClock.sleep_until_ns(deadline_ns);
        WOKEN_NS.set(SystemClock.now_ns());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn only_the_audio_thread_is_timed() {
        let clock = Arc::new(StepClock::new());
        for (name, n_expected) in [("other", 0), (AUDIO_THREAD, 2)] {
            let clock_there = Arc::clone(&clock);
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                (0..3).for_each(|_| clock_there.sleep_until_ns(0));
            });
            thread.unwrap().join().unwrap();
            assert_eq!(clock.n_steps(), n_expected, "{name}");
        }
        assert_eq!((clock.quantiles(0).count, clock.quantiles(1).count, clock.quantiles(9).count), (2, 1, 0));
    }
}
