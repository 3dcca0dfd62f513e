//! Models of the queues: small programs whose every order of accesses, and every value that the language's memory model
//! lets a load see, loom goes through. `cargo xtask loom` runs them, and then again with one ordering weakened or one
//! store delayed at a time (`sync/watched.rs`): each of those must break a promise here.

mod fanout;
mod input;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::watched;

/// What a fault has to run into. The words are what `cargo xtask loom` looks for.
macro_rules! promise {
    ($condition:expr, $($what:tt)+) => {
        assert!($condition, "broken promise: {}", format_args!($($what)+))
    };
}
use promise;

/// A thread of a model.
fn spawn<T: 'static>(act: impl FnOnce() -> T + 'static) -> loom::thread::JoinHandle<T> {
    loom::thread::spawn(move || {
        let result = act();
        watched::carry_out_late();
        result
    })
}

/// No bound: all orders.
const EVERY_ORDER: Option<usize> = None;

/// Runs `model` in every order that its threads can run in; where `max_preemptions` says so, in those with at most so many
/// switches away from a thread that could have gone on.
fn explore(max_preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let n_executions = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&n_executions);
    let mut explorer = loom::model::Builder::new();
    explorer.preemption_bound = explorer.preemption_bound.or(max_preemptions);
    explorer.check(move || {
        watched::begin_execution();
        // Relaxed: a statistic, and all of loom's threads are one.
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    // Behind what the test harness has begun to say.
    println!("\nexecutions {}", n_executions.load(Ordering::Relaxed));
    if std::env::var_os("RA_LOOM_PLACES").is_some() {
        watched::places().iter().for_each(|place| println!("place {place}"));
    }
}
