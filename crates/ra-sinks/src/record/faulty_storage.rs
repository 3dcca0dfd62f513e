//! A disk in memory that fills up and fails when it is told to. For tests only.

use std::{
    io,
    sync::{Arc, Mutex},
};

use super::storage::Storage;

/// What the disk does next.
#[derive(Clone, Debug, Default)]
pub(super) struct DiskState {
    pub(super) bytes: Vec<u8>,
    /// The file can't grow beyond this many bytes.
    pub(super) room_bytes: Option<u64>,
    /// Every operation fails, also those that need no room.
    pub(super) is_broken: bool,
    /// A write takes at most this many bytes.
    pub(super) most_per_write: Option<usize>,
    pub(super) n_syncs: u64,
    pub(super) fails_syncs: bool,
    pub(super) is_removed: bool,
}

/// A disk that the test and the recorder share.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultyDisk(Arc<Mutex<DiskState>>);

impl FaultyDisk {
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut DiskState) -> R) -> R {
        f(&mut self.0.lock().unwrap())
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.with(|d| d.bytes.clone())
    }
}

impl Storage for FaultyDisk {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.with(|d| {
            if d.is_broken {
                return Err(io::Error::other("input/output error"));
            }
            let room = d.room_bytes.unwrap_or(u64::MAX).max(d.bytes.len() as u64).saturating_sub(offset);
            let n = bytes.len().min(d.most_per_write.unwrap_or(usize::MAX)).min(room.try_into().unwrap());
            if n == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let (start, end) = (offset as usize, offset as usize + n);
            if d.bytes.len() < end {
                d.bytes.resize(end, 0);
            }
            d.bytes[start..end].copy_from_slice(&bytes[..n]);
            Ok(n)
        })
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.with(|d| {
            if d.is_broken {
                return Err(io::Error::other("input/output error"));
            }
            if len > d.room_bytes.unwrap_or(u64::MAX).max(d.bytes.len() as u64) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            d.bytes.resize(len as usize, 0);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|d| {
            d.n_syncs += 1;
            if d.is_broken || d.fails_syncs { Err(io::Error::other("input/output error")) } else { Ok(()) }
        })
    }

    fn check_reachable(&self) -> io::Result<()> {
        self.with(|d| if d.is_removed { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) })
    }
}
