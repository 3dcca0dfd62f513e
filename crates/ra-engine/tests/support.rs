//! Sources and sinks for the tests: data in, data out, faults on command.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its own part")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ra_engine::core::{
    Block, Gap, PulledSource, Sink, SinkError, SinkReport, SinkStart, Source, SourceError, StreamEvent, StreamSpec,
};

/// A source that plays a vector, and then ends.
pub struct Samples {
    pub spec: StreamSpec,
    pub samples: Vec<f32>,
    pub at: usize,
}

impl Samples {
    pub fn new(sample_rate_hz: u32, channels: u16, samples: Vec<f32>) -> Self {
        Self { spec: StreamSpec::new(sample_rate_hz, channels).unwrap(), samples, at: 0 }
    }
}

impl Source for Samples {
    fn spec(&self) -> StreamSpec {
        self.spec
    }
    fn describe(&self) -> String {
        "samples".to_owned()
    }
}

impl PulledSource for Samples {
    fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
        let n = out.len().min(self.samples.len() - self.at);
        if n == 0 {
            return Ok(StreamEvent::EndOfStream);
        }
        out[..n].copy_from_slice(&self.samples[self.at..self.at + n]);
        self.at += n;
        Ok(StreamEvent::Frames { n_frames: self.spec.frames(n) })
    }
    fn remaining_frames(&self) -> Option<u64> {
        Some(self.spec.frames(self.samples.len() - self.at) as u64)
    }
}

/// A source that gives the same value for ever.
pub struct Constant(pub StreamSpec, pub f32);

impl Source for Constant {
    fn spec(&self) -> StreamSpec {
        self.0
    }
    fn describe(&self) -> String {
        "constant".to_owned()
    }
}

impl PulledSource for Constant {
    fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
        out.fill(self.1);
        Ok(StreamEvent::Frames { n_frames: self.0.frames(out.len()) })
    }
    fn remaining_frames(&self) -> Option<u64> {
        None
    }
}

/// What a [`Collect`] has got so far.
#[derive(Default)]
pub struct Heard {
    pub samples: Mutex<Vec<f32>>,
    pub gaps: Mutex<Vec<Gap>>,
    pub starts: Mutex<Vec<SinkStart>>,
    pub n_finished: AtomicU64,
    pub n_flushed: AtomicU64,
    /// While set, every write fails.
    pub refuse: AtomicBool,
    /// While set, every write panics.
    pub panic: AtomicBool,
    /// While set, a write does not return.
    pub stall: AtomicBool,
    /// While set, the end can't be written, and this many frames are lost by it.
    pub lost_tail_frames: AtomicU64,
}

impl Heard {
    pub fn samples(&self) -> Vec<f32> {
        self.samples.lock().unwrap().clone()
    }
    pub fn n_samples(&self) -> usize {
        self.samples.lock().unwrap().len()
    }
}

/// A sink that keeps everything, silence for gaps included.
#[derive(Clone, Default)]
pub struct Collect(pub Arc<Heard>);

impl Sink for Collect {
    fn start(&mut self, start: &SinkStart) -> Result<(), SinkError> {
        self.0.starts.lock().unwrap().push(start.clone());
        Ok(())
    }
    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        while self.0.stall.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        assert!(!self.0.panic.load(Ordering::Acquire), "told to panic");
        if self.0.refuse.load(Ordering::Acquire) {
            let cause = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(SinkError::File { path: "full.wav".into(), cause });
        }
        self.0.samples.lock().unwrap().extend_from_slice(block.samples);
        Ok(())
    }
    fn gap(&mut self, gap: &Gap) -> Result<(), SinkError> {
        self.0.gaps.lock().unwrap().push(*gap);
        Ok(())
    }
    fn flush(&mut self) -> Result<(), SinkError> {
        self.0.n_flushed.fetch_add(1, Ordering::Release);
        Ok(())
    }
    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        self.0.n_finished.fetch_add(1, Ordering::Release);
        let lost_frames = self.0.lost_tail_frames.load(Ordering::Acquire);
        if lost_frames > 0 {
            let cause = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(SinkError::Tail { path: "full.wav".into(), lost_frames, cause });
        }
        Ok(SinkReport::default())
    }
}

/// Looks again and again until `done`; fails after a minute, which on no machine is a matter of luck.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed().as_secs() < 60, "waited a minute for {what}");
        std::thread::yield_now();
    }
}

/// The largest difference between neighbouring frames of one channel.
pub fn largest_step(interleaved: &[f32], channels: usize, channel: usize) -> f32 {
    let one: Vec<f32> = interleaved.iter().skip(channel).step_by(channels).copied().collect();
    one.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max)
}
