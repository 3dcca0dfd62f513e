//! What is in a piece of sound besides one tone. Works on numbers alone.

use std::f64::consts::TAU;

/// Seven cosine terms, whose side lobes are at -180 dB: H.-H. Albrecht, "A family of cosine-sum windows for
/// high-resolution measurements", ICASSP 2001, table 1. The four of Blackman and Harris, at -92 dB, would hide what is
/// looked for here.
const WINDOW: [f64; 7] = [
    2.712_203_605_850_39e-1,
    4.334_446_123_274_42e-1,
    2.180_041_228_929_30e-1,
    6.578_534_329_560_6e-2,
    1.076_186_730_534_2e-2,
    7.700_127_105_81e-4,
    1.368_088_306_0e-5,
];

/// Frames in a piece: 1.4 s at 48 kHz.
pub(super) const PIECE_FRAMES: usize = 1 << 16;

/// What one piece of sound holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tone {
    /// Amplitude of the tone, with all that lies within the band around it.
    pub(super) amplitude: f64,
    /// Everything outside that band, against the tone, in dB.
    pub(super) rest_db: f64,
}

/// Finds a tone of about `hz` in one channel of [`PIECE_FRAMES`] frames; what is within `band_hz` of it belongs to it.
///
/// # Panics
/// Where `sound` has another length.
pub(super) fn find_tone(sound: &[f32], rate_hz: f64, hz: f64, band_hz: f64) -> Tone {
    assert_eq!(sound.len(), PIECE_FRAMES, "frames in a piece");
    let n = PIECE_FRAMES as f64;
    let mut window_power = 0.0;
    let mut bins: Vec<(f64, f64)> = sound
        .iter()
        .enumerate()
        .map(|(at, &sample)| {
            let angle = TAU * at as f64 / n;
            let terms = WINDOW.iter().enumerate();
            let weight: f64 =
                terms.map(|(k, term)| if k % 2 == 0 { *term } else { -term } * (k as f64 * angle).cos()).sum();
            window_power += weight * weight;
            (f64::from(sample) * weight, 0.0)
        })
        .collect();
    transform(&mut bins);
    let (mut tone, mut rest) = (0.0, 0.0);
    for (bin, (re, im)) in bins.iter().enumerate().take(PIECE_FRAMES / 2 + 1) {
        let power = re * re + im * im;
        if (bin as f64 * rate_hz / n - hz).abs() <= band_hz { tone += power } else { rest += power }
    }
    // A tone of amplitude A puts A^2/4 times the window's power, times n, on this side of the spectrum (Parseval).
    Tone { amplitude: 2.0 * (tone / (n * window_power)).sqrt(), rest_db: 10.0 * (rest / tone).log10() }
}

/// The discrete Fourier transform in place, by decimation in time (Cooley and Tukey, Math. Comp. 19, 1965). The length is
/// a power of two.
fn transform(values: &mut [(f64, f64)]) {
    let n = values.len();
    let bits = n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            values.swap(i, j);
        }
    }
    let roots: Vec<(f64, f64)> = (0..n / 2)
        .map(|k| {
            let (sin, cos) = (-TAU * k as f64 / n as f64).sin_cos();
            (cos, sin)
        })
        .collect();
    let mut half = 1;
    while half < n {
        let stride = n / (2 * half);
        for group in values.chunks_exact_mut(2 * half) {
            let (low, high) = group.split_at_mut(half);
            for (k, (a, b)) in low.iter_mut().zip(high).enumerate() {
                let (cos, sin) = roots[k * stride];
                let turned = (b.0 * cos - b.1 * sin, b.0 * sin + b.1 * cos);
                *b = (a.0 - turned.0, a.1 - turned.1);
                *a = (a.0 + turned.0, a.1 + turned.1);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(at: impl Fn(f64) -> f64) -> Vec<f32> {
        (0..PIECE_FRAMES).map(|n| at(n as f64 / 48_000.0) as f32).collect()
    }

    #[test]
    fn level_and_rest_of_known_sounds() {
        for hz in [997.3, 17_999.9] {
            let tone = |t: f64| 0.5 * (TAU * hz * t).sin();
            let clean = find_tone(&sound(tone), 48_000.0, hz, 20.0);
            assert!((clean.amplitude - 0.5).abs() < 1e-7, "{clean:?}");
            // What is left is the rounding to f32.
            assert!(clean.rest_db < -145.0, "{clean:?}");
            let spoilt = sound(|t| tone(t) + 0.5e-6 * (TAU * (hz - 400.0) * t).sin());
            let found = find_tone(&spoilt, 48_000.0, hz, 20.0);
            assert!((found.rest_db + 120.0).abs() < 0.1, "{found:?}");
        }
    }

    #[test]
    fn slow_wander_of_the_phase_belongs_to_the_tone() {
        let wandering = sound(|t| 0.5 * (TAU * 10_000.0 * (t + 5e-6 * (TAU * 0.5 * t).sin())).sin());
        let found = find_tone(&wandering, 48_000.0, 10_000.0, 20.0);
        assert!(found.rest_db < -145.0 && (found.amplitude - 0.5).abs() < 1e-7, "{found:?}");
    }
}
