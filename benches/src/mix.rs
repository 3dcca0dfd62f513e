//! The parts of the mix bench: its input files, its contestants, and the check of what they wrote.

mod check;
mod contestants;
mod files;

pub use check::{ExactSum, Verdict};
pub use contestants::{Contestant, Role, read_only, read_whole};
pub use files::Job;
