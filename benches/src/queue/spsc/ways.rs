//! The queues for one writer and one reader that are compared, and how each takes and gives a delivery. Measures nothing.

use anyhow::Result;
use crossbeam_queue::ArrayQueue;
use ra_core::PeriodInput;
use ra_queue::{InputConfig, InputReader, InputWriter, input_ring};
use ringbuf::traits::{Consumer, Producer, Split};
use std::sync::Arc;

use super::{CAPACITY_FRAMES, N_CHANNELS};

/// The writer's end of a way.
pub(crate) trait SpscWriter: Send {
    /// Takes a delivery, or its beginning where there is no room for all of it; the samples taken.
    fn write(&mut self, samples: &[f32]) -> usize;
}

/// The reader's end of a way.
pub(crate) trait SpscReader: Send {
    /// Copies what there is into `out`, as far as it reaches; the samples copied.
    fn read(&mut self, out: &mut [f32]) -> usize;
}

/// What is done with both ends of a way; generic, so that no call of a queue is through a table.
pub(crate) trait Scene {
    /// What comes of it.
    type Outcome;

    /// Does it.
    fn run(&self, writer: impl SpscWriter, reader: impl SpscReader) -> Result<Self::Outcome>;
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    InputRing,
    RtrbSlices,
    RtrbSamples,
    RingbufSlices,
    RingbufSamples,
    ArrayQueueSamples,
}

impl Way {
    pub(crate) const ALL: [Self; 6] = [
        Self::RtrbSlices,
        Self::InputRing,
        Self::RingbufSlices,
        Self::RtrbSamples,
        Self::RingbufSamples,
        Self::ArrayQueueSamples,
    ];
    /// Where in `ALL` the one is that the others are held against.
    pub(crate) const BASE: usize = 0;

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::InputRing => "ra-queue input ring: slices, stamps, account",
            Self::RtrbSlices => "rtrb, slices",
            Self::RtrbSamples => "rtrb, sample by sample",
            Self::RingbufSlices => "ringbuf, slices",
            Self::RingbufSamples => "ringbuf, sample by sample",
            Self::ArrayQueueSamples => "crossbeam ArrayQueue, sample by sample",
        }
    }

    /// Makes both ends, of the same size for all ways, and hands them to `scene`. `n_frames`: the size of a delivery.
    pub(crate) fn run<S: Scene>(self, n_frames: usize, scene: &S) -> Result<S::Outcome> {
        let capacity = CAPACITY_FRAMES * N_CHANNELS;
        match self {
            Self::InputRing => {
                let config = InputConfig {
                    capacity_frames: CAPACITY_FRAMES,
                    // A stamp for each delivery that fits, so that the frames alone say when it is full.
                    capacity_periods: InputConfig::default().capacity_periods.max(CAPACITY_FRAMES / n_frames),
                    ..InputConfig::default()
                };
                let (writer, reader, _) = input_ring(&config)?;
                scene.run(StampedWriter { writer, known_free_frames: 0 }, StampedReader(reader))
            }
            Self::RtrbSlices => {
                let (producer, consumer) = rtrb::RingBuffer::new(capacity);
                scene.run(Slices(producer), Slices(consumer))
            }
            Self::RtrbSamples => {
                let (producer, consumer) = rtrb::RingBuffer::new(capacity);
                scene.run(Samples(producer), Samples(consumer))
            }
            Self::RingbufSlices => {
                let (producer, consumer) = ringbuf::HeapRb::new(capacity).split();
                scene.run(Slices(producer), Slices(consumer))
            }
            Self::RingbufSamples => {
                let (producer, consumer) = ringbuf::HeapRb::new(capacity).split();
                scene.run(Samples(producer), Samples(consumer))
            }
            Self::ArrayQueueSamples => {
                let queue = Arc::new(ArrayQueue::new(capacity));
                scene.run(Samples(Arc::clone(&queue)), Samples(queue))
            }
        }
    }
}

/// A queue that is handed whole slices.
struct Slices<Q>(Q);

/// A queue that is handed one sample at a time.
struct Samples<Q>(Q);

/// The input ring's writer never waits: what doesn't fit is lost. Here it is asked first, and not oftener than rtrb asks.
struct StampedWriter {
    writer: InputWriter,
    known_free_frames: usize,
}

struct StampedReader(InputReader);

impl SpscWriter for StampedWriter {
    fn write(&mut self, samples: &[f32]) -> usize {
        let n_frames = samples.len() / N_CHANNELS;
        if self.known_free_frames < n_frames {
            self.known_free_frames = self.writer.free_frames();
            if self.known_free_frames < n_frames {
                return 0;
            }
        }
        self.known_free_frames -= n_frames;
        self.writer.push(1, samples) * N_CHANNELS
    }
}

impl SpscReader for StampedReader {
    fn read(&mut self, out: &mut [f32]) -> usize {
        self.0.poll_stamps(&mut |stamp| {
            std::hint::black_box(stamp.capture_ns);
        });
        self.0.read(out) * N_CHANNELS
    }
}

impl SpscWriter for Slices<rtrb::Producer<f32>> {
    fn write(&mut self, samples: &[f32]) -> usize {
        self.0.push_partial_slice(samples).0.len()
    }
}

impl SpscReader for Slices<rtrb::Consumer<f32>> {
    fn read(&mut self, out: &mut [f32]) -> usize {
        self.0.pop_partial_slice(out).0.len()
    }
}

impl SpscWriter for Samples<rtrb::Producer<f32>> {
    fn write(&mut self, samples: &[f32]) -> usize {
        samples.iter().take_while(|sample| self.0.push(**sample).is_ok()).count()
    }
}

impl SpscReader for Samples<rtrb::Consumer<f32>> {
    fn read(&mut self, out: &mut [f32]) -> usize {
        let mut n_read = 0;
        for (slot, sample) in out.iter_mut().zip(std::iter::from_fn(|| self.0.pop().ok())) {
            *slot = sample;
            n_read += 1;
        }
        n_read
    }
}

impl SpscWriter for Slices<ringbuf::HeapProd<f32>> {
    fn write(&mut self, samples: &[f32]) -> usize {
        self.0.push_slice(samples)
    }
}

impl SpscReader for Slices<ringbuf::HeapCons<f32>> {
    fn read(&mut self, out: &mut [f32]) -> usize {
        self.0.pop_slice(out)
    }
}

impl SpscWriter for Samples<ringbuf::HeapProd<f32>> {
    fn write(&mut self, samples: &[f32]) -> usize {
        samples.iter().take_while(|sample| self.0.try_push(**sample).is_ok()).count()
    }
}

impl SpscReader for Samples<ringbuf::HeapCons<f32>> {
    fn read(&mut self, out: &mut [f32]) -> usize {
        let mut n_read = 0;
        for (slot, sample) in out.iter_mut().zip(std::iter::from_fn(|| self.0.try_pop())) {
            *slot = sample;
            n_read += 1;
        }
        n_read
    }
}

impl SpscWriter for Samples<Arc<ArrayQueue<f32>>> {
    fn write(&mut self, samples: &[f32]) -> usize {
        samples.iter().take_while(|sample| self.0.push(**sample).is_ok()).count()
    }
}

impl SpscReader for Samples<Arc<ArrayQueue<f32>>> {
    fn read(&mut self, out: &mut [f32]) -> usize {
        let mut n_read = 0;
        for (slot, sample) in out.iter_mut().zip(std::iter::from_fn(|| self.0.pop())) {
            *slot = sample;
            n_read += 1;
        }
        n_read
    }
}
