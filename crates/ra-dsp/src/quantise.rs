//! From `f32` to 16 or 24 bits with dither. Keeps no state: the dither is a function of the place on the timeline.

use ra_core::FramePosition;

/// How many bits a sample is cut to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitDepth {
    /// 16 bits: −32 768 to 32 767.
    S16,
    /// 24 bits: −8 388 608 to 8 388 607.
    S24,
}

impl BitDepth {
    /// The number of bits.
    pub const fn bits(self) -> u32 {
        match self {
            BitDepth::S16 => 16,
            BitDepth::S24 => 24,
        }
    }
}

/// Cuts samples to whole numbers, with triangular dither of ±1 step.
///
/// A sample of 1.0 stands for 2^(bits−1) steps, in both directions alike; as the largest whole number is one less,
/// full positive scale clips by one step. Rounding is to the nearest after the dither, so the mean error is 0 and the
/// error's variance is a quarter of a squared step whatever the sound is (Lipshitz, Wannamaker and Vanderkooy,
/// "Quantization and dither: a theoretical survey", JAES 40(5), 1992).
///
/// The dither is a hash of (frame position, channel), so that two recordings of one bus agree bit for bit wherever they
/// began and however they were cut into blocks. The hash is the output function of SplitMix64 (Steele, Lea and Flood,
/// "Fast splittable pseudorandom number generators", OOPSLA 2014) on its counter; its halves are the two rectangular
/// values whose difference is the triangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiser {
    /// The depth to cut to.
    pub bits: BitDepth,
}

impl Quantiser {
    /// Quantises a block of frames of `channels` samples, whose first frame stands at `position`, for as many samples
    /// as both slices have. Returns how many samples were clipped; NaN becomes 0 and counts as one.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn quantise(&self, position: FramePosition, channels: usize, interleaved: &[f32], out: &mut [i32]) -> usize {
        let scale = f64::from(1u32 << (self.bits.bits() - 1));
        let channels = channels.max(1);
        let mut clipped = 0;
        let frames = interleaved.chunks(channels).zip(out.chunks_mut(channels));
        for (index, (samples, whole)) in frames.enumerate() {
            let place = (position + index as u64).0;
            for (channel, (&sample, whole)) in samples.iter().zip(whole).enumerate() {
                let value = f64::from(sample) * scale + dither(place, channel) + 0.5;
                // False for NaN.
                let fits = value >= -scale && value < scale;
                clipped += usize::from(!fits);
                *whole = floor(value.clamp(-scale, scale - 1.0));
            }
        }
        clipped
    }
}

/// Rounds down. `f64::floor` is a call into the system's library where the processor's baseline has no instruction
/// for it.
fn floor(value: f64) -> i32 {
    let truncated = value as i32;
    truncated - i32::from(value < f64::from(truncated))
}

/// Triangularly distributed over (−1, 1), of mean 0 and variance 1/6.
fn dither(place: u64, channel: usize) -> f64 {
    // 256 channels at most: distinct counters for the first 2^56 frames, 47 000 years at 48 kHz.
    let counter = (place << 8) | (channel as u64 & 0xff);
    let hash = split_mix(counter.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (high, low) = ((hash >> 32) as u32, hash as u32);
    (f64::from(high) - f64::from(low)) / 4_294_967_296.0
}

fn split_mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const N: usize = 1 << 18;

    /// The errors, in steps, of quantising `signal` at 16 bits.
    fn errors(signal: impl Fn(usize) -> f64) -> Vec<f64> {
        let sound: Vec<f32> = (0..N).map(|n| signal(n) as f32).collect();
        let mut out = vec![0; N];
        let clipped = Quantiser { bits: BitDepth::S16 }.quantise(FramePosition(12_345), 1, &sound, &mut out);
        assert_eq!(clipped, 0);
        out.iter().zip(&sound).map(|(&whole, &x)| f64::from(whole) - f64::from(x) * 32_768.0).collect()
    }

    #[test]
    fn the_error_is_noise_of_a_quarter_step_squared_whatever_the_sound() {
        let signals: [&dyn Fn(usize) -> f64; 4] =
            [&|_| 0.0, &|_| 0.37 / 32_768.0, &|n| 0.4 / 32_768.0 * (n as f64 * 0.13).sin(), &|n| {
                0.5 * (n as f64 * 0.01).sin()
            }];
        for signal in signals {
            let errors = errors(signal);
            let mean = errors.iter().sum::<f64>() / N as f64;
            let variance = errors.iter().map(|e| e * e).sum::<f64>() / N as f64;
            // Five standard deviations of the mean of N values of deviation 1/2.
            assert!(mean.abs() < 5.0 * 0.5 / (N as f64).sqrt(), "mean {mean}");
            assert!((variance - 0.25).abs() < 0.003, "variance {variance}");
        }
    }

    #[test]
    fn the_noise_is_white_and_the_channels_are_strangers() {
        let errors = errors(|n| 0.25 * (n as f64 * 0.0123).sin());
        for lag in 1..64 {
            let correlation = errors.windows(lag + 1).map(|w| w[0] * w[lag]).sum::<f64>() / (N as f64 * 0.25);
            assert!(correlation.abs() < 6.0 / (N as f64).sqrt(), "lag {lag}: {correlation}");
        }
        // Periodograms averaged over 256 pieces, at 32 frequencies: each within 1.3 dB of flat.
        let piece = N / 256;
        for k in 1..32 {
            let w = std::f64::consts::TAU * (k * 16) as f64 / piece as f64;
            let power: f64 = errors
                .chunks_exact(piece)
                .map(|chunk| {
                    let (re, im) = chunk.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, e)| {
                        (re + e * (w * n as f64).cos(), im + e * (w * n as f64).sin())
                    });
                    (re * re + im * im) / piece as f64
                })
                .sum::<f64>()
                / 256.0;
            assert!((10.0 * (power / 0.25).log10()).abs() < 1.3, "bin {k}: {power}");
        }
        let between: f64 = (0..N as u64).map(|n| dither(n, 0) * dither(n, 1)).sum::<f64>() / (N as f64 / 6.0);
        assert!(between.abs() < 6.0 / (N as f64).sqrt(), "{between}");
    }

    #[test]
    fn a_tone_below_one_step_is_still_there() {
        let sound: Vec<f32> = (0..N).map(|n| (0.3 / 32_768.0 * (n as f64 * 0.2).sin()) as f32).collect();
        let mut out = vec![0; N];
        Quantiser { bits: BitDepth::S16 }.quantise(FramePosition(0), 1, &sound, &mut out);
        let level =
            2.0 / N as f64 * out.iter().enumerate().map(|(n, &x)| f64::from(x) * (n as f64 * 0.2).sin()).sum::<f64>();
        assert!((20.0 * (level / 0.3).log10()).abs() < 0.3, "{level}");
    }

    #[test]
    fn clips_are_counted_on_both_sides_and_24_bits_are_24() {
        let quantiser = Quantiser { bits: BitDepth::S24 };
        let sound = [2.0, -2.0, f32::INFINITY, f32::NAN, 0.5, -0.5];
        let mut out = [0; 6];
        assert_eq!(quantiser.quantise(FramePosition(5), 2, &sound, &mut out), 4);
        assert_eq!(out[..4], [8_388_607, -8_388_608, 8_388_607, 0]);
        assert!((out[4] - 4_194_304).abs() <= 1 && (out[5] + 4_194_304).abs() <= 1);
    }

    proptest! {
        #[test]
        fn two_recordings_agree_bit_for_bit(
            start in any::<u32>(), channels in 1usize..5, frames in 1usize..200,
            skip in 0usize..200, block in 1usize..50,
        ) {
            let quantiser = Quantiser { bits: BitDepth::S16 };
            let sound: Vec<f32> = (0..frames * channels).map(|n| (n as f32 * 0.37).sin()).collect();
            let mut whole = vec![0; sound.len()];
            quantiser.quantise(FramePosition(u64::from(start)), channels, &sound, &mut whole);
            let skip = skip.min(frames);
            let mut pieces = vec![0; (frames - skip) * channels];
            let mut place = FramePosition(u64::from(start)) + skip as u64;
            let parts = sound[skip * channels..].chunks(block * channels);
            for (part, out) in parts.zip(pieces.chunks_mut(block * channels)) {
                quantiser.quantise(place, channels, part, out);
                place += (part.len() / channels) as u64;
            }
            prop_assert_eq!(&whole[skip * channels..], &pieces[..]);
        }
    }
}
