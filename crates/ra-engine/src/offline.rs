//! The offline driver: the same mixer and consumers, stepped in one thread as fast as the machine allows.

use std::sync::Arc;

use crossbeam_channel::bounded;
use ra_core::{Clock, FramePosition, RealtimeClass, RealtimeGrant, Sink, SinkCommand, SinkState, Stats, VirtualClock};

use crate::consumer::{Consumer, Drained};
use crate::control::{Completion, Control, Request, SinkNumber};
use crate::feeder::{Fed, Feeder};
use crate::rt::command::SourceId;
use crate::rt::mixer::Mixer;
use crate::timeline::Timeline;
use crate::{
    AnySource, BusConfig, BusReader, CommandError, EngineConfig, EngineError, ReaderConfig, SinkConfig, SourceConfig,
};

/// Blocks between two looks at the control side.
const BLOCKS_PER_TURN: u32 = 8;

/// The longest that what a clocked source has delivered can take to be mixed, in nanoseconds: the latency's bound.
const MOST_TAIL_NS: u64 = 15_000_000_000;

/// Blocks that each source's ring holds: small, so that all of them stay in the processor's cache.
const READ_AHEAD_BLOCKS: usize = 4;

/// Mixes pulled sources into sinks without waiting for any clock.
pub struct OfflineEngine {
    pub(crate) control: Control,
    pub(crate) mixer: Mixer,
    pub(crate) clock: VirtualClock,
    feeders: Vec<RunningFeeder>,
    /// How long calls into clocked sources take, where they take any time.
    calls: Vec<(SourceId, CallEnd)>,
    /// Calls that are going on, and when they return.
    pending: Vec<(u64, Request)>,
    consumers: Vec<RunningConsumer>,
}

/// When a call into a device that begins at one time returns.
pub(crate) type CallEnd = Box<dyn Fn(u64) -> u64 + Send>;

struct RunningFeeder {
    feeder: Box<Feeder>,
    fed: Fed,
}

struct RunningConsumer {
    number: SinkNumber,
    consumer: Consumer,
    dead: bool,
}

impl OfflineEngine {
    /// An engine in virtual time. Its latency is 0: frame 0 of every source is frame 0 of the mix.
    ///
    /// # Errors
    /// [`EngineError`] when a setting is out of range.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        Self::starting_at_ns(config, 0)
    }

    /// The same; frame 0 is due at that virtual time.
    pub(crate) fn starting_at_ns(config: EngineConfig, start_ns: u64) -> Result<Self, EngineError> {
        let clock = VirtualClock::at_ns(start_ns);
        let timeline = Arc::new(Timeline::new(config.sample_rate, &clock));
        let (mut control, mut mixer) = Control::new(config, timeline, start_ns)?;
        mixer.start_at_ns(start_ns);
        control.read_ahead_blocks(READ_AHEAD_BLOCKS);
        control.set_grant(RealtimeGrant { class: RealtimeClass::None, ..RealtimeGrant::default() });
        Ok(Self {
            control,
            mixer,
            clock,
            feeders: Vec::new(),
            calls: Vec::new(),
            pending: Vec::new(),
            consumers: Vec::new(),
        })
    }

    /// Makes a bus.
    ///
    /// # Errors
    /// [`CommandError`]; nothing has changed then.
    pub fn add_bus(&mut self, config: BusConfig) -> Result<(), CommandError> {
        self.control.add_bus(config)
    }

    /// Adds a source; only a pulled one can be hurried.
    ///
    /// # Errors
    /// [`CommandError`]; [`CommandError::ClockedOffline`] for a clocked source.
    pub fn add_source(&mut self, config: SourceConfig, source: impl Into<AnySource>) -> Result<(), CommandError> {
        let source = source.into();
        if matches!(source, AnySource::Clocked(_)) {
            return Err(CommandError::ClockedOffline { name: config.name });
        }
        self.add_any_source(config, source)
    }

    /// Adds a source of either kind; a clocked one is started right here.
    pub(crate) fn add_any_source(&mut self, config: SourceConfig, source: AnySource) -> Result<(), CommandError> {
        let (reply, answer) = bounded(1);
        let (id, is_required) = (self.control.next_source_id(), config.required);
        self.control.add_source(config, source, Some(reply));
        self.carry_out_requests();
        if !is_required {
            // No time passes here in which a call that takes some could return.
            self.control.do_not_wait_for(id);
        }
        self.prepare();
        answer.try_recv().unwrap_or(Err(CommandError::Stopped))
    }

    /// Adds a sink.
    ///
    /// # Errors
    /// [`CommandError`]; the sink's own error when it can't be opened.
    pub fn add_sink(&mut self, config: SinkConfig, sink: Box<dyn Sink>) -> Result<(), CommandError> {
        let (reply, answer) = bounded(1);
        self.control.add_sink(config, sink, Some(reply));
        self.carry_out_requests();
        self.prepare();
        answer.try_recv().unwrap_or(Err(CommandError::Stopped))
    }

    /// Tells a sink to do something, behind everything that was mixed so far.
    ///
    /// # Errors
    /// [`CommandError`]; the sink's own error when it refuses.
    pub fn tell_sink(&mut self, name: &str, command: SinkCommand) -> Result<(), CommandError> {
        self.drain();
        let (reply, answer) = bounded(1);
        self.control.tell_sink(name, command, reply);
        self.drain();
        answer.try_recv().unwrap_or_else(|_| Err(CommandError::SinkEnded { name: name.to_owned() }))
    }

    /// A reader of a bus (or of `source:NAME`), for a consumer that is not a [`Sink`].
    ///
    /// # Errors
    /// [`CommandError::UnknownBus`] or [`CommandError::UnknownSource`].
    pub fn subscribe(&mut self, from: &str) -> Result<BusReader, CommandError> {
        let reader = self.control.subscribe(from, ReaderConfig::default())?;
        self.prepare();
        Ok(reader)
    }

    /// Before the first block, what was added is there at once.
    fn prepare(&mut self) {
        if self.mixer.position() == FramePosition(0) {
            self.control.prepare(&mut self.mixer, self.clock.now_ns());
        }
    }

    /// Mixes until every source has ended, and calls `progress` with the frames done so far every now and then.
    ///
    /// Every sink gets exactly as many frames as the longest source has. Ends early when every sink is dead. A source or
    /// sink that failed on the way has a state that says so; what came before is kept.
    pub fn run(mut self, progress: &mut dyn FnMut(u64)) -> Stats {
        loop {
            for _ in 0..BLOCKS_PER_TURN {
                self.feed();
                if self.mixer.all_ended() {
                    return self.finish();
                }
                self.mixer.step();
            }
            self.clock.sleep_until_ns(self.mixer.next_deadline_ns());
            progress(self.mixer.position().0);
            self.tick();
            if !self.mixer.all_ended() {
                self.drain();
            }
            if !self.consumers.is_empty() && self.consumers.iter().all(|running| running.dead) {
                return self.finish();
            }
        }
    }

    /// Lets the control side do what time brings.
    pub(crate) fn tick(&mut self) {
        self.control.look_at_clocks(&self.clock);
        self.let_calls_return(self.clock.now_ns());
        self.control.tick(self.clock.now_ns());
        self.carry_out_requests();
    }

    /// Calls into that source take as long as they are said to.
    pub(crate) fn time_calls(&mut self, id: SourceId, end: CallEnd) {
        self.calls.push((id, end));
    }

    /// Carries out the calls that return at `now_ns` or before it.
    fn let_calls_return(&mut self, now_ns: u64) {
        while let Some(at) = self.pending.iter().position(|&(end_ns, _)| end_ns <= now_ns) {
            let (_, request) = self.pending.remove(at);
            self.carry_out(request);
        }
    }

    /// When a request that blocks on a device is done, where that is not at once.
    fn end_of_call_ns(&self, request: &Request) -> Option<u64> {
        let (Request::StartClocked { id, .. }
        | Request::RestartClocked { id, .. }
        | Request::CloseClocked { id, .. }
        | Request::StopClocked { id, .. }) = request
        else {
            return None;
        };
        let now_ns = self.clock.now_ns();
        let end_ns = self.calls.iter().find(|call| call.0 == *id).map(|call| (call.1)(now_ns))?;
        (end_ns > now_ns).then_some(end_ns)
    }

    /// Mixes and publishes one block: the very step that the audio thread of [`crate::Engine`] runs. For hosts, benches and
    /// tests that pace an engine themselves: [`OfflineEngine::feed`] before it, [`OfflineEngine::drain`] behind it.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn step(&mut self) {
        self.mixer.step();
    }

    /// Lets files read ahead, where their rings are half empty: few large reads rather than many small ones.
    ///
    /// # Real-time safety
    /// Not real-time safe: does I/O.
    pub fn feed(&mut self) {
        for running in &mut self.feeders {
            if running.fed == Fed::Full && running.feeder.wants_more() {
                running.fed = running.feeder.fill();
            }
        }
    }

    /// Hands what was published to the sinks.
    ///
    /// # Real-time safety
    /// Not real-time safe: does I/O.
    pub fn drain(&mut self) {
        for running in self.consumers.iter_mut().filter(|running| !running.dead) {
            loop {
                match running.consumer.drain() {
                    Drained::More => {}
                    Drained::Idle | Drained::Ended => {
                        // What a sink refuses here is lost for good: no time passes in which a disk could be emptied.
                        running.dead = running.consumer.shared.state() == SinkState::Failed;
                        break;
                    }
                    Drained::Dead => {
                        running.dead = true;
                        break;
                    }
                }
            }
        }
    }

    /// Hands on the last blocks, cut to the length of the longest source, and closes every sink.
    fn finish(mut self) -> Stats {
        let end = FramePosition(self.control.longest_source_frames());
        self.consumers.iter_mut().for_each(|running| running.consumer.end_at(end));
        self.control.begin_stop();
        self.close_sinks()
    }

    /// Closes the clocked sources, mixes what they have delivered, and closes every sink.
    pub(crate) fn finish_with_tails(mut self) -> Stats {
        self.control.begin_stop();
        self.carry_out_requests();
        // Whatever hangs is over in the end.
        self.let_calls_return(u64::MAX);
        self.carry_out_requests();
        self.let_calls_return(u64::MAX);
        let last_ns = self.mixer.next_deadline_ns() + MOST_TAIL_NS;
        while !self.mixer.clocked_tails_are_mixed() && self.mixer.next_deadline_ns() < last_ns {
            self.clock.sleep_until_ns(self.mixer.next_deadline_ns());
            self.mixer.step();
            self.drain();
        }
        self.mixer.flush_tails();
        self.close_sinks()
    }

    fn close_sinks(mut self) -> Stats {
        self.drain();
        for running in &mut self.consumers {
            running.consumer.finish();
            self.control.complete(Completion::SinkEnded { number: running.number });
        }
        self.control.take_rest(&mut self.mixer, self.clock.now_ns());
        self.control.stats()
    }

    /// What other drivers give a thread is done right here.
    fn carry_out_requests(&mut self) {
        while let Some(request) = self.control.take_request() {
            match self.end_of_call_ns(&request) {
                Some(end_ns) => self.pending.push((end_ns, request)),
                None => self.carry_out(request),
            }
        }
    }

    fn carry_out(&mut self, request: Request) {
        match request {
            Request::RunFeeder { id, mut feeder, .. } => {
                let fed = feeder.fill();
                self.feeders.push(RunningFeeder { feeder, fed });
                self.control.complete(Completion::FeederPrimed { id });
            }
            Request::RunConsumer(run) => {
                let (number, mut consumer) = (run.number, run.consumer);
                consumer.be_patient();
                let result = consumer.open_at(FramePosition(0));
                let dead = result.is_err();
                let clock = consumer.take_clock();
                self.control.complete(Completion::SinkOpened { number, result, clock });
                if !dead {
                    self.consumers.push(RunningConsumer { number, consumer, dead });
                }
            }
            Request::StartClocked { id, mut source, input, .. } => {
                let result = source.start(Box::new(input));
                self.control.complete(Completion::ClockedOpened { id, source, result });
            }
            Request::RestartClocked { id, mut source, input, .. } => {
                source.stop();
                let result = source.start(Box::new(input));
                self.control.complete(Completion::ClockedOpened { id, source, result });
            }
            Request::CloseClocked { id, mut source, .. } => {
                source.stop();
                self.control.complete(Completion::ClockedClosed { id, source });
            }
            // It has none: a sink that hangs here hangs all.
            Request::AbandonConsumer { .. } => {}
            Request::DropSink { sink, .. } => drop(sink),
            Request::StopClocked { id, mut source, .. } => {
                source.stop();
                self.control.complete(Completion::ClockedStopped { id });
            }
        }
    }
}
