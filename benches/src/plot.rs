//! Pictures of what a bench found: lines over time, and how values are distributed, as SVG of less than 200 KB.
//!
//! A [`LinePlot`] holds named [`Series`] of any length between two [`Axis`]es; what is longer than the picture is wide is
//! reduced to its extremes, so that no peak is lost. Measures nothing, and knows no bench.

mod axis;
mod decimate;
mod line_plot;
mod series;

pub use axis::{Axis, Scale};
pub use line_plot::{LinePlot, Mark};
pub use series::Series;
