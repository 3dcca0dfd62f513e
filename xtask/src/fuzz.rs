//! `cargo xtask fuzz`: feeds hostile bytes to whatever parses bytes from outside, by cargo-fuzz on the nightly compiler.
//!
//! Installs nothing: it says what is missing. What the fuzzer has found is replayed by the ordinary tests, which need
//! neither.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    args::{Args, UsageError},
    repo::Repo,
    steps::{Done, Steps},
};

/// How long each target runs where nothing is said.
const RUN_FOR: Duration = Duration::from_secs(600);

/// A fuzz target.
struct Target {
    name: &'static str,
    /// Longer inputs are not made: those in the wild say nothing new, and cost time.
    max_bytes: u32,
    /// One input that takes longer has no end.
    max_s: u32,
    /// Folders of the repository that hold more seeds.
    more_seeds: &'static [&'static str],
}

const TARGETS: [Target; 4] = [
    Target { name: "config", max_bytes: 8_192, max_s: 5, more_seeds: &[] },
    Target { name: "scenario", max_bytes: 8_192, max_s: 5, more_seeds: &["scenarios"] },
    Target { name: "sound_file", max_bytes: 16_384, max_s: 20, more_seeds: &[] },
    Target { name: "command_line", max_bytes: 1_024, max_s: 5, more_seeds: &[] },
];

/// The most memory that a target may have in use, in MiB; what it may ask for at once is a quarter of that.
const MAX_MEMORY_MIB: u32 = 512;

/// Freed memory that the address sanitizer holds back, in MiB.
const QUARANTINE_MIB: u32 = 32;

pub(crate) fn run(repo: &Repo, mut args: Args) -> Result<()> {
    let run_for = args.take_duration("--for")?.unwrap_or(RUN_FOR);
    let name = args.take_word();
    args.finish()?;
    let targets = chosen(name.as_deref())?;
    look_for_tools()?;
    let mut steps = Steps::default();
    for target in targets {
        steps.run(target.name, || fuzz(repo, target, run_for));
    }
    steps.finish("fuzz")
}

fn chosen(name: Option<&str>) -> Result<&'static [Target], UsageError> {
    let Some(name) = name else { return Ok(&TARGETS) };
    let found = TARGETS.iter().position(|target| target.name == name);
    found.map(|at| &TARGETS[at..=at]).ok_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        UsageError(format!("unknown fuzz target {name:?}, expected {}", names.join(", ")))
    })
}

/// Says everything that is missing at once.
fn look_for_tools() -> Result<()> {
    let missing = missing_tools(&|words| {
        let output = rustup(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
        output.is_ok_and(|status| status.success())
    });
    ensure!(missing.is_empty(), "what fuzzing needs is not here:\n{}", missing.join("\n"));
    Ok(())
}

fn missing_tools(works: &dyn Fn(&[&str]) -> bool) -> Vec<&'static str> {
    if !works(&["--version"]) {
        return vec!["  rustup, which finds the nightly compiler: https://rustup.rs"];
    }
    let mut missing = Vec::new();
    let has_nightly = works(&["run", "nightly", "rustc", "--version"]);
    if !has_nightly {
        missing.push("  the nightly compiler: rustup toolchain install nightly --profile minimal");
    }
    let toolchain = if has_nightly { "nightly" } else { "stable" };
    if !works(&["run", toolchain, "cargo", "fuzz", "--version"]) {
        missing.push("  cargo-fuzz: cargo install cargo-fuzz");
    }
    missing
}

/// A call of rustup that forgets which toolchain this program was built with.
fn rustup(words: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(words);
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        command.env_remove(name);
    }
    command
}

/// Runs one target. What it learns stays in `fuzz/corpus`, what breaks it in `fuzz/artifacts`; neither is committed.
fn fuzz(repo: &Repo, target: &Target, run_for: Duration) -> Result<Done> {
    let fuzz = repo.root.join("fuzz");
    let corpus = fuzz.join("corpus").join(target.name);
    std::fs::create_dir_all(&corpus).with_context(|| format!("cannot make the folder {}", repo.shown(&corpus)))?;
    let kept = ["seeds", "broke"].map(|kind| fuzz.join(kind).join(target.name));
    let more = target.more_seeds.iter().map(|path| repo.root.join(path));
    let folders: Vec<PathBuf> = kept.into_iter().chain(more).filter(|path| path.is_dir()).collect();
    let dictionary = fuzz.join("dictionaries").join(format!("{}.dict", target.name));

    let mut command = rustup(&["run", "nightly", "cargo", "fuzz", "run", "--fuzz-dir"]);
    command.current_dir(&repo.root).arg(&fuzz).arg(target.name).arg(&corpus).args(&folders).arg("--");
    command.args(libfuzzer_options(target, run_for, &dictionary));
    // What was freed is kept for a while, to catch who uses it after: as little of it as does not count against the limit.
    command.env("ASAN_OPTIONS", format!("quarantine_size_mb={QUARANTINE_MIB}"));
    let status = command.status().context("cannot run rustup")?;
    if !status.success() {
        let artifacts = fuzz.join("artifacts").join(target.name);
        bail!(
            "it found something (or did not build: see above); what it found is in {}: mend it, and keep the case in fuzz/broke/{}",
            repo.shown(&artifacts),
            target.name
        );
    }
    Ok(Done::Passed)
}

fn libfuzzer_options(target: &Target, run_for: Duration, dictionary: &Path) -> Vec<String> {
    let mut options = vec![
        // 0 would mean without end.
        format!("-max_total_time={}", run_for.as_secs().max(1)),
        format!("-max_len={}", target.max_bytes),
        format!("-timeout={}", target.max_s),
        format!("-rss_limit_mb={MAX_MEMORY_MIB}"),
        format!("-malloc_limit_mb={}", MAX_MEMORY_MIB / 4),
        "-print_final_stats=1".to_owned(),
    ];
    if dictionary.is_file() {
        options.push(format!("-dict={}", dictionary.display()));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_in_the_manifest_with_seeds_and_can_be_chosen() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
        for target in &TARGETS {
            assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
            assert!(fuzz.join("targets").join(format!("{}.rs", target.name)).is_file(), "{}", target.name);
            assert!(fuzz.join("seeds").join(target.name).read_dir().unwrap().next().is_some(), "{}", target.name);
            assert_eq!(chosen(Some(target.name)).unwrap()[0].name, target.name);
        }
        assert_eq!(chosen(None).unwrap().len(), TARGETS.len());
        let Err(UsageError(message)) = chosen(Some("colour")) else { panic!("taken") };
        assert_eq!(message, "unknown fuzz target \"colour\", expected config, scenario, sound_file, command_line");
    }

    #[test]
    fn what_is_missing_is_said_with_the_way_to_get_it() {
        assert!(missing_tools(&|_| true).is_empty());
        assert!(missing_tools(&|_| false)[0].contains("https://rustup.rs"));
        let none_but_rustup = missing_tools(&|words| words == ["--version"]);
        assert_eq!(none_but_rustup.len(), 2);
        assert!(none_but_rustup[0].contains("rustup toolchain install nightly"));
        assert!(none_but_rustup[1].contains("cargo install cargo-fuzz"));
        let without_cargo_fuzz = missing_tools(&|words| !words.contains(&"fuzz"));
        assert_eq!(without_cargo_fuzz.len(), 1);
        assert!(without_cargo_fuzz[0].contains("cargo-fuzz"));
    }

    #[test]
    fn a_run_always_has_an_end_and_a_bound_on_memory() {
        for run_for in [Duration::from_millis(1), Duration::from_secs(90)] {
            let options = libfuzzer_options(&TARGETS[0], run_for, Path::new("no.dict"));
            assert!(!options.contains(&"-max_total_time=0".to_owned()), "{options:?}");
            assert!(options.contains(&"-rss_limit_mb=512".to_owned()), "{options:?}");
            assert!(!options.iter().any(|option| option.starts_with("-dict")), "{options:?}");
        }
    }
}
