//! A reader of a bus beside the recorders: counts what it gets and what it loses, and disturbs nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use ra_engine::{BusEvent, BusReader};

/// What a reader has seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) frames: u64,
    pub(super) lost_blocks: u64,
    /// Blocks that did not begin where the one before them ended.
    pub(super) jumps: u64,
}

/// A thread that reads.
pub(super) struct CountingReader {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl CountingReader {
    pub(super) fn spawn(mut reader: BusReader) -> std::io::Result<Self> {
        let ends = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&ends);
        let thread = std::thread::Builder::new().name("torture-reader".to_owned()).spawn(move || {
            let (mut seen, mut next) = (Seen::default(), None);
            loop {
                match reader.read() {
                    BusEvent::Block(block) => {
                        let position = block.stamp.position.0;
                        seen.jumps += u64::from(next.is_some_and(|next| next != position));
                        seen.frames += block.n_frames() as u64;
                        next = Some(position + block.n_frames() as u64);
                    }
                    BusEvent::Lagged { n_blocks } => seen.lost_blocks += n_blocks,
                    BusEvent::Empty if asked.load(Ordering::Acquire) => return seen,
                    // The rings hold seconds.
                    BusEvent::Empty => std::thread::sleep(Duration::from_millis(5)),
                    BusEvent::Ended | BusEvent::Disconnected { .. } => return seen,
                }
            }
        })?;
        Ok(Self { ends, thread })
    }

    /// Ends the reading.
    pub(super) fn finish(self) -> Result<Seen> {
        self.ends.store(true, Ordering::Release);
        self.thread.join().map_err(|_| anyhow!("the reader has panicked"))
    }
}
