//! Looks at sound as sound: what a test expects of samples, in hertz, dB and frames. Makes and reads no source itself.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::f64::consts::TAU;

use ra_core::{PulledSource, SourceError, StreamEvent};

/// Amplitude, phase (radians, of a sine at frame 0) and residual RMS of the tone at `hz` that fits best.
pub(crate) fn fit_tone(samples: &[f32], hz: f64, rate_hz: f64) -> (f64, f64, f64) {
    // Least squares on sine and cosine, with the cross terms: any length is fine.
    let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let basis = |n: usize| (TAU * (hz * n as f64 / rate_hz).fract()).sin_cos();
    for (n, &x) in samples.iter().enumerate() {
        let (s, c) = basis(n);
        let x = f64::from(x);
        (ss, cc, sc, xs, xc) = (ss + s * s, cc + c * c, sc + s * c, xs + x * s, xc + x * c);
    }
    let det = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
    let residual: f64 = samples
        .iter()
        .enumerate()
        .map(|(n, &x)| {
            let (s, c) = basis(n);
            (f64::from(x) - a * s - b * c).powi(2)
        })
        .sum();
    (a.hypot(b), b.atan2(a), (residual / samples.len() as f64).sqrt())
}

pub(crate) fn rms(samples: &[f32]) -> f64 {
    (samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
}

pub(crate) fn db(lin: f64) -> f64 {
    20.0 * lin.log10()
}

/// One channel of interleaved samples.
pub(crate) fn channel(samples: &[f32], channels: usize, which: usize) -> Vec<f32> {
    samples.chunks_exact(channels).map(|frame| frame[which]).collect()
}

/// Power of a band, as a part of full scale, by summing Goertzel bins of Hann-windowed stretches.
pub(crate) fn band_power(samples: &[f32], rate_hz: f64, from_hz: f64, to_hz: f64) -> f64 {
    const N: usize = 512;
    let window: Vec<f64> = (0..N).map(|n| 0.5 - 0.5 * (TAU * n as f64 / N as f64).cos()).collect();
    let power: f64 = window.iter().map(|w| w * w).sum();
    let bins = (from_hz * N as f64 / rate_hz) as usize..(to_hz * N as f64 / rate_hz) as usize;
    let mut sum = 0.0;
    let mut stretches = 0.0;
    for stretch in samples.chunks_exact(N) {
        for bin in bins.clone() {
            let step = TAU * bin as f64 / N as f64;
            let (mut re, mut im) = (0.0, 0.0);
            for (n, (&x, w)) in stretch.iter().zip(&window).enumerate() {
                let (s, c) = (step * n as f64).sin_cos();
                re += f64::from(x) * w * c;
                im += f64::from(x) * w * s;
            }
            sum += 2.0 * (re * re + im * im) / (power * N as f64);
        }
        stretches += 1.0;
    }
    sum / stretches
}

/// Everything to the end in reads of `block` samples; panics on any event but frames and the end.
pub(crate) fn read_all(source: &mut dyn PulledSource, block: usize) -> Result<Vec<f32>, SourceError> {
    let mut all = Vec::new();
    let mut out = vec![0.0; block];
    loop {
        match source.read(&mut out)? {
            StreamEvent::Frames { n_frames } => {
                assert!(n_frames > 0, "a read of no frames");
                all.extend_from_slice(&out[..n_frames * source.spec().channels.get()]);
            }
            StreamEvent::EndOfStream => {
                assert_eq!(source.read(&mut out)?, StreamEvent::EndOfStream, "the end is said again");
                return Ok(all);
            }
            event => panic!("{event:?}"),
        }
    }
}

/// Fills `out` entirely.
pub(crate) fn read_exactly(source: &mut dyn PulledSource, out: &mut [f32]) {
    let mut filled = 0;
    while filled < out.len() {
        match source.read(&mut out[filled..]).unwrap() {
            StreamEvent::Frames { n_frames } => filled += n_frames * source.spec().channels.get(),
            event => panic!("{event:?}"),
        }
    }
}

pub(crate) fn tone(hz: f64, amplitude: f64, rate_hz: f64, n_frames: usize) -> Vec<f32> {
    (0..n_frames).map(|n| (amplitude * (TAU * (hz * n as f64 / rate_hz).fract()).sin()) as f32).collect()
}
