//! Consumers, healthy and sick ones. Each does what it does for as long as it lives.

use std::io::{Error, ErrorKind};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use ra_core::{Block, Gap, Sink, SinkError, SinkReport, SinkStart};

/// What a consumer does with a block, after its first hundred.
pub(super) enum Manner {
    /// Reads every sample.
    Healthy,
    /// Does not return before the other end of this is dropped.
    Stopped(Receiver<()>),
    /// Takes ten times as long as the block lasts.
    TenthSpeed,
    /// Finds no room.
    FullDisk,
    /// Panics, without a word on stderr.
    Panicking,
}

/// A consumer.
pub(super) struct Consumer {
    pub(super) manner: Manner,
    pub(super) n_blocks: u64,
    pub(super) sum: f64,
}

/// Blocks that each takes well, so that it is there when it falls sick.
const WELL_BLOCKS: u64 = 100;

impl Sink for Consumer {
    fn start(&mut self, _start: &SinkStart) -> Result<(), SinkError> {
        Ok(())
    }

    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        self.n_blocks += 1;
        self.sum += block.samples.iter().map(|&sample| f64::from(sample)).sum::<f64>();
        if self.n_blocks < WELL_BLOCKS {
            return Ok(());
        }
        match &self.manner {
            Manner::Healthy => Ok(()),
            Manner::Stopped(never) => {
                // An error says that the other end is gone: the end of the bench.
                let _ = never.recv();
                Ok(())
            }
            Manner::TenthSpeed => {
                let seconds = block.n_frames() as f64 / f64::from(block.spec.sample_rate.hz());
                std::thread::sleep(Duration::from_secs_f64(10.0 * seconds));
                Ok(())
            }
            Manner::FullDisk => {
                let cause = Error::from(ErrorKind::StorageFull);
                Err(SinkError::File { path: "full.wav".into(), cause })
            }
            // As a panic does, but for the hook that writes it down.
            Manner::Panicking => std::panic::resume_unwind(Box::new("told to panic")),
        }
    }

    fn gap(&mut self, _gap: &Gap) -> Result<(), SinkError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        Ok(SinkReport {
            notes: vec![format!("{} blocks, their sum {}", self.n_blocks, self.sum)],
            ..Default::default()
        })
    }
}
