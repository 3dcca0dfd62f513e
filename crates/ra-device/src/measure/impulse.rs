//! Where in a recording a known sound stands, to a hundredth of a sample. Pure.
//!
//! The recording's spectrum is divided by the sound's (Farina 2000, regularised as by Kirkeby and Nelson, J. AES 47, 1999),
//! which gives the impulse response between them: a band-limited pulse at each place where the sound stands. The pulse's
//! top is found between samples by a windowed sinc, which is exact for what has no frequencies near half the rate.

use std::f64::consts::PI;

use realfft::RealFftPlanner;

/// The response of whatever lies between a sound and its recording; index = frames from the recording's beginning to where
/// the sound begins.
#[derive(Clone, Debug)]
pub(super) struct ImpulseResponse {
    samples: Vec<f64>,
}

/// Where a response peaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Peak {
    /// In frames, with a fraction.
    pub(super) at_frames: f64,
    /// Of the impulse: 1 for a sound that comes back as it went out; negative where it comes upside down.
    pub(super) gain: f64,
    /// How far it stands out of the rest of the response, in decibels.
    pub(super) clear_db: f64,
}

/// As strong a part of the sound's spectrum counts half.
const REGULAR: f64 = 1e-3;

impl ImpulseResponse {
    /// Divides, inside the band of `band_hz`. Empty for an empty recording.
    pub(super) fn of(recorded: &[f64], sound: &[f64], rate_hz: f64, band_hz: (f64, f64)) -> Self {
        if recorded.is_empty() || sound.is_empty() {
            return Self { samples: Vec::new() };
        }
        let n = (recorded.len() + sound.len()).next_power_of_two();
        let mut planner = RealFftPlanner::<f64>::new();
        let forward = planner.plan_fft_forward(n);
        let transform = |samples: &[f64]| {
            let mut padded = forward.make_input_vec();
            padded[..samples.len()].copy_from_slice(samples);
            let mut spectrum = forward.make_output_vec();
            // Fails for slices of a wrong length only, and these come from the plan itself.
            forward.process(&mut padded, &mut spectrum).map(|()| spectrum)
        };
        let (Ok(mut product), Ok(sound)) = (transform(recorded), transform(sound)) else {
            return Self { samples: Vec::new() };
        };
        let loudest = sound.iter().map(|bin| bin.norm_sqr()).fold(0.0, f64::max);
        let mut total = 0.0;
        for (k, (bin, sound)) in product.iter_mut().zip(&sound).enumerate() {
            let weight = in_band(k as f64 * rate_hz / n as f64, band_hz);
            let divisor = sound.norm_sqr() + REGULAR * loudest;
            let part = weight * sound.norm_sqr() / divisor;
            total += part;
            *bin = *bin * sound.conj() * (weight / divisor);
        }
        // A real signal's spectrum has nothing imaginary at its ends; the inverse insists on it.
        product[0].im = 0.0;
        if let Some(last) = product.last_mut() {
            last.im = 0.0;
        }
        let inverse = planner.plan_fft_inverse(n);
        let mut samples = inverse.make_output_vec();
        if inverse.process(&mut product, &mut samples).is_err() || total <= 0.0 {
            return Self { samples: Vec::new() };
        }
        samples.truncate(recorded.len());
        // Such that the sound itself gives a pulse of height 1.
        let scale = 0.5 / total;
        samples.iter_mut().for_each(|x| *x *= scale);
        Self { samples }
    }

    /// The first place at which the response is half as strong as anywhere; where nothing is, there is none.
    pub(super) fn first_peak(&self) -> Option<Peak> {
        let strongest = self.samples.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let first = self.samples.iter().position(|x| x.abs() > 0.5 * strongest)?;
        // From its slope up to its top.
        self.peak_near(first as f64 + NEAR_FRAMES / 2.0, NEAR_FRAMES)
    }

    /// The strongest place within `reach_frames` of `near_frames`; `None` where there is nothing at all.
    pub(super) fn peak_near(&self, near_frames: f64, reach_frames: f64) -> Option<Peak> {
        let from = (near_frames - reach_frames).max(0.0) as usize;
        let to = ((near_frames + reach_frames).max(0.0) as usize + 1).min(self.samples.len());
        let stretch = self.samples.get(from..to)?;
        let (top, height) = stretch.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
        if *height == 0.0 {
            return None;
        }
        let top = (from + top) as f64;
        let at_frames = maximise(|at| self.between(at) * height.signum(), top - 1.0, top + 1.0);
        let gain = self.between(at_frames);
        Some(Peak { at_frames, gain, clear_db: self.clear_db(at_frames, gain) })
    }

    /// How far a peak stands out of what surrounds it within half a second, itself left out.
    fn clear_db(&self, at_frames: f64, gain: f64) -> f64 {
        let at = at_frames as usize;
        let around = &self.samples[at.saturating_sub(AROUND_FRAMES)..(at + AROUND_FRAMES).min(self.samples.len())];
        let begins = at.saturating_sub(AROUND_FRAMES);
        let others =
            around.iter().enumerate().filter(|(i, _)| (begins + i).abs_diff(at) > PULSE_FRAMES).map(|(_, x)| x);
        let (n, squares) = others.fold((0usize, 0.0), |(n, squares), x| (n + 1, squares + x * x));
        let floor = (squares / n.max(1) as f64).sqrt();
        20.0 * (gain.abs() / floor.max(1e-12)).log10()
    }

    /// The response between its samples: a sinc of [`TAPS`] taps to either side in a Hann window.
    fn between(&self, at_frames: f64) -> f64 {
        let middle = at_frames.floor() as i64;
        let mut sum = 0.0;
        for i in middle - TAPS + 1..=middle + TAPS {
            let Some(x) = usize::try_from(i).ok().and_then(|i| self.samples.get(i)) else { continue };
            let distance = at_frames - i as f64;
            let sinc = if distance.abs() < 1e-12 { 1.0 } else { (PI * distance).sin() / (PI * distance) };
            sum += x * sinc * (0.5 + 0.5 * (PI * distance / TAPS as f64).cos());
        }
        sum
    }
}

const TAPS: i64 = 48;
/// A pulse's top lies within so many frames of its slope.
const NEAR_FRAMES: f64 = 16.0;
/// A pulse is so long at most, to either side.
const PULSE_FRAMES: usize = 240;
const AROUND_FRAMES: usize = 12_000;

/// 1 inside the band, 0 outside, with raised cosines between: half an octave at the lower end, a tenth of the band at the
/// upper one.
fn in_band(hz: f64, (from_hz, to_hz): (f64, f64)) -> f64 {
    let ramp = |from: f64, to: f64| {
        let x = ((hz - from) / (to - from)).clamp(0.0, 1.0);
        0.5 - 0.5 * (PI * x).cos()
    };
    ramp(from_hz, 1.5 * from_hz) * (1.0 - ramp(0.9 * to_hz, to_hz))
}

/// Where a function with one top in an interval has it, to a millionth (golden section: J. Kiefer, Proc. AMS 4, 1953).
fn maximise(f: impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut a, mut b) = (from, to);
    while b - a > 1e-6 {
        let (left, right) = (b - golden * (b - a), a + golden * (b - a));
        if f(left) > f(right) {
            b = right;
        } else {
            a = left;
        }
    }
    0.5 * (a + b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::sweep::Sweep;

    /// White noise of this root mean square, the same in every run.
    fn noise(seed: u64, rms: f64) -> impl Fn(usize) -> f64 {
        move |i| {
            let mut x = (seed << 40 ^ i as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            3f64.sqrt() * rms * (((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
        }
    }

    #[test]
    fn a_fraction_of_a_sample_is_found_in_noise_to_a_hundredth() {
        let rate_hz = 48_000.0;
        let sweep = Sweep::for_rates(rate_hz, rate_hz);
        let sound = sweep.samples(rate_hz);
        for (seed, delay) in [0.0, 0.25, 0.5, 0.75, 0.999, 0.123, 0.617].into_iter().enumerate() {
            let delay = 12_345.0 + delay;
            // What comes back has a root mean square of 0.035: noise 26, 16 and −6 dB below it.
            for (noise_rms, tolerance) in [(0.0, 1e-4), (0.0018, 0.003), (0.0056, 0.01), (0.07, 0.1)] {
                let hiss = noise(seed as u64, noise_rms);
                let recorded: Vec<f64> =
                    (0..72_000).map(|i| 0.5 * sweep.at((i as f64 - delay) / rate_hz) + hiss(i)).collect();
                let response = ImpulseResponse::of(&recorded, &sound, rate_hz, sweep.band_hz());
                let peak = response.first_peak().unwrap();
                let off = peak.at_frames - delay;
                println!("delay {delay} noise {noise_rms}: off {off:+.6} frames, {peak:?}");
                assert!(off.abs() < tolerance, "{off} frames off at {delay} in noise of {noise_rms}: {peak:?}");
                assert!((peak.gain - 0.5).abs() < 0.05, "{peak:?}");
                assert!(peak.clear_db > 15.0, "{peak:?}");
            }
        }
    }

    #[test]
    fn two_rates_are_no_obstacle_and_upside_down_is_negative() {
        let (out_hz, in_hz) = (48_000.0, 44_100.0);
        let sweep = Sweep::for_rates(out_hz, in_hz);
        let recorded: Vec<f64> = (0..66_150).map(|i| -sweep.at(i as f64 / in_hz - 0.3)).collect();
        let response = ImpulseResponse::of(&recorded, &sweep.samples(in_hz), in_hz, sweep.band_hz());
        let peak = response.first_peak().unwrap();
        assert!((peak.at_frames - 0.3 * in_hz).abs() < 1e-4 && (peak.gain + 1.0).abs() < 0.05, "{peak:?}");
    }

    #[test]
    fn the_first_of_several_sweeps_is_found_and_each_of_the_others_near_its_place() {
        let rate_hz = 48_000.0;
        let sweep = Sweep::for_rates(rate_hz, rate_hz);
        let starts = [20_000.4, 68_000.4, 116_000.4];
        let recorded: Vec<f64> =
            (0..160_000).map(|i| starts.iter().map(|s| sweep.at((i as f64 - s) / rate_hz)).sum()).collect();
        let response = ImpulseResponse::of(&recorded, &sweep.samples(rate_hz), rate_hz, sweep.band_hz());
        assert!((response.first_peak().unwrap().at_frames - starts[0]).abs() < 1e-3);
        for start in starts {
            let peak = response.peak_near(start + 100.0, 200.0).unwrap();
            assert!((peak.at_frames - start).abs() < 1e-3, "{peak:?}");
        }
    }

    #[test]
    fn where_nothing_was_played_nothing_stands_out() {
        let sweep = Sweep::for_rates(48_000.0, 48_000.0);
        let sound = sweep.samples(48_000.0);
        let of = |recorded: Vec<f64>| ImpulseResponse::of(&recorded, &sound, 48_000.0, sweep.band_hz()).first_peak();
        assert_eq!(of(vec![0.0; 48_000]), None);
        assert_eq!(of(Vec::new()), None);
        let hiss = noise(9, 0.1);
        let peak = of((0..96_000).map(hiss).collect()).unwrap();
        assert!(peak.clear_db < 15.0, "{peak:?}");
    }
}
