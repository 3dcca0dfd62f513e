//! A known sound, fed to a recorder as the engine feeds it, only faster: the same blocks, gaps and flushes every time, so
//! that what is in a file can be told from its place alone.

use std::path::Path;

use anyhow::{Context, Result};
use ra_core::{Block, BlockStamp, FramePosition, Gap, GapReason, Sink, SinkCommand, SinkReport, SinkStart, StreamSpec};
use ra_engine::sinks::{Recorder, RecorderConfig};

/// Channels of every recording.
pub(super) const CHANNELS: usize = 2;
pub(super) const RATE_HZ: u32 = 48_000;
const BLOCK_FRAMES: u64 = 128;
/// The engine flushes its sinks ten times a second.
const BLOCKS_PER_FLUSH: u64 = 37;
/// After so many blocks frames are missing, and so many are.
const GAP: (u64, u64) = (500, 700);
/// The same for a gap that is a hole in the file.
const HOLE: (u64, u64) = (3_000, 40_000);
/// The longest that one step can be.
pub(super) const LONGEST_STEP_FRAMES: u64 = HOLE.1;

/// The sample at a place: never zero, unlike its neighbours, and a multiple of 2^-23, so that 24 bits hold it. Below half of
/// full scale: a lossy codec overshoots, and sndfile-convert makes a file with a sample above 1 softer as a whole.
pub(super) fn truth(frame: u64, channel: u64) -> f32 {
    let n = (frame * 8 + channel).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    (((n % 7_500_000) as i32 - 3_750_000) | 1) as f32 / 8_388_608.0
}

/// Interleaved frames from `from` on.
pub(super) fn truths(from: u64, n_frames: u64) -> Vec<f32> {
    (from..from + n_frames).flat_map(|frame| (0..CHANNELS as u64).map(move |c| truth(frame, c))).collect()
}

/// A recorder and where it is.
pub(super) struct Feed {
    recorder: Recorder,
    spec: StreamSpec,
    position: u64,
    n_steps: u64,
}

impl Feed {
    /// Starts a recording at position 0.
    pub(super) fn start(config: RecorderConfig) -> Result<Self> {
        let spec = StreamSpec::new(RATE_HZ, CHANNELS as u16)?;
        let mut recorder = Recorder::new(config)?;
        recorder.start(&SinkStart {
            name: "take".into(),
            spec,
            block_frames: BLOCK_FRAMES as usize,
            position: FramePosition(0),
            unix_ns: 1_795_256_130_000_000_000,
            unix_minus_monotonic_ns: None,
        })?;
        Ok(Self { recorder, spec, position: 0, n_steps: 0 })
    }

    /// Frames so far, those of gaps included.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// The sound of a file of so many frames: zeros where frames are missing.
    pub(super) fn expected(n_frames: u64) -> Vec<f32> {
        let (mut sound, mut position, mut n_steps) = (Vec::with_capacity(n_frames as usize * CHANNELS), 0, 0);
        while position < n_frames {
            let (n, is_gap) = Self::next(n_steps);
            let n = n.min(n_frames - position);
            match is_gap {
                true => sound.resize(sound.len() + n as usize * CHANNELS, 0.0),
                false => sound.extend(truths(position, n)),
            }
            position += n;
            n_steps += 1;
        }
        sound
    }

    /// The length of a step, and whether it is a gap.
    const fn next(step: u64) -> (u64, bool) {
        if step % HOLE.0 == HOLE.0 - 1 {
            (HOLE.1, true)
        } else if step % GAP.0 == GAP.0 - 1 {
            (GAP.1, true)
        } else {
            (BLOCK_FRAMES, false)
        }
    }

    /// Feeds a block, or a gap where one is due; flushes now and then.
    pub(super) fn step(&mut self) -> Result<()> {
        let (n_frames, is_gap) = Self::next(self.n_steps);
        if is_gap {
            let at_frame = FramePosition(self.position);
            self.recorder.gap(&Gap { at_frame, n_frames, reason: GapReason::Lagged })?;
            self.position += n_frames;
        } else {
            self.write(n_frames)?;
        }
        self.n_steps += 1;
        if self.n_steps.is_multiple_of(BLOCKS_PER_FLUSH) {
            self.recorder.flush()?;
        }
        Ok(())
    }

    /// Feeds a block of any length.
    pub(super) fn write(&mut self, n_frames: u64) -> Result<()> {
        let stamp = BlockStamp { seq: 0, position: FramePosition(self.position), capture_ns: 0 };
        let samples = truths(self.position, n_frames);
        self.recorder.write(&Block { stamp, spec: self.spec, samples: &samples })?;
        self.position += n_frames;
        Ok(())
    }

    /// Says that frames are missing.
    pub(super) fn gap(&mut self, n_frames: u64) -> Result<()> {
        let at_frame = FramePosition(self.position);
        self.recorder.gap(&Gap { at_frame, n_frames, reason: GapReason::DeviceLost })?;
        self.position += n_frames;
        Ok(())
    }

    /// The file that is written.
    pub(super) fn path(&self) -> Option<&Path> {
        self.recorder.path()
    }

    /// Flushes, as the engine does now and then.
    pub(super) fn flush(&mut self) -> Result<()> {
        Ok(self.recorder.flush()?)
    }

    /// Goes on in a new file.
    pub(super) fn split(&mut self) -> Result<()> {
        self.recorder.command(&SinkCommand::Split).context("a split")
    }

    /// Ends the recording, and goes on living.
    pub(super) fn finish(&mut self) -> Result<SinkReport> {
        self.recorder.finish().context("the end of a recording")
    }

    /// Feeds until `n_frames` have gone in at least, and ends the recording.
    pub(super) fn complete(mut self, n_frames: u64) -> Result<SinkReport> {
        while self.position < n_frames {
            self.step()?;
        }
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_is_what_is_fed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.wav");
        let feed = Feed::start(RecorderConfig::offline(&file)).unwrap();
        feed.complete(48_000 * 12).unwrap();
        let mut wav = hound::WavReader::open(&file).unwrap();
        let samples: Vec<f32> = wav.samples::<f32>().map(Result::unwrap).collect();
        assert!(samples == Feed::expected(samples.len() as u64 / 2));
        assert!(samples.iter().filter(|&&sample| sample == 0.0).count() > 80_000, "there is a hole in it");
    }
}
