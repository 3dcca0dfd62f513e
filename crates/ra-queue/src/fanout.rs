//! The fan-out: one writer, any number of readers, each with a cursor of its own. What every back end promises;
//! the rings themselves are in the modules below.

mod copy;
mod counts;
mod ring;
mod ring_reader;
mod slots;
#[cfg(feature = "spmcq")]
mod spmcq;

use std::sync::Arc;

use ra_core::BlockStamp;

use crate::QueueError;
pub use counts::{ReaderCounts, ReaderMonitor};
pub use ring::{
    MAX_SAMPLES as MAX_FAN_OUT_SAMPLES, RingSubscriber, RingTrial, RingWriter, ring_fan_out, ring_fan_out_trial,
};
pub use ring_reader::RingReader;
#[cfg(feature = "spmcq")]
pub use spmcq::{SpmcqReader, SpmcqSubscriber, SpmcqWriter, spmcq_fan_out};

/// The writer's end. Held by the audio thread.
pub trait BlockWriter: Send {
    /// Publishes one block to every reader that is there, over the oldest block.
    ///
    /// `samples` should be `samples_per_block` long. In release builds a longer slice is cut and a shorter one filled
    /// up with silence, so that a mistake above can't stop the audio. A closed writer publishes nothing.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation. (With the spmcq back end: not real-time safe: locks.)
    ///
    /// # Panics
    /// In debug builds, for a slice of another length and for a closed writer.
    fn publish(&mut self, stamp: &BlockStamp, samples: &[f32]);

    /// Says that nothing more comes; dropping the writer says so too. Readers read what is left, then learn it.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    fn close(&mut self);
}

/// A consumer's end. Held by the consumer's thread; dropping it leaves.
pub trait BlockReader: Send {
    /// Reads the next block into `out`, which should be `samples_per_block` long: a shorter one gets the block's
    /// beginning, a longer one silence behind it.
    ///
    /// `out` holds something meaningful after [`ReadOutcome::Block`] only.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation. (With the spmcq back end: not real-time safe: locks.)
    fn read(&mut self, out: &mut [f32]) -> ReadOutcome;

    /// Skips to the newest block, which is read next; returns how many blocks were passed. They count as lost and are
    /// not reported again.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation. (With the spmcq back end: not real-time safe: locks.)
    fn skip_ahead(&mut self) -> u64;

    /// Passes the oldest blocks, until at most `n_blocks` (1 at least) wait to be read; returns how many were passed. They
    /// count as lost and are not reported again. (With the spmcq back end all but the newest are passed, if any are.)
    ///
    /// # Real-time safety
    /// Wait-free, no allocation. (With the spmcq back end: not real-time safe: locks.)
    fn keep_newest(&mut self, n_blocks: u64) -> u64;

    /// Blocks that were published and not yet read; the writer may make it more at any time. More than the ring holds:
    /// the next read reports the loss.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    fn lag_blocks(&self) -> u64;

    /// Where the blocks are that were published since this reader joined.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    fn counts(&self) -> ReaderCounts;

    /// A handle that takes the same counts from other threads, also after the reader has left.
    fn monitor(&self) -> ReaderMonitor;
}

/// Where readers come from. Held by the control side.
pub trait Subscribe: Send + Sync {
    /// Makes a reader. The writer is not touched and does not know.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    fn subscribe(&self, from: Join) -> Box<dyn BlockReader>;

    /// Blocks that the ring holds: what was asked for, or more.
    fn n_blocks(&self) -> usize;

    /// The memory of the ring's blocks and their stamps, in bytes; it never grows.
    fn memory_bytes(&self) -> usize;
}

/// What a read came to. An empty ring, a loss and the end are different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// The next block was read.
    Block(BlockStamp),
    /// The writer overtook this reader. The next read goes on behind the loss, an eighth of the ring clear of the
    /// writer.
    Lagged {
        /// Exactly how many blocks were lost since the last read.
        n_blocks: u64,
    },
    /// Nothing new.
    Empty,
    /// Everything was read, and nothing more comes.
    Closed,
}

/// Where a new reader begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// With the first block that is published from now on.
    #[default]
    Next,
    /// With the oldest block that the ring still holds, an eighth of the ring clear of the writer.
    Oldest,
}

/// What is behind the traits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FanOutBackend {
    /// Our own ring: wait-free on both sides.
    #[default]
    Ring,
    /// The spmcq crate: a spin lock per slot, by which a preempted reader stops the writer. A baseline to measure
    /// against, not for real-time use; see [`SpmcqWriter`].
    #[cfg(feature = "spmcq")]
    Spmcq,
}

/// The sizes of a fan-out ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FanOutConfig {
    /// Blocks that the ring holds; our own ring rounds it up to a power of two. Default: 1024 (2.7 s of 128 frames at
    /// 48 kHz).
    pub n_blocks: usize,
    /// Samples in a block: frames times channels. Default: 256 (128 stereo frames).
    pub samples_per_block: usize,
    /// What is behind the traits. Default: our own ring.
    pub backend: FanOutBackend,
}

impl Default for FanOutConfig {
    fn default() -> Self {
        Self { n_blocks: 1_024, samples_per_block: 256, backend: FanOutBackend::Ring }
    }
}

/// Both ends of a fan-out ring behind the traits.
pub type FanOut = (Box<dyn BlockWriter>, Arc<dyn Subscribe>);

/// Makes a fan-out ring behind the traits: the writer's end, and the place where readers are made.
///
/// All memory is allocated and touched here, so that the writer meets no page fault later.
///
/// # Real-time safety
/// Not real-time safe: allocates.
///
/// # Errors
/// [`QueueError::Blocks`] for fewer than 2 blocks, [`QueueError::SamplesPerBlock`] for empty blocks, and each for more
/// than the back end can hold (2^28 samples in all for our own ring; slots of 8192 samples for spmcq).
pub fn fan_out(config: &FanOutConfig) -> Result<FanOut, QueueError> {
    match config.backend {
        FanOutBackend::Ring => {
            let (writer, subscriber) = ring_fan_out(config.n_blocks, config.samples_per_block)?;
            Ok((Box::new(writer), Arc::new(subscriber)))
        }
        #[cfg(feature = "spmcq")]
        FanOutBackend::Spmcq => spmcq::boxed(config.n_blocks, config.samples_per_block),
    }
}
