//! The one list of cases that are kept: the seeds of each fuzz target, and what once broke it. Judges none of them.

use std::path::{Path, PathBuf};

/// A file and what is in it.
pub(crate) struct Case {
    /// Where it is, from the repository's root.
    pub(crate) name: String,
    /// Its content.
    pub(crate) bytes: Vec<u8>,
}

/// Files of the repository that are seeds of a target where they are, by the target's name.
const SEEDS_ELSEWHERE: [(&str, &str); 2] =
    [("config", "crates/ra-cli/src/default_config.toml"), ("scenario", "scenarios")];

/// Every case of a target, in the order of their names.
///
/// # Panics
/// Where there is none, or one can't be read.
pub(crate) fn of(target: &str) -> Vec<Case> {
    let root = repository();
    let elsewhere = SEEDS_ELSEWHERE.iter().filter(|(of, _)| *of == target).map(|(_, path)| root.join(path));
    let mut files = Vec::new();
    for place in elsewhere.chain(["seeds", "broke"].map(|kind| root.join("fuzz").join(kind).join(target))) {
        if place.is_dir() {
            let entries = std::fs::read_dir(&place).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
            files.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()));
        } else if place.is_file() {
            files.push(place);
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no cases of {target}");
    let read = |path: PathBuf| Case {
        bytes: std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())),
        name: path.strip_prefix(&root).unwrap_or(&path).display().to_string(),
    };
    files.into_iter().map(read).collect()
}

/// Runs `check` on every case of a target, and tells all that fail. Returns what `check` said of each.
///
/// # Panics
/// Where one fails, once all were tried.
pub(crate) fn replay<T>(target: &str, check: impl Fn(&[u8]) -> T) -> Vec<(Case, T)> {
    let mut told = Vec::new();
    let mut failed = Vec::new();
    for case in of(target) {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&case.bytes))) {
            Ok(said) => told.push((case, said)),
            Err(_) => failed.push(case.name),
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} cases of {target} failed: {failed:#?}",
        failed.len(),
        failed.len() + told.len()
    );
    told
}

/// The repository: the folder above `fuzz/`, from wherever in it this is built.
fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().find(|dir| dir.join("fuzz/checks/cases.rs").is_file());
    root.unwrap_or_else(|| panic!("no fuzz folder above {}", here.display())).to_path_buf()
}
