//! The progress bar of a simulation, on a terminal and once the work is seen to take a while.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use ra_engine::core::SampleRate;

use crate::screen;

/// Work that takes less than this shows no progress.
const PROGRESS_AFTER: Duration = Duration::from_millis(300);

/// How far a simulation is, as people see it.
pub(super) struct Progress {
    rate: SampleRate,
    start: Instant,
    is_terminal: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self { rate, start: Instant::now(), is_terminal: screen::is_terminal(), bar: None }
    }

    pub(super) fn show(&mut self, at: ra_sim::Progress) {
        if !self.is_terminal || (self.bar.is_none() && self.start.elapsed() < PROGRESS_AFTER) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("simulating {bar:40} {percent:>3} %  {msg}  {eta} left");
            ProgressBar::new(at.n_frames).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_position(at.done_frames);
        let done_s = self.rate.ns_of_frames(at.done_frames) as f64 / 1e9;
        bar.set_message(format!("{:.0} × real time", done_s / self.start.elapsed().as_secs_f64().max(1e-3)));
    }

    pub(super) fn clear(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
