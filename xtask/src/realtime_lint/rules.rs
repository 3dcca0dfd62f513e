//! The words that have no place on an audio thread.

/// Words that share a reason.
pub(super) struct Rule {
    pub(super) why: &'static str,
    pub(super) words: &'static [&'static str],
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        why: "waits for another thread",
        words: &[
            "Mutex",
            "RwLock",
            "Condvar",
            "Barrier",
            "OnceLock",
            "LazyLock",
            "parking_lot",
            "mpsc",
            "crossbeam_channel",
            ".lock()",
            ".recv()",
            ".join()",
            ".wait()",
        ],
    },
    Rule { why: "sleeps, or touches threads", words: &["std::thread", "thread::", "sleep"] },
    Rule {
        why: "writes for people",
        words: &[
            "println!",
            "eprintln!",
            "print!",
            "eprint!",
            "dbg!",
            "log::",
            "error!",
            "warn!",
            "info!",
            "debug!",
            "trace!",
        ],
    },
    Rule {
        why: "panics",
        words: &["panic!", "todo!", "unimplemented!", "unreachable!", ".unwrap()", ".expect(", ".unwrap_err()"],
    },
    Rule {
        why: "talks to the system",
        words: &["std::fs", "std::io", "std::net", "std::process", "std::env", "File::"],
    },
    Rule {
        why: "looks at the clock: time is a parameter",
        words: &["Instant::now", "SystemTime", "SystemClock", ".elapsed()"],
    },
    Rule {
        why: "allocates",
        words: &[
            "format!",
            "vec!",
            ".to_string()",
            ".to_owned()",
            ".to_vec()",
            ".into_boxed_slice()",
            ".collect()",
            ".collect::",
            ".resize(",
            ".resize_with(",
            ".reserve(",
            ".reserve_exact(",
            ".extend_from_slice(",
            ".push_str(",
            "String::",
            "Vec::",
            "VecDeque::",
            "Box::new",
            "Box::from",
            "Arc::new",
            "Rc::new",
            "HashMap",
            "BTreeMap",
        ],
    },
];

/// Whether a word stands in a line of code, as a whole word wherever it begins or ends with a letter.
pub(super) fn stands_in(word: &str, code: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let begins_with_letter = word.starts_with(is_letter);
    let ends_with_letter = word.ends_with(is_letter);
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let behind = code[at + word.len()..].chars().next();
        let goes_on_before = begins_with_letter && before.is_some_and(is_letter);
        let goes_on_behind = ends_with_letter && behind.is_some_and(is_letter);
        !goes_on_before && !goes_on_behind
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_alone() {
        assert!(stands_in("Mutex", "use std::sync::Mutex;"));
        assert!(!stands_in("Mutex", "let NotAMutex = MutexFree;"));
        assert!(stands_in("vec!", "let a = vec![0.0; 4];"));
        assert!(!stands_in("vec!", "let a = smallvec![0.0; 4];"));
        assert!(stands_in(".lock()", "self.inner.lock().x"));
        assert!(!stands_in(".unwrap()", "a.unwrap_or(0)"));
        assert!(stands_in("sleep", "clock.sleep(1)"));
        assert!(!stands_in("sleep", "let asleep = sleeper;"));
        assert!(!stands_in("print!", "println!()"));
    }
}
