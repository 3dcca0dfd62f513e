//! Reads a WAV file with eyes of its own, so that a recording is not judged by the code that wrote it: 16-bit and float,
//! length, peak, RMS.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// What a WAV file holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wav {
    pub(super) channels: u16,
    pub(super) sample_rate_hz: u32,
    /// "s16" or "f32".
    pub(super) format: &'static str,
    pub(super) n_frames: u64,
    /// The largest absolute sample, linear.
    pub(super) peak_lin: f64,
    mean_square: f64,
}

impl Wav {
    /// Reads a whole file.
    ///
    /// # Errors
    /// It cannot be read, is no WAV file, or has a format other than 16-bit integer and 32-bit float.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes).with_context(|| format!("{}", path.display()))
    }

    pub(super) fn rms_dbfs(&self) -> f64 {
        10.0 * self.mean_square.log10()
    }

    pub(super) fn seconds(&self) -> f64 {
        self.n_frames as f64 / f64::from(self.sample_rate_hz)
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        ensure!(bytes.get(0..4) == Some(b"RIFF") && bytes.get(8..12) == Some(b"WAVE"), "not a WAV file");
        let fmt = chunk(bytes, b"fmt ").context("no fmt chunk")?;
        let data = chunk(bytes, b"data").context("no data chunk")?;
        let tag = match u16_at(fmt, 0)? {
            // Extensible: the tag is the first word of the GUID.
            0xFFFE => u16_at(fmt, 24)?,
            tag => tag,
        };
        let (channels, bits) = (u16_at(fmt, 2)?, u16_at(fmt, 14)?);
        let sample_rate_hz = u32::from(u16_at(fmt, 4)?) | u32::from(u16_at(fmt, 6)?) << 16;
        ensure!(channels > 0 && sample_rate_hz > 0, "{channels} channels at {sample_rate_hz} Hz");
        let (format, samples): (_, Vec<f64>) = match (tag, bits) {
            (1, 16) => {
                ("s16", data.as_chunks().0.iter().map(|b| f64::from(i16::from_le_bytes(*b)) / 32_768.0).collect())
            }
            (3, 32) => ("f32", data.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect()),
            _ => bail!("format {tag} of {bits} bits, expected 16-bit integer or 32-bit float"),
        };
        ensure!(samples.iter().all(|sample| sample.is_finite()), "samples that are no numbers");
        Ok(Self {
            channels,
            sample_rate_hz,
            format,
            n_frames: samples.len() as u64 / u64::from(channels),
            peak_lin: samples.iter().fold(0.0, |peak, sample| sample.abs().max(peak)),
            mean_square: samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len().max(1) as f64,
        })
    }
}

/// A chunk's content; cut short where the file is.
fn chunk<'b>(bytes: &'b [u8], id: &[u8; 4]) -> Option<&'b [u8]> {
    let mut at = 12;
    loop {
        let size = u32::from_le_bytes(bytes.get(at + 4..at + 8)?.try_into().ok()?) as usize;
        let begin = at + 8;
        if bytes.get(at..at + 4)? == id {
            return bytes.get(begin..(begin.checked_add(size)?).min(bytes.len()));
        }
        // Chunks begin at even places.
        at = begin.checked_add(size)?.checked_add(size % 2)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    let pair = bytes.get(at..at + 2).context("the fmt chunk is too short")?;
    Ok(u16::from_le_bytes([pair[0], pair[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(tag: u16, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVEJUNK\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        file.extend([tag, 2, 48_000, 0].map(u16::to_le_bytes).concat());
        file.extend([0, 0, 4, bits].map(u16::to_le_bytes).concat());
        file.extend(b"data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn integer_and_float_are_read() {
        let wav =
            Wav::parse(&file(1, 16, &[16_384_i16, -16_384, 16_384, -16_384].map(i16::to_le_bytes).concat())).unwrap();
        assert_eq!((wav.channels, wav.sample_rate_hz, wav.format, wav.n_frames), (2, 48_000, "s16", 2));
        assert_eq!(wav.peak_lin, 0.5);
        assert!((wav.rms_dbfs() + 6.02).abs() < 0.01);
        let wav = Wav::parse(&file(3, 32, &[0.0_f32, -0.25].map(f32::to_le_bytes).concat())).unwrap();
        assert_eq!((wav.format, wav.n_frames, wav.peak_lin), ("f32", 1, 0.25));
        assert!((wav.seconds() - 1.0 / 48_000.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |bytes: &[u8]| Wav::parse(bytes).unwrap_err().to_string();
        assert_eq!(error(b"nonsense"), "not a WAV file");
        assert_eq!(error(b"RIFF\0\0\0\0WAVE"), "no fmt chunk");
        assert!(error(&file(1, 24, &[])).contains("24 bits"));
        assert!(error(&file(3, 32, &f32::NAN.to_le_bytes())).contains("no numbers"));
        assert!(Wav::parse(&file(1, 16, &[])).unwrap().rms_dbfs().is_infinite());
    }
}
