//! What is drawn: named points from left to right. Knows no axis.

/// A line with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// For the legend.
    pub name: String,
    /// Points, x ascending. Where a coordinate is NaN or infinite the line has a gap.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// Points with a name.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points }
    }

    /// How values are distributed, for their tail: for each value the part, in percent, that is at least as large. To be
    /// drawn on a logarithmic y axis. Values that are not finite are left out.
    pub fn exceedance(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let sorted = sorted(values);
        let percent = 100.0 / sorted.len() as f64;
        let points =
            sorted.iter().enumerate().map(|(n, &value)| (value, (sorted.len() - n) as f64 * percent)).collect();
        Self::new(name, points)
    }

    /// How values are distributed, for their middle: for each value the part, in percent, that is at most as large.
    /// Values that are not finite are left out.
    pub fn cumulative(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let sorted = sorted(values);
        let percent = 100.0 / sorted.len() as f64;
        let points = sorted.iter().enumerate().map(|(n, &value)| (value, (n + 1) as f64 * percent)).collect();
        Self::new(name, points)
    }

    /// The pieces between gaps.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[(f64, f64)]> {
        self.points.split(|(x, y)| !x.is_finite() || !y.is_finite()).filter(|piece| !piece.is_empty())
    }
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_count_every_value() {
        let values = [3.0, 1.0, f64::NAN, 2.0, 4.0];
        let tail = Series::exceedance("tail", values);
        assert_eq!(tail.points, [(1.0, 100.0), (2.0, 75.0), (3.0, 50.0), (4.0, 25.0)]);
        let middle = Series::cumulative("middle", values);
        assert_eq!(middle.points, [(1.0, 25.0), (2.0, 50.0), (3.0, 75.0), (4.0, 100.0)]);
        assert!(Series::exceedance("none", []).points.is_empty());
    }

    #[test]
    fn a_gap_cuts_the_line() {
        let series = Series::new("s", vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 2.0)]);
        let lengths: Vec<usize> = series.pieces().map(<[_]>::len).collect();
        assert_eq!(lengths, [1, 2]);
    }
}
