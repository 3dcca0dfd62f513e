//! The bytes on disk: positional writes into one file. Knows no format.

use std::{fs::File, io, path::Path};

/// A file as the containers see it. Tests put a failing one in its place.
pub(crate) trait Storage: Send {
    /// Writes some of `bytes` at `offset`, at least one, and returns how many.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts the file or lengthens it; what is added reads as zeros.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Waits until everything written is on the disk.
    fn sync(&mut self) -> io::Result<()>;

    /// Fails where what is written can't be found by anybody any more.
    fn check_reachable(&self) -> io::Result<()>;
}

/// Writes all of `bytes` at `offset`.
///
/// # Errors
/// How many bytes had been written before the fault, and the fault.
pub(crate) fn write_all_at(storage: &mut dyn Storage, offset: u64, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut done = 0;
    while done < bytes.len() {
        match storage.write_at(offset + done as u64, &bytes[done..]) {
            Ok(0) => return Err((done, io::ErrorKind::WriteZero.into())),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err((done, e)),
        }
    }
    Ok(())
}

/// A real file that did not exist before.
#[derive(Debug)]
pub(crate) struct FileStorage {
    file: File,
}

impl FileStorage {
    /// Creates the file; [`io::ErrorKind::AlreadyExists`] where the name is taken.
    pub(crate) fn create_new(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::options().write(true).create_new(true).open(path)? })
    }
}

impl Storage for FileStorage {
    #[cfg(unix)]
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(&self.file, bytes, offset)
    }

    #[cfg(windows)]
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_write(&self.file, bytes, offset)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// On Unix a removed file takes writes for ever and nobody ever sees them.
    #[cfg(unix)]
    fn check_reachable(&self) -> io::Result<()> {
        if std::os::unix::fs::MetadataExt::nlink(&self.file.metadata()?) == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed while it was being recorded"));
        }
        Ok(())
    }

    /// Windows does not let anybody remove a file that is open for writing.
    #[cfg(windows)]
    fn check_reachable(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes a file's name survive a power cut, where the system has a call for that.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(parent) = path.parent() {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _: &Path = path;
    Ok(())
}
