//! The atomics of this crate, and the memory of the input ring, in one place, so that a model checker can stand in for them
//! (`--cfg loom`, which `cargo xtask loom` sets). Holds no code of its own.

#[cfg(loom)]
pub(crate) mod cells;
#[cfg(loom)]
pub(crate) mod watched;

#[cfg(loom)]
pub(crate) use cells::{Cells, Word};
#[cfg(loom)]
pub(crate) use watched::{AtomicBool, AtomicU64, Ordering};

#[cfg(not(loom))]
pub(crate) use crate::input::cells::{Cells, Word};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
