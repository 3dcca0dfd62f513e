//! Across 4 GiB: a recording that begins with a hole of almost that length, and then grows over the bound. The file is
//! sparse: it takes no room.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::feed::{Feed, RATE_HZ, truths};
use super::judges::{Judge, Reading, read_raw};
use super::kinds::Kind;

const FOUR_GIB: u64 = 1 << 32;
/// Frames that are recorded in front of the hole, and across the bound.
const HEAD_FRAMES: u64 = 1_000;
const ACROSS_FRAMES: u64 = 96_000;
const STEP_FRAMES: u64 = 960;
/// libsndfile's own library, read frame by frame: its tools would copy four gigabytes.
const SNDFILE_TAIL: &str = "import sys, soundfile\nwith soundfile.SoundFile(sys.argv[1]) as f:\n    f.seek(int(sys.argv[2]))\n    \
                            sys.stdout.buffer.write(f.read(dtype='float32').tobytes())\n    print(f.frames, file=sys.stderr)\n";

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LargeFigures {
    /// The length of the file in bytes, and what it takes on the disk.
    pub bytes: u64,
    /// How many frames it holds.
    pub frames: u64,
    /// Who read the right length and the right sound, from before the bound to the end.
    pub agree: Vec<String>,
    /// Who did not, or could not be asked, in words.
    pub disagree: Vec<String>,
    /// How many times somebody looked at the length while it grew.
    pub looks: u64,
}

/// Records across 4 GiB in `dir` and lets everybody look at it.
pub(super) fn run(dir: &Path) -> Result<LargeFigures> {
    let kind = Kind::named("wav f32").context("no such format")?;
    let frame_bytes = 8;
    let mut feed = Feed::start(kind.config(dir, "large"))?;
    let file = feed.path().context("a recording without a file")?.to_owned();
    feed.write(HEAD_FRAMES)?;
    feed.gap(FOUR_GIB / frame_bytes - HEAD_FRAMES - ACROSS_FRAMES / 2)?;
    let from = feed.position();
    let mut figures = LargeFigures::default();
    let is_there = Judge::Ffmpeg.is_there();
    for step in 0..ACROSS_FRAMES / STEP_FRAMES {
        feed.write(STEP_FRAMES)?;
        feed.flush()?;
        if is_there && (step % 10 == 0 || (45..55).contains(&step)) {
            let length = length_by_ffprobe(&file)?;
            ensure!(length == feed.position(), "ffprobe says {length} frames of {} while it grows", feed.position());
            figures.looks += 1;
        }
    }
    figures.frames = feed.position();
    feed.finish()?;
    figures.bytes = std::fs::metadata(&file)?.len();
    ensure!(figures.bytes > FOUR_GIB, "{} bytes are not beyond 4 GiB", figures.bytes);
    let end = figures.frames;
    for (name, found) in [
        ("file source", by_ourselves(&file, from)),
        ("ffmpeg", by_ffmpeg(&file, from)),
        ("sox", by_sox(&file, from)),
        ("libsndfile", by_sndfile(&file, from)),
    ] {
        match found.and_then(|found| check(&found, from, end)) {
            Ok(()) => figures.agree.push(name.to_owned()),
            Err(error) => figures.disagree.push(format!("{name}: {error:#}")),
        }
    }
    std::fs::remove_file(&file)?;
    Ok(figures)
}

/// The length that a judge reads, and the sound from a frame on.
struct Found {
    n_frames: u64,
    tail: Vec<f32>,
}

fn check(found: &Found, from: u64, end: u64) -> Result<()> {
    ensure!(found.n_frames == end, "{} frames, expected {end}", found.n_frames);
    let expected = truths(from, end - from);
    ensure!(
        found.tail.len() == expected.len(),
        "{} samples across the bound, expected {}",
        found.tail.len(),
        expected.len()
    );
    let wrong = found.tail.iter().zip(&expected).position(|(a, b)| a != b);
    ensure!(wrong.is_none(), "another sound from frame {} on", from + wrong.unwrap_or(0) as u64 / 2);
    Ok(())
}

fn by_ourselves(file: &Path, from: u64) -> Result<Found> {
    use ra_core::{PulledSource as _, StreamEvent};
    use ra_engine::sources::{FileConfig, FileSource};
    let mut source = FileSource::open(FileConfig::new(file))?;
    let mut piece = vec![0.0; 1 << 20];
    let mut found = Found { n_frames: 0, tail: Vec::new() };
    while let StreamEvent::Frames { n_frames } = source.read(&mut piece)? {
        let skipped = from.saturating_sub(found.n_frames).min(n_frames as u64) as usize;
        found.tail.extend_from_slice(&piece[skipped * 2..n_frames * 2]);
        found.n_frames += n_frames as u64;
    }
    Ok(found)
}

fn length_by_ffprobe(file: &Path) -> Result<u64> {
    let args = ["-v", "error", "-show_entries", "stream=duration_ts", "-of", "csv=p=0"];
    let output = Command::new("ffprobe").args(args).arg(file).output()?;
    ensure!(output.status.success(), "ffprobe ended with {}", output.status);
    String::from_utf8_lossy(&output.stdout).trim().parse().context("ffprobe says no length")
}

fn by_ffmpeg(file: &Path, from: u64) -> Result<Found> {
    let start_s = format!("{:.9}", from as f64 / f64::from(RATE_HZ));
    let path = file.to_str().context("a name that is no UTF-8")?;
    let args = ["-nostdin", "-v", "error", "-ss", &start_s, "-i", path, "-f", "f32le", "-"];
    Ok(Found { n_frames: length_by_ffprobe(file)?, tail: read_raw("ffmpeg", &args)?.samples })
}

fn by_sox(file: &Path, from: u64) -> Result<Found> {
    let path = file.to_str().context("a name that is no UTF-8")?;
    // It counts an RF64's samples by decoding them all.
    let output = Command::new("soxi").args(["-s", path]).output()?;
    let n_frames = String::from_utf8_lossy(&output.stdout).trim().parse().context("soxi says no length")?;
    let from = format!("{from}s");
    let args = [path, "-t", "raw", "-e", "floating-point", "-b", "32", "-", "trim", &from];
    Ok(Found { n_frames, tail: read_raw("sox", &args)?.samples })
}

fn by_sndfile(file: &Path, from: u64) -> Result<Found> {
    let path = file.to_str().context("a name that is no UTF-8")?;
    let python =
        ["/usr/bin/python3", "python3"].into_iter().find(|p| Command::new(p).arg("--version").output().is_ok());
    let args = ["-c", SNDFILE_TAIL, path, &from.to_string()];
    let Reading { samples, complaint } = read_raw(python.context("there is no python3")?, &args)?;
    let n_frames =
        complaint.context("libsndfile says no length")?.trim().parse().context("libsndfile says no length")?;
    Ok(Found { n_frames, tail: samples })
}
