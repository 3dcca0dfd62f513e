//! Frames from samples and back, without a division where the channel count allows it.

use ra_core::ChannelCount;

/// The number of samples in a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameSize {
    n_channels: usize,
    /// The binary logarithm of `n_channels`, where that is whole: a shift is ten times faster than a division, and the
    /// ring's ends need one at every call.
    shift: Option<u32>,
}

impl FrameSize {
    pub(super) fn new(channels: ChannelCount) -> Self {
        let n_channels = channels.get();
        Self { n_channels, shift: n_channels.is_power_of_two().then(|| n_channels.ilog2()) }
    }

    /// Whole frames in `n_samples`.
    #[inline]
    pub(super) fn of_samples(self, n_samples: usize) -> usize {
        match self.shift {
            Some(shift) => n_samples >> shift,
            None => n_samples / self.n_channels,
        }
    }

    /// Samples in `n_frames`.
    #[inline]
    pub(super) fn samples(self, n_frames: usize) -> usize {
        n_frames * self.n_channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_and_divisions_agree() {
        for n_channels in 1..=ChannelCount::MAX {
            let frames = FrameSize::new(ChannelCount::new(n_channels).unwrap());
            for n_samples in [0, 1, 2, 3, 255, 256, 257, 65_536, 1_000_003] {
                assert_eq!(frames.of_samples(n_samples), n_samples / usize::from(n_channels));
                assert_eq!(frames.samples(n_samples), n_samples * usize::from(n_channels));
            }
        }
    }
}
