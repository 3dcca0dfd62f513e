//! WAV and RF64 being written: samples first, then the header that describes them.
//!
//! The file holds `header | frames | perhaps a pad byte or a torn write`; the header describes a prefix of the frames, so
//! readers never see what stands behind it. Frames wait in a buffer of bounded size until they are in the file whole; a
//! failed write leaves them there. Knows no timeline: a gap is silence that somebody asked for.

use std::io;

use ra_core::{FramePosition, SinkStart, StreamSpec};
use ra_dsp::{BitDepth, Quantiser};

use super::{
    config::SampleFormat,
    container::{Container, ContainerConfig, FrameCounts, Origin},
    storage::{Storage, write_all_at},
    wav_header::{Pad, WavHeader},
};

/// Bytes that wait for the file before they are written in one piece: 0.7 s of stereo float at 48 kHz.
const BUFFER_BYTES: usize = 256 * 1024;

/// A [`Container`] for `.wav`.
pub(crate) struct WavWriter {
    storage: Box<dyn Storage>,
    header: WavHeader,
    spec: StreamSpec,
    format: SampleFormat,
    quantiser: Option<Quantiser>,
    quantised: Vec<i32>,
    /// Encoded whole frames that are not in the file yet, oldest first.
    buffer: Vec<u8>,
    capacity_bytes: usize,
    /// Whole frames in the file.
    written_frames: u64,
    /// Frames that the header in the file describes.
    described_frames: u64,
    /// Whether the header has to be written whatever it describes: a write of it failed.
    is_header_in_doubt: bool,
}

impl WavWriter {
    /// Writes the header of an empty file into `storage`.
    pub(crate) fn begin(storage: Box<dyn Storage>, config: &ContainerConfig<'_>) -> io::Result<Self> {
        let mut header = WavHeader::new(config.start.spec, config.sample_format);
        if config.origin == Origin::Written {
            header.set_origin(config.start);
        }
        Self::with_header(storage, header, config.start.spec, config.sample_format, config.start.block_frames)
    }

    /// As [`WavWriter::begin`], without a word of the beginning.
    #[cfg(test)]
    pub(crate) fn create(
        storage: Box<dyn Storage>,
        spec: StreamSpec,
        format: SampleFormat,
        block_frames: usize,
    ) -> io::Result<Self> {
        Self::with_header(storage, WavHeader::new(spec, format), spec, format, block_frames)
    }

    /// `block_frames` is what an [`append`](Container::append) usually brings.
    fn with_header(
        mut storage: Box<dyn Storage>,
        header: WavHeader,
        spec: StreamSpec,
        format: SampleFormat,
        block_frames: usize,
    ) -> io::Result<Self> {
        write_all_at(storage.as_mut(), 0, &header.encode(0, Pad::Absent)).map_err(|(_, e)| e)?;
        let capacity_bytes = BUFFER_BYTES.max(2 * block_frames * header.frame_bytes() as usize);
        let bits = match format {
            SampleFormat::F32 => None,
            SampleFormat::S24 => Some(BitDepth::S24),
            SampleFormat::S16 => Some(BitDepth::S16),
        };
        Ok(Self {
            storage,
            header,
            spec,
            format,
            quantiser: bits.map(|bits| Quantiser { bits }),
            quantised: Vec::new(),
            buffer: Vec::with_capacity(capacity_bytes),
            capacity_bytes,
            written_frames: 0,
            described_frames: 0,
            is_header_in_doubt: false,
        })
    }

    /// Where the byte behind the last whole frame stands.
    fn end_bytes(&self) -> u64 {
        self.header.len_bytes() + self.written_frames * self.header.frame_bytes()
    }

    /// Makes room for `n_bytes` in the buffer, by writing it out where it must.
    fn make_room(&mut self, n_bytes: usize) -> io::Result<()> {
        if n_bytes > self.capacity_bytes {
            self.capacity_bytes = 2 * n_bytes; // blocks larger than announced
        }
        if self.buffer.len() + n_bytes <= self.capacity_bytes {
            return Ok(());
        }
        let drained = self.drain();
        // A partial success may be enough.
        if self.buffer.len() + n_bytes <= self.capacity_bytes { Ok(()) } else { drained }
    }

    /// Moves the buffer into the file; on an error whole frames that got through are in the file and leave the buffer.
    fn drain(&mut self) -> io::Result<()> {
        self.storage.check_reachable()?;
        let frame_bytes = self.header.frame_bytes();
        let at = self.end_bytes();
        match write_all_at(self.storage.as_mut(), at, &self.buffer) {
            Ok(()) => {
                self.written_frames += self.buffer.len() as u64 / frame_bytes;
                self.buffer.clear();
                Ok(())
            }
            Err((n_bytes, error)) => {
                // A torn frame stays behind the described ones and is overwritten by the next attempt.
                let n_frames = n_bytes as u64 / frame_bytes;
                self.written_frames += n_frames;
                self.buffer.drain(..(n_frames * frame_bytes) as usize);
                Err(error)
            }
        }
    }

    /// Makes the header describe the frames that are in the file.
    fn describe(&mut self) -> io::Result<()> {
        if self.described_frames == self.written_frames && !self.is_header_in_doubt {
            return Ok(());
        }
        let end = self.end_bytes();
        // Where there is no room for the pad, the RIFF size counts none: readers take both.
        let is_odd = (end - self.header.len_bytes()) % 2 == 1;
        let pad =
            if is_odd && write_all_at(self.storage.as_mut(), end, &[0]).is_ok() { Pad::Present } else { Pad::Absent };
        self.is_header_in_doubt = true;
        // One write below a page's size: a kill can't tear it.
        write_all_at(self.storage.as_mut(), 0, &self.header.encode(self.written_frames, pad)).map_err(|(_, e)| e)?;
        self.described_frames = self.written_frames;
        self.is_header_in_doubt = false;
        Ok(())
    }

    fn encode(&mut self, position: FramePosition, interleaved: &[f32]) -> u64 {
        let start = self.buffer.len();
        self.buffer.resize(start + interleaved.len() * self.format.bytes(), 0);
        let out = &mut self.buffer[start..];
        let Some(quantiser) = &self.quantiser else {
            for (bytes, sample) in out.chunks_exact_mut(4).zip(interleaved) {
                bytes.copy_from_slice(&sample.to_le_bytes());
            }
            return 0;
        };
        self.quantised.resize(interleaved.len(), 0);
        let clipped = quantiser.quantise(position, self.spec.channels.get(), interleaved, &mut self.quantised);
        match self.format.bytes() {
            2 => pack::<2>(&self.quantised, out),
            _ => pack::<3>(&self.quantised, out),
        }
        clipped as u64
    }
}

/// The low `N` bytes of each sample, little end first. A number that the compiler knows is worth a factor.
fn pack<const N: usize>(samples: &[i32], out: &mut [u8]) {
    for (bytes, sample) in out.chunks_exact_mut(N).zip(samples) {
        bytes.copy_from_slice(&sample.to_le_bytes()[..N]);
    }
}

impl Container for WavWriter {
    fn append(&mut self, position: FramePosition, interleaved: &[f32]) -> io::Result<u64> {
        self.make_room(interleaved.len() * self.format.bytes())?;
        Ok(self.encode(position, interleaved))
    }

    fn append_silence(&mut self, n_frames: u64) -> io::Result<()> {
        let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, format!("a gap of {n_frames} frames"));
        let n_bytes = n_frames.checked_mul(self.header.frame_bytes()).ok_or_else(too_long)?;
        if n_bytes < BUFFER_BYTES as u64 {
            self.make_room(n_bytes as usize)?;
            self.buffer.resize(self.buffer.len() + n_bytes as usize, 0);
            return Ok(());
        }
        // Long silence is a hole in the file: it reads as zeros and costs neither memory nor disk.
        self.drain()?;
        let end = self.end_bytes();
        let new_end = end.checked_add(n_bytes).filter(|&e| i64::try_from(e).is_ok()).ok_or_else(too_long)?;
        // Behind the last frame stands at most a pad byte now, a zero too: whatever was torn, `drain` has overwritten.
        self.storage.set_len(new_end)?;
        self.written_frames += n_frames;
        Ok(())
    }

    fn publish(&mut self) -> io::Result<()> {
        // What got through before an error is described all the same.
        let drained = self.drain();
        let described = self.describe();
        drained.and(described)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.storage.sync()
    }

    fn set_origin(&mut self, start: &SinkStart) {
        if self.header.has_origin() {
            self.header.set_origin(start);
            self.is_header_in_doubt = true;
        }
    }

    fn close(&mut self) -> io::Result<()> {
        self.publish()
    }

    fn counts(&self) -> FrameCounts {
        FrameCounts {
            taken_frames: self.written_frames + self.buffer.len() as u64 / self.header.frame_bytes(),
            published_frames: self.described_frames,
        }
    }
}
