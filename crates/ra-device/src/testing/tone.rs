//! Tones in recordings: found in one piece, and measured. Pure.

/// The longest stretch of a tone near `hz` without a hole, a jump or a change of level, found in steps of 10 ms.
///
/// A sound server on a busy machine tears holes of its own, which nobody reports: what is to be measured is the rest.
pub fn longest_clean_stretch(samples: &[f32], rate_hz: f64, hz: f64) -> &[f32] {
    let window = (rate_hz / 100.0) as usize;
    let tones: Vec<(f64, f64)> = samples
        .chunks_exact(window)
        .enumerate()
        .map(|(w, chunk)| correlate(chunk, w * window, std::f64::consts::TAU * hz / rate_hz))
        .collect();
    let follows = |a: (f64, f64), b: (f64, f64)| {
        // At 300 ppm off, the phase turns by 0.02 radians in 10 ms.
        let turn = (a.0 * b.1 - a.1 * b.0).atan2(a.0 * b.0 + a.1 * b.1);
        let levels = (a.0.hypot(a.1), b.0.hypot(b.1));
        levels.0 > 1e-3 && (levels.1 / levels.0 - 1.0).abs() < 0.02 && turn.abs() < 0.05
    };
    let (mut best, mut start) = (0..0, 0);
    for w in 0..tones.len() {
        if w > 0 && !follows(tones[w - 1], tones[w]) {
            start = w;
        }
        if w + 1 - start > best.len() {
            best = start..w + 1;
        }
    }
    &samples[best.start * window..best.end * window]
}

/// Twice the Hann-weighted mean of a tone's samples turned back by `radians` each: its amplitude and phase as a complex
/// number.
fn correlate(samples: &[f32], first: usize, radians: f64) -> (f64, f64) {
    let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
    for (i, &x) in samples.iter().enumerate() {
        let hann = 0.5 - 0.5 * (std::f64::consts::TAU * (i as f64 + 0.5) / samples.len() as f64).cos();
        let angle = radians * (first + i) as f64;
        re += hann * f64::from(x) * angle.cos();
        im -= hann * f64::from(x) * angle.sin();
        weight += hann;
    }
    (2.0 * re / weight, 2.0 * im / weight)
}

/// The frequency in hertz and the peak level in dBFS of a tone near `hz` in one channel.
///
/// Correlates windows of a 10th of a second and takes the frequency from the phase's advance from window to window;
/// a jump in the sound shows as a frequency that is off, a hole as a level that is.
///
/// # Panics
/// With less than half a second of samples.
pub fn measure_tone(samples: &[f32], rate_hz: f64, hz: f64) -> (f64, f64) {
    let window = (rate_hz / 10.0) as usize;
    assert!(samples.len() >= 5 * window, "{} samples are too few to measure", samples.len());
    let radians = std::f64::consts::TAU * hz / rate_hz;
    let (mut power, mut turned, mut last_phase) = (0.0, 0.0, None::<f64>);
    let n_windows = samples.len() / window;
    for (w, chunk) in samples.chunks_exact(window).enumerate() {
        let (re, im) = correlate(chunk, w * window, radians);
        power += re * re + im * im;
        let phase = im.atan2(re);
        if let Some(last) = last_phase {
            let step: f64 = phase - last;
            turned += step - std::f64::consts::TAU * (step / std::f64::consts::TAU).round();
        }
        last_phase = Some(phase);
    }
    let seconds = (n_windows - 1) as f64 * window as f64 / rate_hz;
    let found_hz = hz + turned / std::f64::consts::TAU / seconds;
    (found_hz, 10.0 * (power / n_windows as f64).log10())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_ends_at_a_hole() {
        let tone = |i: usize| 0.25 * (std::f64::consts::TAU * 997.0 * i as f64 / 48_000.0).sin() as f32;
        let mut samples: Vec<f32> = (0..96_000).map(tone).collect();
        samples[20_000..20_400].fill(0.0);
        samples.drain(80_000..80_013);
        let clean = longest_clean_stretch(&samples, 48_000.0, 997.0);
        assert!((58_000..60_000).contains(&clean.len()), "{}", clean.len());
        let start = clean.as_ptr().addr().wrapping_sub(samples.as_ptr().addr()) / 4;
        assert!((20_400..21_400).contains(&start), "{start}");
    }

    #[test]
    fn a_tone_is_measured_to_a_thousandth_of_a_hertz_and_decibel() {
        let tone: Vec<f32> = (0..48_000)
            .map(|i| 0.25 * (std::f64::consts::TAU * 997.1 * f64::from(i) / 48_000.0).sin() as f32)
            .collect();
        let (hz, db) = measure_tone(&tone, 48_000.0, 997.0);
        assert!((hz - 997.1).abs() < 1e-3, "{hz}");
        assert!((db - 20.0 * 0.25f64.log10()).abs() < 1e-2, "{db}");
    }
}
