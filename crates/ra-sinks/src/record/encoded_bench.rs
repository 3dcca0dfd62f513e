//! What the tests of encoded files share: a sound, a recording of it, and the judges. For tests only.

use std::{io, path::Path};

use ra_core::{FramePosition, Metadata, SinkStart, StreamSpec};
use ra_dsp::{BitDepth, Quantiser};

use super::{
    config::SampleFormat,
    container::{Container, ContainerConfig, FileFormat, Origin, create},
    storage::Storage,
};
pub(super) use crate::judges::{Judge, judges_of};

/// Where the recordings begin: not at 0, so that a mix-up of file and timeline shows.
pub(super) const ORIGIN: u64 = 1_000;

pub(super) struct Recording {
    pub(super) file: Box<dyn Container>,
    pub(super) spec: StreamSpec,
    pub(super) position: u64,
}

/// Sines at −9 dBFS with a little noise: compressible, and never the same twice.
pub(super) fn sound(frames: std::ops::Range<u64>, channels: u16) -> Vec<f32> {
    let sample = |n: u64, c: u16| {
        let noise = (n * 8 + u64::from(c)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let tone = (std::f64::consts::TAU * (440.0 + 10.0 * f64::from(c)) * n as f64 / 48_000.0).sin();
        (0.35 * tone + 0.001 * (noise as f64 / f64::from(1 << 24) - 0.5)) as f32
    };
    frames.flat_map(|n| (0..channels).map(move |c| sample(n, c))).collect()
}

pub(super) fn quantised(format: SampleFormat, position: u64, channels: u16, samples: &[f32]) -> Vec<f32> {
    let (bits, scale) = match format {
        SampleFormat::S16 => (BitDepth::S16, 32_768.0),
        _ => (BitDepth::S24, 8_388_608.0),
    };
    let mut out = vec![0; samples.len()];
    Quantiser { bits }.quantise(FramePosition(position), channels.into(), samples, &mut out);
    out.iter().map(|&s| s as f32 / scale).collect()
}

pub(super) fn try_create(
    storage: impl Storage + 'static,
    format: FileFormat,
    sample_format: SampleFormat,
    spec: StreamSpec,
) -> io::Result<Recording> {
    try_create_by(create, storage, format, sample_format, spec)
}

type Create = fn(Box<dyn Storage>, &ContainerConfig<'_>) -> io::Result<Box<dyn Container>>;

pub(super) fn try_create_by(
    create: Create,
    storage: impl Storage + 'static,
    format: FileFormat,
    sample_format: SampleFormat,
    spec: StreamSpec,
) -> io::Result<Recording> {
    let start = SinkStart {
        name: "t".into(),
        spec,
        block_frames: 128,
        position: FramePosition(ORIGIN),
        unix_ns: 1_795_256_130_000_000_000,
        unix_minus_monotonic_ns: None,
    };
    let config = ContainerConfig {
        format,
        sample_format,
        bitrate_kbps: 64 * u32::from(spec.channels.as_u16()),
        start: &start,
        origin: Origin::Written,
        tags: Metadata { title: Some("Prélude".into()), ..Metadata::default() },
    };
    Ok(Recording { file: create(Box::new(storage), &config)?, spec, position: ORIGIN })
}

impl Recording {
    pub(super) fn on(storage: impl Storage + 'static, format: FileFormat, hz: u32, channels: u16) -> Self {
        try_create(storage, format, SampleFormat::S24, StreamSpec::new(hz, channels).unwrap()).unwrap()
    }

    pub(super) fn write(&mut self, n_frames: u64) -> io::Result<u64> {
        let samples = sound(self.position..self.position + n_frames, self.spec.channels.as_u16());
        self.position += n_frames;
        self.file.append(FramePosition(self.position - n_frames), &samples)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.publish()
    }
}

pub(super) fn extension(format: FileFormat) -> &'static str {
    match format {
        FileFormat::Flac => "flac",
        FileFormat::Opus => "opus",
        _ => panic!("not tested here"),
    }
}

/// What every judge decodes from these bytes. They all agree on the length, and say nothing.
pub(super) fn decode(dir: &Path, format: FileFormat, bytes: &[u8]) -> Vec<(Judge, Vec<f32>)> {
    let path = dir.join("copy").with_extension(extension(format));
    std::fs::write(&path, bytes).unwrap();
    judges_of(extension(format)).into_iter().map(|judge| (judge, judge.decode(&path))).collect()
}
