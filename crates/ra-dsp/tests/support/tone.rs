//! Finds a tone in a recording: its level, its place, and what else is there. Part of several test files.

use std::f64::consts::TAU;

/// What was found.
pub(crate) struct Tone {
    /// Against the amplitude looked for, in dB.
    pub(crate) level_db: f64,
    /// How many frames late it is against `sin(2π·hz·n/rate)`; ambiguous by whole periods.
    pub(crate) late_frames: f64,
    /// Everything else against the tone, in dB.
    pub(crate) rest_db: f64,
}

/// Fits a tone of `hz` to one channel, by least squares. Frame 0 of `sound` stands at frame `start` of its timeline.
pub(crate) fn find_tone(sound: &[f32], start: usize, rate_hz: f64, hz: f64, amplitude: f64) -> Tone {
    let (mut cc, mut ss, mut cs, mut yc, mut ys) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let angle = |n: usize| ((start + n) as f64 * hz / rate_hz * TAU).sin_cos();
    for (n, &y) in sound.iter().enumerate() {
        let (sin, cos) = angle(n);
        cc += cos * cos;
        ss += sin * sin;
        cs += cos * sin;
        yc += f64::from(y) * cos;
        ys += f64::from(y) * sin;
    }
    let determinant = cc * ss - cs * cs;
    let (a, b) = ((yc * ss - ys * cs) / determinant, (ys * cc - yc * cs) / determinant);
    let rest: f64 = sound
        .iter()
        .enumerate()
        .map(|(n, &y)| {
            let (sin, cos) = angle(n);
            (f64::from(y) - a * cos - b * sin).powi(2)
        })
        .sum();
    let size = a.hypot(b);
    Tone {
        level_db: 20.0 * (size / amplitude).log10(),
        late_frames: -a.atan2(b) / TAU * rate_hz / hz,
        rest_db: 10.0 * (rest / (sound.len() as f64 * size * size / 2.0)).log10(),
    }
}
