//! A ring of a consumer's own behind its bus's: for one that may be later than the bus's ring is long. A thread of its own
//! carries blocks from one to the other and never waits for the consumer.

use std::sync::Arc;

use ra_queue::{BlockReader, BlockWriter, FanOutConfig, Join, QueueError, ReadOutcome, fan_out};

use crate::sink_shared::SinkShared;

/// Blocks that are carried before the caller gets to look around.
const BLOCKS_PER_PUMP: usize = 256;

/// The carrying end.
pub(crate) struct Cushion {
    bus: Box<dyn BlockReader>,
    writer: Box<dyn BlockWriter>,
    block: Vec<f32>,
    shared: Arc<SinkShared>,
    /// Blocks that are still to be carried for a consumer that leaves.
    left_blocks: Option<u64>,
}

/// What a look at the bus led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// There may be more.
    More,
    /// Nothing is left for now.
    Idle,
    /// Nothing more comes, or nobody wants it.
    Ended,
}

impl Cushion {
    /// A ring of `n_blocks` behind `bus`: the carrying end, and the reader that takes the place of `bus`.
    ///
    /// # Errors
    /// [`QueueError`] for a ring of more than 1 GiB.
    pub(crate) fn new(
        bus: Box<dyn BlockReader>,
        n_blocks: usize,
        samples_per_block: usize,
        shared: Arc<SinkShared>,
    ) -> Result<(Self, Box<dyn BlockReader>), QueueError> {
        let (writer, own) = fan_out(&FanOutConfig { n_blocks, samples_per_block, ..FanOutConfig::default() })?;
        shared.set_buffer_bytes(own.memory_bytes() as u64);
        let reader = own.subscribe(Join::Next);
        Ok((Self { bus, writer, block: vec![0.0; samples_per_block], shared, left_blocks: None }, reader))
    }

    /// Carries only what waits in the bus's ring at this moment, then ends.
    pub(crate) fn leave(&mut self) {
        if self.left_blocks.is_none() {
            self.left_blocks = Some(self.bus.lag_blocks());
        }
    }

    /// Carries what waits in the bus's ring.
    pub(crate) fn pump(&mut self) -> Pumped {
        for _ in 0..BLOCKS_PER_PUMP {
            if self.left_blocks == Some(0) || self.shared.is_frozen() {
                self.writer.close();
                return Pumped::Ended;
            }
            match self.bus.read(&mut self.block) {
                ReadOutcome::Block(stamp) => {
                    self.left_blocks = self.left_blocks.map(|left| left - 1);
                    self.writer.publish(&stamp, &self.block);
                }
                ReadOutcome::Lagged { n_blocks } => {
                    self.left_blocks = self.left_blocks.map(|left| left.saturating_sub(n_blocks));
                    self.shared.lose_before_cushion(n_blocks);
                }
                ReadOutcome::Empty => return Pumped::Idle,
                ReadOutcome::Closed => {
                    self.writer.close();
                    return Pumped::Ended;
                }
            }
        }
        Pumped::More
    }
}
