//! `cargo xtask check`: what a person runs before every commit. Under a minute when warm.

use anyhow::Result;

use crate::{
    args::Args,
    repo::Repo,
    selection::selections,
    setup,
    steps::{Done, Steps},
};

pub(crate) fn run(repo: &Repo, args: Args) -> Result<()> {
    args.finish()?;
    let mut steps = Steps::default();
    steps.run("format", || format(repo));
    steps.run("lint", || lint(repo));
    steps.run("unit tests", || unit_tests(repo));
    steps.finish("check")
}

/// Whether rustfmt would leave every file as it is.
pub(crate) fn format(repo: &Repo) -> Result<Done> {
    repo.cargo(["fmt", "--all", "--check"]).run()?;
    Ok(Done::Passed)
}

/// Clippy on every target that can be built; a warning is a failure.
pub(crate) fn lint(repo: &Repo) -> Result<Done> {
    for selection in selections(setup::look()) {
        let words = ["clippy"].into_iter().chain(selection);
        repo.cargo(words.chain(["--all-targets", "--", "-D", "warnings"])).run()?;
    }
    Ok(Done::Passed)
}

fn unit_tests(repo: &Repo) -> Result<Done> {
    for selection in selections(setup::look()) {
        // Not by --lib alone: that leaves out the tests of the programs.
        repo.cargo(["test", "--quiet", "--lib", "--bins"].into_iter().chain(selection)).run()?;
    }
    Ok(Done::Passed)
}
