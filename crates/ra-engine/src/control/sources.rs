//! Sources: opening, routing, changing, losing and removing them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ra_core::{ClockedSource, Gap, GapReason, Granted, SourceError, SourceState, StreamEvent, StreamSpec};
use ra_dsp::{GainMatrix, LevelMeter, SharedLevels, SteeredResampler, db_to_lin, routing_gains};
use ra_queue::{InputConfig, InputMonitor, InputReader, input_ring};

use super::inserts::{ChainEntry, MAX_COMPENSATION_MS};
use super::{Control, Request};
use crate::command::{ReplyTo, SourceChange};
use crate::feeder::{Feeder, FeederShared};
use crate::gap_list::GapList;
use crate::rt::command::{BusId, MAX_ROUTES, MAX_SOURCES, MixerCommand, SourceId};
use crate::rt::counters::SourceCounters;
use crate::rt::follower::{Cushion, Feed, Follower, Resampling};
use crate::rt::hole::HoleFader;
use crate::rt::insert_chain::InsertChain;
use crate::rt::source_ring::SourceRing;
use crate::rt::strip::{Route, SourceStrip};
use crate::{AnySource, CommandError, Latency, SourceConfig};

/// How long a clocked source's ring holds what the mixer has not read yet, in milliseconds.
const CLOCKED_RING_MS: f64 = 1000.0;
/// What a gain may be, in decibels.
const GAIN_RANGE_DB: std::ops::RangeInclusive<f32> = -120.0..=40.0;

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
    pub(super) levels: Arc<SharedLevels>,
    pub(super) gaps: GapList,
    pub(super) reason: Option<String>,
    pub(super) kind: Kind,
    pub(super) life: Life,
    ring_capacity_frames: usize,
    /// The ring's reading end, until the strip is made.
    reader: Option<InputReader>,
    /// The strip after the mixer gave it back, until its device is closed.
    retired: Option<Box<SourceStrip>>,
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
    /// Its device is gone.
    Lost,
    /// Taken out by command.
    Removed,
}

impl SourceEntry {
    /// Whether it has a place in the mix.
    pub(super) fn is_present(&self) -> bool {
        matches!(self.life, Life::Opening | Life::Present | Life::Lost)
    }

    /// What people see.
    pub(super) fn state(&self) -> SourceState {
        let failed = match &self.kind {
            Kind::Pulled(shared) => shared.failure.lock().is_some(),
            Kind::Clocked(_) => false,
        };
        match self.life {
            Life::Removed => SourceState::Removed,
            Life::Failed => SourceState::Failed,
            Life::Lost => SourceState::Lost,
            Life::Opening => SourceState::Opening,
            Life::Present if failed => SourceState::Failed,
            Life::Present => self.counters.state(),
        }
    }

    pub(super) fn reason(&self) -> Option<String> {
        let failure = match &self.kind {
            Kind::Pulled(shared) => shared.failure.lock().clone(),
            Kind::Clocked(_) => None,
        };
        failure.or_else(|| self.reason.clone())
    }

    fn answer(&mut self, answer: Result<(), CommandError>) {
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

    fn source_mut(&mut self, id: SourceId) -> Option<&mut SourceEntry> {
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
            AnySource::Clocked(_) => spec.sample_rate.frames_in_ms_ceil(CLOCKED_RING_MS),
        };
        let (writer, reader, monitor) = input_ring(&InputConfig {
            channels: spec.channels,
            capacity_frames,
            capacity_periods: capacity_frames.div_ceil(16),
        })?;
        let (kind, request) = match source {
            AnySource::Pulled(source) => {
                let feeder = Feeder::new(source, writer, self.config.sample_rate, self.config.quality)?;
                (Kind::Pulled(feeder.shared()), Request::RunFeeder { id, name, feeder })
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
            levels: Arc::new(SharedLevels::new(spec.channels.get())),
            gaps: GapList::default(),
            reason: None,
            kind,
            life: Life::Opening,
            ring_capacity_frames: capacity_frames,
            reader: Some(reader),
            retired: None,
            reply: reply.clone(),
        });
        self.requests.push_back(request);
        Ok(())
    }

    fn check_new_source(&self, config: &SourceConfig) -> Result<(), CommandError> {
        if self.source_by_name(&config.name).is_ok() {
            return Err(CommandError::NameTaken { what: "source", name: config.name.clone() });
        }
        if self.sources.iter().filter(|source| source.is_present()).count() >= MAX_SOURCES || !self.has_room() {
            return Err(CommandError::TooMany { what: "sources", limit: MAX_SOURCES });
        }
        check_gain(config.gain_db)?;
        check_pan(config.pan)?;
        self.check_routes(&config.to)
    }

    fn check_routes(&self, to: &[String]) -> Result<(), CommandError> {
        if to.len() >= MAX_ROUTES {
            return Err(CommandError::TooMany { what: "routes of a source", limit: MAX_ROUTES - 1 });
        }
        to.iter().try_for_each(|bus| self.bus_by_name(bus).map(drop))
    }

    /// The first frames of a pulled source are there: it goes into the mix.
    pub(super) fn feeder_primed(&mut self, id: SourceId) {
        self.enter_mix(id, None);
    }

    pub(super) fn clocked_started(
        &mut self,
        id: SourceId,
        source: Box<dyn ClockedSource>,
        result: Result<Granted, SourceError>,
    ) {
        let stopping = self.stopping;
        let Some(entry) = self.source_mut(id) else { return };
        let name = entry.config.name.clone();
        match result {
            Ok(granted) if granted.spec.channels != entry.spec.channels => {
                let message = format!("asked for {}, was granted {}", entry.spec.channels, granted.spec.channels);
                let cause = SourceError::Device { device: granted.device, message };
                self.requests.push_back(Request::StopClocked { id, name, source });
                self.fail_source(id, cause);
            }
            Ok(granted) => {
                let removed = entry.life == Life::Removed;
                entry.spec = granted.spec;
                entry.description = granted.device;
                entry.kind = Kind::Clocked(Some(source));
                if removed || stopping {
                    self.stop_clocked(id);
                }
                if !removed {
                    self.enter_mix(id, granted.period_frames);
                }
            }
            Err(cause) => self.fail_source(id, cause),
        }
    }

    pub(super) fn source_without_thread(&mut self, id: SourceId, message: &str) {
        let cause = SourceError::Setting { what: "its thread".to_owned(), message: message.to_owned() };
        self.fail_source(id, cause);
    }

    fn fail_source(&mut self, id: SourceId, cause: SourceError) {
        let Some(entry) = self.source_mut(id) else { return };
        log::error!("source {}: {cause}", entry.config.name);
        entry.life = Life::Failed;
        entry.reason = Some(cause.to_string());
        entry.reader = None;
        let name = entry.config.name.clone();
        entry.answer(Err(CommandError::Source { name, cause }));
    }

    /// Builds the strip and sends it to the mixer.
    fn enter_mix(&mut self, id: SourceId, period_frames: Option<u32>) {
        match self.build_strip(id, period_frames) {
            Ok(Some(strip)) => {
                self.tell(MixerCommand::AddSource(Box::new(strip)));
                let mut solo = false;
                if let Some(entry) = self.source_mut(id) {
                    entry.life = Life::Present;
                    entry.answer(Ok(()));
                    solo = entry.config.solo;
                }
                if solo {
                    self.send_all_gains();
                }
            }
            Ok(None) => {}
            Err(cause) => {
                if let Some(entry) = self.source_mut(id) {
                    entry.life = Life::Failed;
                    entry.reason = Some(cause.to_string());
                    entry.answer(Err(cause));
                }
            }
        }
    }

    fn build_strip(&mut self, id: SourceId, period_frames: Option<u32>) -> Result<Option<SourceStrip>, CommandError> {
        let any_solo = self.any_solo();
        let routes: Vec<_> = match self.sources.iter().find(|source| source.id == id) {
            Some(entry) if entry.life == Life::Opening => {
                let buses = entry.config.to.iter().filter_map(|bus| self.bus_by_name(bus).ok().map(|bus| bus.id));
                buses.map(|bus| Box::new(self.new_route(entry, bus, any_solo))).collect()
            }
            _ => return Ok(None),
        };
        let engine_rate = self.config.sample_rate;
        let (block_frames, quality, latency) = (self.config.block_frames, self.config.quality, self.config.latency);
        let ramp_frames = self.config.ramp_frames();
        let Some(entry) = self.source_mut(id) else { return Ok(None) };
        let Some(reader) = entry.reader.take() else { return Ok(None) };
        let channels = entry.spec.channels;
        let (feed, ring_rate) = match &entry.kind {
            Kind::Pulled(_) => (Feed::Pulled, engine_rate),
            Kind::Clocked(_) => {
                let cushion = make_cushion(entry, engine_rate.hz(), block_frames, period_frames, latency, quality)?;
                (Feed::Clocked(cushion), entry.spec.sample_rate)
            }
        };
        let ring = SourceRing {
            reader,
            fader: HoleFader::new(channels.get(), ring_rate.hz()),
            channels: channels.get(),
            rate_hz: ring_rate.hz(),
            engine_rate_hz: engine_rate.hz(),
            counters: Arc::clone(&entry.counters),
            owed_silence_frames: 0,
            in_underrun: false,
        };
        let mut strip_routes = SourceStrip::empty_routes();
        strip_routes.extend(routes);
        Ok(Some(SourceStrip {
            id,
            follower: Follower { ring, feed },
            block: vec![0.0; channels.get() * block_frames].into_boxed_slice(),
            chain: InsertChain::new(channels.get(), engine_rate.frames_in_ms_ceil(MAX_COMPENSATION_MS), ramp_frames),
            meter: LevelMeter::new(channels.get()),
            levels: Arc::clone(&entry.levels),
            routes: strip_routes,
            removing: false,
            ended: false,
        }))
    }

    fn any_solo(&self) -> bool {
        self.sources.iter().any(|source| source.is_present() && source.config.solo)
    }

    /// How long a route takes to reach its gains: nothing fades in at the very start of the timeline.
    fn entry_ramp_frames(&self) -> u32 {
        if self.timeline.is_running() { self.config.ramp_frames() } else { 0 }
    }

    fn new_route(&self, source: &SourceEntry, bus: BusId, any_solo: bool) -> Route {
        let n_out = self.buses.iter().find(|entry| entry.id == bus).map_or(1, |entry| entry.spec.channels.get());
        let mut matrix = GainMatrix::new(source.spec.channels.get(), n_out);
        matrix.set_targets(&gains_of(source, n_out, any_solo), self.entry_ramp_frames());
        Route { bus, matrix, removing: false }
    }

    /// Routes a source to its own bus: at unity, whatever its gain is.
    pub(super) fn route_unmixed(&mut self, id: SourceId, bus: BusId) {
        let Some(source) = self.sources.iter().find(|source| source.id == id) else { return };
        let n = source.spec.channels.get();
        let mut matrix = GainMatrix::new(n, n);
        let identity: Vec<f32> = (0..n * n).map(|at| if at % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
        matrix.set_targets(&identity, self.entry_ramp_frames());
        self.tell(MixerCommand::AddRoute(id, Box::new(Route { bus, matrix, removing: false })));
    }

    /// Takes every route to a bus away.
    pub(super) fn unroute_all(&mut self, bus: BusId) {
        let Some(name) = self.buses.iter().find(|entry| entry.id == bus).map(|entry| entry.name.clone()) else {
            return;
        };
        let mut routed = Vec::new();
        for source in self.sources.iter_mut().filter(|source| source.config.to.contains(&name)) {
            source.config.to.retain(|to| *to != name);
            routed.push(source.id);
        }
        for id in routed {
            self.tell(MixerCommand::RemoveRoute(id, bus));
        }
    }

    pub(super) fn set_source(&mut self, name: &str, change: SourceChange) -> Result<(), CommandError> {
        let entry = self.source_by_name(name)?;
        let id = entry.id;
        match &change {
            SourceChange::GainDb(gain_db) => check_gain(*gain_db)?,
            SourceChange::Pan(pan) => check_pan(*pan)?,
            SourceChange::To(to) => self.check_routes(to)?,
            SourceChange::Mute(_) | SourceChange::Solo(_) => {}
        }
        if !self.has_room() {
            return Err(CommandError::TooMany { what: "commands that wait", limit: super::MAX_OUTSTANDING });
        }
        let was_to = entry.config.to.clone();
        let entry = self.source_by_name_mut(name)?;
        match change {
            SourceChange::GainDb(gain_db) => entry.config.gain_db = gain_db,
            SourceChange::Pan(pan) => entry.config.pan = pan,
            SourceChange::Mute(mute) => entry.config.mute = mute,
            SourceChange::Solo(solo) => {
                entry.config.solo = solo;
                self.send_all_gains();
                return Ok(());
            }
            SourceChange::To(to) => {
                entry.config.to.clone_from(&to);
                self.reroute(id, &was_to, &to);
                return Ok(());
            }
        }
        self.send_gains(id);
        Ok(())
    }

    fn reroute(&mut self, id: SourceId, was: &[String], now: &[String]) {
        let any_solo = self.any_solo();
        for bus in was.iter().filter(|bus| !now.contains(bus)) {
            if let Ok(bus) = self.bus_by_name(bus).map(|bus| bus.id) {
                self.tell(MixerCommand::RemoveRoute(id, bus));
            }
        }
        for bus in now.iter().filter(|bus| !was.contains(bus)) {
            let Ok(bus) = self.bus_by_name(bus).map(|bus| bus.id) else { continue };
            let Some(source) = self.sources.iter().find(|source| source.id == id && source.life != Life::Opening)
            else {
                continue;
            };
            let route = Box::new(self.new_route(source, bus, any_solo));
            self.tell(MixerCommand::AddRoute(id, route));
        }
    }

    fn send_all_gains(&mut self) {
        let ids: Vec<_> = self.sources.iter().filter(|source| source.is_present()).map(|source| source.id).collect();
        for id in ids {
            self.send_gains(id);
        }
    }

    fn send_gains(&mut self, id: SourceId) {
        let any_solo = self.any_solo();
        let ramp_frames = self.entry_ramp_frames();
        let Some(source) = self.sources.iter().find(|source| source.id == id) else { return };
        let gains: Vec<_> = source
            .config
            .to
            .iter()
            .filter_map(|bus| self.bus_by_name(bus).ok())
            .map(|bus| (bus.id, gains_of(source, bus.spec.channels.get(), any_solo).into_boxed_slice()))
            .collect();
        for (bus, gains) in gains {
            self.tell(MixerCommand::SetGains { source: id, bus, gains, ramp_frames });
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
            self.tell(MixerCommand::RemoveSource(id));
        }
        if had_solo {
            self.send_all_gains();
        }
        Ok(())
    }

    /// The mixer has faded a removed source out and given its strip back.
    pub(super) fn source_retired(&mut self, strip: Box<SourceStrip>) {
        let id = strip.id;
        let own_bus = self.buses.iter().find(|bus| bus.only == Some(id)).map(|bus| bus.id);
        if let Some(bus) = own_bus {
            self.release_bus(bus);
        }
        let Some(entry) = self.source_mut(id) else { return };
        match &entry.kind {
            Kind::Pulled(_) => drop(strip),
            Kind::Clocked(device) => {
                let is_open = device.is_some();
                entry.retired = Some(strip);
                if is_open {
                    self.stop_clocked(id);
                } else {
                    self.clocked_stopped(id);
                }
            }
        }
    }

    pub(super) fn stop_clocked_sources(&mut self) {
        let ids: Vec<_> = self.sources.iter().map(|source| source.id).collect();
        for id in ids {
            self.stop_clocked(id);
        }
    }

    fn stop_clocked(&mut self, id: SourceId) {
        let Some(entry) = self.source_mut(id) else { return };
        if let Kind::Clocked(device) = &mut entry.kind
            && let Some(source) = device.take()
        {
            let name = entry.config.name.clone();
            self.requests.push_back(Request::StopClocked { id, name, source });
        }
    }

    /// A device is closed: what its strip still holds will never be heard, and is counted.
    pub(super) fn clocked_stopped(&mut self, id: SourceId) {
        let Some(entry) = self.source_mut(id) else { return };
        if let Some(mut strip) = entry.retired.take() {
            let reader = &mut strip.follower.ring.reader;
            reader.poll_stamps(&mut |_| {});
            while reader.queued_frames() > 0 {
                if reader.discard(usize::MAX) == 0 && reader.take_gap().is_none() {
                    break;
                }
            }
        }
    }

    pub(super) fn source_gap(&mut self, id: SourceId, gap: Gap) {
        if let Some(entry) = self.source_mut(id) {
            // While the device is gone, what looks like an underrun is its absence.
            let reason = if entry.life == Life::Lost { GapReason::DeviceLost } else { gap.reason };
            entry.gaps.push(Gap { reason, ..gap });
        }
    }

    pub(super) fn source_ended(&mut self, id: SourceId) {
        if let Some(entry) = self.source_mut(id) {
            log::info!("source {} has ended", entry.config.name);
        }
    }

    pub(super) fn poll_clocked_sources(&mut self) {
        let mut ended = Vec::new();
        for entry in &mut self.sources {
            let Kind::Clocked(Some(source)) = &mut entry.kind else { continue };
            while let Some(event) = source.poll_event() {
                match event {
                    StreamEvent::DeviceLost { reason } => {
                        log::error!("source {}: device lost: {reason}", entry.config.name);
                        entry.life = Life::Lost;
                        entry.reason = Some(reason);
                    }
                    StreamEvent::FormatChanged { spec } => {
                        let reason = format!("now delivers {spec}, was opened as {}", entry.spec);
                        log::error!("source {}: {reason}", entry.config.name);
                        entry.life = Life::Lost;
                        entry.reason = Some(reason);
                        ended.push(entry.id);
                    }
                    StreamEvent::EndOfStream => ended.push(entry.id),
                    // Frames and gaps come through the ring, where they are counted.
                    _ => {}
                }
            }
        }
        for id in ended {
            self.stop_clocked(id);
        }
    }

    /// Whether no driver holds a device of ours, and none is open.
    pub(crate) fn sources_are_closed(&self) -> bool {
        self.sources.iter().all(|source| match &source.kind {
            Kind::Pulled(_) => true,
            Kind::Clocked(device) => device.is_none() && source.life != Life::Opening,
        })
    }

    /// The most frames that any source has given, at the engine's rate.
    pub(crate) fn longest_source_frames(&self) -> u64 {
        self.sources.iter().map(|source| source.counters.taken_frames.get()).max().unwrap_or(0)
    }

    /// Where a source's frames are, in its own rate.
    pub(super) fn account_of(&self, entry: &SourceEntry) -> ra_core::FrameAccount {
        match &entry.kind {
            Kind::Clocked(_) => entry.monitor.account(),
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
                ra_core::FrameAccount {
                    produced_frames,
                    delivered_frames: produced_frames,
                    dropped_frames: 0,
                    queued_frames: 0,
                }
            }
        }
    }
}

fn check_gain(gain_db: f32) -> Result<(), CommandError> {
    check_value("gain_db", gain_db, GAIN_RANGE_DB)
}

fn check_pan(pan: f32) -> Result<(), CommandError> {
    check_value("pan", pan, -1.0..=1.0)
}

fn check_value(key: &'static str, value: f32, range: std::ops::RangeInclusive<f32>) -> Result<(), CommandError> {
    if range.contains(&value) {
        return Ok(());
    }
    let expected = format!("{} to {}", range.start(), range.end());
    Err(CommandError::Value { key, actual: value.to_string(), expected })
}

/// The matrix that a source's settings ask for.
fn gains_of(source: &SourceEntry, n_out: usize, any_solo: bool) -> Vec<f32> {
    let config = &source.config;
    let silent = config.mute || (any_solo && !config.solo);
    let gain_lin = if silent { 0.0 } else { db_to_lin(config.gain_db) };
    routing_gains(source.spec.channels.get(), n_out, gain_lin, config.pan, config.mono_law)
}

fn make_cushion(
    entry: &SourceEntry,
    engine_rate_hz: u32,
    block_frames: usize,
    period_frames: Option<u32>,
    latency: Latency,
    quality: ra_dsp::Quality,
) -> Result<Cushion, CommandError> {
    let rate = entry.spec.sample_rate;
    let two_periods = 2 * period_frames.unwrap_or(0) as usize;
    let target_frames = match latency {
        Latency::Ms(ms) => rate.frames_in_ms_ceil(ms),
        Latency::Auto => rate.frames_in_ms_ceil(latency.nominal_ms()).max(two_periods),
    };
    let resampling = if rate.hz() == engine_rate_hz {
        None
    } else {
        let engine_rate = ra_core::SampleRate::new(engine_rate_hz).unwrap_or(rate);
        let resampler = SteeredResampler::new(entry.spec.channels.get(), rate, engine_rate, block_frames, quality)?;
        let n_samples = resampler.max_input_frames() * entry.spec.channels.get();
        Some(Resampling { resampler, input: vec![0.0; n_samples].into_boxed_slice() })
    };
    Ok(Cushion {
        target_frames: target_frames.min(entry.ring_capacity_frames / 2),
        grows: latency == Latency::Auto,
        capacity_frames: entry.ring_capacity_frames,
        primed: false,
        resampling,
    })
}
