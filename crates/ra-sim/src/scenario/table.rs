//! Reads one TOML table of a scenario key by key: every key that nobody asked for is an error, and every bad value says
//! what it is and what was expected. Knows no key by itself.

use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::text::Findings;

/// A value and the byte offset at which it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) offset: usize,
}

/// A table while it is being read.
pub(super) struct Table<'a, 'i> {
    entries: &'a DeTable<'i>,
    /// What people know it as; empty for the whole file.
    place: String,
    pub(super) offset: usize,
    asked: Vec<&'static str>,
    findings: &'a Findings,
}

impl<'a, 'i> Table<'a, 'i> {
    pub(super) fn new(entries: &'a DeTable<'i>, offset: usize, place: String, findings: &'a Findings) -> Self {
        Self { entries, place, offset, asked: Vec::new(), findings }
    }

    pub(super) fn rename(&mut self, place: String) {
        self.place = place;
    }

    pub(super) fn error(&self, offset: usize, message: impl Display) {
        let place = &self.place;
        let message = if place.is_empty() { message.to_string() } else { format!("{place}: {message}") };
        self.findings.error(offset, message);
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.entries.get(key)
    }

    fn expected(&self, what: impl Display, value: &Spanned<DeValue<'_>>, expected: impl Display) {
        self.error(value.span().start, format_args!("{what} is {}, expected {expected}", show(value.get_ref())));
    }

    /// Says that a key is not there. Nothing is said where it holds something wrong: that was said already.
    pub(super) fn missing(&self, key: &str, expected: impl Display) {
        if !self.entries.contains_key(key) {
            self.error(self.offset, format_args!("{key} is missing, expected {expected}"));
        }
    }

    /// Where a key's value stands; the table where it is not there.
    pub(super) fn offset_of(&self, key: &str) -> usize {
        self.entries.get(key).map_or(self.offset, |value| value.span().start)
    }

    pub(super) fn string(&mut self, key: &'static str, expected: &str) -> Option<At<String>> {
        let value = self.get(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.expected(key, value, expected);
            return None;
        };
        Some(At { value: text.to_string(), offset: value.span().start })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let value = self.get(key)?;
        if let DeValue::String(text) = value.get_ref()
            && let Some((_, meant)) = words.iter().find(|(word, _)| *word == text.as_ref())
        {
            return Some(*meant);
        }
        self.expected(key, value, one_of(words));
        None
    }

    /// A number within bounds, whole or not.
    pub(super) fn number(&mut self, key: &'static str, bounds: RangeInclusive<f64>, unit: &str) -> Option<f64> {
        let value = self.get(key)?;
        let number = as_number(value.get_ref()).filter(|number| bounds.contains(number));
        if number.is_none() {
            self.expected(key, value, format_args!("a number from {} to {} {unit}", bounds.start(), bounds.end()));
        }
        number
    }

    /// A whole number within bounds.
    pub(super) fn integer(&mut self, key: &'static str, bounds: RangeInclusive<u64>, unit: &str) -> Option<u64> {
        let value = self.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(n) => u64::from_str_radix(n.as_str(), n.radix()).ok().filter(|n| bounds.contains(n)),
            _ => None,
        };
        if number.is_none() {
            let (low, high) = (bounds.start(), bounds.end());
            self.expected(
                key,
                value,
                format_args!("{}", format!("a whole number from {low} to {high} {unit}").trim_end()),
            );
        }
        number
    }

    /// A number within bounds, or a word that stands for none.
    pub(super) fn number_or_word(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<f64>,
        word: &str,
    ) -> Option<Option<f64>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) if text == word => Some(None),
            other => {
                let number = as_number(other).filter(|number| bounds.contains(number));
                if number.is_none() {
                    let (low, high) = (bounds.start(), bounds.end());
                    self.expected(key, value, format_args!("{word:?} or a number from {low} to {high}"));
                }
                number.map(Some)
            }
        }
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        if let DeValue::Boolean(yes) = value.get_ref() {
            return Some(*yes);
        }
        self.expected(key, value, "true or false");
        None
    }

    /// A table inside this one.
    pub(super) fn table(&mut self, key: &'static str, expected: &str) -> Option<Table<'a, 'i>> {
        let value = self.get(key)?;
        let DeValue::Table(entries) = value.get_ref() else {
            self.expected(key, value, expected);
            return None;
        };
        Some(Table::new(entries, value.span().start, self.inner_place(key), self.findings))
    }

    /// The tables of a list of tables; each is known by `singular` and its number until it has a better name.
    pub(super) fn tables(&mut self, key: &'static str, singular: &str, expected: &str) -> Vec<Table<'a, 'i>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.expected(key, value, expected);
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(items.len());
        for (item, n) in items.iter().zip(1..) {
            let place = self.inner_place(&format!("{singular} {n}"));
            match item.get_ref() {
                DeValue::Table(entries) => {
                    tables.push(Table::new(entries, item.span().start, place, self.findings));
                }
                _ => self.expected(format_args!("{singular} {n}"), item, "a table"),
            }
        }
        tables
    }

    fn inner_place(&self, inner: &str) -> String {
        if self.place.is_empty() { inner.to_owned() } else { format!("{}: {inner}", self.place) }
    }

    /// Every key that nobody asked for is an error.
    pub(super) fn finish(self) {
        for (key, _) in self.entries.iter() {
            let name: &str = key.get_ref();
            if !self.asked.contains(&name) {
                let known = self.asked.join(", ");
                self.error(key.span().start, format_args!("unknown key {}, expected {known}", show_key(name)));
            }
        }
    }
}

/// A key as it would be written: what is in quotes may hold anything, and must not move a terminal's cursor.
fn show_key(key: &str) -> String {
    let is_bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_bare { clip(key) } else { format!("{:?}", clip(key)) }
}

fn as_number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n as f64),
        DeValue::Float(x) => x.as_str().parse().ok(),
        _ => None,
    }
}

/// A value as people see it, cut where it is long.
fn show(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", clip(text)),
        DeValue::Integer(n) => clip(&n.to_string()),
        DeValue::Float(x) => clip(x.as_str()),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(when) => format!("the date {when}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn clip(text: &str) -> String {
    const MOST_CHARS: usize = 60;
    if text.chars().count() <= MOST_CHARS {
        return text.to_owned();
    }
    text.chars().take(MOST_CHARS).chain("…".chars()).collect()
}

/// `"a", "b" or "c"`.
pub(super) fn one_of<T>(words: &[(&str, T)]) -> String {
    let quoted: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => "nothing".to_owned(),
    }
}
