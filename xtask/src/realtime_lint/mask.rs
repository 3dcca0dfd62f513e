//! Takes the comments and literals out of Rust source, so that words in them mean nothing. Knows tokens, no grammar.

/// Source without its comments and literals.
#[derive(Debug)]
pub(super) struct Masked {
    /// The source, as long as it was and with its lines where they were; each character of a comment or of a
    /// literal's inside is a space.
    pub(super) code: String,
    /// The line comments: the line, from 0, and the text behind the slashes.
    pub(super) comments: Vec<(usize, String)>,
}

/// Masks a source.
pub(super) fn mask(source: &str) -> Masked {
    let mut masker =
        Masker { chars: source.chars().collect(), at: 0, line: 0, code: String::new(), comments: Vec::new() };
    masker.run();
    Masked { code: masker.code, comments: masker.comments }
}

struct Masker {
    chars: Vec<char>,
    at: usize,
    line: usize,
    code: String,
    comments: Vec<(usize, String)>,
}

impl Masker {
    fn run(&mut self) {
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('/')) => self.line_comment(),
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.string(),
                ('\'', _) => self.quote(),
                ('r', Some('"' | '#')) if !self.is_behind_letter() => self.raw(),
                _ => self.keep(),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Whether the character belongs to a longer word. The prefixes b and c may stand before a raw string's r.
    fn is_behind_letter(&self) -> bool {
        let is_letter = |c: &char| c.is_alphanumeric() || *c == '_';
        let before = |n: usize| self.at.checked_sub(n).and_then(|at| self.chars.get(at));
        match before(1) {
            Some('b' | 'c') => before(2).is_some_and(is_letter),
            other => other.is_some_and(is_letter),
        }
    }

    fn keep(&mut self) {
        if let Some(c) = self.peek(0) {
            self.code.push(c);
            self.line += usize::from(c == '\n');
            self.at += 1;
        }
    }

    fn blank(&mut self) {
        if self.peek(0) == Some('\n') {
            self.keep();
        } else if self.peek(0).is_some() {
            self.code.push(' ');
            self.at += 1;
        }
    }

    fn line_comment(&mut self) {
        let text: String = self.chars[self.at..].iter().skip(2).take_while(|c| **c != '\n').collect();
        self.comments.push((self.line, text));
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.blank();
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                (None, _) => return,
                _ => {
                    self.blank();
                    continue;
                }
            }
            self.blank();
            self.blank();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.keep();
        loop {
            match self.peek(0) {
                Some('"') => return self.keep(),
                Some('\\') => {
                    self.blank();
                    self.blank();
                }
                Some(_) => self.blank(),
                None => return,
            }
        }
    }

    /// A character literal or a lifetime.
    fn quote(&mut self) {
        match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => {
                self.keep();
                self.blank();
                self.blank();
                while self.peek(0).is_some_and(|c| c != '\'' && c != '\n') {
                    self.blank();
                }
                self.keep();
            }
            (Some(_), Some('\'')) => {
                self.keep();
                self.blank();
                self.keep();
            }
            _ => self.keep(),
        }
    }

    /// A raw string, or a raw identifier.
    fn raw(&mut self) {
        let hashes = self.chars[self.at + 1..].iter().take_while(|c| **c == '#').count();
        if self.peek(1 + hashes) != Some('"') {
            return self.keep();
        }
        (0..hashes + 2).for_each(|_| self.keep());
        while self.peek(0).is_some() {
            let closes = self.peek(0) == Some('"') && (1..=hashes).all(|n| self.peek(n) == Some('#'));
            if closes {
                (0..=hashes).for_each(|_| self.keep());
                return;
            }
            self.blank();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> String {
        let masked = mask(source);
        assert_eq!(masked.code.chars().count(), source.chars().count(), "{source}");
        assert_eq!(masked.code.lines().count(), source.lines().count(), "{source}");
        masked.code
    }

    #[test]
    fn comments_and_literals_vanish_and_code_stays() {
        assert_eq!(code("a // Mutex"), "a         ");
        assert_eq!(code("a /* Mutex /* x */ y */ b"), "a                       b");
        assert_eq!(code("f(\"vec![\", 1)"), "f(\"     \", 1)");
        assert_eq!(code(r#"f("a\"b", c)"#), r#"f("    ", c)"#);
        assert_eq!(code("f(r\"a\\\", b)"), "f(r\"  \", b)");
        assert_eq!(code("f(br#\"a\"b\"#, c)"), "f(br#\"   \"#, c)");
        assert_eq!(code("let r#type = var\"x\""), "let r#type = var\" \"");
        assert_eq!(code("fn f<'a>(x: &'a str) -> char { '{' }"), "fn f<'a>(x: &'a str) -> char { ' ' }");
        assert_eq!(code(r"['\'', '\u{7f}', 'x']"), r"['  ', '      ', ' ']");
        assert_eq!(code("\"two\nlines\" x"), "\"   \n     \" x");
    }

    #[test]
    fn line_comments_are_kept_aside_with_their_lines() {
        let masked = mask("a\nb // one\n/// two\n\"// no\"");
        assert_eq!(masked.comments, [(1, " one".to_owned()), (2, "/ two".to_owned())]);
    }

    #[test]
    fn unfinished_source_ends() {
        for source in ["\"abc", "/* abc", "r#\"abc", "'\\", "'", "'\\u{"] {
            assert_eq!(mask(source).code.chars().count(), source.chars().count(), "{source}");
        }
    }
}
