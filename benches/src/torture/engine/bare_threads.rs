//! What the machine itself does to a thread with the engine's period: one bare thread on each core, of a class just above
//! the mixer's, that wakes, reads the clock and waits again. Mixes nothing.

#![cfg_attr(target_os = "linux", allow(unsafe_code, reason = "a thread's core has no safe form in the dependencies"))]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};
use ra_core::{Clock, SystemClock};

use super::lateness::Wake;
use crate::{ask_for_fifo, describe_grant};

/// Above the mixer's 70, so that the mixer cannot make them late; they cost it a microsecond at most.
const PRIORITY: i32 = 71;

/// Threads that wake and wait.
pub(super) struct BareThreads {
    quit: Arc<AtomicBool>,
    threads: Vec<JoinHandle<BareLog>>,
}

/// What one of them has seen.
#[derive(Clone, Debug)]
pub(super) struct BareLog {
    /// Where it ran and as what.
    pub(super) place: String,
    pub(super) wakes: Vec<Wake>,
}

impl BareThreads {
    /// One for each core that this process may use; deadlines every `period_ns` from `start_ns` on, room for `capacity` of
    /// them each.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn spawn(start_ns: u64, period_ns: u64, capacity: usize) -> std::io::Result<Self> {
        let mut bare = Self { quit: Arc::new(AtomicBool::new(false)), threads: Vec::new() };
        for core in platform::allowed_cores() {
            let quit = Arc::clone(&bare.quit);
            let work = move || run(core, (start_ns, period_ns), capacity, &quit);
            bare.threads.push(std::thread::Builder::new().name(format!("storm-bare-{core}")).spawn(work)?);
        }
        Ok(bare)
    }

    /// Ends them and takes what they have seen.
    ///
    /// # Errors
    /// One has panicked.
    pub(super) fn finish(mut self) -> Result<Vec<BareLog>> {
        self.end();
        let threads = std::mem::take(&mut self.threads);
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a bare thread has panicked"))).collect()
    }

    fn end(&self) {
        // Relaxed: nothing is handed over by it.
        self.quit.store(true, Ordering::Relaxed);
    }
}

impl Drop for BareThreads {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(core: usize, (start_ns, period_ns): (u64, u64), capacity: usize, quit: &AtomicBool) -> BareLog {
    let where_it_is = if platform::pin_to(core) { format!("core {core}") } else { "any core".to_owned() };
    let grant = describe_grant(PRIORITY, &ask_for_fifo(PRIORITY));
    let mut log = BareLog { place: format!("{where_it_is}, {grant}"), wakes: Vec::with_capacity(capacity) };
    let first = SystemClock.now_ns().saturating_sub(start_ns) / period_ns + 1;
    for n in first.. {
        let due_ns = start_ns + n * period_ns;
        SystemClock.sleep_until_ns(due_ns);
        if quit.load(Ordering::Relaxed) || log.wakes.len() == capacity {
            break;
        }
        log.wakes.push(Wake { due_ns, late_ns: SystemClock.now_ns().saturating_sub(due_ns) });
    }
    log
}

#[cfg(target_os = "linux")]
mod platform {
    pub(super) fn allowed_cores() -> Vec<usize> {
        // SAFETY: all zeros is an empty set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live set of the size that is given; 0 is this thread.
        if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } != 0 {
            return vec![0];
        }
        // SAFETY: every index is below the size of the set.
        (0..libc::CPU_SETSIZE as usize).filter(|&core| unsafe { libc::CPU_ISSET(core, &set) }).collect()
    }

    pub(super) fn pin_to(core: usize) -> bool {
        // SAFETY: all zeros is an empty set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the core came from `allowed_cores`, so it is below the size of the set.
        unsafe { libc::CPU_SET(core, &mut set) };
        // SAFETY: the pointer is to a live set of the size that is given; 0 is this thread.
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0 }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    /// As many as there are; which ones they are is not known here.
    pub(super) fn allowed_cores() -> Vec<usize> {
        (0..std::thread::available_parallelism().map_or(1, usize::from)).collect()
    }

    pub(super) fn pin_to(_core: usize) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_is_watched_from_its_deadlines() {
        let start_ns = SystemClock.now_ns();
        let bare = BareThreads::spawn(start_ns, 1_000_000, 20).unwrap();
        let logs: Vec<BareLog> = {
            // Their room is what ends them.
            while !bare.threads.iter().all(JoinHandle::is_finished) {
                std::thread::yield_now();
            }
            bare.finish().unwrap()
        };
        assert_eq!(logs.len(), platform::allowed_cores().len());
        for log in &logs {
            assert_eq!(log.wakes.len(), 20, "{}", log.place);
            assert!(log.wakes.windows(2).all(|pair| pair[1].due_ns - pair[0].due_ns == 1_000_000));
        }
    }
}
