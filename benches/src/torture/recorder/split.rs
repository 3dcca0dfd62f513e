//! Splits at random places: the files one behind the other are the unsplit recording.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use ra_engine::sinks::{RecorderConfig, SyncRhythm};
use serde::Serialize;

use super::feed::Feed;
use super::judges::{Judge, Reading};
use super::kinds::Kind;
use super::reference::Reference;
use crate::torture::engine::Dice;

/// The longest file, in frames.
const LONGEST_FRAMES: u64 = 6_000;
/// Each of so many files is read by programs too.
const OUTSIDE_EVERY: usize = 50;

/// What came of the splits of one format.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SplitFigures {
    /// The format.
    pub kind: String,
    /// How many splits.
    pub splits: u64,
    /// How many files they left.
    pub files: u64,
    /// Frames in all files, and in the unsplit recording.
    pub frames: [u64; 2],
    /// From which frame on the files differ from the unsplit recording.
    pub first_difference: Option<u64>,
    /// Files that a program could not open, or complained of, or read otherwise than we.
    pub unreadable: u64,
    /// How many files programs have read.
    pub read_outside: u64,
    /// The first few faults, in words.
    pub faults: Vec<String>,
}

/// What is done to a recorder.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write(u64),
    Gap(u64),
    Split,
}

fn plan(n_splits: u64, dice: &mut Dice) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..n_splits {
        let mut left = 1 + dice.below(LONGEST_FRAMES);
        while left > 0 {
            let step = if dice.percent(2) { Step::Gap(left.min(300)) } else { Step::Write(left.min(128)) };
            let (Step::Write(n) | Step::Gap(n)) = step else { break };
            left -= n;
            steps.push(step);
        }
        steps.push(Step::Split);
    }
    steps.push(Step::Write(128));
    steps
}

/// Carries out a plan, with its splits or without; returns how many frames went in.
fn carry_out(plan: &[Step], config: RecorderConfig, with_splits: bool) -> Result<u64> {
    // A thousand syncs of directories prove nothing here.
    let mut feed = Feed::start(RecorderConfig { sync: SyncRhythm::Never, ..config })?;
    for step in plan {
        match step {
            Step::Write(n_frames) => feed.write(*n_frames)?,
            Step::Gap(n_frames) => feed.gap(*n_frames)?,
            Step::Split if with_splits => feed.split()?,
            Step::Split => {}
        }
    }
    let n_frames = feed.position();
    feed.finish()?;
    Ok(n_frames)
}

/// Splits a recording `n_splits` times and compares.
pub(super) fn run(kind: Kind, dir: &Path, n_splits: u64, dice: &mut Dice) -> Result<SplitFigures> {
    let (whole_dir, split_dir) = (dir.join("whole"), dir.join("split"));
    std::fs::create_dir_all(&whole_dir)?;
    std::fs::create_dir_all(&split_dir)?;
    let plan = plan(n_splits, dice);
    let n_frames = carry_out(&plan, kind.config(&split_dir, "take-{index}"), true)?;
    carry_out(&plan, kind.config(&whole_dir, "whole"), false)?;

    let whole = Judge::FileSource.read(&kind, &whole_dir.join(format!("whole.{}", kind.extension)))?;
    ensure!(whole.n_frames() == n_frames, "the unsplit recording lasts {} frames of {n_frames}", whole.n_frames());
    let files = files_in(&split_dir, kind.extension)?;
    let mut figures =
        SplitFigures { kind: kind.name.to_owned(), splits: n_splits, files: files.len() as u64, ..Default::default() };
    let mut joined = Reading::default();
    for (n, file) in files.iter().enumerate() {
        let reading = Judge::FileSource.read(&kind, file)?;
        if n.is_multiple_of(OUTSIDE_EVERY) {
            read_outside(&kind, file, &reading, &mut figures);
        }
        joined.samples.extend(reading.samples);
    }
    figures.frames = [joined.n_frames(), whole.n_frames()];
    figures.first_difference = Reference::first_difference(&whole, &joined);
    std::fs::remove_dir_all(&split_dir)?;
    std::fs::remove_dir_all(&whole_dir)?;
    Ok(figures)
}

/// The files in the order of their numbers, which have more digits from 10000 on.
fn files_in(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir)?.collect::<std::io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort_by_key(|file| (file.as_os_str().len(), file.clone()));
    Ok(files)
}

/// One that we have read, read by programs.
fn read_outside(kind: &Kind, file: &Path, ours: &Reading, figures: &mut SplitFigures) {
    for judge in Judge::programs_for(kind) {
        figures.read_outside += 1;
        let fault = match judge.read(kind, file) {
            Ok(Reading { complaint: Some(complaint), .. }) => complaint,
            Ok(reading) if reading.n_frames() != ours.n_frames() => {
                format!("{} frames, we read {}", reading.n_frames(), ours.n_frames())
            }
            Ok(_) => continue,
            Err(error) => format!("{error:#}"),
        };
        figures.unreadable += 1;
        if figures.faults.len() < 8 {
            figures.faults.push(format!("{} of {}: {fault}", judge.name(), file.display()));
        }
    }
}
