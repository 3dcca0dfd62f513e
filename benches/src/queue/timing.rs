//! How an operation of tens of nanoseconds is timed: in batches for its middle, one by one for its tail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::{Recorder, median};

/// Operations between two looks at the clock: enough for the clock's own cost and grain to vanish.
pub(super) const BATCH: u32 = 16;
/// Batches that a lap holds at most: an hour of the shortest.
const MAX_BATCHES: usize = 1 << 16;

/// One contestant's turn in one round.
#[derive(Clone, Debug)]
pub(super) struct Lap {
    /// The median over batches, per operation: free of the clock's own cost.
    pub(super) p50_ns: f64,
    /// The fastest batch, per operation: what is left where nothing disturbs.
    pub(super) best_ns: f64,
    /// One by one, the clock's own cost (about 20 ns) included: for the tail. Empty where that can't be had.
    pub(super) single: Recorder,
    /// Whether it was ended by force while an operation was still waiting.
    pub(super) was_stuck: bool,
}

impl Lap {
    /// A lap of nothing but batches, given per operation.
    pub(super) fn of_batches(batches_ns: &[f64]) -> Self {
        let best_ns = batches_ns.iter().copied().fold(f64::INFINITY, f64::min);
        Self { p50_ns: median(batches_ns), best_ns, single: Recorder::new(), was_stuck: false }
    }
}

/// Times `op` for `budget`, in batches and one by one in turn, with `between` called off the clock after either.
/// Ends early once `is_over` is set; the operation that it freed counts as it stands.
pub(super) fn time(budget: Duration, is_over: &AtomicBool, mut op: impl FnMut(), mut between: impl FnMut()) -> Lap {
    let mut batches = Vec::with_capacity(MAX_BATCHES);
    let mut single = Recorder::new();
    // Relaxed, here and below: a flag that orders nothing.
    let is_stuck = || is_over.load(Ordering::Relaxed);
    let begun = Instant::now();
    while begun.elapsed() < budget && batches.len() < MAX_BATCHES && !is_stuck() {
        let start = Instant::now();
        for _ in 0..BATCH {
            op();
        }
        let batch_ns = start.elapsed().as_nanos();
        batches.push(batch_ns as f64 / f64::from(BATCH));
        if is_stuck() {
            single.record_ns(batch_ns as u64);
        }
        between();
        for _ in 0..BATCH {
            if is_stuck() {
                break;
            }
            let start = Instant::now();
            op();
            single.record_ns(start.elapsed().as_nanos() as u64);
        }
        between();
    }
    Lap { single, was_stuck: is_stuck(), ..Lap::of_batches(&batches) }
}

/// Times what nothing can hold up.
pub(super) fn time_alone(budget: Duration, op: impl FnMut(), between: impl FnMut()) -> Lap {
    time(budget, &AtomicBool::new(false), op, between)
}

/// Waits on the processor, off the clock, about as long as it takes a polling reader to come round.
pub(super) fn spin_for(duration: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < duration {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lap_counts_what_it_does_and_ends_when_it_is_told_to() {
        let (mut n_ops, mut n_between) = (0_u64, 0_u64);
        let lap = time_alone(Duration::from_millis(5), || n_ops += 1, || n_between += 1);
        assert_eq!(n_ops, n_between * u64::from(BATCH));
        assert_eq!(lap.single.quantiles().count, n_ops / 2);
        assert!(!lap.was_stuck && lap.best_ns <= lap.p50_ns);

        let is_over = AtomicBool::new(false);
        let lap = time(Duration::from_secs(3_600), &is_over, || is_over.store(true, Ordering::Relaxed), || ());
        assert!(lap.was_stuck);
        assert_eq!(lap.single.quantiles().count, 1, "the batch that it was stuck in");
    }
}
