//! Our own fan-out ring: the writer's end, and where readers join. The writer stores and returns; there is nothing in
//! its path that a reader could hold.

use std::sync::Arc;

use ra_core::BlockStamp;

use super::copy::Copying;
use super::counts::Progress;
use super::ring_reader::RingReader;
use super::slots::Slots;
use super::{BlockReader, BlockWriter, Join, Subscribe};
use crate::QueueError;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

const MIN_BLOCKS: usize = 2;
/// The most samples that a fan-out ring may hold, its blocks rounded up to a power of two: 1 GiB.
pub const MAX_SAMPLES: usize = 1 << 28;
/// The most samples in a block: 4096 frames of 256 channels.
const MAX_SAMPLES_PER_BLOCK: usize = 1 << 20;

/// What the ends share.
#[derive(Debug)]
pub(super) struct Shared {
    head: Head,
    /// The sequence number of the first block that was ever published.
    first_seq: u64,
    pub(super) slots: Slots,
}

/// The words that waiting readers poll, on lines of their own (two, for prefetchers that fetch in pairs): readers touch
/// a slot's version only once its block is published, so the lines that the writer fills are in nobody else's cache.
#[derive(Debug)]
#[repr(align(128))]
struct Head {
    /// The sequence number after the last published block.
    next_seq: AtomicU64,
    is_closed: AtomicBool,
}

impl Shared {
    /// Whether the writer is closed. A reader must look at the head again afterwards: there may be a last block.
    pub(super) fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release in `close`: all blocks were published before.
        self.head.is_closed.load(Ordering::Acquire)
    }

    /// An eighth of the ring, at least one block: how far clear of the writer a reader begins.
    fn margin(&self) -> u64 {
        (self.slots.n_blocks() / 8).max(1)
    }

    /// The oldest block that is safely clear of a writer which stands at `head`.
    pub(super) fn oldest_clear(&self, head: u64) -> u64 {
        let reach = self.slots.n_blocks() - self.margin();
        head.wrapping_sub(reach.min(head.wrapping_sub(self.first_seq)))
    }
}

impl Progress for Shared {
    fn head(&self) -> u64 {
        // Acquire: pairs with the Release in `publish`: blocks before the head are complete, or older than a lap.
        self.head.next_seq.load(Ordering::Acquire)
    }
}

/// The writer's end of our own ring.
///
/// Publishing costs the copy and five stores, whatever readers do and however many there are.
#[derive(Debug)]
pub struct RingWriter {
    shared: Arc<Shared>,
    next_seq: u64,
    is_closed: bool,
}

impl BlockWriter for RingWriter {
    fn publish(&mut self, stamp: &BlockStamp, samples: &[f32]) {
        debug_assert_eq!(samples.len(), self.shared.slots.samples_per_block(), "samples in a block");
        debug_assert!(!self.is_closed, "a closed writer publishes nothing");
        if self.is_closed {
            return;
        }
        self.shared.slots.write(self.next_seq, stamp, samples);
        self.next_seq = self.next_seq.wrapping_add(1);
        // Release: pairs with the Acquire in `Shared::head`.
        self.shared.head.next_seq.store(self.next_seq, Ordering::Release);
    }

    fn close(&mut self) {
        self.is_closed = true;
        // Release: pairs with the Acquire in `Shared::is_closed`.
        self.shared.head.is_closed.store(true, Ordering::Release);
    }
}

impl Drop for RingWriter {
    fn drop(&mut self) {
        self.close();
    }
}

/// Where readers of our own ring join. Clone it to join from several places.
#[derive(Clone, Debug)]
pub struct RingSubscriber {
    shared: Arc<Shared>,
}

impl RingSubscriber {
    /// Makes a reader; the writer does not know.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub fn join(&self, from: Join) -> RingReader {
        self.join_trial(from, 0)
    }

    /// As [`RingSubscriber::join`]; the reader's counts of blocks read and lost begin at `first_count`: for tests of the
    /// wrap.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    #[doc(hidden)]
    pub fn join_trial(&self, from: Join, first_count: u64) -> RingReader {
        let head = self.shared.head();
        let cursor = match from {
            Join::Next => head,
            Join::Oldest => self.shared.oldest_clear(head),
        };
        RingReader::new(Arc::clone(&self.shared), cursor, first_count)
    }

    /// Blocks that the ring holds: what was asked for, rounded up to a power of two.
    pub fn n_blocks(&self) -> usize {
        self.shared.slots.n_blocks() as usize
    }
}

impl Subscribe for RingSubscriber {
    // rt-lint: control-side
    fn subscribe(&self, from: Join) -> Box<dyn BlockReader> {
        Box::new(self.join(from))
    }

    fn n_blocks(&self) -> usize {
        RingSubscriber::n_blocks(self)
    }

    fn memory_bytes(&self) -> usize {
        self.shared.slots.memory_bytes()
    }
}

/// Makes our own ring, with its ends as the types they are.
///
/// `n_blocks` is rounded up to a power of two. All memory is allocated and touched here.
///
/// # Real-time safety
/// Not real-time safe: allocates.
///
/// # Errors
/// [`QueueError::SamplesPerBlock`] for blocks of 0 or more than 2^20 samples, [`QueueError::Blocks`] for fewer than 2
/// blocks or more than 2^28 samples in all (1 GiB).
///
/// # Examples
/// ```
/// use ra_core::BlockStamp;
/// use ra_queue::{BlockReader, BlockWriter, Join, ReadOutcome, ring_fan_out};
///
/// let (mut writer, bus) = ring_fan_out(8, 2)?;
/// let mut reader = bus.join(Join::Next);
/// for seq in 0..20 {
///     writer.publish(&BlockStamp { seq, ..BlockStamp::default() }, &[seq as f32; 2]);
/// }
/// // Eight blocks are held; the reader goes on an eighth of the ring clear of the writer: at block 13.
/// let mut block = [0.0; 2];
/// assert_eq!(reader.read(&mut block), ReadOutcome::Lagged { n_blocks: 13 });
/// assert!(matches!(reader.read(&mut block), ReadOutcome::Block(stamp) if stamp.seq == 13));
/// assert_eq!(block, [13.0; 2]);
/// # Ok::<(), ra_queue::QueueError>(())
/// ```
pub fn ring_fan_out(n_blocks: usize, samples_per_block: usize) -> Result<(RingWriter, RingSubscriber), QueueError> {
    ring_fan_out_trial(n_blocks, samples_per_block, &RingTrial::default())
}

/// What tests choose about a ring that its users can't.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RingTrial {
    /// The first of the ring's own sequence numbers: for tests of the wrap.
    pub first_seq: u64,
    /// Whether samples are copied by 64-bit atomics on machines that have something wider.
    pub is_portable: bool,
}

/// As [`ring_fan_out`], with what tests choose.
///
/// # Real-time safety
/// Not real-time safe: allocates.
///
/// # Errors
/// As [`ring_fan_out`].
#[doc(hidden)]
pub fn ring_fan_out_trial(
    n_blocks: usize,
    samples_per_block: usize,
    trial: &RingTrial,
) -> Result<(RingWriter, RingSubscriber), QueueError> {
    if !(1..=MAX_SAMPLES_PER_BLOCK).contains(&samples_per_block) {
        return Err(QueueError::SamplesPerBlock { actual: samples_per_block, max: MAX_SAMPLES_PER_BLOCK });
    }
    // A power of two, so that rounding up never passes it.
    let max = 1 << (MAX_SAMPLES / samples_per_block).ilog2();
    if !(MIN_BLOCKS..=max).contains(&n_blocks) {
        return Err(QueueError::Blocks { actual: n_blocks, min: MIN_BLOCKS, max });
    }
    let RingTrial { first_seq, is_portable } = *trial;
    let copying = if is_portable { Copying::Words } else { Copying::best() };
    let shared = Arc::new(Shared {
        head: Head { next_seq: AtomicU64::new(first_seq), is_closed: AtomicBool::new(false) },
        first_seq,
        slots: Slots::new(n_blocks.next_power_of_two(), samples_per_block, first_seq, copying),
    });
    Ok((RingWriter { shared: Arc::clone(&shared), next_seq: first_seq, is_closed: false }, RingSubscriber { shared }))
}
