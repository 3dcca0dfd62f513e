//! The atomics of this crate, in one place, so that a model checker can stand in for them (`--cfg loom`).
//! Holds no code of its own.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
