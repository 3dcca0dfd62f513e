//! Deletes what a recorder need not keep: files of its own that are complete, and as it left them. Whatever it can't prove
//! to be that stays for ever, and is said once.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    file_identity::FileIdentity,
    journal::{Ended, Journal},
    policy::Retention,
    sidecar::SidecarFile,
};

/// Files that are deleted at one go at most: others wait for the next time, so that no block waits for long.
const MOST_AT_ONCE: usize = 16;

/// A recorder's own files in all its directories.
#[derive(Debug)]
pub(crate) struct OwnFiles {
    rule: Retention,
    name: String,
    journals: Vec<Journal>,
    n_deleted: u64,
    deleted_bytes: u64,
    /// Files that could not be deleted, by journal, and whether that has to wait until no other is left to go.
    stuck: HashMap<(usize, String), bool>,
    /// Whether something went wrong the last time, so that it is said once.
    is_failing: bool,
}

impl OwnFiles {
    /// Those below `directory`, of the recorder called `name`.
    ///
    /// # Errors
    /// See [`Journal::open`]; it says which file.
    pub(crate) fn open(rule: Retention, directory: &Path, name: &str) -> io::Result<Self> {
        let mut files = Self {
            rule,
            name: name.to_owned(),
            journals: Vec::new(),
            n_deleted: 0,
            deleted_bytes: 0,
            stuck: HashMap::new(),
            is_failing: false,
        };
        files.add_directory(directory)?;
        Ok(files)
    }

    /// Those below another directory too.
    ///
    /// # Errors
    /// As [`OwnFiles::open`].
    pub(crate) fn add_directory(&mut self, directory: &Path) -> io::Result<()> {
        if self.journals.iter().any(|journal| journal.directory() == directory) {
            return Ok(());
        }
        let path = directory.join(format!(".ra-{}.files", self.name));
        let journal = Journal::open(directory, &self.name)
            .map_err(|cause| io::Error::new(cause.kind(), format!("{}: {cause}", path.display())))?;
        if journal.n_adopted() > 0 {
            log::info!("{}: {} files of a recorder that was killed", journal.path().display(), journal.n_adopted());
        }
        self.journals.push(journal);
        Ok(())
    }

    /// A file was created below `directory`.
    pub(crate) fn begun(&mut self, directory: &Path, path: &Path) {
        let result = self.add_directory(directory).and_then(|()| match self.journal_of(path) {
            Some(journal) => journal.begun(path),
            None => Ok(()),
        });
        self.note(path, result);
    }

    /// A file is complete, and its last frame was captured then.
    pub(crate) fn ended(&mut self, path: &Path, sidecar: Option<&Path>, end_unix_ns: i128) {
        let result = match self.journal_of(path) {
            Some(journal) => journal.ended(path, sidecar, end_unix_ns),
            None => Ok(()),
        };
        self.note(path, result);
    }

    /// Files that were deleted, and their bytes.
    pub(crate) const fn deleted(&self) -> (u64, u64) {
        (self.n_deleted, self.deleted_bytes)
    }

    fn journal_of(&mut self, path: &Path) -> Option<&mut Journal> {
        // The longest: one directory may lie below the other.
        self.journals
            .iter_mut()
            .filter(|journal| path.starts_with(journal.directory()))
            .max_by_key(|journal| journal.directory().as_os_str().len())
    }

    fn note(&mut self, path: &Path, result: io::Result<()>) {
        match result {
            Ok(()) => self.is_failing = false,
            Err(error) if !std::mem::replace(&mut self.is_failing, true) => {
                log::warn!("{}: it can't be noted as a recording of {}: {error}", path.display(), self.name);
            }
            Err(_) => {}
        }
    }

    /// Deletes what is to go at `now_unix_ns`, while `current_bytes` are in the file that is being written.
    pub(crate) fn tend(&mut self, now_unix_ns: i128, current_bytes: u64) {
        for _ in 0..MOST_AT_ONCE {
            let Some((journal, file, ended)) = self.next_to_go(now_unix_ns, current_bytes) else {
                self.stuck.values_mut().for_each(|waits| *waits = false);
                return;
            };
            let path = self.journals[journal].directory().join(&file);
            match delete(&path, &ended) {
                Ok(bytes) => {
                    if let Some(bytes) = bytes {
                        log::info!("{}: {} is deleted, {bytes} bytes", self.name, path.display());
                        self.n_deleted += 1;
                        self.deleted_bytes += bytes;
                    }
                    let forgotten = self.journals[journal].forget(&file);
                    self.note(&path, forgotten);
                    self.stuck.remove(&(journal, file));
                }
                Err(error) => {
                    if self.stuck.insert((journal, file), true).is_none() {
                        log::warn!("{}: {} can't be deleted: {error}", self.name, path.display());
                    }
                }
            }
        }
    }

    /// The oldest complete file, where it is too old or all together are too large. Those that can't be deleted are none:
    /// others are not to go in their place.
    fn next_to_go(&self, now_unix_ns: i128, current_bytes: u64) -> Option<(usize, String, Ended)> {
        let complete = self.journals.iter().enumerate().flat_map(|(n, journal)| {
            journal.files().iter().filter_map(move |own| Some((n, own.file.as_str(), own.ended()?)))
        });
        let waits =
            |n: usize, file: &str| !self.stuck.is_empty() && self.stuck.get(&(n, file.to_owned())) == Some(&true);
        let complete = complete.filter(|&(n, file, _)| !waits(n, file));
        let mut total_bytes = current_bytes;
        let mut oldest: Option<(usize, &str, Ended)> = None;
        for (n, file, ended) in complete {
            total_bytes += ended.identity.bytes;
            if oldest.is_none_or(|(.., oldest)| ended.end_unix_ns < oldest.end_unix_ns) {
                oldest = Some((n, file, ended));
            }
        }
        let (n, file, ended) = oldest?;
        let is_old = self.rule.keep.is_some_and(|keep| ended.end_unix_ns + (keep.as_nanos() as i128) < now_unix_ns);
        let is_too_much = self.rule.max_total_bytes.is_some_and(|most| total_bytes > most);
        (is_old || is_too_much).then(|| (n, file.to_owned(), ended))
    }
}

/// Deletes a recording and its sidecar where they are as they were left. Returns how large the recording was; `None`: it is
/// not ours any more.
fn delete(path: &Path, ended: &Ended) -> io::Result<Option<u64>> {
    let sidecar: PathBuf = SidecarFile::beside(path).path().to_owned();
    let deleted = match FileIdentity::of(path) {
        Ok(now) if now == ended.identity => {
            fs::remove_file(path)?;
            Some(now.bytes)
        }
        Ok(_) => {
            log::info!("{}: was changed since it was recorded; it is never deleted", path.display());
            return Ok(None);
        }
        // Somebody has deleted it: its sidecar goes too.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            log::info!("{}: is no ordinary file any more; it is never deleted", path.display());
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if let (Some(left), Ok(now)) = (ended.sidecar, FileIdentity::of(&sidecar))
        && now == left
    {
        fs::remove_file(&sidecar)?;
    }
    Ok(deleted)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{process::Command, time::Duration};

    use super::*;

    /// A file that nobody can delete: something is mounted on it.
    struct Nailed(PathBuf);

    impl Nailed {
        fn down(path: &Path) -> Option<Self> {
            let mounted = Command::new("mount").arg("--bind").arg(path).arg(path).output();
            if mounted.is_ok_and(|o| o.status.success()) {
                return Some(Self(path.to_owned()));
            }
            eprintln!("SKIPPED: no permission to mount a file on itself");
            None
        }
    }

    impl Drop for Nailed {
        fn drop(&mut self) {
            let unmounted = Command::new("umount").arg(&self.0).status();
            assert!(std::thread::panicking() || unmounted.is_ok_and(|s| s.success()));
        }
    }

    #[test]
    fn a_file_that_cannot_be_deleted_stops_no_other_and_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let at = |n: i128| dir.path().join(format!("{n:02}.wav"));
        let rule = Retention { keep: Some(Duration::from_nanos(10)), max_total_bytes: Some(30) };
        let mut own = OwnFiles::open(rule, dir.path(), "mic").unwrap();
        for n in 0..20 {
            fs::write(at(n), "ten bytes!").unwrap();
            own.begun(dir.path(), &at(n));
            own.ended(&at(n), None, n);
        }
        let Some(nailed) = Nailed::down(&at(0)) else { return };
        let left = || (0..20).filter(|&n| at(n).exists()).collect::<Vec<_>>();
        // Those older than 10 ns go at once, all but three of the others by the next time; the nailed one takes no place.
        own.tend(20, 0);
        assert_eq!(left(), [vec![0], (16..20).collect()].concat());
        own.tend(20, 0);
        assert_eq!(left(), [0, 17, 18, 19]);
        assert_eq!(own.deleted(), (16, 160));
        drop(nailed);
        own.tend(20, 0);
        assert_eq!(left(), [17, 18, 19]);
    }
}
