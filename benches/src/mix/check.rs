//! Whether a contestant did the work: its output against the sum of the inputs in double precision.
//!
//! Streams, and keeps the sum in a file: a child's peak memory starts with its parent's, so the bench stays small.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::Job;

/// The sum of all inputs, interleaved, in double precision.
#[derive(Clone, Debug)]
pub struct ExactSum {
    /// Little-endian doubles.
    path: PathBuf,
    n_samples: usize,
}

/// What was found in a contestant's output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Frames in the output.
    pub n_frames: u64,
    /// Frames in the exact sum.
    pub expected_frames: u64,
    /// The largest deviation of a sample from the exact sum, linear.
    pub max_error_lin: f64,
}

impl Verdict {
    /// Whether the length is right and no sample is further off than `tolerance_lin`.
    pub fn is_within(&self, tolerance_lin: f64) -> bool {
        self.n_frames == self.expected_frames && self.max_error_lin <= tolerance_lin
    }
}

impl ExactSum {
    /// Adds the files up, into the file `path`.
    ///
    /// # Errors
    /// A file cannot be read, is not what [`Job::prepare`] makes, or `path` cannot be written.
    pub fn write(job: Job, files: &[PathBuf], path: &Path) -> Result<Self> {
        let n_samples = job.n_frames as usize * usize::from(Job::CHANNELS);
        let mut readers = files.iter().map(|file| open(file)).collect::<Result<Vec<_>>>()?;
        let mut inputs: Vec<_> = readers.iter_mut().map(|reader| reader.samples::<f32>()).collect();
        for (input, file) in inputs.iter().zip(files) {
            let actual = input.len();
            ensure!(actual == n_samples, "{}: {actual} samples instead of {n_samples}", file.display());
        }
        let context = || format!("cannot write {}", path.display());
        let mut output = BufWriter::new(File::create(path).with_context(context)?);
        for _ in 0..n_samples {
            let mut sum = 0.0_f64;
            for (input, file) in inputs.iter_mut().zip(files) {
                let sample = input.next().with_context(|| format!("{} ends early", file.display()))?;
                sum += f64::from(sample.with_context(|| format!("cannot read {}", file.display()))?);
            }
            output.write_all(&sum.to_le_bytes()).with_context(context)?;
        }
        output.flush().with_context(context)?;
        Ok(Self { path: path.to_owned(), n_samples })
    }

    /// Compares an output with the sum.
    ///
    /// # Errors
    /// It cannot be read, or is not a stereo float WAV file of the right rate.
    pub fn judge(&self, output: &Path) -> Result<Verdict> {
        let context = || format!("cannot read {}", self.path.display());
        let mut sums = BufReader::new(File::open(&self.path).with_context(context)?);
        let (mut n_samples, mut max_error_lin) = (0_usize, 0.0_f64);
        for sample in open(output)?.samples::<f32>() {
            let sample = f64::from(sample.with_context(|| format!("cannot read {}", output.display()))?);
            // What goes on behind the end counts as error in full, and NaN as the worst error.
            let mut sum = [0; 8];
            if n_samples < self.n_samples {
                sums.read_exact(&mut sum).with_context(context)?;
            }
            let error = (sample - f64::from_le_bytes(sum)).abs();
            max_error_lin = max_error_lin.max(if error.is_nan() { f64::INFINITY } else { error });
            n_samples += 1;
        }
        let channels = u64::from(Job::CHANNELS);
        Ok(Verdict {
            n_frames: n_samples as u64 / channels,
            expected_frames: self.n_samples as u64 / channels,
            max_error_lin,
        })
    }
}

fn open(file: &Path) -> Result<hound::WavReader<BufReader<File>>> {
    let reader = hound::WavReader::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let spec = reader.spec();
    ensure!(
        spec.channels == Job::CHANNELS
            && spec.sample_rate == Job::SAMPLE_RATE_HZ
            && spec.sample_format == hound::SampleFormat::Float,
        "{}: {} channels at {} Hz as {:?} instead of {} at {} as float",
        file.display(),
        spec.channels,
        spec.sample_rate,
        spec.sample_format,
        Job::CHANNELS,
        Job::SAMPLE_RATE_HZ,
    );
    Ok(reader)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, samples: impl IntoIterator<Item = f32>) {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 48_000,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        samples.into_iter().for_each(|sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
    }

    #[test]
    fn errors_lengths_and_nan_are_found() {
        let dir = std::env::temp_dir().join(format!("ra-bench-check-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (a, b, out) = (dir.join("a.wav"), dir.join("b.wav"), dir.join("out.wav"));
        let job = Job { n_files: 2, n_frames: 3 };
        write(&a, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
        write(&b, [0.1; 6]);
        let sum = ExactSum::write(job, &[a.clone(), b], &dir.join("sum")).unwrap();

        write(&out, [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
        assert!(sum.judge(&out).unwrap().is_within(1e-6));
        write(&out, [0.2, 0.3, 0.4, 0.5, 0.61, 0.7]);
        assert!((sum.judge(&out).unwrap().max_error_lin - 0.01).abs() < 1e-6);
        write(&out, [0.2, 0.3, 0.4, 0.5]);
        let short = sum.judge(&out).unwrap();
        assert_eq!((short.n_frames, short.expected_frames), (2, 3));
        assert!(!short.is_within(1.0));
        write(&out, [0.2, f32::NAN, 0.4, 0.5, 0.6, 0.7]);
        assert!(!sum.judge(&out).unwrap().is_within(1.0));
        write(&out, [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.8]);
        assert!((sum.judge(&out).unwrap().max_error_lin - 0.8).abs() < 1e-6);
        assert!(ExactSum::write(Job { n_files: 1, n_frames: 4 }, &[a], &dir.join("sum")).is_err());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
