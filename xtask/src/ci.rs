//! `cargo xtask ci`: everything that is checked before a change goes in, step by step. The one truth that `.ci/run` and
//! the workflows call.

mod features;

use std::time::Duration;

use anyhow::{Context, Result};

use crate::{
    args::{Args, UsageError},
    bench, check, demo, layering, loom, realtime_lint,
    repo::Repo,
    rtsan,
    selection::selections,
    setup::{self, Purpose},
    steps::{Done, Steps},
    test,
};

type Step = (&'static str, fn(&Repo) -> Result<Done>);

/// The steps, those that fail fast first.
const STEPS: [Step; 13] = [
    ("format", check::format),
    ("layering", |repo| layering::check(repo).map(|()| Done::Passed)),
    ("realtime-lint", |repo| realtime_lint::check(repo).map(|_| Done::Passed)),
    ("test", |repo| test::run(repo, Args::default()).map(|()| Done::Passed)),
    ("lint", check::lint),
    ("docs", docs),
    ("features", features::step),
    ("examples", examples),
    ("loom", |repo| loom::check(repo).map(|()| Done::Passed)),
    ("long-tests", long_tests),
    ("rtsan", rtsan::step),
    ("benches", benches),
    ("demo", |repo| demo::demonstrate(repo, Duration::from_secs(4)).map(|()| Done::Passed)),
];

pub(crate) fn run(repo: &Repo, mut args: Args) -> Result<()> {
    let mut left_out = Vec::new();
    while let Some(name) = args.take_value("--skip")? {
        left_out.push(known(&name)?);
    }
    let mut chosen = Vec::new();
    while let Some(name) = args.take_word() {
        chosen.push(known(&name)?);
    }
    args.finish()?;
    setup::prepare(Purpose::Test)?;
    let mut steps = Steps::default();
    for (name, step) in STEPS {
        if (chosen.is_empty() || chosen.contains(&name)) && !left_out.contains(&name) {
            steps.run(name, || step(repo));
        }
    }
    steps.finish("ci")
}

fn known(name: &str) -> Result<&'static str> {
    let found = STEPS.iter().find(|(known, _)| *known == name);
    let names = || STEPS.map(|(name, _)| name).join(", ");
    Ok(found.map(|(name, _)| *name).ok_or_else(|| UsageError(format!("ci has no step {name:?}: {}", names())))?)
}

/// The documentation of our own crates; a broken link is a failure.
fn docs(repo: &Repo) -> Result<Done> {
    for selection in selections(setup::look()) {
        let words = ["doc", "--no-deps"].into_iter().chain(selection);
        repo.cargo(words).env("RUSTDOCFLAGS", "-D warnings").run()?;
    }
    Ok(Done::Passed)
}

/// Tests that take a minute optimised and many otherwise, and so are left out by default: an hour of wandering clocks,
/// months of an estimator's numbers, and hours of a device.
fn long_tests(repo: &Repo) -> Result<Done> {
    let mut tests: Vec<&[&str]> = vec![&["-p", "ra-sim", "--test", "scenarios"], &["-p", "ra-dsp", "--lib"]];
    if setup::look().devices {
        tests.push(&["-p", "ra-sinks", "--features", "output", "--lib"]);
    }
    for words in tests {
        repo.cargo(["test", "--release"]).args(words).args(["--", "--ignored"]).run()?;
    }
    Ok(Done::Passed)
}

fn examples(repo: &Repo) -> Result<Done> {
    let selections = selections(setup::look());
    let widest = selections.last().context("nothing to build")?;
    repo.cargo(["build", "--examples"].into_iter().chain(widest.iter().copied())).run()?;
    Ok(Done::Passed)
}

/// Shows that every bench works; its figures are not for publication.
fn benches(repo: &Repo) -> Result<Done> {
    if cfg!(not(unix)) {
        return Ok(Done::Skipped("the benches measure on Unix only".to_owned()));
    }
    for name in bench::names(repo)? {
        if name == "devices" && !setup::look().devices {
            eprintln!("left out: bench devices, for want of the system's sound library");
            continue;
        }
        let json = repo.scratch("xtask")?.join(format!("bench-{name}-quick.json"));
        bench::run_bench(repo, &name, true, Some(&json.to_string_lossy()))?;
        let text =
            std::fs::read_to_string(&json).with_context(|| format!("bench {name} left no {}", json.display()))?;
        let report: serde_json::Value = serde_json::from_str(&text).context("the report is no JSON")?;
        anyhow::ensure!(report["schema"] == 1, "bench {name}: schema is {}, expected 1", report["schema"]);
    }
    Ok(Done::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_known_by_name() {
        assert_eq!(known("lint").unwrap(), "lint");
        let error = known("lnit").unwrap_err();
        assert!(error.is::<UsageError>());
        assert!(error.to_string().contains("realtime-lint"), "{error}");
    }
}
