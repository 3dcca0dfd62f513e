//! From routing in a person's words (pan, gain, channel maps) to the coefficients of a gain matrix. Control side only.

use std::f32::consts::FRAC_PI_2;

/// How loud a mono source is at the centre of a stereo bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MonoLaw {
    /// −3 dB on both sides: as loud in the room wherever it is panned.
    #[default]
    Minus3Db,
    /// 0 dB on both sides: a mono file and the same file in stereo give the same mix.
    Unity,
}

/// The coefficients that route `n_in` channels to `n_out`, one row of `n_in` per output, as
/// [`GainMatrix`](crate::GainMatrix) takes them.
///
/// - one channel to two or more: to the first two. [`MonoLaw::Minus3Db`] is the equal-power law
///   `cos(x·π/2), sin(x·π/2)` with `x = (pan + 1) / 2` (W3C Web Audio API, "StereoPannerNode panning", mono input).
///   [`MonoLaw::Unity`] passes both at `gain_lin` and balances as below.
/// - two channels to two or more: to the first two, by balance: the side panned to keeps `gain_lin`, the other is
///   attenuated by `cos(|pan|·π/2)`, which is the falling half of the same curve. At the centre both pass at
///   `gain_lin`.
/// - two channels to one: half of each; pan has no meaning there and is not looked at.
/// - all else: channel *i* to channel *i* for the first `min(n_in, n_out)`; inputs beyond that are not heard, outputs
///   beyond that stay silent. Pan is not looked at.
///
/// `pan` is −1 (left) to 1 (right); what is outside is clamped, NaN is the centre.
///
/// # Real-time safety
/// Not real-time safe: allocates.
///
/// # Examples
/// ```
/// let half_left = ra_dsp::routing_gains(2, 2, 1.0, -0.5, ra_dsp::MonoLaw::Minus3Db);
/// assert_eq!(half_left[0], 1.0);
/// assert!((half_left[3] - 0.7071).abs() < 1e-4);
/// ```
pub fn routing_gains(n_in: usize, n_out: usize, gain_lin: f32, pan: f32, law: MonoLaw) -> Vec<f32> {
    let pan = if pan.is_nan() { 0.0 } else { pan.clamp(-1.0, 1.0) };
    match (n_in, n_out, law) {
        (1, 2.., MonoLaw::Minus3Db) => {
            let angle = (pan + 1.0) / 2.0 * FRAC_PI_2;
            map_gains(1, n_out, &[(0, 0, gain_lin * end_exact(angle.cos())), (0, 1, gain_lin * angle.sin())])
        }
        (1, 2.., MonoLaw::Unity) => {
            let (left, right) = balance(pan);
            map_gains(1, n_out, &[(0, 0, gain_lin * left), (0, 1, gain_lin * right)])
        }
        (2, 2.., _) => {
            let (left, right) = balance(pan);
            map_gains(2, n_out, &[(0, 0, gain_lin * left), (1, 1, gain_lin * right)])
        }
        (2, 1, _) => map_gains(2, 1, &[(0, 0, gain_lin * 0.5), (1, 0, gain_lin * 0.5)]),
        _ => {
            let identity: Vec<_> = (0..n_in.min(n_out)).map(|channel| (channel, channel, gain_lin)).collect();
            map_gains(n_in, n_out, &identity)
        }
    }
}

/// The coefficients of an explicit map: each entry sends input channel `.0` to output channel `.1` with the linear gain
/// `.2`. Entries for one pair add up; entries outside of `n_in` × `n_out` are left out.
///
/// # Real-time safety
/// Not real-time safe: allocates.
pub fn map_gains(n_in: usize, n_out: usize, map: &[(usize, usize, f32)]) -> Vec<f32> {
    let mut coefficients = vec![0.0; n_in * n_out];
    for &(from, to, gain_lin) in map.iter().filter(|&&(from, to, _)| from < n_in && to < n_out) {
        coefficients[to * n_in + from] += gain_lin;
    }
    coefficients
}

fn balance(pan: f32) -> (f32, f32) {
    let away = end_exact((pan.abs() * FRAC_PI_2).cos());
    if pan < 0.0 { (1.0, away) } else { (away, 1.0) }
}

/// cos(π/2) is not quite 0 in floating point; hard left is silence on the right.
fn end_exact(gain: f32) -> f32 {
    if gain < 1e-6 { 0.0 } else { gain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lin_to_db;
    use proptest::prelude::*;

    #[test]
    fn stereo_at_centre_passes_at_0_db_and_mono_at_minus_3() {
        assert_eq!(routing_gains(2, 2, 1.0, 0.0, MonoLaw::Minus3Db), [1.0, 0.0, 0.0, 1.0]);
        for gain in routing_gains(1, 2, 1.0, 0.0, MonoLaw::Minus3Db) {
            assert!((lin_to_db(gain) + 3.0103).abs() < 1e-3);
        }
        assert_eq!(routing_gains(1, 2, 1.0, 0.0, MonoLaw::Unity), [1.0, 1.0]);
    }

    #[test]
    fn hard_panned_is_silent_on_the_other_side() {
        for law in [MonoLaw::Minus3Db, MonoLaw::Unity] {
            assert_eq!(routing_gains(1, 2, 1.0, -1.0, law), [1.0, 0.0]);
            assert_eq!(routing_gains(1, 2, 1.0, 1.0, law), [0.0, 1.0]);
        }
        assert_eq!(routing_gains(2, 2, 2.0, 7.0, MonoLaw::Unity), [0.0, 0.0, 0.0, 2.0]);
    }

    #[test]
    fn other_widths_keep_their_first_channels() {
        assert_eq!(routing_gains(2, 1, 1.0, 0.3, MonoLaw::Unity), [0.5, 0.5]);
        assert_eq!(routing_gains(3, 2, 0.5, 0.3, MonoLaw::Unity), [0.5, 0.0, 0.0, 0.0, 0.5, 0.0]);
        assert_eq!(routing_gains(2, 3, 1.0, 0.0, MonoLaw::Unity), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(routing_gains(1, 3, 1.0, 0.0, MonoLaw::Unity), [1.0, 1.0, 0.0]);
        assert_eq!(routing_gains(1, 1, 0.7, 1.0, MonoLaw::Minus3Db), [0.7]);
        assert_eq!(routing_gains(4, 1, 1.0, 0.0, MonoLaw::Unity), [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_map_adds_up_and_leaves_out_what_is_not_there() {
        assert_eq!(
            map_gains(2, 2, &[(0, 1, 0.5), (0, 1, 0.25), (1, 0, 1.0), (2, 0, 1.0), (0, 2, 1.0)]),
            [0.0, 1.0, 0.75, 0.0]
        );
    }

    proptest! {
        #[test]
        fn mono_power_is_the_same_everywhere(pan in -1.0f32..=1.0) {
            let gains = routing_gains(1, 2, 1.0, pan, MonoLaw::Minus3Db);
            prop_assert!((gains[0] * gains[0] + gains[1] * gains[1] - 1.0).abs() < 1e-5);
        }
    }
}
