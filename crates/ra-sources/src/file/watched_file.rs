//! A file whose length was noted when it was opened, so that one that shrinks is told from one that ends.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use symphonia::core::io::MediaSource;

/// A regular file; fails where it turns out shorter than it was.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    file: File,
    len: u64,
    at: u64,
}

impl WatchedFile {
    /// Opens a regular file. A directory, a pipe or a device is refused before it can block anybody.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(io::Error::other("a directory, expected a sound file"));
        }
        if !metadata.is_file() {
            return Err(io::Error::other("a pipe or a device, expected a regular file"));
        }
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        if len == 0 {
            return Err(io::Error::other("an empty file, expected a sound file"));
        }
        Ok(Self { file, len, at: 0 })
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// The plain file, at its beginning.
    pub(crate) fn into_file(mut self) -> io::Result<File> {
        self.file.rewind()?;
        Ok(self.file)
    }

    /// Looks at the file elsewhere and comes back to where it was, so that another view of it notices nothing.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
        let mut file = self.file.try_clone()?;
        let at = file.stream_position()?;
        let seen = look(&mut file);
        file.seek(SeekFrom::Start(at))?;
        seen
    }

    /// Another view of the same file from its beginning. The two share one place: the old one is not to be read again.
    pub(crate) fn reopen(&self) -> io::Result<Self> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(Self { file, len: self.len, at: 0 })
    }
}

impl Read for WatchedFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(out)?;
        if n == 0 && !out.is_empty() && self.at < self.len {
            // Not `UnexpectedEof`: decoders take that for an ordinary end.
            return Err(io::Error::other(format!(
                "the file shrank while it played: expected {} bytes, {} were there",
                self.len, self.at
            )));
        }
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for WatchedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}

impl MediaSource for WatchedFile {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len)
    }
}
