//! `cargo xtask bench`: runs a bench by name, optimised, with what it needs built first.

use anyhow::{Result, bail};

use crate::{
    args::{Args, UsageError},
    repo::Repo,
    selection::bench_features,
    setup,
};

/// Benches that draw pictures.
const DRAWS: [&str; 3] = ["drift", "latency", "queue"];

pub(crate) fn run(repo: &Repo, mut args: Args) -> Result<()> {
    let there = names(repo)?;
    let Some(name) = args.take_word() else {
        return Err(UsageError(format!("bench needs a name: {}", there.join(", "))).into());
    };
    let quick = args.take_flag("--quick");
    let mut path_of = |option| -> Result<Option<String>> {
        let path = args.take_value(option)?.map(|path| repo.callers_path(&path));
        Ok(path.map(|path| path.to_string_lossy().into_owned()))
    };
    let (json, svg) = (path_of("--json")?, path_of("--svg")?);
    let real = args.take_value("--real")?;
    args.finish()?;
    if !there.contains(&name) {
        return Err(UsageError(format!("there is no bench {name:?}; there are: {}", there.join(", "))).into());
    }
    if svg.is_some() && !DRAWS.contains(&name.as_str()) {
        return Err(UsageError(format!("bench {name} draws no pictures: --svg is for {}", DRAWS.join(", "))).into());
    }
    if real.is_some() && name != "drift" {
        return Err(UsageError(format!("bench {name} takes no --real: that is for drift")).into());
    }
    let options = [("--json", json), ("--svg", svg), ("--real", real)];
    run_with(repo, &name, quick, &options)
}

/// Builds and runs one bench; its pictures, if it draws any, go beside its report.
pub(crate) fn run_bench(repo: &Repo, name: &str, quick: bool, json: Option<&str>) -> Result<()> {
    run_with(repo, name, quick, &[("--json", json.map(str::to_owned))])
}

fn run_with(repo: &Repo, name: &str, quick: bool, options: &[(&str, Option<String>)]) -> Result<()> {
    let bin = format!("bench_{name}");
    let mut command = repo.cargo(["run", "--release", "--quiet", "-p", "ra-benches", "--bin", &bin]);
    command = command.args(bench_features(name).iter().copied()).arg("--");
    if quick {
        command = command.arg("--quick");
    }
    for (option, value) in options {
        if let Some(value) = value {
            command = command.args([option, value.as_str()]);
        }
    }
    if name == "devices" {
        // Beside the one that people build: it is only looked at how soon it starts.
        let target = repo.scratch("ra-with-jack")?;
        if setup::has_library("jack") {
            let words = ["build", "--release", "-p", "ra-cli", "--features", "jack", "--target-dir"];
            repo.cargo(words).arg(&target).run()?;
            command = command.env("RA_BIN", target.join("release").join("ra"));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_benches_of_the_repository_are_found() {
        let names = names(&Repo::find().unwrap()).unwrap();
        assert!(names.contains(&"mix".to_owned()), "{names:?}");
    }

    #[test]
    fn what_a_bench_does_not_know_is_told_before_anything_is_built() {
        let repo = Repo::find().unwrap();
        let error = |words: &[&str]| {
            let args = Args::new(words.iter().map(std::ffi::OsString::from)).unwrap();
            run(&repo, args).unwrap_err().downcast::<UsageError>().unwrap().0
        };
        assert!(error(&[]).starts_with("bench needs a name: "));
        assert!(error(&["mx"]).starts_with("there is no bench \"mx\"; there are: "));
        assert_eq!(
            error(&["mix", "--svg", "plots"]),
            "bench mix draws no pictures: --svg is for drift, latency, queue"
        );
        assert_eq!(error(&["latency", "--slow"]), "unexpected argument \"--slow\"");
    }
}
