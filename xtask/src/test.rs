//! `cargo xtask test`: sets up what is missing and runs every test that can be built, by plain `cargo test`.
//!
//! Hides nothing of what cargo says, and counts: a run in which no test ran is a failure.

mod tally;

use anyhow::{Result, bail, ensure};

use crate::{
    args::Args,
    repo::Repo,
    selection::selections,
    setup::{self, Purpose},
};
use tally::{Tally, run_and_count};

/// The file in the scratch folder that keeps the last line.
const SUMMARY_FILE: &str = "tests.txt";

pub(crate) fn run(repo: &Repo, args: Args) -> Result<()> {
    let ready = setup::prepare(Purpose::Test)?;
    let extra = args.rest();
    let mut tally = Tally::default();
    let mut failed = Vec::new();
    let selections = if names_packages(&extra) { vec![vec![]] } else { selections(ready) };
    for selection in selections {
        // All of the failures, not the first alone.
        let mut words = vec!["test", "--no-fail-fast"];
        words.extend(&selection);
        words.extend(extra.iter().map(String::as_str));
        let (counted, succeeded) = run_and_count(repo, &words)?;
        tally += counted;
        if !succeeded {
            failed.push(words[2..].join(" "));
        }
    }
    // By itself: JACK's library among those of the other tests would be looked at by each of them.
    if !names_packages(&extra) && ready.devices && setup::has_library("jack") && extra.is_empty() {
        let words =
            ["test", "-p", "ra-cli", "--features", "device-testing,jack", "--test", "supervision", "--", "jack"];
        let (counted, succeeded) = run_and_count(repo, &words)?;
        tally += counted;
        if !succeeded {
            failed.push(words[1..].join(" "));
        }
    }
    if !ready.devices {
        println!("left out: ra-device and the device features, for want of the system's sound library");
    }
    let summary = format!("tests: {tally}");
    std::fs::write(repo.scratch("xtask")?.join(SUMMARY_FILE), format!("{summary}\n"))?;
    println!("{summary}");
    if !failed.is_empty() {
        bail!("tests failed in: cargo test {}", failed.join("; cargo test "));
    }
    ensure!(tally.passed > 0, "no test ran");
    Ok(())
}

/// Whether the person chose the packages.
fn names_packages(extra: &[String]) -> bool {
    let ours = extra.iter().take_while(|word| *word != "--");
    let is_choice = |word: &String| {
        matches!(word.as_str(), "-p" | "--package" | "--workspace" | "--manifest-path")
            || word.starts_with("--package=")
    };
    ours.into_iter().any(is_choice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_who_names_packages_gets_those() {
        let names = |words: &[&str]| names_packages(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert!(names(&["-p", "ra-core"]));
        assert!(names(&["some_filter", "--package=ra-core"]));
        assert!(!names(&["some_filter", "--", "-p"]));
        assert!(!names(&[]));
    }
}
