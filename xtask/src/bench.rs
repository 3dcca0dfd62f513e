//! `cargo xtask bench`: runs a bench by name, optimised, with what it needs built first.

use anyhow::{Result, bail};

use crate::{
    args::{Args, UsageError},
    repo::Repo,
    setup,
};

/// Benches that belong to a later part of the work.
const LATER: [&str; 2] = ["drift", "latency"];

pub(crate) fn run(repo: &Repo, mut args: Args) -> Result<()> {
    let there = names(repo)?;
    let Some(name) = args.take_word() else {
        return Err(UsageError(format!("bench needs a name: {}", there.join(", "))).into());
    };
    let quick = args.take_flag("--quick");
    let json = args.take_value("--json")?.map(|file| repo.callers_path(&file));
    args.finish()?;
    if !there.contains(&name) {
        return Err(UsageError(unknown(&name, &there)).into());
    }
    let json = json.map(|file| file.to_string_lossy().into_owned());
    run_bench(repo, &name, quick, json.as_deref())
}

/// Builds and runs one bench.
pub(crate) fn run_bench(repo: &Repo, name: &str, quick: bool, json: Option<&str>) -> Result<()> {
    let bin = format!("bench_{name}");
    let mut command = repo.cargo(["run", "--release", "--quiet", "-p", "ra-benches", "--bin", &bin, "--"]);
    if quick {
        command = command.arg("--quick");
    }
    if let Some(json) = json {
        command = command.args(["--json", json]);
    }
    if name == "mix" {
        build_ra(repo)?;
        command = command.env("RA_BIN", repo.release_binary("ra")).env("RA_BENCH_DIR", repo.scratch("bench-mix")?);
    }
    command.run()?;
    Ok(())
}

/// Builds `ra` as its users do, with devices where that is possible.
pub(crate) fn build_ra(repo: &Repo) -> Result<()> {
    let mut words = vec!["build", "--release", "-p", "ra-cli"];
    if !setup::look().devices {
        eprintln!("building ra without devices, for want of the system's sound library");
        words.push("--no-default-features");
    }
    repo.cargo(words).run()?;
    Ok(())
}

/// The benches that exist.
pub(crate) fn names(repo: &Repo) -> Result<Vec<String>> {
    let files = repo.sh.read_dir("benches/src/bin")?;
    let stems = files.iter().filter_map(|file| file.file_stem()?.to_str()?.strip_prefix("bench_"));
    let mut names: Vec<String> = stems.map(str::to_owned).collect();
    names.sort();
    if names.is_empty() {
        bail!("benches/src/bin holds no bench");
    }
    Ok(names)
}

fn unknown(name: &str, there: &[String]) -> String {
    let there = there.join(", ");
    if LATER.contains(&name) {
        format!("bench {name} does not exist yet; there are: {there}")
    } else {
        format!("there is no bench {name:?}; there are: {there}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_benches_of_the_repository_are_found() {
        let names = names(&Repo::find().unwrap()).unwrap();
        assert!(names.contains(&"mix".to_owned()), "{names:?}");
    }

    #[test]
    fn unknown_and_later_benches_are_told_apart() {
        let there = ["mix".to_owned(), "queue".to_owned()];
        assert_eq!(unknown("drift", &there), "bench drift does not exist yet; there are: mix, queue");
        assert_eq!(unknown("mx", &there), "there is no bench \"mx\"; there are: mix, queue");
    }
}
