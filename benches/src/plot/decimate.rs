//! Long series made short without losing a peak. Knows no picture.

/// Keeps the lowest and the highest point of each column, in their order, and the first and the last point.
///
/// `points` go from left to right; `column` says in which column an x falls. None of them may be NaN.
pub(super) fn min_max(points: &[(f64, f64)], column: impl Fn(f64) -> usize) -> Vec<(f64, f64)> {
    let mut kept = Vec::new();
    for group in points.chunk_by(|a, b| column(a.0) == column(b.0)) {
        let by_value = |a: &(usize, &(f64, f64)), b: &(usize, &(f64, f64))| a.1.1.total_cmp(&b.1.1);
        let lowest = group.iter().enumerate().min_by(by_value).map(|(at, _)| at);
        let highest = group.iter().enumerate().max_by(by_value).map(|(at, _)| at);
        let (Some(lowest), Some(highest)) = (lowest, highest) else { continue };
        kept.push(group[lowest.min(highest)]);
        if lowest != highest {
            kept.push(group[lowest.max(highest)]);
        }
    }
    if let (Some(&first), Some(&last)) = (points.first(), points.last()) {
        if kept.first() != Some(&first) {
            kept.insert(0, first);
        }
        if kept.last() != Some(&last) {
            kept.push(last);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_of_one_point_in_a_million_stays() {
        let points: Vec<(f64, f64)> = (0..1_000_000)
            .map(|n| (f64::from(n), if n == 123_456 { 9.0 } else { (f64::from(n) * 0.1).sin() }))
            .collect();
        let kept = min_max(&points, |x| (x / 1000.0) as usize);
        assert!(kept.len() <= 2 * 1000 + 2, "{}", kept.len());
        assert!(kept.contains(&(123_456.0, 9.0)));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!((kept[0], kept[kept.len() - 1]), (points[0], points[999_999]));
    }

    #[test]
    fn what_is_short_is_kept_whole() {
        let points = [(0.0, 1.0), (1.0, 0.5), (2.0, 0.7)];
        assert_eq!(min_max(&points, |x| x as usize), points);
        assert_eq!(min_max(&points[..1], |x| x as usize), points[..1]);
        assert_eq!(min_max(&[], |x| x as usize), []);
    }
}
