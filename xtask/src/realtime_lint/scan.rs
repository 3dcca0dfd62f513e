//! Finds banned words in one file: outside tests and comments, and outside what its markers let pass.

use super::{
    mask::{Masked, mask},
    rules::{RULES, stands_in},
};

/// Something that is wrong, at a line from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    line: usize,
    what: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.line, self.what)
    }
}

/// What a marker lets pass.
#[derive(Debug, PartialEq, Eq)]
enum Marker {
    /// A line.
    Allow,
    /// The item that follows.
    ControlSide,
    /// Everything.
    ControlSideFile,
}

impl Marker {
    /// Reads a comment; `None` where it is no marker.
    fn parse(comment: &str) -> Option<Result<Self, String>> {
        let documentation = comment.strip_prefix('/').map(str::trim_start);
        if documentation.is_some_and(|text| text.starts_with("Not real-time safe")) {
            return Some(Ok(Self::ControlSide));
        }
        let text = comment.trim().strip_prefix("rt-lint:")?.trim();
        let reason = text.strip_prefix("allow(").and_then(|rest| rest.strip_suffix(')'));
        Some(match (text, reason) {
            ("control-side", _) => Ok(Self::ControlSide),
            ("control-side file", _) => Ok(Self::ControlSideFile),
            (_, Some(reason)) if !reason.trim().is_empty() => Ok(Self::Allow),
            (_, Some(_)) => Err("allow() needs a reason".to_owned()),
            _ => Err(format!("{text:?} is no marker: allow(reason), control-side, control-side file")),
        })
    }
}

/// Looks through a source.
pub(super) fn scan(source: &str) -> Vec<Complaint> {
    let Masked { code, comments } = mask(source);
    let mut complaints = Vec::new();
    let lines: Vec<&str> = code.lines().collect();
    let shown = |at: usize| source.lines().nth(at).unwrap_or_default().trim();
    let mut is_left_out = vec![false; lines.len()];
    let mut allows: Vec<(usize, bool)> = Vec::new();
    for (line, comment) in &comments {
        match Marker::parse(comment) {
            None => {}
            Some(Ok(Marker::ControlSideFile)) => return Vec::new(),
            Some(Ok(Marker::ControlSide)) => leave_out_item(&code, line + 1, &mut is_left_out),
            // On a line of its own it is about the next line of code.
            Some(Ok(Marker::Allow)) => {
                let target = (*line..lines.len()).find(|at| !lines[*at].trim().is_empty());
                allows.push((target.unwrap_or(*line), false));
            }
            Some(Err(what)) => complaints.push(Complaint { line: line + 1, what: format!("rt-lint: {what}") }),
        }
    }
    for line in test_items(&code) {
        leave_out_item(&code, line, &mut is_left_out);
    }
    for (at, line) in lines.iter().enumerate().filter(|(at, _)| !is_left_out[*at]) {
        let words = RULES.iter().flat_map(|rule| rule.words.iter().map(|word| (*word, rule.why)));
        for (word, why) in words.filter(|(word, _)| stands_in(word, line)) {
            match allows.iter_mut().find(|(target, _)| *target == at) {
                Some((_, is_used)) => *is_used = true,
                None => complaints.push(Complaint { line: at + 1, what: format!("`{word}` {why}: {}", shown(at)) }),
            }
        }
    }
    let unused = allows.iter().filter(|(target, is_used)| !is_used && !is_left_out[*target]);
    complaints.extend(unused.map(|(target, _)| Complaint {
        line: target + 1,
        what: "rt-lint: allow() on a line that needs none".to_owned(),
    }));
    complaints.sort_by_key(|complaint| complaint.line);
    complaints
}

/// The lines, from 0, of the attributes that make an item a test's.
fn test_items(code: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("#[") {
        let inside: String = code[at + 2..].chars().take_while(|c| *c != '\n').filter(|c| !c.is_whitespace()).collect();
        let is_cfg = inside.starts_with("cfg(") && stands_in("test", inside.split(']').next().unwrap_or_default());
        if inside.starts_with("test]") || (is_cfg && !inside.contains("not(")) {
            found.push(code[..at].matches('\n').count());
        }
    }
    found
}

/// Marks the lines of the item that begins at `line` (from 0) or below: to its closing brace, or to its semicolon
/// where it has none.
fn leave_out_item(code: &str, line: usize, is_left_out: &mut [bool]) {
    let (mut at_line, mut in_brackets, mut in_braces) = (0, 0_usize, 0_usize);
    for c in code.chars() {
        if at_line >= line {
            if let Some(left_out) = is_left_out.get_mut(at_line) {
                *left_out = true;
            }
            match c {
                '(' | '[' => in_brackets += 1,
                ')' | ']' => in_brackets = in_brackets.saturating_sub(1),
                '{' => in_braces += 1,
                '}' => {
                    in_braces = in_braces.saturating_sub(1);
                    if in_braces == 0 && in_brackets == 0 {
                        return;
                    }
                }
                ';' if in_brackets == 0 && in_braces == 0 => return,
                _ => {}
            }
        }
        at_line += usize::from(c == '\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(source: &str) -> Vec<usize> {
        scan(source).iter().map(|complaint| complaint.line).collect()
    }

    #[test]
    fn a_planted_violation_of_each_kind_is_found() {
        for planted in [
            "let guard = self.state.lock();",
            "use std::sync::{Arc, Mutex};",
            "std::thread::sleep(period);",
            "println!(\"late\");",
            "log::warn!(\"late\");",
            "warn!(\"late\");",
            "let x = ring.pop().unwrap();",
            "let x = ring.pop().expect(\"full\");",
            "unreachable!()",
            "let file = File::open(path);",
            "let now = Instant::now();",
            "let name = format!(\"{x}\");",
            "let all: Vec<f32> = samples.iter().copied().collect();",
            "let all = samples.iter().copied().collect::<Vec<_>>();",
            "let mut scratch = Vec::with_capacity(n);",
            "let boxed = Box::new(strip);",
            "self.scratch.resize(n, 0.0);",
        ] {
            let source = format!("fn step(&mut self) {{\n    {planted}\n}}\n");
            let found = scan(&source);
            assert_eq!(found.len().min(1), 1, "{planted} was not found");
            assert!(found.iter().all(|complaint| complaint.line == 2), "{planted}: {found:?}");
        }
    }

    #[test]
    fn clean_code_and_mere_words_pass() {
        let source = "//! No Mutex here, no println!().\n/// Never calls `.lock()`.\nfn step(x: f32) -> f32 {\n    \
                      debug_assert!(x > 0.0, \"no panic!() {x}\");\n    x.max(0.5) /* vec![] */\n}\n";
        assert_eq!(scan(source), []);
    }

    #[test]
    fn tests_are_left_out_and_what_stands_behind_them_is_not() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { vec![1].len() }\n}\nfn c() { vec![1]; }\n";
        assert_eq!(lines(source), [6]);
        assert_eq!(lines("#[cfg(all(test, loom))]\nuse std::thread;\nuse std::thread;\n"), [3]);
        assert_eq!(lines("#[cfg(not(test))]\nuse std::thread;\n"), [2]);
        assert_eq!(lines("#[test]\nfn t() {\n    vec![1];\n}\n"), [0; 0]);
    }

    #[test]
    fn allowed_lines_pass_alone() {
        assert_eq!(lines("let a = vec![1]; // rt-lint: allow(before the start)\nlet b = vec![1];\n"), [2]);
        assert_eq!(lines("// rt-lint: allow(before the start)\n\nlet a = vec![1];\nlet b = vec![1];\n"), [4]);
    }

    #[test]
    fn a_control_side_item_passes_to_its_end() {
        let source = "// rt-lint: control-side\n/// Makes one.\n#[must_use]\npub fn new(n: [u8; 2]) -> Self {\n    \
                      if true { vec![1]; }\n    vec![2]\n}\nfn b() { vec![3]; }\n";
        assert_eq!(lines(source), [8]);
        assert_eq!(lines("// rt-lint: control-side\nuse std::thread;\nuse std::thread;\n"), [3]);
        assert_eq!(lines("//! Docs.\n// rt-lint: control-side file\nuse std::thread;\n"), [0; 0]);
    }

    #[test]
    fn what_is_documented_as_not_real_time_safe_passes() {
        let source = "/// Makes one.\n///\n/// # Real-time safety\n/// Not real-time safe: allocates.\n///\n/// # Errors\n\
                      /// None.\nfn new() { vec![1]; }\n/// # Real-time safety\n/// Wait-free, no allocation.\n\
                      fn step() { vec![1]; }\n";
        assert_eq!(lines(source), [11]);
        assert_eq!(lines("// Not real-time safe.\nfn a() { vec![1]; }\n"), [2]);
    }

    #[test]
    fn markers_that_say_nothing_are_errors() {
        assert_eq!(lines("// rt-lint: allow()\nlet a = vec![1];\n"), [1, 2]);
        assert_eq!(lines("let a = 1; // rt-lint: allow(no need)\n"), [1]);
        assert_eq!(lines("// rt-lint: contol-side\nfn a() {}\n"), [1]);
        let found = scan("// rt-lint: contol-side\n");
        assert!(found[0].what.contains("is no marker"), "{found:?}");
    }
}
