//! Reads the chunks of a WAV file up to its sound, and decides how much sound there is. Believes no size that it has not
//! compared with the file's own, and allocates nothing by any of them.

use std::io::{self, Read, Seek, SeekFrom};

use ra_core::{SpecError, StreamSpec};

use super::{
    pcm::PcmEncoding,
    wav_format::{EXTENSIBLE_BYTES, read_format, u32_at, u64_at},
};

/// A file with more chunks than this before its sound is nobody's recording.
const MAX_CHUNKS: usize = 10_000;
/// What a recorder writes that does not know the size yet.
const UNKNOWN_SIZE: u64 = 0xffff_ffff;

/// Where the sound is and how it is kept.
#[derive(Debug, PartialEq)]
pub(crate) struct WavLayout {
    pub(crate) spec: StreamSpec,
    pub(crate) encoding: PcmEncoding,
    /// Byte offset of the first frame.
    pub(crate) data_start: u64,
    /// Whole frames that the file holds.
    pub(crate) n_frames: u64,
    /// What was odd and how it was read, for people.
    pub(crate) notes: Vec<String>,
}

/// What the header turned out to be.
#[derive(Debug, PartialEq)]
pub(crate) enum WavHeader {
    /// Linear samples: ours.
    Linear(WavLayout),
    /// Not a WAV file at all, or one that is coded in another way: somebody else's.
    Other,
}

/// Why the header is no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum WavFault {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error("{0}")]
    Damaged(String),
}

pub(crate) fn damaged<T>(message: impl Into<String>) -> Result<T, WavFault> {
    Err(WavFault::Damaged(message.into()))
}

/// Reads the header of a file of `file_len` bytes; leaves the file's position anywhere.
pub(crate) fn read_header(file: &mut (impl Read + Seek), file_len: u64) -> Result<WavHeader, WavFault> {
    let mut id = [0; 12];
    if file_len < 12 || !read_at(file, 0, &mut id)? {
        return Ok(WavHeader::Other);
    }
    let (form, wave) = (&id[..4], &id[8..]);
    if !matches!(form, b"RIFF" | b"RF64" | b"BW64") || wave != b"WAVE" {
        return Ok(WavHeader::Other);
    }
    let mut notes = Vec::new();
    let mut long_data_bytes = None;
    let mut format = None;
    let mut at = 12u64;
    for _ in 0..MAX_CHUNKS {
        let Some(chunk) = read_chunk(file, at, file_len)? else {
            return match format {
                None => damaged("a WAV file without a fmt chunk, expected one and then a data chunk"),
                Some(_) => damaged("a WAV file without a data chunk, expected one behind the fmt chunk"),
            };
        };
        match &chunk.id {
            b"ds64" if form != b"RIFF" => {
                // EBU Tech 3306: RIFF size, data size, sample count, table length.
                let mut body = [0; 16];
                if chunk.claimed_bytes < 24 || !read_at(file, chunk.body, &mut body)? {
                    return damaged(format!("a ds64 chunk of {} bytes, expected at least 24", chunk.claimed_bytes));
                }
                long_data_bytes = Some(u64_at(&body, 8));
            }
            b"fmt " if format.is_none() => match read_format(&format_bytes(file, &chunk)?, &mut notes)? {
                Some(found) => format = Some(found),
                None => return Ok(WavHeader::Other),
            },
            b"data" => {
                let Some((spec, encoding)) = format else {
                    return damaged("a WAV file whose data chunk comes before any fmt chunk, expected fmt first");
                };
                let frame_bytes = (spec.channels.get() * encoding.bytes()) as u64;
                let data =
                    DataChunk { body: chunk.body, claimed_bytes: chunk.claimed_bytes, long_data_bytes, file_len };
                let bytes = data.real_bytes(file, &mut notes)?;
                if bytes % frame_bytes != 0 {
                    notes.push(format!(
                        "the sound ends {} bytes into a frame of {frame_bytes}; the broken frame is left out",
                        bytes % frame_bytes
                    ));
                }
                let n_frames = bytes / frame_bytes;
                return Ok(WavHeader::Linear(WavLayout { spec, encoding, data_start: chunk.body, n_frames, notes }));
            }
            _ => {}
        }
        at = end_of_chunk(file, &chunk, file_len)?;
    }
    damaged(format!("more than {MAX_CHUNKS} chunks before the sound, expected a data chunk by then"))
}

/// A chunk's header.
struct Chunk {
    id: [u8; 4],
    claimed_bytes: u64,
    /// Byte offset of what is in it.
    body: u64,
}

/// The data chunk, and all that is said of its size.
struct DataChunk {
    body: u64,
    claimed_bytes: u64,
    long_data_bytes: Option<u64>,
    file_len: u64,
}

impl DataChunk {
    /// Bytes of sound: what the header claims where that can be, what the file holds where it can't.
    ///
    /// | claimed | read as |
    /// |---|---|
    /// | less than there is | as claimed; what follows is other chunks, and no sound |
    /// | … and the file holds that plus a multiple of 4 GiB | all there is: the recorder's 32 bits ran over |
    /// | more than there is | all there is |
    /// | 0xFFFFFFFF, with no ds64 chunk to say more | all there is: the recorder never learned the size |
    /// | 0, and chunks or nothing follow | no frames |
    /// | 0, and something else follows | all there is: the recorder was killed before it wrote the size |
    fn real_bytes(&self, file: &mut (impl Read + Seek), notes: &mut Vec<String>) -> Result<u64, WavFault> {
        let there = self.file_len.saturating_sub(self.body);
        let claimed = match self.long_data_bytes {
            Some(long) if self.claimed_bytes == UNKNOWN_SIZE => long,
            _ => self.claimed_bytes,
        };
        if claimed == UNKNOWN_SIZE && self.long_data_bytes.is_none() {
            if there != claimed {
                notes.push(format!("the header leaves the size of the sound open; all {there} bytes are played"));
            }
            return Ok(there);
        }
        if claimed > there {
            notes.push(format!("the header claims {claimed} bytes of sound, the file holds {there}; those are played"));
            return Ok(there);
        }
        if claimed < there && !self.chunks_follow(file, claimed)? {
            if claimed == 0 {
                notes.push(format!("the header claims no sound, but there are {there} bytes; they are played"));
                return Ok(there);
            }
            if self.long_data_bytes.is_none() && there > UNKNOWN_SIZE && there & UNKNOWN_SIZE == claimed {
                notes.push(format!("the header's size ran over at 4 GiB; all {there} bytes are played"));
                return Ok(there);
            }
            notes.push(format!("{} bytes behind the sound are no chunk; they are left out", there - claimed));
        }
        Ok(claimed)
    }

    /// Whether what stands behind the claimed end looks like another chunk, or is too short to be anything.
    fn chunks_follow(&self, file: &mut (impl Read + Seek), claimed: u64) -> Result<bool, WavFault> {
        let padded = self.body + claimed + (claimed & 1);
        Ok(self.file_len.saturating_sub(padded) < 8 || is_chunk(file, padded, self.file_len)?)
    }
}

/// Whether a chunk with a readable name stands at `at` and fits the file.
fn is_chunk(file: &mut (impl Read + Seek), at: u64, file_len: u64) -> Result<bool, WavFault> {
    Ok(read_chunk(file, at, file_len)?.is_some_and(|chunk| {
        chunk.id.iter().all(|b| (0x20..0x7f).contains(b)) && chunk.body + chunk.claimed_bytes <= file_len
    }))
}

fn read_chunk(file: &mut (impl Read + Seek), at: u64, file_len: u64) -> Result<Option<Chunk>, WavFault> {
    let mut head = [0; 8];
    if at.saturating_add(8) > file_len || !read_at(file, at, &mut head)? {
        return Ok(None);
    }
    let id = [head[0], head[1], head[2], head[3]];
    Ok(Some(Chunk { id, claimed_bytes: u64::from(u32_at(&head, 4)), body: at + 8 }))
}

/// Where the next chunk begins: chunks are padded to even sizes, but not by every recorder.
fn end_of_chunk(file: &mut (impl Read + Seek), chunk: &Chunk, file_len: u64) -> Result<u64, WavFault> {
    let end = chunk.body + chunk.claimed_bytes; // 2^33 at most over a file position: no overflow
    if chunk.claimed_bytes % 2 == 1 && !is_chunk(file, end + 1, file_len)? && is_chunk(file, end, file_len)? {
        return Ok(end);
    }
    Ok(end + chunk.claimed_bytes % 2)
}

/// As much of a fmt chunk as means something.
fn format_bytes(file: &mut (impl Read + Seek), chunk: &Chunk) -> Result<Vec<u8>, WavFault> {
    let mut body = vec![0; chunk.claimed_bytes.min(EXTENSIBLE_BYTES as u64) as usize];
    if read_at(file, chunk.body, &mut body)? {
        return Ok(body);
    }
    damaged(format!("a fmt chunk of {} bytes that the file ends in", chunk.claimed_bytes))
}

/// Fills `bytes` from `at`; `false` where the file ends before that.
fn read_at(file: &mut (impl Read + Seek), at: u64, bytes: &mut [u8]) -> Result<bool, WavFault> {
    file.seek(SeekFrom::Start(at))?;
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file of any length whose bytes behind the given ones are sound-like: no chunk.
    struct Sparse {
        head: Vec<u8>,
        len: u64,
        at: u64,
    }

    impl Read for Sparse {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = (self.len.saturating_sub(self.at)).min(out.len() as u64) as usize;
            for (i, byte) in out[..n].iter_mut().enumerate() {
                *byte = self.head.get(self.at as usize + i).copied().unwrap_or(0x81);
            }
            self.at += n as u64;
            Ok(n)
        }
    }

    impl Seek for Sparse {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            match to {
                SeekFrom::Start(at) => self.at = at,
                _ => return Err(io::Error::other("only from the start")),
            }
            Ok(self.at)
        }
    }

    fn head(form: &[u8; 4], data_bytes: u32, ds64: Option<u64>) -> Vec<u8> {
        let mut head = form.to_vec();
        head.extend([0xff; 4]);
        head.extend(b"WAVE");
        if let Some(data) = ds64 {
            head.extend(b"ds64\x1c\0\0\0");
            head.extend(data.wrapping_add(72).to_le_bytes());
            head.extend(data.to_le_bytes());
            head.extend((data / 4).to_le_bytes());
            head.extend([0; 4]);
        }
        head.extend(b"fmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\xee\x02\0\x04\0\x10\0data");
        head.extend(data_bytes.to_le_bytes());
        head
    }

    fn layout(head: Vec<u8>, n_bytes: u64) -> WavLayout {
        let len = head.len() as u64 + n_bytes;
        match read_header(&mut Sparse { head, len, at: 0 }, len).unwrap() {
            WavHeader::Linear(layout) => layout,
            WavHeader::Other => panic!("not taken for a WAV"),
        }
    }

    #[test]
    fn sizes_beyond_4_gib_are_found() {
        let six_gib = 6u64 << 30;
        let rf64 = layout(head(b"RF64", u32::MAX, Some(six_gib)), six_gib);
        assert_eq!((rf64.n_frames, rf64.notes.len()), (six_gib / 4, 0));
        // The recorder counted in 32 bits.
        let wrapped = layout(head(b"RIFF", (six_gib & 0xffff_ffff) as u32, None), six_gib);
        assert_eq!(wrapped.n_frames, six_gib / 4);
        assert!(wrapped.notes[0].contains("ran over at 4 GiB"), "{:?}", wrapped.notes);
        let open = layout(head(b"RIFF", u32::MAX, None), six_gib);
        assert_eq!(open.n_frames, six_gib / 4);
        assert!(open.notes[0].contains("leaves the size"), "{:?}", open.notes);
    }

    #[test]
    fn a_long_size_that_lies_is_cut_to_the_file() {
        let cut = layout(head(b"RF64", u32::MAX, Some(u64::MAX - 7)), 4001);
        assert_eq!(cut.n_frames, 1000);
        assert_eq!(cut.notes.len(), 2, "{:?}", cut.notes);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..64, flip: u8) {
            let len = bytes.len() as u64;
            let _ = read_header(&mut io::Cursor::new(&bytes), len);
            // And near a real header, where the chances of getting deep are better.
            let mut near = head(b"RF64", 400, Some(77));
            near[at] = flip;
            near.append(&mut bytes);
            let len = near.len() as u64;
            if let Ok(WavHeader::Linear(layout)) = read_header(&mut io::Cursor::new(&near), len) {
                let bytes = layout.n_frames * (layout.spec.channels.get() * layout.encoding.bytes()) as u64;
                prop_assert!(layout.data_start + bytes <= len);
            }
        }
    }
}
