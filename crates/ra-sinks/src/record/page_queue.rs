//! Encoded pages on their way into a file: each whole, one behind the other. Knows no codec.
//!
//! The file ends behind its last whole page. An Ogg page is one write of about a kilobyte, which a kill tears only where
//! it crosses a page of the system's cache (4 KiB), and hardly ever. A FLAC frame crosses several; so its first bytes are
//! written last: until they are there nothing marks what follows as a frame, and readers pass over it. The first page is
//! another matter, for a file without any has to open too: see [`Beginning`].
#![cfg_attr(
    not(all(feature = "record", feature = "icecast", feature = "flac", feature = "opus")),
    allow(dead_code, reason = "what builds without files, without streams or without a codec leave over")
)]

use std::{collections::VecDeque, io};

use super::storage::{Storage, write_all_at};
use crate::encode::Page;

/// Bytes that may wait for the file: 16 s of Opus at 128 kbit/s, 1.3 s of 24-bit stereo FLAC.
const CAPACITY_BYTES: usize = 256 * 1024;
/// What a decoder knows a FLAC frame by: the sync code in the first two bytes of its header (RFC 9639, section 9.1).
const MARK_BYTES: usize = 4;

/// What stands behind the headers as long as there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// Nothing.
    Bare,
    /// These bytes, whose place the first page takes in one write: a kill can't tear it where it is small.
    StandIn(Vec<u8>),
    /// So many zeros, which the headers speak of. The first page takes the last of them; as soon as it is there the
    /// headers have to speak of fewer. What stands behind the pages that the headers speak of does not matter.
    Reserve(usize),
}

/// Pages that wait, and the file that they go to.
pub(super) struct PageQueue {
    storage: Box<dyn Storage>,
    beginning: Beginning,
    waiting: VecDeque<Page>,
    waiting_bytes: usize,
    /// Where the byte behind the last whole page stands.
    end_bytes: u64,
    /// Whether no page is in the file.
    is_empty: bool,
    written_frames: u64,
    /// Whether something may stand behind the last whole page.
    is_torn: bool,
}

impl PageQueue {
    /// Writes `headers` at the beginning of an empty file, and what stands behind them.
    pub(super) fn create(mut storage: Box<dyn Storage>, headers: &[u8], beginning: Beginning) -> io::Result<Self> {
        write_all_at(storage.as_mut(), 0, headers).map_err(|(_, e)| e)?;
        let mut queue = Self {
            storage,
            beginning,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            end_bytes: headers.len() as u64,
            is_empty: true,
            written_frames: 0,
            is_torn: false,
        };
        match &queue.beginning {
            Beginning::Bare => {}
            Beginning::StandIn(bytes) => {
                write_all_at(queue.storage.as_mut(), queue.end_bytes, bytes).map_err(|(_, e)| e)?;
            }
            Beginning::Reserve(n_bytes) => {
                queue.end_bytes += *n_bytes as u64;
                queue.storage.set_len(queue.end_bytes)?;
            }
        }
        Ok(queue)
    }

    /// Takes pages, however many wait already: who asks [`PageQueue::is_full`] before encoding bounds them.
    pub(super) fn push(&mut self, pages: &mut Vec<Page>) {
        for page in pages.drain(..) {
            self.waiting_bytes += page.bytes.len();
            self.waiting.push_back(page);
        }
    }

    /// Whether no more should be encoded before some of it is written.
    pub(super) const fn is_full(&self) -> bool {
        self.waiting_bytes >= CAPACITY_BYTES
    }

    /// Frames in pages that are in the file whole.
    pub(super) const fn written_frames(&self) -> u64 {
        self.written_frames
    }

    /// Writes the first page, unless it is there.
    pub(super) fn drain_first(&mut self) -> io::Result<()> {
        if self.is_empty && !self.waiting.is_empty() { self.drain_some(1) } else { Ok(()) }
    }

    /// Bytes of a reserve that no page has taken.
    pub(super) const fn reserve_left_bytes(&self) -> usize {
        match &self.beginning {
            Beginning::Reserve(n_bytes) => *n_bytes,
            _ => 0,
        }
    }

    /// Writes what waits; on an error the pages that got through are in the file, and the others go on waiting.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        self.drain_some(usize::MAX)
    }

    fn drain_some(&mut self, n_pages: usize) -> io::Result<()> {
        self.storage.check_reachable()?;
        for _ in 0..n_pages {
            if self.waiting.is_empty() {
                break;
            }
            if let Err(error) = self.write_front() {
                self.is_torn = true;
                self.cut();
                return Err(error);
            }
        }
        if self.is_torn {
            self.cut();
        }
        Ok(())
    }

    fn write_front(&mut self) -> io::Result<()> {
        let Some(page) = self.waiting.front() else { return Ok(()) };
        let (storage, len) = (self.storage.as_mut(), page.bytes.len());
        match &mut self.beginning {
            Beginning::StandIn(bytes) if self.is_empty => {
                write_all_at(storage, self.end_bytes, &page.bytes).map_err(|(_, e)| e)?;
                self.is_torn |= len < bytes.len();
                self.end_bytes += len as u64;
            }
            Beginning::Reserve(n_bytes) if self.is_empty && len <= *n_bytes => {
                write_all_at(storage, self.end_bytes - len as u64, &page.bytes).map_err(|(_, e)| e)?;
                *n_bytes -= len;
            }
            Beginning::Reserve(_) => {
                let (mark, rest) = page.bytes.split_at(MARK_BYTES.min(len));
                write_all_at(storage, self.end_bytes + mark.len() as u64, rest).map_err(|(_, e)| e)?;
                write_all_at(storage, self.end_bytes, mark).map_err(|(_, e)| e)?;
                self.end_bytes += len as u64;
            }
            Beginning::Bare | Beginning::StandIn(_) => {
                write_all_at(storage, self.end_bytes, &page.bytes).map_err(|(_, e)| e)?;
                self.end_bytes += len as u64;
            }
        }
        self.is_empty = false;
        self.waiting_bytes -= len;
        self.written_frames += page.n_frames;
        self.waiting.pop_front();
        Ok(())
    }

    /// Writes over bytes at the beginning of the file, in one piece.
    pub(super) fn rewrite_head(&mut self, head: &[u8]) -> io::Result<()> {
        write_all_at(self.storage.as_mut(), 0, head).map_err(|(_, e)| e)
    }

    /// Waits until everything written is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.storage.sync()
    }

    /// Takes away what stands behind the last whole page. Where that fails it stays, without a mark, until the next
    /// attempt writes over it.
    fn cut(&mut self) {
        let cut = self.storage.set_len(self.end_bytes);
        let stands_in = match &self.beginning {
            Beginning::StandIn(bytes) if self.is_empty => write_all_at(self.storage.as_mut(), self.end_bytes, bytes),
            _ => Ok(()),
        };
        self.is_torn = cut.is_err() || stands_in.is_err();
    }
}
