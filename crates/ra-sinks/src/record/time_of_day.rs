//! When a frame of the mix timeline was captured, by the stamps of the blocks. Reads no clock.

use ra_core::{BlockStamp, FramePosition, SampleRate, SinkStart};

/// The latest block whose time is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeOfDay {
    rate: SampleRate,
    /// `None`: stamps mean nothing; time goes by as frames do since the start.
    unix_minus_monotonic_ns: Option<i128>,
    at: FramePosition,
    unix_ns: i128,
}

impl TimeOfDay {
    pub(crate) fn new(start: &SinkStart) -> Self {
        Self {
            rate: start.spec.sample_rate,
            unix_minus_monotonic_ns: start.unix_minus_monotonic_ns,
            at: start.position,
            unix_ns: start.unix_ns,
        }
    }

    /// The time of day was set, or the machine suspended: from the next block on it is another one.
    pub(crate) fn set(&mut self, unix_minus_monotonic_ns: i128) {
        // Where stamps mean nothing, neither does this.
        self.unix_minus_monotonic_ns = self.unix_minus_monotonic_ns.map(|_| unix_minus_monotonic_ns);
    }

    /// A block was captured then.
    pub(crate) fn see(&mut self, stamp: &BlockStamp) {
        if let Some(offset_ns) = self.unix_minus_monotonic_ns {
            self.at = stamp.position;
            self.unix_ns = i128::from(stamp.capture_ns) + offset_ns;
        }
    }

    /// When that frame was captured, in nanoseconds since the Unix epoch.
    pub(crate) fn unix_ns_of(&self, position: FramePosition) -> i128 {
        let frames = i128::from(position.0) - i128::from(self.at.0);
        self.unix_ns + (frames * 1_000_000_000).div_euclid(i128::from(self.rate.hz()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_core::{ChannelCount, StreamSpec};

    #[test]
    fn the_time_that_was_set_counts_from_the_next_block_on() {
        let start = SinkStart {
            name: "rec".to_owned(),
            spec: StreamSpec { sample_rate: SampleRate::HZ_48000, channels: ChannelCount::MONO },
            block_frames: 128,
            position: FramePosition(0),
            unix_ns: 500,
            unix_minus_monotonic_ns: Some(400),
        };
        let block = |n: u64| BlockStamp { seq: n, position: FramePosition(n * 48), capture_ns: 100 + n * 1_000_000 };
        let mut time = TimeOfDay::new(&start);
        time.see(&block(1));
        time.set(60_000_000_400);
        assert_eq!(time.unix_ns_of(FramePosition(48)), 1_000_500);
        time.see(&block(2));
        assert_eq!(time.unix_ns_of(FramePosition(96)), 60_002_000_500);
        let mut virtual_time = TimeOfDay::new(&SinkStart { unix_minus_monotonic_ns: None, ..start });
        virtual_time.set(7);
        virtual_time.see(&block(1));
        assert_eq!(virtual_time.unix_ns_of(FramePosition(48)), 1_000_500);
    }
}
