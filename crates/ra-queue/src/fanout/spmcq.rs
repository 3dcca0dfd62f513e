//! The spmcq crate behind the traits: a baseline to measure against. Not for real-time use, and not the default.
//!
//! What is wrong with it (version 0.1.0): each slot is a spin lock that readers and the writer share, and a reader that
//! polls an empty queue takes the lock of exactly the slot that is written next. A reader that is preempted there stops
//! the writer for as long as it isn't scheduled: a SCHED_FIFO writer on the same core spins until real-time throttling
//! takes the core from it, about a second. Its lap counter has 16 bits, it counts no losses, notices no hang-up, and
//! a cursor can't be placed. Losses and the end are counted here, from sequence numbers in the payload.
//!
//! # Real-time safety
//! Not real-time safe: locks, at both ends and for joining; so the real-time lint leaves this file out, on purpose.
// rt-lint: control-side file

use std::sync::Arc;
#[expect(clippy::disallowed_types, reason = "joining readers take turns; neither writer nor readers touch it")]
use std::sync::{Mutex, PoisonError};

use ra_core::BlockStamp;
use spmcq::ReadResult;

use super::counts::{Progress, Tally};
use super::ring::MAX_SAMPLES;
use super::{BlockReader, BlockWriter, FanOut, Join, ReadOutcome, ReaderCounts, ReaderMonitor, Subscribe};
use crate::QueueError;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

const MIN_BLOCKS: usize = 2;
/// The largest of the slot sizes below.
const MAX_SAMPLES_PER_BLOCK: usize = 8_192;

/// A block as spmcq copies it: always whole, `N` samples, however many of them are used.
#[derive(Clone, Copy)]
struct Slot<const N: usize> {
    /// Counts published blocks from 1; 0 marks a slot that was never written.
    n_published: u64,
    stamp: BlockStamp,
    samples: [f32; N],
}

impl<const N: usize> Default for Slot<N> {
    fn default() -> Self {
        Self { n_published: 0, stamp: BlockStamp::default(), samples: [0.0; N] }
    }
}

/// What spmcq doesn't keep.
#[derive(Debug)]
struct Shared {
    n_published: AtomicU64,
    is_closed: AtomicBool,
    n_blocks: usize,
    samples_per_block: usize,
}

impl Progress for Shared {
    fn head(&self) -> u64 {
        // Acquire: pairs with the Release in `publish`.
        self.n_published.load(Ordering::Acquire)
    }
}

/// The writer's end over spmcq, for slots of `N` samples.
///
/// # Real-time safety
/// Not real-time safe: locks. A reader that is preempted inside its read stops `publish` until it runs again.
pub struct SpmcqWriter<const N: usize> {
    writer: spmcq::Writer<Slot<N>>,
    shared: Arc<Shared>,
    n_published: u64,
}

impl<const N: usize> BlockWriter for SpmcqWriter<N> {
    fn publish(&mut self, stamp: &BlockStamp, samples: &[f32]) {
        debug_assert_eq!(samples.len(), self.shared.samples_per_block, "samples in a block");
        // Relaxed: only this end writes it.
        let is_closed = self.shared.is_closed.load(Ordering::Relaxed);
        debug_assert!(!is_closed, "a closed writer publishes nothing");
        if is_closed {
            return;
        }
        self.n_published += 1;
        let mut slot = Slot { n_published: self.n_published, stamp: *stamp, samples: [0.0; N] };
        let n_samples = samples.len().min(self.shared.samples_per_block);
        slot.samples[..n_samples].copy_from_slice(&samples[..n_samples]);
        // Release: pairs with the Acquire in `Shared::head`. Before the block is there, so that no reader counts a block
        // that was not produced.
        self.shared.n_published.store(self.n_published, Ordering::Release);
        self.writer.write(slot);
    }

    fn close(&mut self) {
        // Release: pairs with the Acquire in `SpmcqReader::read`: all blocks were written before.
        self.shared.is_closed.store(true, Ordering::Release);
    }
}

impl<const N: usize> Drop for SpmcqWriter<N> {
    fn drop(&mut self) {
        self.close();
    }
}

/// A reader's end over spmcq.
///
/// # Real-time safety
/// Not real-time safe: locks. It spins while the writer writes its slot.
pub struct SpmcqReader<const N: usize> {
    reader: spmcq::Reader<Slot<N>>,
    shared: Arc<Shared>,
    tally: Arc<Tally>,
    /// Blocks that were published up to the last one that this reader came past.
    cursor: u64,
    /// A block that was taken out already and is to be handed on next.
    pending: Option<Box<Slot<N>>>,
    /// Memory for `pending`, so that it is not allocated while reading.
    spare: Option<Box<Slot<N>>>,
}

/// The next block behind `cursor`, if there is one. What a placed or lapped cursor shows of older blocks is passed by,
/// a lap of it at most.
fn next_behind<const N: usize>(reader: &mut spmcq::Reader<Slot<N>>, cursor: u64, n_blocks: usize) -> Option<Slot<N>> {
    (0..=n_blocks)
        .map_while(|_| match reader.read() {
            ReadResult::Ok(slot) | ReadResult::Dropout(slot) => Some(slot),
            ReadResult::Empty => None,
        })
        .find(|slot| slot.n_published > cursor)
}

impl<const N: usize> SpmcqReader<N> {
    fn new(reader: spmcq::Reader<Slot<N>>, shared: Arc<Shared>, cursor: u64, pending: Option<Slot<N>>) -> Self {
        let (pending, spare) = match pending {
            Some(slot) => (Some(Box::new(slot)), None),
            None => (None, Some(Box::new(Slot::default()))),
        };
        Self { reader, shared, tally: Arc::new(Tally::new(cursor, 0)), cursor, pending, spare }
    }

    fn hold(&mut self, slot: &Slot<N>) {
        if let Some(mut memory) = self.pending.take().or_else(|| self.spare.take()) {
            *memory = *slot;
            self.pending = Some(memory);
        }
    }

    fn hand_over(&mut self, slot: &Slot<N>, out: &mut [f32]) -> ReadOutcome {
        let n_samples = out.len().min(self.shared.samples_per_block);
        out[..n_samples].copy_from_slice(&slot.samples[..n_samples]);
        out[n_samples..].fill(0.0);
        self.cursor = slot.n_published;
        self.tally.add_read();
        ReadOutcome::Block(slot.stamp)
    }
}

impl<const N: usize> BlockReader for SpmcqReader<N> {
    fn read(&mut self, out: &mut [f32]) -> ReadOutcome {
        if let Some(slot) = self.pending.take() {
            let outcome = self.hand_over(&slot, out);
            self.spare = Some(slot);
            return outcome;
        }
        // Acquire: pairs with the Release in `close`. Looked at first: what was written before it is found below.
        let is_closed = self.shared.is_closed.load(Ordering::Acquire);
        match next_behind(&mut self.reader, self.cursor, self.shared.n_blocks) {
            None if is_closed => ReadOutcome::Closed,
            None => ReadOutcome::Empty,
            Some(slot) if slot.n_published == self.cursor + 1 => self.hand_over(&slot, out),
            Some(slot) => {
                let n_blocks = slot.n_published - self.cursor - 1;
                self.cursor = slot.n_published - 1;
                self.tally.add_lost(n_blocks);
                self.hold(&slot);
                ReadOutcome::Lagged { n_blocks }
            }
        }
    }

    /// Copies every block that it passes: spmcq's own skipping goes wrong where its lap counter wraps.
    fn skip_ahead(&mut self) -> u64 {
        let mut newest = self.pending.as_deref().map_or(0, |slot| slot.n_published);
        // A lap of blocks, and as many again that may come meanwhile.
        for _ in 0..2 * self.shared.n_blocks {
            match next_behind(&mut self.reader, self.cursor.max(newest), self.shared.n_blocks) {
                Some(slot) => {
                    newest = slot.n_published;
                    self.hold(&slot);
                }
                None => break,
            }
        }
        let n_blocks = newest.saturating_sub(self.cursor + 1);
        self.cursor += n_blocks;
        self.tally.add_lost(n_blocks);
        n_blocks
    }

    fn keep_newest(&mut self, n_blocks: u64) -> u64 {
        if self.lag_blocks() > n_blocks.max(1) { self.skip_ahead() } else { 0 }
    }

    fn lag_blocks(&self) -> u64 {
        self.shared.head() - self.cursor
    }

    fn counts(&self) -> ReaderCounts {
        self.tally.counts(&*self.shared)
    }

    fn monitor(&self) -> ReaderMonitor {
        ReaderMonitor::new(Arc::clone(&self.tally), Arc::clone(&self.shared) as Arc<dyn Progress>)
    }
}

impl<const N: usize> Drop for SpmcqReader<N> {
    fn drop(&mut self) {
        self.tally.leave(self.cursor, self.shared.head());
    }
}

/// The readers that new ones are cloned from.
struct Templates<const N: usize> {
    /// Never moved: at slot 0.
    origin: spmcq::Reader<Slot<N>>,
    /// Moved up to the writer at each join.
    front: spmcq::Reader<Slot<N>>,
    /// Blocks published up to the last one that `front` came past.
    front_cursor: u64,
}

/// Where readers over spmcq join.
///
/// spmcq can't place a cursor, so a reader is a clone of one that is moved up to the writer, block by block.
/// [`Join::Oldest`] begins at slot 0 in the writer's present lap, which is not all that the ring holds. Joining readers
/// take turns at a lock; the writer doesn't touch it.
#[expect(clippy::disallowed_types, reason = "joining readers take turns; neither writer nor readers touch it")]
pub struct SpmcqSubscriber<const N: usize> {
    templates: Mutex<Templates<N>>,
    shared: Arc<Shared>,
}

impl<const N: usize> SpmcqSubscriber<N> {
    /// Makes a reader; the writer does not know, but may have to wait for it from now on.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, locks.
    pub fn join(&self, from: Join) -> SpmcqReader<N> {
        let n_blocks = self.shared.n_blocks;
        let mut templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        let head = self.shared.head();
        let (reader, cursor, pending) = match from {
            Join::Next => {
                // Up to what was published at the call; a writer that is faster than this loop can't hold it here.
                while templates.front_cursor < head {
                    let cursor = templates.front_cursor;
                    match next_behind(&mut templates.front, cursor, n_blocks) {
                        Some(slot) => templates.front_cursor = slot.n_published,
                        None => break,
                    }
                }
                (templates.front.clone(), templates.front_cursor.max(head), None)
            }
            Join::Oldest => {
                let mut reader = templates.origin.clone();
                let first = next_behind(&mut reader, 0, n_blocks);
                (reader, first.map_or(0, |slot| slot.n_published - 1), first)
            }
        };
        SpmcqReader::new(reader, Arc::clone(&self.shared), cursor, pending)
    }
}

impl<const N: usize> Subscribe for SpmcqSubscriber<N> {
    fn subscribe(&self, from: Join) -> Box<dyn BlockReader> {
        Box::new(self.join(from))
    }

    fn n_blocks(&self) -> usize {
        self.shared.n_blocks
    }

    fn memory_bytes(&self) -> usize {
        self.shared.n_blocks * size_of::<Slot<N>>()
    }
}

/// Makes a ring over spmcq for slots of `N` samples, with its ends as the types they are.
///
/// # Real-time safety
/// Not real-time safe: allocates.
///
/// # Errors
/// [`QueueError::SamplesPerBlock`] for blocks of 0 or more than `N` samples, [`QueueError::Blocks`] for fewer than 2
/// blocks or more than 2^28 samples in all.
pub fn spmcq_fan_out<const N: usize>(
    n_blocks: usize,
    samples_per_block: usize,
) -> Result<(SpmcqWriter<N>, SpmcqSubscriber<N>), QueueError> {
    if !(1..=N).contains(&samples_per_block) {
        return Err(QueueError::SamplesPerBlock { actual: samples_per_block, max: N });
    }
    let max = MAX_SAMPLES / N;
    if !(MIN_BLOCKS..=max).contains(&n_blocks) {
        return Err(QueueError::Blocks { actual: n_blocks, min: MIN_BLOCKS, max });
    }
    let (origin, writer) = spmcq::ring_buffer(n_blocks);
    let shared = Arc::new(Shared {
        n_published: AtomicU64::new(0),
        is_closed: AtomicBool::new(false),
        n_blocks,
        samples_per_block,
    });
    let templates = Templates { front: origin.clone(), origin, front_cursor: 0 };
    #[expect(clippy::disallowed_types, reason = "joining readers take turns; neither writer nor readers touch it")]
    let templates = Mutex::new(templates);
    Ok((SpmcqWriter { writer, shared: Arc::clone(&shared), n_published: 0 }, SpmcqSubscriber { templates, shared }))
}

/// The smallest of a few slot sizes that takes the block.
pub(super) fn boxed(n_blocks: usize, samples_per_block: usize) -> Result<FanOut, QueueError> {
    fn of<const N: usize>(n_blocks: usize, samples_per_block: usize) -> Result<FanOut, QueueError> {
        let (writer, subscriber) = spmcq_fan_out::<N>(n_blocks, samples_per_block)?;
        Ok((Box::new(writer), Arc::new(subscriber)))
    }
    match samples_per_block {
        0..=32 => of::<32>(n_blocks, samples_per_block),
        33..=128 => of::<128>(n_blocks, samples_per_block),
        129..=256 => of::<256>(n_blocks, samples_per_block),
        257..=512 => of::<512>(n_blocks, samples_per_block),
        513..=1_024 => of::<1_024>(n_blocks, samples_per_block),
        1_025..=2_048 => of::<2_048>(n_blocks, samples_per_block),
        2_049..=4_096 => of::<4_096>(n_blocks, samples_per_block),
        _ => of::<MAX_SAMPLES_PER_BLOCK>(n_blocks, samples_per_block),
    }
}
