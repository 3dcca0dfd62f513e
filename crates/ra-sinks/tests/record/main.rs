//! The recorder from outside: real files, read back by programs that are not ours.
#![cfg(feature = "record")]
#![allow(clippy::unwrap_used, reason = "a test may panic, and its helpers with it")]

#[cfg(all(feature = "flac", feature = "opus"))]
mod encoded;
mod failover;
#[cfg(feature = "record-testing")]
mod faults;
mod formats;
mod full_disk;
mod judges;
mod kill;
mod names;
mod pause;
mod retention;
mod rf64;
mod sidecar;
mod signal;
mod split;
