//! Steps that are run one after the other, timed, and told at the end. One that fails does not keep the others from
//! running.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// What came of the steps so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

struct Step {
    name: String,
    took: Duration,
    outcome: Outcome,
}

enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

/// What a step that did not fail came to.
pub(crate) enum Done {
    Passed,
    /// Not possible here, and why.
    Skipped(String),
}

impl Steps {
    /// Runs a step.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<Done>) {
        eprintln!("==> {name}");
        let begun = Instant::now();
        let outcome = match step() {
            Ok(Done::Passed) => Outcome::Passed,
            Ok(Done::Skipped(reason)) => Outcome::Skipped(reason),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        let took = begun.elapsed();
        let step = Step { name: name.to_owned(), took, outcome };
        eprintln!("{step}");
        self.done.push(step);
    }

    /// Tells what came of all of them.
    pub(crate) fn finish(self, what: &str) -> Result<()> {
        println!("\n{what}:");
        self.done.iter().for_each(|step| println!("{step}"));
        let is_failed = |step: &&Step| matches!(step.outcome, Outcome::Failed(_));
        let n_failed = self.done.iter().filter(is_failed).count();
        if n_failed > 0 {
            bail!("{what}: {n_failed} of {} steps failed", self.done.len());
        }
        let took: Duration = self.done.iter().map(|step| step.took).sum();
        println!("{what}: {} steps, none failed, {} s", self.done.len(), took.as_secs());
        Ok(())
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.took.as_secs_f64();
        match &self.outcome {
            Outcome::Passed => write!(f, "  ok      {:6.1} s  {}", seconds, self.name),
            Outcome::Skipped(reason) => write!(f, "  skipped {:6.1} s  {} ({reason})", seconds, self.name),
            Outcome::Failed(reason) => write!(f, "  FAILED  {:6.1} s  {}: {reason}", seconds, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_does_not_stop_the_others_and_fails_the_whole() {
        let mut steps = Steps::default();
        let mut n_run = 0;
        steps.run("one", || bail!("broken"));
        steps.run("two", || {
            n_run += 1;
            Ok(Done::Passed)
        });
        assert_eq!(n_run, 1);
        assert_eq!(steps.finish("all").unwrap_err().to_string(), "all: 1 of 2 steps failed");
    }

    #[test]
    fn what_is_skipped_does_not_fail() {
        let mut steps = Steps::default();
        steps.run("one", || Ok(Done::Skipped("not here".to_owned())));
        steps.finish("all").unwrap();
    }
}
