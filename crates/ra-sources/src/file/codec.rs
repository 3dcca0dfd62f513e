//! Opens a coded file with symphonia: finds its format, its track and a decoder. Plays nothing.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use ra_core::{SourceError, StreamSpec};
use symphonia::core::{
    codecs::audio::{
        AudioDecoder, AudioDecoderOptions,
        well_known::{
            CODEC_ID_OPUS, CODEC_ID_PCM_F32BE, CODEC_ID_PCM_F32LE, CODEC_ID_PCM_F64BE, CODEC_ID_PCM_F64LE,
            CODEC_ID_VORBIS,
        },
    },
    errors::Error,
    formats::{FormatOptions, FormatReader, Track, TrackType, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
    units::TimeBase,
};

use super::{gapless::Extent, watched_file::WatchedFile};

const EXPECTED: &str = "expected WAV, FLAC, MP3, Ogg (Vorbis, FLAC), M4A or ADTS (AAC, ALAC), AIFF or CAF";

/// The most frames that a packet may claim to have at most. Decoders make room for as many before they have seen one; no
/// codec has packets as long as this.
const MAX_PACKET_FRAMES: u64 = 1 << 18;

/// A container and the decoder of its track.
pub(crate) struct Codec {
    pub(crate) format: Box<dyn FormatReader>,
    pub(crate) decoder: Box<dyn AudioDecoder>,
    pub(crate) track_id: u32,
}

impl Codec {
    pub(crate) fn open(path: &Path, file: &WatchedFile) -> Result<Self, SourceError> {
        let view = file.reopen().map_err(|cause| SourceError::File { path: path.to_owned(), cause })?;
        let stream = MediaSourceStream::new(Box::new(view), MediaSourceStreamOptions::default());
        let mut hint = Hint::new();
        if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
            hint.with_extension(extension);
        }
        let (format_options, metadata_options) = (FormatOptions::default(), MetadataOptions::default());
        let probe = symphonia::default::get_probe();
        let format = guarded(|| probe.probe(&hint, stream, format_options, metadata_options)).map_err(|error| {
            match error {
                // An early end is a fault of what is in the file; anything else is one of the system.
                Error::IoError(cause) if cause.kind() != io::ErrorKind::UnexpectedEof => {
                    SourceError::File { path: path.to_owned(), cause }
                }
                error => fault(path, format!("no sound file that is known ({error}), {EXPECTED}")),
            }
        })?;
        let (track_id, decoder) = make_decoder(path, format.as_ref())?;
        Ok(Self { format, decoder, track_id })
    }

    /// Takes up the tracks anew, as symphonia asks for where a chained stream goes on.
    pub(crate) fn reset(&mut self, path: &Path) -> Result<(), SourceError> {
        (self.track_id, self.decoder) = make_decoder(path, self.format.as_ref())?;
        Ok(())
    }

    /// What the header says, where it says all of it. What is decoded may differ.
    pub(crate) fn stated_spec(&self, path: &Path) -> Result<Option<StreamSpec>, SourceError> {
        let params = self.decoder.codec_params();
        let stated = params.sample_rate.zip(params.channels.as_ref().map(|channels| channels.count()));
        stated
            .map(|(rate_hz, channels)| StreamSpec::new(rate_hz, u16::try_from(channels).unwrap_or(u16::MAX)))
            .transpose()
            .map_err(|cause| SourceError::Spec { what: path.display().to_string(), cause })
    }

    /// Whether the file keeps its samples as floats, so that it may hold such as are no numbers.
    pub(crate) fn keeps_floats(&self) -> bool {
        let floats = [CODEC_ID_PCM_F32LE, CODEC_ID_PCM_F32BE, CODEC_ID_PCM_F64LE, CODEC_ID_PCM_F64BE];
        floats.contains(&self.decoder.codec_params().codec)
    }

    pub(crate) fn time_base(&self) -> Option<TimeBase> {
        self.track().and_then(|track| track.time_base)
    }

    /// What of the decoded frames is sound, and how much there is of it.
    pub(crate) fn extent(&self, rate_hz: u32, file: &WatchedFile) -> io::Result<Extent> {
        match self.track() {
            Some(track) => Extent::of_track(track, self.format.format_info().short_name, rate_hz, file),
            None => Ok(Extent::default()),
        }
    }

    fn track(&self) -> Option<&Track> {
        self.format.tracks().iter().find(|track| track.id == self.track_id)
    }
}

fn make_decoder(path: &Path, format: &dyn FormatReader) -> Result<(u32, Box<dyn AudioDecoder>), SourceError> {
    let track = format.default_track(TrackType::Audio);
    let params = track.and_then(|track| Some((track.id, track.codec_params.as_ref()?.audio()?)));
    let Some((track_id, params)) = params else {
        return Err(fault(path, format!("no audio track of a known codec in it, {EXPECTED}")));
    };
    if params.codec == CODEC_ID_OPUS {
        let message = "Opus, which this build can't decode; convert it, for one by `ffmpeg -i FILE FILE.flac`";
        return Err(fault(path, message.to_owned()));
    }
    if let Some(claimed) = params.max_frames_per_packet.filter(|&claimed| claimed > MAX_PACKET_FRAMES) {
        let message = format!("packets of {claimed} frames in it, expected at most {MAX_PACKET_FRAMES}");
        return Err(fault(path, message));
    }
    // Vorbis knows best what to cut; for all others `gapless` knows.
    let options = AudioDecoderOptions::default().gapless(params.codec == CODEC_ID_VORBIS);
    let decoder = guarded(|| symphonia::default::get_codecs().make_audio_decoder(params, &options))
        .map_err(|error| fault(path, format!("no decoder for its sound ({error}), {EXPECTED}")))?;
    Ok((track_id, decoder))
}

fn fault(path: &Path, message: String) -> SourceError {
    SourceError::Format { path: path.to_owned(), message }
}

/// Runs a piece of symphonia; a panic in it, which hostile bytes might find, becomes an error like any other.
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // What it held is not used again: every caller gives up the file on an error that is not a `DecodeError`.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(Error::Unsupported("the decoder panicked")))
}
