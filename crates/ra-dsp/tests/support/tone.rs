//! Finds a tone in a recording: its level, its place, and what else is there. Part of several test files.

use std::f64::consts::TAU;

/// What was found.
pub(crate) struct Tone {
    /// Against the amplitude looked for, in dB.
    pub(crate) level_db: f64,
    /// How many frames late it is against `sin(2π·per_frame·place)`; ambiguous by whole periods.
    pub(crate) late_frames: f64,
    /// Everything else against the tone, in dB.
    pub(crate) rest_db: f64,
}

/// Fits a tone of `hz` to one channel. Frame 0 of `sound` stands at frame `start` of its timeline.
pub(crate) fn find_tone(sound: &[f32], start: usize, rate_hz: f64, hz: f64, amplitude: f64) -> Tone {
    let places: Vec<f64> = (start..start + sound.len()).map(|n| n as f64).collect();
    find_at(sound, &places, hz / rate_hz, amplitude)
}

/// Fits a tone of `per_frame` periods per frame to sound that stands at `places`, in frames, by least squares.
pub(crate) fn find_at(sound: &[f32], places: &[f64], per_frame: f64, amplitude: f64) -> Tone {
    let (mut cc, mut ss, mut cs, mut yc, mut ys) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let angle = |place: f64| (place * per_frame).fract() * TAU;
    for (&y, &place) in sound.iter().zip(places) {
        let (sin, cos) = angle(place).sin_cos();
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
        .zip(places)
        .map(|(&y, &place)| {
            let (sin, cos) = angle(place).sin_cos();
            (f64::from(y) - a * cos - b * sin).powi(2)
        })
        .sum();
    let size = a.hypot(b);
    Tone {
        level_db: 20.0 * (size / amplitude).log10(),
        late_frames: -a.atan2(b) / TAU / per_frame,
        rest_db: 10.0 * (rest / (sound.len() as f64 * size * size / 2.0)).log10(),
    }
}
