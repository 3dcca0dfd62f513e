//! The bytes in front of a WAV file's samples, for any length. Writes nothing anywhere.
//!
//! Layout: `RIFF` or `RF64`, then a 28-byte chunk that is `JUNK` while sizes fit in 32 bits and `ds64` afterwards (EBU
//! Tech 3306, "RF64: an extended file format for audio", the section on achieving compatibility by a JUNK chunk), `bext`
//! where the beginning is to be told, `fmt `, `fact` but for plain PCM, `data`. The header's length never changes, so the
//! change to RF64 happens in place.

use ra_core::{SinkStart, StreamSpec};

use super::{bext, config::SampleFormat};

/// `WAVE_FORMAT_PCM` of Microsoft's mmreg.h.
const FORMAT_PCM: u16 = 0x0001;
/// `WAVE_FORMAT_IEEE_FLOAT`.
const FORMAT_IEEE_FLOAT: u16 = 0x0003;
/// `WAVE_FORMAT_EXTENSIBLE`: required for more than two channels and for more than 16 integer bits ("Multiple channel
/// audio data and WAVE files", Microsoft).
const FORMAT_EXTENSIBLE: u16 = 0xFFFE;
/// The end of `KSDATAFORMAT_SUBTYPE_*`: the format tag stands in front of it.
const SUBTYPE_TAIL: [u8; 14] = [0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71];
/// A 32-bit size that says "look in ds64".
const IN_DS64: u32 = u32::MAX;
/// Bytes of a ds64 chunk without a table: three 64-bit sizes and a count of 0 entries.
const DS64_BYTES: u32 = 28;

/// Whether a byte stands behind the samples so that the chunk's length is even, as RIFF wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pad {
    /// Nothing does.
    Absent,
    /// One zero byte does.
    Present,
}

/// What a header depends on besides the length.
#[derive(Clone, Debug)]
pub(crate) struct WavHeader {
    spec: StreamSpec,
    format: SampleFormat,
    /// A whole chunk, or nothing.
    bext: Vec<u8>,
}

impl WavHeader {
    /// The header for samples of `format` at `spec`. Says nothing of the beginning.
    pub(crate) const fn new(spec: StreamSpec, format: SampleFormat) -> Self {
        Self { spec, format, bext: Vec::new() }
    }

    /// Tells the beginning in a `bext` chunk.
    pub(crate) fn set_origin(&mut self, start: &SinkStart) {
        self.bext = bext::encode(start);
    }

    /// Whether the beginning is told.
    pub(crate) const fn has_origin(&self) -> bool {
        !self.bext.is_empty()
    }

    /// Bytes of one frame.
    pub(crate) const fn frame_bytes(&self) -> u64 {
        (self.spec.channels.get() * self.format.bytes()) as u64
    }

    /// Bytes in front of the first sample: the same at every length.
    pub(crate) fn len_bytes(&self) -> u64 {
        self.encode(0, Pad::Absent).len() as u64
    }

    /// The header of a file that holds `n_frames` frames.
    pub(crate) fn encode(&self, n_frames: u64, pad: Pad) -> Vec<u8> {
        let data_bytes = n_frames * self.frame_bytes();
        let mut out = Vec::with_capacity(128 + self.bext.len());
        out.extend(b"RIFF\0\0\0\0WAVEJUNK");
        out.extend(DS64_BYTES.to_le_bytes());
        out.extend([0; DS64_BYTES as usize]);
        out.extend(&self.bext);
        self.push_fmt(&mut out);
        // Required behind every format tag but PCM.
        let has_fact = self.format == SampleFormat::F32 || self.is_extensible();
        let fact_at = has_fact.then(|| {
            out.extend(b"fact");
            out.extend(4u32.to_le_bytes());
            out.extend([0; 4]);
            out.len() - 4
        });
        out.extend(b"data");
        out.extend([0; 4]);
        let data_at = out.len() - 4;
        let riff_bytes = out.len() as u64 - 8 + data_bytes + u64::from(pad == Pad::Present);

        // IN_DS64 itself is no length. Where the RIFF length fits, the two shorter ones do.
        let fits = riff_bytes < u64::from(IN_DS64);
        if !fits {
            out[..4].copy_from_slice(b"RF64");
            out[12..16].copy_from_slice(b"ds64");
            out[20..28].copy_from_slice(&riff_bytes.to_le_bytes());
            out[28..36].copy_from_slice(&data_bytes.to_le_bytes());
            out[36..44].copy_from_slice(&n_frames.to_le_bytes());
        }
        let mut put = |at: usize, value: u64| {
            let value = if fits { value as u32 } else { IN_DS64 };
            out[at..at + 4].copy_from_slice(&value.to_le_bytes());
        };
        put(4, riff_bytes);
        put(data_at, data_bytes);
        if let Some(fact_at) = fact_at {
            put(fact_at, n_frames);
        }
        out
    }

    const fn is_extensible(&self) -> bool {
        self.spec.channels.get() > 2 || matches!(self.format, SampleFormat::S24)
    }

    fn push_fmt(&self, out: &mut Vec<u8>) {
        let channels = self.spec.channels.as_u16();
        let is_float = self.format == SampleFormat::F32;
        let tag = if is_float { FORMAT_IEEE_FLOAT } else { FORMAT_PCM };
        let bits = self.format.bytes() as u16 * 8;
        let chunk_bytes: u32 = if self.is_extensible() {
            40
        } else if is_float {
            18 // every tag but PCM carries the length of its extension, here 0
        } else {
            16
        };
        out.extend(b"fmt ");
        out.extend(chunk_bytes.to_le_bytes());
        out.extend((if self.is_extensible() { FORMAT_EXTENSIBLE } else { tag }).to_le_bytes());
        out.extend(channels.to_le_bytes());
        out.extend(self.spec.sample_rate.hz().to_le_bytes());
        out.extend((self.spec.sample_rate.hz() * self.frame_bytes() as u32).to_le_bytes());
        out.extend((self.frame_bytes() as u16).to_le_bytes());
        out.extend(bits.to_le_bytes());
        if self.is_extensible() {
            out.extend(22u16.to_le_bytes());
            out.extend(bits.to_le_bytes());
            out.extend(channel_mask(channels).to_le_bytes());
            out.extend(tag.to_le_bytes());
            out.extend(SUBTYPE_TAIL);
        } else if is_float {
            out.extend(0u16.to_le_bytes());
        }
    }
}

/// `dwChannelMask`: front centre, or front left and right. More channels are those of a bus and belong to no
/// loudspeaker, which a mask of 0 says.
const fn channel_mask(channels: u16) -> u32 {
    match channels {
        1 => 0x4,
        2 => 0x3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(channels: u16, format: SampleFormat) -> WavHeader {
        WavHeader::new(StreamSpec::new(48_000, channels).unwrap(), format)
    }

    #[test]
    fn length_is_the_same_at_every_size_and_even() {
        for format in [SampleFormat::F32, SampleFormat::S24, SampleFormat::S16] {
            for channels in [1, 2, 6, 256] {
                let h = header(channels, format);
                assert_eq!(h.len_bytes() % 2, 0);
                for n in [0, 1, 1000, 1 << 32, 1 << 40] {
                    assert_eq!(h.encode(n, Pad::Absent).len() as u64, h.len_bytes());
                }
            }
        }
    }

    #[test]
    fn becomes_rf64_at_the_first_length_that_32_bits_do_not_hold() {
        let h = header(1, SampleFormat::S16);
        let overhead = h.len_bytes() - 8;
        let most = (u64::from(u32::MAX) - 1 - overhead) / 2;
        let small = h.encode(most, Pad::Absent);
        assert_eq!(&small[..4], b"RIFF");
        assert_eq!(&small[12..16], b"JUNK");
        assert_eq!(u64::from(u32::from_le_bytes(small[4..8].try_into().unwrap())), overhead + most * 2);
        let large = h.encode(most + 1, Pad::Absent);
        assert_eq!(&large[..4], b"RF64");
        assert_eq!(&large[4..8], &[0xFF; 4]);
        assert_eq!(&large[12..16], b"ds64");
        assert_eq!(u64::from_le_bytes(large[20..28].try_into().unwrap()), overhead + (most + 1) * 2);
        assert_eq!(u64::from_le_bytes(large[28..36].try_into().unwrap()), (most + 1) * 2);
        assert_eq!(u64::from_le_bytes(large[36..44].try_into().unwrap()), most + 1);
        assert_eq!(&large[large.len() - 4..], &[0xFF; 4]);
    }

    #[test]
    fn the_pad_counts_in_the_riff_size_and_not_in_the_data() {
        let h = header(1, SampleFormat::S24);
        let (bare, padded) = (h.encode(5, Pad::Absent), h.encode(5, Pad::Present));
        let riff = |b: &[u8]| u32::from_le_bytes(b[4..8].try_into().unwrap());
        assert_eq!(riff(&bare) + 1, riff(&padded));
        assert_eq!(&bare[bare.len() - 4..], &15u32.to_le_bytes());
        assert_eq!(&padded[padded.len() - 4..], &15u32.to_le_bytes());
    }
}
