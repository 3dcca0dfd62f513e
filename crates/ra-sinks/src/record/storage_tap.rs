//! A tap on what recorders do to their files, for tests of power cuts and of disks that fail: it sees every call and may
//! refuse it. Changes no call by itself. Without feature `record-testing` nobody can put one in.
#![cfg_attr(not(feature = "record-testing"), allow(unreachable_pub, reason = "public with the feature only"))]

#[cfg(feature = "record-testing")]
use std::sync::{PoisonError, RwLock};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// One call that changes a file, or makes a change last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageCall<'a> {
    /// The file is created, empty.
    Create,
    /// Bytes go to a place in the file.
    Write {
        /// The place of the first of them, in bytes.
        offset: u64,
        /// What is written; after the call, what was really written.
        bytes: &'a [u8],
    },
    /// The file is cut, or lengthened by zeros.
    SetLen {
        /// Its new length in bytes.
        len: u64,
    },
    /// What was written to the file is made to last.
    Sync,
    /// The file's name is made to last.
    SyncDirectory,
}

/// Who watches the files of recorders. Called on their threads.
///
/// # Real-time safety
/// Not real-time safe: implementations may allocate, lock and do I/O.
pub trait StorageTap: Send + Sync {
    /// Is asked before a call is made.
    ///
    /// # Errors
    /// What the recorder is to meet instead of the call.
    fn before(&self, path: &Path, call: StorageCall<'_>) -> io::Result<()> {
        let _ = (path, call);
        Ok(())
    }

    /// Is told of a call that succeeded.
    fn after(&self, path: &Path, call: StorageCall<'_>);
}

#[cfg(feature = "record-testing")]
static TAPS: RwLock<Vec<(PathBuf, Arc<dyn StorageTap>)>> = RwLock::new(Vec::new());

#[cfg(feature = "record-testing")]
/// Shows `tap` every file that a recorder creates below `dir`, until the returned guard is dropped. Files that were
/// created meanwhile keep their tap.
pub fn tap_storage_below(dir: impl Into<PathBuf>, tap: Arc<dyn StorageTap>) -> StorageTapGuard {
    let dir = dir.into();
    TAPS.write().unwrap_or_else(PoisonError::into_inner).push((dir.clone(), Arc::clone(&tap)));
    StorageTapGuard { dir, tap }
}

#[cfg(feature = "record-testing")]
/// Ends a tap when it is dropped.
#[must_use = "the tap ends when this is dropped"]
pub struct StorageTapGuard {
    dir: PathBuf,
    tap: Arc<dyn StorageTap>,
}

#[cfg(feature = "record-testing")]
impl std::fmt::Debug for StorageTapGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StorageTapGuard").field("dir", &self.dir).finish_non_exhaustive()
    }
}

#[cfg(feature = "record-testing")]
impl Drop for StorageTapGuard {
    fn drop(&mut self) {
        let mut taps = TAPS.write().unwrap_or_else(PoisonError::into_inner);
        taps.retain(|(dir, tap)| *dir != self.dir || !Arc::ptr_eq(tap, &self.tap));
    }
}

/// The end of a tap in one file: nothing where nobody watches.
pub(crate) struct Tapped(Option<(PathBuf, Arc<dyn StorageTap>)>);

impl std::fmt::Debug for Tapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tapped").field(&self.0.as_ref().map(|(path, _)| path)).finish()
    }
}

impl Tapped {
    /// The tap of the file at `path`.
    #[cfg(feature = "record-testing")]
    pub(crate) fn of(path: &Path) -> Self {
        let taps = TAPS.read().unwrap_or_else(PoisonError::into_inner);
        Self(taps.iter().find(|(dir, _)| path.starts_with(dir)).map(|(_, tap)| (path.to_owned(), Arc::clone(tap))))
    }

    /// None: there is nobody to watch.
    #[cfg(not(feature = "record-testing"))]
    pub(crate) const fn of(_path: &Path) -> Self {
        Self(None)
    }

    /// Makes `call` by `make` unless the tap refuses; `done` says what was done.
    pub(crate) fn call<'a, T>(
        &self,
        call: StorageCall<'a>,
        make: impl FnOnce() -> io::Result<T>,
        done: impl FnOnce(&T) -> StorageCall<'a>,
    ) -> io::Result<T> {
        let Some((path, tap)) = &self.0 else { return make() };
        tap.before(path, call)?;
        let made = make()?;
        tap.after(path, done(&made));
        Ok(made)
    }
}

#[cfg(all(test, feature = "record-testing"))]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::record::storage::{FileStorage, Storage as _, sync_directory_of};

    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);

    impl StorageTap for Log {
        fn before(&self, _: &Path, call: StorageCall<'_>) -> io::Result<()> {
            match call {
                StorageCall::SetLen { len: 13 } => Err(io::ErrorKind::StorageFull.into()),
                _ => Ok(()),
            }
        }

        fn after(&self, path: &Path, call: StorageCall<'_>) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(format!("{name} {call:?}"));
        }
    }

    #[test]
    fn a_tap_sees_every_call_below_its_directory_until_it_ends_and_may_refuse() {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(Log::default());
        let guard = tap_storage_below(dir.path().join("in"), log.clone());
        std::fs::create_dir(dir.path().join("in")).unwrap();
        FileStorage::create_new(&dir.path().join("outside")).unwrap();
        let mut file = FileStorage::create_new(&dir.path().join("in/a")).unwrap();
        assert_eq!(file.write_at(2, &[7, 8]).unwrap(), 2);
        assert_eq!(file.set_len(13).unwrap_err().kind(), io::ErrorKind::StorageFull);
        file.set_len(3).unwrap();
        file.sync().unwrap();
        sync_directory_of(&dir.path().join("in/a")).unwrap();
        drop(guard);
        FileStorage::create_new(&dir.path().join("in/b")).unwrap();
        assert_eq!(
            *log.0.lock().unwrap(),
            ["a Create", "a Write { offset: 2, bytes: [7, 8] }", "a SetLen { len: 3 }", "a Sync", "a SyncDirectory"]
        );
        assert_eq!(std::fs::read(dir.path().join("in/a")).unwrap(), [0, 0, 7]);
    }
}
