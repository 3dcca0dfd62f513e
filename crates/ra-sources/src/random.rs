//! Random numbers by counter: each one is a pure function of (seed, stream, index), so that any can be had at any time.
//! Keeps no state and is no cryptography.

use std::f64::consts::TAU;

/// A stream of random numbers that can be read at any index, in any order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RandomStream {
    key: u64,
}

impl RandomStream {
    /// The stream named `stream` of `seed`. Streams of one seed are independent of each other.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self { key: mix(mix(seed ^ 0x5261_2d73_6f75_6e64).wrapping_add(stream)) }
    }

    /// The pair of independent standard normal values at `index`, by the Box–Muller transform (Ann. Math. Stat. 29, 1958).
    pub(crate) fn gaussian_pair(self, index: i64) -> (f64, f64) {
        let a = mix(self.key ^ mix(index as u64));
        let b = mix(a ^ self.key.rotate_left(32));
        // (0, 1]: the logarithm needs more than 0. 53 bits are what an f64 holds.
        let u = ((a >> 11) + 1) as f64 * 2f64.powi(-53);
        let v = (b >> 11) as f64 * 2f64.powi(-53);
        let radius = (-2.0 * u.ln()).sqrt();
        let (sin, cos) = (TAU * v).sin_cos();
        (radius * cos, radius * sin)
    }

    /// A number that is even over 0 to 1, without 1, at `index`.
    pub(crate) fn uniform(self, index: i64) -> f64 {
        (mix(self.key ^ mix(index as u64)) >> 11) as f64 * 2f64.powi(-53)
    }

    /// One standard normal value at `index`.
    pub(crate) fn gaussian(self, index: i64) -> f64 {
        self.gaussian_pair(index).0
    }
}

/// One step of SplitMix64: a bijection of 64-bit words whose output passes the usual test batteries
/// (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
const fn mix(word: u64) -> u64 {
    let z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_normal_and_white_and_streams_differ() {
        let (a, b) = (RandomStream::new(7, 0), RandomStream::new(7, 1));
        let n = 200_000i64;
        let (mut sum, mut square, mut fourth, mut lag, mut cross) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for i in -n / 2..n / 2 {
            let x = a.gaussian(i);
            sum += x;
            square += x * x;
            fourth += x.powi(4);
            lag += x * a.gaussian(i + 1);
            cross += x * b.gaussian(i);
        }
        let n = n as f64;
        // Each bound is about five standard errors.
        assert!((sum / n).abs() < 0.012);
        assert!((square / n - 1.0).abs() < 0.016);
        assert!((fourth / n - 3.0).abs() < 0.12);
        assert!((lag / n).abs() < 0.012);
        assert!((cross / n).abs() < 0.012);
    }
}
