//! A whole recording that nobody disturbed, as each judge reads it: what a disturbed one is held against. Its own truth is
//! checked first.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::feed::{CHANNELS, Feed, LONGEST_STEP_FRAMES};
use super::judges::{Judge, Reading};
use super::kinds::Kind;

/// What every judge makes of one whole recording.
pub(super) struct Reference {
    pub(super) kind: Kind,
    readings: Vec<(Judge, Reading)>,
    /// Judges that are missing, or read no such files, in words.
    pub(super) not_judging: Vec<String>,
}

impl Reference {
    /// Records `n_frames` at least into `dir`, lets everybody read it, and checks it against the sound that went in.
    pub(super) fn record(kind: Kind, dir: &Path, n_frames: u64) -> Result<Self> {
        let report = Feed::start(kind.config(dir, "reference"))?.complete(n_frames)?;
        let file = report.files.first().context("a recording without a file")?;
        let (readings, not_judging) = Judge::for_kind(&kind, file);
        ensure!(!readings.is_empty(), "{}: nobody reads it: {}", kind.name, not_judging.join("; "));
        let reference = Self { kind, readings, not_judging };
        for (judge, reading) in &reference.readings {
            reference.check_truth(reading, n_frames).with_context(|| format!("{}: {}", kind.name, judge.name()))?;
        }
        Ok(reference)
    }

    fn check_truth(&self, reading: &Reading, n_frames: u64) -> Result<()> {
        if let Some(complaint) = &reading.complaint {
            anyhow::bail!("complains of an undisturbed recording: {complaint}");
        }
        let found = reading.n_frames();
        let is_whole = (n_frames..n_frames + LONGEST_STEP_FRAMES).contains(&found);
        ensure!(is_whole, "{found} frames, expected {n_frames} and the rest of a step");
        if self.kind.is_lossless {
            let is_near = |(a, b): (&f32, &f32)| (a - b).abs() <= self.kind.tolerance_lin();
            let wrong = reading.samples.iter().zip(&Feed::expected(found)).position(|pair| !is_near(pair));
            ensure!(wrong.is_none(), "another sound than went in from frame {} on", wrong.unwrap_or(0) / CHANNELS);
        }
        Ok(())
    }

    /// Who judges, and what each makes of the whole.
    pub(super) fn judges(&self) -> impl Iterator<Item = (Judge, &Reading)> {
        self.readings.iter().map(|(judge, reading)| (*judge, reading))
    }

    /// From which frame on a reading is something else than the whole recording; `None` where it is a beginning of it.
    pub(super) fn first_difference(whole: &Reading, reading: &Reading) -> Option<u64> {
        // As bits: a NaN is a difference, and zeros have a sign.
        let pairs = whole.samples.iter().zip(&reading.samples);
        let wrong = pairs.map(|(a, b)| a.to_bits() == b.to_bits()).position(|is_same| !is_same);
        let beyond = (reading.samples.len() > whole.samples.len()).then_some(whole.samples.len());
        wrong.or(beyond).map(|sample| (sample / CHANNELS) as u64)
    }
}
