//! The simulator of ra: a [`Scenario`] of scripted devices, the engine's own step and control logic in virtual time and in
//! one thread, and a [`Report`] of where each source's sound was against where it should have been.
//!
//! Offsets are against the scenario's true clocks: the engine's own opinion of a clock is reported beside them and takes no
//! part. Knows no command line, opens no file but a scenario that it is told to load, and reads no clock: the same scenario
//! gives the same report and the same samples. The file's keys are described in `docs/scenarios.md`, the report's fields in
//! `docs/reports.md`.
//!
//! # Examples
//! ```
//! use ra_sim::{Scenario, Simulation};
//! use std::ops::ControlFlow;
//! let text = r#"
//!     duration_s = 4.0
//!     [[source]]
//!     name = "a"
//!     clock = { ppm = 50.0 }
//!     signal = { kind = "tone", hz = 997.0, dbfs = -12.0 }
//! "#;
//! let scenario = Scenario::parse("two.toml".as_ref(), text.as_bytes())?;
//! let outcome = Simulation::new(&scenario)?.run(&mut |_| ControlFlow::Continue(()))?;
//! assert_eq!(outcome.report.engine.blocks, 1_500);
//! assert_eq!(outcome.report.sources[0].dropped_frames, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod measure;
mod report;
mod scenario;
mod series;
mod side_by_side;
mod simulation;

pub use error::{Problem, ScenarioError, SimulationError};
pub use report::{CapturedStretch, EngineReport, OffsetReport, PairReport, Report, SourceReport};
pub use scenario::{Scenario, ScenarioSource};
pub use series::OffsetSeries;
pub use simulation::{Outcome, Progress, Simulation};
