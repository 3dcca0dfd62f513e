//! The low-pass filter of the steered resampler, as a table of phases. Design only: it touches no sound.
//!
//! A sinc under a Kaiser window. The window's shape for an attenuation of A dB is β = 0.1102·(A − 8.7), and a filter of N
//! taps then goes from pass to stop within (A − 7.95) / (2.285·(N − 1)) radians per sample: J. F. Kaiser, "Nonrecursive
//! digital filter design using the I0-sinh window function", Proc. IEEE International Symposium on Circuits and Systems,
//! 1974; A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal Processing", on design by the Kaiser window.

use std::f64::consts::PI;

use super::kernel::{AlignedGroup, GROUP_TAPS};
use super::lanes::LANES;
use crate::Quality;

/// How far up the sound that people hear goes.
const HEARD_HZ: f64 = 20_000.0;

/// What a quality asks of the filter. Lengths and phases are those at equal rates.
struct Design {
    taps: usize,
    attenuation_db: f64,
    phases: usize,
    interpolation: Interpolation,
    /// The −6 dB point as a part of half the lower rate; none: as high as leaves nothing above −130 dB to fold.
    cutoff: Option<f64>,
}

/// How coefficients between two phases are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interpolation {
    /// On a straight line, through 2 phases.
    Linear,
    /// On Lagrange's polynomial through 4 phases.
    Cubic,
}

impl Interpolation {
    /// Phases that it takes together.
    pub(super) const fn points(self) -> usize {
        match self {
            Self::Linear => 2,
            Self::Cubic => 4,
        }
    }
}

/// The impulse response at `phases` places between two frames.
///
/// Row `p` is for a read position `(p − first) / phases` of a frame before a whole frame, `first` being 0 for linear
/// interpolation and 1 for cubic, so that the rows from `p` on are those around phase `p`. Tap `k` of a row is for the
/// input frame `taps/2 − k` before that whole frame. Every row sums up to 1.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) taps: usize,
    /// A whole number, at least 1.
    pub(super) phases: f64,
    pub(super) interpolation: Interpolation,
    /// Row behind row, each in groups of taps.
    pub(super) rows: Vec<AlignedGroup>,
}

/// Chosen by measurement: the fewest taps and phases that reach what the type's documentation states.
// rt-lint: control-side
const fn design(quality: Quality) -> Design {
    use Interpolation::{Cubic, Linear};
    match quality {
        Quality::Fast => {
            Design { taps: 32, attenuation_db: 90.0, phases: 128, interpolation: Linear, cutoff: Some(0.96) }
        }
        Quality::Balanced => {
            Design { taps: 64, attenuation_db: 120.0, phases: 32, interpolation: Cubic, cutoff: Some(0.95) }
        }
        Quality::Best => Design { taps: 128, attenuation_db: 145.0, phases: 64, interpolation: Cubic, cutoff: None },
    }
}

// rt-lint: control-side
impl Filter {
    /// The filter from `in_hz` to `out_hz`. Where the output is slower, the filter grows as long as the ratio asks.
    pub(super) fn new(quality: Quality, in_hz: f64, out_hz: f64) -> Self {
        let design = design(quality);
        let stretch = (in_hz / out_hz).max(1.0);
        let taps = ((design.taps as f64 * stretch).ceil() as usize).next_multiple_of(GROUP_TAPS);
        let phases = (design.phases as f64 / stretch).ceil() as usize;
        // Of 1: half the input's rate.
        let cutoff = design.cutoff_hz(in_hz.min(out_hz)) / (in_hz / 2.0);
        let beta = 0.1102 * (design.attenuation_db - 8.7);
        let points = design.interpolation.points();
        let first = points / 2 - 1;
        let mut rows = Vec::with_capacity((phases + points - 1) * taps / GROUP_TAPS);
        let half = taps as f64 / 2.0;
        let mut row = vec![0.0; taps];
        for index in 0..phases + points - 1 {
            let gap = (index as f64 - first as f64) / phases as f64;
            for (k, tap) in row.iter_mut().enumerate() {
                let at = k as f64 - half + gap;
                *tap = sinc(cutoff * at) * kaiser(at / half, beta);
            }
            let sum: f64 = row.iter().sum();
            rows.extend(row.chunks_exact(GROUP_TAPS).map(|taps| {
                let mut group = AlignedGroup([[0.0; LANES]; GROUP_TAPS / LANES]);
                for (to, &tap) in group.0.as_flattened_mut().iter_mut().zip(taps) {
                    *to = (tap / sum) as f32;
                }
                group
            }));
        }
        Self { taps, phases: phases as f64, interpolation: design.interpolation, rows }
    }
}

// rt-lint: control-side
impl Design {
    /// The −6 dB point, for the lower of the two rates.
    fn cutoff_hz(&self, lower_hz: f64) -> f64 {
        if let Some(part) = self.cutoff {
            return part * lower_hz / 2.0;
        }
        // Half of the way from pass to stop.
        let half_hz = (self.attenuation_db - 7.95) / (2.285 * (self.taps as f64 - 1.0)) / PI * lower_hz / 4.0;
        // All that would fold is stopped. But at 44.1 kHz that would reach below 20 kHz: there, what lies between 22.05
        // and 23.4 kHz may fold to above 20.7 kHz, where nobody hears it.
        let all_stopped = lower_hz / 2.0 - half_hz;
        let all_heard = HEARD_HZ + half_hz;
        if all_heard <= lower_hz / 2.0 { all_stopped.max(all_heard) } else { all_stopped }
    }
}

/// sin(πx) / πx.
fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The Kaiser window: 1 in the middle, 0 beyond ±1.
fn kaiser(x: f64, beta: f64) -> f64 {
    let below = 1.0 - x * x;
    if below < 0.0 { 0.0 } else { bessel_i0(beta * below.sqrt()) / bessel_i0(beta) }
}

/// The modified Bessel function of the first kind and order 0, by its power series (Abramowitz and Stegun, 9.6.12),
/// which converges fast for what windows need.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..200 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < sum * 1e-18 {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_is_what_tables_say() {
        // Abramowitz and Stegun, tables 9.8 and 9.11.
        for (x, expected) in [(0.0, 1.0), (1.0, 1.266_065_877_752_008_3), (10.0, 2_815.716_628_466_254)] {
            assert!((bessel_i0(x) / expected - 1.0).abs() < 1e-14, "{x}: {}", bessel_i0(x));
        }
    }

    #[test]
    fn every_row_passes_direct_current_and_neighbours_join() {
        for quality in [Quality::Fast, Quality::Balanced, Quality::Best] {
            for (in_hz, out_hz) in [(48e3, 48e3), (44.1e3, 48e3), (192e3, 8e3), (768e3, 1e3)] {
                let filter = Filter::new(quality, in_hz, out_hz);
                let points = filter.interpolation.points();
                let rows: Vec<f32> = filter.rows.iter().flat_map(|group| group.0.as_flattened()).copied().collect();
                assert_eq!(rows.len(), (filter.phases as usize + points - 1) * filter.taps);
                for row in rows.chunks(filter.taps) {
                    let sum: f64 = row.iter().copied().map(f64::from).sum();
                    assert!((sum - 1.0).abs() < 1e-6, "{quality} {in_hz}: {sum}");
                }
                // A whole frame on, the same filter begins again.
                let first = points / 2 - 1;
                let row = |index: usize| &rows[index * filter.taps..][..filter.taps];
                let (here, next) = (row(first), row(first + filter.phases as usize));
                for (a, b) in here[1..].iter().zip(next) {
                    assert!((a - b).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn cutoffs_leave_what_is_heard_and_stop_what_folds() {
        let best = design(Quality::Best);
        let at = |lower_hz: f64| best.cutoff_hz(lower_hz).round();
        assert_eq!((at(48e3), at(44.1e3), at(96e3)), (22_196.0, 21_657.0, 44_392.0));
        assert_eq!((at(32e3), at(8e3)), (14_797.0, 3699.0));
        assert_eq!(design(Quality::Fast).cutoff_hz(48e3), 23_040.0);
    }
}
