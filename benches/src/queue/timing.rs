//! How an operation of tens of nanoseconds is timed: in batches for its middle, one by one for its tail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ra_benches::{Quantiles, Recorder, median};
use serde::Serialize;

/// Operations between two looks at the clock: enough for the clock's own cost and grain to vanish.
pub(crate) const BATCH: u32 = 16;

/// What an operation takes, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Timing {
    /// The median over batches of 16 operations, per operation: free of the clock's own cost.
    pub(crate) p50_ns: f64,
    /// One by one, the clock's own cost (about 20 ns) included: for the tail.
    pub(crate) single: Quantiles,
    /// Whether the run was ended by force while an operation was still waiting: its time is then a lower bound.
    pub(crate) was_stuck: bool,
}

/// Times `op` for `budget`, in batches and one by one in turn, with `between` called off the clock after either.
/// Ends early once `is_over` is set; the operation that it freed counts as it stands.
pub(crate) fn time(budget: Duration, is_over: &AtomicBool, mut op: impl FnMut(), mut between: impl FnMut()) -> Timing {
    let mut batches = Vec::with_capacity(1 << 19);
    let mut single = Recorder::new();
    // Relaxed, here and below: a flag that orders nothing.
    let is_stuck = || is_over.load(Ordering::Relaxed);
    let begun = Instant::now();
    while begun.elapsed() < budget && batches.len() < batches.capacity() && !is_stuck() {
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
    Timing { p50_ns: median(&batches), single: single.quantiles(), was_stuck: is_stuck() }
}

/// Times what nothing can hold up.
pub(crate) fn time_alone(budget: Duration, op: impl FnMut(), between: impl FnMut()) -> Timing {
    time(budget, &AtomicBool::new(false), op, between)
}

/// Waits on the processor, off the clock, about as long as it takes a polling reader to come round.
pub(crate) fn spin_for(duration: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < duration {
        std::hint::spin_loop();
    }
}
