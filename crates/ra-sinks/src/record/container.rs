//! The trait behind which file formats stand, and the choice among them. Knows nothing of gaps, names or rhythms.

use std::io;

use ra_core::{FramePosition, Metadata, SinkStart, StreamSpec};

use super::{config::SampleFormat, encoded_file, storage::Storage, wav_writer::WavWriter};
use crate::encode::Codec;

/// How far a container has come, in frames since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameCounts {
    /// Frames that the container has taken; they are in the file or in its own buffer.
    pub(crate) taken_frames: u64,
    /// Frames that the file holds and that its header describes.
    pub(crate) published_frames: u64,
}

/// A file format being written: frames at the end, never a change to those before.
///
/// All methods are called on the sink's own thread. After any error the file is still valid, frames that were taken are
/// still kept, and every method may be called again.
pub(crate) trait Container: Send {
    /// Takes interleaved frames: all of them, or none where it fails. Returns how many samples were clipped.
    ///
    /// `position` is the first frame's place on the mix timeline; dither depends on it.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] where silence that was taken before is still being worked off: no fault of the disk.
    fn append(&mut self, position: FramePosition, interleaved: &[f32]) -> io::Result<u64>;

    /// Takes `n_frames` frames of silence: all of them, or none where it fails. Neither memory nor the time that it takes
    /// grows with `n_frames`: each further call works off a part of it.
    fn append_silence(&mut self, n_frames: u64) -> io::Result<()>;

    /// Brings what was taken into the file and makes the file say so: whoever opens it sees it, whatever becomes of this
    /// process. Where a format packs frames into larger units, those that fill none yet stay with the container: 60 ms of
    /// them at most, and what its codec looks ahead. Of long silence a part may be left, for the next call.
    fn publish(&mut self) -> io::Result<()>;

    /// Waits until what was published is on the disk, where no power cut takes it. After an error nobody knows what of it
    /// is, however well a later call does: the system may have dropped what it could not write.
    fn sync(&mut self) -> io::Result<()>;

    /// Says better when the first frame was captured than was known at the beginning; the header has it from the next
    /// publish on. Formats that say nothing of it, or can't change it, ignore it.
    fn set_origin(&mut self, _start: &SinkStart) {}

    /// Writes what a complete file has at its end, all silence included, and publishes it. Nothing is appended afterwards.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] where so much silence is left that a slow codec would take minutes for it.
    fn close(&mut self) -> io::Result<()>;

    /// How far it has come.
    fn counts(&self) -> FrameCounts;
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FileFormat {
    /// WAV; above 4 GiB RF64.
    Wav,
    /// FLAC.
    Flac,
    /// Opus in Ogg.
    Opus,
    /// Vorbis in Ogg.
    Vorbis,
    /// MP3.
    Mp3,
}

impl FileFormat {
    /// What an extension without its dot stands for, in any case of letters. `.ogg` is Opus.
    pub(crate) fn from_extension(extension: &str) -> Option<Self> {
        let names =
            [("wav", Self::Wav), ("flac", Self::Flac), ("opus", Self::Opus), ("ogg", Self::Opus), ("mp3", Self::Mp3)];
        names.into_iter().find_map(|(name, format)| name.eq_ignore_ascii_case(extension).then_some(format))
    }

    /// How samples are kept where nobody says how; what a lossy format says means nothing to it.
    pub(crate) const fn default_sample_format(self) -> SampleFormat {
        match self {
            Self::Flac => SampleFormat::S24,
            _ => SampleFormat::F32,
        }
    }

    /// The codec that it needs.
    pub(crate) const fn codec(self) -> Option<Codec> {
        match self {
            Self::Wav => None,
            Self::Flac => Some(Codec::Flac),
            Self::Opus => Some(Codec::Opus),
            Self::Vorbis => Some(Codec::Vorbis),
            Self::Mp3 => Some(Codec::Mp3),
        }
    }
}

/// Whether the header tells when and where on the timeline the file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It does. WAV: a `bext` chunk; the others: a tag `DATE` and a comment.
    Written,
    /// It does not: the same sound gives the same bytes at any time of day.
    None,
}

/// What a container is told.
#[derive(Clone, Debug)]
pub(crate) struct ContainerConfig<'a> {
    /// What the file holds.
    pub(crate) format: FileFormat,
    /// How a sample is kept, for WAV and FLAC.
    pub(crate) sample_format: SampleFormat,
    /// Opus, Vorbis, MP3: the target in kbit/s for all channels together.
    pub(crate) bitrate_kbps: u32,
    /// What the sink was told; of a later file of the same sink with the position and the time of its own first frame.
    pub(crate) start: &'a SinkStart,
    /// Whether the header tells the beginning.
    pub(crate) origin: Origin,
    /// What the sound is called, for formats with tags: FLAC, Opus, Vorbis.
    pub(crate) tags: Metadata,
}

/// Writes the headers of an empty file into `storage`, which is empty.
///
/// # Errors
/// The storage's own; [`io::ErrorKind::Unsupported`] for a format that this build lacks or that can't carry the stream,
/// before anything is written.
pub(crate) fn create(storage: Box<dyn Storage>, config: &ContainerConfig<'_>) -> io::Result<Box<dyn Container>> {
    match config.format {
        FileFormat::Wav => Ok(Box::new(WavWriter::begin(storage, config)?)),
        _ => encoded_file::create(storage, config),
    }
}

/// Whether files of `format` can carry blocks of `spec`.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`], as [`create`] would say.
pub(crate) fn check(
    format: FileFormat,
    sample_format: SampleFormat,
    bitrate_kbps: u32,
    spec: StreamSpec,
) -> io::Result<()> {
    match format {
        FileFormat::Wav => Ok(()),
        _ => encoded_file::check(format, sample_format, bitrate_kbps, spec),
    }
}
