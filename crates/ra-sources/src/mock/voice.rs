//! Computes a signal along a segment of true time. Allocates nothing after it was made.

use std::f64::consts::TAU;

use ra_core::SampleRate;

use super::{
    kernel,
    lattice::Lattice,
    segment::Segment,
    signal::{Signal, lin},
};
use crate::{RoomTime, random::RandomStream};

/// One channel's worth of a signal.
#[derive(Debug)]
pub(crate) enum Voice {
    Silence,
    Tone { hz: f64, amplitude: f64 },
    Impulses { every_s: f64, amplitude: f64, band_hz: f64 },
    Noise(Lattice),
    Sweep { from_hz: f64, to_hz: f64, s: f64, amplitude: f64 },
}

impl Voice {
    /// The voices of a signal: one that all channels hear, or one for each.
    pub(crate) fn of_signal(signal: &Signal, seed: u64, band_rate: SampleRate) -> Vec<Voice> {
        let stream = |i| RandomStream::new(seed, i);
        match *signal {
            Signal::Silence => vec![Voice::Silence],
            Signal::Tone { hz, dbfs } => vec![Voice::Tone { hz, amplitude: lin(dbfs) }],
            Signal::Impulses { every_s, dbfs } => {
                vec![Voice::Impulses { every_s, amplitude: lin(dbfs), band_hz: f64::from(band_rate.hz()) }]
            }
            Signal::Noise { dbfs } => vec![Voice::Noise(Lattice::new(band_rate, vec![(stream(0), lin(dbfs))]))],
            Signal::Sweep { from_hz, to_hz, s, dbfs } => {
                vec![Voice::Sweep { from_hz, to_hz, s, amplitude: lin(dbfs) }]
            }
            Signal::Pair { correlation, dbfs, noise_dbfs } => {
                let (level, noise) = (lin(dbfs), lin(noise_dbfs));
                let own = (1.0 - correlation * correlation).max(0.0).sqrt();
                let left = vec![(stream(0), level), (stream(2), noise)];
                let right = vec![(stream(0), level * correlation), (stream(1), level * own), (stream(3), noise)];
                vec![Voice::Noise(Lattice::new(band_rate, left)), Voice::Noise(Lattice::new(band_rate, right))]
            }
        }
    }

    /// Writes the sound at the segment's frames; `out.len() == segment.n_frames`.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub(crate) fn fill(&mut self, segment: &Segment, out: &mut [f32]) {
        match self {
            Voice::Silence => out.fill(0.0),
            Voice::Tone { hz, amplitude } => fill_tone(*hz, *amplitude, segment, out),
            Voice::Impulses { every_s, amplitude, band_hz } => {
                fill_impulses(*every_s, *amplitude, *band_hz, segment, out);
            }
            Voice::Noise(lattice) => {
                for (i, sample) in out.iter_mut().enumerate() {
                    *sample = lattice.at(segment.start.plus_s(i as f64 * segment.step_s)) as f32;
                }
            }
            Voice::Sweep { from_hz, to_hz, s, amplitude } => {
                for (i, sample) in out.iter_mut().enumerate() {
                    let t = segment.start.plus_s(i as f64 * segment.step_s);
                    *sample = (*amplitude * (TAU * sweep_cycles(*from_hz, *to_hz, *s, t)).sin()) as f32;
                }
            }
        }
    }
}

/// `a * b` modulo 1, exact to the last bit of the rest: the product's rounding error comes back by a fused
/// multiply-add (Dekker's product; Muller et al., "Handbook of Floating-Point Arithmetic", 4.4).
fn product_mod_1(a: f64, b: f64) -> f64 {
    let product = a * b;
    let error = a.mul_add(b, -product);
    (product - product.floor()) + error
}

/// Frames of a tone that are computed side by side.
const LANES: usize = 8;

/// A sine that starts exact in every segment and goes on by `s[n + 8] = 2·cos(8θ)·s[n] − s[n − 8]`: eight recurrences
/// side by side, so that no frame waits for the one before it. Over a segment's 128 rounds the rounding grows to some
/// 1e-12 of the amplitude at most: with the square of their number, where the angle is small.
fn fill_tone(hz: f64, amplitude: f64, segment: &Segment, out: &mut [f32]) {
    let cycles = product_mod_1(hz, segment.start.whole_s() as f64) + hz * segment.start.frac_s();
    let (sin, cos) = (TAU * (cycles - cycles.floor())).sin_cos();
    let (mut turn_sin, mut turn_cos) = (TAU * hz * segment.step_s).sin_cos();
    // The first sixteen frames: each half is the one before it, turned on.
    let (mut sines, mut cosines) = ([amplitude * sin; 2 * LANES], [amplitude * cos; 2 * LANES]);
    let mut width = 1;
    let mut doubled_cos = 0.0;
    while width < 2 * LANES {
        for i in 0..width {
            (sines[i + width], cosines[i + width]) =
                (sines[i] * turn_cos + cosines[i] * turn_sin, cosines[i] * turn_cos - sines[i] * turn_sin);
        }
        doubled_cos = 2.0 * turn_cos; // in the last round: of the angle of LANES frames
        (turn_sin, turn_cos) = (2.0 * turn_sin * turn_cos, (turn_cos - turn_sin) * (turn_cos + turn_sin));
        width *= 2;
    }
    let mut now: [f64; LANES] = std::array::from_fn(|i| sines[i]);
    let mut next: [f64; LANES] = std::array::from_fn(|i| sines[i + LANES]);
    let mut chunks = out.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (sample, value) in chunk.iter_mut().zip(now) {
            *sample = value as f32;
        }
        let after: [f64; LANES] = std::array::from_fn(|i| doubled_cos * next[i] - now[i]);
        (now, next) = (next, after);
    }
    for (sample, value) in chunks.into_remainder().iter_mut().zip(now) {
        *sample = value as f32;
    }
}

fn fill_impulses(every_s: f64, amplitude: f64, band_hz: f64, segment: &Segment, out: &mut [f32]) {
    let reach_s = kernel::HALF_WIDTH as f64 / band_hz;
    let first_s = segment.start.as_s();
    let last_s = first_s + segment.step_s * (segment.n_frames - 1) as f64;
    out.fill(0.0);
    // Those whose skirts touch the segment. Bounded: impulses are at least 1 ms apart.
    let from = ((first_s - reach_s) / every_s).ceil().max(0.0) as i64;
    let to = ((last_s + reach_s) / every_s).floor() as i64;
    for k in from..=to {
        let product = k as f64 * every_s;
        let error = every_s.mul_add(k as f64, -product);
        let whole = product.floor();
        let start_s = (segment.start.whole_s() as f64 - whole) + (segment.start.frac_s() - (product - whole)) - error;
        for (i, sample) in out.iter_mut().enumerate() {
            let x = (start_s + i as f64 * segment.step_s) * band_hz;
            *sample += (amplitude * kernel::at(x)) as f32;
        }
    }
}

/// Cycles of a logarithmic sweep since time 0, modulo 1: within a sweep `f0·T/ln(r)·(r^(t/T) − 1)` with `r = f1/f0`
/// (Farina, "Simultaneous measurement of impulse response and distortion with a swept-sine technique", AES 108, 2000).
fn sweep_cycles(from_hz: f64, to_hz: f64, s: f64, t: RoomTime) -> f64 {
    let index = (t.as_s() / s).floor();
    let product = index * s;
    let error = s.mul_add(index, -product);
    let into_s = ((t.whole_s() as f64 - product) + t.frac_s() - error).clamp(0.0, s);
    let octaves = (to_hz / from_hz).ln();
    let cycles = |into_s: f64| {
        if octaves.abs() < 1e-9 { from_hz * into_s } else { from_hz * s / octaves * (octaves * into_s / s).exp_m1() }
    };
    let cycles = product_mod_1(cycles(s), index) + cycles(into_s);
    cycles - cycles.floor()
}
