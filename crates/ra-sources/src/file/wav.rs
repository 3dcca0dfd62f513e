//! Plays the linear samples of a WAV file: float goes from the system straight into the caller's memory. Decides nothing
//! about looping, and nothing about headers.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use ra_core::{SourceError, StreamSpec};

use super::{pcm::PcmEncoding, wav_header::WavLayout};

/// Bytes that are read at once where the caller asks for less: 170 ms of stereo float at 48 kHz.
const BUFFER_BYTES: usize = 64 * 1024;

/// Reads frames of one WAV file in their order.
#[derive(Debug)]
pub(crate) struct WavReader {
    path: PathBuf,
    file: BufReader<File>,
    layout: WavLayout,
    frame_bytes: usize,
    /// Frames from the beginning.
    position: u64,
}

impl WavReader {
    pub(crate) fn new(path: &Path, file: File, layout: WavLayout) -> Result<Self, SourceError> {
        let frame_bytes = layout.spec.channels.get() * layout.encoding.bytes();
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        let sought = file.seek(SeekFrom::Start(layout.data_start));
        let reader = Self { path: path.to_owned(), file, layout, frame_bytes, position: 0 };
        sought.map_err(|cause| reader.fault(cause))?;
        Ok(reader)
    }

    pub(crate) const fn spec(&self) -> StreamSpec {
        self.layout.spec
    }

    pub(crate) const fn remaining_frames(&self) -> u64 {
        self.layout.n_frames - self.position
    }

    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.layout.notes)
    }

    /// Fills `out` with whole frames; returns how many, 0 only at the end.
    pub(crate) fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let channels = self.layout.spec.channels.get();
        let n_frames = ((out.len() / channels) as u64).min(self.remaining_frames()) as usize;
        let out = &mut out[..n_frames * channels];
        let mut filled = 0; // samples
        while filled < out.len() {
            let n = if self.reads_in_place(out.len() - filled) {
                self.read_in_place(&mut out[filled..])
            } else {
                self.read_buffered(&mut out[filled..])
            };
            match n {
                Ok(n) => {
                    filled += n;
                    self.position += (n / channels) as u64;
                }
                // What was read before the fault counts; the next call meets the fault again.
                Err(_) if filled > 0 => break,
                Err(cause) => return Err(self.fault(cause)),
            }
        }
        Ok(filled / channels)
    }

    /// Back to the first frame. Within the buffer where that holds it, so that short loops cost nothing.
    pub(crate) fn rewind(&mut self) -> Result<(), SourceError> {
        let back = i64::try_from(self.position * self.frame_bytes as u64);
        let sought = match back {
            Ok(back) => self.file.seek_relative(-back),
            Err(_) => self.file.seek(SeekFrom::Start(self.layout.data_start)).map(drop),
        };
        sought.map_err(|cause| self.fault(cause))?;
        self.position = 0;
        Ok(())
    }

    fn reads_in_place(&self, n_samples: usize) -> bool {
        cfg!(target_endian = "little")
            && self.layout.encoding == PcmEncoding::F32
            && n_samples * 4 >= BUFFER_BYTES
            && self.file.buffer().is_empty()
    }

    /// Float samples from the file into `out` with nothing in between; returns samples of whole frames.
    fn read_in_place(&mut self, out: &mut [f32]) -> io::Result<usize> {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(out);
        let mut n_bytes = read_some(&mut self.file, bytes)?;
        let beyond = n_bytes % self.frame_bytes;
        if beyond > 0 {
            let rest = self.frame_bytes - beyond;
            if let Err(error) = self.file.read_exact(&mut bytes[n_bytes..n_bytes + rest]) {
                return if n_bytes > beyond { Ok((n_bytes - beyond) / 4) } else { Err(error) };
            }
            n_bytes += rest;
        }
        Ok(n_bytes / 4)
    }

    /// Converts what is buffered; returns samples of whole frames.
    fn read_buffered(&mut self, out: &mut [f32]) -> io::Result<usize> {
        let encoding = self.layout.encoding;
        let channels = self.layout.spec.channels.get();
        let buffered = loop {
            match self.file.fill_buf() {
                Ok(bytes) => break bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        let n_frames = (buffered.len() / self.frame_bytes).min(out.len() / channels);
        if n_frames > 0 {
            encoding.decode(&buffered[..n_frames * self.frame_bytes], &mut out[..n_frames * channels]);
            self.file.consume(n_frames * self.frame_bytes);
            return Ok(n_frames * channels);
        }
        // One frame across the buffer's edge, or the file's early end. 256 channels of 8 bytes are the most there are.
        let mut frame = [0; 256 * 8];
        self.file.read_exact(&mut frame[..self.frame_bytes])?;
        encoding.decode(&frame[..self.frame_bytes], &mut out[..channels]);
        Ok(channels)
    }

    fn fault(&self, cause: io::Error) -> SourceError {
        let cause = if cause.kind() == io::ErrorKind::UnexpectedEof {
            io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "the file shrank while it played: expected {} frames, {} were there",
                    self.layout.n_frames, self.position
                ),
            )
        } else {
            cause
        };
        SourceError::File { path: self.path.clone(), cause }
    }
}

/// One read that is not 0: the end of the file is an error here, as the caller knows how much there should be.
fn read_some(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => return Ok(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
