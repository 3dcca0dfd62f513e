//! Wait-free queues for audio, of two shapes.
//!
//! - **Input**: one source to the mixer, frames and the stamps of their deliveries side by side ([`input_ring`]). What
//!   doesn't fit is counted where it is lost, and its place on the source's timeline is kept: the reader meets a gap of
//!   exactly that length.
//! - **Fan-out**: the mixer to any number of consumers ([`fan_out`]). Readers come and go without the writer knowing,
//!   an overtaken one learns exactly how many blocks it lost, and nothing that a reader does (stop, spin, be preempted
//!   in the middle of a read) delays the writer.
//!
//! This crate knows nothing of audio beyond a slot of samples with a stamp. It opens nothing, starts no thread, never
//! waits, and allocates only in the functions that say so.
//!
//! # Examples
//! ```
//! use ra_core::{BlockStamp, FramePosition};
//! use ra_queue::{BlockReader, BlockWriter, FanOutConfig, Join, ReadOutcome, fan_out};
//!
//! let config = FanOutConfig { n_blocks: 8, samples_per_block: 4, ..FanOutConfig::default() };
//! let (mut writer, bus) = fan_out(&config)?;
//! let mut reader = bus.subscribe(Join::Next);
//!
//! let stamp = BlockStamp { seq: 0, position: FramePosition(0), capture_ns: 1_000 };
//! writer.publish(&stamp, &[0.1, 0.2, 0.3, 0.4]);
//!
//! let mut block = [0.0; 4];
//! assert_eq!(reader.read(&mut block), ReadOutcome::Block(stamp));
//! assert_eq!(block, [0.1, 0.2, 0.3, 0.4]);
//! assert_eq!(reader.read(&mut block), ReadOutcome::Empty);
//! drop(writer);
//! assert_eq!(reader.read(&mut block), ReadOutcome::Closed);
//! # Ok::<(), ra_queue::QueueError>(())
//! ```

mod error;
mod fanout;
mod input;
#[cfg(all(test, loom))]
mod model_tests;
mod sync;

pub use error::QueueError;
pub use fanout::{
    BlockReader, BlockWriter, FanOut, FanOutBackend, FanOutConfig, Join, MAX_FAN_OUT_SAMPLES, ReadOutcome,
    ReaderCounts, ReaderMonitor, RingReader, RingSubscriber, RingTrial, RingWriter, Subscribe, fan_out, ring_fan_out,
    ring_fan_out_trial,
};
#[cfg(feature = "spmcq")]
pub use fanout::{SpmcqReader, SpmcqSubscriber, SpmcqWriter, spmcq_fan_out};
pub use input::{InputConfig, InputMonitor, InputReader, InputTrial, InputWriter, input_ring, input_ring_trial};
