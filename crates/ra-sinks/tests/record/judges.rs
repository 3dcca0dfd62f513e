//! Programs that open sound files and owe us nothing: sox, ffmpeg, libsndfile's tools, and, for WAV, the hound crate.

use std::{
    path::Path,
    process::{Command, Output},
    sync::OnceLock,
};

/// Who reads the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judge {
    Sox,
    Ffmpeg,
    Sndfile,
    Hound,
}

/// Those that are installed. A missing one is a failure where CI installs them, and is said elsewhere.
pub(crate) fn judges() -> Vec<Judge> {
    static FOUND: OnceLock<Vec<Judge>> = OnceLock::new();
    FOUND.get_or_init(find_judges).clone()
}

fn find_judges() -> Vec<Judge> {
    let present = |judge: Judge| {
        let programs: &[&str] = match judge {
            Judge::Sox => &["sox", "soxi"],
            Judge::Ffmpeg => &["ffmpeg", "ffprobe"],
            Judge::Sndfile => &["sndfile-info", "sndfile-convert"],
            Judge::Hound => &[],
        };
        let is_there = programs.iter().all(|p| Command::new(p).arg("--version").output().is_ok());
        assert!(is_there || std::env::var("CI").as_deref() != Ok("true"), "{programs:?} are not installed");
        if !is_there {
            eprintln!("SKIPPED for want of {programs:?}");
        }
        is_there
    };
    [Judge::Sox, Judge::Ffmpeg, Judge::Sndfile, Judge::Hound].into_iter().filter(|&j| present(j)).collect()
}

/// Those that open files with this extension.
pub(crate) fn judges_of(extension: &str) -> Vec<Judge> {
    let refused: &[Judge] = match extension {
        "wav" => &[],
        "flac" => &[Judge::Hound],
        // Debian's sox comes without Opus, and so does libsndfile's MP3 on some systems.
        _ => &[Judge::Hound, Judge::Sox],
    };
    judges().into_iter().filter(|j| !refused.contains(j)).collect()
}

/// Runs a program that must succeed without a word of complaint.
fn run(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    // sox 14.4.2 looks for a second extension behind the one of every extensible float header, its own included.
    let is_clean = complaints.lines().all(|l| l.is_empty() || l.ends_with("missing extended part of fmt chunk"));
    assert!(
        output.status.success() && is_clean,
        "{program} {args:?}: {}: {complaints}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
    output
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_else(|_| panic!("expected a number, got {text:?}"))
}

fn extension_of(path: &Path) -> &str {
    path.extension().unwrap().to_str().unwrap()
}

fn count_channels(path: &Path) -> u64 {
    let args = ["-v", "error", "-show_entries", "stream=channels", "-of", "csv=p=0", path.to_str().unwrap()];
    number(&String::from_utf8(run("ffprobe", &args).stdout).unwrap())
}

impl Judge {
    /// How many frames it finds by the header.
    pub(crate) fn count_frames(self, path: &Path) -> u64 {
        let file = path.to_str().unwrap();
        let text = |output: Output| String::from_utf8(output.stdout).unwrap();
        match self {
            Judge::Sox => number(&text(run("soxi", &["-s", file]))),
            // What it says of a file of pages is the last page's place, with what is cut off at the beginning.
            Judge::Ffmpeg if !["wav", "flac"].contains(&extension_of(path)) => {
                self.decode(path).len() as u64 / count_channels(path)
            }
            Judge::Ffmpeg => {
                let args = ["-v", "error", "-show_entries", "stream=duration_ts", "-of", "csv=p=0", file];
                match text(run("ffprobe", &args)).trim() {
                    "N/A" => 0, // its word for an empty file
                    n => number(n),
                }
            }
            Judge::Sndfile => {
                let info = text(run("sndfile-info", &[file]));
                let line = info.lines().find_map(|l| l.strip_prefix("Frames")).unwrap_or_else(|| panic!("{info}"));
                match line.trim_start_matches([' ', ':']) {
                    // A FLAC file without a sound in it, for which the format has no other word; an Ogg file with a torn
                    // page at its end.
                    "unknown" => {
                        let copy = path.with_extension("unknown.wav");
                        run("sndfile-convert", &["-pcm32", file, copy.to_str().unwrap()]);
                        let n_frames = Judge::Hound.count_frames(&copy);
                        std::fs::remove_file(copy).unwrap();
                        n_frames
                    }
                    n => number(n),
                }
            }
            Judge::Hound => hound::WavReader::open(path).unwrap().duration().into(),
        }
    }

    /// Every sample that it finds, interleaved; full scale is 1.
    pub(crate) fn decode(self, path: &Path) -> Vec<f32> {
        let file = path.to_str().unwrap();
        let floats = |output: Output| -> Vec<f32> {
            assert_eq!(output.stdout.len() % 4, 0);
            output.stdout.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        match self {
            Judge::Sox => floats(run("sox", &[file, "-t", "raw", "-e", "floating-point", "-b", "32", "-"])),
            Judge::Ffmpeg => floats(run("ffmpeg", &["-v", "error", "-i", file, "-f", "f32le", "-"])),
            // sndfile-convert calls a file without a sound in it one that it can't decode.
            Judge::Sndfile if self.count_frames(path) == 0 => Vec::new(),
            Judge::Sndfile => {
                let copy = path.with_extension("sndfile.wav");
                // From whole numbers to floats it would change the level.
                let is_float = match extension_of(path) {
                    "wav" => hound::WavReader::open(path).unwrap().spec().sample_format == hound::SampleFormat::Float,
                    extension => extension != "flac",
                };
                let encoding = if is_float { "-float32" } else { "-pcm32" };
                run("sndfile-convert", &[encoding, file, copy.to_str().unwrap()]);
                let samples = Judge::Hound.decode(&copy);
                std::fs::remove_file(copy).unwrap();
                samples
            }
            Judge::Hound => {
                let mut reader = hound::WavReader::open(path).unwrap();
                let spec = reader.spec();
                match spec.sample_format {
                    hound::SampleFormat::Float => reader.samples::<f32>().map(Result::unwrap).collect(),
                    hound::SampleFormat::Int => {
                        let scale = (1u64 << (spec.bits_per_sample - 1)) as f32;
                        reader.samples::<i32>().map(|s| s.unwrap() as f32 / scale).collect()
                    }
                }
            }
        }
    }
}

impl Judge {
    /// As [`Judge::decode`], of a copy elsewhere: where the file is there may be no room for what a judge writes.
    pub(crate) fn decode_outside(self, path: &Path) -> Vec<f32> {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("copy").with_extension(extension_of(path));
        std::fs::copy(path, &copy).unwrap();
        self.decode(&copy)
    }
}
