//! The two ends of a queue in one thread and on two cores: what is timed, and the check that what comes out is what went
//! in. The same code for every way, on the same memory.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use super::ways::{Scene, SpscReader, SpscWriter, Way};
use super::{CAPACITY_FRAMES, N_CHANNELS, SLICES};
use crate::queue::os;
use crate::queue::timing::{Lap, time_alone};

/// Samples between two looks at the clock where both ends run flat out.
const SAMPLES_PER_BATCH: usize = 32 * 1_024;

/// A delivery is written and read, in turn, in one thread.
pub(super) struct Uncontended {
    pub(super) n_frames: usize,
    pub(super) budget: Duration,
}

/// Writer and reader flat out, on a core each.
pub(super) struct Contended {
    pub(super) n_frames: usize,
    pub(super) cores: [usize; 2],
    pub(super) budget: Duration,
}

/// Deliveries of all kinds of values through a ring that runs full: every sample comes back, in order.
struct Check {
    n_frames: usize,
}

/// The memory at either end: on cache lines of its own, so that no way is slower for where its allocator put things.
#[repr(align(64))]
struct Aligned([f32; SLICES[SLICES.len() - 1] * N_CHANNELS]);

impl Aligned {
    fn new() -> Box<Self> {
        Box::new(Self(std::array::from_fn(|i| i as f32)))
    }
}

impl Scene for Uncontended {
    type Outcome = Lap;

    fn run(&self, mut writer: impl SpscWriter, mut reader: impl SpscReader) -> Result<Lap> {
        let n_samples = self.n_frames * N_CHANNELS;
        let (samples, mut out) = (Aligned::new(), Aligned::new());
        let mut n_short = 0_u64;
        let mut pass = || {
            let n_written = writer.write(std::hint::black_box(&samples.0[..n_samples]));
            let n_read = reader.read(std::hint::black_box(&mut out.0[..n_samples]));
            n_short += u64::from(n_written != n_samples || n_read != n_samples);
        };
        // Two laps, so that all memory is there.
        (0..2 * CAPACITY_FRAMES / self.n_frames).for_each(|_| pass());
        let lap = time_alone(self.budget, pass, || ());
        ensure!(n_short == 0, "{n_short} deliveries did not go through an empty queue");
        Ok(lap)
    }
}

impl Scene for Contended {
    type Outcome = Lap;

    fn run(&self, mut writer: impl SpscWriter, mut reader: impl SpscReader) -> Result<Lap> {
        let n_samples = self.n_frames * N_CHANNELS;
        let is_over = AtomicBool::new(false);
        let barrier = Barrier::new(2);
        let [writer_core, reader_core] = self.cores;
        thread::scope(|scope| {
            scope.spawn(|| {
                os::pin_to(writer_core);
                let mut samples = Aligned::new();
                barrier.wait();
                for n in 0_u64.. {
                    samples.0[0] = mark(n);
                    let mut rest = &samples.0[..n_samples];
                    while !rest.is_empty() {
                        let n_written = writer.write(rest);
                        rest = &rest[n_written..];
                        if n_written == 0 {
                            // Relaxed: a flag that orders nothing. The reader sets it and reads no more, so that the
                            // queue fills up.
                            if is_over.load(Ordering::Relaxed) {
                                return;
                            }
                            std::hint::spin_loop();
                        }
                    }
                }
            });
            let reader = scope.spawn(|| {
                os::pin_to(reader_core);
                let mut out = Aligned::new();
                let per_batch = (SAMPLES_PER_BATCH / n_samples) as u64;
                let mut batches = Vec::with_capacity(1 << 14);
                let mut n_wrong = 0_u64;
                let mut n = 0_u64;
                barrier.wait();
                let begun = Instant::now();
                let mut start = begun;
                while begun.elapsed() < self.budget && batches.len() < batches.capacity() {
                    for _ in 0..per_batch {
                        let mut n_read = 0;
                        while n_read < n_samples {
                            let n_more = reader.read(&mut out.0[n_read..n_samples]);
                            n_read += n_more;
                            if n_more == 0 {
                                std::hint::spin_loop();
                            }
                        }
                        n_wrong += u64::from(out.0[0] != mark(n));
                        n += 1;
                    }
                    let end = Instant::now();
                    batches.push((end - start).as_nanos() as f64 / per_batch as f64);
                    start = end;
                }
                is_over.store(true, Ordering::Relaxed);
                (batches, n_wrong)
            });
            let (batches, n_wrong) = reader.join().map_err(|_| anyhow!("the reader's thread panicked"))?;
            ensure!(n_wrong == 0, "{n_wrong} deliveries are not what was written");
            Ok(Lap::of_batches(&batches))
        })
    }
}

impl Scene for Check {
    type Outcome = ();

    fn run(&self, mut writer: impl SpscWriter, mut reader: impl SpscReader) -> Result<()> {
        let n_samples = self.n_frames * N_CHANNELS;
        let (mut n_in, mut n_out) = (0_usize, 0_usize);
        let mut out = vec![0.0; n_samples];
        for _ in 0..3 {
            for _ in 0..=CAPACITY_FRAMES / self.n_frames {
                let samples: Vec<f32> = (n_in..n_in + n_samples).map(mark_of_sample).collect();
                n_in += writer.write(&samples);
            }
            ensure!(n_in - n_out == CAPACITY_FRAMES * N_CHANNELS, "{} samples in a full queue", n_in - n_out);
            while n_out < n_in {
                let n_read = reader.read(&mut out);
                ensure!(n_read > 0, "sample {n_out} is missing");
                ensure!(out[..n_read].iter().zip(n_out..).all(|(x, n)| *x == mark_of_sample(n)), "wrong at {n_out}");
                n_out += n_read;
            }
        }
        Ok(())
    }
}

/// Every way must give back every sample that it took, in order: else its figures mean nothing.
pub(in crate::queue) fn check_all() -> Result<()> {
    for way in Way::ALL {
        for n_frames in SLICES {
            way.run(n_frames, &Check { n_frames }).map_err(|cause| anyhow!("{}: {cause}", way.name()))?;
        }
    }
    Ok(())
}

/// What the first sample of a delivery says: a whole number that an `f32` holds exactly.
fn mark(n: u64) -> f32 {
    (n % (1 << 24)) as f32
}

fn mark_of_sample(n: usize) -> f32 {
    mark(n as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_gives_back_what_it_took() {
        check_all().unwrap();
    }

    /// A reader that gives back something else must be found out.
    struct Liar<R>(R, u32);

    impl<R: SpscReader> SpscReader for Liar<R> {
        fn read(&mut self, out: &mut [f32]) -> usize {
            let n_read = self.0.read(out);
            self.1 += 1;
            if self.1 == 7 {
                out[0] += 1.0;
            }
            n_read
        }
    }

    struct Lying<S>(S);

    impl<S: Scene> Scene for Lying<S> {
        type Outcome = S::Outcome;

        fn run(&self, writer: impl SpscWriter, reader: impl SpscReader) -> Result<S::Outcome> {
            self.0.run(writer, Liar(reader, 0))
        }
    }

    #[test]
    fn a_queue_that_spoils_a_sample_is_found_out() {
        for way in Way::ALL {
            let error = way.run(64, &Lying(Check { n_frames: 64 })).unwrap_err();
            assert!(error.to_string().starts_with("wrong at "), "{error}");
        }
    }
}
