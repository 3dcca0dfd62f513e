//! The thread of a paced source: reads ahead of the deadline, waits for it, hands over. All timing is the pacer's.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
    mpsc,
};

use ra_core::{Clock, PeriodInput, PulledSource, SourceError, StreamEvent, StreamSpec};

use super::pacer::Pacer;
use crate::{ClockModel, RoomTime};

/// The longest single sleep: how long a stop may have to wait.
const MAX_SLEEP_NS: u64 = 50_000_000;

/// What a paced source plays from.
pub(super) enum Feed {
    /// Frames in their order, whatever the time.
    Pulled(Box<dyn PulledSource>),
    /// Frames by their true time.
    #[cfg(feature = "mock")]
    Room(Box<crate::MockSource>),
}

impl Feed {
    pub(super) fn source(&self) -> &dyn PulledSource {
        match self {
            Feed::Pulled(source) => source.as_ref(),
            #[cfg(feature = "mock")]
            Feed::Room(room) => room.as_ref(),
        }
    }

    fn source_mut(&mut self) -> &mut dyn PulledSource {
        match self {
            Feed::Pulled(source) => source.as_mut(),
            #[cfg(feature = "mock")]
            Feed::Room(room) => room.as_mut(),
        }
    }

    /// Tells a room by which clock it is heard from now on.
    #[cfg_attr(not(feature = "mock"), allow(unused_variables, reason = "only a room asks for the time"))]
    pub(super) fn open_on(&mut self, clock: ClockModel, opened: RoomTime) -> Result<(), SourceError> {
        match self {
            Feed::Pulled(_) => Ok(()),
            #[cfg(feature = "mock")]
            Feed::Room(room) => room.set_clock(clock, opened),
        }
    }
}

/// Everything that the thread needs but the feed.
pub(super) struct Worker {
    pub(super) pacer: Pacer,
    pub(super) spec: StreamSpec,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) input: Box<dyn PeriodInput>,
    pub(super) events: mpsc::Sender<StreamEvent>,
    pub(super) stopping: Arc<AtomicBool>,
    /// One period of samples.
    pub(super) period: Vec<f32>,
}

impl Worker {
    /// Delivers until it is stopped or the feed ends; gives the feed back and drops the input.
    pub(super) fn run(mut self, mut feed: Feed) -> Feed {
        loop {
            let delivery = self.pacer.next_delivery();
            let (n_frames, end) = self.fill(feed.source_mut());
            if !self.wait_until(delivery.due_ns) {
                return feed;
            }
            if n_frames > 0 {
                // What is not taken is counted by the input: `push` says so to nobody else.
                self.input.push(delivery.capture_ns, &self.period[..self.spec.samples(n_frames)]);
            }
            if let Some(event) = end {
                // Nobody listens when the source was dropped; then nobody needs to know.
                self.events.send(event).ok();
                return feed;
            }
        }
    }

    /// Reads one period; says how much of it there is, and why not all.
    fn fill(&mut self, source: &mut dyn PulledSource) -> (usize, Option<StreamEvent>) {
        let mut filled = 0;
        let wanted = self.spec.frames(self.period.len());
        while filled < wanted {
            match source.read(&mut self.period[self.spec.samples(filled)..]) {
                // A source that breaks its word and says 0 for ever must not spin here.
                Ok(StreamEvent::Frames { n_frames: 0 }) => {
                    let reason = format!("{} gave no frames", source.describe());
                    return (filled, Some(StreamEvent::DeviceLost { reason, doubtful_frames: 0 }));
                }
                Ok(StreamEvent::Frames { n_frames }) => filled += n_frames.min(wanted - filled),
                Ok(gap @ StreamEvent::Gap(_)) => {
                    self.events.send(gap).ok(); // as below
                }
                Ok(event) => return (filled, Some(event)),
                Err(error) => {
                    return (filled, Some(StreamEvent::DeviceLost { reason: error.to_string(), doubtful_frames: 0 }));
                }
            }
        }
        (filled, None)
    }

    /// Whether the deadline came before the stop.
    fn wait_until(&self, due_ns: u64) -> bool {
        loop {
            // Acquire pairs with the Release in `stop`.
            if self.stopping.load(Ordering::Acquire) {
                return false;
            }
            let now_ns = self.clock.now_ns();
            if now_ns >= due_ns {
                return true;
            }
            self.clock.sleep_until_ns(due_ns.min(now_ns.saturating_add(MAX_SLEEP_NS)));
        }
    }
}
