//! The simulation's driver: mixer, control logic and clocked sources in virtual time, in one thread.

mod start_numbers;

use ra_core::{Clock, FramePosition, Sink, SinkCommand, Stats};

use crate::offline::OfflineEngine;
use crate::rt::command::SourceId;
use crate::{AnySource, BusConfig, BusReader, CommandError, EngineConfig, EngineError, SinkConfig, SourceConfig};
use start_numbers::{CountedStarts, StartNumbers};

/// An engine whose time goes on only when it is stepped.
///
/// Before each step, the caller lets its clocked sources deliver what is due by [`VirtualEngine::next_deadline_ns`]; then
/// the step mixes one block exactly as the audio thread would have at that time, and the control side looks after its
/// sources. The same deliveries give the same bytes.
pub struct VirtualEngine {
    engine: OfflineEngine,
    /// In the order in which they were added.
    sources: Vec<(SourceId, StartNumbers)>,
    latency_ns: f64,
    steps: u64,
    steps_per_tick: u64,
}

/// What of a clocked source sounds at the first frame of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceReading {
    /// Which start of the source, from 0: one whose format changes is started again, and counts its frames from 0 again.
    pub start: usize,
    /// The source's own frame, as its stamps count them; before its first one, negative.
    pub frame: i64,
    /// How far behind that frame, 0 to 1.
    pub fraction: f64,
    /// Frames read per nominal frame on average over the block: 1 + drift.
    pub rate_factor: f64,
}

impl VirtualEngine {
    /// The virtual time of frame 0, in nanoseconds: late enough for stamps of times before it.
    pub const ORIGIN_NS: u64 = 3_600_000_000_000;

    /// How often the control side is ticked, in seconds, as in real time.
    const TICK_S: f64 = 0.01;

    /// An engine at frame 0.
    ///
    /// # Errors
    /// [`EngineError`] when a setting is out of range.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let block_s = config.block_frames as f64 / f64::from(config.sample_rate.hz());
        Ok(Self {
            engine: OfflineEngine::starting_at_ns(config, Self::ORIGIN_NS)?,
            sources: Vec::new(),
            latency_ns: 0.0,
            steps: 0,
            steps_per_tick: ((Self::TICK_S / block_s).round() as u64).max(1),
        })
    }

    /// Makes a bus.
    ///
    /// # Errors
    /// [`CommandError`]; nothing has changed then.
    pub fn add_bus(&mut self, config: BusConfig) -> Result<(), CommandError> {
        self.engine.add_bus(config)
    }

    /// Adds a source of either kind. A clocked one is started right here.
    ///
    /// # Errors
    /// [`CommandError`], the source's own error when it can't be started.
    pub fn add_source(&mut self, config: SourceConfig, source: impl Into<AnySource>) -> Result<(), CommandError> {
        self.add_slow_source(config, source, |now_ns| now_ns)
    }

    /// As [`VirtualEngine::add_source`], of a device into which calls that open or close it take time: one that begins at
    /// the virtual time that `end_of_call_ns` is given returns when it says, and until then the device is in the call.
    ///
    /// # Errors
    /// As for [`VirtualEngine::add_source`]; [`CommandError::Stopped`] where the first call takes time and the source is
    /// required: nothing is mixed before it is open. One that is not is in the mix without its device until the call returns.
    pub fn add_slow_source(
        &mut self,
        config: SourceConfig,
        source: impl Into<AnySource>,
        end_of_call_ns: impl Fn(u64) -> u64 + Send + 'static,
    ) -> Result<(), CommandError> {
        let id = self.engine.control.next_source_id();
        self.engine.time_calls(id, Box::new(end_of_call_ns));
        let starts = StartNumbers::default();
        let source: AnySource = source.into();
        let source = match source {
            AnySource::Clocked(source) => AnySource::clocked(CountedStarts::new(source, &starts)),
            pulled => pulled,
        };
        self.engine.add_any_source(config, source)?;
        self.sources.push((id, starts));
        Ok(())
    }

    /// Adds a sink; it is served behind every step.
    ///
    /// # Errors
    /// [`CommandError`]; the sink's own error when it can't be opened.
    pub fn add_sink(&mut self, config: SinkConfig, sink: Box<dyn Sink>) -> Result<(), CommandError> {
        self.engine.add_sink(config, sink)
    }

    /// Tells a sink to do something, behind the last step.
    ///
    /// # Errors
    /// [`CommandError`]; the sink's own error when it refuses.
    pub fn tell_sink(&mut self, name: &str, command: SinkCommand) -> Result<(), CommandError> {
        self.engine.tell_sink(name, command)
    }

    /// A reader of a bus, or of `source:NAME`: one source, aligned and unmixed.
    ///
    /// # Errors
    /// [`CommandError::UnknownBus`] or [`CommandError::UnknownSource`].
    pub fn subscribe(&mut self, from: &str) -> Result<BusReader, CommandError> {
        self.engine.subscribe(from)
    }

    /// When the next block is due, in virtual monotonic nanoseconds.
    pub fn next_deadline_ns(&self) -> u64 {
        self.engine.mixer.next_deadline_ns()
    }

    /// Where the next block stands on the mix timeline.
    pub fn position(&self) -> FramePosition {
        self.engine.mixer.position()
    }

    /// Mixes the block that is due, hands it to the sinks, and lets the control side do what time brings.
    ///
    /// # Real-time safety
    /// Not real-time safe: sinks may do I/O.
    pub fn step(&mut self) {
        self.engine.clock.sleep_until_ns(self.engine.mixer.next_deadline_ns());
        self.engine.feed();
        self.latency_ns = self.engine.mixer.latency_ns();
        self.engine.mixer.step();
        // Before the control side starts any source again: what is new here is of the newest start.
        for (id, starts) in &mut self.sources {
            if let Some(strip) = self.engine.mixer.source(*id) {
                starts.see(&strip.follower, strip.next.as_deref());
            }
        }
        self.engine.drain();
        self.steps += 1;
        if self.steps.is_multiple_of(self.steps_per_tick) {
            self.tick();
        }
    }

    /// Lets the control side look after its sources, and learn what the mixer has told, at once. It does so by itself every
    /// 10 ms; a snapshot that is to know of the gaps up to the last frame needs it behind the last step.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, may do I/O.
    pub fn tick(&mut self) {
        self.engine.tick();
    }

    /// What of the `index`-th added source sounded at the first frame of the block just mixed; `None` where it was silent:
    /// not begun, in a long hole, or ended.
    pub fn reading(&self, index: usize) -> Option<SourceReading> {
        let (id, starts) = self.sources.get(index)?;
        let strip = self.engine.mixer.source(*id)?;
        let reading = strip.follower.clocked()?.reading()?;
        let start = starts.of(&strip.follower)?;
        Some(SourceReading {
            start,
            frame: reading.frame,
            fraction: reading.fraction,
            rate_factor: reading.rate_factor,
        })
    }

    /// From capture to the mix point at the first frame of the block just mixed, in nanoseconds.
    pub fn latency_ns(&self) -> f64 {
        self.latency_ns
    }

    /// A snapshot of everything.
    pub fn stats(&self) -> Stats {
        self.engine.control.stats()
    }

    /// Closes every source, mixes what they have delivered, closes every sink, and gives the final account.
    pub fn finish(self) -> Stats {
        self.engine.finish_with_tails()
    }
}
