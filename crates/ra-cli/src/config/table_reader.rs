//! Reads one TOML table key by key: remembers which keys were asked for, so that every other one is an error, and says of
//! each bad value what it is and what was expected. Knows no key by itself.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Findings;
use super::suggest::nearest;

/// A value and the byte offset at which it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its byte offset in the text.
    pub offset: usize,
}

/// One table of a config while it is being read.
pub(crate) struct TableReader<'a, 'i> {
    table: &'a DeTable<'i>,
    place: String,
    offset: usize,
    asked: Vec<&'static str>,
    findings: &'a Findings,
}

impl<'a, 'i> TableReader<'a, 'i> {
    /// Begins to read `table`, which people know as `place`: `[engine]`, `source "mic"`.
    pub(crate) fn new(table: &'a DeTable<'i>, offset: usize, place: String, findings: &'a Findings) -> Self {
        Self { table, place, offset, asked: Vec::new(), findings }
    }

    /// Where the table begins.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// What people know the table as.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Gives the table a better name, once it is known.
    pub(crate) fn rename(&mut self, place: String) {
        self.place = place;
    }

    /// Notes an error at an offset, with the table's name before it.
    pub(crate) fn error(&self, offset: usize, message: impl std::fmt::Display) {
        self.findings.error(offset, self.placed(message));
    }

    /// Notes a warning at an offset, with the table's name before it.
    pub(crate) fn warning(&self, offset: usize, message: impl std::fmt::Display) {
        self.findings.warning(offset, self.placed(message));
    }

    fn placed(&self, message: impl std::fmt::Display) -> String {
        if self.place.is_empty() { message.to_string() } else { format!("{}: {message}", self.place) }
    }

    /// Whether the key is there. Does not count as reading it.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether a key that should hold a list holds nothing.
    pub(crate) fn is_absent_or_empty(&self, key: &str) -> bool {
        self.table.get(key).is_none_or(|value| matches!(value.get_ref(), DeValue::Array(items) if items.is_empty()))
    }

    /// A key's value as it stands.
    pub(crate) fn raw(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table.get(key)
    }

    /// Says what a key holds and what it should hold.
    pub(crate) fn expected(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        self.error(value.span().start, format_args!("{key} is {}, expected {expected}", show(value.get_ref())));
    }

    /// Says that a key is not there. Nothing is said where the key holds something wrong: that was said already.
    pub(crate) fn missing(&self, key: &'static str, expected: &str) {
        if !self.has(key) {
            self.error(self.offset, format_args!("{key} is missing, expected {expected}"));
        }
    }

    /// A string.
    pub(crate) fn string(&mut self, key: &'static str, expected: &str) -> Option<At<String>> {
        let value = self.raw(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.to_string(), offset: value.span().start }),
            _ => {
                self.expected(key, value, expected);
                None
            }
        }
    }

    /// A string that says where something secret is: what stands there and is none may be the secret, and is not repeated.
    pub(crate) fn secret_string(&mut self, key: &'static str, expected: &str) -> Option<At<String>> {
        let value = self.raw(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.to_string(), offset: value.span().start }),
            _ => {
                self.error(value.span().start, format_args!("{key} is no string, expected {expected}"));
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<At<T>> {
        let value = self.raw(key)?;
        if let DeValue::String(text) = value.get_ref()
            && let Some((_, meant)) = words.iter().find(|(word, _)| *word == text.as_ref())
        {
            return Some(At { value: *meant, offset: value.span().start });
        }
        self.expected(key, value, &one_of(words.iter().map(|(word, _)| *word)));
        None
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let value = self.raw(key)?;
        match value.get_ref() {
            DeValue::Boolean(yes) => Some(*yes),
            _ => {
                self.expected(key, value, "true or false");
                None
            }
        }
    }

    /// A number within bounds, whole or not. `unit` is what people read behind the bounds.
    pub(crate) fn number(&mut self, key: &'static str, bounds: RangeInclusive<f64>, unit: &str) -> Option<f64> {
        let value = self.raw(key)?;
        let number = as_number(value.get_ref()).filter(|n| bounds.contains(n));
        if number.is_none() {
            self.expected(key, value, &bounded("a number", bounds.start(), bounds.end(), unit));
        }
        number
    }

    /// A whole number within bounds.
    pub(crate) fn integer(&mut self, key: &'static str, bounds: RangeInclusive<u64>, unit: &str) -> Option<At<u64>> {
        let value = self.raw(key)?;
        let number = as_integer(value.get_ref()).filter(|n| bounds.contains(n));
        if number.is_none() {
            self.expected(key, value, &bounded("a whole number", bounds.start(), bounds.end(), unit));
        }
        number.map(|number| At { value: number, offset: value.span().start })
    }

    /// The items of a list.
    pub(crate) fn list(&mut self, key: &'static str, expected: &str) -> Option<At<&'a [Spanned<DeValue<'i>>]>> {
        let value = self.raw(key)?;
        match value.get_ref() {
            DeValue::Array(items) => Some(At { value: &items[..], offset: value.span().start }),
            _ => {
                self.expected(key, value, expected);
                None
            }
        }
    }

    /// A table inside this one.
    pub(crate) fn table(&mut self, key: &'static str, expected: &str) -> Option<TableReader<'a, 'i>> {
        let value = self.raw(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(TableReader::new(table, value.span().start, self.placed(key), self.findings)),
            _ => {
                self.expected(key, value, expected);
                None
            }
        }
    }

    /// The tables of a list of tables; `singular` names each by its number until it has a better name.
    pub(crate) fn tables(&mut self, key: &'static str, singular: &str, expected: &str) -> Vec<TableReader<'a, 'i>> {
        let Some(list) = self.list(key, expected) else { return Vec::new() };
        let mut tables = Vec::with_capacity(list.value.len());
        for (item, n) in list.value.iter().zip(1..) {
            match item.get_ref() {
                DeValue::Table(table) => {
                    let place = self.placed(format_args!("{singular} {n}"));
                    tables.push(TableReader::new(table, item.span().start, place, self.findings));
                }
                _ => self.expected(&format!("{singular} {n}"), item, "a table"),
            }
        }
        tables
    }

    /// Keys that this table may hold elsewhere, but not here: `why` says so. Each that is there is an error.
    pub(crate) fn refuse(&mut self, keys: &[&'static str], why: &str) {
        for &key in keys {
            if let Some((offset, _)) = self.key_offset(key) {
                self.error(offset, format_args!("{key} {why}"));
            }
            self.raw(key);
        }
    }

    /// Keys that have no effect here: each that is there is a warning.
    pub(crate) fn warn_unused(&mut self, keys: &[&'static str], why: &str) {
        for &key in keys {
            if let Some((offset, _)) = self.key_offset(key) {
                self.warning(offset, format_args!("{key} {why}"));
            }
        }
    }

    fn key_offset(&self, key: &str) -> Option<(usize, &'a Spanned<DeValue<'i>>)> {
        let (found, value) = self.table.get_key_value(key)?;
        Some((found.span().start, value))
    }

    /// Every key that nobody asked for is an error.
    pub(crate) fn finish(self) {
        for (key, _) in self.table.iter() {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let hint = match nearest(name, self.asked.iter().copied()) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("expected {}", list_words(self.asked.iter().copied())),
            };
            self.error(key.span().start, format_args!("unknown key {}; {hint}", show_key(name)));
        }
    }
}

/// A key as it would be written.
fn show_key(key: &str) -> String {
    let is_bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_bare { clip(key) } else { format!("{:?}", clip(key)) }
}

/// A value as people see it, cut where it is long.
pub(crate) fn show(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", clip(text)),
        DeValue::Integer(n) => clip(&n.to_string()),
        DeValue::Float(x) => clip(x.as_str()),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(when) => format!("the date {when}"),
        DeValue::Array(items) if items.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A text as people see it, cut where it is long.
pub(crate) fn clip(text: &str) -> String {
    const MOST_CHARS: usize = 60;
    if text.chars().count() <= MOST_CHARS {
        return text.to_owned();
    }
    text.chars().take(MOST_CHARS).chain("…".chars()).collect()
}

/// A number, whole or not; `None` for everything else, and for digits that no number can hold.
pub(crate) fn as_number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n as f64),
        DeValue::Float(x) => x.as_str().parse().ok(),
        _ => None,
    }
}

/// A whole number that is not negative.
pub(crate) fn as_integer(value: &DeValue<'_>) -> Option<u64> {
    match value {
        DeValue::Integer(n) => u64::from_str_radix(n.as_str(), n.radix()).ok(),
        _ => None,
    }
}

fn bounded(what: &str, low: impl std::fmt::Display, high: impl std::fmt::Display, unit: &str) -> String {
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    format!("{what} from {low} to {high}{unit}")
}

/// How many words are listed before the others are only hinted at.
pub(crate) const MOST_WORDS: usize = 20;

/// `"a", "b" or "c"`; of many, the first ones.
pub(crate) fn one_of<'w>(mut words: impl Iterator<Item = &'w str>) -> String {
    let mut quoted: Vec<String> = words.by_ref().take(MOST_WORDS).map(|word| format!("{:?}", clip(word))).collect();
    if words.next().is_some() {
        quoted.push("another".to_owned());
    }
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => "nothing".to_owned(),
    }
}

fn list_words<'w>(words: impl Iterator<Item = &'w str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
