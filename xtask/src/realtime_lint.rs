//! `cargo xtask realtime-lint`: bans waiting, talking, panicking and allocating in real-time files, by their words.
//!
//! It sees words, not meanings: the trapping allocator and the sanitizer see what is called through others. What a
//! real-time file must hold all the same says so:
//!
//! - documentation of an item with a line that begins with `Not real-time safe` leaves the item out: the same words
//!   that tell people;
//! - `// rt-lint: allow(reason)` at the end of a line, or on a line before it, lets that line pass;
//! - `// rt-lint: control-side` before an item (a function, an `impl`) does too: it never runs on an audio thread;
//! - `// rt-lint: control-side file` leaves the whole file out.
//!
//! Tests and comments are never looked at. A marker that lets nothing pass is an error too.

mod mask;
mod rules;
mod scan;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::{args::Args, repo::Repo};
use scan::scan;

/// A group of real-time files. Each must be there: a lint that looks at nothing finds nothing.
struct Group {
    what: &'static str,
    has: fn(&[&str]) -> bool,
}

const GROUPS: [Group; 4] = [
    Group { what: "crates/ra-queue/src", has: |parts| matches!(parts, ["crates", "ra-queue", "src", ..]) },
    Group { what: "crates/ra-dsp/src", has: |parts| matches!(parts, ["crates", "ra-dsp", "src", ..]) },
    // The engine's audio thread; a folder `rt` of any other crate counts as well.
    Group {
        what: "crates/ra-engine/src/rt",
        has: |parts| matches!(parts, ["crates", _, "src", rest @ ..] if rest.iter().any(|part| ["rt", "rt.rs"].contains(part))),
    },
    Group {
        what: "crates/ra-device/src, the bodies of callbacks",
        has: |parts| matches!(parts, ["crates", _, "src", .., file] if file.contains("callback") || file.ends_with("_period.rs")),
    },
];

pub(crate) fn run(repo: &Repo, args: Args) -> Result<()> {
    args.finish()?;
    let n_files = check(repo)?;
    println!("realtime-lint: {n_files} files, nothing that waits, talks, panics or allocates");
    Ok(())
}

/// Looks at every real-time file; gives their number.
pub(crate) fn check(repo: &Repo) -> Result<usize> {
    let mut files = Vec::new();
    rust_files(&repo.root.join("crates"), &mut files)?;
    let relative = |file: &PathBuf| -> Vec<String> {
        let path = file.strip_prefix(&repo.root).unwrap_or(file);
        path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
    };
    let mut n_files = 0;
    let mut complaints = Vec::new();
    let mut is_seen = [false; GROUPS.len()];
    for file in &files {
        let parts = relative(file);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let group = GROUPS.iter().position(|group| (group.has)(&parts));
        let Some(group) = group.filter(|_| !is_test_file(&parts)) else { continue };
        is_seen[group] = true;
        n_files += 1;
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        complaints.extend(scan(&text).iter().map(|complaint| format!("{}:{complaint}", parts.join("/"))));
    }
    for (group, is_seen) in GROUPS.iter().zip(is_seen) {
        ensure!(is_seen, "realtime-lint: there is no file in {}", group.what);
    }
    if complaints.is_empty() { Ok(n_files) } else { bail!("realtime-lint:\n{}", complaints.join("\n")) }
}

fn is_test_file(parts: &[&str]) -> bool {
    let is_test =
        |part: &&str| matches!(*part, "tests" | "tests.rs") || part.ends_with("_tests") || part.ends_with("_tests.rs");
    parts.iter().any(is_test)
}

/// Every Rust file below `crates/*/src`, in order.
fn rust_files(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = dir.read_dir().with_context(|| format!("cannot read the folder {}", dir.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(path: &str) -> Option<&'static str> {
        let parts: Vec<&str> = path.split('/').collect();
        GROUPS.iter().find(|group| (group.has)(&parts) && !is_test_file(&parts)).map(|group| group.what)
    }

    #[test]
    fn the_repositorys_real_time_files_are_clean() {
        check(&Repo::find().unwrap()).unwrap();
    }

    #[test]
    fn files_are_real_time_by_their_place() {
        assert_eq!(group("crates/ra-queue/src/fanout/ring.rs"), Some("crates/ra-queue/src"));
        assert_eq!(group("crates/ra-dsp/src/gain.rs"), Some("crates/ra-dsp/src"));
        assert_eq!(group("crates/ra-engine/src/rt/mixer.rs"), Some("crates/ra-engine/src/rt"));
        assert_eq!(group("crates/ra-engine/src/rt.rs"), Some("crates/ra-engine/src/rt"));
        assert!(group("crates/ra-device/src/input_period.rs").is_some());
        assert!(group("crates/ra-device/src/pulse/callback_body.rs").is_some());
        for other in [
            "crates/ra-engine/src/control.rs",
            "crates/ra-engine/src/start.rs",
            "crates/ra-queue/tests/fanout.rs",
            "crates/ra-queue/src/fanout/tests.rs",
            "crates/ra-dsp/src/gain_tests.rs",
            "crates/ra-device/src/listing.rs",
        ] {
            assert_eq!(group(other), None, "{other}");
        }
    }
}
