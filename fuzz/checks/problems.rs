//! What must hold of every error that a TOML reader tells: a place within the text, and words for one line of a terminal.

/// A problem as both readers tell it.
pub(crate) struct Told<'p> {
    /// From 1; 0: of no line in particular.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    /// What was found, and what was expected.
    pub(crate) message: &'p str,
}

/// Checks one problem that was told of `bytes`. `keys` are the keys that the format has.
///
/// # Panics
/// Where it names no place or no key, or would disturb a terminal.
pub(crate) fn check(problem: &Told<'_>, bytes: &[u8], keys: &[&str]) {
    let Told { line, column, message } = *problem;
    assert!(!message.is_empty(), "nothing is said");
    // A message is printed as it is: what stands in the file must not be able to move the cursor.
    assert!(!message.chars().any(char::is_control), "a control character in {message:?}");
    assert!(message.len() < 4096, "a message of {} bytes", message.len());
    // The last line of a flood only counts the rest.
    if line == 0 {
        assert!(message.ends_with("more problems"), "no place: {message}");
        return;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(line >= 1 && column >= 1 && message.contains("UTF-8"), "{line}:{column}: {message}");
        return;
    };
    let lines: Vec<&str> = text.split('\n').collect();
    assert!((1..=lines.len()).contains(&line), "line {line} of {}: {message}", lines.len());
    let n_chars = lines[line - 1].chars().count();
    assert!((1..=n_chars + 1).contains(&column), "{line}:{column} of {n_chars} characters: {message}");
    if toml::from_str::<toml::Table>(text).is_ok() {
        let names_key = keys.iter().any(|key| message.contains(key));
        assert!(names_key, "no key is named: {message}");
        assert!(message.contains("expected") || SAYS_WITHOUT.iter().any(|words| message.contains(words)), "{message}");
    }
}

/// Ways to say what is wrong where nothing in particular was expected.
const SAYS_WITHOUT: [&str; 9] = [
    "there is no [[sink]]",
    "did you mean",
    "does not belong here",
    "belongs to kind",
    "is not supported yet",
    "is used by another",
    "can't be named",
    "twice",
    "has no effect",
];
