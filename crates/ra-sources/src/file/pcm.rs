//! Linear samples as they stand in files, and their conversion to `f32`. Knows no file and no chunk.

/// How a sample is kept. Little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PcmEncoding {
    /// Unsigned with its zero at 128.
    U8,
    S16,
    S24,
    S32,
    F32,
    F64,
}

impl PcmEncoding {
    /// Bytes in a sample.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            PcmEncoding::U8 => 1,
            PcmEncoding::S16 => 2,
            PcmEncoding::S24 => 3,
            PcmEncoding::S32 | PcmEncoding::F32 => 4,
            PcmEncoding::F64 => 8,
        }
    }

    /// Converts as many samples as both sides hold. Integers are scaled so that their most negative value is −1;
    /// floats are passed on as they are, NaN and infinity too.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            PcmEncoding::U8 => each(bytes, out, |[b]| (f32::from(b) - 128.0) / 128.0),
            PcmEncoding::S16 => each(bytes, out, |b| f32::from(i16::from_le_bytes(b)) / 32_768.0),
            // In the upper bytes of 32 bits; 24 significant bits fit an f32 exactly.
            PcmEncoding::S24 => each(bytes, out, |[a, b, c]| i32::from_le_bytes([0, a, b, c]) as f32 / 2_147_483_648.0),
            PcmEncoding::S32 => each(bytes, out, |b| i32::from_le_bytes(b) as f32 / 2_147_483_648.0),
            PcmEncoding::F32 => each(bytes, out, f32::from_le_bytes),
            PcmEncoding::F64 => each(bytes, out, |b| f64::from_le_bytes(b) as f32),
        }
    }
}

/// Sample by sample over arrays of a fixed size, which the compiler turns into vector code.
#[inline(always)]
fn each<const N: usize>(bytes: &[u8], out: &mut [f32], convert: impl Fn([u8; N]) -> f32) {
    let (samples, _) = bytes.as_chunks::<N>();
    for (sample, &bytes) in out.iter_mut().zip(samples) {
        *sample = convert(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_zero_and_one_step_are_exact() {
        let decode = |encoding: PcmEncoding, bytes: &[u8]| {
            let mut out = vec![9.0; bytes.len() / encoding.bytes()];
            encoding.decode(bytes, &mut out);
            out
        };
        assert_eq!(decode(PcmEncoding::U8, &[0, 128, 255]), [-1.0, 0.0, 127.0 / 128.0]);
        assert_eq!(decode(PcmEncoding::S16, &[0, 0x80, 0, 0, 1, 0]), [-1.0, 0.0, 1.0 / 32_768.0]);
        let s24 = [0, 0, 0x80, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0x7f];
        assert_eq!(decode(PcmEncoding::S24, &s24), [-1.0, 0.0, 1.0 / 8_388_608.0, 8_388_607.0 / 8_388_608.0]);
        assert_eq!(decode(PcmEncoding::S32, &[0, 0, 0, 0x80, 0, 0, 0, 0x40]), [-1.0, 0.5]);
        assert!(decode(PcmEncoding::F32, &f32::NAN.to_le_bytes())[0].is_nan());
        assert_eq!(decode(PcmEncoding::F64, &f64::NEG_INFINITY.to_le_bytes()), [f32::NEG_INFINITY]);
    }
}
