//! The fan-outs that are compared, behind one pair of traits. Measures nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use ra_core::{BlockStamp, FramePosition};
use ra_queue::{BlockReader, BlockWriter, FanOutBackend, FanOutConfig, Join, ReadOutcome, fan_out};
use tokio::sync::broadcast;

/// Frames in a block of this bench.
pub(super) const N_FRAMES: usize = 256;
/// Samples in a block of this bench: stereo.
pub(super) const N_SAMPLES: usize = 2 * N_FRAMES;
/// Blocks that each contestant holds.
pub(super) const N_BLOCKS: usize = 256;

/// The writer's end of a contestant.
pub(super) trait Publish: Send {
    /// Hands one block to every reader.
    fn publish(&mut self, seq: u64, samples: &[f32]);
}

/// A reader's end of a contestant.
pub(super) trait Poll: Send {
    /// Copies the next block into `out` if there is one; whether there was.
    fn poll(&mut self, out: &mut [f32]) -> bool;
}

/// Both ends.
pub(super) type Ends = (Box<dyn Publish>, Vec<Box<dyn Poll>>);

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contestant {
    Ring,
    Spmcq,
    TokioBroadcast,
    RtrbEach,
    MutexDeque,
}

impl Contestant {
    pub(super) const ALL: [Self; 5] = [Self::Ring, Self::Spmcq, Self::TokioBroadcast, Self::RtrbEach, Self::MutexDeque];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ra-queue ring",
            Self::Spmcq => "spmcq 0.1.0",
            Self::TokioBroadcast => "tokio broadcast of Arc<Vec>",
            Self::RtrbEach => "one rtrb per reader",
            Self::MutexDeque => "Mutex<VecDeque>",
        }
    }

    /// Whether a reader that reads nothing loses the oldest blocks, so that the writer always has room.
    pub(super) const fn drops_oldest(self) -> bool {
        !matches!(self, Self::RtrbEach)
    }

    /// Makes the ends, of the same size for all contestants.
    pub(super) fn make(self, n_readers: usize) -> Result<Ends> {
        match self {
            Self::Ring => through_traits(FanOutBackend::Ring, n_readers),
            Self::Spmcq => through_traits(FanOutBackend::Spmcq, n_readers),
            Self::TokioBroadcast => {
                let (sender, _) = broadcast::channel::<Arc<Vec<f32>>>(N_BLOCKS);
                let readers = (0..n_readers).map(|_| Box::new(sender.subscribe()) as Box<dyn Poll>).collect();
                Ok((Box::new(sender), readers))
            }
            Self::RtrbEach => {
                let (producers, readers) = (0..n_readers)
                    .map(|_| rtrb::RingBuffer::<f32>::new(N_BLOCKS * N_SAMPLES))
                    .map(|(producer, consumer)| (producer, Box::new(consumer) as Box<dyn Poll>))
                    .unzip::<_, _, Vec<_>, Vec<_>>();
                Ok((Box::new(producers), readers))
            }
            Self::MutexDeque => {
                let queue = Arc::new(Mutex::new(Deque { first_seq: 0, blocks: VecDeque::with_capacity(N_BLOCKS) }));
                let readers = (0..n_readers)
                    .map(|_| Box::new(DequeReader { queue: Arc::clone(&queue), cursor: 0 }) as Box<dyn Poll>)
                    .collect();
                Ok((Box::new(queue), readers))
            }
        }
    }
}

/// Every contestant must deliver every block, in order, unharmed, to every reader: else its figures mean nothing.
pub(super) fn check_all() -> Result<()> {
    for contestant in Contestant::ALL {
        let (mut writer, mut readers) = contestant.make(3)?;
        let mut out = vec![0.0; N_SAMPLES];
        for seq in 0..3 * N_BLOCKS as u64 {
            let samples: Vec<f32> = (0..N_SAMPLES).map(|i| (seq * 1_000 + i as u64) as f32).collect();
            writer.publish(seq, &samples);
            for reader in &mut readers {
                out.fill(-1.0);
                ensure!(reader.poll(&mut out), "{}: block {seq} was not delivered", contestant.name());
                ensure!(out == samples, "{}: block {seq} is not what was published", contestant.name());
                ensure!(!reader.poll(&mut out), "{}: a block beyond {seq}", contestant.name());
            }
        }
    }
    Ok(())
}

/// The two back ends of ra-queue, as its users hold them.
fn through_traits(backend: FanOutBackend, n_readers: usize) -> Result<Ends> {
    let config = FanOutConfig { n_blocks: N_BLOCKS, samples_per_block: N_SAMPLES, backend };
    let (writer, bus) = fan_out(&config)?;
    let readers = (0..n_readers).map(|_| Box::new(bus.subscribe(Join::Next)) as Box<dyn Poll>).collect();
    Ok((Box::new(writer), readers))
}

impl Publish for Box<dyn BlockWriter> {
    fn publish(&mut self, seq: u64, samples: &[f32]) {
        let stamp = BlockStamp { seq, position: FramePosition(seq * N_FRAMES as u64), capture_ns: seq };
        (**self).publish(&stamp, samples);
    }
}

impl Poll for Box<dyn BlockReader> {
    fn poll(&mut self, out: &mut [f32]) -> bool {
        matches!(self.read(out), ReadOutcome::Block(_))
    }
}

impl Publish for broadcast::Sender<Arc<Vec<f32>>> {
    fn publish(&mut self, _seq: u64, samples: &[f32]) {
        // An error only says that nobody listens.
        let _ = self.send(Arc::new(samples.to_vec()));
    }
}

impl Poll for broadcast::Receiver<Arc<Vec<f32>>> {
    fn poll(&mut self, out: &mut [f32]) -> bool {
        match self.try_recv() {
            Ok(block) => {
                out.copy_from_slice(&block);
                true
            }
            Err(_) => false,
        }
    }
}

impl Publish for Vec<rtrb::Producer<f32>> {
    fn publish(&mut self, _seq: u64, samples: &[f32]) {
        for producer in self {
            // Whole blocks or nothing; a full ring loses the newest.
            let _ = producer.push_entire_slice(samples);
        }
    }
}

impl Poll for rtrb::Consumer<f32> {
    fn poll(&mut self, out: &mut [f32]) -> bool {
        self.pop_entire_slice(out).is_ok()
    }
}

/// The queue that comes to mind first: all blocks in one deque under one lock, and a cursor per reader.
struct Deque {
    first_seq: u64,
    blocks: VecDeque<Vec<f32>>,
}

struct DequeReader {
    queue: Arc<Mutex<Deque>>,
    cursor: u64,
}

impl Publish for Arc<Mutex<Deque>> {
    fn publish(&mut self, _seq: u64, samples: &[f32]) {
        let mut queue = self.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.blocks.len() == N_BLOCKS {
            queue.blocks.pop_front();
            queue.first_seq += 1;
        }
        queue.blocks.push_back(samples.to_vec());
    }
}

impl Poll for DequeReader {
    fn poll(&mut self, out: &mut [f32]) -> bool {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.cursor = self.cursor.max(queue.first_seq);
        let Some(block) = queue.blocks.get((self.cursor - queue.first_seq) as usize) else {
            return false;
        };
        out.copy_from_slice(block);
        self.cursor += 1;
        true
    }
}
