//! Counts what the test programs say, while it passes through.

use std::{
    io::{BufRead, BufReader, Write as _},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::repo::{Repo, cargo};

/// How many tests did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    failed: u64,
    ignored: u64,
    programs: u64,
}

impl Tally {
    /// Reads a line such as `test result: ok. 20 passed; 0 failed; 1 ignored; 0 measured; …`.
    fn of_line(line: &str) -> Option<Self> {
        let (_, counts) = line.split_once("test result: ")?.1.split_once(". ")?;
        let mut tally = Self { programs: 1, ..Self::default() };
        for count in counts.split("; ") {
            let mut words = count.split_whitespace();
            let (Some(Ok(number)), Some(what)) = (words.next().map(str::parse), words.next()) else { continue };
            match what {
                "passed" => tally.passed = number,
                "failed" => tally.failed = number,
                "ignored" => tally.ignored = number,
                _ => {}
            }
        }
        Some(tally)
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.programs += other.programs;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { passed, failed, ignored, programs } = self;
        write!(f, "{passed} passed, {failed} failed, {ignored} ignored, in {programs} test programs")
    }
}

/// Runs cargo with these words, lets its output through, and says what was counted and whether cargo succeeded.
pub(super) fn run_and_count(repo: &Repo, words: &[&str]) -> Result<(Tally, bool)> {
    eprintln!("$ cargo {}", words.join(" "));
    let mut command = Command::new(cargo());
    command.args(words).current_dir(&repo.root).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot run cargo")?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        let mut out = std::io::stdout().lock();
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        // By bytes: a test may print anything.
        while reader.read_until(b'\n', &mut line).context("cannot read what cargo says")? > 0 {
            out.write_all(&line)?;
            if let Some(counted) = Tally::of_line(&String::from_utf8_lossy(&line)) {
                tally += counted;
            }
            line.clear();
        }
        out.flush()?;
    }
    let status = child.wait().context("cargo is gone")?;
    Ok((tally, status.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_counted_and_others_are_not() {
        let line =
            "test result: FAILED. 20 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.40s\n";
        let expected = Tally { passed: 20, failed: 2, ignored: 1, programs: 1 };
        assert_eq!(Tally::of_line(line), Some(expected));
        assert_eq!(Tally::of_line("test tally::ok ... ok"), None);
        let mut sum = expected;
        sum += expected;
        assert_eq!(sum.to_string(), "40 passed, 4 failed, 2 ignored, in 2 test programs");
    }
}
