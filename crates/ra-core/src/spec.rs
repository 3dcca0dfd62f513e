//! What a stream is made of: its rate and its channels. Holds no samples.

use crate::SpecError;

/// A nominal sample rate in hertz, between [`SampleRate::MIN_HZ`] and [`SampleRate::MAX_HZ`].
///
/// # Examples
/// ```
/// let rate = ra_core::SampleRate::new(48_000)?;
/// assert_eq!(rate.frames_in_ns(1_000_000_000), 48_000);
/// # Ok::<(), ra_core::SpecError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(u32);

impl SampleRate {
    /// The lowest rate that is taken, in hertz.
    pub const MIN_HZ: u32 = 1_000;
    /// The highest rate that is taken, in hertz.
    pub const MAX_HZ: u32 = 768_000;
    /// 48 000 Hz, the engine's default.
    pub const HZ_48000: SampleRate = SampleRate(48_000);
    /// 44 100 Hz.
    pub const HZ_44100: SampleRate = SampleRate(44_100);

    /// Checks a rate in hertz.
    ///
    /// # Errors
    /// [`SpecError::SampleRate`] outside `MIN_HZ..=MAX_HZ`.
    pub fn new(hz: u32) -> Result<Self, SpecError> {
        if (Self::MIN_HZ..=Self::MAX_HZ).contains(&hz) {
            Ok(Self(hz))
        } else {
            Err(SpecError::SampleRate { actual_hz: hz })
        }
    }

    /// The rate in hertz.
    pub const fn hz(self) -> u32 {
        self.0
    }

    /// Nanoseconds that `n_frames` last, rounded down. Exact; five centuries fit, at any rate.
    pub const fn ns_of_frames(self, n_frames: u64) -> u64 {
        (n_frames as u128 * 1_000_000_000 / self.0 as u128) as u64
    }

    /// Whole frames that begin within `ns` nanoseconds of a frame's start, rounded down.
    pub const fn frames_in_ns(self, ns: u64) -> u64 {
        (ns as u128 * self.0 as u128 / 1_000_000_000) as u64
    }

    /// Frames in `ms` milliseconds, rounded up, at least 1: the size of a buffer that must hold that long.
    pub fn frames_in_ms_ceil(self, ms: f64) -> usize {
        ((ms * f64::from(self.0) / 1000.0).ceil() as usize).max(1)
    }
}

impl std::fmt::Display for SampleRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// The number of samples in a frame, between 1 and [`ChannelCount::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelCount(u16);

impl ChannelCount {
    /// The most channels that a stream may have.
    pub const MAX: u16 = 256;
    /// One channel.
    pub const MONO: ChannelCount = ChannelCount(1);
    /// Two channels: left, right.
    pub const STEREO: ChannelCount = ChannelCount(2);

    /// Checks a channel count.
    ///
    /// # Errors
    /// [`SpecError::ChannelCount`] for 0 and for more than [`ChannelCount::MAX`].
    pub fn new(count: u16) -> Result<Self, SpecError> {
        if (1..=Self::MAX).contains(&count) { Ok(Self(count)) } else { Err(SpecError::ChannelCount { actual: count }) }
    }

    /// The count as an index-sized number.
    pub const fn get(self) -> usize {
        self.0 as usize
    }

    /// The count as the small number that file formats want.
    pub const fn as_u16(self) -> u16 {
        self.0
    }
}

impl std::fmt::Display for ChannelCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            1 => f.write_str("mono"),
            2 => f.write_str("stereo"),
            n => write!(f, "{n} channels"),
        }
    }
}

/// Rate and channel count of an interleaved `f32` stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamSpec {
    /// Nominal frames per second.
    pub sample_rate: SampleRate,
    /// Samples per frame.
    pub channels: ChannelCount,
}

impl StreamSpec {
    /// Checks and joins a rate in hertz and a channel count.
    ///
    /// # Errors
    /// [`SpecError`] names the part that is out of range.
    pub fn new(sample_rate_hz: u32, channels: u16) -> Result<Self, SpecError> {
        Ok(Self { sample_rate: SampleRate::new(sample_rate_hz)?, channels: ChannelCount::new(channels)? })
    }

    /// Samples in `n_frames` frames.
    pub const fn samples(self, n_frames: usize) -> usize {
        n_frames * self.channels.get()
    }

    /// Whole frames in `n_samples` interleaved samples.
    pub const fn frames(self, n_samples: usize) -> usize {
        n_samples / self.channels.get()
    }
}

impl std::fmt::Display for StreamSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.sample_rate, self.channels)
    }
}

/// A rate's deviation in parts per million; positive: fast against the engine's master clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Ppm(pub f64);

impl Ppm {
    /// The factor that a nominal rate is multiplied by: `1 + ppm * 1e-6`.
    pub fn ratio(self) -> f64 {
        1.0 + self.0 * 1e-6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_and_channels_out_of_range_are_refused() {
        for hz in [0, 999, 10_000_000] {
            assert_eq!(SampleRate::new(hz), Err(SpecError::SampleRate { actual_hz: hz }));
        }
        for n in [0, 257, 300] {
            assert_eq!(ChannelCount::new(n), Err(SpecError::ChannelCount { actual: n }));
        }
        assert!(StreamSpec::new(48_000, 64).is_ok());
    }

    proptest! {
        #[test]
        fn frames_and_nanoseconds_agree(hz in SampleRate::MIN_HZ..=SampleRate::MAX_HZ, frames in 0u64..1 << 44) {
            let rate = SampleRate::new(hz).unwrap();
            let ns = rate.ns_of_frames(frames);
            let back = rate.frames_in_ns(ns);
            prop_assert!(back == frames || back + 1 == frames);
        }
    }
}
