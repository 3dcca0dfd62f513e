//! One run after the other, as they were asked for. Judges nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::figures::RecorderFigures;
use super::kinds::{KINDS, Kind};
use super::{full, kill, large, power, split};
use crate::torture::engine::Dice;

/// What is asked of a torture. Everything that is 0 or false is left out.
#[derive(Clone, Debug)]
pub struct RecorderTorture {
    /// Draws instants and places.
    pub seed: u64,
    /// Recorders to kill, over all formats.
    pub n_kills: u64,
    /// Disks to fill.
    pub n_fulls: u64,
    /// Splits, for each lossless format.
    pub n_splits: u64,
    /// Cuts of the power, over all formats.
    pub n_power_cuts: u64,
    /// Whether to cross 4 GiB.
    pub cross_4gib: bool,
    /// The program that [`super::record_until_killed`] is behind, as `PROGRAM --victim DIR FORMAT`.
    pub victim: PathBuf,
    /// Whether to say on stderr what is being done.
    pub tells: bool,
}

impl RecorderTorture {
    /// Runs it. Needs up to 1 GB of room for temporary files.
    ///
    /// # Errors
    /// Something stands in the way of the torture itself. What it finds is in the figures.
    pub fn run(&self) -> Result<RecorderFigures> {
        let (kinds, missing): (Vec<Kind>, Vec<Kind>) = KINDS.into_iter().partition(|kind| kind.missing().is_none());
        let why = |kind: &Kind| format!("{}: {}", kind.name, kind.missing().unwrap_or_default());
        let mut figures = RecorderFigures {
            seed: self.seed,
            missing_kinds: missing.iter().map(why).collect(),
            ..RecorderFigures::default()
        };
        ensure!(!kinds.is_empty(), "this build writes no format at all");
        let root = tempfile::tempdir().context("no temporary directory")?;
        let dir = |name: String| -> Result<PathBuf> {
            let path = root.path().join(name.replace(' ', "-"));
            std::fs::create_dir(&path)?;
            Ok(path)
        };
        let dice = |what: u64| Dice::new(self.seed.wrapping_mul(1_000).wrapping_add(what));
        if self.cross_4gib {
            self.tell("across 4 GiB");
            figures.large = Some(large::run(&dir("large".to_owned())?)?);
        }
        for (nth, kind) in kinds.iter().enumerate() {
            let n = share(self.n_kills, nth, kinds.len());
            if n > 0 {
                self.tell(&format!("{n} kills, {}", kind.name));
                let dir = dir(format!("kill {}", kind.name))?;
                figures.kills.push(kill::run(*kind, &self.victim, &dir, n, &mut dice(nth as u64))?);
                remove(&dir)?;
            }
        }
        for (nth, kind) in kinds.iter().enumerate() {
            let n = share(self.n_power_cuts, nth, kinds.len());
            if n > 0 {
                self.tell(&format!("{n} power cuts, {}", kind.name));
                let dir = dir(format!("power {}", kind.name))?;
                figures.power_cuts.push(power::run(*kind, &dir, n, &mut dice(100 + nth as u64))?);
                remove(&dir)?;
            }
        }
        for (nth, kind) in kinds.iter().enumerate().filter(|(_, kind)| kind.is_lossless && self.n_splits > 0) {
            self.tell(&format!("{} splits, {}", self.n_splits, kind.name));
            let dir = dir(format!("split {}", kind.name))?;
            figures.splits.push(split::run(*kind, &dir, self.n_splits, &mut dice(200 + nth as u64))?);
        }
        if self.n_fulls > 0 {
            self.tell(&format!("{} full disks", self.n_fulls));
            figures.fulls = Some(full::run(&kinds, &dir("full".to_owned())?, self.n_fulls, &mut dice(300))?);
        }
        Ok(figures)
    }

    fn tell(&self, what: &str) {
        if self.tells {
            eprintln!("{what} ...");
        }
    }
}

fn remove(dir: &Path) -> Result<()> {
    std::fs::remove_dir_all(dir).with_context(|| format!("{}", dir.display()))
}

/// What the `nth` of so many formats gets of `n`, so that all of it is done.
fn share(n: u64, nth: usize, n_kinds: usize) -> u64 {
    n / n_kinds as u64 + u64::from((nth as u64) < n % n_kinds as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for n in [0, 1, 5, 6, 1_000] {
            assert_eq!((0..6).map(|nth| share(n, nth, 6)).sum::<u64>(), n);
        }
    }
}
