//! What the fmt chunk of a WAV file says of the samples. Reads no file.

use ra_core::StreamSpec;

use super::{
    pcm::PcmEncoding,
    wav_header::{WavFault, damaged},
};

/// Bytes of the longest fmt chunk that is understood.
pub(crate) const EXTENSIBLE_BYTES: usize = 40;

/// The format of the samples; `None` where they are coded in a way that is not ours. `body` is the chunk's content, or its
/// first [`EXTENSIBLE_BYTES`].
pub(crate) fn read_format(body: &[u8], notes: &mut Vec<String>) -> Result<Option<(StreamSpec, PcmEncoding)>, WavFault> {
    // WAVEFORMATEX and WAVEFORMATEXTENSIBLE, from Microsoft's mmreg.h.
    const PCM: u16 = 1;
    const FLOAT: u16 = 3;
    const EXTENSIBLE: u16 = 0xfffe;
    /// The part of a sub-format's GUID behind its two bytes of format tag.
    const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

    if body.len() < 16 {
        return damaged(format!("a fmt chunk of {} bytes, expected at least 16", body.len()));
    }
    let mut tag = u16_at(body, 0);
    let (channels, rate_hz) = (u16_at(body, 2), u32_at(body, 4));
    let (frame_bytes, bits) = (u16_at(body, 12), u16_at(body, 14));
    if tag == EXTENSIBLE {
        if body.len() < EXTENSIBLE_BYTES {
            return damaged(format!("an extensible fmt chunk of {} bytes, expected 40", body.len()));
        }
        if body[26..40] != GUID_TAIL {
            return Ok(None);
        }
        tag = u16_at(body, 24);
    }
    if tag != PCM && tag != FLOAT {
        return Ok(None);
    }
    let spec = StreamSpec::new(rate_hz, channels)?;
    // Samples sit in whole bytes; where there are fewer bits they are the upper ones, so that only the bytes matter.
    let sample_bytes = if frame_bytes != 0 && frame_bytes % channels == 0 && frame_bytes / channels <= 8 {
        frame_bytes / channels
    } else {
        notes.push(format!("a frame of {frame_bytes} bytes can't be; {bits} bits are taken for each sample"));
        bits.div_ceil(8)
    };
    let encoding = match (tag, sample_bytes) {
        (PCM, 1) => PcmEncoding::U8,
        (PCM, 2) => PcmEncoding::S16,
        (PCM, 3) => PcmEncoding::S24,
        (PCM, 4) => PcmEncoding::S32,
        (FLOAT, 4) => PcmEncoding::F32,
        (FLOAT, 8) => PcmEncoding::F64,
        (PCM, n) => return damaged(format!("integer samples of {n} bytes, expected 1 to 4")),
        (_, n) => return damaged(format!("float samples of {n} bytes, expected 4 or 8")),
    };
    Ok(Some((spec, encoding)))
}

/// A little-endian number in `bytes`, which must reach that far.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
