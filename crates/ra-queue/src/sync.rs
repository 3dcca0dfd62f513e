//! The atomics of this crate, and the ring under the input, in one place, so that a model checker can stand in for them
//! (`--cfg loom`, which `cargo xtask loom` sets). Holds no code of its own.

#[cfg(loom)]
pub(crate) mod stand_in;
#[cfg(loom)]
pub(crate) mod watched;

#[cfg(not(loom))]
pub(crate) use ::rtrb;
#[cfg(loom)]
pub(crate) use stand_in as rtrb;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(loom)]
pub(crate) use watched::{AtomicBool, AtomicU64, Ordering};
