//! What is wrong with a config, and where: file, line, column, and what was expected. Prints nothing itself.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// How many problems are printed before the rest is only counted.
const MOST_PRINTED: usize = 50;
/// How many problems are kept before the rest is only counted: a file of nothing but errors must not fill the memory.
const MOST_KEPT: usize = 1000;

/// One thing that is wrong, or doubtful, in a config file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named on the command line.
    pub file: PathBuf,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// The column in characters, from 1; 0 where the file as a whole is meant.
    pub column: usize,
    /// Which key, what was found, and what was expected.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file.display(), self.message)
        } else {
            write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message)
        }
    }
}

/// Everything that is wrong with a config, in the order of its lines. Never empty. Beyond a thousand problems the last one
/// only counts the rest, and stands at no line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", join(problems))]
pub struct ConfigError {
    /// The problems.
    pub problems: Vec<Problem>,
}

fn join(problems: &[Problem]) -> String {
    let mut lines: Vec<String> = problems.iter().take(MOST_PRINTED).map(Problem::to_string).collect();
    if problems.len() > MOST_KEPT {
        lines.push(format!("and at least {} more", MOST_KEPT - MOST_PRINTED));
    } else if problems.len() > MOST_PRINTED {
        lines.push(format!("and {} more", problems.len() - MOST_PRINTED));
    }
    lines.join("\n")
}

/// A config's name and text: turns byte offsets into lines and columns.
#[derive(Clone, Debug)]
pub struct ConfigText {
    file: PathBuf,
    text: String,
}

impl ConfigText {
    /// Takes the text of `file`.
    ///
    /// # Errors
    /// [`ConfigError`] where the bytes are no UTF-8.
    pub fn new(file: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        let file = file.to_path_buf();
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { file, text: text.to_owned() }),
            Err(e) => {
                let valid = String::from_utf8_lossy(&bytes[..e.valid_up_to()]).into_owned();
                let offset = valid.len();
                let message = format!("byte 0x{:02x} is no UTF-8, expected a TOML text", bytes[offset]);
                Err(ConfigError { problems: vec![Self { file, text: valid }.problem(offset, message)] })
            }
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file's name as it was given.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A problem at a byte offset.
    pub fn problem(&self, offset: usize, message: String) -> Problem {
        let mut place = Place::START;
        self.problem_behind(&mut place, offset, message)
    }

    /// A problem at a byte offset that is not before `place`, which goes there: many problems cost one walk through the text.
    fn problem_behind(&self, place: &mut Place, offset: usize, message: String) -> Problem {
        let bytes = self.text.as_bytes();
        let offset = offset.clamp(place.offset, bytes.len());
        for &byte in &bytes[place.offset..offset] {
            match byte {
                b'\n' => (place.line, place.column) = (place.line + 1, 1),
                // Continuation bytes are not counted: a column is a character, whatever its length.
                _ => place.column += usize::from(byte & 0xc0 != 0x80),
            }
        }
        place.offset = offset;
        Problem { file: self.file.clone(), line: place.line, column: place.column, message }
    }
}

/// A byte offset, and the line and column that it has.
struct Place {
    offset: usize,
    line: usize,
    column: usize,
}

impl Place {
    const START: Place = Place { offset: 0, line: 1, column: 1 };
}

/// Where the parts of the parser put what they find, by byte offset.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    errors: RefCell<Found>,
    warnings: RefCell<Found>,
}

#[derive(Debug, Default)]
struct Found {
    kept: Vec<(usize, String)>,
    n_more: usize,
}

impl Found {
    fn note(&mut self, offset: usize, message: impl Into<String>) {
        if self.kept.len() < MOST_KEPT {
            self.kept.push((offset, message.into()));
        } else {
            self.n_more += 1;
        }
    }

    fn into_problems(mut self, text: &ConfigText) -> Vec<Problem> {
        self.kept.sort_by_key(|&(offset, _)| offset);
        let mut place = Place::START;
        let problem = |(offset, message)| text.problem_behind(&mut place, offset, message);
        let mut problems: Vec<_> = self.kept.into_iter().map(problem).collect();
        if self.n_more > 0 {
            let message = format!("and {} more problems", self.n_more);
            problems.push(Problem { file: text.file.clone(), line: 0, column: 0, message });
        }
        problems
    }
}

impl Findings {
    /// Notes what makes the config unusable.
    pub(crate) fn error(&self, offset: usize, message: impl Into<String>) {
        self.errors.borrow_mut().note(offset, message);
    }

    /// Notes what is doubtful: the config can be used.
    pub(crate) fn warning(&self, offset: usize, message: impl Into<String>) {
        self.warnings.borrow_mut().note(offset, message);
    }

    /// The warnings of a usable config, or every error.
    pub(crate) fn finish(self, text: &ConfigText) -> Result<Vec<Problem>, ConfigError> {
        let problems = self.errors.into_inner().into_problems(text);
        if problems.is_empty() {
            Ok(self.warnings.into_inner().into_problems(text))
        } else {
            Err(ConfigError { problems })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_counted_in_characters() {
        let text = ConfigText::new(Path::new("a.toml"), "ü = 1\n\nxß = 2".as_bytes()).unwrap();
        let at = |offset| {
            let p = text.problem(offset, String::new());
            (p.line, p.column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(2), (1, 2)); // ü has two bytes
        assert_eq!(at(7), (2, 1));
        assert_eq!(at(8), (3, 1));
        assert_eq!(at(11), (3, 3));
        assert_eq!(at(9999), (3, 7)); // beyond the end: the end
        assert_eq!(text.problem(8, "x is bad".into()).to_string(), "a.toml:3:1: x is bad");
    }

    #[test]
    fn bytes_that_are_no_text_are_named_with_their_line() {
        let error = ConfigText::new(Path::new("a.toml"), b"a = 1\nb = \"\xff\"").unwrap_err();
        assert_eq!(error.to_string(), "a.toml:2:6: byte 0xff is no UTF-8, expected a TOML text");
    }

    #[test]
    fn a_flood_of_problems_is_counted_instead_of_printed() {
        let text = ConfigText::new(Path::new("a.toml"), b"x").unwrap();
        let findings = Findings::default();
        for n in 0..60 {
            findings.error(0, format!("fault {n}"));
        }
        let shown = findings.finish(&text).unwrap_err().to_string();
        assert!(shown.ends_with("fault 49\nand 10 more"), "{shown}");
    }

    #[test]
    fn a_sea_of_problems_is_bounded_and_the_rest_is_counted() {
        let text = ConfigText::new(Path::new("a.toml"), b"x\ny\nz").unwrap();
        let findings = Findings::default();
        for n in 0..2_500 {
            findings.error(n % 5, "fault");
        }
        let error = findings.finish(&text).unwrap_err();
        assert_eq!(error.problems.len(), 1001);
        assert_eq!(error.problems[1000].to_string(), "a.toml: and 1500 more problems");
        assert!(error.to_string().ends_with("and at least 950 more"), "{error}");
        let place = |n: usize| (error.problems[n].line, error.problems[n].column);
        assert_eq!([0, 200, 400, 600, 800].map(place), [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)]);
    }
}
