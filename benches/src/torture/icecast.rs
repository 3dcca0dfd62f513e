//! Torture of the Icecast streamer: servers that die, hang and swallow; minutes of a stream as a listener gets it; a master
//! with two relays and hundreds of listeners. Real servers (icecast2), real decoding (ffmpeg).

mod figures;
mod relays;
mod restarts;
mod station;
mod steady;
mod tone;

pub use figures::{IcecastFigures, IcecastTorture, RelayTorture};
pub use relays::RelayFigures;
pub use restarts::{OutageKind, OutageRow};
pub use steady::SteadyFigures;
