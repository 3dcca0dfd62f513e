//! Where sources go: routes and the gains on them. Gain, pan, mute and solo are all one matrix per route.

use ra_dsp::{GainMatrix, db_to_lin, routing_gains};

use super::Control;
use super::sources::{Life, SourceEntry};
use crate::CommandError;
use crate::command::SourceChange;
use crate::rt::command::{BusId, MAX_ROUTES, MixerCommand, SourceId};
use crate::rt::strip::Route;

/// What a gain may be, in decibels.
const GAIN_RANGE_DB: std::ops::RangeInclusive<f32> = -120.0..=40.0;

impl Control {
    pub(super) fn check_routes(&self, to: &[String]) -> Result<(), CommandError> {
        if let Some(twice) = to.iter().enumerate().find_map(|(n, bus)| to[..n].contains(bus).then_some(bus)) {
            let expected = "every bus once".to_owned();
            return Err(CommandError::Value { key: "the routes", actual: format!("{twice:?} twice"), expected });
        }
        if to.len() >= MAX_ROUTES {
            return Err(CommandError::TooMany { what: "routes of a source", limit: MAX_ROUTES - 1 });
        }
        to.iter().try_for_each(|bus| self.bus_by_name(bus).map(drop))
    }

    pub(super) fn any_solo(&self) -> bool {
        self.sources.iter().any(|source| source.is_present() && source.config.solo)
    }

    /// Whether its settings keep it out of the mix: it is muted, or others are soloed, for none of which it stands in.
    pub(super) fn is_silenced(&self, source: &SourceEntry) -> bool {
        source.config.mute
            || (self.any_solo() && !source.config.solo && !self.stands_in_for_a_solo(&source.config.name))
    }

    /// How long a route takes to reach its gains: nothing fades in at the very start of the timeline.
    pub(super) fn entry_ramp_frames(&self) -> u32 {
        if self.timeline.is_running() { self.config.ramp_frames() } else { 0 }
    }

    pub(super) fn new_route(&self, source: &SourceEntry, bus: BusId) -> Route {
        let n_out = self.buses.iter().find(|entry| entry.id == bus).map_or(1, |entry| entry.spec.channels.get());
        let mut matrix = GainMatrix::new(source.spec.channels.get(), n_out);
        matrix.set_targets(&self.gains_of(source, n_out), self.entry_ramp_frames());
        Route { source: source.id, bus, matrix, is_unmixed: false, removing: false }
    }

    /// Routes a source to its own bus: at unity, whatever its gain is.
    pub(super) fn route_unmixed(&mut self, id: SourceId, bus: BusId) {
        let Some(source) = self.sources.iter().find(|source| source.id == id) else { return };
        let n = source.spec.channels.get();
        let mut matrix = GainMatrix::new(n, n);
        let identity: Vec<f32> = (0..n * n).map(|at| if at % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
        matrix.set_targets(&identity, self.entry_ramp_frames());
        self.add_route(Route { source: id, bus, matrix, is_unmixed: true, removing: false });
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
            SourceChange::To(to) => {
                self.check_routes(to)?;
                let n_new = to.iter().filter(|bus| !entry.config.to.contains(bus)).count();
                if entry.n_routes + n_new > MAX_ROUTES {
                    return Err(CommandError::TooMany { what: "routes of a source", limit: MAX_ROUTES });
                }
            }
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

    fn add_route(&mut self, route: Route) {
        let id = route.source;
        if let Some(source) = self.source_mut(id) {
            source.n_routes += 1;
        }
        self.tell(MixerCommand::AddRoute(id, Box::new(route)));
    }

    /// The mixer has faded a route out.
    pub(super) fn route_retired(&mut self, route: &Route) {
        if let Some(source) = self.source_mut(route.source) {
            source.n_routes = source.n_routes.saturating_sub(1);
        }
    }

    fn reroute(&mut self, id: SourceId, was: &[String], now: &[String]) {
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
            let route = self.new_route(source, bus);
            self.add_route(route);
        }
    }

    pub(super) fn send_all_gains(&mut self) {
        let ids: Vec<_> = self.sources.iter().filter(|source| source.is_present()).map(|source| source.id).collect();
        for id in ids {
            self.send_gains(id);
        }
    }

    fn send_gains(&mut self, id: SourceId) {
        let ramp_frames = self.entry_ramp_frames();
        let Some(source) = self.sources.iter().find(|source| source.id == id) else { return };
        let gains: Vec<_> = source
            .config
            .to
            .iter()
            .filter_map(|bus| self.bus_by_name(bus).ok())
            .map(|bus| (bus.id, self.gains_of(source, bus.spec.channels.get()).into_boxed_slice()))
            .collect();
        for (bus, gains) in gains {
            self.tell(MixerCommand::SetGains { source: id, bus, gains, ramp_frames });
        }
    }

    /// The matrix that a source's settings ask for.
    fn gains_of(&self, source: &SourceEntry, n_out: usize) -> Vec<f32> {
        let config = &source.config;
        let gain_lin = if self.is_silenced(source) { 0.0 } else { db_to_lin(config.gain_db) };
        routing_gains(source.spec.channels.get(), n_out, gain_lin, config.pan, config.mono_law)
    }
}

pub(super) fn check_gain(gain_db: f32) -> Result<(), CommandError> {
    check_value("gain_db", gain_db, GAIN_RANGE_DB)
}

pub(super) fn check_latency_offset(latency_offset_ms: f64) -> Result<(), CommandError> {
    check_value("latency_offset_ms", latency_offset_ms as f32, -1000.0..=1000.0)
}

pub(super) fn check_return(return_after_ms: f64) -> Result<(), CommandError> {
    check_value("return_after_ms", return_after_ms as f32, 0.0..=60_000.0)
}

pub(super) fn check_pan(pan: f32) -> Result<(), CommandError> {
    check_value("pan", pan, -1.0..=1.0)
}

fn check_value(key: &'static str, value: f32, range: std::ops::RangeInclusive<f32>) -> Result<(), CommandError> {
    if range.contains(&value) {
        return Ok(());
    }
    let expected = format!("{} to {}", range.start(), range.end());
    Err(CommandError::Value { key, actual: value.to_string(), expected })
}
