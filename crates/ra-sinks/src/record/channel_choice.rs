//! Some channels of a block, in an order of one's own. Copies; decides nothing.

use ra_core::{Block, ChannelCount, SinkError, StreamSpec};

/// Which channels are taken.
#[derive(Debug)]
pub(crate) struct ChannelChoice {
    /// From 0.
    channels: Vec<usize>,
    bus: StreamSpec,
    chosen: StreamSpec,
    samples: Vec<f32>,
}

impl ChannelChoice {
    /// `channels`, counted from 1, of a bus of that format; `None` for none: all are taken as they come.
    ///
    /// # Errors
    /// [`SinkError::Setting`] for a channel that the bus does not have.
    pub(crate) fn new(channels: &[u16], bus: StreamSpec) -> Result<Option<Self>, SinkError> {
        let setting = |message: String| SinkError::Setting { what: "channels".into(), message };
        if channels.is_empty() {
            return Ok(None);
        }
        if let Some(missing) = channels.iter().find(|&&channel| channel == 0 || channel > bus.channels.as_u16()) {
            return Err(setting(format!("channel {missing}, expected 1 to {}: the bus is {bus}", bus.channels.get())));
        }
        let n_channels = u16::try_from(channels.len()).ok().and_then(|n| ChannelCount::new(n).ok());
        let Some(n_channels) = n_channels else {
            return Err(setting(format!("{} channels, expected at most {}", channels.len(), ChannelCount::MAX)));
        };
        Ok(Some(Self {
            channels: channels.iter().map(|&channel| usize::from(channel) - 1).collect(),
            bus,
            chosen: StreamSpec { channels: n_channels, ..bus },
            samples: Vec::new(),
        }))
    }

    /// What is left.
    pub(crate) const fn spec(&self) -> StreamSpec {
        self.chosen
    }

    /// The chosen channels of a block of whole frames.
    pub(crate) fn choose<'a>(&'a mut self, block: &Block<'_>) -> Block<'a> {
        let Self { channels, samples, bus, chosen } = self;
        samples.clear();
        for frame in block.samples.chunks_exact(bus.channels.get()) {
            samples.extend(channels.iter().map(|&channel| frame[channel]));
        }
        Block { stamp: block.stamp, spec: *chosen, samples }
    }
}

#[cfg(test)]
mod tests {
    use ra_core::BlockStamp;

    use super::*;

    #[test]
    fn channels_are_chosen_in_any_order() {
        let bus = StreamSpec::new(48_000, 4).unwrap();
        let mut choice = ChannelChoice::new(&[4, 2], bus).unwrap().unwrap();
        let samples = [1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0];
        let chosen = choice.choose(&Block { stamp: BlockStamp::default(), spec: bus, samples: &samples });
        assert_eq!((chosen.samples, chosen.spec.channels.get()), (&[4.0, 2.0, 40.0, 20.0][..], 2));
        assert!(ChannelChoice::new(&[], bus).unwrap().is_none());
        let error = ChannelChoice::new(&[1, 5], bus).unwrap_err();
        assert_eq!(error.to_string(), "channels: channel 5, expected 1 to 4: the bus is 48000 Hz 4 channels");
    }
}
