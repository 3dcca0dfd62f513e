//! Names of sources, sinks and buses: what they may look like, and that none is used twice.

use std::collections::HashSet;

use super::table_reader::{At, TableReader};

/// The most characters that a name may have: it becomes part of thread and file names.
const MOST_CHARS: usize = 64;

/// The names of one kind of thing.
pub(super) struct Names {
    kind: &'static str,
    in_order: Vec<String>,
    /// The same, so that thousands of names are found in no time.
    seen: HashSet<String>,
}

impl Names {
    /// No names yet, of things that people call `kind`.
    pub(super) fn new(kind: &'static str) -> Self {
        Self { kind, in_order: Vec::new(), seen: HashSet::new() }
    }

    /// Whether there is one of that name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.seen.contains(name)
    }

    /// The names, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.in_order.iter().map(String::as_str)
    }
}

/// Reads `name`, and lets the table be known by it.
pub(super) fn read(table: &mut TableReader<'_, '_>, names: &mut Names) -> Option<At<String>> {
    let expected = "a name of its own";
    let Some(name) = table.string("name", expected) else {
        table.missing("name", expected);
        return None;
    };
    let is_path_like = name.value == "." || name.value == "..";
    let is_bad = |c: char| c == '/' || c == '\\' || c.is_control();
    if name.value.is_empty() || name.value.chars().count() > MOST_CHARS || is_path_like || name.value.contains(is_bad) {
        let expected = format!("1 to {MOST_CHARS} characters, none of them a slash or a control character");
        let shown: String = name.value.chars().take(MOST_CHARS).collect();
        table.error(name.offset, format_args!("name is {shown:?}, expected {expected}"));
        return None;
    }
    table.rename(format!("{} {:?}", names.kind, name.value));
    if names.seen.insert(name.value.clone()) {
        names.in_order.push(name.value.clone());
    } else {
        table.error(name.offset, format_args!("the name is used by another {} above", names.kind));
    }
    Some(name)
}
