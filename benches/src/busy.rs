//! Keeps every core busy with ordinary threads, as a machine that has other work to do. Measures nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Bytes that each thread goes over again and again: more than the first caches hold.
const MEMORY_BYTES: usize = 1 << 20;

/// One ordinary thread per core that computes without end. Drop it to end them.
#[derive(Debug)]
pub struct BusyCores {
    quit: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

impl BusyCores {
    /// Starts a thread for each core that this process may use.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn all() -> std::io::Result<Self> {
        let n_cores = thread::available_parallelism().map_or(1, usize::from);
        let mut busy = Self { quit: Arc::new(AtomicBool::new(false)), threads: Vec::new() };
        for n in 0..n_cores {
            let quit = Arc::clone(&busy.quit);
            busy.threads.push(thread::Builder::new().name(format!("busy-{n}")).spawn(move || compute(&quit))?);
        }
        Ok(busy)
    }

    /// How many threads compute.
    pub fn n_threads(&self) -> usize {
        self.threads.len()
    }
}

impl Drop for BusyCores {
    fn drop(&mut self) {
        // Relaxed: nothing is handed over by it.
        self.quit.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that only adds up cannot have panicked.
            drop(thread.join());
        }
    }
}

fn compute(quit: &AtomicBool) -> u64 {
    let mut memory = vec![1_u64; MEMORY_BYTES / size_of::<u64>()];
    let mut sum = 0_u64;
    while !quit.load(Ordering::Relaxed) {
        for word in &mut memory {
            *word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum = sum.wrapping_add(*word);
        }
    }
    std::hint::black_box(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_has_its_thread_and_all_of_them_end() {
        let busy = BusyCores::all().unwrap();
        assert_eq!(busy.n_threads(), thread::available_parallelism().unwrap().get());
        let quit = Arc::clone(&busy.quit);
        drop(busy);
        // Ours is the last one that is left.
        assert_eq!(Arc::strong_count(&quit), 1);
    }
}
