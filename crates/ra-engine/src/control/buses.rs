//! Buses: those that were asked for, and those that carry a single source.

use std::sync::Arc;

use ra_core::{ChannelCount, StreamSpec};
use ra_dsp::{LevelMeter, SharedLevels};
use ra_queue::{FanOutConfig, Join, Subscribe, fan_out};

use super::Control;
use super::inserts::{ChainEntry, MAX_COMPENSATION_MS};
use crate::lag::LagRule;
use crate::rt::bus::BusStrip;
use crate::rt::command::{BusId, MAX_BUSES, MixerCommand, SourceId};
use crate::rt::counters::Counter;
use crate::rt::insert_chain::InsertChain;
use crate::{BusConfig, BusReader, CommandError, MAIN_BUS, ReaderConfig, SOURCE_BUS_PREFIX};

/// What the control side knows of a bus.
pub(super) struct BusEntry {
    pub(super) id: BusId,
    pub(super) name: String,
    pub(super) spec: StreamSpec,
    pub(super) subscribe: Arc<dyn Subscribe>,
    pub(super) levels: Arc<SharedLevels>,
    pub(super) non_finite_samples: Arc<Counter>,
    pub(super) chain: ChainEntry,
    /// The one source that it carries, unmixed.
    pub(super) only: Option<SourceId>,
    /// Told to go; its slot is free once it has come back.
    pub(super) leaving: bool,
}

impl Control {
    pub(super) fn bus_by_name(&self, name: &str) -> Result<&BusEntry, CommandError> {
        self.buses.iter().find(|bus| !bus.leaving && bus.name == name).ok_or_else(|| CommandError::UnknownBus {
            name: name.to_owned(),
            known: self.buses.iter().filter(|bus| !bus.leaving).map(|bus| bus.name.clone()).collect(),
        })
    }

    pub(crate) fn add_bus(&mut self, config: BusConfig) -> Result<(), CommandError> {
        if config.name.starts_with(SOURCE_BUS_PREFIX) || config.name.is_empty() {
            return Err(CommandError::Value {
                key: "a bus's name",
                actual: format!("{:?}", config.name),
                expected: format!("a name that does not begin with {SOURCE_BUS_PREFIX:?}"),
            });
        }
        self.make_bus(config.name, config.channels, None).map(drop)
    }

    fn make_bus(
        &mut self,
        name: String,
        channels: ChannelCount,
        only: Option<SourceId>,
    ) -> Result<BusId, CommandError> {
        if self.bus_by_name(&name).is_ok() {
            return Err(CommandError::NameTaken { what: "bus", name });
        }
        let taken = |slot: u16| self.buses.iter().any(|bus| bus.id.0 == slot);
        let slot = (0..MAX_BUSES as u16).find(|&slot| !taken(slot)).filter(|_| self.has_room());
        let id = BusId(slot.ok_or(CommandError::TooMany { what: "buses", limit: MAX_BUSES })?);
        let spec = StreamSpec { sample_rate: self.config.sample_rate, channels };
        let n_samples = spec.samples(self.config.block_frames);
        let (writer, subscribe) = fan_out(&FanOutConfig {
            n_blocks: self.config.ring_blocks(),
            samples_per_block: n_samples,
            backend: self.config.fan_out,
        })?;
        let ring_ms = self.config.ms_of_blocks(subscribe.n_blocks() as u64);
        log::info!("bus {name}: a ring of {ring_ms:.0} ms in {} KiB", subscribe.memory_bytes() / 1024);
        let levels = Arc::new(SharedLevels::new(channels.get()));
        let non_finite_samples = Arc::new(Counter::default());
        let chain = ChainEntry::default();
        let strip = BusStrip {
            id,
            accumulator: vec![0.0; n_samples].into_boxed_slice(),
            block: vec![0.0; n_samples].into_boxed_slice(),
            chain: InsertChain::new(
                channels.get(),
                self.config.sample_rate.frames_in_ms_ceil(MAX_COMPENSATION_MS),
                self.config.ramp_frames(),
            ),
            meter: LevelMeter::new(channels.get()),
            levels: Arc::clone(&levels),
            non_finite_samples: Arc::clone(&non_finite_samples),
            writer,
        };
        self.buses.push(BusEntry {
            id,
            name,
            spec,
            subscribe,
            levels,
            non_finite_samples,
            chain,
            only,
            leaving: false,
        });
        self.tell(MixerCommand::AddBus(Box::new(strip)));
        Ok(id)
    }

    pub(super) fn remove_bus(&mut self, name: &str) -> Result<(), CommandError> {
        let bus = self.bus_by_name(name)?;
        if name == MAIN_BUS || bus.only.is_some() {
            return Err(CommandError::Value {
                key: "the bus to remove",
                actual: format!("{name:?}"),
                expected: "a bus that was added by a command".to_owned(),
            });
        }
        let id = bus.id;
        self.unroute_all(id);
        self.release_bus(id);
        Ok(())
    }

    /// Tells a bus to go: its readers get what is in the ring and then its end.
    pub(super) fn release_bus(&mut self, id: BusId) {
        if let Some(bus) = self.buses.iter_mut().find(|bus| bus.id == id && !bus.leaving) {
            bus.leaving = true;
            self.tell(MixerCommand::RemoveBus(id));
        }
    }

    pub(super) fn bus_retired(&mut self, id: BusId) {
        self.buses.retain(|bus| bus.id != id || !bus.leaving);
    }

    /// The bus behind a sink's `from`; a source's own bus is made when somebody first asks for it.
    pub(super) fn bus_for(&mut self, from: &str) -> Result<BusId, CommandError> {
        let Some(source_name) = from.strip_prefix(SOURCE_BUS_PREFIX) else {
            return Ok(self.bus_by_name(from)?.id);
        };
        let source = self.source_by_name(source_name)?;
        source.check_open()?;
        let (source_id, channels) = (source.id, source.spec.channels);
        if let Some(bus) = self.buses.iter().find(|bus| bus.only == Some(source_id) && !bus.leaving) {
            return Ok(bus.id);
        }
        let id = self.make_bus(from.to_owned(), channels, Some(source_id))?;
        self.route_unmixed(source_id, id);
        Ok(id)
    }

    pub(crate) fn subscribe(&mut self, from: &str, config: ReaderConfig) -> Result<BusReader, CommandError> {
        config.check()?;
        let max_blocks = config.max_lag_ms.map_or(u64::MAX, |ms| self.config.blocks_in_ms(f64::from(ms)));
        let id = self.bus_for(from)?;
        let block_frames = self.config.block_frames;
        let bus = self
            .buses
            .iter()
            .find(|bus| bus.id == id)
            .ok_or_else(|| CommandError::UnknownBus { name: from.to_owned(), known: Vec::new() })?;
        Ok(BusReader {
            spec: bus.spec,
            buffer: vec![0.0; bus.spec.samples(block_frames)],
            reader: bus.subscribe.subscribe(Join::Next),
            lag_rule: LagRule::new(config.on_lag, max_blocks, bus.subscribe.n_blocks() as u64),
            is_disconnected: false,
        })
    }
}
