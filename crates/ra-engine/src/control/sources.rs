//! Sources: opening, routing, changing, losing and removing them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ra_core::{ClockedSource, FrameAccount, Gap, GapReason, SampleRate, SourceError, SourceState, StreamSpec};
use ra_dsp::SharedLevels;
use ra_queue::{InputConfig, InputMonitor, InputReader, input_ring};

use super::inserts::ChainEntry;
use super::routes::{check_gain, check_latency_offset, check_pan, check_return};
use super::supervision::Supervision;
use super::{Control, Request};
use crate::command::ReplyTo;
use crate::feeder::{Feeder, FeederShared};
use crate::gap_list::GapList;
use crate::rt::command::{MAX_SOURCES, MixerCommand, SourceId};
use crate::rt::counters::SourceCounters;
use crate::rt::strip::SourceStrip;
use crate::{AnySource, CommandError, SourceConfig};

/// How long a clocked source's ring holds what the mixer has not read yet, at least, in milliseconds.
const CLOCKED_RING_MS: f64 = 1000.0;
/// The largest period that a device is expected to deliver, in milliseconds: some sound servers hand over two seconds.
const LARGEST_PERIOD_MS: f64 = 2000.0;

/// What the control side knows of a source.
pub(super) struct SourceEntry {
    pub(super) id: SourceId,
    pub(super) config: SourceConfig,
    pub(super) description: String,
    /// The format in which frames arrive.
    pub(super) spec: StreamSpec,
    pub(super) chain: ChainEntry,
    pub(super) counters: Arc<SourceCounters>,
    pub(super) monitor: InputMonitor,
    /// Of the rings that it had before, as far as something of them is still on its way.
    pub(super) past: Vec<InputMonitor>,
    /// The sum of those that are done.
    pub(super) past_account: FrameAccount,
    pub(super) levels: Arc<SharedLevels>,
    pub(super) gaps: GapList,
    pub(super) reason: Option<String>,
    pub(super) kind: Kind,
    pub(super) life: Life,
    /// What it was when the engine began to stop: being closed by that is not its end.
    pub(super) state_at_stop: Option<SourceState>,
    /// How it is looked after.
    pub(super) supervision: Supervision,
    /// Its clock is far off, and that has been said.
    pub(super) has_warned: bool,
    /// What is odd about its clock now.
    pub(super) clock_reason: Option<String>,
    /// What is wrong with the latency that it has.
    pub(super) latency_reason: Option<String>,
    /// Routes that the mixer has, those that are fading out included.
    pub(super) n_routes: usize,
    /// Whether a driver is opening or closing its device.
    pub(super) in_transit: bool,
    /// Whether the mixer has its strip.
    pub(super) in_mixer: bool,
    /// The ring's reading end, until the strip is made.
    pub(super) reader: Option<InputReader>,
    /// The strip after the mixer gave it back, until its device is closed.
    pub(super) retired: Option<Box<SourceStrip>>,
    reply: Option<ReplyTo<()>>,
}

/// What is behind a source.
pub(super) enum Kind {
    Pulled(Arc<FeederShared>),
    /// The device while it is open and not in a driver's hands.
    Clocked(Option<Box<dyn ClockedSource>>),
}

/// What was told to a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Opening,
    Present,
    /// Could not be opened.
    Failed,
    /// Taken out by command.
    Removed,
}

impl SourceEntry {
    /// Whether it has a place in the mix.
    pub(super) fn is_present(&self) -> bool {
        matches!(self.life, Life::Opening | Life::Present)
    }

    /// Refuses what needs the source's strip before there is one.
    pub(super) fn check_open(&self) -> Result<(), CommandError> {
        match self.life {
            Life::Opening => Err(CommandError::Value {
                key: "the source",
                actual: format!("{:?}, still being opened", self.config.name),
                expected: "one that is open".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether nothing of it is left in the mixer or in a driver's hands.
    pub(super) fn is_gone(&self) -> bool {
        let is_closed = match &self.kind {
            Kind::Pulled(_) => true,
            Kind::Clocked(device) => device.is_none() && !self.in_transit,
        };
        matches!(self.life, Life::Removed | Life::Failed) && !self.in_mixer && self.retired.is_none() && is_closed
    }

    /// From here on another ring counts.
    pub(super) fn replace_monitor(&mut self, monitor: InputMonitor) {
        let Self { past, past_account, .. } = self;
        // Its writer is gone: where nothing is queued any more, nothing will change any more.
        past.retain(|old| {
            let account = old.account();
            let is_done = account.queued_frames == 0;
            if is_done {
                *past_account = *past_account + account;
            }
            !is_done
        });
        past.push(std::mem::replace(&mut self.monitor, monitor));
    }

    /// What people see.
    pub(super) fn state(&self) -> SourceState {
        if let Some(state) = self.state_at_stop {
            return state;
        }
        let failed = match &self.kind {
            Kind::Pulled(shared) => shared.failure.lock().is_some(),
            Kind::Clocked(_) => false,
        };
        match self.life {
            Life::Removed => SourceState::Removed,
            Life::Failed => SourceState::Failed,
            Life::Opening => SourceState::Opening,
            // Whoever is heard in its place: it can't come back.
            Life::Present if failed => SourceState::Failed,
            Life::Present if self.counters.is_covered() => SourceState::Fallback,
            Life::Present => self.own_state(),
        }
    }

    /// What it is by itself, whoever is heard in its place.
    pub(super) fn own_state(&self) -> SourceState {
        let seen = self.counters.state();
        match self.kind {
            // Whatever is said of its device: it has come to its end.
            Kind::Clocked(_) if seen != SourceState::Ended => match self.supervision.state() {
                Some(state) => state,
                // It delivers, and waits for its place.
                None if self.counters.held_until_ns.get().is_some() => SourceState::Opening,
                None => seen,
            },
            _ => seen,
        }
    }

    pub(super) fn answer(&mut self, answer: Result<(), CommandError>) {
        if let Some(reply) = self.reply.take() {
            drop(reply.send(answer));
        }
    }
}

impl Control {
    pub(super) fn source_by_name(&self, name: &str) -> Result<&SourceEntry, CommandError> {
        let found = self.sources.iter().find(|source| source.is_present() && source.config.name == name);
        found.ok_or_else(|| CommandError::UnknownSource { name: name.to_owned() })
    }

    pub(super) fn source_by_name_mut(&mut self, name: &str) -> Result<&mut SourceEntry, CommandError> {
        let found = self.sources.iter_mut().find(|source| source.is_present() && source.config.name == name);
        found.ok_or_else(|| CommandError::UnknownSource { name: name.to_owned() })
    }

    /// The number that the next source gets.
    pub(crate) fn next_source_id(&self) -> SourceId {
        SourceId(self.next_source)
    }

    pub(super) fn source_mut(&mut self, id: SourceId) -> Option<&mut SourceEntry> {
        self.sources.iter_mut().find(|source| source.id == id)
    }

    /// Answers at once when it is refused, else when the source is open.
    pub(crate) fn add_source(&mut self, config: SourceConfig, source: AnySource, reply: Option<ReplyTo<()>>) {
        if let Err(cause) = self.try_add_source(config, source, &reply)
            && let Some(reply) = reply
        {
            drop(reply.send(Err(cause)));
        }
    }

    fn try_add_source(
        &mut self,
        config: SourceConfig,
        source: AnySource,
        reply: &Option<ReplyTo<()>>,
    ) -> Result<(), CommandError> {
        if self.stopping {
            return Err(CommandError::Stopped);
        }
        self.check_new_source(&config)?;
        let id = SourceId(self.next_source);
        let spec = source.spec();
        let description = source.describe();
        let name = config.name.clone();
        let capacity_frames = match source {
            AnySource::Pulled(_) => self.read_ahead_frames,
            AnySource::Clocked(_) => self.clocked_capacity_frames(&config, spec.sample_rate),
        };
        let (writer, reader, monitor) = input_ring(&InputConfig {
            channels: spec.channels,
            capacity_frames,
            capacity_periods: capacity_frames.div_ceil(16),
        })?;
        let (kind, request) = match source {
            AnySource::Pulled(source) => {
                let feeder = Feeder::new(source, writer, self.config.sample_rate, self.config.quality)?;
                (Kind::Pulled(feeder.shared()), Request::RunFeeder { id, name, feeder: Box::new(feeder) })
            }
            AnySource::Clocked(source) => {
                (Kind::Clocked(None), Request::StartClocked { id, name, source, input: writer })
            }
        };
        self.next_source += 1;
        self.sources.push(SourceEntry {
            id,
            config,
            description,
            spec,
            chain: ChainEntry::default(),
            counters: Arc::new(SourceCounters::default()),
            monitor,
            past: Vec::new(),
            past_account: FrameAccount::default(),
            levels: Arc::new(SharedLevels::new(spec.channels.get())),
            gaps: GapList::default(),
            reason: None,
            kind,
            life: Life::Opening,
            state_at_stop: None,
            supervision: Supervision::new(self.mixed_ms()),
            has_warned: false,
            clock_reason: None,
            latency_reason: None,
            n_routes: 0,
            in_transit: matches!(request, Request::StartClocked { .. }),
            in_mixer: false,
            reader: Some(reader),
            retired: None,
            reply: reply.clone(),
        });
        self.requests.push_back(request);
        Ok(())
    }

    /// What the ring of a clocked source holds.
    pub(super) fn clocked_capacity_frames(&self, config: &SourceConfig, rate: SampleRate) -> usize {
        let latency_ms = self.config.latency.most_ms() + config.latency_offset_ms.abs();
        let block_ms = self.config.sample_rate.ns_of_frames(self.config.block_frames as u64) as f64 / 1e6;
        rate.frames_in_ms_ceil(CLOCKED_RING_MS.max(latency_ms) + LARGEST_PERIOD_MS + 8.0 * block_ms)
    }

    fn check_new_source(&self, config: &SourceConfig) -> Result<(), CommandError> {
        if self.source_by_name(&config.name).is_ok() {
            return Err(CommandError::NameTaken { what: "source", name: config.name.clone() });
        }
        if self.sources.iter().filter(|source| source.is_present()).count() >= MAX_SOURCES || !self.has_room() {
            return Err(CommandError::TooMany { what: "sources", limit: MAX_SOURCES });
        }
        super::check_name(&config.name)?;
        check_gain(config.gain_db)?;
        check_pan(config.pan)?;
        check_latency_offset(config.latency_offset_ms)?;
        check_return(config.return_after_ms)?;
        self.check_fallback(&config.name, &config.on_loss)?;
        self.check_routes(&config.to)
    }

    /// The first frames of a pulled source are there: it goes into the mix.
    pub(super) fn feeder_primed(&mut self, id: SourceId) {
        self.enter_mix(id, None);
    }

    pub(super) fn source_without_thread(&mut self, id: SourceId, message: &str) {
        let cause = SourceError::Setting { what: "its thread".to_owned(), message: message.to_owned() };
        let Some(entry) = self.source_mut(id) else { return };
        // Its device went with the thread that it did not get.
        entry.in_transit = false;
        if entry.in_mixer {
            self.tell(MixerCommand::RemoveSource(id, self.entry_ramp_frames()));
        }
        self.fail_source(id, cause);
    }

    pub(super) fn fail_source(&mut self, id: SourceId, cause: SourceError) {
        let Some(entry) = self.source_mut(id) else { return };
        log::error!("source {}: {cause}", entry.config.name);
        if entry.life != Life::Removed {
            entry.life = Life::Failed;
        }
        let had_solo = entry.config.solo;
        entry.reason = Some(cause.to_string());
        entry.reader = None;
        let name = entry.config.name.clone();
        entry.answer(Err(CommandError::Source { name, cause }));
        if had_solo {
            self.send_all_gains();
        }
    }

    pub(super) fn remove_source(&mut self, name: &str) -> Result<(), CommandError> {
        let had_solo = self.source_by_name(name)?.config.solo;
        let entry = self.source_by_name_mut(name)?;
        let id = entry.id;
        let was_opening = entry.life == Life::Opening;
        entry.life = Life::Removed;
        if was_opening {
            // Its reader goes, and the feeder sees that; a device that is being opened is closed once it is open.
            entry.reader = None;
            let removed = CommandError::UnknownSource { name: name.to_owned() };
            entry.answer(Err(removed));
        } else {
            // Nothing fades out that has not begun.
            self.tell(MixerCommand::RemoveSource(id, self.entry_ramp_frames()));
            // Its own bus ends with it; the next source of that name gets a new one.
            if let Some(bus) = self.buses.iter().find(|bus| bus.only == Some(id) && !bus.leaving).map(|bus| bus.id) {
                self.release_bus(bus);
            }
        }
        if had_solo {
            self.send_all_gains();
        }
        Ok(())
    }

    /// The mixer has faded a removed source out and given its strip back.
    pub(super) fn source_retired(&mut self, mut strip: Box<SourceStrip>) {
        let id = strip.id;
        if let Some(gap) = strip.gaps.take() {
            self.source_gap(id, gap);
        }
        // Of a source that was refused: it has faded out now.
        if let Some(bus) = self.buses.iter().find(|bus| bus.only == Some(id) && !bus.leaving).map(|bus| bus.id) {
            self.release_bus(bus);
        }
        let Some(entry) = self.source_mut(id) else { return };
        entry.in_mixer = false;
        match &entry.kind {
            Kind::Pulled(_) => drop(strip),
            Kind::Clocked(device) => {
                let (is_open, in_transit) = (device.is_some(), entry.in_transit);
                entry.retired = Some(strip);
                if is_open {
                    self.stop_clocked(id);
                } else if !in_transit {
                    self.clocked_stopped(id);
                }
            }
        }
    }

    pub(super) fn source_gap(&mut self, id: SourceId, gap: Gap) {
        if let Some(entry) = self.source_mut(id) {
            // While the device is gone, what looks like an underrun is its absence.
            let reason = if entry.supervision.is_lost() { GapReason::DeviceLost } else { gap.reason };
            entry.gaps.push(Gap { reason, ..gap });
        }
    }

    pub(super) fn source_ended(&mut self, id: SourceId) {
        if let Some(entry) = self.source_mut(id) {
            log::info!("source {} has ended", entry.config.name);
        }
    }

    /// The most frames that any source has given, at the engine's rate.
    pub(crate) fn longest_source_frames(&self) -> u64 {
        self.sources.iter().map(|source| source.counters.taken_frames.get()).max().unwrap_or(0)
    }

    /// Where a source's frames are, in its own rate.
    pub(super) fn account_of(&self, entry: &SourceEntry) -> FrameAccount {
        match &entry.kind {
            Kind::Clocked(_) => {
                let past = entry.past.iter().map(InputMonitor::account);
                past.fold(entry.past_account + entry.monitor.account(), |sum, account| sum + account)
            }
            Kind::Pulled(shared) => {
                // Produced when the mixer takes it: what the feeder has read ahead does not exist yet.
                let taken = entry.counters.taken_frames.get();
                let (own, engine) = (entry.spec.sample_rate.hz(), self.config.sample_rate.hz());
                let read = shared.read_frames.load(Relaxed);
                let at_end = entry.counters.state() == SourceState::Ended;
                let produced_frames = match own == engine {
                    true => taken,
                    false if at_end => read,
                    false => (u128::from(taken) * u128::from(own) / u128::from(engine)).min(u128::from(read)) as u64,
                };
                FrameAccount { produced_frames, delivered_frames: produced_frames, dropped_frames: 0, queued_frames: 0 }
            }
        }
    }
}
