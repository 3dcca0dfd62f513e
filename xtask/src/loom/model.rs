//! The models as programs: how they are built, which there are, and what one run of one comes to.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::repo::Repo;

/// The crate whose unit tests hold the models.
pub(super) const PACKAGE: &str = "ra-queue";
/// Their module.
const MODULE: &str = "model_tests::";
/// What stands in the message of a run that caught something: a promise of a model, or loom's own rule.
const SIGNS: [&str; 2] = ["broken promise: ", "Causality violation: "];

/// The built program.
pub(super) struct Models {
    program: PathBuf,
    root: PathBuf,
}

/// A model that passed.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: String,
    /// Orders that loom went through.
    pub(super) n_executions: u64,
    pub(super) took: Duration,
    /// The accesses that it makes, as the program tells them: `load Acquire FILE:LINE:COLUMN`.
    pub(super) places: Vec<String>,
}

/// What a run with a fault came to.
pub(super) enum Outcome {
    Passed,
    /// The line that says what was broken.
    Caught(String),
}

impl Models {
    /// Builds the models.
    pub(super) fn build(repo: &Repo) -> Result<Self> {
        // A target folder of its own: the flag would throw away everybody else's build.
        let words = ["test", "-p", PACKAGE, "--lib", "--no-run", "--message-format", "json"];
        let command = repo.cargo(words).env("RUSTFLAGS", "--cfg loom").env_remove("CARGO_ENCODED_RUSTFLAGS");
        let output = command.env("CARGO_TARGET_DIR", repo.scratch("loom")?).read()?;
        let program = output.lines().find_map(test_program).context("cargo built no models")?;
        Ok(Self { program, root: repo.root.clone() })
    }

    /// All models, by name.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let output = self.command().args(["--list", "--format", "terse", MODULE]).output()?;
        ensure!(output.status.success(), "the models can't be listed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }

    /// Runs one as the code is; an error where it fails.
    pub(super) fn run(&self, name: &str) -> Result<Model> {
        let begun = Instant::now();
        let output = self.command().args(WITHOUT_HARNESS).arg(name).env("RA_LOOM_PLACES", "1").output()?;
        let took = begun.elapsed();
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            bail!("{name} fails: {}", sign(&errors).unwrap_or(&errors));
        }
        let n_executions = text.lines().find_map(|line| line.strip_prefix("executions ")?.parse().ok());
        Ok(Model {
            name: name.to_owned(),
            n_executions: n_executions.with_context(|| format!("{name} did not say how many executions it saw"))?,
            took,
            places: text.lines().filter_map(|line| line.strip_prefix("place ")).map(str::to_owned).collect(),
        })
    }

    /// Runs one with a fault. It is an error if that ends in any other way than passing or catching it.
    pub(super) fn run_with(&self, name: &str, fault: &str) -> Result<Outcome> {
        let output = self.command().args(WITHOUT_HARNESS).arg(name).env("RA_LOOM_FAULT", fault).output()?;
        if output.status.success() {
            return Ok(Outcome::Passed);
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        match sign(&errors) {
            Some(line) => Ok(Outcome::Caught(line.to_owned())),
            None => bail!("{name} with {fault} failed without a broken promise ({}):\n{errors}", output.status),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // The program's own paths are relative to the root. What the caller's environment says about loom would change
        // what is checked.
        command.current_dir(&self.root);
        for name in ["RA_LOOM_FAULT", "RA_LOOM_PLACES", "RUST_BACKTRACE", "LOOM_MAX_DURATION", "LOOM_MAX_PERMUTATIONS"]
        {
            command.env_remove(name);
        }
        command
    }
}

/// One test, in the process's own output.
const WITHOUT_HARNESS: [&str; 3] = ["--exact", "--nocapture", "--test-threads=1"];

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.took.as_secs_f64();
        write!(f, "  ok {seconds:6.1} s {:9} executions  {}", self.n_executions, short(&self.name))
    }
}

/// A model's name without what all of them have.
pub(super) fn short(name: &str) -> &str {
    name.strip_prefix(MODULE).unwrap_or(name)
}

fn sign(errors: &str) -> Option<&str> {
    errors.lines().find(|line| SIGNS.iter().any(|sign| line.contains(sign)))
}

/// The program of a line of cargo's, if it tells of one.
fn test_program(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    let program = message["executable"].as_str().filter(|_| is_test)?;
    Some(PathBuf::from(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let line = |reason: &str, is_test: bool, executable: &str| {
            format!(r#"{{"reason":"{reason}","profile":{{"test":{is_test}}},"executable":{executable}}}"#)
        };
        assert_eq!(test_program(&line("compiler-artifact", true, r#""/a/b""#)), Some(PathBuf::from("/a/b")));
        assert_eq!(test_program(&line("compiler-artifact", false, r#""/a/b""#)), None);
        assert_eq!(test_program(&line("compiler-artifact", true, "null")), None);
        assert_eq!(test_program(&line("build-finished", true, r#""/a/b""#)), None);
        assert_eq!(test_program("running 1 test"), None);
    }

    #[test]
    fn a_catch_is_told_by_its_words() {
        let errors = "thread 'main' panicked at x.rs:1:2:\nbroken promise: block 2 is whole\nnote: run with";
        assert_eq!(sign(errors), Some("broken promise: block 2 is whole"));
        assert_eq!(sign("Causality violation: Concurrent write accesses to `UnsafeCell`.").map(str::len), Some(63));
        assert_eq!(sign("attempt to subtract with overflow"), None);
    }
}
