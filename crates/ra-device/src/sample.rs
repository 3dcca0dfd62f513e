//! Samples as devices have them, to and from `f32`. Pure; knows no stream.
//!
//! An integer of b bits stands for x / 2^(b-1), as AES17 has it: −1.0 is exact, +1.0 is one step out of reach.

use cpal::{I24, U24};

/// Calls `$build::<T>(…)` with the type of a device's [`cpal::SampleFormat`]: the one table of formats. One that cpal has
/// added since is an error.
macro_rules! with_sample_type {
    ($format:expr, $build:ident($($argument:expr),*)) => {
        match $format {
            cpal::SampleFormat::I8 => $build::<i8>($($argument),*),
            cpal::SampleFormat::I16 => $build::<i16>($($argument),*),
            cpal::SampleFormat::I24 => $build::<cpal::I24>($($argument),*),
            cpal::SampleFormat::I32 => $build::<i32>($($argument),*),
            cpal::SampleFormat::I64 => $build::<i64>($($argument),*),
            cpal::SampleFormat::U8 => $build::<u8>($($argument),*),
            cpal::SampleFormat::U16 => $build::<u16>($($argument),*),
            cpal::SampleFormat::U24 => $build::<cpal::U24>($($argument),*),
            cpal::SampleFormat::U32 => $build::<u32>($($argument),*),
            cpal::SampleFormat::U64 => $build::<u64>($($argument),*),
            cpal::SampleFormat::F32 => $build::<f32>($($argument),*),
            cpal::SampleFormat::F64 => $build::<f64>($($argument),*),
            other => Err(crate::stream::Target::unknown_format(other)),
        }
    };
}
pub(crate) use with_sample_type;

/// A sample format of a device.
///
/// # Real-time safety
/// Wait-free, no allocation.
pub(crate) trait DeviceSample: cpal::SizedSample + Send + 'static {
    /// The sample's value; ±1.0 is full scale.
    fn to_unit(self) -> f32;

    /// The sample nearest to `x`: clipped at full scale for integers, silence for NaN and infinity.
    fn from_unit(x: f32) -> Self;
}

/// Converts a slice; stops at the shorter one's end.
pub(crate) fn read_samples<T: DeviceSample>(from: &[T], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from.to_unit();
    }
}

/// Converts the channels of `selection` (counted from 0; silence where there is none of that number) out of interleaved
/// frames.
pub(crate) fn read_selected<T: DeviceSample>(from: &[T], channels: usize, selection: &[usize], to: &mut [f32]) {
    for (to, from) in to.chunks_exact_mut(selection.len()).zip(from.chunks_exact(channels)) {
        for (to, &channel) in to.iter_mut().zip(selection) {
            *to = from.get(channel).map_or(0.0, |sample| sample.to_unit());
        }
    }
}

/// Converts a slice; returns how many samples were beyond full scale.
pub(crate) fn write_samples<T: DeviceSample>(from: &[f32], to: &mut [T]) -> u64 {
    let mut n_clipped = 0;
    for (to, &from) in to.iter_mut().zip(from) {
        n_clipped += u64::from(from.abs() > 1.0);
        *to = T::from_unit(from);
    }
    n_clipped
}

/// `x * scale`, rounded; silence for what is no number. `as` to an integer then saturates, which is the clipping.
fn scaled(x: f32, scale: f64) -> f64 {
    if x.is_finite() { (f64::from(x) * scale).round_ties_even() } else { 0.0 }
}

macro_rules! signed {
    ($($t:ty),*) => {$(
        impl DeviceSample for $t {
            fn to_unit(self) -> f32 {
                (self as f64 / -(<$t>::MIN as f64)) as f32
            }
            fn from_unit(x: f32) -> Self {
                scaled(x, -(<$t>::MIN as f64)) as $t
            }
        }
    )*};
}
signed!(i8, i16, i32, i64);

// An unsigned sample is the signed one with its top bit turned: the middle of the range is silence.
macro_rules! unsigned {
    ($($t:ty as $signed:ty),*) => {$(
        impl DeviceSample for $t {
            fn to_unit(self) -> f32 {
                ((self ^ (1 << (<$t>::BITS - 1))) as $signed).to_unit()
            }
            fn from_unit(x: f32) -> Self {
                (<$signed>::from_unit(x) as $t) ^ (1 << (<$t>::BITS - 1))
            }
        }
    )*};
}
unsigned!(u8 as i8, u16 as i16, u32 as i32, u64 as i64);

const FULL_SCALE_24: i32 = 1 << 23;

impl DeviceSample for I24 {
    fn to_unit(self) -> f32 {
        // PulseAudio and ALSA promise nothing of the container's top byte: the sign is taken from bit 23.
        ((self.inner() << 8) >> 8) as f32 / FULL_SCALE_24 as f32
    }

    fn from_unit(x: f32) -> Self {
        I24::new_unchecked((scaled(x, f64::from(FULL_SCALE_24)) as i32).clamp(-FULL_SCALE_24, FULL_SCALE_24 - 1))
    }
}

impl DeviceSample for U24 {
    fn to_unit(self) -> f32 {
        ((self.inner() & 0xff_ffff) - FULL_SCALE_24) as f32 / FULL_SCALE_24 as f32
    }

    fn from_unit(x: f32) -> Self {
        U24::new_unchecked(I24::from_unit(x).inner() + FULL_SCALE_24)
    }
}

impl DeviceSample for f32 {
    fn to_unit(self) -> f32 {
        self
    }

    fn from_unit(x: f32) -> Self {
        if x.is_finite() { x } else { 0.0 }
    }
}

impl DeviceSample for f64 {
    fn to_unit(self) -> f32 {
        self as f32
    }

    fn from_unit(x: f32) -> Self {
        f64::from(f32::from_unit(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The lowest, the middle and the highest value; the last one is `1 - 2^-(bits - 1)` as f32 sees it.
    fn check<T: DeviceSample + PartialEq + std::fmt::Debug>(min: T, zero: T, max: T, bits: i32) {
        let top = (1.0 - 2f64.powi(1 - bits)) as f32;
        assert_eq!((min.to_unit(), zero.to_unit(), max.to_unit()), (-1.0, 0.0, top));
        assert_eq!((T::from_unit(-1.0), T::from_unit(0.0)), (min, zero));
        assert_eq!((T::from_unit(1.0), T::from_unit(7.5), T::from_unit(-7.5)), (max, max, min), "clipped");
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(T::from_unit(odd), zero, "{odd} is silence");
        }
    }

    #[test]
    fn every_integer_format_is_exact_at_its_ends_and_clips() {
        check(i8::MIN, 0, i8::MAX, 8);
        check(i16::MIN, 0, i16::MAX, 16);
        check(i32::MIN, 0, i32::MAX, 32);
        check(i64::MIN, 0, i64::MAX, 64);
        check(u8::MIN, 1 << 7, u8::MAX, 8);
        check(u16::MIN, 1 << 15, u16::MAX, 16);
        check(u32::MIN, 1 << 31, u32::MAX, 32);
        check(u64::MIN, 1 << 63, u64::MAX, 64);
        let (i24, u24) = (I24::new_unchecked, U24::new_unchecked);
        check(i24(-(1 << 23)), i24(0), i24((1 << 23) - 1), 24);
        check(u24(0), u24(1 << 23), u24((1 << 24) - 1), 24);
    }

    #[test]
    fn one_step_is_one_step() {
        assert_eq!(1i8.to_unit(), 1.0 / 128.0);
        assert_eq!(1i16.to_unit(), 1.0 / 32_768.0);
        assert_eq!(I24::new_unchecked(1).to_unit(), 1.0 / 8_388_608.0);
        assert_eq!(1i32.to_unit(), 1.0 / 2_147_483_648.0);
        assert_eq!(129u8.to_unit(), 1.0 / 128.0);
        assert_eq!(32_767u16.to_unit(), -1.0 / 32_768.0);
        assert_eq!(i16::from_unit(0.75 / 32_768.0), 1, "rounded to the nearest");
        assert_eq!(i16::from_unit(-0.25 / 32_768.0), 0);
    }

    #[test]
    fn the_top_byte_of_a_24_bit_container_does_not_matter() {
        assert_eq!(I24::new_unchecked(0x00ff_ffff).to_unit(), -1.0 / 8_388_608.0);
        assert_eq!(I24::new_unchecked(0x5500_0001).to_unit(), 1.0 / 8_388_608.0);
        assert_eq!(U24::new_unchecked(0x5580_0001).to_unit(), 1.0 / 8_388_608.0);
    }

    #[test]
    fn floats_pass_as_they_are_except_for_what_is_no_number() {
        assert_eq!(f32::from_unit(1.5), 1.5);
        assert_eq!(f64::from_unit(-1.5), -1.5);
        assert_eq!(0.1f64.to_unit(), 0.1f32);
        assert_eq!((f32::from_unit(f32::NAN), f64::from_unit(f32::INFINITY)), (0.0, 0.0));
    }

    #[test]
    fn selected_channels_come_in_the_order_asked_for() {
        let frames: [i16; 8] = [0, 8_192, 16_384, -16_384, 1, -8_192, 0, 16_384];
        let mut out = [9.0; 4];
        read_selected(&frames, 4, &[3, 1], &mut out);
        assert_eq!(out, [-0.5, 0.25, 0.5, -0.25]);
    }

    #[test]
    fn samples_beyond_full_scale_are_counted() {
        let mut out = [0i16; 4];
        assert_eq!(write_samples(&[1.0, 1.001, -1.0, -2.0], &mut out), 2);
        assert_eq!(out, [32_767, 32_767, -32_768, -32_768]);
    }

    proptest! {
        #[test]
        fn integers_survive_the_way_there_and_back(a: i8, b: i16, c in -(1i32 << 23)..1 << 23, d: u8, e: u16) {
            prop_assert_eq!(i8::from_unit(a.to_unit()), a);
            prop_assert_eq!(i16::from_unit(b.to_unit()), b);
            prop_assert_eq!(I24::from_unit(I24::new_unchecked(c).to_unit()).inner(), c);
            prop_assert_eq!(U24::from_unit(U24::new_unchecked(c + (1 << 23)).to_unit()).inner(), c + (1 << 23));
            prop_assert_eq!(u8::from_unit(d.to_unit()), d);
            prop_assert_eq!(u16::from_unit(e.to_unit()), e);
        }
    }
}
