//! What it costs to publish a block, by the number of readers and by what they do meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use serde::Serialize;

use super::contestants::{Contestant, Ends, N_BLOCKS, N_SAMPLES, Poll};
use super::os;
use super::rounds::{Laps, Timing, take_turns};
use super::timing::{BATCH, Lap, spin_for, time, time_alone};

/// How many readers there are in each run.
pub(super) const READERS: [usize; 7] = [0, 1, 2, 4, 8, 16, 32];

/// How much longer than twice its time a run may take before its readers are stopped.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

/// What the readers do while the writer publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Readers {
    /// They are there. Where the writer would be without room for want of them (one rtrb for each), they read what there
    /// is, in the writer's thread and off the clock.
    Idle,
    /// They poll flat out, on threads of their own, on another core than the writer's.
    Polling,
}

/// One contestant with so many readers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PublishRow {
    pub(super) contestant: &'static str,
    pub(super) readers: Readers,
    pub(super) n_readers: usize,
    #[serde(flatten)]
    pub(super) timing: Timing,
    /// p50 against that of the same contestant with the fewest readers, in the same rounds.
    pub(super) ratio_to_fewest: f64,
    /// p50 against one rtrb slice write of the same block, in the same rounds; `None` where none took part.
    pub(super) ratio_to_rtrb: Option<f64>,
}

type Entrant = (Contestant, usize);

fn entrants(counts: &[usize]) -> Vec<Entrant> {
    Contestant::ALL.into_iter().flat_map(|contestant| counts.iter().map(move |&n| (contestant, n))).collect()
}

/// Publishing with readers that stand by.
pub(super) fn with_idle_readers(n_rounds: usize, lap: Duration) -> Result<Vec<PublishRow>> {
    let entrants = entrants(&READERS);
    let laps = take_turns(&entrants, n_rounds, |&(contestant, n_readers)| idle_lap(contestant, n_readers, lap))?;
    Ok(rows(&entrants, &laps, Readers::Idle))
}

/// Publishing on `cores[0]` while the readers poll on `cores[1]`.
pub(super) fn with_polling_readers(cores: [usize; 2], n_rounds: usize, lap: Duration) -> Result<Vec<PublishRow>> {
    let entrants = entrants(&READERS[1..]);
    let run = |&(contestant, n_readers): &Entrant| polling_lap(contestant, n_readers, cores, lap);
    let laps = take_turns(&entrants, n_rounds, run)?;
    Ok(rows(&entrants, &laps, Readers::Polling))
}

fn rows(entrants: &[Entrant], laps: &[Laps], readers: Readers) -> Vec<PublishRow> {
    let rtrb = entrants.iter().position(|entrant| *entrant == (Contestant::RtrbEach, 1));
    let rtrb = rtrb.filter(|_| readers == Readers::Idle);
    let row = |(laps_of_it, &(contestant, n_readers)): (&Laps, &Entrant)| {
        let fewest = entrants.iter().position(|(other, _)| *other == contestant);
        PublishRow {
            contestant: contestant.name(),
            readers,
            n_readers,
            timing: laps_of_it.timing(),
            ratio_to_fewest: fewest.map_or(f64::NAN, |at| laps_of_it.ratio_p50(&laps[at])),
            ratio_to_rtrb: rtrb.map(|at| laps_of_it.ratio_p50(&laps[at])),
        }
    };
    laps.iter().zip(entrants).map(row).collect()
}

fn idle_lap(contestant: Contestant, n_readers: usize, budget: Duration) -> Result<Lap> {
    let mut ends = contestant.make(n_readers)?;
    let mut seq = warm_up(&mut ends);
    let (mut writer, mut readers) = ends;
    let samples = samples();
    let mut out = vec![0.0; N_SAMPLES];
    let publish = || {
        writer.publish(seq, std::hint::black_box(&samples));
        seq += 1;
    };
    // Once in half a ring and not after every batch: else what is measured is the caches that 32 readers leave behind.
    let mut n_batches = 0_u64;
    let between = || {
        n_batches += 1;
        if !contestant.drops_oldest() && n_batches.is_multiple_of(N_BLOCKS as u64 / 2 / u64::from(BATCH)) {
            catch_up(&mut readers, &mut out);
        }
    };
    Ok(time_alone(budget, publish, between))
}

fn polling_lap(contestant: Contestant, n_readers: usize, cores: [usize; 2], budget: Duration) -> Result<Lap> {
    let (mut writer, readers) = contestant.make(n_readers)?;
    let samples = samples();
    let pollers = Pollers::start(readers, cores[1]);
    let is_over = Arc::clone(&pollers.is_over);
    let writer = thread::spawn(move || {
        os::pin_to(cores[0]);
        let mut seq = 0;
        let publish = || {
            writer.publish(seq, std::hint::black_box(&samples));
            seq += 1;
        };
        time(budget, &is_over, publish, || spin_for(Duration::from_micros(2)))
    });
    pollers.run_until_done(writer, 2 * budget + PATIENCE)
}

/// Two laps of the ring, so that all memory is there and in the state that it stays in; the next sequence number.
pub(super) fn warm_up((writer, readers): &mut Ends) -> u64 {
    let samples = samples();
    let mut out = vec![0.0; N_SAMPLES];
    let end = 2 * N_BLOCKS as u64;
    for seq in 0..end {
        writer.publish(seq, &samples);
        if seq % (N_BLOCKS as u64 / 2) == 0 {
            catch_up(readers, &mut out);
        }
    }
    catch_up(readers, &mut out);
    end
}

fn catch_up(readers: &mut [Box<dyn Poll>], out: &mut [f32]) {
    readers.iter_mut().for_each(|reader| while reader.poll(out) {});
}

pub(super) fn samples() -> Vec<f32> {
    (0..N_SAMPLES).map(|i| i as f32 / N_SAMPLES as f32).collect()
}

/// Threads that poll flat out until they are stopped.
pub(super) struct Pollers {
    /// Set when the readers are to stop: because the writer is done, or because it can't be without that.
    pub(super) is_over: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Pollers {
    /// Returns when every one of them has begun.
    pub(super) fn start(readers: Vec<Box<dyn Poll>>, core: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let n_begun = Arc::new(AtomicUsize::new(0));
        let n_readers = readers.len();
        let threads = readers
            .into_iter()
            .map(|mut reader| {
                let is_over = Arc::clone(&is_over);
                let n_begun = Arc::clone(&n_begun);
                thread::spawn(move || {
                    os::pin_to(core);
                    // Relaxed, here and below: flags that order nothing.
                    n_begun.fetch_add(1, Ordering::Relaxed);
                    let mut out = vec![0.0; N_SAMPLES];
                    while !is_over.load(Ordering::Relaxed) {
                        reader.poll(&mut out);
                    }
                })
            })
            .collect();
        while n_begun.load(Ordering::Relaxed) < n_readers {
            thread::yield_now();
        }
        Self { is_over, threads }
    }

    /// Waits for the writer, and stops the readers when it is done. A writer that isn't done within `limit` waits for a
    /// reader that doesn't let go: stopping them frees it.
    pub(super) fn run_until_done<T>(self, writer: thread::JoinHandle<T>, limit: Duration) -> Result<T> {
        let begun = Instant::now();
        while !writer.is_finished() && begun.elapsed() < limit {
            thread::sleep(Duration::from_millis(1));
        }
        self.is_over.store(true, Ordering::Relaxed);
        let result = writer.join().map_err(|_| anyhow!("the writer's thread panicked"));
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("a reader's thread panicked"))?;
        }
        result
    }
}
