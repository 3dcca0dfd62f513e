//! `torture recorder`: what people trust a recorder with. Its process is killed at random instants, its disk fills up under a
//! running engine, its power is cut, it is split a thousand times and goes across 4 GiB; every file that is left is opened by
//! programs that owe us nothing, and held against an undisturbed recording of the same sound.
//!
//! Nothing here repairs a file, and nothing is judged by the clock: a busy machine makes a run longer.

mod feed;
mod figures;
mod flac_headers;
mod full;
mod judges;
mod kill;
mod kinds;
mod large;
mod power;
mod reference;
mod run;
mod split;

pub use figures::RecorderFigures;
pub use full::FullFigures;
pub use kill::{KillFigures, record_until_killed};
pub use kinds::{KINDS, Kind};
pub use large::LargeFigures;
pub use power::PowerFigures;
pub use run::RecorderTorture;
pub use split::SplitFigures;
