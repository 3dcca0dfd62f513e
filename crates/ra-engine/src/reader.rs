//! A bus as a consumer with its own thread sees it.

use ra_core::{Block, BlockStamp, StreamSpec};
use ra_queue::{BlockReader, ReadOutcome, ReaderCounts};

use crate::lag::{Lag, LagRule};

/// Reads a bus's blocks with a cursor of its own. Leaves by being dropped.
///
/// # Examples
/// See `examples/mix_and_consume.rs` of this crate.
pub struct BusReader {
    pub(crate) spec: StreamSpec,
    pub(crate) buffer: Vec<f32>,
    pub(crate) reader: Box<dyn BlockReader>,
    pub(crate) lag_rule: LagRule,
    pub(crate) is_disconnected: bool,
}

/// What a look at the bus found. Lag, end and nothing-yet are three things.
#[derive(Debug)]
pub enum BusEvent<'a> {
    /// The next block. Its samples are a copy: nobody overwrites them.
    Block(Block<'a>),
    /// The reader was later than it may be, or overtaken, and lost exactly that many blocks.
    Lagged {
        /// How many.
        n_blocks: u64,
    },
    /// The reader was later than it may be, and its rule is to be disconnected: only [`BusEvent::Ended`] comes after this.
    Disconnected {
        /// By how many blocks it was behind; they count as lost once the reader is dropped.
        lag_blocks: u64,
    },
    /// Nothing new yet.
    Empty,
    /// The bus or the engine has ended, and everything was read.
    Ended,
}

/// As [`BusEvent`], without the block itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Block(BlockStamp),
    Lagged { n_blocks: u64 },
    Disconnected { lag_blocks: u64 },
    Empty,
    Ended,
}

impl BusReader {
    /// Rate and channels of the blocks.
    pub fn spec(&self) -> StreamSpec {
        self.spec
    }

    /// Frames in a block.
    pub fn block_frames(&self) -> usize {
        self.spec.frames(self.buffer.len())
    }

    /// The next block, if there is one. Never waits.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn read(&mut self) -> BusEvent<'_> {
        match self.look() {
            Look::Block(stamp) => BusEvent::Block(self.block(stamp)),
            Look::Lagged { n_blocks } => BusEvent::Lagged { n_blocks },
            Look::Disconnected { lag_blocks } => BusEvent::Disconnected { lag_blocks },
            Look::Empty => BusEvent::Empty,
            Look::Ended => BusEvent::Ended,
        }
    }

    /// As [`BusReader::read`]; a block stays in the buffer, for [`BusReader::block`].
    pub(crate) fn look(&mut self) -> Look {
        if self.is_disconnected {
            return Look::Ended;
        }
        match self.lag_rule.before_read(&mut *self.reader) {
            Lag::None => {}
            lag => return self.lagged(lag),
        }
        match self.reader.read(&mut self.buffer) {
            ReadOutcome::Block(stamp) => Look::Block(stamp),
            ReadOutcome::Lagged { n_blocks } => {
                let lag = self.lag_rule.overtaken(&mut *self.reader, n_blocks);
                self.lagged(lag)
            }
            ReadOutcome::Empty => Look::Empty,
            ReadOutcome::Closed => Look::Ended,
        }
    }

    /// The block that was found last, whose stamp that was.
    pub(crate) fn block(&self, stamp: BlockStamp) -> Block<'_> {
        Block { stamp, spec: self.spec, samples: &self.buffer }
    }

    fn lagged(&mut self, lag: Lag) -> Look {
        match lag {
            Lag::None => Look::Empty,
            Lag::Lost(n_blocks) => Look::Lagged { n_blocks },
            Lag::Disconnected(lag_blocks) => {
                self.is_disconnected = true;
                Look::Disconnected { lag_blocks }
            }
        }
    }

    /// Leaves out everything but the newest block; returns how many blocks that lost.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn skip_ahead(&mut self) -> u64 {
        self.reader.skip_ahead()
    }

    /// Blocks that wait to be read. More may be there when the answer is used.
    pub fn lag_blocks(&self) -> u64 {
        self.reader.lag_blocks()
    }

    /// Where the blocks of this reader are: read, lost, or waiting.
    pub fn counts(&self) -> ReaderCounts {
        self.reader.counts()
    }
}
