//! The engine's step: a function of what the rings hold and of the time that it is told.

use std::sync::Arc;

use ra_core::{BlockStamp, FramePosition, SampleRate};
use rtrb::{Consumer, Producer};

use super::block_time::BlockTime;
use super::bus::BusStrip;
use super::cadence::Cadence;
use super::command::{
    BusId, COMMANDS_PER_STEP, MAX_BUSES, MAX_SOURCES, MixerCommand, MixerEvent, Retired, SourceId, StripId,
};
use super::counters::EngineCounters;
use super::gap_teller::GapFrame;
use super::latency::LatencyControl;
use super::outbox::Outbox;
use super::stand_in::change_places;
use super::strip::{Mixed, SourceStrip};

/// Blocks that a mixer that woke late handles before it looks at the time again.
pub(crate) const CATCH_UP_BLOCKS: u32 = 8;

/// The mixer's fixed measures.
#[derive(Clone, Debug)]
pub(crate) struct MixerShape {
    pub(crate) sample_rate: SampleRate,
    pub(crate) block_frames: usize,
    pub(crate) ramp_frames: u32,
    /// Waking later than this is a gap.
    pub(crate) ring_ns: u64,
    /// From capture to the mix point, without the inserts.
    pub(crate) latency: LatencyControl,
    /// Blocks between two looks at the meters.
    pub(crate) meter_blocks: u64,
}

/// The mixer's ends of the rings to and from the control side.
pub(crate) struct MixerPorts {
    pub(crate) commands: Consumer<MixerCommand>,
    pub(crate) retired: Producer<Retired>,
    pub(crate) events: Producer<MixerEvent>,
    pub(crate) counters: Arc<EngineCounters>,
}

/// All sources and buses of an engine, and their timeline.
pub(crate) struct Mixer {
    shape: MixerShape,
    outbox: Outbox,
    commands: Consumer<MixerCommand>,
    #[allow(clippy::vec_box, reason = "elements arrive boxed and must leave boxed, without touching the heap here")]
    sources: Vec<Box<SourceStrip>>,
    buses: Vec<Option<Box<BusStrip>>>,
    seq: u64,
    position: FramePosition,
    /// Where the last block ends, once that is known.
    end: FramePosition,
    cadence: Cadence,
}

impl Mixer {
    // rt-lint: control-side
    pub(crate) fn new(shape: MixerShape, ports: MixerPorts) -> Self {
        let cadence = Cadence::new(shape.sample_rate, shape.block_frames);
        Self {
            shape,
            outbox: Outbox { retired: ports.retired, events: ports.events, counters: ports.counters },
            commands: ports.commands,
            sources: Vec::with_capacity(MAX_SOURCES),
            buses: Vec::with_capacity(MAX_BUSES),
            seq: 0,
            position: FramePosition(0),
            end: FramePosition(u64::MAX),
            cadence,
        }
    }

    /// A source's strip.
    pub(crate) fn source(&self, id: SourceId) -> Option<&SourceStrip> {
        self.sources.iter().map(|source| &**source).find(|source| source.id == id)
    }

    /// From capture to the mix point at the next block, in nanoseconds.
    pub(crate) fn latency_ns(&self) -> f64 {
        self.shape.latency.now_ns()
    }

    /// Says at which monotonic time frame 0 is due.
    pub(crate) fn start_at_ns(&mut self, start_ns: u64) {
        self.cadence.start_at_ns(start_ns);
    }

    /// Where the next block stands.
    pub(crate) fn position(&self) -> FramePosition {
        self.position
    }

    /// When the next block is due.
    pub(crate) fn next_deadline_ns(&self) -> u64 {
        self.cadence.next().ns
    }

    /// The time of the next block; cadence and latency move on with it.
    fn next_time(&mut self) -> BlockTime {
        let start = self.cadence.next();
        let duration_ns = self.cadence.advance(self.shape.block_frames as u64);
        let latency_ns = self.shape.latency.now_ns();
        let latency_end_ns = self.shape.latency.advance(duration_ns);
        let capture_rate_end = (1.0 - self.shape.latency.rate()) / self.cadence.pace();
        BlockTime { position: self.position, start, duration_ns, latency_ns, latency_end_ns, capture_rate_end }
    }

    /// Handles what is due at `now_ns`: up to [`CATCH_UP_BLOCKS`] blocks, or one gap when it is later than the rings hold.
    #[cfg_attr(rtsan, sanitize(realtime = "nonblocking"))]
    pub(crate) fn run_due(&mut self, now_ns: u64) {
        let block_ns = self.shape.sample_rate.ns_of_frames(self.shape.block_frames as u64);
        let late_ns = now_ns.saturating_sub(self.next_deadline_ns());
        if late_ns > self.shape.ring_ns {
            let block_frames = self.shape.block_frames as u64;
            let n_frames = self.shape.sample_rate.frames_in_ns(late_ns) / block_frames * block_frames;
            if n_frames > 0 {
                self.position += n_frames;
                self.cadence.skip(n_frames);
                self.outbox.counters.late_gaps.add(1);
                // What was captured for the gap has no place any more.
                self.sources.iter_mut().for_each(|source| source.follower.restart());
            }
        }
        for _ in 0..CATCH_UP_BLOCKS {
            let deadline_ns = self.next_deadline_ns();
            if deadline_ns > now_ns {
                break;
            }
            if now_ns - deadline_ns > block_ns {
                self.outbox.counters.late_blocks.add(1);
            }
            self.step();
        }
    }

    /// Mixes and publishes one block.
    #[cfg_attr(rtsan, sanitize(realtime = "nonblocking"))]
    pub(crate) fn step(&mut self) {
        self.take_commands();
        change_places(&mut self.sources, self.shape.block_frames, self.seq == 0);
        let path_frames = self.align_paths();
        let time = self.next_time();
        let latency_ns = time.latency_ns as u64 + self.shape.sample_rate.ns_of_frames(path_frames);
        let gap_frame = GapFrame { path_frames, end: self.end };
        let stamp =
            BlockStamp { seq: self.seq, position: self.position, capture_ns: time.start.ns.saturating_sub(latency_ns) };
        let Mixer { sources, buses, outbox, shape, cadence, .. } = self;
        let mut least_slack_ns = f64::INFINITY;
        let mut has_new = false;
        for source in sources.iter_mut() {
            let id = source.id;
            let mut tell = |gap| outbox.report(MixerEvent::SourceGap(id, gap));
            let Mixed { ended_now, lost_gaps } = source.mix(&time, buses, gap_frame, &mut tell);
            let is_unheard = ended_now && !outbox.report(MixerEvent::SourceEnded(id));
            outbox.counters.lost_events.add(lost_gaps + u64::from(is_unheard));
            if let Some(slack_ns) = source.slack_ns() {
                least_slack_ns = least_slack_ns.min(slack_ns);
            }
            source.sweep(&mut |retired| outbox.retire(retired));
            has_new |= source.is_new;
        }
        shape.latency.observe(least_slack_ns, time.duration_ns);
        outbox.counters.latency_ns.set(latency_ns);
        let (master, ppm) = cadence.master_state();
        outbox.counters.set_master(master, ppm);
        for bus in buses.iter_mut().flatten() {
            bus.publish(&stamp, &mut |retired| outbox.retire(retired));
        }
        if let Some(at) = sources.iter().position(|source| source.removing && source.is_silent()) {
            outbox.retire(Retired::Source(sources.remove(at)));
        }
        if has_new {
            self.meet_needs();
        }
        self.seq = self.seq.wrapping_add(1);
        self.position += self.shape.block_frames as u64;
        if self.seq.is_multiple_of(self.shape.meter_blocks) {
            self.sources.iter_mut().for_each(|source| source.show_levels());
            self.buses.iter_mut().flatten().for_each(|bus| bus.show_levels());
        }
        self.outbox.counters.blocks.add(1);
        self.outbox.counters.position.set(self.position.0);
    }

    /// Carries out everything that waits. Before the first block: what is there at the start is there from frame 0 on.
    // rt-lint: control-side
    pub(crate) fn prepare(&mut self) {
        while let Ok(command) = self.commands.pop() {
            self.carry_out(command);
        }
        while let Some(at) = self.sources.iter().position(|source| source.removing && source.is_silent()) {
            self.outbox.retire(Retired::Source(self.sources.remove(at)));
        }
    }

    /// Whether every source has given its last frame.
    pub(crate) fn all_ended(&self) -> bool {
        self.commands.is_empty() && self.sources.iter().all(|source| source.ended)
    }

    /// Publishes what is still in effects, delays and resamplers after the last frames have been read.
    pub(crate) fn flush_tails(&mut self) {
        let source_frames = self.sources.iter().map(|source| source.tail_frames()).max().unwrap_or(0);
        let bus_frames = self.buses.iter().flatten().map(|bus| bus.chain.path_frames()).max().unwrap_or(0);
        let n_blocks = (source_frames + bus_frames).div_ceil(self.shape.block_frames);
        self.end = self.position + (n_blocks * self.shape.block_frames) as u64;
        for _ in 0..n_blocks {
            self.step();
        }
    }

    /// Tells the gaps for which there was no room when they came.
    pub(crate) fn tell_gaps(&mut self) {
        let Mixer { sources, outbox, .. } = self;
        for source in sources {
            let id = source.id;
            source.gaps.tell(&mut |gap| outbox.report(MixerEvent::SourceGap(id, gap)));
        }
    }

    /// Sees to the latency for the followers that have come since the last block: it jumps where nobody hears that, and else
    /// they wait for it.
    fn meet_needs(&mut self) {
        for at in 0..self.sources.len() {
            if !std::mem::take(&mut self.sources[at].is_new) {
                continue;
            }
            let nobody_listens = self.sources.iter().all(|source| !source.is_followed());
            let latency = &mut self.shape.latency;
            let follower = &mut self.sources[at].follower;
            let until_ns = latency.need(follower.least_latency_ns, nobody_listens);
            follower.hold(if latency.now_ns() < until_ns { until_ns } else { 0.0 });
        }
    }

    /// Whether every clocked source has given its last frame; pulled ones could go on for ever.
    pub(crate) fn clocked_tails_are_mixed(&self) -> bool {
        let is_mixed = |source: &SourceStrip| source.ended || source.is_pulled() || source.is_between_rings();
        self.sources.iter().all(|source| is_mixed(source))
    }

    /// Makes all paths equally late, whatever their effects delay; returns by how many frames.
    fn align_paths(&mut self) -> u64 {
        let source_frames = self.sources.iter().map(|source| source.chain.latency_frames()).max().unwrap_or(0);
        let bus_frames = self.buses.iter().flatten().map(|bus| bus.chain.latency_frames()).max().unwrap_or(0);
        for source in &mut self.sources {
            source.chain.be_as_late_as(source_frames);
        }
        for bus in self.buses.iter_mut().flatten() {
            bus.chain.be_as_late_as(bus_frames);
        }
        (source_frames + bus_frames) as u64
    }

    fn take_commands(&mut self) {
        for _ in 0..COMMANDS_PER_STEP {
            let Ok(command) = self.commands.pop() else { break };
            self.carry_out(command);
        }
    }

    fn source_mut(&mut self, id: SourceId) -> Option<&mut SourceStrip> {
        self.sources.iter_mut().map(|source| &mut **source).find(|source| source.id == id)
    }

    fn bus_mut(&mut self, id: BusId) -> Option<&mut BusStrip> {
        self.buses.get_mut(usize::from(id.0)).and_then(Option::as_deref_mut)
    }

    fn chain_mut(&mut self, id: StripId) -> Option<&mut super::insert_chain::InsertChain> {
        match id {
            StripId::Source(id) => self.source_mut(id).map(|source| &mut source.chain),
            StripId::Bus(id) => self.bus_mut(id).map(|bus| &mut bus.chain),
        }
    }

    /// Carries out one command. What finds no place any more goes straight back.
    fn carry_out(&mut self, command: MixerCommand) {
        let ramp_frames = self.shape.ramp_frames;
        match command {
            MixerCommand::AddBus(bus) => {
                let at = usize::from(bus.id.0);
                // Within its capacity: as long as its last bus needs it, so that no step looks at a hundred empty slots.
                while self.buses.len() <= at && self.buses.len() < self.buses.capacity() {
                    self.buses.push(None);
                }
                match self.buses.get_mut(at) {
                    Some(slot) => {
                        if let Some(old) = slot.replace(bus) {
                            self.outbox.retire(Retired::Bus(old));
                        }
                    }
                    None => self.outbox.retire(Retired::Bus(bus)),
                }
            }
            MixerCommand::RemoveBus(id) => {
                if let Some(bus) = self.buses.get_mut(usize::from(id.0)).and_then(Option::take) {
                    self.outbox.retire(Retired::Bus(bus));
                }
                let n_used = self.buses.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
                self.buses.truncate(n_used);
            }
            MixerCommand::AddSource(mut source) => {
                if self.sources.len() < self.sources.capacity() {
                    if self.seq == 0 {
                        source.follower.begin_with_the_mix();
                    }
                    self.sources.push(source);
                    self.meet_needs();
                } else {
                    self.outbox.retire(Retired::Source(source));
                }
            }
            MixerCommand::SetMaster(master) => {
                if let Some(old) = self.cadence.set_master(master) {
                    self.outbox.retire(Retired::Master(old));
                }
            }
            MixerCommand::RemoveSource(id, ramp_frames) => {
                if let Some(source) = self.source_mut(id) {
                    source.fade_out(ramp_frames);
                }
            }
            MixerCommand::ExpectFollower(id, reason) => {
                if let Some(source) = self.source_mut(id) {
                    source.expect_follower(reason);
                }
            }
            MixerCommand::DistrustTail(id, n_frames) => {
                if let Some(source) = self.source_mut(id) {
                    source.distrust_tail(n_frames);
                }
            }
            MixerCommand::SetDown(id, is_down) => {
                if let Some(source) = self.source_mut(id) {
                    source.stand_in.is_down = is_down;
                }
            }
            MixerCommand::SetFallback { source, fallback, return_frames } => {
                if let Some(source) = self.source_mut(source) {
                    source.stand_in.set_fallback(fallback, return_frames);
                    if fallback.is_none() {
                        source.follower.ring.counters.set_covered(false);
                    }
                }
            }
            MixerCommand::SetStandby(id, is_standby) => {
                if let Some(source) = self.source_mut(id) {
                    source.stand_in.set_standby(is_standby);
                }
            }
            MixerCommand::ReplaceFollower(id, follower) => {
                let refused = match self.source_mut(id) {
                    Some(source) => source.put_next(follower),
                    None => Some(follower),
                };
                if let Some(follower) = refused {
                    self.outbox.retire(Retired::Follower(follower));
                }
            }
            MixerCommand::AddRoute(id, route) => match self.source_mut(id) {
                Some(source) if source.routes.len() < source.routes.capacity() => source.routes.push(route),
                _ => self.outbox.retire(Retired::Route(route)),
            },
            MixerCommand::RemoveRoute(id, bus) => {
                if let Some(route) = self.source_mut(id).and_then(|source| source.route_mut(bus)) {
                    route.removing = true;
                    route.matrix.fade_out(ramp_frames);
                }
            }
            MixerCommand::SetGains { source, bus, gains, ramp_frames } => {
                if let Some(source) = self.source_mut(source).filter(|source| !source.removing)
                    && let Some(route) = source.route_mut(bus)
                {
                    route.matrix.set_targets(&gains, ramp_frames);
                }
                self.outbox.retire(Retired::Gains(gains));
            }
            MixerCommand::AddInsert(id, insert) => {
                let refused = match self.chain_mut(id) {
                    Some(chain) => chain.add(insert).err(),
                    None => Some(insert),
                };
                if let Some(insert) = refused {
                    self.outbox.retire(Retired::Insert(insert));
                }
            }
            MixerCommand::RemoveInsert(id, number) => {
                if let Some(chain) = self.chain_mut(id) {
                    chain.begin_removal(number);
                }
            }
        }
    }
}
