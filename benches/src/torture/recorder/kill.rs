//! SIGKILL at random instants: a process records as fast as it can and notes how far it is; another one kills it and looks
//! at the file that is left.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::feed::{Feed, RATE_HZ};
use super::judges::Judge;
use super::kinds::Kind;
use super::reference::Reference;
use crate::torture::engine::Dice;

/// What a killed recorder may lose of what it had taken: 200 ms.
pub(super) const LOST_AT_MOST_FRAMES: u64 = RATE_HZ as u64 / 5;
/// How much sound a victim records before it is killed at the latest, in seconds.
const LONGEST_S: f64 = 20.0;
/// The name of the note of how far the victim is.
const PROGRESS: &str = "progress";
/// Faults that are told in words.
const N_TOLD: usize = 8;

/// What came of the kills of one format.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KillFigures {
    /// The format.
    pub kind: String,
    /// How many recorders were killed.
    pub kills: u64,
    /// Of those, before the recording had begun: there may be no file, or an empty one.
    pub before_the_begin: u64,
    /// Who read the files that were left, and how many each.
    pub judged: Vec<(String, u64)>,
    /// Who did not, and why.
    pub not_judging: Vec<String>,
    /// Files that somebody could not open, or complained of.
    pub unreadable: u64,
    /// Files that hold something else than what an undisturbed recording holds at that place.
    pub changed: u64,
    /// Files that our own file source plays, and remarks something of: a torn FLAC frame behind the last whole one.
    pub remarks: u64,
    /// Sidecars that are no JSON.
    pub bad_sidecars: u64,
    /// The most that was lost of what the recorder had taken, in milliseconds, by any judge.
    pub worst_lost_ms: f64,
    /// The middle one, by the first judge.
    pub median_lost_ms: f64,
    /// The longest of the recordings that were left, in seconds.
    pub longest_s: f64,
    /// The median of them, in seconds.
    pub median_s: f64,
    /// The first few faults, in words.
    pub faults: Vec<String>,
}

/// The victim: records until it is killed. `start` is noted as 1, a position as that and 1.
///
/// # Errors
/// The recorder's own.
pub fn record_until_killed(dir: &Path, kind: &str) -> Result<()> {
    let kind = Kind::named(kind).with_context(|| format!("no format {kind:?}"))?;
    let progress = File::create(dir.join(PROGRESS))?;
    let note = |n: u64| write_at_begin(&progress, n);
    let mut feed = Feed::start(kind.config(dir, "take"))?;
    note(1)?;
    while feed.position() < (LONGEST_S * f64::from(RATE_HZ)) as u64 {
        feed.step()?;
        note(feed.position() + 1)?;
    }
    // The end of a recording is an instant too; who is still alive behind it waits for the kill.
    feed.finish()?;
    loop {
        std::thread::park();
    }
}

#[cfg(unix)]
fn write_at_begin(file: &File, n: u64) -> Result<()> {
    Ok(std::os::unix::fs::FileExt::write_all_at(file, &n.to_le_bytes(), 0)?)
}

#[cfg(not(unix))]
fn write_at_begin(_file: &File, _n: u64) -> Result<()> {
    bail!("SIGKILL is a thing of Unix")
}

fn progress_of(dir: &Path) -> u64 {
    let bytes = std::fs::read(dir.join(PROGRESS)).unwrap_or_default();
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// Kills `n_kills` recorders of one format. `victim` is the program that [`record_until_killed`] is behind.
pub(super) fn run(kind: Kind, victim: &Path, dir: &Path, n_kills: u64, dice: &mut Dice) -> Result<KillFigures> {
    let reference = Reference::record(kind, dir, (LONGEST_S * f64::from(RATE_HZ)) as u64)?;
    let mut figures =
        KillFigures { kind: kind.name.to_owned(), not_judging: reference.not_judging.clone(), ..Default::default() };
    figures.judged = reference.judges().map(|(judge, _)| (judge.name().to_owned(), 0)).collect();
    let (mut lost, mut lengths) = (Vec::new(), Vec::new());
    for n in 0..n_kills {
        let scene = dir.join(format!("kill-{n}"));
        std::fs::create_dir(&scene)?;
        kill_one(victim, &kind, &scene, Moment::draw(dice))?;
        figures.kills += 1;
        judge_one(&reference, &scene, &mut figures, &mut lost, &mut lengths)
            .with_context(|| format!("{}: kill {n}", kind.name))?;
        std::fs::remove_dir_all(&scene)?;
    }
    lost.sort_by(f64::total_cmp);
    lengths.sort_by(f64::total_cmp);
    let middle = |values: &[f64]| values.get(values.len() / 2).copied().unwrap_or(0.0);
    figures.median_lost_ms = middle(&lost);
    figures.median_s = middle(&lengths);
    figures.longest_s = lengths.last().copied().unwrap_or(0.0);
    Ok(figures)
}

/// When a victim is killed: so much after it has come to a place, or after its first sign of life.
#[derive(Clone, Copy)]
struct Moment {
    frames: u64,
    after: Duration,
}

impl Moment {
    /// Anywhere in a recording, its start included: the place by chance, and within a step the time by chance.
    fn draw(dice: &mut Dice) -> Self {
        // Each tenth one early, where the file is created.
        let frames = if dice.percent(10) { 0 } else { dice.below((LONGEST_S * f64::from(RATE_HZ)) as u64) };
        Self { frames, after: Duration::from_micros(dice.below(3_000)) }
    }

    /// Whether a victim has come there.
    fn is_near(&self, scene: &Path) -> bool {
        if self.frames == 0 { scene.join(PROGRESS).exists() } else { progress_of(scene) > self.frames }
    }
}

fn kill_one(victim: &Path, kind: &Kind, scene: &Path, moment: Moment) -> Result<()> {
    let mut child = Command::new(victim)
        .arg("--victim")
        .arg(scene)
        .arg(kind.name)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", victim.display()))?;
    let killed = wait_and_kill(&mut child, scene, moment);
    if killed.is_err() {
        // It may be dead already: the first error is the one that matters.
        let _ = child.kill();
        let _ = child.wait();
    }
    killed
}

fn wait_and_kill(child: &mut Child, scene: &Path, moment: Moment) -> Result<()> {
    let begun = Instant::now();
    while !moment.is_near(scene) {
        ensure!(begun.elapsed() < Duration::from_secs(60), "a recorder does not come on");
        if let Some(status) = child.try_wait()? {
            bail!("a recorder ended by itself: {status}");
        }
        std::thread::yield_now();
    }
    // The instant matters here, and a sleep ends on a grid.
    let there = Instant::now();
    while there.elapsed() < moment.after {
        std::thread::yield_now();
    }
    child.kill()?;
    let status = child.wait()?;
    #[cfg(unix)]
    ensure!(
        std::os::unix::process::ExitStatusExt::signal(&status) == Some(9),
        "a recorder ended by itself before it was killed: {status}"
    );
    Ok(())
}

fn judge_one(
    reference: &Reference,
    scene: &Path,
    figures: &mut KillFigures,
    lost: &mut Vec<f64>,
    lengths: &mut Vec<f64>,
) -> Result<()> {
    let kind = &reference.kind;
    let progress = progress_of(scene);
    let file = scene.join(format!("take.{}", kind.extension));
    if progress == 0 {
        figures.before_the_begin += 1;
        return Ok(());
    }
    let taken_frames = progress - 1;
    let mut fault = |count: fn(&mut KillFigures) -> &mut u64, text: String| {
        *count(figures) += 1;
        if figures.faults.len() < N_TOLD {
            figures.faults.push(text);
        }
    };
    let (mut is_unreadable, mut is_changed) = (false, false);
    let (mut judged, mut has_remark) = (Vec::new(), false);
    for (at, (judge, whole)) in reference.judges().enumerate() {
        let reading = match read_without_complaint(judge, kind, &file) {
            Ok(reading) if reading.complaint.is_some() => {
                has_remark = true;
                reading
            }
            Ok(reading) => reading,
            Err(error) => {
                if !std::mem::replace(&mut is_unreadable, true) {
                    fault(|f| &mut f.unreadable, format!("{}: after {taken_frames} frames: {error:#}", judge.name()));
                }
                continue;
            }
        };
        if let Some(frame) = Reference::first_difference(whole, &reading)
            && !std::mem::replace(&mut is_changed, true)
        {
            fault(|f| &mut f.changed, format!("{}: another sound from frame {frame} on", judge.name()));
        }
        let missing = taken_frames.saturating_sub(reading.n_frames());
        judged.push((at, missing as f64 * 1e3 / f64::from(RATE_HZ), reading.n_frames()));
    }
    let sidecar = scene.join(format!("take.{}.json", kind.extension));
    let is_json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
    match std::fs::read(&sidecar) {
        Ok(bytes) if is_json(&bytes) => {}
        Ok(bytes) => fault(|f| &mut f.bad_sidecars, format!("a sidecar of {} bytes that is no JSON", bytes.len())),
        Err(error) => fault(|f| &mut f.bad_sidecars, format!("no sidecar: {error}")),
    }
    figures.remarks += u64::from(has_remark);
    for (nth, (at, lost_ms, n_frames)) in judged.into_iter().enumerate() {
        figures.judged[at].1 += 1;
        figures.worst_lost_ms = figures.worst_lost_ms.max(lost_ms);
        if nth == 0 {
            lost.push(lost_ms);
            lengths.push(n_frames as f64 / f64::from(RATE_HZ));
        }
    }
    Ok(())
}

/// Unrepaired: a program that opens a file and complains has repaired it. Our own reader remarks every oddity and plays on.
fn read_without_complaint(judge: Judge, kind: &Kind, file: &Path) -> Result<super::judges::Reading> {
    let reading = judge.read(kind, file)?;
    match &reading.complaint {
        Some(complaint) if judge != Judge::FileSource => bail!("complains: {complaint}"),
        _ => Ok(reading),
    }
}
