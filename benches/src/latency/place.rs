//! Where a band-limited impulse stands, to a small fraction of a sample. Knows no clock.
//!
//! The impulse is matched with a shape of narrower band, a windowed sinc. Shifting that shape does not change its energy,
//! so the shift of the greatest correlation is the one of the least squares; and both being symmetric, what a filter of
//! linear phase did to the impulse on its way moves nothing (Knapp and Carter, "The generalized correlation method for
//! estimation of time delay", IEEE Trans. ASSP 24, 1976).

use std::f64::consts::PI;

/// Frames on each side of the impulse that are looked at.
pub(super) const REACH_FRAMES: usize = 32;
/// The shape's band, as a part of the sample rate: where every quality of resampler passes everything.
const BAND: f64 = 0.35;
/// Rounds of the search: each leaves 0.618 of the interval, two samples at first.
const ROUNDS: usize = 40;

/// The place of the impulse whose largest sample is `samples[peak]`, in samples from the beginning; `None` where it is too
/// near an end. Good to 1/1000 sample for an impulse in silence.
pub fn place_of_impulse(samples: &[f32], peak: usize) -> Option<f64> {
    let around = samples.get(peak.checked_sub(REACH_FRAMES)?..=peak + REACH_FRAMES)?;
    // The sign of the impulse does not matter.
    let sign = f64::from(around[REACH_FRAMES].signum());
    let match_at = |shift: f64| -> f64 {
        let centre = REACH_FRAMES as f64 + shift;
        around.iter().enumerate().map(|(n, &sample)| sign * f64::from(sample) * shape(n as f64 - centre)).sum()
    };
    // Golden-section search: within a sample of the peak there is one maximum.
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (-1.0, 1.0);
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (match_at(left), match_at(right));
    for _ in 0..ROUNDS {
        if at_left > at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = match_at(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = match_at(right);
        }
    }
    Some(peak as f64 + (low + high) / 2.0)
}

/// A sinc under a Blackman window, 1 at 0.
fn shape(x: f64) -> f64 {
    let edge = x / (REACH_FRAMES as f64 - 1.0);
    if edge.abs() >= 1.0 {
        return 0.0;
    }
    let angle = 2.0 * PI * BAND * x;
    let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
    sinc * (0.42 + 0.5 * (PI * edge).cos() + 0.08 * (2.0 * PI * edge).cos())
}

#[cfg(test)]
mod tests {
    use ra_core::{PulledSource, SampleRate, StreamSpec};
    use ra_engine::dsp::{Quality, SteeredResampler};
    use ra_engine::sources::{ClockModel, MockConfig, MockSource, RoomTime, Signal};

    use super::*;

    /// A room with one impulse at time 0, heard from `from_s` on.
    fn room(dbfs: f64, from_s: f64, n_frames: usize) -> Vec<f32> {
        let spec = StreamSpec::new(48_000, 1).unwrap();
        let mut room = MockSource::new(MockConfig::new(spec, Signal::Impulses { every_s: 10.0, dbfs })).unwrap();
        room.set_clock(ClockModel::PERFECT, RoomTime::from_s(from_s)).unwrap();
        let mut sound = vec![0.0; n_frames];
        room.read(&mut sound).unwrap();
        sound
    }

    fn peak(sound: &[f32]) -> usize {
        (0..sound.len()).max_by(|&a, &b| sound[a].abs().total_cmp(&sound[b].abs())).unwrap()
    }

    #[test]
    fn an_impulse_is_found_to_a_thousandth_of_a_sample_wherever_it_stands() {
        for n in 0..50 {
            let place = 100.0 + f64::from(n) * 0.0613;
            let mut sound = room(-6.0, 10.0 - place / 48_000.0, 300);
            assert!((place_of_impulse(&sound, peak(&sound)).unwrap() - place).abs() < 1e-3, "{place}");
            sound.iter_mut().for_each(|sample| *sample *= -0.01);
            assert!((place_of_impulse(&sound, peak(&sound)).unwrap() - place).abs() < 1e-3, "{place}, upside down");
        }
    }

    #[test]
    fn a_resampler_on_its_way_moves_it_by_what_it_says() {
        let rate = SampleRate::HZ_48000;
        for quality in [Quality::Fast, Quality::Balanced, Quality::Best] {
            for n in 0..10 {
                let fraction = f64::from(n) / 10.0;
                let mut resampler = SteeredResampler::new(1, rate, rate, 256, quality).unwrap();
                resampler.restart(fraction, 1.0);
                let sound = room(-6.0, 10.0 - 200.0 / 48_000.0, resampler.input_frames_next(1.0));
                let mut heard = [0.0; 256];
                resampler.process(&sound, 1.0, &mut heard).unwrap();
                let expected = 200.0 - resampler.reach_frames() as f64 - fraction;
                let place = place_of_impulse(&heard, peak(&heard)).unwrap();
                assert!((place - expected).abs() < 1e-3, "{quality:?} {fraction}: {place}, expected {expected}");
            }
        }
    }

    #[test]
    fn too_near_an_end_is_nowhere() {
        assert_eq!(place_of_impulse(&[1.0; 40], 5), None);
        assert_eq!(place_of_impulse(&[1.0; 40], 35), None);
        assert_eq!(place_of_impulse(&[], 0), None);
    }
}
