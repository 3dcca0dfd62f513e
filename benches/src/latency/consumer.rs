//! A consumer with a thread of its own, that waits by absolute deadlines and notes when it has each block.
//!
//! The ring wakes nobody: who reads it decides when to look. This one knows when the next block is due, looks a little
//! later, and again at short intervals while it is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Result, anyhow};
use ra_core::{BlockStamp, Clock, SystemClock};
use ra_engine::{BusEvent, BusReader};

use super::Deadlines;
use super::probe::time_in;
use crate::{ask_for_fifo, describe_grant};

/// What the consumer's thread asks for: below the mixer.
pub const CONSUMER_PRIORITY: i32 = 60;
/// How long after a block's deadline it looks for the first time.
pub const FIRST_LOOK_NS: u64 = 50_000;
/// How long it waits between two looks at a block that is not there yet.
pub const LOOK_AGAIN_NS: u64 = 50_000;

/// A block in a consumer's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadBlock {
    pub(super) stamp: BlockStamp,
    /// When the read returned.
    pub(super) read_ns: u64,
}

/// What a consumer has noted.
#[derive(Clone, Debug, Default)]
pub(super) struct ConsumerLog {
    /// What its thread was granted.
    pub(super) grant: String,
    pub(super) blocks: Vec<ReadBlock>,
    /// Everything that it heard, where it was to keep it.
    pub(super) sound: Vec<f32>,
    /// Sequence numbers, and when the mixer had published `main`'s block of that number.
    pub(super) published: Vec<(u64, u64)>,
    pub(super) n_lagged_blocks: u64,
    pub(super) n_looks: u64,
}

/// What a consumer is to note.
pub(super) struct ConsumerTask {
    pub(super) reader: BusReader,
    /// The bus of the [`super::probe::PublishProbe`].
    pub(super) probe: Option<BusReader>,
    pub(super) keeps_sound: bool,
    pub(super) deadlines: Deadlines,
    /// So many blocks will come at most.
    pub(super) capacity_blocks: usize,
}

/// A consumer that runs.
pub(super) struct Consumer {
    quit: Arc<AtomicBool>,
    thread: JoinHandle<ConsumerLog>,
}

impl Consumer {
    /// Starts its thread.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn spawn(task: ConsumerTask) -> std::io::Result<Self> {
        let quit = Arc::new(AtomicBool::new(false));
        let quit_seen = Arc::clone(&quit);
        let thread = thread::Builder::new().name("consumer".to_owned()).spawn(move || run(task, &quit_seen))?;
        Ok(Self { quit, thread })
    }

    /// Ends it and takes what it has noted.
    ///
    /// # Errors
    /// Its thread has panicked.
    pub(super) fn finish(self) -> Result<ConsumerLog> {
        // Relaxed: nothing is handed over by it.
        self.quit.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the consumer's thread has panicked"))
    }
}

fn run(task: ConsumerTask, quit: &AtomicBool) -> ConsumerLog {
    let ConsumerTask { mut reader, mut probe, keeps_sound, deadlines, capacity_blocks } = task;
    let n_samples = if keeps_sound { reader.spec().samples(reader.block_frames()) * capacity_blocks } else { 0 };
    let mut log = ConsumerLog {
        grant: describe_grant(CONSUMER_PRIORITY, &ask_for_fifo(CONSUMER_PRIORITY)),
        blocks: Vec::with_capacity(capacity_blocks),
        sound: Vec::with_capacity(n_samples),
        published: Vec::with_capacity(if probe.is_some() { capacity_blocks } else { 0 }),
        ..ConsumerLog::default()
    };
    let clock = SystemClock;
    let mut due_ns = clock.now_ns();
    while !quit.load(Ordering::Relaxed) {
        log.n_looks += 1;
        loop {
            match reader.read() {
                BusEvent::Block(block) => {
                    log.blocks.push(ReadBlock { stamp: block.stamp, read_ns: clock.now_ns() });
                    if keeps_sound {
                        log.sound.extend_from_slice(block.samples);
                    }
                    due_ns = deadlines.of(block.end_position()) + FIRST_LOOK_NS;
                }
                BusEvent::Lagged { n_blocks } => log.n_lagged_blocks += n_blocks,
                BusEvent::Empty => break,
                BusEvent::Ended | BusEvent::Disconnected { .. } => return log,
            }
        }
        if let Some(probe) = &mut probe {
            // What is not there yet is there at the next look.
            while let BusEvent::Block(block) = probe.read() {
                log.published.extend(time_in(block.samples).map(|published_ns| (block.stamp.seq, published_ns)));
            }
        }
        let now_ns = clock.now_ns();
        clock.sleep_until_ns(if due_ns > now_ns { due_ns } else { now_ns + LOOK_AGAIN_NS });
    }
    log
}
