//! The samples at the mix point, sources side by side: every source aligned and unmixed, in one stream of blocks for a
//! sink. Opens no file: the sink does what it does.

use ra_engine::core::{Block, BlockStamp, ChannelCount, Sink, SinkError, SinkStart, StreamSpec};
use ra_engine::{BusEvent, BusReader, MAIN_BUS, SOURCE_BUS_PREFIX, VirtualEngine};

use crate::{Scenario, SimulationError};

/// Feeds a sink with all sources' channels.
pub(crate) struct SideBySide {
    sink: Box<dyn Sink>,
    readers: Vec<BusReader>,
    spec: StreamSpec,
    /// A block of all channels.
    samples: Vec<f32>,
    /// Frames that are still to be written.
    left_frames: u64,
}

impl SideBySide {
    /// Subscribes to every source of the scenario and starts the sink. Before the first step.
    pub(crate) fn start(
        scenario: &Scenario,
        engine: &mut VirtualEngine,
        sink: Box<dyn Sink>,
    ) -> Result<Self, SimulationError> {
        let n_channels: usize = scenario.sources.iter().map(|source| source.channels.get()).sum();
        let channels = all_channels(n_channels)?;
        let mut readers = Vec::with_capacity(scenario.sources.len());
        for source in &scenario.sources {
            readers.push(engine.subscribe(&format!("{SOURCE_BUS_PREFIX}{}", source.name))?);
        }
        Self::of("sources", channels, readers, scenario, engine, sink)
    }

    /// The same of the bus `main`, by itself.
    pub(crate) fn of_the_mix(
        scenario: &Scenario,
        engine: &mut VirtualEngine,
        sink: Box<dyn Sink>,
    ) -> Result<Self, SimulationError> {
        let reader = engine.subscribe(MAIN_BUS)?;
        Self::of("mix", reader.spec().channels, vec![reader], scenario, engine, sink)
    }

    fn of(
        name: &str,
        channels: ChannelCount,
        readers: Vec<BusReader>,
        scenario: &Scenario,
        engine: &VirtualEngine,
        mut sink: Box<dyn Sink>,
    ) -> Result<Self, SimulationError> {
        let spec = StreamSpec { sample_rate: scenario.sample_rate, channels };
        sink.start(&SinkStart {
            name: name.to_owned(),
            spec,
            block_frames: scenario.block_frames,
            position: engine.position(),
            unix_ns: 0, // virtual: the same bytes in every year
            unix_minus_monotonic_ns: None,
        })?;
        let samples = vec![0.0; spec.samples(scenario.block_frames)];
        Ok(Self { sink, readers, spec, samples, left_frames: scenario.n_frames() })
    }

    /// Writes the block that was just mixed at `stamp`, as far as it belongs to the scenario's duration.
    pub(crate) fn write(&mut self, stamp: BlockStamp) -> Result<(), SimulationError> {
        let channels = self.spec.channels.get();
        let mut first_channel = 0;
        for reader in &mut self.readers {
            let own_channels = reader.spec().channels.get();
            let own = first_channel..first_channel + own_channels;
            let frames = self.samples.chunks_exact_mut(channels);
            match reader.read() {
                BusEvent::Block(block) if block.stamp.position == stamp.position => {
                    for (frame, from) in frames.zip(block.samples.chunks_exact(own_channels)) {
                        frame[own.clone()].copy_from_slice(from);
                    }
                }
                // The engine has taken the source out: it is silent from now on. A bus that has no block behind a step gets
                // none any more; should it, its position is not this step's.
                BusEvent::Ended | BusEvent::Empty => frames.for_each(|frame| frame[own.clone()].fill(0.0)),
                other => {
                    let message = format!("behind the step at {}, a source's bus had {other:?}", stamp.position);
                    return Err(SimulationError::Failed(message));
                }
            }
            first_channel += own_channels;
        }
        let n_frames = self.left_frames.min(self.spec.frames(self.samples.len()) as u64);
        self.left_frames -= n_frames;
        let samples = &self.samples[..self.spec.samples(n_frames as usize)];
        if !samples.is_empty() {
            self.sink.write(&Block { stamp, spec: self.spec, samples })?;
        }
        Ok(())
    }

    /// Closes the sink.
    pub(crate) fn finish(mut self) -> Result<(), SinkError> {
        self.sink.finish().map(|_| ())
    }
}

fn all_channels(n_channels: usize) -> Result<ChannelCount, SimulationError> {
    let count = u16::try_from(n_channels).ok().and_then(|n| ChannelCount::new(n).ok());
    count.ok_or_else(|| SimulationError::Value {
        key: "the number of channels of all sources",
        actual: n_channels.to_string(),
        expected: format!("1 to {} where their samples are wanted side by side", ChannelCount::MAX),
    })
}
