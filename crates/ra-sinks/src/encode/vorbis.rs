//! Vorbis in Ogg (Xiph.org, "Vorbis I specification"), in pages of four packets, as the library makes them: about 85 ms at 48
//! kHz. Writes no file.
#![allow(unsafe_code, reason = "the library does not say that its encoder may change threads")]

use std::num::{NonZeroU8, NonZeroU32};

use ra_core::{FramePosition, Metadata, StreamSpec};
use vorbis_rs::{VorbisBitrateManagementStrategy, VorbisEncoder as Library, VorbisEncoderBuilder};

use super::{
    Codec, EncodeError, Encoder, Page, channel_order::VORBIS_FROM_WAV, ogg::random_serial, shared_bytes::SharedBytes,
    told_frames::ToldFrames,
};

/// Encodes Ogg/Vorbis.
pub(super) struct VorbisEncoder {
    spec: StreamSpec,
    bitrate_kbps: u32,
    serial: u32,
    encoded: SharedBytes,
    stream: Option<LogicalStream>,
    planar: Vec<Vec<f32>>,
}

struct LogicalStream {
    library: SendLibrary,
    frames: ToldFrames,
}

struct SendLibrary(Library<SharedBytes>);

// SAFETY: the encoder owns everything that its pointers point to, libvorbis and libogg keep no state outside of it and
// none that belongs to a thread, and we use it by exclusive reference or by value only.
unsafe impl Send for SendLibrary {}

impl VorbisEncoder {
    pub(super) fn new(spec: StreamSpec, bitrate_kbps: u32) -> Result<Self, EncodeError> {
        let channels = spec.channels.get();
        if channels > VORBIS_FROM_WAV.len() {
            return Err(EncodeError::Unsupported {
                codec: Codec::Vorbis.name(),
                actual: format!("{channels} channels"),
                expected: format!("at most {}", VORBIS_FROM_WAV.len()),
            });
        }
        let (serial, encoded) = (random_serial(), SharedBytes::default());
        let encoder = Self { spec, bitrate_kbps, serial, encoded, stream: None, planar: vec![Vec::new(); channels] };
        // The library alone knows which rates it takes at which bit rates.
        encoder.make_library(&Metadata::default()).map_err(|_| EncodeError::Unsupported {
            codec: Codec::Vorbis.name(),
            actual: format!("{bitrate_kbps} kbit/s at {spec}"),
            expected: "what libvorbis has a mode for: 96 to 500 kbit/s at 44100 or 48000 Hz stereo".into(),
        })?;
        encoder.encoded.take();
        Ok(encoder)
    }

    fn make_library(&self, tags: &Metadata) -> Result<SendLibrary, EncodeError> {
        let channels = NonZeroU8::new(self.spec.channels.get() as u8).ok_or_else(not_started)?;
        let rate = NonZeroU32::new(self.spec.sample_rate.hz()).ok_or_else(not_started)?;
        let target_bitrate = NonZeroU32::new(self.bitrate_kbps * 1000).ok_or_else(not_started)?;
        let mut builder =
            VorbisEncoderBuilder::new_with_serial(rate, channels, self.encoded.clone(), self.serial as i32);
        builder
            .bitrate_management_strategy(VorbisBitrateManagementStrategy::Vbr { target_bitrate })
            .minimum_page_data_size(Some(1));
        let texts =
            [("TITLE", &tags.title), ("ARTIST", &tags.artist), ("ALBUM", &tags.album), ("COMMENT", &tags.comment)];
        for (name, text) in texts {
            if let Some(text) = text {
                builder.comment_tag(name, text.as_str()).map_err(library)?;
            }
        }
        builder.build().map(SendLibrary).map_err(library)
    }

    /// Passes on the pages that came since the last call.
    fn pass_on(&mut self, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let encoded = self.encoded.take();
        let Some(stream) = &mut self.stream else { return Err(not_started()) };
        for (bytes, granule) in pages_of(&encoded) {
            pages.push(Page { bytes: bytes.to_vec(), n_frames: stream.frames.tell(granule) });
        }
        Ok(())
    }
}

impl Encoder for VorbisEncoder {
    fn headers(&mut self, tags: &Metadata) -> Result<Vec<u8>, EncodeError> {
        self.encoded.take();
        self.serial = self.serial.wrapping_add(1);
        let library = self.make_library(tags)?;
        self.stream = Some(LogicalStream { library, frames: ToldFrames::default() });
        Ok(self.encoded.take())
    }

    fn encode(
        &mut self,
        _position: FramePosition,
        interleaved: &[f32],
        pages: &mut Vec<Page>,
    ) -> Result<u64, EncodeError> {
        let channels = self.spec.channels.get();
        let Some(stream) = &mut self.stream else { return Err(not_started()) };
        if interleaved.is_empty() {
            return Ok(0); // to the library the end of the stream
        }
        for (plane, &ours) in self.planar.iter_mut().zip(VORBIS_FROM_WAV[channels - 1]) {
            plane.clear();
            plane.extend(interleaved.iter().skip(usize::from(ours)).step_by(channels));
            ra_dsp::replace_non_finite(plane);
        }
        stream.library.0.encode_audio_block(&self.planar).map_err(library)?;
        stream.frames.take((interleaved.len() / channels) as u64);
        self.pass_on(pages)?;
        Ok(0)
    }

    fn encode_silence(&mut self, n_frames: usize, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let silence = vec![0.0; n_frames * self.spec.channels.get()];
        self.encode(FramePosition(0), &silence, pages).map(drop)
    }

    fn finish(&mut self, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let Some(LogicalStream { library: SendLibrary(encoder), mut frames }) = self.stream.take() else {
            return Err(not_started());
        };
        encoder.finish().map_err(library)?;
        let rest = self.encoded.take();
        pages.extend(
            pages_of(&rest).map(|(bytes, granule)| Page { bytes: bytes.to_vec(), n_frames: frames.tell(granule) }),
        );
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        "application/ogg"
    }
}

/// Whole Ogg pages one by one, with their granule positions: the frames that a decoder has after them.
fn pages_of(bytes: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        // RFC 3533, section 6: granule position at 6, number of segments at 26, their lengths from 27 on.
        let n_segments = usize::from(*rest.get(26)?);
        let lengths = rest.get(27..27 + n_segments)?;
        let len = 27 + n_segments + lengths.iter().map(|&l| usize::from(l)).sum::<usize>();
        let (page, behind) = rest.split_at_checked(len)?;
        rest = behind;
        let granule = i64::from_le_bytes(page.get(6..14)?.try_into().ok()?);
        Some((page, granule.try_into().unwrap_or(0))) // −1: no packet ends here
    })
}

fn library(error: impl std::fmt::Display) -> EncodeError {
    EncodeError::Library { codec: Codec::Vorbis.name(), message: error.to_string() }
}

const fn not_started() -> EncodeError {
    EncodeError::NotStarted { codec: Codec::Vorbis.name() }
}
