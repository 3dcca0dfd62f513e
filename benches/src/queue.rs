//! The parts of the queue bench: ra's queues and other ways to do the same, on the same work, in rounds that take turns.
//! What is compared are medians over rounds of ratios within a round, so that a machine with other work to do tells the
//! same as a quiet one; instruction counts don't depend on it at all.

mod callgrind;
mod contestants;
mod figures;
mod instructions;
mod os;
mod pictures;
mod preempted;
mod publish;
mod read;
mod rounds;
mod spsc;
mod tables;
mod target;
mod timing;

pub use callgrind::{COUNTED_WORD, run_counted};
pub use figures::{Lengths, QueueFigures};
