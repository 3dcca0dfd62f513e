//! Resampling for a codec that does not take the engine's rate, across logical streams: each ends exactly where the next
//! begins, and the sound goes on. Knows no codec.

use ra_core::SampleRate;
use ra_dsp::{DspError, FixedResampler, Quality};

use super::extrapolate::extrapolate;

/// How much sound before a seam goes through the filter again, in milliseconds, where there is as much. The filter of
/// [`Quality::Fast`] is half as long at most rates.
const WARM_UP_MS: usize = 60;

/// Converts one sound at a fixed ratio; [`RateConverter::complete`] ends a stream of it at any frame.
///
/// Output frame k stands at k / out_hz from the beginning of everything, whatever the seams. At equal rates it copies.
pub(super) struct RateConverter {
    channels: usize,
    in_rate: SampleRate,
    out_rate: SampleRate,
    /// None at equal rates.
    resampler: Option<FixedResampler>,
    /// The last input frames, for the filter's sake. Empty at equal rates.
    history: Vec<f32>,
    history_samples: usize,
    /// Input frames after which the two rates meet on a frame.
    period_frames: u64,
    n_in_frames: u64,
    n_out_frames: u64,
    /// Output frames that were told before the last seam.
    skip_frames: u64,
    is_at_seam: bool,
    scratch: Vec<f32>,
}

impl RateConverter {
    pub(super) fn new(channels: usize, in_rate: SampleRate, out_rate: SampleRate) -> Result<Self, DspError> {
        let is_needed = in_rate != out_rate;
        let resampler =
            is_needed.then(|| FixedResampler::new(channels, in_rate, out_rate, Quality::Fast)).transpose()?;
        let period_frames = u64::from(in_rate.hz() / greatest_common_divisor(in_rate.hz(), out_rate.hz()));
        let history_frames = period_frames as usize + in_rate.hz() as usize * WARM_UP_MS / 1000;
        Ok(Self {
            channels,
            in_rate,
            out_rate,
            resampler,
            history: Vec::new(),
            history_samples: if is_needed { history_frames * channels } else { 0 },
            period_frames,
            n_in_frames: 0,
            n_out_frames: 0,
            skip_frames: 0,
            is_at_seam: false,
            scratch: Vec::new(),
        })
    }

    /// Takes whole frames and appends what can be told so far to `out`.
    pub(super) fn push(&mut self, input: &[f32], out: &mut Vec<f32>) -> Result<(), DspError> {
        if std::mem::take(&mut self.is_at_seam) {
            self.warm_up()?;
        }
        self.n_in_frames += (input.len() / self.channels) as u64;
        let Some(resampler) = &mut self.resampler else {
            self.n_out_frames = self.n_in_frames;
            out.extend_from_slice(input);
            return Ok(());
        };
        self.scratch.clear();
        resampler.push(input, &mut self.scratch)?;
        self.tell(u64::MAX, out);
        self.remember(input);
        Ok(())
    }

    /// Goes on as if so many seconds of silence had gone through. Both rates meet on every second; what the filter holds has
    /// to be silence already, and was told.
    pub(super) fn skip_seconds(&mut self, n_seconds: u64) {
        self.n_in_frames += n_seconds * u64::from(self.in_rate.hz());
        self.n_out_frames += n_seconds * u64::from(self.out_rate.hz());
    }

    /// Appends the rest of what was taken: together as many frames as its duration has, to the nearest. The next push
    /// goes on from there.
    ///
    /// What the filter sees behind the end is the sound extrapolated: an end in full swing makes no click.
    pub(super) fn complete(&mut self, out: &mut Vec<f32>) -> Result<(), DspError> {
        let total = rounded_product(self.n_in_frames, self.out_rate.hz(), self.in_rate.hz());
        let Some(resampler) = &mut self.resampler else { return Ok(()) };
        if std::mem::replace(&mut self.is_at_seam, true) {
            return Ok(());
        }
        let missing = total - self.n_out_frames;
        self.scratch.clear();
        // As much as any filter looks ahead; a longer one sees silence behind it.
        let guess_frames = self.in_rate.hz() as usize * WARM_UP_MS / 1000;
        resampler.push(&extrapolate(&self.history, self.channels, guess_frames), &mut self.scratch)?;
        while ((self.scratch.len() / self.channels) as u64) < missing + self.skip_frames {
            resampler.push(&vec![0.0; guess_frames * self.channels], &mut self.scratch)?;
        }
        self.tell(missing, out);
        Ok(())
    }

    /// Passes at most `n_frames` of what the resampler gave on.
    fn tell(&mut self, n_frames: u64, out: &mut Vec<f32>) {
        let there = (self.scratch.len() / self.channels) as u64;
        let skipped = there.min(self.skip_frames);
        self.skip_frames -= skipped;
        let told = (there - skipped).min(n_frames);
        let from = skipped as usize * self.channels;
        out.extend_from_slice(&self.scratch[from..from + told as usize * self.channels]);
        self.n_out_frames += told;
    }

    fn remember(&mut self, input: &[f32]) {
        let input = &input[input.len().saturating_sub(self.history_samples)..];
        let excess = (self.history.len() + input.len()).saturating_sub(self.history_samples);
        self.history.drain(..excess);
        self.history.extend_from_slice(input);
    }

    /// A fresh filter that has seen the sound before the seam, from a frame on which both rates meet.
    fn warm_up(&mut self) -> Result<(), DspError> {
        let Some(resampler) = &mut self.resampler else { return Ok(()) };
        *resampler = FixedResampler::new(self.channels, self.in_rate, self.out_rate, Quality::Fast)?;
        let oldest = self.n_in_frames - (self.history.len() / self.channels) as u64;
        let from = oldest.next_multiple_of(self.period_frames);
        let first_out = from / self.period_frames * u64::from(self.out_rate.hz())
            / u64::from(greatest_common_divisor(self.in_rate.hz(), self.out_rate.hz()));
        self.scratch.clear();
        resampler.push(&self.history[(from - oldest) as usize * self.channels..], &mut self.scratch)?;
        let there = (self.scratch.len() / self.channels) as u64;
        // What the filter gives of the sound before the seam was told already; of what is behind it nothing yet, for the
        // filter looks ahead.
        self.skip_frames = self.n_out_frames - first_out;
        debug_assert!(there <= self.skip_frames);
        self.skip_frames -= there.min(self.skip_frames);
        Ok(())
    }
}

/// `frames · to / from` to the nearest whole number, halves up, as [`FixedResampler`] counts.
fn rounded_product(frames: u64, to: u32, from: u32) -> u64 {
    ((u128::from(frames) * u128::from(to) * 2 + u128::from(from)) / (u128::from(from) * 2)) as u64
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frames: std::ops::Range<u64>, hz: f64, rate: f64) -> Vec<f32> {
        frames.map(|n| (0.5 * (std::f64::consts::TAU * hz * n as f64 / rate).sin()) as f32).collect()
    }

    /// Seams at frames where the rates don't meet: the sum has the right length, and the sound is the tone everywhere.
    #[test]
    fn seams_are_neither_heard_nor_counted() {
        for in_hz in [44_100u32, 32_000, 96_000, 192_000, 22_050] {
            let (from, to) = (SampleRate::new(in_hz).unwrap(), SampleRate::HZ_48000);
            let mut converter = RateConverter::new(1, from, to).unwrap();
            let mut out = Vec::new();
            let mut at = 0;
            for (i, n) in [20_001u64, 10_007, 5, 0, 333, 44_101].into_iter().enumerate() {
                let input = tone(at..at + n, 997.0, f64::from(in_hz));
                input.chunks(128).for_each(|block| converter.push(block, &mut out).unwrap());
                converter.complete(&mut out).unwrap();
                at += n;
                assert_eq!(out.len() as u64, rounded_product(at, 48_000, in_hz), "seam {i} at {in_hz} Hz");
            }
            let truth = tone(0..out.len() as u64, 997.0, 48_000.0);
            // The very beginning is a step, and the very end a mirror.
            let worst = out.iter().zip(&truth).skip(500).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 0.02, "{worst} at {in_hz} Hz");
            let rms =
                (out.iter().zip(&truth).skip(500).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / out.len() as f32).sqrt();
            assert!(20.0 * rms.log10() < -60.0, "{} dB at {in_hz} Hz", 20.0 * rms.log10());
        }
    }

    #[test]
    fn equal_rates_pass_to_the_bit() {
        let mut converter = RateConverter::new(2, SampleRate::HZ_48000, SampleRate::HZ_48000).unwrap();
        let (mut out, input) = (Vec::new(), [0.1, 0.2, 0.3, 0.4]);
        converter.push(&input, &mut out).unwrap();
        converter.complete(&mut out).unwrap();
        converter.push(&input, &mut out).unwrap();
        assert_eq!(out, [input, input].concat());
    }

    #[test]
    fn nothing_gives_nothing() {
        let mut converter = RateConverter::new(2, SampleRate::HZ_44100, SampleRate::HZ_48000).unwrap();
        let mut out = Vec::new();
        converter.complete(&mut out).unwrap();
        converter.push(&[], &mut out).unwrap();
        converter.complete(&mut out).unwrap();
        assert!(out.is_empty());
    }
}
