//! MP3 (ISO/IEC 11172-3 and 13818-3, layer III) at a constant bit rate, by LAME. Writes no file.
//!
//! The format says neither where the sound begins nor where it ends: a decoder finds about 25 ms of silence in front of
//! it, and up to a frame more behind. LAME is under the LGPL, which is why this is off by default.

use mp3lame_encoder::{Bitrate, Builder, FlushGap, InterleavedPcm, Mode, MonoPcm, Quality};
use ra_core::{FramePosition, Metadata, StreamSpec};

use super::{Codec, EncodeError, Encoder, Page, told_frames::ToldFrames};

/// Frames by which the sound comes late out of the usual decoder.
const DECODER_FRAMES: u64 = 529;
/// Frames by which it comes late out of LAME and such a decoder.
const DELAY_FRAMES: u64 = 576 + DECODER_FRAMES;
const RATES_HZ: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
/// Rates from here on are MPEG-1, those below MPEG-2 and 2.5, whose frames are half as long.
const MPEG1_HZ: u32 = 32_000;
/// kbit/s by the index in a frame's header, which begins at 1.
const MPEG1_KBPS: [u32; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const MPEG2_KBPS: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
/// Bytes that LAME wants for a block besides 1.25 for each sample, and for the end.
const SPARE_BYTES: usize = 7200;

/// Encodes MP3.
pub(super) struct Mp3Encoder {
    spec: StreamSpec,
    bitrate: Bitrate,
    stream: Option<Stream>,
    finite: Vec<f32>,
}

struct Stream {
    library: mp3lame_encoder::Encoder,
    /// Bytes that make no whole frame yet.
    encoded: Vec<u8>,
    n_coded_frames: u64,
    frames: ToldFrames,
}

impl Mp3Encoder {
    pub(super) fn new(spec: StreamSpec, bitrate_kbps: u32) -> Result<Self, EncodeError> {
        let unsupported =
            |actual: String, expected: String| EncodeError::Unsupported { codec: Codec::Mp3.name(), actual, expected };
        let (channels, hz) = (spec.channels.get(), spec.sample_rate.hz());
        if channels > 2 {
            return Err(unsupported(format!("{channels} channels"), "1 or 2".into()));
        }
        if !RATES_HZ.contains(&hz) {
            return Err(unsupported(spec.sample_rate.to_string(), format!("one of {RATES_HZ:?} Hz")));
        }
        let known = if hz >= MPEG1_HZ { MPEG1_KBPS } else { MPEG2_KBPS };
        let bitrate = known.contains(&bitrate_kbps).then(|| bitrate(bitrate_kbps)).flatten();
        let bitrate = bitrate.ok_or_else(|| {
            let possible: Vec<u32> = known.into_iter().filter(|&kbps| self::bitrate(kbps).is_some()).collect();
            unsupported(format!("{bitrate_kbps} kbit/s at {hz} Hz"), format!("one of {possible:?}"))
        })?;
        let encoder = Self { spec, bitrate, stream: None, finite: Vec::new() };
        encoder.make_library()?;
        Ok(encoder)
    }

    fn make_library(&self) -> Result<mp3lame_encoder::Encoder, EncodeError> {
        let channels = self.spec.channels.get() as u8;
        let mut builder = Builder::new().ok_or_else(|| library("LAME has no memory"))?;
        builder.set_num_channels(channels).map_err(library)?;
        builder.set_sample_rate(self.spec.sample_rate.hz()).map_err(library)?;
        builder.set_output_sample_rate(std::num::NonZeroU32::new(self.spec.sample_rate.hz())).map_err(library)?;
        builder.set_brate(self.bitrate).map_err(library)?;
        builder.set_mode(if channels == 1 { Mode::Mono } else { Mode::JointStereo }).map_err(library)?;
        builder.set_quality(Quality::Good).map_err(library)?;
        builder.set_to_write_vbr_tag(false).map_err(library)?;
        builder.build().map_err(library)
    }

    /// Cuts what LAME gave into frames.
    fn pass_on(&mut self, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let Some(stream) = &mut self.stream else { return Err(not_started()) };
        let mut at = 0;
        while let Some(len) = frame_bytes(&stream.encoded[at..])
            && let Some(frame) = stream.encoded.get(at..at + len)
        {
            stream.n_coded_frames += if self.spec.sample_rate.hz() >= MPEG1_HZ { 1152 } else { 576 };
            let bytes = frame.to_vec();
            let n_frames = stream.frames.tell(stream.n_coded_frames.saturating_sub(DELAY_FRAMES));
            pages.push(Page { bytes, n_frames });
            at += len;
        }
        stream.encoded.drain(..at);
        Ok(())
    }
}

impl Encoder for Mp3Encoder {
    /// MP3 streams have none: a listener waits for the next frame, and a server is told titles by other means.
    fn headers(&mut self, _tags: &Metadata) -> Result<Vec<u8>, EncodeError> {
        let library = self.make_library()?;
        self.stream = Some(Stream { library, encoded: Vec::new(), n_coded_frames: 0, frames: ToldFrames::default() });
        Ok(Vec::new())
    }

    fn encode(
        &mut self,
        _position: FramePosition,
        interleaved: &[f32],
        pages: &mut Vec<Page>,
    ) -> Result<u64, EncodeError> {
        self.finite.clear();
        self.finite.extend_from_slice(interleaved);
        ra_dsp::replace_non_finite(&mut self.finite);
        let Some(stream) = &mut self.stream else { return Err(not_started()) };
        let channels = self.spec.channels.get();
        stream.encoded.reserve(interleaved.len() / channels * 5 / 4 + SPARE_BYTES);
        let encoded = match channels {
            1 => stream.library.encode_to_vec(MonoPcm(&self.finite[..]), &mut stream.encoded),
            _ => stream.library.encode_to_vec(InterleavedPcm(&self.finite[..]), &mut stream.encoded),
        };
        encoded.map_err(library)?;
        stream.frames.take((interleaved.len() / channels) as u64);
        self.pass_on(pages)?;
        Ok(0)
    }

    fn encode_silence(&mut self, n_frames: usize, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let silence = vec![0.0; n_frames * self.spec.channels.get()];
        self.encode(FramePosition(0), &silence, pages).map(drop)
    }

    fn finish(&mut self, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let Some(stream) = &mut self.stream else { return Err(not_started()) };
        // LAME ends behind the last sound that it was given; the usual decoder's own delay needs a little more.
        let silence = vec![0.0; DECODER_FRAMES as usize * self.spec.channels.get()];
        stream.encoded.reserve(silence.len() * 5 / 4 + 2 * SPARE_BYTES);
        let encoded = match self.spec.channels.get() {
            1 => stream.library.encode_to_vec(MonoPcm(&silence[..]), &mut stream.encoded),
            _ => stream.library.encode_to_vec(InterleavedPcm(&silence[..]), &mut stream.encoded),
        };
        encoded.map_err(library)?;
        stream.library.flush_to_vec::<FlushGap>(&mut stream.encoded).map_err(library)?;
        self.pass_on(pages)?;
        let Some(mut stream) = self.stream.take() else { return Err(not_started()) };
        if let Some(last) = pages.last_mut() {
            last.n_frames += stream.frames.tell(u64::MAX);
        }
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        "audio/mpeg"
    }
}

/// The length of the frame whose header begins `bytes`, padding included, or `None` where there is no header.
fn frame_bytes(bytes: &[u8]) -> Option<usize> {
    let &[0xFF, second, third, _, ..] = bytes else { return None };
    // ISO/IEC 11172-3, section 2.4.1.3: 3 more bits of sync, 2 of version (3 is MPEG-1, 0 is 2.5), then 4 of bit rate,
    // 2 of rate, 1 of padding.
    let (version, rate_index) = (second >> 3 & 3, usize::from(third >> 2 & 3));
    let hz = *[44_100, 48_000, 32_000].get(rate_index)?;
    let (known, hz, bits) = match version {
        3 => (MPEG1_KBPS, hz, 144_000),
        2 => (MPEG2_KBPS, hz / 2, 72_000),
        _ => (MPEG2_KBPS, hz / 4, 72_000),
    };
    let kbps = *known.get(usize::from(third >> 4).checked_sub(1)?)?;
    Some((bits * kbps / hz + u32::from(third >> 1 & 1)) as usize)
}

/// The bit rates that the library has names for.
const fn bitrate(kbps: u32) -> Option<Bitrate> {
    Some(match kbps {
        8 => Bitrate::Kbps8,
        16 => Bitrate::Kbps16,
        24 => Bitrate::Kbps24,
        32 => Bitrate::Kbps32,
        40 => Bitrate::Kbps40,
        48 => Bitrate::Kbps48,
        64 => Bitrate::Kbps64,
        80 => Bitrate::Kbps80,
        96 => Bitrate::Kbps96,
        112 => Bitrate::Kbps112,
        128 => Bitrate::Kbps128,
        160 => Bitrate::Kbps160,
        192 => Bitrate::Kbps192,
        224 => Bitrate::Kbps224,
        256 => Bitrate::Kbps256,
        320 => Bitrate::Kbps320,
        _ => return None,
    })
}

fn library(error: impl std::fmt::Display) -> EncodeError {
    EncodeError::Library { codec: Codec::Mp3.name(), message: error.to_string() }
}

const fn not_started() -> EncodeError {
    EncodeError::NotStarted { codec: Codec::Mp3.name() }
}
