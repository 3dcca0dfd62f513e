//! An axis: its range, where its ticks stand, and how numbers are written on it. Draws nothing.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// What an axis shows, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it is and its unit: `offset (us)`.
    pub label: String,
    /// How values are spread along it.
    pub scale: Scale,
    /// The lowest and the highest value that it shows; what lies outside is drawn at the edge. `None`: as much as the
    /// series and marks need.
    pub range: Option<(f64, f64)>,
}

/// How values are spread along an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// By their logarithms. What is not positive is drawn at the lower edge.
    Log,
}

impl Axis {
    /// A linear axis that shows everything.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), scale: Scale::Linear, range: None }
    }

    /// A logarithmic axis that shows everything.
    pub fn log(label: impl Into<String>) -> Self {
        Self { scale: Scale::Log, ..Self::linear(label) }
    }

    /// The same axis, from `low` to `high`.
    #[must_use]
    pub fn over(self, low: f64, high: f64) -> Self {
        Self { range: Some((low, high)), ..self }
    }

    /// The ends that hold `values`: on a linear axis with `air`, a part of its length, at both; on a logarithmic one, on a
    /// whole decade.
    pub(super) fn span(&self, values: impl Iterator<Item = f64>, air: f64) -> Span {
        if let Some((low, high)) = self.range.filter(|(low, high)| low < high && (self.scale.takes(*low))) {
            return Span { low, high, scale: self.scale };
        }
        let (low, high) = values
            .filter(|&value| value.is_finite() && self.scale.takes(value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = match self.scale {
            _ if low > high => (1.0, 10.0),
            Scale::Linear => {
                let air = if low == high { low.abs().max(1.0) * 0.1 } else { (high - low) * air };
                (low - air, high + air)
            }
            Scale::Log => {
                let (low, high) = (low.log10().floor(), high.log10().ceil());
                (10f64.powf(low), 10f64.powf(if low == high { high + 1.0 } else { high }))
            }
        };
        Span { low, high, scale: self.scale }
    }
}

impl Scale {
    fn takes(self, value: f64) -> bool {
        self == Scale::Linear || value > 0.0
    }
}

/// An axis whose ends are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    low: f64,
    high: f64,
    scale: Scale,
}

impl Span {
    /// How far along the axis a value stands: 0 at its lower end, 1 at its upper one.
    pub(super) fn part(&self, value: f64) -> f64 {
        let along = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(self.low).log10(),
        };
        let (low, high) = (along(self.low), along(self.high));
        ((along(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    fn ticks(&self, most: usize) -> Vec<f64> {
        match self.scale {
            Scale::Linear => self.even_ticks(most.max(2)),
            Scale::Log => self.decades(most.max(2)),
        }
    }

    /// Multiples of 1, 2 or 5 times a power of ten.
    fn even_ticks(&self, most: usize) -> Vec<f64> {
        let step = self.step(most);
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        (first..=last).map(|n| n as f64 * step).collect()
    }

    fn step(&self, most: usize) -> f64 {
        let rough = (self.high - self.low) / most as f64;
        let decade = 10f64.powf(rough.log10().floor());
        let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * decade >= rough * 0.999_999);
        factor.unwrap_or(10.0) * decade
    }

    /// Powers of ten; where there are few, 2 and 5 of each too.
    fn decades(&self, most: usize) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let inside = |value: &f64| (self.low * 0.999..=self.high * 1.001).contains(value);
        let all = |factors: &[f64], every: usize| -> Vec<f64> {
            (first..=last)
                .step_by(every)
                .flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)))
                .filter(inside)
                .collect()
        };
        let fine = all(&[1.0, 2.0, 5.0], 1);
        if fine.len() <= most {
            return fine;
        }
        let n_decades = usize::try_from(last - first + 1).unwrap_or(1);
        all(&[1.0], n_decades.div_ceil(most).max(1))
    }
}

impl Ranged for Span {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        limit.0 + (self.part(*value) * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        self.ticks(hint.bold_points())
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Span {
    fn format(value: &f64) -> String {
        number(*value)
    }
}

/// A number with as many digits as it needs, up to four.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-6..=6).contains(&magnitude) {
        return format!("{value:.0e}");
    }
    let decimals = usize::try_from(3 - magnitude).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(scale: Scale, low: f64, high: f64) -> Span {
        Axis { label: String::new(), scale, range: Some((low, high)) }.span(std::iter::empty(), 0.0)
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(span(Scale::Linear, -0.3, 10.2).ticks(6), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(span(Scale::Linear, 0.0, 600.0).ticks(7), [0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0]);
        let close = |ticks: &[f64], expected: &[f64]| {
            assert_eq!(ticks.len(), expected.len(), "{ticks:?}");
            assert!(ticks.iter().zip(expected).all(|(a, b)| (a / b - 1.0).abs() < 1e-9), "{ticks:?}");
        };
        close(&span(Scale::Log, 0.1, 100.0).ticks(5), &[0.1, 1.0, 10.0, 100.0]);
        close(&span(Scale::Log, 1.0, 10.0).ticks(5), &[1.0, 2.0, 5.0, 10.0]);
        close(&span(Scale::Log, 1e-6, 1e6).ticks(7), &[1e-6, 1e-4, 1e-2, 1.0, 1e2, 1e4, 1e6]);
    }

    #[test]
    fn values_have_their_place_and_those_outside_the_edge() {
        let linear = span(Scale::Linear, 10.0, 20.0);
        assert_eq!([10.0, 15.0, 20.0, 30.0, 0.0].map(|value| linear.part(value)), [0.0, 0.5, 1.0, 1.0, 0.0]);
        let log = span(Scale::Log, 0.01, 100.0);
        assert!((log.part(1.0) - 0.5).abs() < 1e-12);
        assert_eq!([0.0, -5.0, 1e9].map(|value| log.part(value)), [0.0, 0.0, 1.0]);
        assert_eq!((linear.map(&15.0, (0, 100)), linear.map(&15.0, (100, 0))), (50, 50));
    }

    #[test]
    fn an_axis_without_a_range_holds_what_there_is() {
        let span = |axis: Axis, values: &[f64]| {
            let Range { start, end } = axis.span(values.iter().copied(), 0.04).range();
            (start, end)
        };
        let (low, high) = span(Axis::linear("x"), &[1.0, f64::NAN, 3.0]);
        assert!(low < 1.0 && low > 0.8 && high > 3.0 && high < 3.2);
        let (low, high) = span(Axis::log("x"), &[0.3, 0.0, -1.0, 70.0]);
        assert!((low - 0.1).abs() < 1e-12 && (high - 100.0).abs() < 1e-9);
        for axis in [Axis::linear("x"), Axis::log("x"), Axis::log("x").over(0.0, 1.0)] {
            for values in [&[][..], &[5.0], &[10.0, 10.0]] {
                let (low, high) = span(axis.clone(), values);
                assert!(low < high && low.is_finite() && high.is_finite(), "{axis:?} {values:?}");
            }
        }
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        for (value, text) in [
            (0.0, "0"),
            (10.0, "10"),
            (2.5, "2.5"),
            (-0.25, "-0.25"),
            (0.001, "0.001"),
            (1e5, "100000"),
            (0.300_000_000_000_000_04, "0.3"),
            (1e9, "1e9"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
