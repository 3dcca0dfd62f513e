//! Calls of `ra` in a directory of their own, and sound files to call it with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a call of `ra` came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

/// A directory that `ra` is called in.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ra"));
        command.args(line.split_whitespace()).current_dir(self.dir.path()).env_remove("RA_LOG").stdin(Stdio::null());
        command
    }

    /// Calls `ra` with the words of `line`.
    pub(crate) fn ra(&self, line: &str) -> Outcome {
        let output = self.command(line).output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Names of everything in the directory, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Writes a float WAV; `sample` gives the sample of a frame and a channel.
    pub(crate) fn write_wav(
        &self,
        name: &str,
        (hz, channels, n_frames): (u32, u16, usize),
        sample: impl Fn(usize, usize) -> f32,
    ) {
        let format = hound::SampleFormat::Float;
        let spec = hound::WavSpec { channels, sample_rate: hz, bits_per_sample: 32, sample_format: format };
        let mut wav = hound::WavWriter::create(self.path(name), spec).unwrap();
        for frame in 0..n_frames {
            for channel in 0..usize::from(channels) {
                wav.write_sample(sample(frame, channel)).unwrap();
            }
        }
        wav.finalize().unwrap();
    }

    pub(crate) fn read_wav(&self, name: &str) -> Sound {
        Sound::read(&self.path(name))
    }
}

/// A sound file as a judge that is not ours reads it.
pub(crate) struct Sound {
    pub(crate) hz: u32,
    pub(crate) n_channels: usize,
    /// Interleaved, full scale 1.
    pub(crate) samples: Vec<f32>,
}

impl Sound {
    pub(crate) fn read(path: &Path) -> Self {
        let mut wav = hound::WavReader::open(path).unwrap();
        let spec = wav.spec();
        let samples = match spec.sample_format {
            hound::SampleFormat::Float => wav.samples::<f32>().map(Result::unwrap).collect(),
            hound::SampleFormat::Int => {
                let full_scale = (1u64 << (spec.bits_per_sample - 1)) as f32;
                wav.samples::<i32>().map(|sample| sample.unwrap() as f32 / full_scale).collect()
            }
        };
        Self { hz: spec.sample_rate, n_channels: usize::from(spec.channels), samples }
    }

    pub(crate) fn n_frames(&self) -> usize {
        self.samples.len() / self.n_channels
    }

    /// The amplitude of a tone in one channel, by correlation over whole periods in `frames`.
    pub(crate) fn tone_amplitude(&self, hz: f64, channel: usize, frames: std::ops::Range<usize>) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        let n = frames.len() as f64;
        for frame in frames {
            let x = f64::from(self.samples[frame * self.n_channels + channel]);
            let phase = std::f64::consts::TAU * hz * frame as f64 / f64::from(self.hz);
            re += x * phase.cos();
            im += x * phase.sin();
        }
        2.0 * re.hypot(im) / n
    }
}

/// Noise that is the same in every run: a number of its own for every seed, frame and channel, from −0.5 to 0.5.
pub(crate) fn noise(seed: u64) -> impl Fn(usize, usize) -> f32 {
    move |frame, channel| {
        // SplitMix64's finaliser (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
        let mut x = (seed << 48 ^ (channel as u64) << 40 ^ frame as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}

/// A sine of amplitude 0.25.
pub(crate) fn sine(hz: f64, rate: u32) -> impl Fn(usize, usize) -> f32 {
    move |frame, _| (0.25 * (std::f64::consts::TAU * hz * frame as f64 / f64::from(rate)).sin()) as f32
}
