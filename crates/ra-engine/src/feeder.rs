//! Feeds a pulled source into its ring, ahead of time and at the engine's rate. Runs where blocking hurts nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use ra_core::{PulledSource, SampleRate, SourceError, StreamEvent, StreamSpec};
use ra_dsp::{DspError, FixedResampler, Quality};
use ra_queue::InputWriter;

/// Frames that are read from a source at once.
const CHUNK_FRAMES: usize = 4096;

/// A pulled source, its ring's writing end, and a resampler where the rates differ.
pub(crate) struct Feeder {
    source: Box<dyn PulledSource>,
    /// Gone once the source has ended: that closes the ring.
    writer: Option<InputWriter>,
    spec: StreamSpec,
    engine_rate: SampleRate,
    quality: Quality,
    resampling: Option<Resampling>,
    capacity_frames: usize,
    shared: Arc<FeederShared>,
}

struct Resampling {
    resampler: FixedResampler,
    input: Vec<f32>,
    /// Resampled frames that found no room yet, from `taken` on.
    output: Vec<f32>,
    taken: usize,
}

/// What a feeder lets others see.
#[derive(Debug, Default)]
pub(crate) struct FeederShared {
    /// Frames read from the source so far, at its own rate.
    pub(crate) read_frames: AtomicU64,
    /// Why it can't go on.
    pub(crate) failure: Mutex<Option<String>>,
}

/// What a feeder found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fed {
    /// The ring is full.
    Full,
    /// The source has ended, or failed, or its ring was taken away: there is nothing more to do, ever.
    Done,
}

/// What one read of the source led to.
enum Step {
    Read(usize),
    Ended,
}

impl Feeder {
    /// A feeder whose ring runs at `engine_rate`.
    pub(crate) fn new(
        source: Box<dyn PulledSource>,
        writer: InputWriter,
        engine_rate: SampleRate,
        quality: Quality,
    ) -> Result<Self, DspError> {
        let spec = source.spec();
        let resampling = Resampling::between(spec, engine_rate, quality)?;
        let shared = Arc::new(FeederShared::default());
        let capacity_frames = writer.free_frames();
        Ok(Self { source, writer: Some(writer), spec, engine_rate, quality, resampling, capacity_frames, shared })
    }

    pub(crate) fn shared(&self) -> Arc<FeederShared> {
        Arc::clone(&self.shared)
    }

    /// Whether at least half of the ring is free.
    pub(crate) fn wants_more(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| 2 * writer.free_frames() >= self.capacity_frames)
    }

    /// Fills the ring as far as it goes.
    pub(crate) fn fill(&mut self) -> Fed {
        loop {
            let Some(writer) = &mut self.writer else { return Fed::Done };
            if writer.is_abandoned() {
                self.writer = None;
                return Fed::Done;
            }
            if writer.free_frames() == 0 {
                return Fed::Full;
            }
            let step = match &mut self.resampling {
                None => read_straight(&mut *self.source, writer),
                Some(resampling) => resampling.advance(&mut *self.source, writer, self.spec),
            };
            match step {
                Ok(StepTaken { step: Step::Read(n_frames), new_spec }) => {
                    self.shared.read_frames.fetch_add(n_frames as u64, Relaxed);
                    if let Some(spec) = new_spec
                        && let Err(message) = self.change_format(spec)
                    {
                        self.fail(message);
                    }
                }
                Ok(StepTaken { step: Step::Ended, .. }) => self.writer = None,
                Err(cause) => self.fail(cause.to_string()),
            }
        }
    }

    /// The stream goes on at another rate: so does the resampler. Another channel count has no place in the strip.
    fn change_format(&mut self, spec: StreamSpec) -> Result<(), String> {
        if spec.channels != self.spec.channels {
            return Err(format!("changed from {} to {} in mid-stream, which is not followed", self.spec, spec));
        }
        if let Some(resampling) = &mut self.resampling {
            resampling.resampler.finish(&mut resampling.output).map_err(|cause| cause.to_string())?;
        }
        self.spec = spec;
        let left = self.resampling.take().map(|old| old.output[old.taken..].to_vec()).unwrap_or_default();
        let mut next = Resampling::between(spec, self.engine_rate, self.quality).map_err(|cause| cause.to_string())?;
        if next.is_none() && !left.is_empty() {
            next = Some(Resampling::unity(spec, self.quality).map_err(|cause| cause.to_string())?);
        }
        if let Some(next) = &mut next {
            next.output = left;
        }
        self.resampling = next;
        Ok(())
    }

    fn fail(&mut self, message: String) {
        log::error!("{}: {message}", self.source.describe());
        *self.shared.failure.lock() = Some(message);
        self.writer = None;
    }
}

struct StepTaken {
    step: Step,
    new_spec: Option<StreamSpec>,
}

impl StepTaken {
    fn read(n_frames: usize) -> Self {
        Self { step: Step::Read(n_frames), new_spec: None }
    }
}

/// What an event of a pulled source means here.
fn understand(event: StreamEvent) -> Result<StepTaken, SourceError> {
    match event {
        StreamEvent::Frames { n_frames } => Ok(StepTaken::read(n_frames)),
        StreamEvent::FormatChanged { spec } => Ok(StepTaken { step: Step::Read(0), new_spec: Some(spec) }),
        StreamEvent::EndOfStream => Ok(StepTaken { step: Step::Ended, new_spec: None }),
        StreamEvent::DeviceLost { reason } => Err(SourceError::Device { device: "source".to_owned(), message: reason }),
        // A pulled source reads on behind a gap: nothing of ours was lost, and it has no clock to be late against.
        _ => Ok(StepTaken::read(0)),
    }
}

/// Lets the source write into the ring's own memory.
fn read_straight(source: &mut dyn PulledSource, writer: &mut InputWriter) -> Result<StepTaken, SourceError> {
    let mut result = Ok(StepTaken::read(0));
    let channels = source.spec().channels.get();
    let _ = writer.fill(0, CHUNK_FRAMES, &mut |memory: &mut [f32]| match source.read(memory) {
        Ok(event) => {
            let taken = understand(event);
            let n_frames = match &taken {
                Ok(StepTaken { step: Step::Read(n_frames), .. }) => (*n_frames).min(memory.len() / channels),
                _ => 0,
            };
            result = taken;
            n_frames
        }
        Err(cause) => {
            result = Err(cause);
            0
        }
    });
    result
}

fn refused(cause: DspError) -> SourceError {
    SourceError::Setting { what: "resampling".to_owned(), message: cause.to_string() }
}

impl Resampling {
    fn between(spec: StreamSpec, engine_rate: SampleRate, quality: Quality) -> Result<Option<Self>, DspError> {
        if spec.sample_rate == engine_rate {
            return Ok(None);
        }
        let resampler = FixedResampler::new(spec.channels.get(), spec.sample_rate, engine_rate, quality)?;
        Ok(Some(Self { resampler, input: vec![0.0; spec.samples(CHUNK_FRAMES)], output: Vec::new(), taken: 0 }))
    }

    /// Passes frames on untouched: holds the tail of an earlier format until there is room.
    fn unity(spec: StreamSpec, quality: Quality) -> Result<Self, DspError> {
        let resampler = FixedResampler::new(spec.channels.get(), spec.sample_rate, spec.sample_rate, quality)?;
        Ok(Self { resampler, input: vec![0.0; spec.samples(CHUNK_FRAMES)], output: Vec::new(), taken: 0 })
    }

    /// Moves what is there into the ring; where nothing is left, reads and resamples a chunk.
    fn advance(
        &mut self,
        source: &mut dyn PulledSource,
        writer: &mut InputWriter,
        spec: StreamSpec,
    ) -> Result<StepTaken, SourceError> {
        if self.move_into(writer, spec) {
            return Ok(StepTaken::read(0));
        }
        let mut taken = understand(source.read(&mut self.input)?)?;
        match taken.step {
            Step::Read(n_frames) => {
                self.resampler.push(&self.input[..spec.samples(n_frames)], &mut self.output).map_err(refused)?;
            }
            Step::Ended => {
                self.resampler.finish(&mut self.output).map_err(refused)?;
                if !self.output.is_empty() {
                    // The tail goes first; the source says again that it has ended, and `finish` adds nothing then.
                    taken.step = Step::Read(0);
                }
            }
        }
        Ok(taken)
    }

    /// Writes resampled frames into the ring. Returns whether there were any.
    fn move_into(&mut self, writer: &mut InputWriter, spec: StreamSpec) -> bool {
        if self.taken == self.output.len() {
            self.output.clear();
            self.taken = 0;
            return false;
        }
        let rest = &self.output[self.taken..];
        let n_samples = spec.samples(writer.free_frames()).min(rest.len());
        let n_frames = ra_core::PeriodInput::push(writer, 0, &rest[..n_samples]);
        self.taken += spec.samples(n_frames);
        true
    }
}
