//! Finds the edit list of an MP4 file's audio track, which says how much of what is decoded is sound. symphonia reads
//! the list and does not follow it. Believes no size beyond the box around it, allocates nothing by any.

use std::io::{self, Read, Seek, SeekFrom};

/// Boxes that are looked at before the search is given up.
const MAX_BOXES: usize = 10_000;

/// The one edit of a track: from where, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mp4Edit {
    /// Units of the track's own timescale to skip.
    pub(crate) skip: u64,
    /// Track units per second.
    pub(crate) track_scale: u32,
    /// Length in units of the movie's timescale; 0: to the end.
    pub(crate) length: u64,
    /// Movie units per second.
    pub(crate) movie_scale: u32,
}

#[derive(Default)]
struct Search {
    track_id: u32,
    n_boxes: usize,
    movie_scale: u32,
    /// Of the track that is being walked.
    here: Track,
    found: Option<Track>,
}

#[derive(Clone, Copy, Default)]
struct Track {
    id: u32,
    scale: u32,
    /// Length and start of the only edit that plays something.
    edit: Option<(u64, u64)>,
    n_edits: u32,
}

/// The edit of track `track_id` in a file of `file_len` bytes; `None` where it has none, or several.
pub(crate) fn find_edit(file: &mut (impl Read + Seek), file_len: u64, track_id: u32) -> io::Result<Option<Mp4Edit>> {
    let mut search = Search { track_id, ..Search::default() };
    search.walk(file, 0, file_len, 0)?;
    Ok(search.found.filter(|track| track.n_edits == 1).and_then(|track| {
        let (length, skip) = track.edit?;
        let scales_are_real = track.scale > 0 && search.movie_scale > 0;
        scales_are_real.then_some(Mp4Edit { skip, track_scale: track.scale, length, movie_scale: search.movie_scale })
    }))
}

impl Search {
    /// Looks at the boxes between two places (ISO/IEC 14496-12, 4.2).
    fn walk(&mut self, file: &mut (impl Read + Seek), mut at: u64, end: u64, depth: u8) -> io::Result<()> {
        while at.saturating_add(8) <= end && self.n_boxes < MAX_BOXES {
            self.n_boxes += 1;
            let head: [u8; 8] = read_array(file, at)?;
            let (size, body) = match u64::from(be32(&head, 0)) {
                0 => (end - at, at + 8),
                1 => (u64::from_be_bytes(read_array(file, at + 8)?), at + 16),
                size => (size, at + 8),
            };
            let box_end = at.saturating_add(size).min(end);
            if box_end < body {
                return Ok(()); // smaller than its own header
            }
            match &head[4..] {
                b"moov" | b"edts" | b"mdia" if depth < 4 => self.walk(file, body, box_end, depth + 1)?,
                b"trak" if depth < 4 => {
                    self.here = Track::default();
                    self.walk(file, body, box_end, depth + 1)?;
                    if self.here.id == self.track_id {
                        self.found = Some(self.here);
                    }
                }
                b"mvhd" => self.movie_scale = read_scale(file, body)?,
                b"mdhd" => self.here.scale = read_scale(file, body)?,
                b"tkhd" => {
                    // Version and flags, then creation and modification times of 4 or 8 bytes, then the id.
                    let skip = if read_array::<1>(file, body)?[0] == 1 { 20 } else { 12 };
                    self.here.id = u32::from_be_bytes(read_array(file, body + skip)?);
                }
                b"elst" => self.read_edits(file, body, box_end)?,
                _ => {}
            }
            at = box_end;
        }
        Ok(())
    }

    /// ISO/IEC 14496-12, 8.6.6: a count, then length, start and rate of each edit; a start of −1 is a pause.
    fn read_edits(&mut self, file: &mut (impl Read + Seek), body: u64, end: u64) -> io::Result<()> {
        let head: [u8; 8] = read_array(file, body)?;
        let long = head[0] == 1;
        let entry_bytes = if long { 20 } else { 12 };
        let mut at = body + 8;
        for _ in 0..be32(&head, 4).min(MAX_BOXES as u32) {
            if at + entry_bytes > end {
                break;
            }
            let (length, start) = if long {
                (u64::from_be_bytes(read_array(file, at)?), i64::from_be_bytes(read_array(file, at + 8)?))
            } else {
                let entry: [u8; 8] = read_array(file, at)?;
                (u64::from(be32(&entry, 0)), i64::from(be32(&entry, 4) as i32))
            };
            if let Ok(start) = u64::try_from(start) {
                self.here.edit = Some((length, start));
                self.here.n_edits += 1;
            }
            at += entry_bytes;
        }
        Ok(())
    }
}

fn read_scale(file: &mut (impl Read + Seek), body: u64) -> io::Result<u32> {
    let skip = if read_array::<1>(file, body)?[0] == 1 { 20 } else { 12 };
    Ok(u32::from_be_bytes(read_array(file, body + skip)?))
}

fn read_array<const N: usize>(file: &mut (impl Read + Seek), at: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut out = (body.len() as u32 + 8).to_be_bytes().to_vec();
        out.extend(name);
        out.extend(body);
        out
    }

    fn movie(edits: &[(u32, i32)]) -> Vec<u8> {
        let head = |scale: u32| [&[0; 12][..], &scale.to_be_bytes(), &[0; 8]].concat();
        let mut list = [vec![0; 4], (edits.len() as u32).to_be_bytes().to_vec()].concat();
        for (length, start) in edits {
            list.extend(length.to_be_bytes());
            list.extend(start.to_be_bytes());
            list.extend([0, 1, 0, 0]);
        }
        let trak = [
            boxed(b"tkhd", &[&[0; 12][..], &7u32.to_be_bytes()].concat()),
            boxed(b"edts", &boxed(b"elst", &list)),
            boxed(b"mdia", &boxed(b"mdhd", &head(44_100))),
        ]
        .concat();
        let moov = [boxed(b"mvhd", &head(1_000)), boxed(b"trak", &trak)].concat();
        [boxed(b"ftyp", b"M4A "), boxed(b"free", b""), boxed(b"moov", &moov)].concat()
    }

    fn find(bytes: &[u8]) -> io::Result<Option<Mp4Edit>> {
        find_edit(&mut io::Cursor::new(bytes), bytes.len() as u64, 7)
    }

    #[test]
    fn the_one_edit_is_found_and_several_are_not_followed() {
        let edit = Mp4Edit { skip: 1024, track_scale: 44_100, length: 250, movie_scale: 1_000 };
        assert_eq!(find(&movie(&[(250, 1024)])).unwrap(), Some(edit));
        assert_eq!(find(&movie(&[(10, -1), (250, 1024)])).unwrap(), Some(edit));
        assert_eq!(find(&movie(&[(250, 1024), (250, 9999)])).unwrap(), None);
        assert_eq!(find(&movie(&[])).unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0usize..200, byte: u8, cut in 0usize..250) {
            let mut bytes = movie(&[(250, 1024)]);
            let at = at.min(bytes.len() - 1);
            bytes[at] = byte;
            bytes.truncate(bytes.len().saturating_sub(cut));
            let _ = find(&bytes);
        }
    }
}
