//! The input of the mix bench: stereo float WAV files with a tone and seeded noise each, the same on every machine.
//!
//! The sum of all of them stays below full scale, so that a contestant that clips is not punished for it.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Which files there are, and how long each is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// How many files are mixed.
    pub n_files: usize,
    /// Frames of each.
    pub n_frames: u32,
}

impl Job {
    /// The rate of every file, in hertz.
    pub const SAMPLE_RATE_HZ: u32 = 48_000;
    /// The channels of every file.
    pub const CHANNELS: u16 = 2;
    /// 32 files of 60 s: the job whose figures are published.
    pub const FULL: Job = Job { n_files: 32, n_frames: 60 * Self::SAMPLE_RATE_HZ };
    /// 4 files of 5 s: shows that the bench works.
    pub const QUICK: Job = Job { n_files: 4, n_frames: 5 * Self::SAMPLE_RATE_HZ };

    const BYTES_PER_FRAME: u32 = 4 * Self::CHANNELS as u32;
    const HEADER_BYTES: u32 = 58;

    /// Seconds of each file.
    pub fn seconds(&self) -> f64 {
        f64::from(self.n_frames) / f64::from(Self::SAMPLE_RATE_HZ)
    }

    /// The bytes of one file.
    pub fn file_bytes(&self) -> u64 {
        u64::from(Self::HEADER_BYTES + self.n_frames * Self::BYTES_PER_FRAME)
    }

    /// Makes sure that the files are in `dir`, and gives their names within it. Files of the right size are kept.
    ///
    /// # Errors
    /// The folder or a file cannot be written.
    pub fn prepare(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
        let names = (0..self.n_files).map(|index| PathBuf::from(format!("in-{:02}.wav", index + 1)));
        names
            .enumerate()
            .map(|(index, name)| {
                let path = dir.join(&name);
                let actual = path.metadata().map(|metadata| metadata.len()).ok();
                if actual != Some(self.file_bytes()) {
                    self.write(&path, index).with_context(|| format!("cannot write {}", path.display()))?;
                }
                Ok(name)
            })
            .collect()
    }

    /// Writes beside its place and moves it there, so that a run cut short leaves no half file of the right name.
    fn write(&self, path: &Path, index: usize) -> Result<()> {
        let part = path.with_extension("part");
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&part)?);
        file.write_all(&self.header())?;
        let mut sound = Sound::new(index);
        for _ in 0..self.n_frames {
            for sample in sound.next_frame() {
                file.write_all(&sample.to_le_bytes())?;
            }
        }
        file.flush()?;
        Ok(std::fs::rename(part, path)?)
    }

    /// RIFF header of a float file: `fmt ` with an empty extension, and the `fact` chunk that non-PCM formats need
    /// (Microsoft, "Multimedia Data Standards Update", 1994, chapter 3).
    fn header(&self) -> Vec<u8> {
        let data_bytes = self.n_frames * Self::BYTES_PER_FRAME;
        let mut header = Vec::with_capacity(Self::HEADER_BYTES as usize);
        header.extend(b"RIFF");
        header.extend((Self::HEADER_BYTES - 8 + data_bytes).to_le_bytes());
        header.extend(b"WAVEfmt ");
        header.extend(18_u32.to_le_bytes());
        header.extend(3_u16.to_le_bytes());
        header.extend(Self::CHANNELS.to_le_bytes());
        header.extend(Self::SAMPLE_RATE_HZ.to_le_bytes());
        header.extend((Self::SAMPLE_RATE_HZ * Self::BYTES_PER_FRAME).to_le_bytes());
        header.extend((Self::BYTES_PER_FRAME as u16).to_le_bytes());
        header.extend(32_u16.to_le_bytes());
        header.extend(0_u16.to_le_bytes());
        header.extend(b"fact");
        header.extend(4_u32.to_le_bytes());
        header.extend(self.n_frames.to_le_bytes());
        header.extend(b"data");
        header.extend(data_bytes.to_le_bytes());
        header
    }
}

/// One file's sound: a tone of its own, a quarter turn apart on the two sides, and noise.
struct Sound {
    /// The tone as a turning pointer: one complex product per frame instead of two sines.
    tone: [f64; 2],
    turn: [f64; 2],
    noise: u64,
}

impl Sound {
    const TONE_LIN: f64 = 0.012;
    const NOISE_LIN: f64 = 0.012;

    fn new(index: usize) -> Self {
        let hz = 110.0 * 2.0_f64.powf(index as f64 / 6.0);
        let angle = std::f64::consts::TAU * hz / f64::from(Job::SAMPLE_RATE_HZ);
        Self {
            tone: [Self::TONE_LIN, 0.0],
            turn: [angle.cos(), angle.sin()],
            noise: 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(index as u64 + 1),
        }
    }

    fn next_frame(&mut self) -> [f32; 2] {
        let ([re, im], [cos, sin]) = (self.tone, self.turn);
        self.tone = [re * cos - im * sin, re * sin + im * cos];
        [(re + self.next_noise()) as f32, (im + self.next_noise()) as f32]
    }

    /// xorshift64 (Marsaglia, "Xorshift RNGs", J. Stat. Softw. 8(14), 2003), as a sample within ±`NOISE_LIN`.
    fn next_noise(&mut self) -> f64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        let unit = (self.noise >> 11) as f64 / (1_u64 << 53) as f64;
        (2.0 * unit - 1.0) * Self::NOISE_LIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: Job = Job { n_files: 2, n_frames: 4_800 };

    #[test]
    fn files_are_valid_seeded_and_kept() {
        let dir = std::env::temp_dir().join(format!("ra-bench-files-{}", std::process::id()));
        let names = JOB.prepare(&dir).unwrap();
        assert_eq!(names, [PathBuf::from("in-01.wav"), PathBuf::from("in-02.wav")]);
        let first = std::fs::read(dir.join(&names[0])).unwrap();
        let second = std::fs::read(dir.join(&names[1])).unwrap();
        assert_eq!(first.len() as u64, JOB.file_bytes());
        assert_ne!(first, second);

        // A file of the wrong size is made again, to the same bytes.
        std::fs::write(dir.join(&names[0]), b"short").unwrap();
        JOB.prepare(&dir).unwrap();
        assert_eq!(std::fs::read(dir.join(&names[0])).unwrap(), first);

        let mut reader = hound::WavReader::open(dir.join(&names[0])).unwrap();
        assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 48_000));
        assert_eq!(reader.duration(), JOB.n_frames);
        let peak = reader.samples::<f32>().map(|sample| sample.unwrap().abs()).fold(0.0, f32::max);
        assert!((0.012..0.025).contains(&peak), "{peak}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_full_jobs_sum_cannot_clip() {
        assert!(Job::FULL.n_files as f64 * (Sound::TONE_LIN + Sound::NOISE_LIN) < 1.0);
    }
}
