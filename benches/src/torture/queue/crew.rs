//! The threads of one round, each on its core, and a hard end for all of them. Knows nothing of what they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Findings, os};

/// How long threads that were told to give up may take to do so.
const GRACE: Duration = Duration::from_secs(1);

/// Threads that each come back with what they found.
pub(super) struct Crew {
    threads: Vec<(String, JoinHandle<Findings>)>,
    n_begun: Arc<AtomicUsize>,
    gives_up: Arc<AtomicBool>,
}

impl Crew {
    pub(super) fn new() -> Self {
        Self { threads: Vec::new(), n_begun: Arc::default(), gives_up: Arc::default() }
    }

    /// Set when the threads are long past their end: each looks at it and leaves.
    pub(super) fn gives_up(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.gives_up)
    }

    /// Starts a thread, on `core` where one is given.
    pub(super) fn hire(
        &mut self,
        name: String,
        core: Option<usize>,
        work: impl FnOnce() -> Findings + Send + 'static,
    ) -> Result<()> {
        let n_begun = Arc::clone(&self.n_begun);
        let body = move || {
            if let Some(core) = core {
                os::pin_to(core);
            }
            // Relaxed: a count that orders nothing.
            n_begun.fetch_add(1, Ordering::Relaxed);
            work()
        };
        let thread = thread::Builder::new().name(name.clone()).spawn(body).context("no thread can be had")?;
        self.threads.push((name, thread));
        Ok(())
    }

    /// Returns when every thread that was hired runs.
    pub(super) fn muster(&self) {
        while self.n_begun.load(Ordering::Relaxed) < self.threads.len() {
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// Waits for all threads, no longer than `limit` and a second; gives the sum of what they found. One that panicked
    /// or didn't end in time counts as failed, and is named on stderr; one that never ends is left behind.
    pub(super) fn finish(self, limit: Duration) -> Findings {
        self.wait(limit);
        let late: Vec<bool> = self.threads.iter().map(|(_, thread)| !thread.is_finished()).collect();
        if late.contains(&true) {
            // Relaxed: a flag that orders nothing.
            self.gives_up.store(true, Ordering::Relaxed);
            self.wait(GRACE);
        }
        let mut findings = Findings::default();
        for ((name, thread), is_late) in self.threads.into_iter().zip(late) {
            let mut is_well = !is_late;
            if is_late {
                eprintln!("{name}: was not at its end after {:.1} s", limit.as_secs_f64());
            }
            if thread.is_finished() {
                match thread.join() {
                    Ok(found) => findings += found,
                    Err(_) => {
                        eprintln!("{name}: panicked");
                        is_well = false;
                    }
                }
            }
            findings.failed += u64::from(!is_well);
        }
        findings
    }

    fn wait(&self, limit: Duration) {
        let begun = Instant::now();
        while self.threads.iter().any(|(_, thread)| !thread.is_finished()) && begun.elapsed() < limit {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_added_up_and_failures_are_counted() {
        let mut crew = Crew::new();
        let gives_up = crew.gives_up();
        crew.hire("honest".to_owned(), None, || Findings { read: 3, ..Findings::default() }).unwrap();
        crew.hire("brittle".to_owned(), None, || panic!("on purpose")).unwrap();
        crew.hire("obedient".to_owned(), None, move || {
            while !gives_up.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            Findings { read: 4, ..Findings::default() }
        })
        .unwrap();
        crew.hire("stubborn".to_owned(), None, || {
            loop {
                thread::park();
            }
        })
        .unwrap();
        crew.muster();
        while !crew.threads[..2].iter().all(|(_, thread)| thread.is_finished()) {
            thread::yield_now();
        }
        let found = crew.finish(Duration::from_millis(50));
        assert_eq!(found, Findings { read: 7, failed: 3, ..Findings::default() });
    }
}
