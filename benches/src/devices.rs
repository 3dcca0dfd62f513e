//! Devices of real sound servers that come and go, run fast, and hang: what the torture does to them and what the bench
//! measures. The servers are our own, started for it; whoever uses this runs in a process that [`own_process`] has made.
//!
//! Sound is checked as sound: what is played into the microphones says by itself when it was played.

mod clicks;
mod dial;
mod health;
mod load;
mod outage;
mod own_process;
mod player;
mod skew;
mod start;
mod tape;
mod torture;

pub use clicks::{ClickFigures, ClickRun, play_clicks};
pub use load::{LoadFigures, LoadRun};
pub use own_process::{OwnProcess, own_process};
pub use skew::{SkewFigures, SkewRun, missing_tools};
pub use start::{StartFigures, StartRun};
pub use torture::{CycleFigures, DeviceTorture, KindFigures, TortureFigures};
