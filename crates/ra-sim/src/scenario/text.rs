//! Lines and columns of a scenario's text, and the collection of what is wrong with it. Understands no TOML.

use std::cell::RefCell;
use std::path::Path;

use crate::{Problem, ScenarioError};

/// How many problems are told before the rest is only counted.
const MOST_TOLD: usize = 50;
/// How many are kept until the first ones of them are told: a file of nothing but errors must not fill the memory.
const MOST_KEPT: usize = 10_000;

/// The problem that a byte offset of a text has.
pub(super) fn problem_at(file: &Path, text: &[u8], offset: usize, message: String) -> Problem {
    let before = &text[..offset.min(text.len())];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    Problem {
        file: file.to_path_buf(),
        line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
        // Continuation bytes of UTF-8 are not counted: a column is a character, whatever its length.
        column: 1 + before[line_start..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count(),
        message,
    }
}

/// What was found so far, by byte offset.
#[derive(Debug, Default)]
pub(super) struct Findings(RefCell<Found>);

#[derive(Debug, Default)]
struct Found {
    kept: Vec<(usize, String)>,
    n_more: usize,
}

impl Findings {
    /// Notes what makes the scenario unusable.
    pub(super) fn error(&self, offset: usize, message: impl Into<String>) {
        let mut found = self.0.borrow_mut();
        if found.kept.len() < MOST_KEPT {
            found.kept.push((offset, message.into()));
        } else {
            found.n_more += 1;
        }
    }

    /// Nothing, or every error in the order of the lines.
    pub(super) fn finish(self, file: &Path, text: &[u8]) -> Result<(), ScenarioError> {
        let Found { kept: mut found, n_more } = self.0.into_inner();
        if found.is_empty() {
            return Ok(());
        }
        found.sort_by_key(|&(offset, _)| offset);
        let n_more = n_more + found.len().saturating_sub(MOST_TOLD);
        found.truncate(MOST_TOLD);
        let mut problems: Vec<Problem> =
            found.into_iter().map(|(offset, message)| problem_at(file, text, offset, message)).collect();
        if n_more > 0 {
            let message = format!("and {n_more} more problems");
            problems.push(Problem { file: file.to_path_buf(), line: 0, column: 0, message });
        }
        Err(ScenarioError { problems })
    }
}
