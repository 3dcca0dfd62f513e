//! Effects on strips. What they delay by, the mixer makes up for on every other path.

use ra_dsp::{Insert, InsertSlot};

use super::Control;
use crate::CommandError;
use crate::command::{InsertId, Strip};
use crate::rt::command::{MAX_INSERTS, MixerCommand, StripId};
use crate::rt::insert_chain::ChainedInsert;

/// The most that a path's effects may be late, in milliseconds: what the delay lines hold.
pub(super) const MAX_COMPENSATION_MS: f64 = 250.0;

/// The effects of one strip, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct ChainEntry {
    inserts: Vec<(InsertId, usize)>,
    /// Effects that the mixer has, those that are fading out included.
    n_lent: usize,
}

impl ChainEntry {
    fn latency_frames(&self) -> usize {
        self.inserts.iter().map(|(_, latency_frames)| latency_frames).sum()
    }
}

impl Control {
    pub(super) fn add_insert(&mut self, strip: &Strip, insert: Box<dyn Insert>) -> Result<InsertId, CommandError> {
        let (strip_id, channels, chain) = self.chain_of(strip)?;
        if chain.n_lent == MAX_INSERTS || !self.has_room() {
            return Err(CommandError::TooMany { what: "inserts on a strip", limit: MAX_INSERTS });
        }
        let latency_frames = insert.latency_frames();
        let most = self.config.sample_rate.frames_in_ms_ceil(MAX_COMPENSATION_MS);
        if chain.latency_frames() + latency_frames > most {
            return Err(CommandError::Value {
                key: "the latency of a strip's inserts",
                actual: format!("{} frames", chain.latency_frames() + latency_frames),
                expected: format!("at most {most} frames"),
            });
        }
        let id = InsertId(self.next_insert);
        self.next_insert += 1;
        let make = if self.timeline.is_running() { InsertSlot::new } else { InsertSlot::from_the_start };
        let slot = make(insert, channels, self.config.block_frames, self.config.ramp_frames());
        let chain = self.chain_of_mut(strip)?;
        chain.inserts.push((id, latency_frames));
        chain.n_lent += 1;
        self.tell(MixerCommand::AddInsert(strip_id, Box::new(ChainedInsert { id: id.0, strip: strip_id, slot })));
        Ok(id)
    }

    pub(super) fn remove_insert(&mut self, strip: &Strip, id: InsertId) -> Result<(), CommandError> {
        let (strip_id, _, chain) = self.chain_of(strip)?;
        if !chain.inserts.iter().any(|(known, _)| *known == id) {
            return Err(CommandError::UnknownInsert { strip: strip.to_string(), number: id.0 });
        }
        self.chain_of_mut(strip)?.inserts.retain(|(known, _)| *known != id);
        self.tell(MixerCommand::RemoveInsert(strip_id, id.0));
        Ok(())
    }

    /// The mixer has faded an effect out.
    pub(super) fn insert_retired(&mut self, insert: &ChainedInsert) {
        let chain = match insert.strip {
            StripId::Source(id) => {
                self.sources.iter_mut().find(|source| source.id == id).map(|source| &mut source.chain)
            }
            StripId::Bus(id) => self.buses.iter_mut().find(|bus| bus.id == id).map(|bus| &mut bus.chain),
        };
        if let Some(chain) = chain {
            chain.n_lent = chain.n_lent.saturating_sub(1);
        }
    }

    fn chain_of(&self, strip: &Strip) -> Result<(StripId, usize, &ChainEntry), CommandError> {
        match strip {
            Strip::Source(name) => {
                let source = self.source_by_name(name)?;
                source.check_open()?;
                Ok((StripId::Source(source.id), source.spec.channels.get(), &source.chain))
            }
            Strip::Bus(name) => {
                let bus = self.bus_by_name(name)?;
                Ok((StripId::Bus(bus.id), bus.spec.channels.get(), &bus.chain))
            }
        }
    }

    fn chain_of_mut(&mut self, strip: &Strip) -> Result<&mut ChainEntry, CommandError> {
        match strip {
            Strip::Source(name) => Ok(&mut self.source_by_name_mut(name)?.chain),
            Strip::Bus(name) => {
                let id = self.bus_by_name(name)?.id;
                let found = self.buses.iter_mut().find(|bus| bus.id == id).map(|bus| &mut bus.chain);
                found.ok_or_else(|| CommandError::UnknownBus { name: name.clone(), known: Vec::new() })
            }
        }
    }
}
