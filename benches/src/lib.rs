//! What the benches share: arguments, a description of the machine, quantiles, tables, reports, CPU time of children.
//!
//! Nothing here is part of ra: no crate of the workspace depends on this one, so that the contestants of a comparison
//! never become dependencies of the product.

mod args;
mod child;
mod machine;
pub mod mix;
mod quantiles;
mod report;
mod table;

pub use args::BenchArgs;
pub use child::{ChildCost, run_measured};
pub use machine::{Load, Machine};
pub use quantiles::{Quantiles, Recorder, median};
pub use report::Report;
pub use table::Table;
