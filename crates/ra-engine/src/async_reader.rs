//! A bus as an async task sees it. Needs no particular executor, and wakes nobody from the audio thread: that is the
//! notifier's thread. Waits for nothing but blocks.

mod notifier;
#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use ra_core::{Block, BlockStamp, StreamSpec};
use ra_queue::ReaderCounts;

use crate::reader::Look;
use crate::{BusReader, CommandError, EngineHandle, ReaderConfig};
pub(crate) use notifier::Notifier;
use notifier::Slot;

/// Reads a bus's blocks with a cursor of its own, in an async task. Leaves by being dropped.
///
/// A task is woken within 5 ms of a block, by a thread of the engine that is there as long as it has async readers. Every
/// future of this reader may be dropped at any moment: what it did not return is there for the next one.
///
/// # Examples
/// ```
/// # use ra_engine::{AsyncBusEvent, Engine, EngineConfig, RealtimeRequest};
/// # let mut engine = Engine::new(EngineConfig { realtime: RealtimeRequest::Ordinary, ..EngineConfig::default() })?;
/// let mut bus = engine.handle().subscribe_async("main")?;
/// engine.start()?;
/// let n_frames = futures_executor::block_on(async {
///     let mut n_frames = 0;
///     while n_frames < 4_800 {
///         match bus.next_frame().await {
///             AsyncBusEvent::Block(block) => n_frames += block.n_frames(),
///             AsyncBusEvent::Lagged { n_blocks } => println!("{n_blocks} blocks were missed"),
///             other => panic!("the bus has ended: {other:?}"),
///         }
///     }
///     n_frames
/// });
/// assert!(n_frames >= 4_800);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AsyncBusReader {
    reader: BusReader,
    notifier: Arc<Notifier>,
    slot: Arc<Slot>,
}

/// What an async reader was woken for. Lag, end, disconnection and timeout are four things.
#[derive(Debug)]
#[non_exhaustive]
pub enum AsyncBusEvent<'a> {
    /// The next block. Its samples are a copy: nobody overwrites them.
    Block(Block<'a>),
    /// The reader was later than it may be, or overtaken, and lost exactly that many blocks.
    Lagged {
        /// How many.
        n_blocks: u64,
    },
    /// The reader was later than it may be, and its rule is to be disconnected: only [`AsyncBusEvent::Ended`] comes after
    /// this.
    Disconnected {
        /// By how many blocks it was behind.
        lag_blocks: u64,
    },
    /// Nothing came in time. Nothing was lost either.
    Timeout,
    /// The bus or the engine has ended, and everything was read.
    Ended,
}

/// What an async reader gives as a stream, which ends behind the last of them. It owns its samples.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OwnedBusEvent {
    /// The next block.
    Block(OwnedBlock),
    /// The reader was later than it may be, or overtaken, and lost exactly that many blocks.
    Lagged {
        /// How many.
        n_blocks: u64,
    },
    /// The reader was later than it may be, and its rule is to be disconnected: the stream ends behind this.
    Disconnected {
        /// By how many blocks it was behind.
        lag_blocks: u64,
    },
}

/// A block with samples of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedBlock {
    /// Place and time of the first frame.
    pub stamp: BlockStamp,
    /// Rate and channels of `samples`.
    pub spec: StreamSpec,
    /// Interleaved samples; `samples.len() == n_frames * channels`.
    pub samples: Arc<[f32]>,
}

impl OwnedBlock {
    /// The same as a block that borrows.
    pub fn as_block(&self) -> Block<'_> {
        Block { stamp: self.stamp, spec: self.spec, samples: &self.samples }
    }
}

/// A look, or that its time is up.
enum Outcome {
    Look(Look),
    Timeout,
}

impl AsyncBusReader {
    pub(crate) fn new(reader: BusReader, notifier: Arc<Notifier>) -> Result<Self, CommandError> {
        let slot = notifier.join(reader.reader.monitor()).map_err(|cause| CommandError::Thread {
            what: "the thread",
            name: "ra-notify".to_owned(),
            message: cause.to_string(),
        })?;
        Ok(Self { reader, notifier, slot })
    }

    /// Waits for the next block.
    ///
    /// # Real-time safety
    /// Not real-time safe: locks.
    pub fn next_frame(&mut self) -> impl Future<Output = AsyncBusEvent<'_>> + Send {
        self.wait_until(None)
    }

    /// Waits for the next block, for `limit` from now on at most; [`AsyncBusEvent::Timeout`] comes up to a few milliseconds
    /// later, as blocks do.
    ///
    /// # Real-time safety
    /// Not real-time safe: locks.
    pub fn next_frame_timeout(&mut self, limit: Duration) -> impl Future<Output = AsyncBusEvent<'_>> + Send {
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let deadline_ns = self.notifier.now_ns().saturating_add(limit_ns);
        self.wait_until(Some(deadline_ns))
    }

    async fn wait_until(&mut self, deadline_ns: Option<u64>) -> AsyncBusEvent<'_> {
        match poll_fn(|context| self.poll_look(context, deadline_ns)).await {
            Outcome::Look(Look::Block(stamp)) => AsyncBusEvent::Block(self.reader.block(stamp)),
            Outcome::Look(Look::Lagged { n_blocks }) => AsyncBusEvent::Lagged { n_blocks },
            Outcome::Look(Look::Disconnected { lag_blocks }) => AsyncBusEvent::Disconnected { lag_blocks },
            Outcome::Look(Look::Ended) => AsyncBusEvent::Ended,
            // An empty look is no outcome.
            Outcome::Timeout | Outcome::Look(Look::Empty) => AsyncBusEvent::Timeout,
        }
    }

    /// Takes something out of the ring only where it returns it at once: a future that is dropped has taken nothing.
    fn poll_look(&mut self, context: &mut Context<'_>, deadline_ns: Option<u64>) -> Poll<Outcome> {
        match self.reader.look() {
            Look::Empty => {}
            look => {
                self.slot.forget();
                return Poll::Ready(Outcome::Look(look));
            }
        }
        let now_ns = self.notifier.now_ns();
        if deadline_ns.is_some_and(|deadline_ns| now_ns >= deadline_ns) {
            self.slot.forget();
            return Poll::Ready(Outcome::Timeout);
        }
        self.slot.wait(context.waker(), now_ns, deadline_ns);
        Poll::Pending
    }

    /// Tells this reader from all other async readers of its engine.
    pub fn id(&self) -> u64 {
        self.slot.id()
    }

    /// Blocks that wait to be read. More may be there when the answer is used.
    pub fn lag_blocks(&self) -> u64 {
        self.reader.lag_blocks()
    }

    /// Rate and channels of the blocks.
    pub fn spec(&self) -> StreamSpec {
        self.reader.spec()
    }

    /// Frames in a block.
    pub fn block_frames(&self) -> usize {
        self.reader.block_frames()
    }

    /// Leaves out everything but the newest block; returns how many blocks that lost.
    pub fn skip_ahead(&mut self) -> u64 {
        self.reader.skip_ahead()
    }

    /// Where the blocks of this reader are: read, lost, or waiting.
    pub fn counts(&self) -> ReaderCounts {
        self.reader.counts()
    }
}

impl Drop for AsyncBusReader {
    fn drop(&mut self) {
        self.slot.forget();
        self.notifier.leave(&self.slot);
    }
}

impl Stream for AsyncBusReader {
    type Item = OwnedBusEvent;

    /// Allocates for each block; [`AsyncBusReader::next_frame`] does not.
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<OwnedBusEvent>> {
        let this = self.get_mut();
        this.poll_look(context, None).map(|outcome| match outcome {
            Outcome::Look(Look::Block(stamp)) => {
                let Block { stamp, spec, samples } = this.reader.block(stamp);
                Some(OwnedBusEvent::Block(OwnedBlock { stamp, spec, samples: samples.into() }))
            }
            Outcome::Look(Look::Lagged { n_blocks }) => Some(OwnedBusEvent::Lagged { n_blocks }),
            Outcome::Look(Look::Disconnected { lag_blocks }) => Some(OwnedBusEvent::Disconnected { lag_blocks }),
            Outcome::Look(Look::Ended | Look::Empty) | Outcome::Timeout => None,
        })
    }
}

impl std::fmt::Debug for AsyncBusReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsyncBusReader").field("id", &self.id()).field("spec", &self.spec()).finish_non_exhaustive()
    }
}

impl EngineHandle {
    /// A reader of a bus (or of `source:NAME`) for an async task: it sees every block that is published from now on, and
    /// learns exactly what it missed.
    pub fn subscribe_async(&self, from: &str) -> Result<AsyncBusReader, CommandError> {
        self.subscribe_async_with(from, ReaderConfig::default())
    }

    /// As [`EngineHandle::subscribe_async`], with a rule for what happens when it is late.
    pub fn subscribe_async_with(&self, from: &str, config: ReaderConfig) -> Result<AsyncBusReader, CommandError> {
        AsyncBusReader::new(self.subscribe_with(from, config)?, Arc::clone(&self.notifier))
    }
}
