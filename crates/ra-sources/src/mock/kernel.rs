//! The windowed sinc that band-limits impulses and noise. Holds one table for the whole process; knows no signal.

use std::{f64::consts::PI, sync::OnceLock};

/// Points on each side of the centre, in units of the band's sample period.
pub(crate) const HALF_WIDTH: usize = 32;
/// Points that a value depends on.
pub(crate) const TAPS: usize = 2 * HALF_WIDTH;

/// Half-way down, as a part of the band's rate. With 64 points and 80 dB the transition is 0.08 wide (Kaiser 1974, as in
/// Oppenheim and Schafer, "Discrete-Time Signal Processing", 7.5.3): flat to 0.42, gone at half the rate.
const CUTOFF: f64 = 0.46;
/// For 80 dB, by the same source.
const KAISER_BETA: f64 = 8.0;
/// Rows of the table; between two, weights are interpolated linearly, which errs by less than −100 dB.
const PHASES: usize = 512;

/// The kernel at `x` band sample periods from its centre, 1 at the centre.
pub(crate) fn at(x: f64) -> f64 {
    let edge = x / HALF_WIDTH as f64;
    if edge.abs() >= 1.0 {
        return 0.0;
    }
    let angle = 2.0 * PI * CUTOFF * x;
    let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
    sinc * bessel_i0(KAISER_BETA * (1.0 - edge * edge).sqrt()) / bessel_i0(KAISER_BETA)
}

/// The modified Bessel function of the first kind, order 0, by its power series (Abramowitz and Stegun 9.6.12).
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..40 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}

/// Weights for white unit-variance points, scaled so that what comes out has unit variance too.
#[derive(Debug)]
pub(crate) struct NoiseTable {
    /// `PHASES + 1` rows: the weights of the points around a place that is `row / PHASES` past a point.
    rows: Vec<[f64; TAPS]>,
}

impl NoiseTable {
    /// The process's one table; made when it is first asked for.
    pub(crate) fn shared() -> &'static NoiseTable {
        static TABLE: OnceLock<NoiseTable> = OnceLock::new();
        TABLE.get_or_init(|| {
            let mut rows: Vec<[f64; TAPS]> = (0..=PHASES)
                .map(|row| {
                    let past = row as f64 / PHASES as f64;
                    std::array::from_fn(|tap| at(past + (HALF_WIDTH - 1) as f64 - tap as f64))
                })
                .collect();
            let power: f64 = rows[..PHASES].iter().flatten().map(|w| w * w).sum::<f64>() / PHASES as f64;
            let scale = 1.0 / power.sqrt();
            rows.iter_mut().flatten().for_each(|w| *w *= scale);
            NoiseTable { rows }
        })
    }

    /// The value `past` (0..1) after point `HALF_WIDTH - 1` of `points`.
    #[inline]
    pub(crate) fn interpolate(&self, points: &[f64; TAPS], past: f64) -> f64 {
        let place = past * PHASES as f64;
        let row = (place as usize).min(PHASES - 1);
        let blend = place - row as f64;
        let (low, high) = (&self.rows[row], &self.rows[row + 1]);
        // Four sums, so that the processor need not wait for each addition.
        let mut sums = [0.0; 4];
        for ((p, l), h) in points.chunks_exact(4).zip(low.chunks_exact(4)).zip(high.chunks_exact(4)) {
            for i in 0..4 {
                sums[i] += p[i] * (l[i] + blend * (h[i] - l[i]));
            }
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_flat_and_then_gone() {
        // Its response at a frequency, by the integral that a fine sum approximates.
        let response = |f: f64| -> f64 {
            let fine = 64;
            let reach = (HALF_WIDTH * fine) as i32;
            (-reach..reach)
                .map(|i| f64::from(i) / f64::from(fine as u32))
                .map(|x| at(x) * (2.0 * PI * f * x).cos() / f64::from(fine as u32))
                .sum()
        };
        let unity = response(0.0);
        for f in [0.1, 0.3, 0.4, 0.42] {
            assert!((20.0 * (response(f) / unity).abs().log10()).abs() < 0.01, "at {f}");
        }
        for f in [0.5, 0.55, 0.7, 0.95] {
            assert!(20.0 * (response(f) / unity).abs().log10() < -78.0, "at {f}");
        }
        assert_eq!(at(0.0), 1.0);
    }

    #[test]
    fn noise_weights_have_unit_power_at_every_phase() {
        for row in &NoiseTable::shared().rows {
            let power: f64 = row.iter().map(|w| w * w).sum();
            assert!((power - 1.0).abs() < 1e-3, "{power}");
        }
    }
}
