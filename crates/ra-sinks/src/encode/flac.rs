//! FLAC frames of a fixed number of samples, one to a page, with what a STREAMINFO block says of them (RFC 9639). Writes
//! no file.

use flac_codec::{
    encode::{FlacStreamWriter, Options},
    stream::Frame,
};
use ra_core::{FramePosition, Metadata, StreamSpec};
use ra_dsp::{BitDepth, Quantiser};

use super::{Codec, EncodeError, Encoder, Page, shared_bytes::SharedBytes, vorbis_comment};

/// What one FLAC stream can carry.
const MAX_CHANNELS: usize = 8;
/// Block sizes that a frame's header has a short code for.
const BLOCK_SIZES: [usize; 12] = [192, 256, 512, 576, 1024, 1152, 2048, 2304, 4096, 4608, 8192, 16384];
/// A frame lasts no longer than this: it is what a killed process can lose besides what was not written yet.
const MAX_FRAME_MS: usize = 50;
/// Bytes in front of the metadata behind STREAMINFO: the marker, that block's header, that block.
pub(crate) const HEAD_BYTES: usize = 4 + 4 + 34;
/// A metadata block's length has 24 bits.
const MAX_BLOCK_BYTES: usize = (1 << 24) - 1;

/// Silence in one piece that is longer than this, in seconds, costs the sum over all samples: it takes a second for each 2000
/// of silence, and everything else costs next to nothing.
const MOST_SUMMED_SILENCE_S: u64 = 600;

/// What a STREAMINFO block says besides the format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlacStreamInfo {
    /// Frames of the stream; 0: not known.
    pub(crate) n_frames: u64,
    /// The MD5 sum of all samples; zeros: not known.
    pub(crate) md5: [u8; 16],
}

/// Whether a block of metadata is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Yes,
    No,
}

/// Encodes FLAC, frame by frame.
pub(crate) struct FlacEncoder {
    spec: StreamSpec,
    quantiser: Quantiser,
    block_frames: usize,
    /// Samples that fill no block yet.
    pending: Vec<i32>,
    writer: Option<FlacStreamWriter<SharedBytes>>,
    encoded: SharedBytes,
    /// `None`: given up.
    md5: Option<md5::Context>,
    md5_bytes: Vec<u8>,
    /// Frames of silence that were taken since the last sound.
    silent_frames: u64,
    /// The smallest and the largest frame of this stream so far, in bytes.
    frame_bytes: Option<(usize, usize)>,
}

impl FlacEncoder {
    /// An encoder for blocks of `spec`, cut to `bits`.
    ///
    /// # Errors
    /// [`EncodeError::Unsupported`] above 8 channels, and for rates that a frame's header can't say.
    pub(crate) fn new(spec: StreamSpec, bits: BitDepth) -> Result<Self, EncodeError> {
        let channels = spec.channels.get();
        if channels > MAX_CHANNELS {
            return Err(EncodeError::Unsupported {
                codec: Codec::Flac.name(),
                actual: format!("{channels} channels"),
                expected: format!("at most {MAX_CHANNELS}"),
            });
        }
        // RFC 9639, section 9.1.2: kHz in 8 bits, Hz in 16, tens of Hz in 16; the library leaves the last of each out.
        let hz = spec.sample_rate.hz();
        if hz > 65_534 && !(hz.is_multiple_of(10) && hz <= 655_340) {
            return Err(EncodeError::Unsupported {
                codec: Codec::Flac.name(),
                actual: spec.sample_rate.to_string(),
                expected: "at most 65534 Hz, or a multiple of 10 Hz up to 655340 Hz".into(),
            });
        }
        let at_most = hz as usize * MAX_FRAME_MS / 1000;
        let block_frames = BLOCK_SIZES.into_iter().rev().find(|&n| n <= at_most).unwrap_or(at_most.max(16));
        Ok(Self {
            spec,
            quantiser: Quantiser { bits },
            block_frames,
            pending: Vec::with_capacity(2 * block_frames * channels),
            writer: None,
            encoded: SharedBytes::default(),
            md5: Some(md5::Context::new()),
            md5_bytes: Vec::new(),
            silent_frames: 0,
            frame_bytes: None,
        })
    }

    /// The first [`HEAD_BYTES`] of a stream: the marker and STREAMINFO, which is said to have others behind it.
    pub(crate) fn head(&self, info: FlacStreamInfo) -> Vec<u8> {
        let (least, most) = self.frame_bytes.unwrap_or((0, 0));
        let block = (self.block_frames as u16).to_be_bytes();
        // 20 bits of rate, 3 of channels less one, 5 of depth less one, 36 of length; a longer stream is of unknown length.
        let n_frames = if info.n_frames < 1 << 36 { info.n_frames } else { 0 };
        let packed = (u64::from(self.spec.sample_rate.hz()) << 44)
            | ((self.spec.channels.get() as u64 - 1) << 41)
            | ((u64::from(self.quantiser.bits.bits()) - 1) << 36)
            | n_frames;
        let mut out = b"fLaC\0\0\0\x22".to_vec();
        out.extend(block);
        out.extend(block);
        out.extend(&(least as u32).to_be_bytes()[1..]);
        out.extend(&(most as u32).to_be_bytes()[1..]);
        out.extend(packed.to_be_bytes());
        out.extend(info.md5);
        debug_assert_eq!(out.len(), HEAD_BYTES);
        out
    }

    /// The MD5 sum of everything encoded since `headers`; zeros, which say that it is not known, where more than ten minutes
    /// of silence in one piece are among it.
    pub(crate) fn md5(&self) -> [u8; 16] {
        self.md5.clone().map_or([0; 16], |md5| md5.finalize().0)
    }

    /// Begins a stream without making its headers.
    pub(super) fn begin(&mut self) {
        // Half the time of trying every pairing of channels, for a third of a percent of size.
        let options = Options::default().no_padding().fast_channel_correlation(true);
        self.writer = Some(FlacStreamWriter::new(self.encoded.clone(), options));
        self.pending.clear();
        self.md5 = Some(md5::Context::new());
        self.silent_frames = 0;
        self.frame_bytes = None;
    }

    /// More bytes than a frame can have: each channel verbatim, a bit more for a side channel, and the headers.
    pub(crate) const fn max_frame_bytes(&self) -> usize {
        self.block_frames * self.spec.channels.get() * (self.quantiser.bits.bits() as usize + 1) / 8 + 64
    }

    /// Everything in front of the frames of a file: as [`Encoder::headers`], and then `n_bytes` of padding, of which this
    /// has the header only.
    pub(crate) fn file_head(
        &self,
        info: FlacStreamInfo,
        tags: &Metadata,
        n_bytes: usize,
    ) -> Result<Vec<u8>, EncodeError> {
        let mut out = self.head(info);
        out.extend(self.comment_block(tags, Last::No)?);
        out.push(0x81);
        out.extend(&(n_bytes as u32).to_be_bytes()[1..]);
        Ok(out)
    }

    /// A VORBIS_COMMENT block.
    pub(super) fn comment_block(&self, tags: &Metadata, last: Last) -> Result<Vec<u8>, EncodeError> {
        // More than two channels are those of a bus and belong to no loudspeaker, which a mask of 0 says.
        let mask = [("WAVEFORMATEXTENSIBLE_CHANNEL_MASK", "0x0000".to_owned())];
        let extra = if self.spec.channels.get() > 2 { &mask[..] } else { &[] };
        let body = vorbis_comment::comments(concat!("ra ", env!("CARGO_PKG_VERSION")), tags, extra);
        if body.len() > MAX_BLOCK_BYTES {
            return Err(EncodeError::Unsupported {
                codec: Codec::Flac.name(),
                actual: format!("{} bytes of tags", body.len()),
                expected: format!("at most {MAX_BLOCK_BYTES}"),
            });
        }
        let mut out = vec![if last == Last::Yes { 0x84 } else { 0x04 }];
        out.extend(&(body.len() as u32).to_be_bytes()[1..]);
        out.extend(body);
        Ok(out)
    }

    fn check_started(&self) -> Result<(), EncodeError> {
        self.writer.as_ref().map(drop).ok_or(EncodeError::NotStarted { codec: Codec::Flac.name() })
    }

    /// Turns what is pending into whole frames.
    fn drain(&mut self, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let block_samples = self.block_frames * self.spec.channels.get();
        let whole = self.pending.len() / block_samples * block_samples;
        let pending = std::mem::take(&mut self.pending);
        let encoded = pending[..whole].chunks_exact(block_samples).try_for_each(|b| self.encode_frame(b, pages));
        self.pending = pending;
        self.pending.drain(..whole);
        encoded
    }

    fn encode_frame(&mut self, samples: &[i32], pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let writer = self.writer.as_mut().ok_or(EncodeError::NotStarted { codec: Codec::Flac.name() })?;
        let channels = self.spec.channels.get();
        writer
            .write(self.spec.sample_rate.hz(), channels as u8, self.quantiser.bits.bits(), samples)
            .map_err(library)?;
        let bytes = self.encoded.take();
        self.note_size(bytes.len());
        self.md5_bytes.clear();
        match self.quantiser.bits {
            BitDepth::S16 => samples.iter().for_each(|s| self.md5_bytes.extend(&s.to_le_bytes()[..2])),
            BitDepth::S24 => samples.iter().for_each(|s| self.md5_bytes.extend(&s.to_le_bytes()[..3])),
        }
        self.sum();
        pages.push(Page { bytes, n_frames: (samples.len() / channels) as u64 });
        Ok(())
    }

    fn note_size(&mut self, n_bytes: usize) {
        let (least, most) = self.frame_bytes.unwrap_or((n_bytes, n_bytes));
        self.frame_bytes = Some((least.min(n_bytes), most.max(n_bytes)));
    }

    fn sum(&mut self) {
        if let Some(md5) = &mut self.md5 {
            md5.consume(&self.md5_bytes);
        }
    }

    /// As [`Encoder::encode_silence`] at a small part of its cost: one frame of silence is encoded, the others are that one
    /// with their own numbers.
    pub(crate) fn encode_long_silence(&mut self, n_frames: u64, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let block_frames = self.block_frames as u64;
        let n_pending = (self.pending.len() / self.spec.channels.get()) as u64;
        // What is pending gets its block filled; behind it stands the first frame that is silence alone.
        let n_first = n_pending.next_multiple_of(block_frames) - n_pending + block_frames;
        if n_frames <= n_first {
            return self.encode_silence(n_frames as usize, pages);
        }
        self.encode_silence(n_first as usize, pages)?;
        let n_copies = (n_frames - n_first) / block_frames;
        self.silent_frames += n_copies * block_frames;
        self.give_up_long_sum();
        self.copy_last(n_copies, pages)?;
        self.encode_silence(((n_frames - n_first) % block_frames) as usize, pages)
    }

    /// Appends the frame that was encoded last so many times more.
    fn copy_last(&mut self, n_copies: u64, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let Some(last) = pages.last() else { return Ok(()) };
        let (n_bytes, n_frames) = (last.bytes.len(), last.n_frames);
        let mut frame = Frame::read_subset(&mut last.bytes.as_slice()).map_err(library)?;
        for _ in 0..n_copies {
            frame.header.frame_number.0 += 1;
            let mut bytes = Vec::with_capacity(n_bytes + 1);
            frame.write_subset(&mut bytes).map_err(library)?;
            // The library numbers its frames by itself: it counts on by small ones that go nowhere.
            let writer = self.writer.as_mut().ok_or(EncodeError::NotStarted { codec: Codec::Flac.name() })?;
            writer.write(self.spec.sample_rate.hz(), 1, BitDepth::S16.bits(), &[0; 16]).map_err(library)?;
            self.encoded.take();
            self.note_size(bytes.len());
            self.sum();
            pages.push(Page { bytes, n_frames });
        }
        Ok(())
    }

    fn give_up_long_sum(&mut self) {
        if self.silent_frames > MOST_SUMMED_SILENCE_S * u64::from(self.spec.sample_rate.hz()) {
            self.md5 = None;
        }
    }
}

impl Encoder for FlacEncoder {
    fn headers(&mut self, tags: &Metadata) -> Result<Vec<u8>, EncodeError> {
        let comments = self.comment_block(tags, Last::Yes)?;
        self.begin();
        let mut out = self.head(FlacStreamInfo::default());
        out.extend(comments);
        Ok(out)
    }

    fn encode(
        &mut self,
        position: FramePosition,
        interleaved: &[f32],
        pages: &mut Vec<Page>,
    ) -> Result<u64, EncodeError> {
        self.check_started()?;
        self.silent_frames = 0;
        let start = self.pending.len();
        self.pending.resize(start + interleaved.len(), 0);
        let channels = self.spec.channels.get();
        let clipped = self.quantiser.quantise(position, channels, interleaved, &mut self.pending[start..]);
        self.drain(pages)?;
        Ok(clipped as u64)
    }

    fn encode_silence(&mut self, n_frames: usize, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        self.check_started()?;
        self.silent_frames += n_frames as u64;
        self.give_up_long_sum();
        self.pending.resize(self.pending.len() + n_frames * self.spec.channels.get(), 0);
        self.drain(pages)
    }

    fn finish(&mut self, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        self.check_started()?;
        let rest = std::mem::take(&mut self.pending);
        if !rest.is_empty() {
            self.encode_frame(&rest, pages)?;
        }
        self.writer = None;
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        "audio/flac"
    }
}

fn library(error: impl std::fmt::Display) -> EncodeError {
    EncodeError::Library { codec: Codec::Flac.name(), message: error.to_string() }
}
