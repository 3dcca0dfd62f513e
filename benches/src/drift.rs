//! The parts of the drift bench: sources whose clocks are not the engine's, this engine and other ways to deal with them on
//! the very same deliveries, and how what they do is judged: against the true clocks, and against the sound itself.

mod arena;
mod args;
mod contestant;
mod contestants;
mod cost;
mod eight;
mod figures;
mod pictures;
mod quality;
mod real;
mod replay;
mod scenes;
mod score;
mod seconds;
mod spectrum;
mod tables;
mod target;
mod tone;

pub use args::DriftArgs;
pub use contestant::{Contestant, Losses, Reading};
pub use contestants::Entrant;
pub use cost::{CostFigures, FollowerRow, SpeedRow, measure_cost};
pub use eight::{EightFigures, PairRow, SourceRow, run_eight};
pub use figures::DriftFigures;
pub use pictures::Album;
pub use quality::{LevelRow, QualityFigures, ToneRow, measure_quality};
pub use real::{RealFigures, RealPair, Stamps, run_real};
pub use scenes::{ColdFigures, Lengths, SceneFigures, SteadyFigures, StepFigures, WanderFigures, run_scenes};
pub use score::{Score, Spread};
pub use target::{Sense, Target};
