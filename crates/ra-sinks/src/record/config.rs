//! What a recorder can be told, and the check of it. Opens no file.

use std::{path::PathBuf, str::FromStr, time::Duration};

use ra_core::{Metadata, SinkError};

use super::{
    container::FileFormat,
    policy::{RecordFrom, Retention, SilenceRule, SplitRule},
};

/// The longest pre-roll.
const MOST_PRE_ROLL: Duration = Duration::from_secs(600);

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
#[derive(Clone, Debug, PartialEq)]
pub struct RecorderConfig {
    /// Where to record. `{name}` is the sink's name, `{time}` the UTC time of the first frame (`20261121T101530Z`),
    /// `{date}` its day (`20261121`), `{index}` counts from `0001`; `{{` and `}}` are braces. The extension names the
    /// container: `.wav`, `.flac`, `.opus`, `.ogg` (Opus too), `.mp3`.
    ///
    /// An existing file is never overwritten. `{index}` takes the lowest number that is free; a template with `{time}` or
    /// `{date}` alone gets `-2`, `-3` … before the extension; a fixed name that is taken is an error.
    pub path_template: PathBuf,
    /// How a sample is kept in WAV and FLAC. Default: [`SampleFormat::F32`]; for FLAC [`SampleFormat::S24`].
    pub format: SampleFormat,
    /// Which codec goes into `.ogg`. Default: [`OggCodec::Opus`].
    pub ogg_codec: OggCodec,
    /// What Opus, Vorbis and MP3 aim at, in kbit/s for all channels together. Default: 128.
    pub bitrate_kbps: u32,
    /// What the sound is called: in the tags of FLAC, Opus, Vorbis, and in the sidecar. Default: nothing.
    pub metadata: Metadata,
    /// Whether the file says when it began, in UTC and on the mix timeline. Default: it does.
    pub origin: OriginNote,
    /// After how many milliseconds of audio, at the latest, what is buffered goes to the file and its header says so:
    /// what a killed process can lose. At least 1. Default: 100.
    pub header_interval_ms: u32,
    /// When the file is synced to the disk. Default: every 1000 ms of audio.
    pub sync: SyncRhythm,
    /// Whether `FILE.json` is written. Default: it is.
    pub sidecar: Sidecar,
    /// The channels of the bus that are recorded, counted from 1 and in this order. Default, empty: all.
    pub channels: Vec<u16>,
    /// When a new file begins. Default: never.
    pub split: SplitRule,
    /// Whether it records at once. Default: it does.
    pub record_from: RecordFrom,
    /// How much of what came before a [`ra_core::SinkCommand::Resume`] is kept in memory and recorded by it: 4 bytes for
    /// each sample, and no more. At most 10 minutes. Default: none.
    pub pre_roll: Duration,
    /// What counts as silence in the sidecar. Default: nothing does.
    pub silence: Option<SilenceRule>,
    /// Which of its older files it deletes. Default: none.
    pub retention: Retention,
    /// The directory to go on in when the first one can't be written; back to the first with the next split. Default: none.
    pub failover: Option<PathBuf>,
}

/// The codec of a `.ogg` file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OggCodec {
    /// Opus (feature `opus`).
    #[default]
    Opus,
    /// Vorbis (feature `vorbis`).
    Vorbis,
}

/// Whether a file says when and where on the mix timeline it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OriginNote {
    /// In a `bext` chunk or in tags.
    #[default]
    Written,
    /// It does not: the same sound gives the same bytes at any time of day.
    None,
}

impl RecorderConfig {
    /// The defaults for live recording: what a crash can take is 100 ms, what a power cut can take is about a second.
    pub fn new(path_template: impl Into<PathBuf>) -> Self {
        let path_template = path_template.into();
        let extension = path_template.extension().and_then(|e| e.to_str());
        let file_format = extension.and_then(FileFormat::from_extension);
        Self {
            path_template,
            format: file_format.map_or(SampleFormat::F32, FileFormat::default_sample_format),
            ogg_codec: OggCodec::default(),
            bitrate_kbps: 128,
            metadata: Metadata::default(),
            origin: OriginNote::default(),
            header_interval_ms: 100,
            sync: SyncRhythm::EveryMs(1000),
            sidecar: Sidecar::Written,
            channels: Vec::new(),
            split: SplitRule::default(),
            record_from: RecordFrom::default(),
            pre_roll: Duration::ZERO,
            silence: None,
            retention: Retention::default(),
            failover: None,
        }
    }

    /// For work that runs faster than real time and can be done again: large writes, no syncs, no sidecar, no word of
    /// the time of day.
    pub fn offline(path_template: impl Into<PathBuf>) -> Self {
        Self {
            header_interval_ms: 60_000,
            sync: SyncRhythm::Never,
            sidecar: Sidecar::None,
            origin: OriginNote::None,
            ..Self::new(path_template)
        }
    }

    /// Checks every bound that needs neither the sink's name nor its stream; the path is checked by its own parser.
    pub(crate) fn check(&self) -> Result<(), SinkError> {
        self.check_rhythms()?;
        self.split.check()?;
        self.retention.check()?;
        self.silence.map_or(Ok(()), |rule| rule.check())?;
        let setting = |what: &str, message: String| SinkError::Setting { what: what.into(), message };
        if self.pre_roll > MOST_PRE_ROLL {
            let message = format!("{} s, expected at most {}", self.pre_roll.as_secs_f64(), MOST_PRE_ROLL.as_secs());
            return Err(setting("pre_roll", message));
        }
        if !(8..=2000).contains(&self.bitrate_kbps) {
            return Err(setting("bitrate_kbps", format!("{} kbit/s, expected 8 to 2000", self.bitrate_kbps)));
        }
        let mut seen = [false; 257];
        for &channel in &self.channels {
            if !(1..=256).contains(&channel) || std::mem::replace(&mut seen[usize::from(channel)], true) {
                let message = format!("channel {channel}, expected each from 1 to 256 once at most");
                return Err(setting("channels", message));
            }
        }
        Ok(())
    }

    fn check_rhythms(&self) -> Result<(), SinkError> {
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
