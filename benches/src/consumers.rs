//! Sixteen consumers on a running engine, some of them sick, and how long the mixer's step takes meanwhile. Judges nothing.

mod round;
mod sick;
mod step_clock;

pub use round::{Round, run_round};
pub use step_clock::StepClock;
