//! `cargo xtask loom`: the models of the queues, by the model checker loom, and the faults that they must catch.
//!
//! First every model as the code is: each must pass. Then again with one fault at a time: each ordering that is stronger
//! than Relaxed made Relaxed, wherever a model goes through one, and the stores whose place in the text matters carried
//! out too late. Each fault must break a promise of a model, or loom's own rule that plain memory is never raced for. One
//! that doesn't is an ordering that nobody needs or a model that doesn't look, and the command fails either way.
//!
//! Nothing of this is in a normal build: `--cfg loom` puts loom under the queues, in a target folder of its own.

mod fault;
mod model;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::{args::Args, repo::Repo};
use fault::Verdict;
use model::{Model, Models};

pub(crate) fn run(repo: &Repo, args: Args) -> Result<()> {
    args.finish()?;
    check(repo)
}

/// Runs the models, plants the faults, and tells what came of each.
pub(crate) fn check(repo: &Repo) -> Result<()> {
    let begun = Instant::now();
    let models = Models::build(repo)?;
    let passed = pass(&models)?;
    let faults = fault::all(repo, &passed)?;
    let verdicts = in_parallel(&faults, |fault| fault.judge(&models, &passed));
    let mut missed = Vec::new();
    for (fault, verdict) in faults.iter().zip(verdicts) {
        let verdict = verdict?;
        println!("{fault}\n    {verdict}");
        if matches!(verdict, Verdict::Missed { .. }) {
            missed.push(fault.to_string());
        }
    }
    if !missed.is_empty() {
        bail!("loom: no model notices\n  {}", missed.join("\n  "));
    }
    let n_executions: u64 = passed.iter().map(|model| model.n_executions).sum();
    println!(
        "loom: {} models passed {n_executions} executions, and caught {} faults planted one by one; {} s",
        passed.len(),
        faults.len(),
        begun.elapsed().as_secs(),
    );
    Ok(())
}

/// Runs every model as the code is.
fn pass(models: &Models) -> Result<Vec<Model>> {
    let names = models.names()?;
    ensure!(!names.is_empty(), "there are no models in {}", model::PACKAGE);
    let mut passed = in_parallel(&names, |name| models.run(name)).into_iter().collect::<Result<Vec<Model>>>()?;
    for model in &passed {
        println!("{model}");
    }
    // Whatever is planted is looked for by the quick ones first.
    passed.sort_by_key(|model| model.took);
    Ok(passed)
}

/// Does `work` on every item, on all processors; the results are in the items' order.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let n_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let waiting = Mutex::new(items.iter().enumerate());
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..n_threads.min(items.len()) {
            scope.spawn(|| {
                let next = || waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                while let Some((at, item)) = next() {
                    let result = work(item);
                    results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(at, result);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        assert_eq!(in_parallel(&items, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(in_parallel(&[], |item: &u64| *item), [0_u64; 0]);
    }
}
