//! Looks at a WAV file by itself: where a tone's phase and an impulse's peak are, against the room. Knows no engine and no
//! report; the file is read by somebody else's code.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::f64::consts::TAU;
use std::ops::Range;
use std::path::Path;

/// Samples of a float WAV, channel by channel.
pub(crate) struct Sound {
    pub(crate) rate_hz: f64,
    pub(crate) channels: Vec<Vec<f32>>,
}

impl Sound {
    pub(crate) fn read(path: &Path) -> Self {
        let mut wav = hound::WavReader::open(path).unwrap();
        let spec = wav.spec();
        assert_eq!((spec.sample_format, spec.bits_per_sample), (hound::SampleFormat::Float, 32));
        let mut channels = vec![Vec::with_capacity(wav.duration() as usize); usize::from(spec.channels)];
        for (i, sample) in wav.samples::<f32>().enumerate() {
            channels[i % usize::from(spec.channels)].push(sample.unwrap());
        }
        Self { rate_hz: f64::from(spec.sample_rate), channels }
    }

    pub(crate) fn n_frames(&self) -> usize {
        self.channels[0].len()
    }

    fn frames(&self, seconds: &Range<f64>) -> Range<usize> {
        (seconds.start * self.rate_hz).round() as usize
            ..((seconds.end * self.rate_hz).round() as usize).min(self.n_frames())
    }

    /// The tone of the room, `sin(2π·hz·t)`, as it stands in a channel within `seconds`: how much further it is than it
    /// should be at `latency_s` behind the room, in microseconds, and its level in dBFS.
    pub(crate) fn tone(&self, channel: usize, hz: f64, latency_s: f64, seconds: &Range<f64>) -> (f64, f64) {
        let frames = self.frames(seconds);
        let n = frames.len() as f64;
        let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
        for (i, frame) in frames.enumerate() {
            // Hann's window: what is outside takes no part.
            let w = 0.5 - 0.5 * (TAU * (i as f64 + 0.5) / n).cos();
            let (sin, cos) = (TAU * (hz * (frame as f64 / self.rate_hz - latency_s)).fract()).sin_cos();
            let x = w * f64::from(self.channels[channel][frame]);
            (re, im, weight) = (re + x * sin, im + x * cos, weight + w);
        }
        (1e6 * im.atan2(re) / (TAU * hz), 20.0 * (2.0 * re.hypot(im) / weight).log10())
    }

    /// Where the impulse stands that should have its peak at `place` (in frames), in frames behind that: the straight line
    /// through 0 that fits the phase of its spectrum best, from 500 Hz to 8 kHz.
    pub(crate) fn impulse(&self, channel: usize, place: f64) -> f64 {
        const HALF: i64 = 96;
        let centre = place.round() as i64;
        let (mut slope, mut weight) = (0.0, 0.0);
        for bin in 1..=16 {
            let step = TAU * 500.0 * f64::from(bin) / self.rate_hz;
            let (mut re, mut im) = (0.0, 0.0);
            for offset in -HALF..=HALF {
                let x = f64::from(self.channels[channel][usize::try_from(centre + offset).unwrap()]);
                let (sin, cos) = (step * offset as f64).sin_cos();
                (re, im) = (re + x * cos, im + x * sin);
            }
            let power = re * re + im * im;
            slope += power * step * im.atan2(re);
            weight += power * step * step;
        }
        slope / weight - (place - centre as f64)
    }

    /// Root mean square of a channel within `seconds`, in dBFS.
    pub(crate) fn rms_dbfs(&self, channel: usize, seconds: &Range<f64>) -> f64 {
        let samples = &self.channels[channel][self.frames(seconds)];
        let power: f64 = samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64;
        10.0 * power.max(1e-30).log10()
    }

    /// The longest run of frames within `seconds` that are silent, and where it begins.
    pub(crate) fn longest_silence(&self, channel: usize, seconds: &Range<f64>) -> (usize, usize) {
        let mut longest = (0, 0);
        let mut run = 0;
        for frame in self.frames(seconds) {
            run = if self.channels[channel][frame] == 0.0 { run + 1 } else { 0 };
            if run > longest.1 {
                longest = (frame + 1 - run, run);
            }
        }
        longest
    }
}

#[test]
fn the_judge_finds_what_was_planted() {
    let rate_hz = 48_000.0;
    let (hz, latency_s, off_s) = (997.0, 0.02, 3.7e-6);
    let at = |n: usize| (n as f64 / rate_hz - latency_s + off_s) * hz;
    let tone = (0..48_000).map(|n| (0.25 * (TAU * at(n)).sin()) as f32).collect();
    let place = 1_000.0 + 0.004;
    // A windowed sinc of the band that the engine's qualities all pass.
    let clap = (0..2_000).map(|n| {
        let x = n as f64 - place;
        let sinc = if x == 0.0 { 1.0 } else { (0.8 * TAU / 2.0 * x).sin() / (0.8 * TAU / 2.0 * x) };
        let window = if x.abs() < 64.0 { (TAU * x / 256.0).cos().powi(2) } else { 0.0 };
        (sinc * window) as f32
    });
    let sound = Sound { rate_hz, channels: vec![tone, clap.collect()] };
    let (found_us, dbfs) = sound.tone(0, hz, latency_s, &(0.0..1.0));
    assert!((found_us - 3.7).abs() < 0.001, "{found_us}");
    assert!((dbfs - 20.0 * 0.25f64.log10()).abs() < 1e-3);
    for planted in [-1.3, -0.01, 0.0, 0.5, 2.0] {
        let found = sound.impulse(1, place - planted);
        assert!((found - planted).abs() < 0.001, "{found}, planted {planted}");
    }
}
