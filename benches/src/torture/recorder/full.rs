//! Disks that fill up at random instants under a running engine: the file stays valid, nobody else notices, and it goes on
//! when there is room again.

mod disk;
mod reader;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ra_core::{SinkState, SinkStats, Stats, StreamSpec};
use ra_engine::sinks::{Recorder, RecorderConfig};
use ra_engine::sources::{MockConfig, MockSource, Signal};
use ra_engine::{AnySource, Engine, EngineConfig, EngineHandle, SinkConfig, SourceConfig};
use serde::Serialize;
use serde_json::Value;

use super::feed::{CHANNELS, RATE_HZ};
use super::judges::{Judge, Reading};
use super::kinds::Kind;
use crate::torture::engine::Dice;
use disk::FullDisk;
use reader::CountingReader;

/// For how long a disk is full at most: a recorder's buffer holds 0.7 s of stereo float.
const FULL_AT_MOST_MS: u64 = 1_600;
/// How long somebody waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// What may be published while a sink that was removed ends: the blocks of 20 ms.
const END_AT_MOST_FRAMES: u64 = RATE_HZ as u64 / 50;
/// Each of so many files is read by programs too.
const OUTSIDE_EVERY: u64 = 5;

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FullFigures {
    /// What kind of disk was full.
    pub disk: String,
    /// How many times a disk was full.
    pub fulls: u64,
    /// Of those, by format.
    pub by_kind: Vec<(String, u64)>,
    /// Of those, so long that the recorder had to refuse blocks.
    pub with_refusals: u64,
    /// Frames that were refused in all; each is silence in its file, and in its sidecar.
    pub refused_frames: u64,
    /// Frames that were published between a removed recorder's last look and its end: dropped, and in no file.
    pub lost_with_the_end_frames: u64,
    /// Files that were not valid while the disk was full, or at the end.
    pub invalid: u64,
    /// Files whose length is not the time that they cover, or whose sound is not the bus's outside the gaps.
    pub wrong: u64,
    /// Recorders that did not go on when there was room again.
    pub stuck: u64,
    /// Sinks whose account does not balance, or does not agree with the file.
    pub unbalanced: u64,
    /// Frames that the recorder on a healthy disk lost.
    pub others_lost_frames: u64,
    /// Blocks that a reader of the bus lost.
    pub reader_lost_blocks: u64,
    /// Places at which the reader found the timeline broken.
    pub reader_jumps: u64,
    /// Frames that sources lost or that the mixer made up.
    pub engine_lost_frames: u64,
    /// Blocks that the mixer began more than a block late; on a busy machine others make it so.
    pub late_blocks: u64,
    /// How long the engine ran, in seconds.
    pub duration_s: f64,
    /// The first few faults, in words.
    pub faults: Vec<String>,
}

/// Fills a disk `n_fulls` times, under recorders of `kinds` in turns.
pub(super) fn run(kinds: &[Kind], dir: &Path, n_fulls: u64, dice: &mut Dice) -> Result<FullFigures> {
    let (small, healthy) = (dir.join("small"), dir.join("healthy"));
    std::fs::create_dir_all(&small)?;
    std::fs::create_dir_all(&healthy)?;
    let disk = FullDisk::new(small);
    let mut figures = FullFigures { disk: disk.what().to_owned(), fulls: n_fulls, ..Default::default() };
    figures.by_kind = kinds.iter().map(|kind| (kind.name.to_owned(), 0)).collect();
    let tortured = torture(kinds, &disk, &healthy, n_fulls, dice, &mut figures);
    // Also after an error: a file system must not stay mounted.
    let ended = disk.end();
    tortured.and(ended)?;
    Ok(figures)
}

fn torture(
    kinds: &[Kind],
    disk: &FullDisk,
    healthy: &Path,
    n_fulls: u64,
    dice: &mut Dice,
    figures: &mut FullFigures,
) -> Result<()> {
    let begun = Instant::now();
    let spec = StreamSpec::new(RATE_HZ, CHANNELS as u16)?;
    let mut engine = Engine::new(EngineConfig { channels: spec.channels, ..EngineConfig::default() })?;
    let handle = engine.handle();
    let noise = MockSource::new(MockConfig::new(spec, Signal::Noise { dbfs: -20.0 }))?;
    handle.add_source(SourceConfig::named("noise"), AnySource::pulled(noise))?;
    let other = RecorderConfig::new(healthy.join("other.wav"));
    handle.add_sink(SinkConfig::named("other"), Recorder::new(other)?)?;
    let reader = CountingReader::spawn(handle.subscribe("main")?)?;
    engine.start()?;

    let mut scenes = Vec::new();
    for n in 0..n_fulls {
        let at = n as usize % kinds.len();
        figures.by_kind[at].1 += 1;
        let scene = Scene { kind: kinds[at], n, handle: &handle, disk };
        scenes.push(scene.play(healthy, dice, figures).with_context(|| format!("full disk {n}"))?);
        // The truth grows with time: what is judged needs no room any more.
        if scenes.len() == 10 || n + 1 == n_fulls {
            judge_all(&mut scenes, &healthy.join("other.wav"), figures)?;
        }
    }
    let seen = reader.finish()?;
    let stats = engine.stop()?;
    judge_all(&mut scenes, &healthy.join("other.wav"), figures)?;
    figures.reader_lost_blocks = seen.lost_blocks;
    figures.reader_jumps = seen.jumps;
    ensure!(seen.frames > 0, "the reader heard nothing");
    others(&stats, figures)?;
    figures.duration_s = begun.elapsed().as_secs_f64();
    std::fs::remove_file(healthy.join("other.wav"))?;
    Ok(())
}

fn others(stats: &Stats, figures: &mut FullFigures) -> Result<()> {
    let other = stats.sinks.iter().find(|sink| sink.name == "other").context("the other recorder is gone")?;
    ensure!(other.account.delivered_frames > 0, "the other recorder got nothing");
    figures.others_lost_frames = other.account.dropped_frames + other.gaps.iter().map(|gap| gap.n_frames).sum::<u64>();
    figures.engine_lost_frames =
        stats.sources.iter().map(|source| source.account.dropped_frames + source.inserted_frames).sum();
    figures.late_blocks = stats.engine.late_blocks;
    Ok(())
}

/// One full disk.
struct Scene<'a> {
    kind: Kind,
    n: u64,
    handle: &'a EngineHandle,
    disk: &'a FullDisk,
}

/// What a scene leaves to be judged.
struct Left {
    kind: Kind,
    n: u64,
    file: PathBuf,
    sink: SinkStats,
}

impl Scene<'_> {
    fn name(&self) -> String {
        format!("full-{}", self.n)
    }

    fn sink(&self) -> Result<SinkStats> {
        let stats = self.handle.stats()?;
        stats.sinks.into_iter().find(|sink| sink.name == self.name()).context("the sink is gone")
    }

    /// Waits until something is true of the sink; whether it became so.
    fn wait_for(&self, is_so: impl Fn(&SinkStats) -> bool) -> Result<bool> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if is_so(&self.sink()?) {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(false)
    }

    /// Records, fills the disk, frees it, and ends the recording.
    fn play(&self, healthy: &Path, dice: &mut Dice, figures: &mut FullFigures) -> Result<Left> {
        let name = self.name();
        let config = self.kind.config(self.disk.dir(), &name);
        let file = config.path_template.clone();
        self.handle.add_sink(SinkConfig::named(&name), Recorder::new(config)?)?;
        let first = 1_000 + dice.below(15_000);
        ensure!(self.wait_for(|sink| sink.account.delivered_frames > first)?, "the recorder gets nothing");

        self.disk.fill()?;
        std::thread::sleep(Duration::from_millis(dice.below(FULL_AT_MOST_MS)));
        self.look(&file, healthy, "while the disk is full", figures);
        let before = self.sink()?;
        self.disk.free()?;

        let goal = before.account.delivered_frames + 4_800;
        if !self.wait_for(|sink| sink.state == SinkState::Ok && sink.account.delivered_frames > goal)? {
            figures.stuck += 1;
            fault(figures, &self.kind, self.n, "it does not go on".to_owned());
        }
        self.handle.remove_sink(&name)?;
        let begun = Instant::now();
        let sink = loop {
            let sink = self.sink()?;
            let has_ended = matches!(sink.state, SinkState::Removed | SinkState::Failed) && is_closed(&file);
            if has_ended || begun.elapsed() > PATIENCE {
                break sink;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        // Off the small disk, so that the next one has all of it.
        let kept = healthy.join(file.file_name().context("a file without a name")?);
        let sidecar = |path: &Path| PathBuf::from(format!("{}.json", path.display()));
        for (from, to) in [(file.clone(), kept.clone()), (sidecar(&file), sidecar(&kept))] {
            std::fs::copy(&from, &to).with_context(|| format!("{}", from.display()))?;
            std::fs::remove_file(&from)?;
        }
        Ok(Left { kind: self.kind, n: self.n, file: kept, sink })
    }

    /// Reads the file as it is now, from a copy: there is no room beside it.
    fn look(&self, file: &Path, healthy: &Path, when: &str, figures: &mut FullFigures) {
        let copy = healthy.join(format!("copy.{}", self.kind.extension));
        let read = std::fs::copy(file, &copy)
            .map_err(anyhow::Error::from)
            .and_then(|_| read_by_all(&self.kind, self.n, &copy));
        if let Err(error) = read {
            figures.invalid += 1;
            fault(figures, &self.kind, self.n, format!("{when}: {error:#}"));
        }
        // Where there was nothing to copy there is nothing to remove.
        drop(std::fs::remove_file(&copy));
    }
}

/// Whether the sidecar of a recording says that nothing more comes.
fn is_closed(file: &Path) -> bool {
    let sidecar = std::fs::read(format!("{}.json", file.display())).unwrap_or_default();
    let state =
        serde_json::from_slice::<Value>(&sidecar).ok().and_then(|json| json["state"].as_str().map(str::to_owned));
    state.is_some_and(|state| state != "recording")
}

/// Reads a file, and each fifth one by all programs; all find the same length.
fn read_by_all(kind: &Kind, n: u64, file: &Path) -> Result<Reading> {
    let principal = Judge::principal(kind);
    let reading = principal.read(kind, file)?;
    if let Some(complaint) = &reading.complaint {
        anyhow::bail!("{} complains: {complaint}", principal.name());
    }
    if n.is_multiple_of(OUTSIDE_EVERY) {
        for judge in Judge::programs_for(kind).filter(|&judge| judge != principal) {
            let theirs = judge.read(kind, file).with_context(|| judge.name())?;
            ensure!(theirs.complaint.is_none(), "{} complains: {}", judge.name(), theirs.complaint.unwrap_or_default());
            let (theirs, ours) = (theirs.samples.len(), reading.samples.len());
            ensure!(theirs == ours, "{} finds {theirs} samples, {} {ours}", judge.name(), principal.name());
        }
    }
    Ok(reading)
}

fn fault(figures: &mut FullFigures, kind: &Kind, n: u64, text: String) {
    if figures.faults.len() < 8 {
        figures.faults.push(format!("{} {n}: {text}", kind.name));
    }
}

/// Judges what scenes have left against the healthy recording, and takes it away.
fn judge_all(scenes: &mut Vec<Left>, other: &Path, figures: &mut FullFigures) -> Result<()> {
    for left in scenes.drain(..) {
        judge(&left, other, figures).with_context(|| format!("full disk {}", left.n))?;
        std::fs::remove_file(&left.file)?;
        std::fs::remove_file(format!("{}.json", left.file.display()))?;
    }
    Ok(())
}

fn judge(left: &Left, other: &Path, figures: &mut FullFigures) -> Result<()> {
    let sidecar = |path: &Path| -> Result<Value> {
        Ok(serde_json::from_slice(&std::fs::read(format!("{}.json", path.display()))?)?)
    };
    let (own, others) = (sidecar(&left.file)?, sidecar(other)?);
    let account = &left.sink.account;
    let reading = match read_by_all(&left.kind, left.n, &left.file) {
        Ok(reading) => reading,
        Err(error) => {
            figures.invalid += 1;
            fault(figures, &left.kind, left.n, format!("at the end: {error:#}"));
            return Ok(());
        }
    };
    let n_frames = reading.n_frames();
    if !account.is_balanced() || account.queued_frames > 0 || left.sink.state != SinkState::Removed {
        figures.unbalanced += 1;
        fault(figures, &left.kind, left.n, format!("ended as {:?} with {account:?}", left.sink.state));
    }
    let number = |json: &Value, path: &str| json.pointer(path).and_then(Value::as_u64).context(path.to_owned());
    let (begin, origin) = (number(&own, "/start/position")?, number(&others, "/start/position")?);
    let mut missing = vec![false; n_frames as usize];
    for gap in own["gaps"].as_array().context("no list of gaps")? {
        let (from, n) = (number(gap, "/in_file_frame")? as usize, number(gap, "/n_frames")? as usize);
        missing.get_mut(from..from + n).context("a gap beyond the end")?.fill(true);
    }
    figures.with_refusals += u64::from(missing.contains(&true));
    let n_missing = missing.iter().filter(|&&is_missing| is_missing).count() as u64;
    figures.refused_frames += n_missing;
    // What was published between a removed sink's last look and its end is dropped, and behind the file's end.
    let with_the_end = account.dropped_frames.saturating_sub(n_missing);
    figures.lost_with_the_end_frames += with_the_end;
    if n_missing > account.dropped_frames || with_the_end > END_AT_MOST_FRAMES {
        figures.unbalanced += 1;
        fault(figures, &left.kind, left.n, format!("{n_missing} frames in gaps, {} dropped", account.dropped_frames));
    }
    if n_frames + with_the_end != account.produced_frames {
        figures.wrong += 1;
        fault(figures, &left.kind, left.n, format!("{n_frames} frames of {}", account.produced_frames));
        return Ok(());
    }
    if left.kind.is_lossless {
        let truth = read_part(other, begin.checked_sub(origin).context("begun before the healthy one")?, n_frames)?;
        let tolerance = left.kind.tolerance_lin();
        let frames = reading.samples.chunks_exact(CHANNELS).zip(truth.chunks_exact(CHANNELS)).zip(&missing);
        let wrong = frames.enumerate().find(|(_, ((own, truth), is_missing))| {
            let expected = |truth: f32| if **is_missing { 0.0 } else { truth };
            own.iter().zip(*truth).any(|(own, truth)| (own - expected(*truth)).abs() > tolerance)
        });
        if let Some((frame, _)) = wrong {
            figures.wrong += 1;
            fault(figures, &left.kind, left.n, format!("another sound than the bus's at frame {frame}"));
        }
    }
    Ok(())
}

/// Frames of the healthy recording, which is still being written: samples of a float WAV, by their place.
fn read_part(file: &Path, from: u64, n_frames: u64) -> Result<Vec<f32>> {
    let mut wav = hound::WavReader::open(file)?;
    let end = from + n_frames;
    ensure!(u64::from(wav.duration()) >= end, "the healthy recording has {} frames, {end} are needed", wav.duration());
    wav.seek(u32::try_from(from)?)?;
    let n_samples = n_frames as usize * CHANNELS;
    Ok(wav.samples::<f32>().take(n_samples).collect::<hound::Result<_>>()?)
}
