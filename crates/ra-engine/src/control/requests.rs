//! What the control side asks of its driver, and what it is told of that: everything that may block. Decides nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ra_core::{ClockedSource, FramePosition, Granted, PlaybackClock, Sink, SinkError, SourceError};
use ra_queue::InputWriter;

use super::sinks::SinkNumber;
use crate::ConsumerClass;
use crate::consumer::Consumer;
use crate::feeder::Feeder;
use crate::rt::command::SourceId;

/// What a driver is asked to do where blocking hurts nobody. Each is answered by one or more [`Completion`]s.
pub(crate) enum Request {
    StartClocked {
        id: SourceId,
        name: String,
        source: Box<dyn ClockedSource>,
        input: InputWriter,
    },
    /// It was lost, or goes on in another format: stop it, as far as it runs, and start it on a new ring.
    RestartClocked {
        id: SourceId,
        name: String,
        source: Box<dyn ClockedSource>,
        input: InputWriter,
    },
    /// It was lost, and is opened again later: stop it, as far as it runs, and give it back.
    CloseClocked {
        id: SourceId,
        name: String,
        source: Box<dyn ClockedSource>,
    },
    /// Stop it, and drop it.
    StopClocked {
        id: SourceId,
        name: String,
        source: Box<dyn ClockedSource>,
    },
    RunFeeder {
        id: SourceId,
        name: String,
        feeder: Box<Feeder>,
    },
    RunConsumer(ConsumerRun),
    /// A sink that was refused: dropping it may hang.
    DropSink {
        name: String,
        sink: Box<dyn Sink>,
    },
    /// Nobody waits for its thread any more.
    AbandonConsumer {
        number: SinkNumber,
    },
}

/// A consumer that is to get a thread.
pub(crate) struct ConsumerRun {
    pub(crate) number: SinkNumber,
    pub(crate) name: String,
    pub(crate) consumer: Consumer,
    pub(crate) class: ConsumerClass,
    /// The ring of its own that it needs, in blocks.
    pub(crate) cushion_blocks: Option<usize>,
    /// Where its first block stands; `None`: wherever the next one does.
    pub(crate) opens_at: Option<FramePosition>,
    /// Set when it is to hand on what waits, and end.
    pub(crate) leave: Arc<AtomicBool>,
}

/// What became of a request.
pub(crate) enum Completion {
    /// Of both `StartClocked` and `RestartClocked`.
    ClockedOpened {
        id: SourceId,
        source: Box<dyn ClockedSource>,
        result: Result<Granted, SourceError>,
    },
    ClockedClosed {
        id: SourceId,
        source: Box<dyn ClockedSource>,
    },
    ClockedStopped {
        id: SourceId,
    },
    /// The first frames are in the ring, or there are none.
    FeederPrimed {
        id: SourceId,
    },
    SinkOpened {
        number: SinkNumber,
        result: Result<(), SinkError>,
        /// Of the device that it plays on.
        clock: Option<Box<dyn PlaybackClock>>,
    },
    SinkEnded {
        number: SinkNumber,
    },
    /// No thread could be had.
    NoThread {
        what: Threadless,
        message: String,
    },
}

/// Whose thread could not be had.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Threadless {
    Source(SourceId),
    Sink(SinkNumber),
    Nobody,
}
