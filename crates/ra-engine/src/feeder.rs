//! Feeds a pulled source into its ring, ahead of time and at the engine's rate. Runs where blocking hurts nobody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use ra_core::{PulledSource, SampleRate, StreamEvent, StreamSpec};
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
    /// The source has ended; what it gave is still on its way.
    ending: Option<Ending>,
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
        Ok(Self {
            source,
            writer: Some(writer),
            spec,
            engine_rate,
            quality,
            resampling,
            capacity_frames,
            ending: None,
            shared,
        })
    }

    pub(crate) fn shared(&self) -> Arc<FeederShared> {
        Arc::clone(&self.shared)
    }

    /// What its ring holds.
    pub(crate) fn capacity_frames(&self) -> usize {
        self.capacity_frames
    }

    /// Whether at least half of the ring is free.
    pub(crate) fn wants_more(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| 2 * writer.free_frames() >= self.capacity_frames)
    }

    /// Fills the ring as far as it goes. A source that panics has failed, and is not read again.
    pub(crate) fn fill(&mut self) -> Fed {
        self.fill_up_to(self.capacity_frames)
    }

    /// As [`Feeder::fill`], until that many frames wait in the ring.
    pub(crate) fn fill_up_to(&mut self, most_frames: usize) -> Fed {
        match catch_unwind(AssertUnwindSafe(|| self.fill_ring(most_frames))) {
            Ok(fed) => fed,
            Err(_) => {
                self.resampling = None;
                self.fail("its code panicked".to_owned());
                Fed::Done
            }
        }
    }

    fn fill_ring(&mut self, most_frames: usize) -> Fed {
        loop {
            let Some(writer) = &mut self.writer else { return Fed::Done };
            if writer.is_abandoned() {
                self.writer = None;
                return Fed::Done;
            }
            if writer.free_frames() == 0 || self.capacity_frames - writer.free_frames() >= most_frames {
                return Fed::Full;
            }
            // What was resampled goes first, the end's tail included.
            if let Some(resampling) = &mut self.resampling
                && resampling.move_into(writer, self.spec)
            {
                continue;
            }
            if let Some(ending) = self.ending.take() {
                if let Ending::Failed(message) = ending {
                    self.fail(message);
                }
                self.writer = None;
                return Fed::Done;
            }
            let Taken { n_frames, then } = match &mut self.resampling {
                None => read_straight(&mut *self.source, writer),
                Some(resampling) => resampling.read(&mut *self.source, self.spec),
            };
            self.shared.read_frames.fetch_add(n_frames as u64, Relaxed);
            match then {
                Then::GoOn => {}
                Then::Format(spec) => {
                    if let Err(message) = self.change_format(spec) {
                        self.ending = Some(Ending::Failed(message));
                    }
                }
                Then::End(ending) => self.ending = Some(self.finish_resampling(ending)),
            }
        }
    }

    /// Lets the resampler give what it still holds: what was read before the end, or before a fault, is heard.
    fn finish_resampling(&mut self, ending: Ending) -> Ending {
        match &mut self.resampling {
            Some(Resampling { resampler, output, .. }) => match resampler.finish(output) {
                Ok(()) => ending,
                Err(cause) => Ending::Failed(cause.to_string()),
            },
            None => ending,
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

/// What one round of reading gave, and how it goes on.
struct Taken {
    n_frames: usize,
    then: Then,
}

enum Then {
    GoOn,
    Format(StreamSpec),
    End(Ending),
}

/// How a source has ended.
enum Ending {
    Complete,
    Failed(String),
}

/// Reads once: frames that were written into `out`, and how it goes on.
fn read_once(source: &mut dyn PulledSource, out: &mut [f32], channels: usize) -> Taken {
    let failed = |message: String| Then::End(Ending::Failed(message));
    let then = match source.read(out) {
        Ok(StreamEvent::Frames { n_frames }) if n_frames > 0 => {
            return Taken { n_frames: n_frames.min(out.len() / channels), then: Then::GoOn };
        }
        Ok(StreamEvent::Frames { .. }) => failed("gave no frames and did not say that it has ended".to_owned()),
        Ok(StreamEvent::FormatChanged { spec }) => Then::Format(spec),
        Ok(StreamEvent::EndOfStream) => Then::End(Ending::Complete),
        Ok(StreamEvent::DeviceLost { reason, .. }) => failed(reason),
        // A pulled source reads on behind a gap: nothing of ours was lost, and it has no clock to be late against.
        Ok(_) => Then::GoOn,
        Err(cause) => failed(cause.to_string()),
    };
    Taken { n_frames: 0, then }
}

/// Lets the source write into the ring's own memory, again and again where it gives little at a time.
fn read_straight(source: &mut dyn PulledSource, writer: &mut InputWriter) -> Taken {
    let channels = source.spec().channels.get();
    let mut then = Then::GoOn;
    let n_frames = writer.fill(0, CHUNK_FRAMES, &mut |memory: &mut [f32]| {
        let mut n_samples = 0;
        while n_samples < memory.len() {
            let taken = read_once(source, &mut memory[n_samples..], channels);
            n_samples += taken.n_frames * channels;
            if taken.n_frames == 0 {
                then = taken.then;
                break;
            }
        }
        n_samples / channels
    });
    Taken { n_frames, then }
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

    /// Reads and resamples a chunk.
    fn read(&mut self, source: &mut dyn PulledSource, spec: StreamSpec) -> Taken {
        let mut taken = read_once(source, &mut self.input, spec.channels.get());
        let got = &self.input[..spec.samples(taken.n_frames)];
        if let Err(cause) = self.resampler.push(got, &mut self.output) {
            taken.then = Then::End(Ending::Failed(cause.to_string()));
        }
        taken
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
