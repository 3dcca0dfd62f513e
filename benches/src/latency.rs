//! The parts of the latency bench: a device that notes its deliveries, consumers that note their reads, scenes that put
//! them around a real engine, and the places of impulses. Measures the engine from outside: it has no hooks for this.

mod consumer;
mod deadlines;
mod device;
mod figures;
mod impulses;
mod place;
mod probe;
mod scene;
mod spread;
mod stages;
mod tap;

pub use consumer::{CONSUMER_PRIORITY, FIRST_LOOK_NS, LOOK_AGAIN_NS};
pub use deadlines::Deadlines;
pub use device::{DEVICE_PRIORITY, TimedDevice};
pub use figures::{RoundFigures, SceneFigures};
pub use impulses::{EndToEnd, Heard, ImpulseRun, ImpulseSource};
pub use place::place_of_impulse;
pub use scene::{Cores, Round, Scene};
pub use spread::Spread;
pub use stages::Stages;
