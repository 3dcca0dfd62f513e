//! What the benches share: arguments, a description of the machine, quantiles, tables, reports, CPU time of children.
//!
//! Nothing here is part of ra: no crate of the workspace depends on this one, so that the contestants of a comparison
//! never become dependencies of the product.

mod args;
mod busy;
mod child;
pub mod consumers;
#[cfg(feature = "device")]
pub mod devices;
pub mod drift;
pub mod latency;
mod machine;
pub mod mix;
pub mod plot;
mod quantiles;
pub mod queue;
mod realtime;
mod report;
pub mod soak;
mod table;
pub mod torture;

pub use args::{BenchArgs, Pictures};
pub use busy::BusyCores;
pub use child::{ChildCost, run_measured};
pub use machine::{Load, Machine};
pub use quantiles::{Quantiles, Recorder, median};
pub use realtime::{ask_for_fifo, describe_grant};
pub use report::Report;
pub use table::Table;
