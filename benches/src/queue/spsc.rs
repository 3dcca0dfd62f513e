//! The input ring, with its stamps and its account, beside bare queues for one writer and one reader: in one thread, and
//! flat out between two cores; sample by sample, and by slices of many sizes.

mod scenes;
mod ways;

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::rounds::{Timing, take_turns};
pub(super) use scenes::check_all;
use scenes::{Contended, Uncontended};
pub(super) use ways::{Scene, SpscReader, SpscWriter, Way};

/// Stereo.
pub(super) const N_CHANNELS: usize = 2;
/// Frames of a delivery in each run.
pub(super) const SLICES: [usize; 5] = [1, 16, 64, 256, 1_024];
/// The one that is held against a target.
pub(super) const N_FRAMES: usize = 256;
/// Frames that each queue holds: what an input ring holds by default.
pub(super) const CAPACITY_FRAMES: usize = 16_384;

/// How the two ends meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Meeting {
    /// In one thread: a delivery is written, then read.
    Uncontended,
    /// Each flat out on a core of its own; the time is that from delivery to delivery.
    Contended,
}

/// One way with deliveries of one size.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SpscRow {
    pub(super) way: &'static str,
    pub(super) meeting: Meeting,
    pub(super) n_frames: usize,
    #[serde(flatten)]
    pub(super) timing: Timing,
    /// p50 against rtrb's slices with deliveries of the same size, in the same rounds.
    pub(super) ratio_to_rtrb: f64,
    /// The same of each round's fastest batches.
    pub(super) best_ratio_to_rtrb: f64,
}

/// All ways, with deliveries of every size, in one thread.
pub(super) fn uncontended(n_rounds: usize, lap: Duration) -> Result<Vec<SpscRow>> {
    measure(Meeting::Uncontended, n_rounds, |way, n_frames| way.run(n_frames, &Uncontended { n_frames, budget: lap }))
}

/// All ways, with deliveries of every size, between two cores.
pub(super) fn contended(cores: [usize; 2], n_rounds: usize, lap: Duration) -> Result<Vec<SpscRow>> {
    measure(Meeting::Contended, n_rounds, |way, n_frames| {
        way.run(n_frames, &Contended { n_frames, cores, budget: lap })
    })
}

fn measure(
    meeting: Meeting,
    n_rounds: usize,
    run: impl Fn(Way, usize) -> Result<super::timing::Lap>,
) -> Result<Vec<SpscRow>> {
    let mut rows = Vec::new();
    for n_frames in SLICES {
        let laps = take_turns(&Way::ALL, n_rounds, |&way| run(way, n_frames))?;
        let base = &laps[Way::BASE];
        rows.extend(Way::ALL.into_iter().zip(&laps).map(|(way, laps)| SpscRow {
            way: way.name(),
            meeting,
            n_frames,
            timing: laps.timing(),
            ratio_to_rtrb: laps.ratio_p50(base),
            best_ratio_to_rtrb: laps.ratio_best(base),
        }));
    }
    Ok(rows)
}
