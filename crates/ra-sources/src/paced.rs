//! Makes a device of a pulled source: its own thread, absolute deadlines, a clock that may be off. Decides nothing about
//! lost frames: what the engine's end does not take, it counts.

mod pacer;
mod worker;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use ra_core::{Clock, ClockedSource, Granted, PeriodInput, PulledSource, Source, SourceError, StreamEvent, StreamSpec};

pub use pacer::{Delivery, Outliers, PacedConfig, Pacer};

use worker::{Feed, Worker};

/// A clocked source whose frames come from a pulled one.
///
/// Every period is delivered at its absolute deadline on the injected clock, computed from the frame's number: late
/// wake-ups do not add up. A thread that was kept from running delivers what is due in a burst, with true stamps.
///
/// A thread named `ra-src-NAME` runs from [`start`](ClockedSource::start) to [`stop`](ClockedSource::stop) or to the
/// drop, which both wait for it: at most until the clock's next wake-up, 50 ms, or one read of the pulled source.
/// Started again, it goes on where it was: a file at the next frame, a room at the true time that it then is.
///
/// [`poll_event`](ClockedSource::poll_event) says [`StreamEvent::EndOfStream`] once behind the last frame, the short tail
/// having been delivered; [`StreamEvent::FormatChanged`] where a file goes on in another format (delivery has stopped;
/// start it again to have the rest in that format); [`StreamEvent::DeviceLost`] with the reason where reading failed.
///
/// # Examples
/// ```
/// # #[cfg(feature = "mock")] {
/// use std::sync::Arc;
/// use ra_core::{ClockedSource, PeriodInput, StreamSpec, VirtualClock};
/// use ra_sources::{ClockModel, MockConfig, PacedConfig, PacedSource, Signal};
/// struct Ignore;
/// impl PeriodInput for Ignore {
///     fn push(&mut self, _capture_ns: u64, interleaved: &[f32]) -> usize { interleaved.len() }
///     fn mark_break(&mut self) {}
/// }
/// let config = PacedConfig { clock: ClockModel { ppm: 50.0, ..ClockModel::PERFECT }, ..PacedConfig::default() };
/// let tone = MockConfig::new(StreamSpec::new(48_000, 1)?, Signal::DEFAULT);
/// let mut source = PacedSource::mock(config, tone, Arc::new(VirtualClock::at_ns(0)))?;
/// source.start(Box::new(Ignore))?;
/// source.stop();
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PacedSource {
    config: PacedConfig,
    clock: Arc<dyn Clock>,
    spec: StreamSpec,
    description: String,
    origin_ns: Option<u64>,
    state: State,
    events: Option<mpsc::Receiver<StreamEvent>>,
    stopping: Arc<AtomicBool>,
}

enum State {
    Idle(Feed),
    Running(JoinHandle<Option<Feed>>),
    /// The thread panicked and took the feed with it.
    Broken {
        reported: bool,
    },
}

impl std::fmt::Debug for PacedSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacedSource").field("config", &self.config).field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl PacedSource {
    /// Plays a pulled source, a file for one, at the pace of `config.clock`.
    ///
    /// # Errors
    /// [`SourceError::Setting`] where `config` makes no sense.
    pub fn pulled(
        config: PacedConfig,
        source: Box<dyn PulledSource>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SourceError> {
        Self::new(config, Feed::Pulled(source), clock)
    }

    /// Hears a room through a device with the clock `config.clock`: every frame is the room's sound at the true time at
    /// which that clock captures it. That is what makes drift real.
    ///
    /// # Errors
    /// [`SourceError::Setting`] where `config` or `mock` makes no sense.
    #[cfg(feature = "mock")]
    pub fn mock(config: PacedConfig, mock: crate::MockConfig, clock: Arc<dyn Clock>) -> Result<Self, SourceError> {
        let room = crate::MockSource::new(mock)?;
        Self::new(config, Feed::Room(Box::new(room)), clock)
    }

    fn new(config: PacedConfig, feed: Feed, clock: Arc<dyn Clock>) -> Result<Self, SourceError> {
        config.check()?;
        let description = format!("{} ({})", config.name, feed.source().describe());
        Ok(Self {
            spec: feed.source().spec(),
            description,
            origin_ns: config.room_origin_ns,
            config,
            clock,
            state: State::Idle(feed),
            events: None,
            stopping: Arc::new(AtomicBool::new(false)),
        })
    }

    /// Waits for the thread and takes back what it played from.
    fn join(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Broken { reported: false });
        self.state = match state {
            State::Running(thread) => match thread.join() {
                Ok(Some(feed)) => {
                    self.spec = feed.source().spec();
                    State::Idle(feed)
                }
                Ok(None) | Err(_) => State::Broken { reported: false },
            },
            other => other,
        };
    }
}

impl Source for PacedSource {
    fn spec(&self) -> StreamSpec {
        self.spec
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

impl ClockedSource for PacedSource {
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<Granted, SourceError> {
        let fault =
            |message: &str| SourceError::Setting { what: self.config.name.clone(), message: message.to_owned() };
        let start_ns = self.clock.now_ns();
        let origin_ns = *self.origin_ns.get_or_insert(start_ns);
        let config = PacedConfig { room_origin_ns: Some(origin_ns), ..self.config.clone() };
        let pacer = Pacer::new(&config, self.spec.sample_rate, start_ns)?;
        let mut feed = match std::mem::replace(&mut self.state, State::Broken { reported: true }) {
            State::Idle(feed) => feed,
            running @ State::Running(_) => {
                self.state = running;
                return Err(fault("started twice, expected a stop in between"));
            }
            State::Broken { .. } => return Err(fault("its thread panicked before, expected a new source instead")),
        };
        if let Err(error) = feed.open_on(config.clock, pacer.time_of_frame(0)) {
            self.state = State::Idle(feed);
            return Err(error);
        }
        let (sender, events) = mpsc::channel();
        self.stopping = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            pacer,
            spec: self.spec,
            clock: Arc::clone(&self.clock),
            input,
            events: sender,
            stopping: Arc::clone(&self.stopping),
            period: vec![0.0; self.spec.samples(self.config.period_frames as usize)],
        };
        // The feed travels by channel, so that it survives where no thread can be had.
        let (lend, borrow) = mpsc::sync_channel::<Feed>(1);
        let spawned = std::thread::Builder::new()
            .name(format!("ra-src-{}", self.config.name))
            .spawn(move || borrow.recv().ok().map(|feed| worker.run(feed)));
        match spawned {
            Ok(thread) => {
                if let Err(mpsc::SendError(feed)) = lend.send(feed) {
                    self.state = State::Idle(feed);
                    return Err(fault("its thread ended before it began"));
                }
                self.state = State::Running(thread);
                self.events = Some(events);
            }
            Err(error) => {
                self.state = State::Idle(feed);
                return Err(fault(&format!("no thread: {error}")));
            }
        }
        Ok(Granted {
            spec: self.spec,
            period_frames: Some(self.config.period_frames),
            device: self.description.clone(),
        })
    }

    fn poll_event(&mut self) -> Option<StreamEvent> {
        if let Some(event) = self.events.as_ref().and_then(|events| events.try_recv().ok()) {
            if let StreamEvent::FormatChanged { spec } = &event {
                self.spec = *spec;
            }
            return Some(event);
        }
        if matches!(&self.state, State::Running(thread) if thread.is_finished()) {
            self.join(); // at once: it has ended
            // What it said between the look at the channel and its end.
            if let Some(event) = self.events.as_ref().and_then(|events| events.try_recv().ok()) {
                return Some(event);
            }
        }
        match &mut self.state {
            State::Broken { reported } if !*reported => {
                *reported = true;
                Some(StreamEvent::DeviceLost {
                    reason: format!("thread ra-src-{} panicked", self.config.name),
                    doubtful_frames: 0,
                })
            }
            _ => None,
        }
    }

    fn stop(&mut self) {
        // Release pairs with the Acquire in the worker's wait. Nothing else is handed over by it.
        self.stopping.store(true, Ordering::Release);
        self.join();
    }
}

impl Drop for PacedSource {
    fn drop(&mut self) {
        self.stop();
    }
}
