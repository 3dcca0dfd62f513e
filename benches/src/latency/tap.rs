//! A sink that notes when the engine hands it each block: what an application's own sink gets.

use std::sync::mpsc;

use ra_core::{Block, Clock, Gap, Sink, SinkError, SinkReport, SinkStart, SystemClock};

use super::consumer::ReadBlock;

/// Notes the time of every block.
pub(super) struct Tap {
    blocks: Vec<ReadBlock>,
    log: mpsc::Sender<Vec<ReadBlock>>,
}

impl Tap {
    /// A tap with room for `capacity_blocks`, and where its log comes out when it is finished.
    pub(super) fn new(capacity_blocks: usize) -> (Self, mpsc::Receiver<Vec<ReadBlock>>) {
        let (log, logs) = mpsc::channel();
        (Self { blocks: Vec::with_capacity(capacity_blocks), log }, logs)
    }
}

impl Sink for Tap {
    fn start(&mut self, _start: &SinkStart) -> Result<(), SinkError> {
        Ok(())
    }

    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        self.blocks.push(ReadBlock { stamp: block.stamp, read_ns: SystemClock.now_ns() });
        Ok(())
    }

    fn gap(&mut self, _gap: &Gap) -> Result<(), SinkError> {
        // The engine counts them, and the positions of the blocks show them.
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        // Nobody listens where the scene failed.
        drop(self.log.send(std::mem::take(&mut self.blocks)));
        Ok(SinkReport::default())
    }
}
