//! What a soak has to hold, one line each, and what it came out as.

/// Lines of "what, is, must be", and whether all hold.
#[derive(Clone, Debug, Default)]
pub struct Criteria {
    lines: Vec<(bool, String)>,
}

impl Criteria {
    /// Notes one: `what` came out as `is`, where `bound` had to hold.
    pub fn check(&mut self, holds: bool, what: impl std::fmt::Display, is: impl std::fmt::Display, bound: &str) {
        self.lines.push((holds, format!("{what}: {is} (must be {bound})")));
    }

    /// Whether all hold.
    pub fn hold(&self) -> bool {
        self.lines.iter().all(|(holds, _)| *holds)
    }
}

impl std::fmt::Display for Criteria {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (holds, line) in &self.lines {
            writeln!(f, "{} {line}", if *holds { "ok    " } else { "FAILED" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_does_not_hold_fails_the_whole_and_is_named() {
        let mut criteria = Criteria::default();
        criteria.check(true, "a", 1, "1");
        assert!(criteria.hold());
        criteria.check(false, "b", 2, "at most 1");
        assert!(!criteria.hold());
        assert_eq!(criteria.to_string(), "ok     a: 1 (must be 1)\nFAILED b: 2 (must be at most 1)\n");
    }
}
