//! Synthetic sound: a signal in a simulated room, sampled by a clock that may be off. Opens nothing, sleeps never.

mod kernel;
mod lattice;
mod segment;
mod signal;
mod voice;

use ra_core::{PulledSource, SampleRate, Source, SourceError, StreamEvent, StreamSpec};

pub use signal::Signal;

use crate::{ClockModel, RoomTime};
use segment::Segments;
use voice::Voice;

/// Settings of a synthetic source.
#[derive(Clone, Debug, PartialEq)]
pub struct MockConfig {
    /// Rate and channels of its frames.
    pub spec: StreamSpec,
    /// What sounds in the room.
    pub signal: Signal,
    /// Seeds the noise. Sources with the same seed, signal and `band_rate` hear the same noise. Default 0.
    pub seed: u64,
    /// Ends after so many frames; `None` (the default): never.
    pub duration_frames: Option<u64>,
    /// Impulses and noise are band-limited to half of this rate. `None` (the default): the rate of `spec`. Sources of one
    /// room need one value here: the lowest of the rates that the sound passes through.
    pub band_rate: Option<SampleRate>,
}

impl MockConfig {
    /// `signal` in `spec`, endless, with every other setting at its default.
    pub fn new(spec: StreamSpec, signal: Signal) -> Self {
        Self { spec, signal, seed: 0, duration_frames: None, band_rate: None }
    }
}

/// A source that samples a synthetic signal: frame `n` is the room's sound at the true time at which its clock counts
/// `n`. As a [`PulledSource`] it gives as much as is asked; [`PacedSource::mock`](crate::PacedSource::mock) makes a
/// device of it.
///
/// All signals but [`Signal::Pair`] are the same in every channel. Frames are computed from their number alone: no error
/// adds up. The same settings read in blocks of the same sizes give the same bits; other sizes may differ in the last.
#[derive(Debug)]
pub struct MockSource {
    config: MockConfig,
    voices: Vec<Voice>,
    clock: ClockModel,
    opened: RoomTime,
    /// Frames since `opened`.
    clock_frame: u64,
    /// When that frame is heard.
    clock_time: RoomTime,
    /// Frames since the beginning: what `duration_frames` counts.
    given_frames: u64,
    scratch: Vec<f32>,
}

impl MockSource {
    /// A source whose clock is perfect and starts at true time 0.
    ///
    /// # Errors
    /// [`SourceError::Setting`] where the signal makes no sense at this rate or channel count.
    pub fn new(config: MockConfig) -> Result<Self, SourceError> {
        let band_rate = config.band_rate.unwrap_or(config.spec.sample_rate);
        config.signal.check(config.spec, band_rate)?;
        let voices = Voice::of_signal(&config.signal, config.seed, band_rate);
        Ok(Self {
            config,
            voices,
            clock: ClockModel::PERFECT,
            opened: RoomTime::ZERO,
            clock_frame: 0,
            clock_time: RoomTime::ZERO,
            given_frames: 0,
            scratch: vec![0.0; Segments::MAX_FRAMES],
        })
    }

    /// From the next frame on, samples at the times of `clock`, for a device that was opened at true time `opened` and
    /// counts its frames from there. Pass the times of a [`Pacer`](crate::Pacer) to make drift real.
    ///
    /// # Errors
    /// [`SourceError::Setting`] where the clock makes no sense.
    pub fn set_clock(&mut self, clock: ClockModel, opened: RoomTime) -> Result<(), SourceError> {
        clock.check()?;
        self.clock = clock;
        self.opened = opened;
        self.clock_frame = 0;
        self.clock_time = clock.frame_time(0, self.config.spec.sample_rate, opened);
        Ok(())
    }

    /// Goes on with frame `n` of the clock, counted from its opening: what lies between is not heard.
    pub(crate) fn seek(&mut self, n: u64) {
        if n == self.clock_frame {
            return;
        }
        self.clock_frame = n;
        self.clock_time = self.clock.frame_time(n, self.config.spec.sample_rate, self.opened);
    }
}

impl Source for MockSource {
    fn spec(&self) -> StreamSpec {
        self.config.spec
    }

    fn describe(&self) -> String {
        format!("mock {}", self.config.signal)
    }
}

impl PulledSource for MockSource {
    /// As the trait says; never fails. An empty `out` is answered with 0 frames.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
        let channels = self.config.spec.channels.get();
        let left = self.remaining_frames().unwrap_or(u64::MAX);
        if left == 0 {
            return Ok(StreamEvent::EndOfStream);
        }
        let n_frames = (out.len() / channels).min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut rest = &mut out[..n_frames * channels];
        let clock = (self.clock, self.config.spec.sample_rate, self.opened);
        let mut segments = Segments::new(clock, (self.clock_frame, self.clock_time), n_frames);
        // The last voice also serves the channels after it: one voice is a sound that all channels hear alike.
        let last = self.voices.len() - 1;
        for segment in &mut segments {
            let (now, later) = rest.split_at_mut(segment.n_frames * channels);
            rest = later;
            if channels == 1 {
                self.voices[last].fill(&segment, now);
                continue;
            }
            let lane = &mut self.scratch[..segment.n_frames];
            for (i, voice) in self.voices.iter_mut().enumerate() {
                voice.fill(&segment, lane);
                let heard_by = if i == last { i..channels } else { i..i + 1 };
                for (frame, &sample) in now.chunks_exact_mut(channels).zip(lane.iter()) {
                    frame[heard_by.clone()].fill(sample);
                }
            }
        }
        self.clock_time = segments.end();
        self.clock_frame += n_frames as u64;
        self.given_frames += n_frames as u64;
        Ok(StreamEvent::Frames { n_frames })
    }

    fn remaining_frames(&self) -> Option<u64> {
        self.config.duration_frames.map(|n| n.saturating_sub(self.given_frames))
    }
}
