//! Power cuts. A recording is made once, with every call on its file noted; then its file is put together again as a disk
//! may hold it after a cut at any instant: all that was synced, and of the rest any pages, in any order.

mod call_log;
mod lost_pages;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use ra_engine::sinks::SyncRhythm;
use ra_sinks::tap_storage_below;
use serde::Serialize;

use super::feed::{Feed, LONGEST_STEP_FRAMES, RATE_HZ};
use super::judges::{Judge, Reading};
use super::kinds::Kind;
use super::reference::Reference;
use crate::torture::engine::Dice;
use call_log::{Call, CallLog};
use lost_pages::{Cut, Disk};

/// How much sound is recorded, in seconds.
const LENGTH_S: f64 = 12.0;
/// Each of so many cuts is looked at by programs too.
const OUTSIDE_EVERY: u64 = 10;
/// What the recorder says that a cut can take: the audio between two syncs, that between two headers, and a step.
const LOST_AT_MOST_FRAMES: u64 = RATE_HZ as u64 * 11 / 10 + LONGEST_STEP_FRAMES;
/// What a codec may keep to itself until a unit is full, on top of the last header.
const CODED_UNIT_FRAMES: u64 = RATE_HZ as u64 / 10;
const N_TOLD: usize = 8;

/// What came of the cuts of one format.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PowerFigures {
    /// The format.
    pub kind: String,
    /// Calls on the file: writes, changes of its length, syncs.
    pub calls: [u64; 3],
    /// How many times the power was cut.
    pub cuts: u64,
    /// Of those, before anything was synced: nothing is promised.
    pub before_the_first_sync: u64,
    /// Of those, with pages or a length that differ from what the process had written.
    pub with_losses: u64,
    /// Files that hound refuses because they are shorter than their headers say, which everybody else takes.
    pub refused_by_hound: u64,
    /// Files that can't be opened by our own file source; for codecs that it does not read, by ffmpeg.
    pub unreadable: u64,
    /// Files in which something that was synced is missing or changed.
    pub synced_lost: u64,
    /// Files of lossless formats that hold, behind what was synced, bytes that are neither the recording's nor zero.
    pub foreign: u64,
    /// The longest time between what had been recorded and what had been synced, in milliseconds.
    pub longest_unsynced_ms: f64,
    /// The most that was lost of what had been recorded, in milliseconds.
    pub worst_lost_ms: f64,
    /// Looks by programs, and how many of those files each refused, or read without all that was synced.
    pub outside: Vec<(String, u64, u64)>,
    /// Looks in which a program complained and went on.
    pub complaints: u64,
    /// The first few faults, in words.
    pub faults: Vec<String>,
}

/// Cuts the power `n_cuts` times.
pub(super) fn run(kind: Kind, dir: &Path, n_cuts: u64, dice: &mut Dice) -> Result<PowerFigures> {
    let reference = Reference::record(kind, &fresh(dir, "whole")?, (LENGTH_S * f64::from(RATE_HZ)) as u64)?;
    let log = record_with_log(&kind, &fresh(dir, "noted")?)?;
    let mut figures = PowerFigures { kind: kind.name.to_owned(), cuts: n_cuts, ..Default::default() };
    for call in &log {
        match call.call {
            Call::Write { .. } => figures.calls[0] += 1,
            Call::SetLen { .. } => figures.calls[1] += 1,
            Call::Sync => figures.calls[2] += 1,
            Call::Create | Call::SyncDirectory => {}
        }
    }
    ensure!(figures.calls[2] > 2, "{} syncs in {LENGTH_S} s", figures.calls[2]);
    let principal = Judge::principal(&kind);
    ensure!(
        reference.judges().any(|(judge, _)| judge == principal),
        "{}: {} reads no such files",
        kind.name,
        principal.name()
    );
    figures.outside = reference
        .judges()
        .filter(|(judge, _)| !judge.is_inside() && *judge != principal)
        .map(|(j, _)| (j.name().to_owned(), 0, 0))
        .collect();
    let whole_bytes = Disk::after(&log).bytes;
    // In the order of time, so that the disk only ever goes forward.
    let mut instants: Vec<usize> = (0..n_cuts).map(|_| 1 + dice.below(log.len() as u64) as usize).collect();
    instants.sort_unstable();
    let mut disk = Disk::default();
    let file = dir.join(format!("cut.{}", kind.extension));
    for (n, instant) in (0u64..).zip(instants) {
        disk.run_to(&log, instant);
        let cut = disk.cut(dice);
        std::fs::write(&file, &cut.bytes)?;
        let scene = Scene { reference: &reference, file: &file, cut: &cut, whole_bytes: &whole_bytes };
        scene
            .judge(n.is_multiple_of(OUTSIDE_EVERY), &mut figures)
            .with_context(|| format!("{}: cut {n}", kind.name))?;
    }
    std::fs::remove_file(&file).or_else(|error| if n_cuts == 0 { Ok(()) } else { Err(error) })?;
    Ok(figures)
}

fn fresh(dir: &Path, name: &str) -> Result<std::path::PathBuf> {
    let path = dir.join(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

/// Records, and returns every call on the file in its order.
fn record_with_log(kind: &Kind, dir: &Path) -> Result<Vec<call_log::Noted>> {
    let log = Arc::new(CallLog::default());
    let guard = tap_storage_below(dir, log.clone());
    let mut config = kind.config(dir, "noted");
    config.sync = SyncRhythm::EveryMs(1_000);
    let mut feed = Feed::start(config)?;
    while feed.position() < (LENGTH_S * f64::from(RATE_HZ)) as u64 {
        feed.step()?;
        log.taken(feed.position());
    }
    feed.finish()?;
    drop(guard);
    Ok(log.take())
}

/// One file as a cut has left it.
struct Scene<'a> {
    reference: &'a Reference,
    file: &'a Path,
    cut: &'a Cut,
    /// The bytes of the undisturbed recording that was noted.
    whole_bytes: &'a [u8],
}

impl Scene<'_> {
    fn judge(&self, by_all: bool, figures: &mut PowerFigures) -> Result<()> {
        let Cut { taken_frames, synced_frames, has_synced, has_losses, .. } = *self.cut;
        figures.with_losses += u64::from(has_losses);
        if !has_synced {
            figures.before_the_first_sync += 1;
            return Ok(());
        }
        let kind = &self.reference.kind;
        // What a codec had not put into a unit yet was not synced with the rest.
        let promised = synced_frames.saturating_sub(if kind.is_wav() { 0 } else { CODED_UNIT_FRAMES });
        let ms = |n_frames: u64| n_frames as f64 * 1e3 / f64::from(RATE_HZ);
        figures.longest_unsynced_ms = figures.longest_unsynced_ms.max(ms(taken_frames - synced_frames));
        let mut faults = Vec::new();
        let principal = Judge::principal(kind);
        for (judge, whole) in self.reference.judges() {
            let is_always_asked = judge.is_inside() || judge == principal;
            if !is_always_asked && !by_all {
                continue;
            }
            let held = self.held(judge, whole);
            let complained = held.as_ref().is_ok_and(|held| held.complaint.is_some());
            if is_always_asked {
                match held {
                    Ok(held) if held.n_frames < promised => {
                        figures.synced_lost += 1;
                        faults.push(format!("{}: {} of {promised} synced frames", judge.name(), held.n_frames));
                    }
                    Ok(held) => {
                        figures.worst_lost_ms =
                            figures.worst_lost_ms.max(ms(taken_frames.saturating_sub(held.n_frames)));
                    }
                    Err(_) if judge.is_strict() => figures.refused_by_hound += 1,
                    Err(error) => {
                        figures.unreadable += 1;
                        faults.push(format!("{}: {error:#}", judge.name()));
                    }
                }
                continue;
            }
            figures.complaints += u64::from(complained);
            let row = figures.outside.iter_mut().find(|row| row.0 == judge.name()).context("no such row")?;
            row.1 += 1;
            let fault = match held {
                Ok(held) if held.n_frames < promised => format!("{} of {promised} synced frames", held.n_frames),
                Ok(_) => continue,
                Err(error) => format!("{error:#}"),
            };
            row.2 += 1;
            faults.push(format!("{}: {fault}", judge.name()));
        }
        if kind.is_wav() && !self.is_ours_or_zero() {
            figures.foreign += 1;
            faults.push("bytes that are neither the recording's nor zero".to_owned());
        }
        faults.truncate(N_TOLD.saturating_sub(figures.faults.len()));
        let at = |fault| format!("after {taken_frames} frames, {}: {fault}", self.cut.what);
        figures.faults.extend(faults.into_iter().map(at));
        Ok(())
    }

    /// How many frames from the beginning are as they should be.
    fn held(&self, judge: Judge, whole: &Reading) -> Result<Held> {
        let reading = judge.read(&self.reference.kind, self.file)?;
        let n_frames = Reference::first_difference(whole, &reading).unwrap_or(reading.n_frames());
        Ok(Held { n_frames, complaint: reading.complaint })
    }

    /// Of a WAV: whether behind its header every byte is the recording's or zero.
    fn is_ours_or_zero(&self) -> bool {
        let header = self.whole_bytes.windows(4).position(|bytes| bytes == b"data").map_or(0, |at| at + 8);
        let (cut, whole) = (&self.cut.bytes, self.whole_bytes);
        cut.len() <= whole.len() && cut.iter().zip(whole).skip(header).all(|(cut, whole)| *cut == 0 || cut == whole)
    }
}

struct Held {
    n_frames: u64,
    complaint: Option<String>,
}

/// What the recorder promises: see [`PowerFigures::longest_unsynced_ms`].
pub(super) fn lost_at_most_ms() -> f64 {
    LOST_AT_MOST_FRAMES as f64 * 1e3 / f64::from(RATE_HZ)
}
