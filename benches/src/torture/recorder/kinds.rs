//! The formats that are tortured, one row each. Opens no file.

use std::path::Path;

use ra_engine::sinks::{Recorder, RecorderConfig, SampleFormat};

/// What a recording is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// For people and reports.
    pub name: &'static str,
    /// Of the file, which chooses the container.
    pub extension: &'static str,
    /// How a sample is kept; says nothing to a lossy codec.
    pub format: SampleFormat,
    /// Whether the sound comes out as it went in, but for the format's own steps.
    pub is_lossless: bool,
}

const fn kind(name: &'static str, extension: &'static str, format: SampleFormat, is_lossless: bool) -> Kind {
    Kind { name, extension, format, is_lossless }
}

/// Every format.
pub const KINDS: [Kind; 6] = [
    kind("wav f32", "wav", SampleFormat::F32, true),
    kind("wav s24", "wav", SampleFormat::S24, true),
    kind("wav s16", "wav", SampleFormat::S16, true),
    kind("flac s24", "flac", SampleFormat::S24, true),
    kind("flac s16", "flac", SampleFormat::S16, true),
    kind("opus", "opus", SampleFormat::F32, false),
];

impl Kind {
    /// A live recording into `dir`, as the daemon makes it.
    pub(super) fn config(&self, dir: &Path, name: &str) -> RecorderConfig {
        let path = dir.join(format!("{name}.{}", self.extension));
        RecorderConfig { format: self.format, ..RecorderConfig::new(path) }
    }

    /// Why this build can't write it, if it can't.
    pub(super) fn missing(&self) -> Option<String> {
        Recorder::new(self.config(Path::new("."), "{name}")).err().map(|error| error.to_string())
    }

    pub(super) fn is_wav(&self) -> bool {
        self.extension == "wav"
    }

    /// The one of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.name == name)
    }

    /// The largest error of a sample, linear: half a step of rounding and one of dither.
    pub(super) fn tolerance_lin(&self) -> f32 {
        match self.format {
            SampleFormat::S16 => 1.5 / 32_768.0,
            SampleFormat::S24 => 1.5 / 8_388_608.0,
            _ => 0.0,
        }
    }
}
