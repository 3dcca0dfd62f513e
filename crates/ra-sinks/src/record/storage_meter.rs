//! How large a file has become, for whoever does not write it. Changes no call.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::storage::Storage;

/// The length of a file, in bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileLength(Arc<AtomicU64>);

impl FileLength {
    /// Bytes up to the last that was written.
    pub(crate) fn bytes(&self) -> u64 {
        // Relaxed: a value by itself, and one thread writes and reads it.
        self.0.load(Ordering::Relaxed)
    }

    fn grow_to(&self, len: u64) {
        self.0.fetch_max(len, Ordering::Relaxed);
    }
}

/// A storage that tells its length.
pub(crate) struct MeteredStorage {
    inner: Box<dyn Storage>,
    length: FileLength,
}

impl MeteredStorage {
    /// `inner`, which is empty, and where its length shows.
    pub(crate) fn new(inner: Box<dyn Storage>) -> (Self, FileLength) {
        let length = FileLength::default();
        (Self { inner, length: length.clone() }, length)
    }
}

impl Storage for MeteredStorage {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write_at(offset, bytes)?;
        self.length.grow_to(offset + n as u64);
        Ok(n)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)?;
        self.length.0.store(len, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()
    }

    fn check_reachable(&self) -> io::Result<()> {
        self.inner.check_reachable()
    }
}
