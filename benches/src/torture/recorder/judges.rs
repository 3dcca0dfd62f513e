//! Programs that read sound files and owe us nothing, and readers within this process. Judges no length: that is for those
//! who know what should be there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use ra_core::{PulledSource, StreamEvent};
use ra_engine::sources::{FileConfig, FileSource};

use super::feed::CHANNELS;
use super::flac_headers::has_no_frame;
use super::kinds::Kind;

/// Who reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judge {
    /// ra's own file source.
    FileSource,
    /// The hound crate, which reads WAV below 4 GiB.
    Hound,
    Sox,
    Ffmpeg,
    /// libsndfile, by its own tools.
    Sndfile,
}

const ALL: [Judge; 5] = [Judge::FileSource, Judge::Hound, Judge::Sox, Judge::Ffmpeg, Judge::Sndfile];

/// What a judge found.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// Interleaved, [`CHANNELS`] of them; full scale is 1.
    pub(super) samples: Vec<f32>,
    /// What it complained of all the same.
    pub(super) complaint: Option<String>,
}

impl Reading {
    pub(super) fn n_frames(&self) -> u64 {
        (self.samples.len() / CHANNELS) as u64
    }
}

impl Judge {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Judge::FileSource => "file source",
            Judge::Hound => "hound",
            Judge::Sox => "sox",
            Judge::Ffmpeg => "ffmpeg",
            Judge::Sndfile => "libsndfile",
        }
    }

    /// Whether it runs within this process, and so costs little.
    pub(super) const fn is_inside(self) -> bool {
        matches!(self, Judge::FileSource | Judge::Hound)
    }

    /// Whether it refuses a file that is shorter than its header says, which a power cut can leave.
    pub(super) const fn is_strict(self) -> bool {
        matches!(self, Judge::Hound)
    }

    /// Who reads every file of a kind, where others read some: ourselves, but for codecs that we do not read.
    pub(super) fn principal(kind: &Kind) -> Self {
        match [Judge::Ffmpeg, Judge::Sndfile].into_iter().find(|judge| judge.is_there()) {
            Some(outside) if !kind.is_lossless => outside,
            _ => Judge::FileSource,
        }
    }

    /// The programs that read a kind and are there.
    pub(super) fn programs_for(kind: &Kind) -> impl Iterator<Item = Self> {
        // Debian's sox knows no Opus.
        let reads = |judge: Judge| judge != Judge::Sox || kind.extension != "opus";
        [Judge::Sox, Judge::Ffmpeg, Judge::Sndfile].into_iter().filter(move |&judge| reads(judge) && judge.is_there())
    }

    const fn programs(self) -> &'static [&'static str] {
        match self {
            Judge::FileSource | Judge::Hound => &[],
            Judge::Sox => &["sox"],
            Judge::Ffmpeg => &["ffmpeg"],
            Judge::Sndfile => &["sndfile-info", "sndfile-convert"],
        }
    }

    /// Whether its programs are there; looked for once.
    pub(super) fn is_there(self) -> bool {
        static FOUND: OnceLock<Vec<Judge>> = OnceLock::new();
        let answers = |program: &&str| {
            let mut command = Command::new(program);
            command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok()
        };
        let look = || ALL.into_iter().filter(|judge| judge.programs().iter().all(answers)).collect();
        FOUND.get_or_init(look).contains(&self)
    }

    /// Those that are there and read such files: they have just read `reference`, a whole one. With the names of those that
    /// are missing or can't.
    pub(super) fn for_kind(kind: &Kind, reference: &Path) -> (Vec<(Judge, Reading)>, Vec<String>) {
        let (mut able, mut others) = (Vec::new(), Vec::new());
        for judge in ALL {
            if judge == Judge::Hound && !kind.is_wav() {
                continue;
            }
            if !judge.is_there() {
                others.push(format!("{} is not installed", judge.name()));
                continue;
            }
            match judge.read(kind, reference) {
                Ok(reading) => able.push((judge, reading)),
                Err(error) => others.push(format!("{} reads no {}: {error:#}", judge.name(), kind.name)),
            }
        }
        (able, others)
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// It refuses the file.
    pub(super) fn read(self, kind: &Kind, file: &Path) -> Result<Reading> {
        let path = file.to_str().context("a name that is no UTF-8")?;
        match self {
            Judge::FileSource | Judge::Sndfile if has_no_frame(file) => Ok(Reading::default()),
            Judge::FileSource => read_ourselves(file),
            Judge::Hound => {
                let mut wav = hound::WavReader::open(file)?;
                let spec = wav.spec();
                let samples = match spec.sample_format {
                    hound::SampleFormat::Float => wav.samples::<f32>().collect::<hound::Result<_>>()?,
                    hound::SampleFormat::Int => {
                        let scale = (1u64 << (spec.bits_per_sample - 1)) as f32;
                        wav.samples::<i32>().map(|s| Ok(s? as f32 / scale)).collect::<hound::Result<_>>()?
                    }
                };
                Ok(Reading { samples, complaint: None })
            }
            Judge::Sox => read_raw("sox", &[path, "-t", "raw", "-e", "floating-point", "-b", "32", "-"]),
            Judge::Ffmpeg => read_raw("ffmpeg", &["-nostdin", "-v", "error", "-i", path, "-f", "f32le", "-"]),
            Judge::Sndfile => read_by_sndfile(kind, file, path),
        }
    }
}

fn read_ourselves(file: &Path) -> Result<Reading> {
    let mut source = FileSource::open(FileConfig::new(file))?;
    let mut samples = Vec::new();
    let mut piece = vec![0.0; 16_384 * CHANNELS];
    loop {
        match source.read(&mut piece)? {
            StreamEvent::Frames { n_frames } => samples.extend_from_slice(&piece[..n_frames * CHANNELS]),
            StreamEvent::EndOfStream => break,
            other => bail!("{other:?}"),
        }
    }
    let notes = source.notes().join("; ");
    Ok(Reading { samples, complaint: (!notes.is_empty()).then_some(notes) })
}

/// Floats from a program's stdout.
pub(super) fn read_raw(program: &str, args: &[&str]) -> Result<Reading> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output()?;
    let complaint = complaints(&output.stderr);
    let said = complaint.as_deref().unwrap_or("nothing");
    ensure!(output.status.success(), "{program} ended with {}: {said}", output.status);
    ensure!(
        output.stdout.len() % (4 * CHANNELS) == 0,
        "{program}: {} bytes, expected whole frames",
        output.stdout.len()
    );
    Ok(Reading { samples: output.stdout.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(), complaint })
}

fn complaints(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    // sox 14.4.2 looks for a second extension behind the one of every extensible float header, its own included.
    let is_news = |line: &&str| !line.trim().is_empty() && !line.ends_with("missing extended part of fmt chunk");
    let lines: Vec<&str> = text.lines().filter(is_news).take(3).collect();
    (!lines.is_empty()).then(|| lines.join(" | "))
}

fn read_by_sndfile(kind: &Kind, file: &Path, path: &str) -> Result<Reading> {
    let info = Command::new("sndfile-info").arg(path).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&info.stdout);
    ensure!(info.status.success(), "sndfile-info ended with {}: {}", info.status, text.trim());
    let frames = text.lines().find_map(|line| line.strip_prefix("Frames"));
    let frames = frames.with_context(|| format!("sndfile-info says no length: {}", text.trim()))?;
    // Where it finds no last page it says "unknown", and reads the file all the same.
    let frames = frames.trim_start_matches([' ', ':']).trim().to_owned();
    // sndfile-convert calls a file without a sound in it one that it can't decode.
    if frames == "0" {
        return Ok(Reading::default());
    }
    let copy: PathBuf = file.with_extension("sndfile.wav");
    // From whole numbers to floats it would change the level.
    let is_float = kind.extension == "opus" || kind.tolerance_lin() == 0.0;
    let encoding = if is_float { "-float32" } else { "-pcm32" };
    let convert = Command::new("sndfile-convert").arg(encoding).arg(path).arg(&copy).stdin(Stdio::null()).output()?;
    let said = complaints(&convert.stderr).or_else(|| complaints(&convert.stdout));
    ensure!(convert.status.success(), "sndfile-convert ended with {}: {}", convert.status, said.unwrap_or_default());
    let reading = Judge::Hound.read(kind, &copy);
    std::fs::remove_file(&copy)?;
    let reading = reading?;
    // Its header is believed by every program that uses it.
    let found = reading.n_frames();
    let differs = || format!("sndfile-info says {frames} frames, sndfile-convert finds {found}");
    Ok(Reading { complaint: said.or_else(|| (found.to_string() != frames).then(differs)), ..reading })
}
