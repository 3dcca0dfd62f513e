//! Everything that the bench finds, in the order in which it is looked for.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::instructions::{self, Instructions};
use super::preempted::{self, Preempted};
use super::publish::{self, PublishRow};
use super::read::{self, ReadRow};
use super::spsc::{self, SpscRow};
use super::target::{Target, targets};
use super::{contestants, os, pictures};

/// How much of everything is done.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    /// Rounds in which everybody has a turn.
    n_rounds: usize,
    /// A turn of one thread.
    lap: Duration,
    /// A turn of several threads.
    threads_lap: Duration,
    /// Rounds of threads that poll, which are many threads and long.
    n_polling_rounds: usize,
    n_preempted_rounds: usize,
    /// A turn of the scene with preempted readers.
    preempted_lap: Duration,
}

impl Lengths {
    /// Shows that the bench works.
    pub const QUICK: Self = Self {
        n_rounds: 3,
        lap: Duration::from_millis(4),
        threads_lap: Duration::from_millis(10),
        n_polling_rounds: 1,
        n_preempted_rounds: 3,
        preempted_lap: Duration::from_millis(100),
    };
    /// For figures.
    pub const FULL: Self = Self {
        n_rounds: 15,
        lap: Duration::from_millis(40),
        threads_lap: Duration::from_millis(60),
        n_polling_rounds: 5,
        n_preempted_rounds: 10,
        preempted_lap: Duration::from_secs(3),
    };
}

/// What the bench found.
#[derive(Debug, Serialize)]
pub struct QueueFigures {
    /// Whether every queue had fresh pages in each round, and its samples lay in them as everybody else's.
    pub(super) fresh_pages: bool,
    pub(super) publish: Vec<PublishRow>,
    pub(super) read: Vec<ReadRow>,
    pub(super) spsc: Vec<SpscRow>,
    /// Missing where no core could be had for it.
    pub(super) preempted: Option<Preempted>,
    pub(super) instructions: Instructions,
    pub(super) targets: Vec<Target>,
}

impl QueueFigures {
    /// Checks that every contestant delivers, then measures. `tell` hears what is going on.
    ///
    /// # Errors
    /// A contestant does not deliver what it was given, or a thread ends in a panic.
    pub fn measure(lengths: &Lengths, tell: &dyn Fn(&str)) -> Result<Self> {
        let cores = os::allowed_cores();
        let fresh_pages = os::use_fresh_pages();
        contestants::check_all()?;
        spsc::check_all()?;
        tell("every contestant delivers everything, unharmed and in order; instructions");
        let instructions = instructions::measure()?;
        tell("publish, idle readers");
        let mut publish = publish::with_idle_readers(lengths.n_rounds, lengths.lap)?;
        tell("read");
        let read = read::measure(lengths.n_rounds, lengths.lap)?;
        tell("one writer, one reader, one thread");
        let mut spsc = spsc::uncontended(lengths.n_rounds, lengths.lap)?;
        if let [one, other, ..] = *cores {
            tell("one writer, one reader, two cores");
            spsc.extend(spsc::contended([one, other], lengths.n_rounds, lengths.threads_lap)?);
            tell("publish, polling readers");
            publish.extend(publish::with_polling_readers([one, other], lengths.n_polling_rounds, lengths.threads_lap)?);
        }
        tell("publish, preempted readers");
        let run = |&core: &usize| preempted::run(core, lengths.n_preempted_rounds, lengths.preempted_lap);
        let preempted = cores.first().map(run).transpose()?;
        tell("done");
        let targets = targets(&publish, &read, &spsc, preempted.as_ref(), &instructions);
        Ok(Self { fresh_pages, publish, read, spsc, preempted, instructions, targets })
    }

    /// Draws the bench's pictures into a folder; returns how many.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn draw(&self, folder: &Path) -> Result<usize> {
        pictures::draw(self, folder)
    }
}
