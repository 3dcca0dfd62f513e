//! The words of a command line, taken one by one. Whatever is left at the end is an error. Knows no command.

use std::{ffi::OsString, time::Duration};

use anyhow::Result;

/// What is wrong with a command line: exit code 2.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// The words behind a command's name.
#[derive(Debug, Default)]
pub(crate) struct Args {
    words: Vec<String>,
}

impl Args {
    pub(crate) fn new(words: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let words = words.into_iter().map(|word| {
            word.into_string().map_err(|word| UsageError(format!("the argument {word:?} is not valid UTF-8")))
        });
        Ok(Self { words: words.collect::<Result<_, _>>()? })
    }

    /// The next word that is no option.
    pub(crate) fn take_word(&mut self) -> Option<String> {
        let at = self.words.iter().position(|word| !word.starts_with('-'))?;
        Some(self.words.remove(at))
    }

    /// Whether an option without a value is there.
    pub(crate) fn take_flag(&mut self, name: &str) -> bool {
        let at = self.words.iter().position(|word| word == name);
        at.map(|at| self.words.remove(at)).is_some()
    }

    /// The value of `--name VALUE` or `--name=VALUE`.
    pub(crate) fn take_value(&mut self, name: &str) -> Result<Option<String>, UsageError> {
        let joined = |word: &str| word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).map(str::to_owned);
        let Some(at) = self.words.iter().position(|word| word == name || joined(word).is_some()) else {
            return Ok(None);
        };
        let word = self.words.remove(at);
        match joined(&word) {
            Some(value) => Ok(Some(value)),
            None if at < self.words.len() => Ok(Some(self.words.remove(at))),
            None => Err(UsageError(format!("{name} needs a value"))),
        }
    }

    /// The value of an option as a duration.
    pub(crate) fn take_duration(&mut self, name: &str) -> Result<Option<Duration>, UsageError> {
        let Some(text) = self.take_value(name)? else { return Ok(None) };
        let wrong = || UsageError(format!("{name} is {text:?}, expected a duration such as 500ms, 6s, 2m, 1h or 30d"));
        parse_duration(&text).map(Some).ok_or_else(wrong)
    }

    /// All that is left, for another program.
    pub(crate) fn rest(self) -> Vec<String> {
        self.words
    }

    /// Makes sure that nothing is left.
    pub(crate) fn finish(self) -> Result<(), UsageError> {
        match self.words.first() {
            None => Ok(()),
            Some(word) => Err(UsageError(format!("unexpected argument {word:?}"))),
        }
    }
}

/// A number and one of the units ms, s, m, h, d.
fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let seconds_per_unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * seconds_per_unit;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Args {
        Args::new(words.iter().map(OsString::from)).unwrap()
    }

    #[test]
    fn flags_values_and_words_in_any_order() {
        for words in [["--json", "a.json", "mix", "--quick"], ["--quick", "mix", "--json", "a.json"]] {
            let mut args = args(&words);
            assert_eq!(args.take_value("--json").unwrap().as_deref(), Some("a.json"));
            assert!(args.take_flag("--quick"));
            assert!(!args.take_flag("--quick"));
            assert_eq!(args.take_word().as_deref(), Some("mix"));
            args.finish().unwrap();
        }
        assert_eq!(args(&["--json=b"]).take_value("--json").unwrap().as_deref(), Some("b"));
        assert_eq!(args(&["--jsonx=b"]).take_value("--json").unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(args(&["--for"]).take_value("--for").unwrap_err().0, "--for needs a value");
        assert_eq!(args(&["x", "y"]).finish().unwrap_err().0, "unexpected argument \"x\"");
        let error = args(&["--for", "soon"]).take_duration("--for").unwrap_err();
        assert_eq!(error.0, "--for is \"soon\", expected a duration such as 500ms, 6s, 2m, 1h or 30d");
    }

    #[test]
    fn durations() {
        let ms = |text| parse_duration(text).map(|duration| duration.as_millis());
        assert_eq!(ms("500ms"), Some(500));
        assert_eq!(ms("6s"), Some(6_000));
        assert_eq!(ms("1.5s"), Some(1_500));
        assert_eq!(ms("2m"), Some(120_000));
        assert_eq!(ms("1h"), Some(3_600_000));
        for wrong in ["", "6", "s", "6 s", "-6s", "6y", "0s", "1.2.3s", "1e400s"] {
            assert_eq!(ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_rest_is_kept_in_order() {
        assert_eq!(args(&["-p", "ra-core", "--", "--nocapture"]).rest(), ["-p", "ra-core", "--", "--nocapture"]);
    }
}
