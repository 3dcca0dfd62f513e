//! A known sound at every place of the timeline, and a driver that feeds it to a recorder as the engine would.

use std::path::{Path, PathBuf};

use ra_core::{Block, BlockStamp, FramePosition, Gap, GapReason, Sink, SinkError, SinkReport, SinkStart, StreamSpec};
use ra_dsp::{BitDepth, Quantiser};
use ra_sinks::{Recorder, RecorderConfig, SampleFormat};

pub(crate) const FORMATS: [SampleFormat; 3] = [SampleFormat::F32, SampleFormat::S24, SampleFormat::S16];
/// 2026-11-21T10:15:30Z.
pub(crate) const UNIX_NS: i128 = 1_795_256_130_000_000_000;

/// The sample at a place: never zero, unlike its neighbours, below full scale, and a multiple of 2^-23, so that every
/// program gives it back bit for bit.
pub(crate) fn truth(frame: u64, channel: u64) -> f32 {
    let n = (frame * 8 + channel).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    (((n % 15_000_000) as i32 - 7_500_000) | 1) as f32 / 8_388_608.0
}

pub(crate) fn truths(frames: std::ops::Range<u64>, channels: u16) -> Vec<f32> {
    frames.flat_map(|f| (0..u64::from(channels)).map(move |c| truth(f, c))).collect()
}

/// What a file of `format` holds for samples at `position`.
pub(crate) fn as_recorded(format: SampleFormat, position: u64, channels: u16, samples: &[f32]) -> Vec<f32> {
    let (bits, scale) = match format {
        SampleFormat::S24 => (BitDepth::S24, 8_388_608.0),
        SampleFormat::S16 => (BitDepth::S16, 32_768.0),
        _ => return samples.to_vec(),
    };
    let mut out = vec![0; samples.len()];
    Quantiser { bits }.quantise(FramePosition(position), channels.into(), samples, &mut out);
    let recorded: Vec<f32> = out.iter().map(|&s| s as f32 / scale).collect();
    // TPDF dither spans ±1 LSB, rounding adds half of one: the sound is there, whatever the dither.
    assert!(recorded.iter().zip(samples).all(|(a, b)| (a - b).abs() <= 1.5 / scale));
    recorded
}

/// What the sidecar of a recording says.
pub(crate) fn sidecar_of(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(format!("{}.json", path.display())).unwrap()).unwrap()
}

/// What is in a recording in 32-bit float.
pub(crate) fn floats(path: &Path) -> Vec<f32> {
    hound::WavReader::open(path).unwrap().into_samples::<f32>().map(|s| s.unwrap()).collect()
}

/// A recorder and the place that it is at.
pub(crate) struct Driver {
    pub(crate) recorder: Recorder,
    pub(crate) spec: StreamSpec,
    pub(crate) position: u64,
}

pub(crate) fn start_of(name: &str, channels: u16) -> SinkStart {
    SinkStart {
        name: name.into(),
        spec: StreamSpec::new(48_000, channels).unwrap(),
        block_frames: 128,
        position: FramePosition(0),
        unix_ns: UNIX_NS,
        unix_minus_monotonic_ns: None,
    }
}

impl Driver {
    pub(crate) fn start(config: RecorderConfig, channels: u16) -> Self {
        let start = start_of("take", channels);
        let mut recorder = Recorder::new(config).unwrap();
        recorder.start(&start).unwrap();
        Self { recorder, spec: start.spec, position: 0 }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.recorder.path().unwrap().to_owned()
    }

    pub(crate) fn write(&mut self, n_frames: u64) -> Result<(), SinkError> {
        let samples = truths(self.position..self.position + n_frames, self.spec.channels.as_u16());
        self.write_samples(&samples)
    }

    pub(crate) fn write_samples(&mut self, samples: &[f32]) -> Result<(), SinkError> {
        let stamp = BlockStamp { seq: 0, position: FramePosition(self.position), capture_ns: 0 };
        self.position += self.spec.frames(samples.len()) as u64;
        self.recorder.write(&Block { stamp, spec: self.spec, samples })
    }

    pub(crate) fn gap(&mut self, n_frames: u64, reason: GapReason) {
        self.try_gap(n_frames, reason).unwrap();
    }

    pub(crate) fn try_gap(&mut self, n_frames: u64, reason: GapReason) -> Result<(), SinkError> {
        let at_frame = FramePosition(self.position);
        self.position += n_frames;
        self.recorder.gap(&Gap { at_frame, n_frames, reason })
    }

    pub(crate) fn finish(mut self) -> SinkReport {
        self.recorder.finish().unwrap()
    }
}

/// A copy of a file that is being written, cut off at `len` bytes where that is given.
pub(crate) fn snapshot(path: &Path, to: &Path, len: Option<u64>) {
    std::fs::copy(path, to).unwrap();
    if let Some(len) = len {
        std::fs::File::options().write(true).open(to).unwrap().set_len(len).unwrap();
    }
}
