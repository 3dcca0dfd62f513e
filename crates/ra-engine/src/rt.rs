//! Everything that runs on the mixer's thread, and nothing else.
//!
//! No file below here allocates, locks, sleeps, logs, does I/O or panics; what they own is built on the control side and
//! goes back there to be freed. The clock is read by the caller and handed in.

pub(crate) mod block_time;
pub(crate) mod bus;
pub(crate) mod cadence;
pub(crate) mod clocked;
pub(crate) mod command;
pub(crate) mod counters;
pub(crate) mod follower;
pub(crate) mod gap_teller;
pub(crate) mod gate;
pub(crate) mod hold;
pub(crate) mod hole;
pub(crate) mod hole_report;
pub(crate) mod insert_chain;
pub(crate) mod latency;
pub(crate) mod mix_position;
pub(crate) mod mixer;
pub(crate) mod outbox;
pub(crate) mod source_ring;
pub(crate) mod stand_in;
pub(crate) mod strip;

// The trapping allocator is there in debug builds only.
#[cfg(all(test, debug_assertions))]
mod step_tests;
