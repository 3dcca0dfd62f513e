//! What it costs to read a block from the fan-out, beside the bare copy.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::contestants::{Contestant, N_BLOCKS, N_SAMPLES};
use super::publish::{samples, warm_up};
use super::rounds::{Timing, take_turns};
use super::timing::{BATCH, Lap, time_alone};

/// The name of the bare copy among the rows.
pub(super) const MEMCPY: &str = "memcpy";

/// One contestant.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ReadRow {
    pub(super) contestant: &'static str,
    #[serde(flatten)]
    pub(super) timing: Timing,
    /// p50 against memcpy, in the same rounds.
    pub(super) ratio_to_memcpy: f64,
}

/// Reading a block of 2 KiB out of a ring of as many, by every contestant; the first row is memcpy.
pub(super) fn measure(n_rounds: usize, lap: Duration) -> Result<Vec<ReadRow>> {
    let entrants: Vec<Option<Contestant>> = std::iter::once(None).chain(Contestant::ALL.map(Some)).collect();
    let laps = take_turns(&entrants, n_rounds, |entrant| match entrant {
        None => Ok(memcpy_lap(lap)),
        Some(contestant) => read_lap(*contestant, lap),
    })?;
    let row = |(entrant, of_it): (&Option<Contestant>, &super::rounds::Laps)| ReadRow {
        contestant: entrant.map_or(MEMCPY, Contestant::name),
        timing: of_it.timing(),
        ratio_to_memcpy: of_it.ratio_p50(&laps[0]),
    };
    Ok(entrants.iter().zip(&laps).map(row).collect())
}

fn memcpy_lap(budget: Duration) -> Lap {
    let memory = vec![0.5_f32; N_BLOCKS * N_SAMPLES];
    let mut out = vec![0.0_f32; N_SAMPLES];
    let mut at = 0;
    let copy = || {
        std::hint::black_box(&mut out).copy_from_slice(&memory[at * N_SAMPLES..][..N_SAMPLES]);
        at = (at + 1) % N_BLOCKS;
    };
    time_alone(budget, copy, || ())
}

fn read_lap(contestant: Contestant, budget: Duration) -> Result<Lap> {
    let mut ends = contestant.make(1)?;
    let mut seq = warm_up(&mut ends);
    let (writer, mut readers) = ends;
    let writer = RefCell::new(writer);
    let samples = samples();
    let mut out = vec![0.0_f32; N_SAMPLES];
    // Half a ring ahead at every moment, so that what is read has left the nearest cache, as in real use.
    let mut publish = |n: usize| {
        for _ in 0..n {
            writer.borrow_mut().publish(seq, &samples);
            seq += 1;
        }
    };
    publish(N_BLOCKS / 2);
    let mut n_missed = 0_u64;
    let read = || n_missed += u64::from(!readers[0].poll(std::hint::black_box(&mut out)));
    let lap = time_alone(budget, read, || publish(BATCH as usize));
    ensure!(n_missed == 0, "{}: {n_missed} reads found nothing", contestant.name());
    Ok(lap)
}
