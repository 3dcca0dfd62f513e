//! The bytes on disk: positional writes into one file. Knows no format.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use super::storage_tap::{StorageCall, Tapped};

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
    tapped: Tapped,
}

impl FileStorage {
    /// Creates the file; [`io::ErrorKind::AlreadyExists`] where the name is taken.
    pub(crate) fn create_new(path: &Path) -> io::Result<Self> {
        let tapped = Tapped::of(path);
        let create = || File::options().write(true).create_new(true).open(path);
        let file = tapped.call(StorageCall::Create, create, |_| StorageCall::Create)?;
        Ok(Self { file, tapped })
    }
}

#[cfg(unix)]
fn write_file_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_file_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}

impl Storage for FileStorage {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let write = || write_file_at(&self.file, offset, bytes);
        self.tapped
            .call(StorageCall::Write { offset, bytes }, write, |&n| StorageCall::Write { offset, bytes: &bytes[..n] })
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let call = StorageCall::SetLen { len };
        self.tapped.call(call, || self.file.set_len(len), |()| call)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.tapped.call(StorageCall::Sync, || self.file.sync_data(), |()| StorageCall::Sync)
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
        let call = StorageCall::SyncDirectory;
        Tapped::of(path).call(call, || File::open(parent)?.sync_all(), |()| call)?;
    }
    #[cfg(not(unix))]
    let _: &Path = path;
    Ok(())
}

/// Whether what is made has to survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    Yes,
    No,
}

/// Makes a directory and those above it that are missing.
pub(crate) fn create_directories(directory: &Path, lasting: Lasting) -> io::Result<()> {
    let is_missing = |directory: &&Path| !directory.as_os_str().is_empty() && !directory.exists();
    let made: Vec<&Path> = directory.ancestors().take_while(is_missing).collect();
    fs::create_dir_all(directory)?;
    for made in made.into_iter().filter(|_| lasting == Lasting::Yes) {
        if let Err(e) = sync_directory_of(made) {
            log::warn!("{}: the directory above it can't be synced: {e}", made.display());
        }
    }
    Ok(())
}
