//! The control side: knows every source, bus and sink by name, and tells the mixer what to do.
//!
//! A state machine: it takes commands and completions, and emits requests. It owns no thread and blocks on nothing;
//! opening, closing and joining are requests that a driver carries out. It builds what the mixer needs, and frees what the
//! mixer gives back.

mod buses;
mod clock_watch;
mod clocked;
mod fallbacks;
mod inserts;
mod reasons;
mod requests;
mod routes;
mod sinks;
mod snapshot;
mod sources;
mod strips;
mod supervision;

use std::collections::VecDeque;
use std::sync::Arc;

use ra_core::{MasterState, RealtimeGrant};
use rtrb::{Consumer as RingConsumer, Producer, RingBuffer};

use crate::command::Command;
use crate::rt::command::{
    BusId, COMMAND_CAPACITY, EVENT_CAPACITY, MAX_BUSES, MAX_INSERTS, MAX_ROUTES, MAX_SOURCES, MixerCommand, MixerEvent,
    Retired, SourceId,
};
use crate::rt::counters::EngineCounters;
use crate::rt::latency::LatencyControl;
use crate::rt::mixer::{Mixer, MixerPorts, MixerShape};
use crate::timeline::Timeline;
use crate::{BusConfig, CommandError, EngineConfig, EngineError, Latency, MAIN_BUS};

use buses::BusEntry;
use clock_watch::ClockWatch;
pub(crate) use requests::{Completion, ConsumerRun, Request, Threadless};
use sinks::SinkEntry;
pub(crate) use sinks::SinkNumber;
use sources::SourceEntry;

/// The most boxes that can be on the mixer's side at once, so that its way back is never full.
const MAX_OUTSTANDING: usize = 16 * 1024;
/// How far a feeder reads ahead beyond the rings' length, in milliseconds: a mixer that was late and catches up must not
/// find a file that has run dry.
const READ_AHEAD_MS: f64 = 500.0;
/// How many sources, and how many sinks, are remembered after they have gone.
const REMEMBERED: usize = 256;
/// Levels are shown this often, in milliseconds.
const METER_INTERVAL_MS: f64 = 50.0;

/// All that the control side knows.
pub(crate) struct Control {
    config: EngineConfig,
    timeline: Arc<Timeline>,
    counters: Arc<EngineCounters>,
    to_mixer: Producer<MixerCommand>,
    /// Commands that found the ring to the mixer full, in their order.
    waiting: VecDeque<MixerCommand>,
    retired: RingConsumer<Retired>,
    events: RingConsumer<MixerEvent>,
    outstanding: usize,
    requests: VecDeque<Request>,
    sources: Vec<SourceEntry>,
    buses: Vec<BusEntry>,
    sinks: Vec<SinkEntry>,
    next_source: u32,
    next_insert: u32,
    next_sink: u32,
    /// The time of the last tick.
    now_ns: u64,
    clock_watch: ClockWatch,
    /// When sinks were last looked after.
    looked_ns: u64,
    stopping: bool,
    /// Why the engine does not mix any more, where it should.
    failure: Option<String>,
    grant: RealtimeGrant,
    /// Why the sink that was to give the pace does not.
    master_reason: Option<String>,
    /// What the ring of a pulled source holds, in the engine's frames.
    read_ahead_frames: usize,
}

impl Control {
    /// A control side and its mixer, with the bus `main`. `now_ns`: the time, until the first tick.
    pub(crate) fn new(
        config: EngineConfig,
        timeline: Arc<Timeline>,
        now_ns: u64,
    ) -> Result<(Self, Mixer), EngineError> {
        config.check()?;
        let (to_mixer, commands) = touched_ring(COMMAND_CAPACITY, || MixerCommand::RemoveBus(BusId(0)));
        let (retired_in, retired) = touched_ring(MAX_OUTSTANDING, || Retired::Gains(Box::default()));
        let (events_in, events) = touched_ring(EVENT_CAPACITY, || MixerEvent::SourceEnded(SourceId(0)));
        let counters = Arc::new(EngineCounters::default());
        let meter_blocks = config.sample_rate.frames_in_ms_ceil(METER_INTERVAL_MS).div_ceil(config.block_frames) as u64;
        let shape = MixerShape {
            sample_rate: config.sample_rate,
            block_frames: config.block_frames,
            ramp_frames: config.ramp_frames(),
            ring_ns: (config.ring_ms * 1e6) as u64,
            latency: match config.latency {
                Latency::Auto => LatencyControl::auto(Latency::MAX_AUTO_MS * 1e6),
                Latency::Ms(ms) => LatencyControl::fixed(ms * 1e6),
            },
            meter_blocks,
        };
        let ports = MixerPorts { commands, retired: retired_in, events: events_in, counters: Arc::clone(&counters) };
        let read_ahead_frames =
            config.sample_rate.frames_in_ms_ceil(config.ring_ms + READ_AHEAD_MS).max(4 * config.block_frames);
        let mut control = Self {
            read_ahead_frames,
            config,
            timeline,
            counters,
            to_mixer,
            waiting: VecDeque::new(),
            retired,
            events,
            outstanding: 0,
            requests: VecDeque::new(),
            sources: Vec::new(),
            buses: Vec::new(),
            sinks: Vec::new(),
            next_source: 0,
            next_insert: 0,
            next_sink: 0,
            now_ns,
            clock_watch: ClockWatch::default(),
            looked_ns: 0,
            stopping: false,
            failure: None,
            grant: RealtimeGrant::default(),
            master_reason: None,
        };
        control.add_bus(BusConfig { name: MAIN_BUS.to_owned(), channels: control.config.channels })?;
        Ok((control, Mixer::new(shape, ports)))
    }

    /// Carries out a command, or refuses it, and answers.
    pub(crate) fn handle(&mut self, command: Command) {
        // A dropped reply means that the caller does not care any more: the answer has nowhere to go.
        match command {
            Command::AddBus { config, reply } => drop(reply.send(self.add_bus(config))),
            Command::RemoveBus { name, reply } => drop(reply.send(self.remove_bus(&name))),
            Command::AddSource { config, source, reply } => self.add_source(config, source, Some(reply)),
            Command::RemoveSource { name, reply } => drop(reply.send(self.remove_source(&name))),
            Command::RetrySource { name, reply } => drop(reply.send(self.retry_source(&name))),
            Command::SetSource { name, change, reply } => drop(reply.send(self.set_source(&name, change))),
            Command::AddSink { config, sink, reply } => self.add_sink(config, sink, Some(reply)),
            Command::RemoveSink { name, reply } => self.remove_sink(&name, reply),
            Command::TellSink { name, command, reply } => self.tell_sink(&name, command, reply),
            Command::AddInsert { strip, insert, reply } => drop(reply.send(self.add_insert(&strip, insert))),
            Command::RemoveInsert { strip, id, reply } => drop(reply.send(self.remove_insert(&strip, id))),
            Command::Subscribe { from, config, reply } => drop(reply.send(self.subscribe(&from, config))),
            Command::ReadStats { reply } => drop(reply.send(Ok(self.stats()))),
        }
    }

    /// Learns what became of a request.
    pub(crate) fn complete(&mut self, completion: Completion) {
        match completion {
            Completion::ClockedOpened { id, source, result } => self.clocked_opened(id, source, result),
            Completion::ClockedClosed { id, source } => self.clocked_closed(id, source),
            Completion::ClockedStopped { id } => self.clocked_stopped(id),
            Completion::FeederPrimed { id } => self.feeder_primed(id),
            Completion::SinkOpened { number, result, clock } => self.sink_opened(number, result, clock),
            Completion::SinkEnded { number } => self.sink_ended(number),
            Completion::NoThread { what: Threadless::Source(id), message } => self.source_without_thread(id, &message),
            Completion::NoThread { what: Threadless::Nobody, .. } => {}
            Completion::NoThread { what: Threadless::Sink(number), message } => {
                self.sink_without_thread(number, &message);
            }
        }
    }

    /// Does what time brings: frees what the mixer gave back, keeps what it saw, and looks after the sources.
    pub(crate) fn tick(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        let mut retired = Vec::new();
        while let Ok(next) = self.retired.pop() {
            retired.push(next);
        }
        while let Ok(event) = self.events.pop() {
            match event {
                MixerEvent::SourceGap(id, gap) => self.source_gap(id, gap),
                MixerEvent::SourceEnded(id) => self.source_ended(id),
            }
        }
        // What they told before they left has been heard now.
        retired.into_iter().for_each(|retired| self.take_back(retired));
        self.timeline.set_latency_ns(self.counters.latency_ns.get());
        match self.counters.master_state() {
            MasterState::Gone if self.master_reason.is_none() => self.master_failure("has gone"),
            // It leads, whatever was before.
            MasterState::Following if self.master_reason.take().is_some() => log::info!("the master clock is back"),
            _ => {}
        }
        self.supervise_sources(now_ns);
        self.evict_stuck_sinks(now_ns);
        self.send_waiting();
        forget_oldest(&mut self.sources, SourceEntry::is_gone);
        forget_oldest(&mut self.sinks, SinkEntry::is_gone);
    }

    /// The next thing that a driver is to do.
    pub(crate) fn take_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// Lets feeders read that far ahead, from the next source on.
    pub(crate) fn read_ahead_blocks(&mut self, n_blocks: usize) {
        self.read_ahead_frames = n_blocks * self.config.block_frames;
    }

    /// What the mixer's thread was granted.
    pub(crate) fn set_grant(&mut self, grant: RealtimeGrant) {
        self.grant = grant;
    }

    /// The audio thread has ended by itself.
    pub(crate) fn set_failure(&mut self, failure: String) {
        if self.failure.is_none() {
            log::error!("{failure}");
            self.failure = Some(failure);
        }
    }

    /// From now on only the end is prepared: clocked sources are stopped so that what they delivered can be mixed.
    pub(crate) fn begin_stop(&mut self) {
        self.stopping = true;
        self.stop_clocked_sources();
    }

    /// Tells the mixer, in order; where its ring is full the command waits for the next tick.
    fn tell(&mut self, command: MixerCommand) {
        self.outstanding += boxes_in(&command);
        self.waiting.push_back(command);
        self.send_waiting();
    }

    /// Lets a mixer that has not begun carry out everything that it was told.
    pub(crate) fn prepare(&mut self, mixer: &mut Mixer, now_ns: u64) {
        loop {
            mixer.prepare();
            self.timeline.set_latency_ns(mixer.latency_ns() as u64);
            self.tick(now_ns);
            if self.waiting.is_empty() && self.to_mixer.slots() == COMMAND_CAPACITY {
                return;
            }
        }
    }

    /// Learns the last that a mixer has to tell, which mixes no more.
    pub(crate) fn take_rest(&mut self, mixer: &mut Mixer, now_ns: u64) {
        self.tick(now_ns);
        mixer.tell_gaps();
        self.tick(now_ns);
    }

    fn send_waiting(&mut self) {
        while let Some(command) = self.waiting.pop_front() {
            if let Err(rtrb::PushError::Full(command)) = self.to_mixer.push(command) {
                self.waiting.push_front(command);
                return;
            }
        }
    }

    /// Boxes that are on the mixer's side.
    #[cfg(test)]
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Whether one more box may go to the mixer's side.
    fn has_room(&self) -> bool {
        self.outstanding + 2 + MAX_ROUTES + MAX_INSERTS < MAX_OUTSTANDING
    }

    fn take_back(&mut self, retired: Retired) {
        let n_boxes = match &retired {
            Retired::Source(strip) => 1 + strip.routes.len() + strip.chain.len() + usize::from(strip.next.is_some()),
            Retired::Bus(bus) => 1 + bus.chain.len(),
            Retired::Route(_) | Retired::Gains(_) | Retired::Insert(_) | Retired::Master(_) | Retired::Follower(_) => 1,
        };
        self.outstanding = self.outstanding.saturating_sub(n_boxes);
        match retired {
            Retired::Source(strip) => self.source_retired(strip),
            Retired::Bus(bus) => self.bus_retired(bus.id),
            Retired::Route(route) => self.route_retired(&route),
            Retired::Gains(gains) => drop(gains),
            Retired::Insert(insert) => self.insert_retired(&insert),
            Retired::Master(master) => drop(master),
            Retired::Follower(mut follower) => follower.ring.discard_rest(),
        }
    }
}

/// A ring every place of which has been written: the audio thread meets no page for the first time.
fn touched_ring<T>(capacity: usize, filling: impl Fn() -> T) -> (Producer<T>, RingConsumer<T>) {
    let (mut producer, mut consumer) = RingBuffer::new(capacity);
    while producer.push(filling()).is_ok() {}
    while consumer.pop().is_ok() {}
    (producer, consumer)
}

/// Names become thread names and parts of file names.
fn check_name(name: &str) -> Result<(), CommandError> {
    if !name.is_empty() && name.len() <= 100 && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let expected = "1 to 100 bytes without control characters".to_owned();
    Err(CommandError::Value { key: "a name", actual: format!("{name:?}"), expected })
}

/// Keeps a bounded memory of what has gone: a daemon sees many come and go.
fn forget_oldest<T>(entries: &mut Vec<T>, is_gone: impl Fn(&T) -> bool) {
    let mut surplus = entries.iter().filter(|entry| is_gone(entry)).count().saturating_sub(REMEMBERED);
    entries.retain(|entry| {
        let forget = surplus > 0 && is_gone(entry);
        surplus -= usize::from(forget);
        !forget
    });
}

/// Boxes that come back one by one.
fn boxes_in(command: &MixerCommand) -> usize {
    match command {
        MixerCommand::AddSource(strip) => 1 + strip.routes.len(),
        MixerCommand::AddBus(_)
        | MixerCommand::AddRoute(..)
        | MixerCommand::SetGains { .. }
        | MixerCommand::SetMaster(_)
        | MixerCommand::ReplaceFollower(..)
        | MixerCommand::AddInsert(..) => 1,
        _ => 0,
    }
}

const _: () = assert!(MAX_SOURCES + MAX_BUSES + COMMAND_CAPACITY < MAX_OUTSTANDING);
