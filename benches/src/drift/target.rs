//! A figure beside the bound that it is held to.

use serde::Serialize;

/// One of the figures.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// What is held to a bound, with its unit.
    pub figure: String,
    /// What was found.
    pub value: f64,
    /// The bound.
    pub bound: f64,
    /// Whether the value has to be at most the bound, or at least.
    pub sense: Sense,
    /// Whether it is.
    pub is_met: bool,
}

/// On which side of the bound a value is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sense {
    /// Below it, or on it.
    AtMost,
    /// Above it, or on it.
    AtLeast,
}

impl Target {
    /// A value that should be small. One that is not a number misses.
    pub(super) fn at_most(figure: impl Into<String>, value: f64, bound: f64) -> Self {
        Self { figure: figure.into(), value, bound, sense: Sense::AtMost, is_met: value <= bound }
    }

    /// A value that should be large.
    pub(super) fn at_least(figure: impl Into<String>, value: f64, bound: f64) -> Self {
        Self { figure: figure.into(), value, bound, sense: Sense::AtLeast, is_met: value >= bound }
    }

    /// As a row of a table: figure, value, bound, met or missed.
    pub fn row(&self) -> [String; 4] {
        let sign = match self.sense {
            Sense::AtMost => "<=",
            Sense::AtLeast => ">=",
        };
        let verdict = if self.is_met { "met" } else { "MISSED" };
        [self.figure.clone(), format!("{:.4}", self.value), format!("{sign} {}", self.bound), verdict.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_has_two_sides_and_nonsense_is_on_neither() {
        assert!(Target::at_most("a", 1.0, 1.0).is_met && !Target::at_most("a", 1.1, 1.0).is_met);
        assert!(Target::at_least("a", 1.0, 1.0).is_met && !Target::at_least("a", 0.9, 1.0).is_met);
        assert!(!Target::at_most("a", f64::NAN, 1.0).is_met && !Target::at_least("a", f64::NAN, 1.0).is_met);
        assert_eq!(Target::at_least("speed", 700.0, 720.0).row(), ["speed", "700.0000", ">= 720", "MISSED"]);
    }
}
