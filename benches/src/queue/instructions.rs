//! Instruction counts as figures: the same on every run of the same build, whatever else the machine does.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;

use super::callgrind::{Counted, count_all};
use super::contestants::Contestant;
use super::read::MEMCPY;

/// What was counted.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Instructions {
    /// Why nothing was counted; `None` where it was.
    pub(super) missing: Option<String>,
    pub(super) rows: Vec<CountRow>,
}

/// One operation.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CountRow {
    /// `publish`, `read`, or `pass`: a delivery written to a queue for one reader, and read.
    pub(super) operation: &'static str,
    pub(super) contestant: &'static str,
    /// For `publish`: readers that stand by.
    pub(super) n_readers: Option<usize>,
    /// Instructions for one operation on a block of 256 x 2 frames.
    pub(super) instructions: f64,
}

impl CountRow {
    fn new(counted: Counted, instructions: f64) -> Self {
        let (operation, contestant, n_readers) = match counted {
            Counted::Publish(contestant, n_readers) => ("publish", contestant.name(), Some(n_readers)),
            Counted::Read(contestant) => ("read", contestant.name(), None),
            Counted::Memcpy => ("read", MEMCPY, None),
            Counted::Pass(way) => ("pass", way.name(), None),
        };
        Self { operation, contestant, n_readers, instructions }
    }
}

/// Counts everything, where valgrind is installed.
pub(super) fn measure() -> Result<Instructions> {
    let folder = Scratch::new()?;
    Ok(match count_all(&folder.0)? {
        None => Instructions { missing: Some("valgrind is not installed".to_owned()), rows: Vec::new() },
        Some(counts) => Instructions {
            missing: None,
            rows: Counted::all().into_iter().zip(counts).map(|(counted, n)| CountRow::new(counted, n)).collect(),
        },
    })
}

impl Instructions {
    /// The most that our ring's publish takes over the least, whatever the number of readers.
    pub(super) fn publish_spread(&self) -> Option<f64> {
        let ours = |row: &&CountRow| row.operation == "publish" && row.contestant == Contestant::Ring.name();
        let counts: Vec<f64> = self.rows.iter().filter(ours).map(|row| row.instructions).collect();
        let (least, most) = (counts.iter().copied().reduce(f64::min)?, counts.iter().copied().reduce(f64::max)?);
        Some(most / least)
    }
}

/// A folder for callgrind's files, which goes when this does.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("ra-bench-queue-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_our_publish_alone() {
        let row = |contestant: Contestant, n_readers, n| CountRow::new(Counted::Publish(contestant, n_readers), n);
        let rows = vec![
            row(Contestant::Ring, 0, 100.0),
            row(Contestant::RtrbEach, 32, 9_000.0),
            CountRow::new(Counted::Read(Contestant::Ring), 500.0),
            row(Contestant::Ring, 32, 104.0),
        ];
        assert_eq!(Instructions { missing: None, rows }.publish_spread(), Some(1.04));
        assert_eq!(Instructions { missing: None, rows: Vec::new() }.publish_spread(), None);
    }
}
