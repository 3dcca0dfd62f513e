//! Plays coded files by symphonia: gapless, with damage filled by silence so that time stays true. Decides nothing about
//! looping.

use std::path::{Path, PathBuf};

use ra_core::{SourceError, StreamSpec};
use symphonia::core::{
    errors::Error,
    packet::Packet,
    units::{Duration, TimeBase},
};

use super::{
    codec::{Codec, guarded},
    gapless::Extent,
    watched_file::WatchedFile,
};

/// How many more bytes packets may have in all than the file, to be on the safe side of containers that add headers.
const PACKET_BYTES_SLACK: u64 = 1 << 16;

/// What a read came to.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// So many frames, at least one.
    Frames(usize),
    /// From here on frames look like this; said again until it is accepted.
    FormatChanged(StreamSpec),
    /// That was all.
    End,
}

/// Reads frames of one coded file in their order.
pub(crate) struct DecodedReader {
    path: PathBuf,
    file: WatchedFile,
    codec: Codec,
    extent: Extent,
    /// The format of the frames that are given now.
    spec: StreamSpec,
    /// Interleaved frames that are decoded and not yet given, in the format `pending_spec`.
    pending: Vec<f32>,
    pending_from: usize,
    pending_spec: Option<StreamSpec>,
    given_frames: u64,
    /// What the file said of its whole length when it was opened. What follows in a chain knows nothing of it.
    announced_frames: Option<u64>,
    /// Bytes in the packets so far; an empty one counts as one.
    packet_bytes: u64,
    damaged_packets: u64,
    cut_off: bool,
    ended: bool,
}

impl DecodedReader {
    /// Opens the file and decodes until it is known what really comes out of it.
    pub(crate) fn open(path: &Path, file: WatchedFile) -> Result<Self, SourceError> {
        let codec = Codec::open(path, &file)?;
        let stated_spec = codec.stated_spec(path)?;
        let mut reader = Self {
            path: path.to_owned(),
            file,
            codec,
            extent: Extent::default(),
            spec: StreamSpec { sample_rate: ra_core::SampleRate::HZ_48000, channels: ra_core::ChannelCount::MONO },
            pending: Vec::new(),
            pending_from: 0,
            pending_spec: stated_spec,
            given_frames: 0,
            announced_frames: None,
            packet_bytes: 0,
            damaged_packets: 0,
            cut_off: false,
            ended: false,
        };
        while reader.pending.is_empty() && !reader.ended {
            reader.decode_packet()?;
        }
        match reader.pending_spec {
            Some(spec) => reader.spec = spec,
            None => return Err(reader.damaged("it holds no sound that can be decoded, expected at least one packet")),
        }
        reader.extent = reader
            .codec
            .extent(reader.spec.sample_rate.hz(), &reader.file)
            .map_err(|cause| SourceError::File { path: path.to_owned(), cause })?;
        reader.announced_frames = reader.extent.total_frames;
        reader.trim_pending();
        Ok(reader)
    }

    /// Whether all that there is was given.
    pub(crate) fn is_over(&self) -> bool {
        self.ended && self.pending_frames() == 0
    }

    pub(crate) const fn gave_nothing(&self) -> bool {
        self.given_frames == 0
    }

    pub(crate) const fn spec(&self) -> StreamSpec {
        self.spec
    }

    /// Frames to the end, by what the file says of itself. A file that was cut off ends earlier.
    pub(crate) fn remaining_frames(&self) -> Option<u64> {
        if self.ended {
            return Some(self.pending_frames() as u64);
        }
        self.extent.total_frames.map(|total| total.saturating_sub(self.given_frames))
    }

    /// What was odd so far, for people.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.damaged_packets > 0 {
            remarks.push(format!("{} damaged packets; silence of their length stands for them", self.damaged_packets));
        }
        let beyond = self.announced_frames.map_or(0, |announced| self.given_frames.saturating_sub(announced));
        if beyond > 0 {
            remarks.push(format!("{beyond} frames stand behind the end that the header states; they are played"));
        }
        if self.ended {
            match self.extent.total_frames {
                Some(total) if self.given_frames + (self.pending_frames() as u64) < total => remarks.push(format!(
                    "the header states {total} frames, {} were there",
                    self.given_frames + self.pending_frames() as u64
                )),
                _ if self.cut_off => remarks.push("the file is cut off; what is there was played".to_owned()),
                _ => {}
            }
        }
        remarks
    }

    /// Back to the first frame, with a fresh decoder: the second time sounds like the first to the last bit.
    pub(crate) fn rewind(&mut self) -> Result<(), SourceError> {
        let file = self.file.reopen().map_err(|cause| SourceError::File { path: self.path.clone(), cause })?;
        let mut fresh = Self::open(&self.path, file)?;
        // Where the file ended in another format than it begins in, the next read says so.
        fresh.spec = self.spec;
        fresh.damaged_packets += self.damaged_packets;
        *self = fresh;
        Ok(())
    }

    /// Fills `out` with whole frames as far as they go in one format.
    pub(crate) fn read(&mut self, out: &mut [f32]) -> Result<Decoded, SourceError> {
        loop {
            if self.pending_from < self.pending.len() {
                match self.pending_spec {
                    Some(spec) if spec != self.spec => return Ok(Decoded::FormatChanged(spec)),
                    _ => {}
                }
                let pending = &self.pending[self.pending_from..];
                let channels = self.spec.channels.get();
                let n = pending.len().min(out.len() / channels * channels);
                out[..n].copy_from_slice(&pending[..n]);
                self.pending_from += n;
                self.given_frames += (n / channels) as u64;
                return Ok(Decoded::Frames(n / channels));
            }
            if self.ended {
                return Ok(Decoded::End);
            }
            self.decode_packet()?;
            self.trim_pending();
        }
    }

    /// Goes on in a format that was announced.
    pub(crate) const fn accept(&mut self, spec: StreamSpec) {
        self.spec = spec;
    }

    fn pending_frames(&self) -> usize {
        self.pending_spec.map_or(0, |spec| spec.frames(self.pending.len() - self.pending_from))
    }

    /// Decodes the next packet of our track into `pending`, untrimmed. May leave it empty.
    fn decode_packet(&mut self) -> Result<(), SourceError> {
        self.pending.clear();
        self.pending_from = 0;
        let packet = match guarded(|| self.codec.format.next_packet()) {
            Ok(Some(packet)) => packet,
            Ok(None) => {
                self.ended = true;
                return Ok(());
            }
            Err(Error::ResetRequired) => {
                // A chained stream: what follows has its own codec, and nothing of what was known holds.
                self.codec.reset(&self.path)?;
                self.extent = Extent::default();
                return Ok(());
            }
            Err(Error::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                self.ended = true;
                self.cut_off = true;
                return Ok(());
            }
            Err(Error::IoError(cause)) => return Err(SourceError::File { path: self.path.clone(), cause }),
            Err(error) => return Err(self.damaged(&error.to_string())),
        };
        // Tables that lead to the same bytes again and again would be sound without end.
        self.packet_bytes += (packet.data.len() as u64).max(1);
        if self.packet_bytes > self.file.len() + PACKET_BYTES_SLACK {
            return Err(
                self.damaged("its packets have more bytes than the file, expected each byte in one packet at most")
            );
        }
        if packet.track_id != self.codec.track_id {
            return Ok(());
        }
        let (decoder, pending) = (&mut self.codec.decoder, &mut self.pending);
        let decoded = guarded(|| {
            let sound = decoder.decode(&packet)?;
            sound.copy_to_vec_interleaved(pending);
            Ok((sound.spec().rate(), sound.spec().channels().count()))
        });
        match decoded {
            Ok(_) if self.pending.is_empty() => Ok(()),
            Ok((rate_hz, channels)) => {
                let spec = StreamSpec::new(rate_hz, u16::try_from(channels).unwrap_or(u16::MAX))
                    .map_err(|cause| SourceError::Spec { what: self.path.display().to_string(), cause })?;
                self.pending_spec = Some(spec);
                // What was no number when it was coded was none of this codec's: the packet's bits are damaged.
                if !self.pending.iter().all(|sample| sample.is_finite()) && !self.codec.keeps_floats() {
                    self.damaged_packets += 1;
                    self.pending.fill(0.0);
                }
                Ok(())
            }
            // An I/O error of a decoder is about the packet's bits, not about the file.
            Err(Error::DecodeError(_) | Error::IoError(_) | Error::ResetRequired) => {
                self.damaged_packets += 1;
                self.pending.clear();
                self.stand_in(&packet);
                Ok(())
            }
            Err(error) => Err(self.damaged(&error.to_string())),
        }
    }

    /// Silence as long as a packet that can't be decoded.
    fn stand_in(&mut self, packet: &Packet) {
        /// No codec has packets as long as this; a damaged length must not become memory.
        const MAX_FRAMES: u128 = 1 << 16;
        if let (Some(spec), Some(base)) = (self.pending_spec, self.codec.time_base()) {
            let n_frames = frames_of(packet.block_dur(), base, spec.sample_rate.hz()).min(MAX_FRAMES) as usize;
            self.pending.resize(spec.samples(n_frames), 0.0);
        }
    }

    /// Cuts the packet that was just decoded to its sound.
    fn trim_pending(&mut self) {
        let Some(spec) = self.pending_spec else { return };
        let n_frames = self.pending_frames();
        if n_frames == 0 {
            return;
        }
        let [first, second] = self.extent.trim.take(n_frames);
        let samples = |at: usize| spec.samples(at);
        if second.is_empty() {
            self.pending.truncate(samples(first.end));
            self.pending_from = samples(first.start.min(first.end));
        } else {
            self.pending.drain(samples(first.end)..samples(second.start));
            self.pending_from = samples(first.start);
        }
    }

    fn damaged(&self, message: &str) -> SourceError {
        SourceError::Format { path: self.path.clone(), message: message.to_owned() }
    }
}

/// Frames at `rate_hz` in a duration that is counted in `base`.
fn frames_of(duration: Duration, base: TimeBase, rate_hz: u32) -> u128 {
    let (numer, denom) = (u128::from(base.numer.get()), u128::from(base.denom.get()));
    u128::from(duration.get()).saturating_mul(numer).saturating_mul(u128::from(rate_hz)) / denom
}
