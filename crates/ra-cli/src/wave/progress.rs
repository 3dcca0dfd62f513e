//! The progress bar of a long file, on a terminal and once the work is seen to take a while.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use ra_engine::core::SampleRate;

use crate::screen;

/// Work that takes less than this shows no progress.
const PROGRESS_AFTER: Duration = Duration::from_millis(300);

/// How far a file is read, as people see it.
pub(super) struct Progress {
    /// Where the file says how long it is.
    n_frames: Option<u64>,
    rate: SampleRate,
    start: Instant,
    is_terminal: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new(n_frames: Option<u64>, rate: SampleRate) -> Self {
        Self { n_frames, rate, start: Instant::now(), is_terminal: screen::is_terminal(), bar: None }
    }

    pub(super) fn show(&mut self, done_frames: u64) {
        if !self.is_terminal || (self.bar.is_none() && self.start.elapsed() < PROGRESS_AFTER) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let (bar, template) = match self.n_frames {
                Some(n) => (ProgressBar::new(n), "reading {bar:40} {percent:>3} %  {msg}  {eta} left"),
                None => (ProgressBar::new_spinner(), "reading {spinner}  {msg}"),
            };
            bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_position(done_frames.min(self.n_frames.unwrap_or(u64::MAX)));
        let done_s = self.rate.ns_of_frames(done_frames) as f64 / 1e9;
        bar.set_message(format!("{:.0} × real time", done_s / self.start.elapsed().as_secs_f64().max(1e-3)));
    }
}

impl Drop for Progress {
    /// The terminal is as it was, after an error too.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
