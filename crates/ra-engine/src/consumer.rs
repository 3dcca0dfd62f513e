//! Feeds one sink from its bus. Whatever the sink does — fail, panic, take its time — nobody else notices.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ra_core::{
    Block, FramePosition, Gap, GapReason, PlaybackClock, Sink, SinkError, SinkReport, SinkStart, SinkState, StreamSpec,
};
use ra_queue::{BlockReader, QueueError, ReadOutcome};

use crossbeam_channel::Receiver;

use crate::CommandError;
use crate::cushion::Cushion;
use crate::lag::{Lag, LagRule};
use crate::sink_order::SinkOrder;
use crate::sink_shared::SinkShared;
use crate::timeline::Timeline;
use crate::trouble::Trouble;

/// Blocks that are handed on before the caller gets to look around.
const BLOCKS_PER_DRAIN: usize = 64;

/// A sink, its cursor in the bus's ring, and what it has seen so far.
pub(crate) struct Consumer {
    name: String,
    spec: StreamSpec,
    reader: Box<dyn BlockReader>,
    buffer: Vec<f32>,
    /// `None`: closed.
    sink: Option<Box<dyn Sink>>,
    phase: Phase,
    /// Where the next block should stand.
    expected: Option<FramePosition>,
    /// Frames behind this one are not for the sink.
    end: Option<FramePosition>,
    lagged: bool,
    lag_rule: LagRule,
    /// Something else carries blocks to its reader, and knows when it leaves.
    is_cushioned: bool,
    /// Its rule has ended it, whatever it does with its tail.
    is_disconnected: bool,
    /// Blocks that are still to be handed on by a sink that leaves.
    left_blocks: Option<u64>,
    trouble: Trouble,
    timeline: Arc<Timeline>,
    orders: Receiver<SinkOrder>,
    pub(crate) shared: Arc<SinkShared>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Open,
    Done,
}

/// What a look at the ring led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// There may be more.
    More,
    /// Nothing is left for now.
    Idle,
    /// The bus has ended and everything was handed on.
    Ended,
    /// The sink is not called again.
    Dead,
}

impl Consumer {
    pub(crate) fn new(
        start: ConsumerStart,
        reader: Box<dyn BlockReader>,
        sink: Box<dyn Sink>,
        shared: Arc<SinkShared>,
    ) -> Self {
        let ConsumerStart { name, spec, block_frames, lag_rule, timeline, orders } = start;
        let buffer = vec![0.0; spec.samples(block_frames)];
        Self {
            name,
            spec,
            reader,
            buffer,
            sink: Some(sink),
            phase: Phase::New,
            expected: None,
            end: None,
            lagged: false,
            lag_rule,
            is_cushioned: false,
            is_disconnected: false,
            left_blocks: None,
            trouble: Trouble::new(spec.sample_rate),
            timeline,
            orders,
            shared,
        }
    }

    /// No time passes for it in which it could be late.
    pub(crate) fn be_patient(&mut self) {
        self.lag_rule = LagRule::PATIENT;
    }

    /// Puts a ring of `n_blocks` of its own behind its bus's.
    ///
    /// # Errors
    /// [`QueueError`] for a ring of more than 1 GiB; the sink is dropped then, unopened.
    pub(crate) fn with_cushion(mut self, n_blocks: usize) -> Result<(Self, Cushion), QueueError> {
        let (cushion, own) = Cushion::new(self.reader, n_blocks, self.buffer.len(), Arc::clone(&self.shared))?;
        self.reader = own;
        self.is_cushioned = true;
        Ok((self, cushion))
    }

    /// Opens the sink for a stream that begins at `position`.
    pub(crate) fn open_at(&mut self, position: FramePosition) -> Result<(), SinkError> {
        let start = SinkStart {
            name: self.name.clone(),
            spec: self.spec,
            block_frames: self.spec.frames(self.buffer.len()),
            position,
            unix_ns: self.timeline.unix_ns_of(position),
            unix_minus_monotonic_ns: Some(self.timeline.unix_minus_monotonic_ns()),
        };
        self.phase = Phase::Open;
        self.expected = Some(position);
        match self.call(|sink| sink.start(&start)) {
            Ok(()) => {
                self.shared.set_state(SinkState::Ok, None);
                Ok(())
            }
            Err(cause) => {
                self.die(SinkState::Failed, &cause);
                Err(cause)
            }
        }
    }

    /// The clock of the device that the sink plays on, if it has one.
    pub(crate) fn take_clock(&mut self) -> Option<Box<dyn PlaybackClock>> {
        if self.phase != Phase::Open {
            return None;
        }
        match self.call(|sink| Ok(sink.take_clock())) {
            Ok(clock) => clock,
            Err(cause) => {
                self.complain(&cause);
                None
            }
        }
    }

    /// Frames from `end` on are not for the sink: the last block is cut there.
    pub(crate) fn end_at(&mut self, end: FramePosition) {
        self.end = Some(end);
    }

    /// Opens the sink at the first block, if there is one already. `None`: not yet, or the bus ended without a block.
    pub(crate) fn open_at_first_block(&mut self) -> Option<Result<(), SinkError>> {
        match self.reader.read(&mut self.buffer) {
            ReadOutcome::Block(stamp) => Some(self.open_at(stamp.position).inspect(|()| {
                let _ = self.hand_on(stamp);
            })),
            ReadOutcome::Lagged { n_blocks } => {
                self.lose(n_blocks);
                None
            }
            ReadOutcome::Empty => None,
            ReadOutcome::Closed => {
                self.give_up();
                Some(Err(SinkError::Fatal("its bus ended before the first block".to_owned())))
            }
        }
    }

    /// Ends without having been opened.
    pub(crate) fn give_up(&mut self) {
        self.phase = Phase::Done;
        self.shared.set_state(SinkState::Removed, Some("ended before its first block".to_owned()));
        self.shared.freeze();
    }

    /// Takes only what waits in the ring at this moment, then ends.
    pub(crate) fn leave(&mut self) {
        if self.left_blocks.is_none() && !self.is_cushioned {
            self.left_blocks = Some(self.reader.lag_blocks());
        }
    }

    /// Hands on what waits in the ring.
    pub(crate) fn drain(&mut self) -> Drained {
        for _ in 0..BLOCKS_PER_DRAIN {
            if self.phase != Phase::Open {
                return Drained::Dead;
            }
            if self.left_blocks == Some(0) {
                return Drained::Ended;
            }
            if let Some(dead) = self.carry_out_order() {
                return dead;
            }
            match self.lag_rule.before_read(&mut *self.reader) {
                Lag::None => {}
                lag => {
                    if self.lag(lag) {
                        return Drained::Ended;
                    }
                    // That may have been all that was left for it.
                    continue;
                }
            }
            match self.reader.read(&mut self.buffer) {
                ReadOutcome::Block(stamp) => {
                    self.left_blocks = self.left_blocks.map(|left| left.saturating_sub(1));
                    if let Some(dead) = self.hand_on(stamp) {
                        return dead;
                    }
                }
                ReadOutcome::Lagged { n_blocks } => {
                    let lag = self.lag_rule.overtaken(&mut *self.reader, n_blocks);
                    if self.lag(lag) {
                        return Drained::Ended;
                    }
                }
                ReadOutcome::Empty => return Drained::Idle,
                ReadOutcome::Closed => return Drained::Ended,
            }
        }
        Drained::More
    }

    /// Tells the sink the next thing that it is to be told, if there is one. `Some` when the sink is dead.
    fn carry_out_order(&mut self) -> Option<Drained> {
        let SinkOrder { command, answer } = self.orders.try_recv().ok()?;
        let result = self.call(|sink| sink.command(&command));
        // What it refuses is no trouble: it goes on as before.
        let is_dead = matches!(&result, Err(SinkError::Fatal(_))) && result.as_ref().is_err_and(|e| self.complain(e));
        let name = self.name.clone();
        answer.give(result.map_err(|cause| CommandError::Sink { name, cause }));
        is_dead.then_some(Drained::Dead)
    }

    /// Answers whoever would tell it something before it is open.
    pub(crate) fn refuse_orders(&mut self) {
        for SinkOrder { answer, .. } in self.orders.try_iter() {
            answer.give(Err(CommandError::NotOpen { name: self.name.clone() }));
        }
    }

    /// It was later than it may be. True: that ends it.
    fn lag(&mut self, lag: Lag) -> bool {
        self.shared.note_lag();
        match lag {
            Lag::None => false,
            Lag::Lost(n_blocks) => {
                self.left_blocks = self.left_blocks.map(|left| left.saturating_sub(n_blocks));
                self.lose(n_blocks);
                false
            }
            Lag::Disconnected(lag_blocks) => {
                let lag_ms = (lag_blocks * self.block_frames()) as f64 * 1e3 / f64::from(self.spec.sample_rate.hz());
                let reason = format!("disconnected: {lag_ms:.0} ms behind, later than it may be");
                log::error!("sink {}: {reason}", self.name);
                self.shared.set_state(SinkState::Failed, Some(reason));
                self.is_disconnected = true;
                true
            }
        }
    }

    /// Lets the sink make durable what it was given.
    pub(crate) fn flush(&mut self) {
        if self.phase != Phase::Open || self.is_disconnected {
            return;
        }
        match self.call(|sink| sink.flush()) {
            Ok(()) => {
                if let Some(is_told) = self.trouble.flushed(self.position()) {
                    if is_told {
                        log::info!("sink {} takes blocks again", self.name);
                    }
                    self.shared.set_state(SinkState::Ok, None);
                }
            }
            Err(cause) => drop(self.complain(&cause)),
        }
    }

    /// Drops the sink: closing what is behind it may hang or panic as everything else may.
    pub(crate) fn close(&mut self) {
        let Some(sink) = self.sink.take() else { return };
        let dropped = guard(&self.shared, || {
            drop(sink);
            Ok(())
        });
        if let Err(cause) = dropped
            && !self.shared.is_evicted()
        {
            log::error!("sink {}: while it was dropped: {cause}", self.name);
            self.shared.set_state(SinkState::Panicked, Some(cause.to_string()));
        }
    }

    /// Lets the sink write its tail and close; whatever still waits in the ring is counted as dropped.
    pub(crate) fn finish(&mut self) -> Option<SinkReport> {
        let was_open = std::mem::replace(&mut self.phase, Phase::Done) == Phase::Open;
        self.shared.freeze();
        if !was_open {
            return None;
        }
        match self.call(|sink| sink.finish()) {
            Ok(report) => {
                if self.trouble.is_there() && !self.is_disconnected {
                    // Everything is on the disk after all; what it refused meanwhile is in its gaps.
                    self.shared.set_state(SinkState::Ok, None);
                }
                self.shared.set_report(report.clone());
                Some(report)
            }
            Err(_) if self.shared.is_evicted() => None,
            Err(cause) => {
                if let SinkError::Tail { path, lost_frames, .. } = &cause {
                    self.shared.take_back(*lost_frames);
                    self.shared.name_file(path.clone());
                }
                if self.shared.state() != SinkState::Panicked {
                    log::error!("sink {}: {cause}", self.name);
                    self.shared.set_state(SinkState::Failed, Some(cause.to_string()));
                }
                None
            }
        }
    }

    /// How far it is.
    fn position(&self) -> FramePosition {
        self.expected.unwrap_or_default()
    }

    fn block_frames(&self) -> u64 {
        self.spec.frames(self.buffer.len()) as u64
    }

    /// The reader was overtaken. Where the hole is, the next block's position tells.
    fn lose(&mut self, n_blocks: u64) {
        self.lagged = true;
        self.shared.drop_frames(n_blocks * self.block_frames());
    }

    /// Hands the block in the buffer to the sink, after telling of the hole in front of it. `Some` when the sink is dead.
    fn hand_on(&mut self, stamp: ra_core::BlockStamp) -> Option<Drained> {
        let block_frames = self.block_frames();
        let expected = self.expected.unwrap_or(stamp.position);
        let n_missing = stamp.position.frames_since(expected);
        if n_missing > 0 {
            let lagged = self.shared.take_lost_before_cushion() || self.lagged;
            let reason = if lagged { GapReason::Lagged } else { GapReason::MixerLate };
            let gap = Gap { at_frame: expected, n_frames: n_missing, reason };
            self.shared.log_gap(gap);
            if let Err(cause) = self.call(|sink| sink.gap(&gap))
                && self.complain(&cause)
            {
                // The account is settled: the block in hand is among what was dropped by the end.
                return Some(Drained::Dead);
            }
        }
        self.lagged = false;
        self.expected = Some(stamp.position + block_frames);
        let wanted = self.end.map_or(block_frames, |end| end.frames_since(stamp.position).min(block_frames));
        if wanted > 0 {
            let n_samples = self.spec.samples(wanted as usize);
            let Self { sink, buffer, spec, shared, .. } = self;
            let block = Block { stamp, spec: *spec, samples: &buffer[..n_samples] };
            let Some(sink) = sink.as_deref_mut() else { return Some(Drained::Dead) };
            let (written, told) = guard_and_ask(shared, sink, |sink| sink.write(&block));
            if written.is_ok() {
                // Before anything of it is taken back.
                shared.deliver(wanted);
            }
            told.tell(shared);
            if let Err(cause) = written {
                if self.shared.is_evicted() {
                    return self.complain(&cause).then_some(Drained::Dead);
                }
                self.shared.refuse(Gap {
                    at_frame: stamp.position,
                    n_frames: block_frames,
                    reason: GapReason::Refused,
                });
                return self.complain(&cause).then_some(Drained::Dead);
            }
            self.trouble.took_a_block();
        }
        self.shared.cut(block_frames - wanted);
        None
    }

    fn call<T>(&mut self, work: impl FnOnce(&mut dyn Sink) -> Result<T, SinkError>) -> Result<T, SinkError> {
        let Self { sink, shared, .. } = self;
        let Some(sink) = sink.as_deref_mut() else { return Err(SinkError::Fatal("it is closed".to_owned())) };
        let (result, told) = guard_and_ask(shared, sink, work);
        told.tell(shared);
        result
    }

    /// Notes an error; true when it ends the sink.
    fn complain(&mut self, cause: &SinkError) -> bool {
        let panicked = matches!(cause, SinkError::Fatal(message) if message.starts_with(PANICKED));
        if panicked || cause.is_fatal() {
            self.die(if panicked { SinkState::Panicked } else { SinkState::Failed }, cause);
            return true;
        }
        if self.trouble.failed(cause.to_string(), self.position()) {
            log::error!("sink {}: {cause}", self.name);
        }
        self.shared.set_state(SinkState::Failed, Some(cause.to_string()));
        false
    }

    fn die(&mut self, state: SinkState, cause: &SinkError) {
        self.phase = Phase::Done;
        if self.shared.is_evicted() {
            // Said and settled by who gave up on it.
            log::warn!("sink {}: has returned after it was given up on; it is closed", self.name);
            return;
        }
        log::error!("sink {}: {cause}", self.name);
        self.shared.set_state(state, Some(cause.to_string()));
        self.shared.freeze();
    }
}

/// What a consumer is made from.
pub(crate) struct ConsumerStart {
    pub(crate) name: String,
    pub(crate) spec: StreamSpec,
    pub(crate) block_frames: usize,
    pub(crate) lag_rule: LagRule,
    pub(crate) timeline: Arc<Timeline>,
    /// What the sink is told.
    pub(crate) orders: Receiver<SinkOrder>,
}

const PANICKED: &str = "panicked: ";

/// What a sink tells of itself behind a call.
#[derive(Default)]
struct Told {
    taken_back_frames: u64,
    report: Option<SinkReport>,
}

impl Told {
    fn tell(self, shared: &SinkShared) {
        if self.taken_back_frames > 0 {
            shared.take_back(self.taken_back_frames);
        }
        if let Some(report) = self.report {
            shared.set_report(report);
        }
    }
}

/// Calls the sink, and asks it for what it has to tell, also where the call failed. It is one call for whoever watches it.
fn guard_and_ask<T>(
    shared: &SinkShared,
    sink: &mut dyn Sink,
    work: impl FnOnce(&mut dyn Sink) -> Result<T, SinkError>,
) -> (Result<T, SinkError>, Told) {
    let done = guard(shared, || {
        let result = work(sink);
        Ok((result, Told { taken_back_frames: sink.take_back_frames(), report: sink.take_report() }))
    });
    done.unwrap_or_else(|cause| (Err(cause), Told::default()))
}

/// Runs the sink's code; a panic becomes a fatal error, and so does a return after the sink was given up on.
fn guard<T>(shared: &SinkShared, work: impl FnOnce() -> Result<T, SinkError>) -> Result<T, SinkError> {
    let too_late = || Err(SinkError::Fatal("given up on".to_owned()));
    if !shared.begin_call() {
        return too_late();
    }
    // Unwind safety: after a panic the sink is never called again, only dropped.
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "without a message".to_owned());
        Err(SinkError::Fatal(format!("{PANICKED}{message}")))
    });
    if shared.end_call() { result } else { too_late() }
}
