//! What a frame's filter is made of: where it begins, between which of the table's rows it is, and how much each of them
//! counts. Reads no sound.

use super::filter::Filter;
use super::lanes::Lanes;
use super::path::{Path, least, whole_number};

/// Frames whose places are worked out together, so that the compiler does several at once.
pub(super) const PLANNED: usize = 32;

/// For some frames: where their filters begin, which of the table's rows they are between, and how much each row counts.
pub(super) struct Plan<'a, const POINTS: usize> {
    filter: &'a Filter,
    pub(super) begins: [u64; PLANNED],
    rows: [u64; PLANNED],
    weights: [[f32; PLANNED]; POINTS],
}

impl<'a, const POINTS: usize> Plan<'a, POINTS> {
    #[inline(always)]
    pub(super) fn new(filter: &'a Filter) -> Self {
        Self { filter, begins: [0; PLANNED], rows: [0; PLANNED], weights: [[0.0; PLANNED]; POINTS] }
    }

    /// For the frames from `first` on, whether they exist or not.
    #[inline(always)]
    pub(super) fn make(&mut self, path: &Path, first: usize) {
        let phases = self.filter.phases;
        let first = first as f64;
        for index in 0..PLANNED {
            let (whole, gap) = path.place(first + index as f64);
            let at = gap * phases;
            // A gap just below 1 may round up to the number of phases.
            let phase = least(at.floor(), phases - 1.0);
            self.begins[index] = whole_number(whole);
            self.rows[index] = whole_number(phase);
            let t = (at - phase) as f32;
            if POINTS == 2 {
                self.weights[0][index] = 1.0 - t;
                self.weights[1][index] = t;
            } else {
                // Lagrange's polynomial through −1, 0, 1 and 2.
                let (below, above) = (t * (t - 1.0), (t + 1.0) * (t - 2.0));
                self.weights[0][index] = below * (t - 2.0) * (-1.0 / 6.0);
                self.weights[1][index] = above * (t - 1.0) * 0.5;
                self.weights[2][index] = above * t * -0.5;
                self.weights[3][index] = below * (t + 1.0) * (1.0 / 6.0);
            }
        }
    }

    /// The first of the rows that planned frame `index` is between, and their weights.
    #[inline(always)]
    pub(super) fn at<L: Lanes>(&self, index: usize) -> (usize, [L; POINTS]) {
        let mut weights = [L::splat(0.0); POINTS];
        for (weight, values) in weights.iter_mut().zip(&self.weights) {
            *weight = L::splat(values[index]);
        }
        (self.rows[index] as usize, weights)
    }
}
