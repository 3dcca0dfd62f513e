//! FLAC, Opus, Vorbis and MP3 files being written: whole pages, one behind the other, and for FLAC the length in front.
//!
//! Frames wait at three places: in the encoder until they fill a page, in the queue until the page is in the file, and as
//! a number where they are silence that was not encoded yet. All three are bounded, and none is lost by a failed write.
#![cfg_attr(
    not(all(feature = "record", feature = "icecast", feature = "flac", feature = "opus")),
    allow(
        dead_code,
        unused_imports,
        reason = "what builds without files, without streams or without a codec leave over"
    )
)]

use std::io;

use ra_core::{FramePosition, Metadata, StreamSpec};

use super::{
    config::SampleFormat,
    container::{Container, ContainerConfig, FileFormat, FrameCounts, Origin},
    page_queue::{Beginning, PageQueue},
    storage::Storage,
};
#[cfg(feature = "opus")]
use crate::encode::OpusEncoder;
use crate::encode::{self, EncodeError, Encoder, EncoderConfig, Page};
#[cfg(feature = "flac")]
use crate::encode::{FlacEncoder, FlacStreamInfo};

/// Where nothing makes silence cheap it is encoded in pieces of this many frames.
const SILENCE_FRAMES: u64 = 4800;
/// What one call works off of silence that is cheap, in seconds: a fraction of a second of work.
const CHEAP_SILENCE_S: u64 = 3600;
/// And of silence that costs as much as sound does.
const DEAR_SILENCE_S: u64 = 5;
/// What the end of a file works off of the latter.
const DEAR_SILENCE_AT_END_S: u64 = 300;
/// How much is encoded between two looks at what waits for the file, in seconds.
const SILENCE_PIECE_S: u64 = 60;

/// An encoder and what the beginning of its file says.
trait FileEncoder: Send {
    fn encoder(&mut self) -> &mut dyn Encoder;

    /// Begins the file: its headers, and what stands behind them before the first page.
    fn begin(&mut self, tags: &Metadata) -> Result<(Vec<u8>, Beginning), EncodeError>;

    /// Whether silence costs next to nothing, however long it is.
    const HAS_CHEAP_SILENCE: bool;

    /// Encodes silence.
    fn encode_silence(&mut self, n_frames: u64, pages: &mut Vec<Page>) -> Result<(), EncodeError>;

    /// The file's first bytes where they say how much is in it.
    fn head(&self, _told: Told) -> Option<Vec<u8>> {
        None
    }
}

/// What the beginning of a file is to say.
#[derive(Clone, Copy, Debug)]
struct Told {
    n_frames: u64,
    /// Everything that was encoded is in the file, and nothing follows.
    is_complete: bool,
    /// What is left of a reserve behind the headers, in bytes.
    reserve_bytes: usize,
}

/// FLAC, and its tags, which are written a second time when the first frame is there.
#[cfg(feature = "flac")]
struct FlacFile {
    encoder: FlacEncoder,
    tags: Metadata,
}

/// Ogg and MP3: the last page tells.
struct Untold(Box<dyn Encoder>);

/// A [`Container`] of encoded pages.
struct EncodedFile<E> {
    encoder: E,
    queue: PageQueue,
    spec: StreamSpec,
    pages: Vec<Page>,
    /// Frames that the encoder has taken.
    encoded_frames: u64,
    /// Silence that was taken and not encoded.
    silent_frames: u64,
    /// Frames that the beginning of the file speaks of.
    told_frames: u64,
    is_head_in_doubt: bool,
    is_finished: bool,
}

/// Writes the headers of an empty file of `config.format` into `storage`.
pub(super) fn create(storage: Box<dyn Storage>, config: &ContainerConfig<'_>) -> io::Result<Box<dyn Container>> {
    let spec = config.start.spec;
    let tags = tags(config);
    let Some(codec) = config.format.codec() else {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "this format has no codec"));
    };
    #[cfg(feature = "flac")]
    if config.format == FileFormat::Flac {
        let bits = flac_bits(config.sample_format)?;
        let encoder = FlacFile { encoder: FlacEncoder::new(spec, bits)?, tags: tags.clone() };
        return Ok(Box::new(EncodedFile::begin(encoder, storage, spec, &tags)?));
    }
    #[cfg(feature = "opus")]
    if config.format == FileFormat::Opus {
        let encoder = OpusEncoder::new(spec, config.bitrate_kbps)?;
        return Ok(Box::new(EncodedFile::begin(encoder, storage, spec, &tags)?));
    }
    let encoder =
        encode::make_encoder(&EncoderConfig { bitrate_kbps: config.bitrate_kbps, ..EncoderConfig::new(codec) }, spec)?;
    Ok(Box::new(EncodedFile::begin(Untold(encoder), storage, spec, &tags)?))
}

/// An Opus file as if silence cost it what it costs Vorbis and MP3.
#[cfg(all(test, feature = "opus"))]
pub(super) fn create_with_dear_silence(
    storage: Box<dyn Storage>,
    config: &ContainerConfig<'_>,
) -> io::Result<Box<dyn Container>> {
    let (spec, config) = (config.start.spec, EncoderConfig::new(encode::Codec::Opus));
    let encoder = Untold(encode::make_encoder(&config, spec)?);
    Ok(Box::new(EncodedFile::begin(encoder, storage, spec, &Metadata::default())?))
}

/// Whether an encoder of `format` can carry blocks of `spec`.
pub(super) fn check(
    format: FileFormat,
    sample_format: SampleFormat,
    bitrate_kbps: u32,
    spec: StreamSpec,
) -> io::Result<()> {
    let Some(codec) = format.codec() else { return Ok(()) };
    let mut config = EncoderConfig { bitrate_kbps, ..EncoderConfig::new(codec) };
    if format == FileFormat::Flac {
        config.bits = flac_bits(sample_format)?;
    }
    encode::make_encoder(&config, spec)?;
    Ok(())
}

fn flac_bits(sample_format: SampleFormat) -> io::Result<ra_dsp::BitDepth> {
    match sample_format {
        SampleFormat::S16 => Ok(ra_dsp::BitDepth::S16),
        SampleFormat::S24 => Ok(ra_dsp::BitDepth::S24),
        SampleFormat::F32 => {
            Err(io::Error::new(io::ErrorKind::Unsupported, "FLAC keeps no f32, expected \"s24\" or \"s16\""))
        }
    }
}

/// The tags of the file: those that are given, and where the recording begins.
fn tags(config: &ContainerConfig<'_>) -> Metadata {
    let mut tags = config.tags.clone();
    if config.origin == Origin::Written {
        let origin = super::origin::describe(config.start);
        tags.comment = Some(match tags.comment.take() {
            Some(comment) => format!("{comment}\n{origin}"),
            None => origin,
        });
    }
    tags
}

impl<E: FileEncoder> EncodedFile<E> {
    fn begin(mut encoder: E, storage: Box<dyn Storage>, spec: StreamSpec, tags: &Metadata) -> io::Result<Self> {
        let (headers, beginning) = encoder.begin(tags)?;
        let queue = PageQueue::create(storage, &headers, beginning)?;
        Ok(Self {
            encoder,
            queue,
            spec,
            pages: Vec::new(),
            encoded_frames: 0,
            silent_frames: 0,
            told_frames: 0,
            is_head_in_doubt: false,
            is_finished: false,
        })
    }

    /// Encodes of the silence that is owed as much as one call may, and makes room for more, or fails.
    fn make_room(&mut self) -> io::Result<()> {
        self.work_off(if E::HAS_CHEAP_SILENCE { CHEAP_SILENCE_S } else { DEAR_SILENCE_S })
    }

    /// Encodes at most so much of the silence that is owed, and makes room for more, or fails.
    fn work_off(&mut self, most_seconds: u64) -> io::Result<()> {
        let frames_per_second = u64::from(self.spec.sample_rate.hz());
        let mut left = most_seconds.saturating_mul(frames_per_second).min(self.silent_frames);
        loop {
            if self.queue.is_full() {
                let drained = self.drain();
                if self.queue.is_full() {
                    return drained; // an error, for all of it was to be written
                }
            }
            if left == 0 {
                return Ok(());
            }
            let n_frames = left.min(SILENCE_PIECE_S * frames_per_second);
            let encoded = self.encoder.encode_silence(n_frames, &mut self.pages);
            self.queue.push(&mut self.pages);
            encoded?;
            left -= n_frames;
            self.silent_frames -= n_frames;
            self.encoded_frames += n_frames;
        }
    }

    fn drain(&mut self) -> io::Result<()> {
        // Before the others come the beginning has to speak of the first: as long as FLAC's says that nothing is known of
        // the length, a torn frame at the end is an error to libFLAC.
        if self.told_frames == 0 {
            self.queue.drain_first()?;
            self.tell()?;
        }
        self.queue.drain()
    }

    /// Makes the beginning of the file speak of what is in it.
    fn tell(&mut self) -> io::Result<()> {
        let n_frames = self.queue.written_frames();
        let is_complete = self.is_finished && n_frames == self.encoded_frames && self.silent_frames == 0;
        if n_frames == self.told_frames && !self.is_head_in_doubt && !is_complete {
            return Ok(());
        }
        let reserve_bytes = self.queue.reserve_left_bytes();
        if let Some(head) = self.encoder.head(Told { n_frames, is_complete, reserve_bytes }) {
            self.is_head_in_doubt = true;
            // One write below a page's size: a kill can't tear it.
            self.queue.rewrite_head(&head)?;
        }
        self.told_frames = n_frames;
        self.is_head_in_doubt = false;
        Ok(())
    }
}

impl<E: FileEncoder> Container for EncodedFile<E> {
    fn append(&mut self, position: FramePosition, interleaved: &[f32]) -> io::Result<u64> {
        self.make_room()?;
        if self.silent_frames > 0 {
            let message = format!("{} frames of silence are still being written", self.silent_frames);
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        let encoded = self.encoder.encoder().encode(position, interleaved, &mut self.pages);
        self.queue.push(&mut self.pages);
        let clipped = encoded?;
        self.encoded_frames += self.spec.frames(interleaved.len()) as u64;
        Ok(clipped)
    }

    fn append_silence(&mut self, n_frames: u64) -> io::Result<()> {
        let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, format!("a gap of {n_frames} frames"));
        let taken = self.counts().taken_frames;
        // Ogg's granule positions have 63 bits, at 48 kHz.
        taken.checked_add(n_frames).filter(|&n| n < 1 << 56).ok_or_else(too_long)?;
        self.silent_frames += n_frames;
        Ok(())
    }

    fn publish(&mut self) -> io::Result<()> {
        // What got through before an error is told all the same.
        let drained = self.make_room().and_then(|()| self.drain());
        let told = self.tell();
        drained.and(told)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.queue.sync()
    }

    fn close(&mut self) -> io::Result<()> {
        if !self.is_finished {
            let ready = self.work_off(if E::HAS_CHEAP_SILENCE { u64::MAX } else { DEAR_SILENCE_AT_END_S });
            let ready = ready.and_then(|()| match self.silent_frames {
                0 => Ok(()),
                n => {
                    let message = format!("{n} frames of silence are left, which take too long to encode");
                    self.drain().and(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
                }
            });
            if let Err(error) = ready {
                self.tell()?;
                return Err(error);
            }
            let finished = self.encoder.encoder().finish(&mut self.pages);
            self.queue.push(&mut self.pages);
            finished?;
            self.is_finished = true;
        }
        self.publish()
    }

    fn counts(&self) -> FrameCounts {
        FrameCounts { taken_frames: self.encoded_frames + self.silent_frames, published_frames: self.told_frames }
    }
}

impl FileEncoder for Untold {
    const HAS_CHEAP_SILENCE: bool = false;

    fn encode_silence(&mut self, n_frames: u64, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let mut left = n_frames;
        while left > 0 {
            let n_now = left.min(SILENCE_FRAMES);
            self.0.encode_silence(n_now as usize, pages)?;
            left -= n_now;
        }
        Ok(())
    }

    fn encoder(&mut self) -> &mut dyn Encoder {
        self.0.as_mut()
    }

    fn begin(&mut self, tags: &Metadata) -> Result<(Vec<u8>, Beginning), EncodeError> {
        Ok((self.0.headers(tags)?, Beginning::Bare))
    }
}

#[cfg(feature = "flac")]
impl FileEncoder for FlacFile {
    const HAS_CHEAP_SILENCE: bool = true;

    fn encode_silence(&mut self, n_frames: u64, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        self.encoder.encode_long_silence(n_frames, pages)
    }

    fn encoder(&mut self) -> &mut dyn Encoder {
        &mut self.encoder
    }

    fn begin(&mut self, tags: &Metadata) -> Result<(Vec<u8>, Beginning), EncodeError> {
        self.encoder.headers(tags)?;
        let reserve_bytes = self.encoder.max_frame_bytes();
        let head = self.encoder.file_head(FlacStreamInfo::default(), tags, reserve_bytes)?;
        Ok((head, Beginning::Reserve(reserve_bytes)))
    }

    fn head(&self, told: Told) -> Option<Vec<u8>> {
        let md5 = if told.is_complete { self.encoder.md5() } else { [0; 16] };
        let info = FlacStreamInfo { n_frames: told.n_frames, md5 };
        self.encoder.file_head(info, &self.tags, told.reserve_bytes).ok()
    }
}

#[cfg(feature = "opus")]
impl FileEncoder for OpusEncoder {
    const HAS_CHEAP_SILENCE: bool = true;

    fn encode_silence(&mut self, n_frames: u64, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        self.encode_long_silence(n_frames, pages)
    }

    fn encoder(&mut self) -> &mut dyn Encoder {
        self
    }

    fn begin(&mut self, tags: &Metadata) -> Result<(Vec<u8>, Beginning), EncodeError> {
        Ok((self.headers(tags)?, Beginning::StandIn(self.end_of_nothing()?)))
    }
}
