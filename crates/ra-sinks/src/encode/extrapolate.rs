//! What a sound would be a little later: for filters and codecs that look ahead, at a place where nothing is known of what
//! follows. Nobody hears the result; a step or a kink in its place would be heard before it.

/// Coefficients of the prediction: enough for a few tones in noise.
const ORDER: usize = 32;
/// The prediction is made from at most so many frames.
const PAST_FRAMES: usize = 4096;
/// How much of a guess is left a frame later: the poles stay inside the unit circle, and a guess fades within 100 ms.
const FADE: f64 = 0.9995;

/// `n_frames` interleaved frames that go on from `past`, by linear prediction of each channel.
pub(super) fn extrapolate(past: &[f32], channels: usize, n_frames: usize) -> Vec<f32> {
    let past = &past[past.len().saturating_sub(PAST_FRAMES * channels)..];
    let mut out = vec![0.0; n_frames * channels];
    for channel in 0..channels {
        let mut sound: Vec<f64> = past.iter().skip(channel).step_by(channels).map(|&s| f64::from(s)).collect();
        let coefficients = predictor(&sound);
        for frame in out.chunks_exact_mut(channels) {
            let next = sound.iter().rev().zip(&coefficients).map(|(s, c)| s * c).sum::<f64>();
            // Far beyond full scale is no guess any more.
            let next = if next.abs() < 4.0 { next } else { 0.0 };
            sound.push(next);
            frame[channel] = next as f32;
        }
    }
    out
}

/// The weights of the last sample, the one before it, and so on, that predict the next: Burg's method (J. P. Burg,
/// "Maximum entropy spectral analysis", Stanford 1975), which finds tones also in short pieces.
fn predictor(sound: &[f64]) -> Vec<f64> {
    let (mut forward, mut backward) = (sound.to_vec(), sound.to_vec());
    let mut filter = vec![1.0];
    for k in 1..=ORDER.min(sound.len() / 3) {
        let pairs = || forward[k..].iter().zip(&backward[k - 1..]);
        let energy: f64 = pairs().map(|(f, b)| f * f + b * b).sum();
        if energy <= 1e-12 {
            break; // nothing is left to predict
        }
        let reflection = -2.0 * pairs().map(|(f, b)| f * b).sum::<f64>() / energy;
        filter.push(0.0);
        let mirrored: Vec<f64> = filter.iter().rev().copied().collect();
        filter.iter_mut().zip(mirrored).for_each(|(a, m)| *a += reflection * m);
        for n in (k..sound.len()).rev() {
            let (f, b) = (forward[n], backward[n - 1]);
            forward[n] = f + reflection * b;
            backward[n] = b + reflection * f;
        }
    }
    filter[1..].iter().zip(1i32..).map(|(a, k)| -a * FADE.powi(k)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tones_go_on() {
        let tone = |n: usize| 0.4 * (n as f64 * 0.13).sin() + 0.2 * (n as f64 * 0.71).cos();
        let past: Vec<f32> = (0..3000).flat_map(|n| [tone(n) as f32, 0.0]).collect();
        let next = extrapolate(&past, 2, 400);
        for (n, frame) in next.chunks_exact(2).enumerate() {
            assert!((f64::from(frame[0]) - tone(3000 + n)).abs() < 0.02 + 0.001 * n as f64, "frame {n}: {frame:?}");
            assert_eq!(frame[1], 0.0, "silence goes on as silence");
        }
    }

    #[test]
    fn of_nothing_and_of_anything_comes_something_finite() {
        assert_eq!(extrapolate(&[], 2, 3), [0.0; 6]);
        assert_eq!(extrapolate(&[0.5, -0.5], 2, 1).len(), 2);
        for n in 1..200usize {
            let noise: Vec<f32> = (0..n).map(|i| ((i * i * 7919) % 257) as f32 / 64.0 - 2.0).collect();
            assert!(extrapolate(&noise, 1, 3000).iter().all(|s| s.abs() < 4.0));
        }
    }
}
