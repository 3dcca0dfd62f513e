//! Sinks: each gets a consumer with a cursor and a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Sender, TrySendError, bounded};
use ra_core::{FramePosition, PlaybackClock, Sink, SinkCommand, SinkError, SinkPolicy, SinkState};
use ra_queue::{Join, MAX_FAN_OUT_SAMPLES};

use super::{ConsumerRun, Control, Request};
use crate::command::ReplyTo;
use crate::consumer::{Consumer, ConsumerStart};
use crate::lag::LagRule;
use crate::rt::cadence::MasterClock;
use crate::rt::command::MixerCommand;
use crate::sink_order::{Answer, MOST_WAITING, SinkOrder};
use crate::sink_shared::SinkShared;
use crate::{CommandError, Master, SinkConfig};

/// Between two looks at the sinks no more than this counts as waiting, in nanoseconds.
const MOST_WAITED_NS: u64 = 100_000_000;

/// A call into a sink that takes longer is told of, in nanoseconds: a disk or a server that hangs.
const STALL_NS: u64 = 1_000_000_000;

/// A sink's number in its engine; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SinkNumber(u32);

/// What the control side knows of a sink.
pub(super) struct SinkEntry {
    number: SinkNumber,
    pub(super) config: SinkConfig,
    pub(super) shared: Arc<SinkShared>,
    leave: Arc<AtomicBool>,
    pub(super) removed: bool,
    ended: bool,
    /// The call into it that was last seen in progress, and for how long, in nanoseconds.
    stuck: (u64, u64),
    evict_after_ns: u64,
    orders: Sender<SinkOrder>,
    /// Of what the sink was told and has perhaps not answered.
    answers: Vec<Answer>,
    open_reply: Option<ReplyTo<()>>,
    remove_reply: Option<ReplyTo<()>>,
}

impl Control {
    /// Answers at once when it is refused, else when the sink is open.
    pub(crate) fn add_sink(&mut self, config: SinkConfig, sink: Box<dyn Sink>, reply: Option<ReplyTo<()>>) {
        let (name, mut sink) = (config.name.clone(), Some(sink));
        if let Err(cause) = self.try_add_sink(config, &mut sink, &reply) {
            if let Some(sink) = sink {
                self.requests.push_back(Request::DropSink { name, sink });
            }
            if let Some(reply) = reply {
                drop(reply.send(Err(cause)));
            }
        }
    }

    fn try_add_sink(
        &mut self,
        config: SinkConfig,
        sink: &mut Option<Box<dyn Sink>>,
        reply: &Option<ReplyTo<()>>,
    ) -> Result<(), CommandError> {
        if self.stopping {
            return Err(CommandError::Stopped);
        }
        super::check_name(&config.name)?;
        config.check()?;
        if self.sinks.iter().any(|entry| entry.is_present() && entry.config.name == config.name) {
            return Err(CommandError::NameTaken { what: "sink", name: config.name });
        }
        let bus = self.bus_for(&config.from)?;
        let block_frames = self.config.block_frames;
        let Some(bus) = self.buses.iter().find(|entry| entry.id == bus) else {
            return Err(CommandError::UnknownBus { name: config.from, known: Vec::new() });
        };
        let ring_blocks = bus.subscribe.n_blocks() as u64;
        let max_lag_ms = config.max_lag_ms.or(config.class.max_lag_ms());
        let max_blocks = max_lag_ms.map_or(ring_blocks, |ms| self.config.blocks_in_ms(f64::from(ms)));
        // An overtaken reader begins an eighth of its ring clear of the writer: room for that too.
        let cushion_blocks = (max_blocks > ring_blocks).then_some((max_blocks + max_blocks / 7) as usize);
        let n_samples =
            cushion_blocks.map_or(0, usize::next_power_of_two).saturating_mul(bus.spec.samples(block_frames));
        if n_samples > MAX_FAN_OUT_SAMPLES {
            return Err(CommandError::Value {
                key: "max_lag_ms",
                actual: max_lag_ms.unwrap_or_default().to_string(),
                expected: format!("less: a ring of at most 1 GiB for {}", bus.spec),
            });
        }
        let Some(sink) = sink.take() else { return Err(CommandError::Stopped) };
        let on_lag = config.on_lag.unwrap_or(config.class.on_lag());
        let policy = SinkPolicy {
            class: config.class,
            on_lag,
            max_lag_ms: self.config.ms_of_blocks(max_blocks),
            evict_after_ms: config.evict_after_ms.unwrap_or(config.class.evict_after_ms()),
            // What is longer is added when it has its ring.
            buffer_bytes: size_of::<f32>() as u64 * bus.spec.samples(block_frames) as u64,
            niceness: None,
        };
        let reader = bus.subscribe.subscribe(Join::Next);
        let shared = Arc::new(SinkShared::new(reader.monitor(), block_frames, policy));
        let own_ring_blocks = cushion_blocks.map_or(ring_blocks, |n_blocks| n_blocks as u64);
        let (orders, orders_out) = bounded(MOST_WAITING);
        let start = ConsumerStart {
            name: config.name.clone(),
            spec: bus.spec,
            block_frames,
            lag_rule: LagRule::new(on_lag, max_blocks, own_ring_blocks),
            timeline: Arc::clone(&self.timeline),
            orders: orders_out,
        };
        log::info!("sink {}: {policy}", config.name);
        let number = SinkNumber(self.next_sink);
        self.next_sink += 1;
        let leave = Arc::new(AtomicBool::new(false));
        self.requests.push_back(Request::RunConsumer(ConsumerRun {
            number,
            name: config.name.clone(),
            consumer: Consumer::new(start, reader, sink, Arc::clone(&shared)),
            class: config.class,
            cushion_blocks,
            opens_at: (!self.timeline.is_running()).then_some(FramePosition(0)),
            leave: Arc::clone(&leave),
        }));
        self.sinks.push(SinkEntry {
            number,
            config,
            shared,
            leave,
            removed: false,
            ended: false,
            stuck: (0, 0),
            evict_after_ns: u64::from(policy.evict_after_ms) * 1_000_000,
            orders,
            answers: Vec::new(),
            open_reply: reply.clone(),
            remove_reply: None,
        });
        Ok(())
    }

    /// Gives up on every sink that has been in the middle of one call for longer than it may. Its thread is left behind, and
    /// ends when the call returns; its name is free.
    pub(super) fn evict_stuck_sinks(&mut self, now_ns: u64) {
        // A process that was stopped, or a machine, has not waited for anybody meanwhile.
        let passed_ns = now_ns.saturating_sub(std::mem::replace(&mut self.looked_ns, now_ns)).min(MOST_WAITED_NS);
        let mut evicted = Vec::new();
        for entry in self.sinks.iter_mut().filter(|entry| !entry.ended) {
            let Some(call) = entry.shared.call_in_progress() else { continue };
            let before_ns = if entry.stuck.0 == call { entry.stuck.1 } else { 0 };
            let stuck_ns = if entry.stuck.0 == call { before_ns + passed_ns } else { 0 };
            entry.stuck = (call, stuck_ns);
            if before_ns < STALL_NS && stuck_ns >= STALL_NS {
                entry.shared.note_stall();
                log::warn!("sink {}: {}", entry.config.name, entry.stall_reason().unwrap_or_default());
            }
            if stuck_ns < entry.evict_after_ns || !entry.shared.evict(call) {
                continue;
            }
            let reason = format!("evicted: a call into it has not returned for {} ms", stuck_ns / 1_000_000);
            log::error!("sink {}: {reason}", entry.config.name);
            entry.shared.set_state(SinkState::Failed, Some(reason.clone()));
            entry.shared.freeze();
            let error = {
                let (name, reason) = (entry.config.name.clone(), reason.clone());
                move || CommandError::SinkEvicted { name: name.clone(), reason: reason.clone() }
            };
            entry.answers.drain(..).for_each(|answer| answer.give(Err(error())));
            if let Some(reply) = entry.remove_reply.take() {
                drop(reply.send(Err(error())));
            }
            evicted.push((entry.number, reason));
        }
        for (number, reason) in evicted {
            self.end_sink(number, &reason);
            self.requests.push_back(Request::AbandonConsumer { number });
        }
    }

    fn sink_mut(&mut self, number: SinkNumber) -> Option<&mut SinkEntry> {
        self.sinks.iter_mut().find(|entry| entry.number == number)
    }

    pub(super) fn sink_opened(
        &mut self,
        number: SinkNumber,
        result: Result<(), SinkError>,
        clock: Option<Box<dyn PlaybackClock>>,
    ) {
        let is_it =
            |entry: &SinkEntry| entry.number == number && self.config.master == Master::Sink(entry.config.name.clone());
        if self.sinks.iter().any(is_it) {
            match clock {
                Some(clock) => self.tell(MixerCommand::SetMaster(Box::new(MasterClock::new(clock)))),
                None if result.is_ok() => self.master_failure("has no clock of its own: it plays on no device"),
                None => self.master_failure("could not be opened"),
            }
        }
        let Some(entry) = self.sink_mut(number) else { return };
        let name = entry.config.name.clone();
        if let Some(reply) = entry.open_reply.take() {
            drop(reply.send(result.map_err(|cause| CommandError::Sink { name, cause })));
        }
    }

    /// Answers when the sink has written its tail.
    pub(super) fn remove_sink(&mut self, name: &str, reply: ReplyTo<()>) {
        match self.sinks.iter_mut().find(|entry| entry.is_present() && entry.config.name == name) {
            Some(entry) => {
                entry.removed = true;
                // Release pairs with the Acquire in the consumer's thread.
                entry.leave.store(true, Ordering::Release);
                entry.remove_reply = Some(reply);
            }
            None => drop(reply.send(Err(CommandError::UnknownSink { name: name.to_owned() }))),
        }
    }

    /// Has the sink told so, between two blocks; it answers itself.
    pub(crate) fn tell_sink(&mut self, name: &str, command: SinkCommand, reply: ReplyTo<()>) {
        let answer = Answer::to(reply);
        let Some(entry) = self.sinks.iter_mut().find(|entry| entry.is_present() && entry.config.name == name) else {
            answer.give(Err(CommandError::UnknownSink { name: name.to_owned() }));
            return;
        };
        entry.answers.retain(|answer| !answer.is_given());
        let error = match entry.orders.try_send(SinkOrder { command, answer: answer.clone() }) {
            Ok(()) => {
                entry.answers.push(answer);
                return;
            }
            Err(TrySendError::Full(_)) => {
                CommandError::SinkBusy { name: name.to_owned(), n_waiting: entry.answers.len() }
            }
            Err(TrySendError::Disconnected(_)) => CommandError::SinkEnded { name: name.to_owned() },
        };
        answer.give(Err(error));
    }

    /// Tells every sink something that it may make nothing of. One that has more to do than it can is not told.
    pub(super) fn tell_every_sink(&mut self, command: &SinkCommand) {
        for entry in self.sinks.iter_mut().filter(|entry| entry.is_present()) {
            let (reply, _) = crossbeam_channel::bounded(1);
            drop(entry.orders.try_send(SinkOrder { command: command.clone(), answer: Answer::to(reply) }));
        }
    }

    /// The engine runs by the system's clock, and says why.
    pub(super) fn master_failure(&mut self, why: &str) {
        let Master::Sink(name) = &self.config.master else { return };
        let reason = format!("sink {name} was to be the master clock, and {why}; the system's clock is");
        log::error!("{reason}");
        self.master_reason = Some(reason);
    }

    pub(super) fn sink_ended(&mut self, number: SinkNumber) {
        self.end_sink(number, "ended before it was opened");
    }

    pub(super) fn sink_without_thread(&mut self, number: SinkNumber, message: &str) {
        let Some(entry) = self.sink_mut(number) else { return };
        entry.shared.set_state(SinkState::Failed, Some(message.to_owned()));
        entry.shared.freeze();
        self.end_sink(number, message);
    }

    /// Answers whoever still waits for the sink: for its opening with `message`, for its end with success, for anything else
    /// that it has ended.
    fn end_sink(&mut self, number: SinkNumber, message: &str) {
        let Some(entry) = self.sink_mut(number) else { return };
        entry.ended = true;
        if let Some(reply) = entry.open_reply.take() {
            let (name, message) = (entry.config.name.clone(), message.to_owned());
            drop(reply.send(Err(CommandError::Thread { what: "the thread", name, message })));
        }
        let name = &entry.config.name;
        entry.answers.drain(..).for_each(|answer| answer.give(Err(CommandError::SinkEnded { name: name.clone() })));
        if let Some(reply) = entry.remove_reply.take() {
            drop(reply.send(Ok(())));
        }
    }

    pub(crate) fn sinks_have_ended(&self) -> bool {
        self.sinks.iter().all(|entry| entry.ended)
    }

    /// Gives up on sinks that did not end in time: they stay behind, and say so.
    pub(crate) fn abandon_sinks(&mut self, waited_ms: u64) {
        for entry in self.sinks.iter().filter(|entry| !entry.ended) {
            let reason = format!("did not end within {waited_ms} ms; its last blocks may be missing");
            log::error!("sink {}: {reason}", entry.config.name);
            // Whatever it does from now on counts no more.
            entry.shared.give_up();
            entry.shared.set_state(SinkState::Failed, Some(reason));
            entry.shared.freeze();
        }
    }
}

impl SinkEntry {
    /// Whether its thread has ended.
    pub(super) fn is_gone(&self) -> bool {
        self.ended
    }

    /// Why nothing comes from it at this moment: a call into it takes long.
    pub(super) fn stall_reason(&self) -> Option<String> {
        let stuck_ns = if self.shared.call_in_progress() == Some(self.stuck.0) { self.stuck.1 } else { 0 };
        let is_stalled = !self.ended && stuck_ns >= STALL_NS;
        is_stalled.then(|| format!("stalled: a call into it has not returned for {} ms", stuck_ns / 1_000_000))
    }

    /// Whether it still has its name: one that has ended has left, whatever the cause.
    fn is_present(&self) -> bool {
        !self.removed && !self.ended
    }
}
