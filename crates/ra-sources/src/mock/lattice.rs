//! Band-limited Gaussian noise as a pure function of time: random points on a grid, joined by a windowed sinc.
//! Keeps a window of points; the same time gives the same value, whatever was asked before.

use ra_core::SampleRate;

use super::kernel::{HALF_WIDTH, NoiseTable, TAPS};
use crate::{RoomTime, random::RandomStream};

/// Points that are kept. Refilled when time leaves them, so that going on costs one point a sample.
const WINDOW: usize = 1024;

/// Noise of unit RMS times a weight, or a sum of such noises.
#[derive(Debug)]
pub(crate) struct Lattice {
    rate: SampleRate,
    /// Streams and their weights. As joining the points is linear, streams are added at the points.
    parts: Vec<(RandomStream, f64)>,
    points: Box<[f64; WINDOW]>,
    /// Index of `points[0]`; even, as points are made in pairs.
    window_start: Option<i64>,
    table: &'static NoiseTable,
}

impl Lattice {
    pub(crate) fn new(rate: SampleRate, parts: Vec<(RandomStream, f64)>) -> Self {
        Self { rate, parts, points: Box::new([0.0; WINDOW]), window_start: None, table: NoiseTable::shared() }
    }

    /// The noise at `t`.
    #[inline]
    pub(crate) fn at(&mut self, t: RoomTime) -> f64 {
        let hz = i64::from(self.rate.hz());
        let place = t.frac_s() * hz as f64;
        let below = place.floor();
        let first = t.whole_s() * hz + below as i64 - (HALF_WIDTH as i64 - 1);
        let at = match self.window_start {
            Some(start) if first >= start && first + TAPS as i64 <= start + WINDOW as i64 => (first - start) as usize,
            _ => self.refill(first),
        };
        match self.points[at..].first_chunk::<TAPS>() {
            Some(points) => self.table.interpolate(points, place - below),
            None => 0.0, // can't be: `refill` leaves TAPS points after `at`
        }
    }

    /// Makes the window begin at `first`, or one before it; returns where `first` is in it.
    fn refill(&mut self, first: i64) -> usize {
        let start = first & !1;
        self.window_start = Some(start);
        for (i, pair) in self.points.chunks_exact_mut(2).enumerate() {
            let index = (start >> 1) + i as i64;
            pair.fill(0.0);
            for &(stream, weight) in &self.parts {
                let (even, odd) = stream.gaussian_pair(index);
                pair[0] += weight * even;
                pair[1] += weight * odd;
            }
        }
        (first - start) as usize
    }
}
