//! Drives a steered resampler along a curve of rates, and judges what comes out against where it says it was read. Part
//! of several programs, each of which uses some of it.

#![allow(dead_code, clippy::unwrap_used, reason = "helpers of several programs")]

use std::f64::consts::TAU;

use ra_core::SampleRate;
use ra_dsp::{Quality, SteeredResampler};

#[path = "tone.rs"]
mod tone;

use tone::{Tone, find_at};

/// Output frames in a block.
pub(crate) const BLOCK: usize = 128;

/// A rate by time in seconds.
pub(crate) type Curve = fn(f64) -> f64;

/// A rate held, and rates that move as clocks and control loops do.
pub(crate) const CURVES: [(&str, Curve); 3] = [
    ("+300 ppm", |_| 1.0 + 300e-6),
    ("50 ppm, 10 over 600 s", |s| 1.0 + 50e-6 + 10e-6 * (s / 600.0 * TAU).sin()),
    ("1 ppm at 0.3 Hz", |s| 1.0 + 1e-6 * (s * 0.3 * TAU).sin()),
];

/// White noise from −1 to 1: Knuth's linear congruential generator (MMIX).
pub(crate) fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Resamples `signal`, a function of the input frame, for `n_frames`; returns the output and where each frame of it was
/// read, in input frames.
///
/// The places come from `lead_frames` at the start of each block, and the formula within it.
pub(crate) fn run(
    resampler: &mut SteeredResampler,
    nominal_step: f64,
    n_frames: usize,
    signal: impl Fn(f64) -> f64,
    mut rate: impl FnMut(usize) -> f64,
) -> (Vec<f32>, Vec<f64>) {
    let (mut sound, mut places) = (Vec::new(), Vec::new());
    let mut n_in = 0;
    let n = resampler.output_frames();
    let mut block = vec![0.0; n];
    for index in 0.. {
        if sound.len() >= n_frames {
            break;
        }
        let (from, to) = (resampler.rate(), rate(index));
        let at = n_in as f64 - resampler.lead_frames();
        let needed = resampler.input_frames_next(to);
        assert!(needed <= resampler.max_input_frames());
        let input: Vec<f32> = (n_in..n_in + needed).map(|frame| signal(frame as f64) as f32).collect();
        n_in += needed;
        resampler.process(&input, to, &mut block).unwrap();
        sound.extend_from_slice(&block);
        places.extend((0..n).map(|i| {
            let i = i as f64;
            at + nominal_step * (from * i + (to - from) * i * i / (2.0 * n as f64))
        }));
    }
    (sound, places)
}

/// Sends a tone of `hz` through, and finds it again at the stated places.
pub(crate) fn measure_tone(
    quality: Quality,
    from_hz: u32,
    to_hz: u32,
    hz: f64,
    amplitude: f64,
    n_frames: usize,
    curve: Curve,
) -> Tone {
    let (in_rate, out_rate) = (SampleRate::new(from_hz).unwrap(), SampleRate::new(to_hz).unwrap());
    let mut resampler = SteeredResampler::new(1, in_rate, out_rate, BLOCK, quality).unwrap();
    resampler.restart(0.3, curve(0.0));
    let per_frame = hz / f64::from(from_hz) * TAU;
    let (sound, places) = run(
        &mut resampler,
        f64::from(from_hz) / f64::from(to_hz),
        n_frames,
        |frame| amplitude * (frame * per_frame).sin(),
        |index| curve(((index + 1) * BLOCK) as f64 / f64::from(to_hz)),
    );
    // Against where the resampler says that it read.
    find_at(&sound, &places, hz / f64::from(from_hz), amplitude)
}
