//! What it costs to publish a block, by the number of readers and by what they do meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use serde::Serialize;

use crate::contestants::{Contestant, N_BLOCKS, N_SAMPLES, Poll};
use crate::os;
use crate::timing::{BATCH, Timing, spin_for, time, time_alone};

/// How many readers there are in each run.
pub(crate) const READERS: [usize; 7] = [0, 1, 2, 4, 8, 16, 32];

/// How much longer than twice its time a run may take before its readers are stopped.
pub(crate) const PATIENCE: Duration = Duration::from_millis(250);

/// What the readers do while the writer publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Readers {
    /// They read what there is, in the writer's thread and off the clock.
    Idle,
    /// They poll flat out, on threads of their own, on another core than the writer's.
    Polling,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PublishRow {
    pub(crate) contestant: &'static str,
    pub(crate) readers: Readers,
    pub(crate) n_readers: usize,
    #[serde(flatten)]
    pub(crate) timing: Timing,
}

/// Publishes with readers that only catch up off the clock.
pub(crate) fn with_idle_readers(contestant: Contestant, n_readers: usize, budget: Duration) -> Result<PublishRow> {
    let (mut writer, mut readers) = contestant.make(n_readers)?;
    let samples = samples();
    let mut out = vec![0.0; N_SAMPLES];
    let mut seq = 0;
    let mut catch_up = || readers.iter_mut().for_each(|reader| while reader.poll(&mut out) {});
    // Two laps, so that all memory is there.
    for seq in 0..2 * N_BLOCKS as u64 {
        writer.publish(seq, &samples);
        catch_up();
    }
    let publish = || {
        writer.publish(seq, std::hint::black_box(&samples));
        seq += 1;
    };
    // Once in half a ring and not after every batch: else what is measured is the caches that 32 readers leave behind.
    let mut n_batches = 0_u64;
    let between = || {
        n_batches += 1;
        if n_batches.is_multiple_of(N_BLOCKS as u64 / 2 / u64::from(BATCH)) {
            catch_up();
        }
    };
    let timing = time_alone(budget, publish, between);
    Ok(PublishRow { contestant: contestant.name(), readers: Readers::Idle, n_readers, timing })
}

/// Publishes on `cores[0]` while the readers poll on `cores[1]`.
pub(crate) fn with_polling_readers(
    contestant: Contestant,
    n_readers: usize,
    cores: [usize; 2],
    budget: Duration,
) -> Result<PublishRow> {
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
    let timing = pollers.run_until_done(writer, 2 * budget + PATIENCE)?;
    Ok(PublishRow { contestant: contestant.name(), readers: Readers::Polling, n_readers, timing })
}

fn samples() -> Vec<f32> {
    (0..N_SAMPLES).map(|i| i as f32 / N_SAMPLES as f32).collect()
}

/// Threads that poll flat out until they are stopped.
pub(crate) struct Pollers {
    /// Set when the readers are to stop: because the writer is done, or because it can't be without that.
    pub(crate) is_over: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Pollers {
    /// Returns when every one of them has begun.
    pub(crate) fn start(readers: Vec<Box<dyn Poll>>, core: usize) -> Self {
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
    pub(crate) fn run_until_done<T>(self, writer: thread::JoinHandle<T>, limit: Duration) -> Result<T> {
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
