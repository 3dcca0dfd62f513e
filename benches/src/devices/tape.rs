//! Sinks that listen: to a dial, to a sound that is known to the last bit, and to silence and steps on a bus. They keep
//! what they found, not the sound.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ra_core::{Block, Gap, PulledSource, Sink, SinkError, SinkReport, SinkStart};

use super::dial;

/// Shorter silences are a tone's crossing of zero.
const SHORTEST_SILENCE_FRAMES: u64 = 48;
/// Blocks whose dial is remembered.
const MOST_READINGS: usize = 8_192;

/// One block of a dial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) position: u64,
    /// When its first frame was captured, on the monotonic clock.
    pub(super) capture_ns: u64,
    /// How many frames the sound is behind its playing, within a turn; `None`: no whole block of it.
    pub(super) behind_frames: Option<f64>,
    /// The largest step from one frame to the next, in any channel.
    pub(super) step_lin: f32,
}

/// Frames of silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silence {
    pub(super) from: u64,
    pub(super) n_frames: u64,
}

/// What was found so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// The latest blocks.
    pub(super) readings: std::collections::VecDeque<Reading>,
    /// Every silence that has ended.
    pub(super) silences: Vec<Silence>,
    /// The silence that goes on now.
    pub(super) silence_now: Option<Silence>,
    /// Frames that came.
    pub(super) n_frames: u64,
    /// Position of the first one.
    pub(super) first_position: u64,
    /// Frames that never came.
    pub(super) lost_frames: u64,
    /// Samples that were others than expected, and of the first one: where, what it is, and what it should be.
    pub(super) n_other_samples: u64,
    /// See `n_other_samples`.
    pub(super) first_other: Option<(u64, f32, f32)>,
}

/// What a [`Tape`] has found, for whoever asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(Arc<Mutex<Found>>);

impl Findings {
    pub(super) fn look(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sink.
pub(super) struct Tape {
    findings: Findings,
    /// What is not louder is silence.
    silent_lin: f32,
    expected: Option<Box<dyn PulledSource>>,
    last: Vec<f32>,
    scratch: Vec<f32>,
}

impl Tape {
    /// One that listens to a dial or to anything else; what is no louder than `silent_lin` is silence.
    pub(super) fn new(silent_lin: f32) -> (Self, Findings) {
        let findings = Findings::default();
        // All of it is touched now: what this program needs for itself is not to look like what it measures.
        let nothing = Reading { position: 0, capture_ns: 0, behind_frames: None, step_lin: 0.0 };
        findings.look().readings.resize(MOST_READINGS, nothing);
        findings.look().readings.clear();
        let (last, scratch) = (Vec::new(), Vec::new());
        (Self { findings: findings.clone(), silent_lin, expected: None, last, scratch }, findings)
    }

    /// One that compares what comes with what another source of the same kind gives.
    pub(super) fn expecting(source: impl PulledSource + 'static) -> (Self, Findings) {
        let (mut tape, findings) = Self::new(0.0);
        tape.expected = Some(Box::new(source));
        (tape, findings)
    }

    fn compare(&mut self, position: u64, samples: &[f32], channels: usize) -> Result<(), SinkError> {
        let Some(source) = &mut self.expected else { return Ok(()) };
        self.scratch.resize(samples.len(), 0.0);
        let mut done = 0;
        while done < samples.len() {
            match source.read(&mut self.scratch[done..]) {
                Ok(ra_core::StreamEvent::Frames { n_frames }) => done += n_frames * channels,
                other => return Err(SinkError::Fatal(format!("the expected sound has ended: {other:?}"))),
            }
        }
        let mut found = self.findings.look();
        for (n, (is, must)) in samples.iter().zip(&self.scratch).enumerate() {
            // Adding up makes a zero of a negative zero, which is the same number.
            if is.to_bits() != must.to_bits() && !(*is == 0.0 && *must == 0.0) {
                found.n_other_samples += 1;
                found.first_other.get_or_insert((position + (n / channels) as u64, *is, *must));
            }
        }
        Ok(())
    }
}

impl Sink for Tape {
    fn start(&mut self, start: &SinkStart) -> Result<(), SinkError> {
        self.findings.look().first_position = start.position.0;
        Ok(())
    }

    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        let channels = block.spec.channels.get();
        let rate_hz = block.spec.sample_rate.hz();
        let position = block.stamp.position.0;
        self.compare(position, block.samples, channels)?;
        let mut found = self.findings.look();
        let mut step_lin = 0.0_f32;
        for (n, frame) in block.samples.chunks_exact(channels).enumerate() {
            let at = position + n as u64;
            if frame.iter().all(|sample| sample.abs() <= self.silent_lin) {
                found.silence_now.get_or_insert(Silence { from: at, n_frames: 0 }).n_frames += 1;
            } else if let Some(silence) = found.silence_now.take()
                && silence.n_frames >= SHORTEST_SILENCE_FRAMES
            {
                found.silences.push(silence);
            }
            if self.last.len() == channels {
                step_lin = frame.iter().zip(&self.last).map(|(now, last)| (now - last).abs()).fold(step_lin, f32::max);
            }
            self.last.clear();
            self.last.extend_from_slice(frame);
        }
        let behind_frames = if channels == 2 { behind(position, block.samples, rate_hz) } else { None };
        if found.readings.len() == MOST_READINGS {
            found.readings.pop_front();
        }
        found.readings.push_back(Reading { position, capture_ns: block.stamp.capture_ns, behind_frames, step_lin });
        found.n_frames += block.n_frames() as u64;
        Ok(())
    }

    fn gap(&mut self, gap: &Gap) -> Result<(), SinkError> {
        self.findings.look().lost_frames += gap.n_frames;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        Ok(SinkReport::default())
    }
}

/// The mean over a block; `None` where a part of it is no dial.
fn behind(position: u64, samples: &[f32], rate_hz: u32) -> Option<f64> {
    let mut first = None;
    let (mut sum, mut n) = (0.0, 0.0);
    for (at, frame) in samples.chunks_exact(2).enumerate() {
        let one = dial::behind_frames(position + at as u64, [frame[0], frame[1]], rate_hz)?;
        sum += dial::difference_frames(one, *first.get_or_insert(one), rate_hz);
        n += 1.0;
    }
    Some((first? + sum / n).rem_euclid(dial::turn_frames(rate_hz)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_core::{BlockStamp, FramePosition, StreamSpec};

    #[test]
    fn a_dial_its_silences_and_its_steps_are_found() {
        let (mut tape, findings) = Tape::new(0.0);
        let spec = StreamSpec::new(48_000, 2).unwrap();
        for number in 0..100_u64 {
            let samples: Vec<f32> = (number * 128..(number + 1) * 128)
                .flat_map(|at| if (2_000..3_000).contains(&at) { [0.0; 2] } else { dial::frame(at + 5, 48_000) })
                .collect();
            let stamp = BlockStamp { seq: number, position: FramePosition(number * 128), capture_ns: number };
            tape.write(&Block { stamp, spec, samples: &samples }).unwrap();
        }
        let found = findings.look();
        assert_eq!(found.silences, [Silence { from: 2_000, n_frames: 1_000 }]);
        let largest = found.readings.iter().max_by(|a, b| a.step_lin.total_cmp(&b.step_lin)).unwrap();
        assert!((0.3..0.6).contains(&largest.step_lin) && [1_920, 2_944].contains(&largest.position), "{largest:?}");
        let behind = found.readings.back().unwrap().behind_frames.unwrap();
        assert!((dial::difference_frames(behind, -5.0, 48_000)).abs() < 0.01, "{behind}");
        assert!(found.readings[16].behind_frames.is_none());
        assert_eq!(found.n_frames, 12_800);
    }
}
