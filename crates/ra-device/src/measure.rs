//! Measures devices: opens an input, an output, or both, listens, and reports the rate that they really have, their
//! callbacks, the level, and the round trip of a sweep through both. Judges what it found; mends nothing.
//!
//! What is measured is kept apart from the measuring: callbacks leave records in rings (`tap_callback`), a thread of ours collects
//! them (`session`), and everything that computes is a pure function of what was collected.

mod calls;
mod delivery;
mod finding;
mod impulse;
mod level;
mod line;
mod quantiles;
mod rate;
mod report;
mod round_trip;
mod session;
mod sweep;
mod tap_callback;
mod verdict;

pub use calls::CallbackReport;
pub use finding::{Finding, FindingCode, Verdict};
pub use level::ChannelLevel;
pub use quantiles::Quantiles;
pub use rate::RateReport;
pub use report::{MeasureReport, StreamReport};
pub use round_trip::RoundTrip;
pub use session::{MeasureConfig, MeasureProgress, SHORTEST_ROUND_TRIP, measure};
