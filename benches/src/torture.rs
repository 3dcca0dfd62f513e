//! Torture: what no ordinary test does to the queues and to the engine, for as long as somebody likes, with counts of
//! everything that went wrong. A run that finds nothing proves little by itself: planted faults show that it would.

pub mod engine;
#[cfg(unix)]
pub mod icecast;
mod program;
pub mod queue;
pub mod recorder;

pub use program::{count, ended, exit_code, verdict, whole_number};
