//! A sink that keeps every sample.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::sync::{Arc, Mutex};

use ra_engine::core::{Block, Gap, Sink, SinkError, SinkReport, SinkStart};

/// Keeps every sample; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Keep(pub(crate) Arc<Mutex<Vec<f32>>>);

impl Keep {
    /// One of `n` channels.
    pub(crate) fn lane(&self, channel: usize, n: usize) -> Vec<f32> {
        self.0.lock().unwrap().iter().skip(channel).step_by(n).copied().collect()
    }
}

impl Sink for Keep {
    fn start(&mut self, _: &SinkStart) -> Result<(), SinkError> {
        Ok(())
    }
    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        let mut kept = self.0.lock().unwrap();
        assert_eq!(block.stamp.position.0 as usize * block.spec.channels.get(), kept.len(), "positions tell the place");
        kept.extend_from_slice(block.samples);
        Ok(())
    }
    fn gap(&mut self, gap: &Gap) -> Result<(), SinkError> {
        Err(SinkError::Fatal(format!("a gap: {gap:?}")))
    }
    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        Ok(SinkReport::default())
    }
}
