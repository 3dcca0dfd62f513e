//! `torture engine`: a storm of live commands on a running engine with steady tones, from two threads, at random times and
//! in bursts. The audio thread and the devices' threads are watched for heap memory, system calls and waits; the sound for
//! steps; every account for what does not add up; every block for being late.
//!
//! The engine has no hooks for this: what watches its audio thread is an effect on `main`, what listens are readers.

mod allocations;
mod bare_threads;
mod bound;
mod command;
mod continuity;
mod device;
mod dice;
mod evaluate;
mod figures;
mod lateness;
mod ledger;
mod listeners;
mod performer;
mod plan;
mod sentry;
mod sinks;
mod step_watch;
mod storm;
mod system_calls;
mod thread_watch;

pub use allocations::{CountingAllocator, heap_bytes};
pub(crate) use dice::Dice;
pub use figures::{RealtimeFigures, SoundFigures, StormFigures, TimeFigures, Timing};
pub use lateness::LateBlocks;
pub use ledger::AccountFigures;
pub use storm::{CountCalls, Progress, Storm};
