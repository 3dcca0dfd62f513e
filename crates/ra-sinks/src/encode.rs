//! Blocks of sound into units that can be written one by one: Ogg pages, FLAC frames, MP3 frames. Opens nothing, sends
//! nothing, reads no clock.
//!
//! Files and streams share these encoders; what is done with the units (written at an offset, sent at a pace) is their
//! affair. Everything here runs on a sink's own thread.
#![cfg_attr(
    not(all(feature = "record", feature = "icecast", feature = "flac", feature = "opus")),
    allow(
        dead_code,
        unused_variables,
        reason = "what builds without files, without streams or without a codec leave over"
    )
)]

#[cfg(any(feature = "opus", feature = "vorbis"))]
mod channel_order;
#[cfg(feature = "opus")]
mod extrapolate;
#[cfg(feature = "flac")]
mod flac;
#[cfg(feature = "mp3")]
mod mp3;
#[cfg(any(feature = "opus", feature = "flac", feature = "vorbis"))]
mod ogg;
#[cfg(feature = "flac")]
mod ogg_flac;
#[cfg(feature = "opus")]
mod opus;
#[cfg(feature = "opus")]
mod rate_converter;
#[cfg(any(feature = "flac", feature = "vorbis"))]
mod shared_bytes;
#[cfg(test)]
#[cfg(all(feature = "record", feature = "flac", feature = "opus"))]
mod stream_tests;
#[cfg(any(feature = "opus", feature = "vorbis", feature = "mp3"))]
mod told_frames;
#[cfg(feature = "vorbis")]
mod vorbis;
#[cfg(any(feature = "opus", feature = "flac"))]
mod vorbis_comment;

use ra_core::{FramePosition, Metadata, StreamSpec};
use ra_dsp::BitDepth;
use thiserror::Error;

#[cfg(all(feature = "flac", feature = "record"))]
pub(crate) use flac::{FlacEncoder, FlacStreamInfo};
#[cfg(all(feature = "opus", feature = "record"))]
pub(crate) use opus::OpusEncoder;

/// What the sound is packed into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Codec {
    /// Opus in Ogg (RFC 7845). Feature `opus`.
    Opus,
    /// FLAC by itself (RFC 9639). Feature `flac`.
    Flac,
    /// FLAC in Ogg, mapping 1.0 (RFC 9639, section 10.1). Feature `flac`.
    OggFlac,
    /// Vorbis in Ogg. Feature `vorbis`.
    Vorbis,
    /// MPEG-1 or MPEG-2 layer III. Feature `mp3`.
    Mp3,
}

impl Codec {
    /// The name that messages use.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Codec::Opus => "Opus",
            Codec::Flac => "FLAC",
            Codec::OggFlac => "Ogg FLAC",
            Codec::Vorbis => "Vorbis",
            Codec::Mp3 => "MP3",
        }
    }

    /// The feature of this crate that brings it.
    pub(crate) const fn feature(self) -> &'static str {
        match self {
            Codec::Opus => "opus",
            Codec::Flac | Codec::OggFlac => "flac",
            Codec::Vorbis => "vorbis",
            Codec::Mp3 => "mp3",
        }
    }

    /// Whether this build has it.
    pub(crate) const fn is_built_in(self) -> bool {
        match self {
            Codec::Opus => cfg!(feature = "opus"),
            Codec::Flac | Codec::OggFlac => cfg!(feature = "flac"),
            Codec::Vorbis => cfg!(feature = "vorbis"),
            Codec::Mp3 => cfg!(feature = "mp3"),
        }
    }
}

/// What an encoder is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EncoderConfig {
    /// What to pack into.
    pub(crate) codec: Codec,
    /// Opus, Vorbis, MP3: the target in kbit/s for all channels together. FLAC has none.
    pub(crate) bitrate_kbps: u32,
    /// FLAC: the depth that samples are cut to, with dither by their place on the timeline.
    pub(crate) bits: BitDepth,
}

impl EncoderConfig {
    /// `codec` at 128 kbit/s or 24 bits.
    pub(crate) const fn new(codec: Codec) -> Self {
        Self { codec, bitrate_kbps: 128, bits: BitDepth::S24 }
    }
}

/// One unit that is written whole or not at all: an Ogg page, a FLAC frame, an MP3 frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Frames of the input that a decoder has after this page and did not have before it. The sum over all pages of a
    /// finished stream is what was encoded.
    pub(crate) n_frames: u64,
}

/// Why something can't be encoded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum EncodeError {
    /// The codec can't carry this.
    #[error("{codec}: {actual}, expected {expected}")]
    Unsupported {
        /// The codec's name.
        codec: &'static str,
        /// What was asked for.
        actual: String,
        /// What it can carry.
        expected: String,
    },
    /// This build lacks the codec.
    #[error("{codec} is not built in: the feature \"{feature}\" of ra-sinks brings it")]
    NotBuiltIn {
        /// The codec's name.
        codec: &'static str,
        /// The feature that brings it.
        feature: &'static str,
    },
    /// The codec's library refused.
    #[error("{codec}: {message}")]
    Library {
        /// The codec's name.
        codec: &'static str,
        /// What it said.
        message: String,
    },
    /// A method was called out of order: `encode` before `headers`.
    #[error("{codec}: sound before the headers of its stream")]
    NotStarted {
        /// The codec's name.
        codec: &'static str,
    },
}

impl From<EncodeError> for std::io::Error {
    fn from(error: EncodeError) -> Self {
        let kind = match &error {
            EncodeError::Unsupported { .. } | EncodeError::NotBuiltIn { .. } => std::io::ErrorKind::Unsupported,
            _ => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, error)
    }
}

/// A stream of units being made from a stream of blocks.
///
/// Order of calls: `headers`, then `encode` as often as there is sound, then `finish`. After `finish` may come `headers`
/// again: a new logical stream (a new serial number in Ogg) that goes on with the next frame, so that a listener hears no
/// hole and a decoder of the whole finds as many frames as were encoded.
///
/// # Real-time safety
/// Not real-time safe: allocates.
pub(crate) trait Encoder: Send {
    /// Begins a logical stream and returns the bytes that every listener needs first.
    ///
    /// # Errors
    /// [`EncodeError::Library`].
    fn headers(&mut self, tags: &Metadata) -> Result<Vec<u8>, EncodeError>;

    /// Takes whole frames whose first stands at `position`, appends the pages that they complete to `pages`, and returns
    /// how many samples were clipped (depths that are whole numbers only).
    ///
    /// # Errors
    /// [`EncodeError::NotStarted`] before `headers`, [`EncodeError::Library`].
    fn encode(
        &mut self,
        position: FramePosition,
        interleaved: &[f32],
        pages: &mut Vec<Page>,
    ) -> Result<u64, EncodeError>;

    /// As [`Encoder::encode`] for `n_frames` frames of digital silence, which stays zero where the format can: no dither.
    ///
    /// # Errors
    /// As for [`Encoder::encode`].
    fn encode_silence(&mut self, n_frames: usize, pages: &mut Vec<Page>) -> Result<(), EncodeError>;

    /// Ends the logical stream: what is pending goes into its last pages, and the end is marked where the format marks it.
    ///
    /// # Errors
    /// [`EncodeError::NotStarted`] before `headers`, [`EncodeError::Library`].
    fn finish(&mut self, pages: &mut Vec<Page>) -> Result<(), EncodeError>;

    /// The MIME type that a server is told.
    fn content_type(&self) -> &'static str;
}

/// An encoder for blocks of `spec`.
///
/// # Errors
/// [`EncodeError::NotBuiltIn`] where the feature is off, [`EncodeError::Unsupported`] where the codec can't carry the
/// rate, the channels or the bit rate.
pub(crate) fn make_encoder(config: &EncoderConfig, spec: StreamSpec) -> Result<Box<dyn Encoder>, EncodeError> {
    match config.codec {
        #[cfg(feature = "opus")]
        Codec::Opus => Ok(Box::new(opus::OpusEncoder::new(spec, config.bitrate_kbps)?)),
        #[cfg(feature = "flac")]
        Codec::Flac => Ok(Box::new(flac::FlacEncoder::new(spec, config.bits)?)),
        #[cfg(feature = "flac")]
        Codec::OggFlac => Ok(Box::new(ogg_flac::OggFlacEncoder::new(spec, config.bits)?)),
        #[cfg(feature = "vorbis")]
        Codec::Vorbis => Ok(Box::new(vorbis::VorbisEncoder::new(spec, config.bitrate_kbps)?)),
        #[cfg(feature = "mp3")]
        Codec::Mp3 => Ok(Box::new(mp3::Mp3Encoder::new(spec, config.bitrate_kbps)?)),
        #[allow(unreachable_patterns, reason = "reached where a codec's feature is off")]
        codec => Err(EncodeError::NotBuiltIn { codec: codec.name(), feature: codec.feature() }),
    }
}
