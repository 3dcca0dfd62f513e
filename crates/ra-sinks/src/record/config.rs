//! What a recorder can be told, and the check of it. Opens no file.

use std::{path::PathBuf, str::FromStr};

use ra_core::SinkError;

/// How one sample is kept in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SampleFormat {
    /// 32-bit float: bit for bit what was given, also above full scale.
    #[default]
    F32,
    /// 24-bit integer with TPDF dither that is a function of the timeline's position.
    S24,
    /// 16-bit integer with TPDF dither that is a function of the timeline's position.
    S16,
}

impl SampleFormat {
    /// Bytes of one sample in the file.
    pub const fn bytes(self) -> usize {
        match self {
            SampleFormat::F32 => 4,
            SampleFormat::S24 => 3,
            SampleFormat::S16 => 2,
        }
    }

    /// The name that the config file and the command line use.
    pub const fn name(self) -> &'static str {
        match self {
            SampleFormat::F32 => "f32",
            SampleFormat::S24 => "s24",
            SampleFormat::S16 => "s16",
        }
    }
}

impl std::fmt::Display for SampleFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SampleFormat {
    type Err = SinkError;

    fn from_str(s: &str) -> Result<Self, SinkError> {
        match s {
            "f32" => Ok(SampleFormat::F32),
            "s24" => Ok(SampleFormat::S24),
            "s16" => Ok(SampleFormat::S16),
            _ => Err(SinkError::Setting {
                what: "format".into(),
                message: format!("\"{s}\", expected \"f32\", \"s24\" or \"s16\""),
            }),
        }
    }
}

/// How often the system is asked to bring what was written onto the disk itself, so that a power cut can't take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncRhythm {
    /// Whenever this many milliseconds of audio were written since the last time, and at the end.
    EveryMs(u32),
    /// Never: the system writes when it likes. A killed process loses nothing by it, a power cut may.
    Never,
}

/// Whether `FILE.json` (stamps, gaps, levels) is written beside the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sidecar {
    /// It is.
    Written,
    /// It is not; levels are not measured either.
    None,
}

/// What a [`Recorder`](crate::Recorder) is told.
///
/// # Examples
/// ```
/// use ra_sinks::{RecorderConfig, SampleFormat};
/// let config = RecorderConfig { format: SampleFormat::S24, ..RecorderConfig::new("out/{name}-{time}.wav") };
/// assert_eq!(config.header_interval_ms, 100);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderConfig {
    /// Where to record. `{name}` is the sink's name, `{time}` the UTC time of the first frame (`20261121T101530Z`),
    /// `{index}` counts from `0001`; `{{` and `}}` are braces. The extension names the container: `.wav`.
    ///
    /// An existing file is never overwritten. `{index}` takes the lowest number that is free; a template with `{time}`
    /// alone gets `-2`, `-3` … before the extension; a fixed name that is taken is an error.
    pub path_template: PathBuf,
    /// How a sample is kept. Default: [`SampleFormat::F32`].
    pub format: SampleFormat,
    /// After how many milliseconds of audio, at the latest, what is buffered goes to the file and its header says so:
    /// what a killed process can lose. At least 1. Default: 100.
    pub header_interval_ms: u32,
    /// When the file is synced to the disk. Default: every 1000 ms of audio.
    pub sync: SyncRhythm,
    /// Whether `FILE.json` is written. Default: it is.
    pub sidecar: Sidecar,
}

impl RecorderConfig {
    /// The defaults for live recording: what a crash can take is 100 ms, what a power cut can take is about a second.
    pub fn new(path_template: impl Into<PathBuf>) -> Self {
        Self {
            path_template: path_template.into(),
            format: SampleFormat::default(),
            header_interval_ms: 100,
            sync: SyncRhythm::EveryMs(1000),
            sidecar: Sidecar::Written,
        }
    }

    /// For work that runs faster than real time and can be done again: large writes, no syncs, no sidecar.
    pub fn offline(path_template: impl Into<PathBuf>) -> Self {
        Self { header_interval_ms: 60_000, sync: SyncRhythm::Never, sidecar: Sidecar::None, ..Self::new(path_template) }
    }

    /// Checks the rhythms; the path is checked by its own parser.
    pub(crate) fn check_rhythms(&self) -> Result<(), SinkError> {
        for (what, ms) in [
            ("header_interval_ms", self.header_interval_ms),
            ("sync", if let SyncRhythm::EveryMs(ms) = self.sync { ms } else { 1 }),
        ] {
            if ms == 0 {
                return Err(SinkError::Setting { what: what.into(), message: "0 ms, expected at least 1".into() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_by_the_names_they_print() {
        for format in [SampleFormat::F32, SampleFormat::S24, SampleFormat::S16] {
            assert_eq!(format.to_string().parse::<SampleFormat>().unwrap(), format);
        }
        let error = "mp3".parse::<SampleFormat>().unwrap_err();
        assert_eq!(error.to_string(), "format: \"mp3\", expected \"f32\", \"s24\" or \"s16\"");
    }

    #[test]
    fn rhythms_of_zero_are_refused() {
        let good = RecorderConfig::new("a.wav");
        assert!(good.check_rhythms().is_ok());
        assert!(RecorderConfig { header_interval_ms: 0, ..good.clone() }.check_rhythms().is_err());
        assert!(RecorderConfig { sync: SyncRhythm::EveryMs(0), ..good }.check_rhythms().is_err());
    }
}
