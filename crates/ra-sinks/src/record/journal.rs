//! The list of files that a recorder has written into a directory, kept there across restarts: `.ra-NAME.files`. One line of
//! JSON for each event, appended. What can't be read is as if it had not been written: a file that is not in it is nobody's.
//! Deletes nothing.

mod lines;

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{
    file_identity::FileIdentity,
    storage::{Lasting, create_directories, sync_directory_of},
};
pub(crate) use lines::{Ended, Life, OwnFile};
use lines::{Event, Known, is_below};

/// The list is written anew when it has this many lines, and these many for each file: three for each file come and go.
const LEAST_LINES: usize = 1000;
const LINES_PER_FILE: usize = 4;

/// A journal, locked: no two recorders have one.
#[derive(Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
    path: PathBuf,
    /// Open and locked for appending.
    file: File,
    n_lines: usize,
    /// Of a kill: the file that was written at that moment.
    n_adopted: u64,
    /// Oldest first.
    files: Vec<OwnFile>,
}

impl Journal {
    /// Opens the journal of the recorder called `name`, and takes over what a killed one has left behind.
    ///
    /// # Errors
    /// The system's own; [`io::ErrorKind::WouldBlock`] where another recorder has it.
    pub(crate) fn open(directory: &Path, name: &str) -> io::Result<Self> {
        create_directories(directory, Lasting::Yes)?;
        let path = directory.join(format!(".ra-{name}.files"));
        let old = open_locked(&path)?;
        let mut n_adopted = 0;
        let Known { complete: mut files, begun } = lines::read(&old)?;
        for (file, identity) in begun {
            // Nobody has written it since: we have the lock.
            let path = directory.join(&file);
            match FileIdentity::of(&path) {
                Ok(now) if now.is_provably(&identity) => {
                    n_adopted += 1;
                    let sidecar = sidecar_of(&path);
                    let ended = Ended { identity: now, end_unix_ns: now.written_ns, sidecar };
                    files.push(OwnFile { file, life: Life::Ended(ended) });
                }
                _ => log::info!("{}: can't be proven to be a recording of {name}; it is never deleted", path.display()),
            }
        }
        let file = rewrite(&path, &files)?;
        let n_lines = files.len();
        Ok(Self { directory: directory.to_owned(), path, file, n_lines, n_adopted, files })
    }

    /// Files that a killed recorder had been writing.
    pub(crate) const fn n_adopted(&self) -> u64 {
        self.n_adopted
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that its files are below.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The files, oldest first.
    pub(crate) fn files(&self) -> &[OwnFile] {
        &self.files
    }

    /// A file was created.
    pub(crate) fn begun(&mut self, path: &Path) -> io::Result<()> {
        let file = self.name_of(path)?;
        let identity = FileIdentity::of(path)?;
        // Whatever bore the name is gone.
        self.files.retain(|own| own.file != file);
        self.files.push(OwnFile { file: file.clone(), life: Life::Begun(identity) });
        self.append(file, Event::Begun(identity))
    }

    /// A file is complete, and its last frame was captured then.
    pub(crate) fn ended(&mut self, path: &Path, sidecar: Option<&Path>, end_unix_ns: i128) -> io::Result<()> {
        let file = self.name_of(path)?;
        let identity = match FileIdentity::of(path) {
            Ok(identity) => identity,
            Err(error) => {
                self.files.retain(|own| own.file != file);
                return if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
            }
        };
        let is_own = |own: &OwnFile| !matches!(&own.life, Life::Begun(begun) if begun.node != identity.node);
        if !self.files.iter().rev().find(|own| own.file == file).is_none_or(is_own) {
            // Ours was moved, and what bears its name now is somebody else's.
            return self.forget(&file);
        }
        let sidecar = sidecar.and_then(|path| FileIdentity::of(path).ok());
        let ended = Ended { identity, end_unix_ns, sidecar };
        match self.files.iter_mut().rev().find(|own| own.file == file) {
            Some(own) => own.life = Life::Ended(ended),
            None => self.files.push(OwnFile { file: file.clone(), life: Life::Ended(ended) }),
        }
        self.append(file, Event::Ended(ended))
    }

    /// A file is gone, or somebody else's.
    pub(crate) fn forget(&mut self, file: &str) -> io::Result<()> {
        self.files.retain(|own| own.file != file);
        self.append(file.to_owned(), Event::Forgotten)
    }

    fn name_of(&self, path: &Path) -> io::Result<String> {
        let below = path.strip_prefix(&self.directory).ok().and_then(Path::to_str).filter(|file| is_below(file));
        let no_name = || {
            let message = format!("{} has no name below {}", path.display(), self.directory.display());
            io::Error::new(io::ErrorKind::InvalidInput, message)
        };
        below.map(str::to_owned).ok_or_else(no_name)
    }

    /// Notes an event that `files` shows already.
    fn append(&mut self, file: String, event: Event) -> io::Result<()> {
        if self.is_gone()? {
            return self.write_again();
        }
        if self.n_lines > LINES_PER_FILE * self.files.len() + LEAST_LINES {
            match self.write_anew() {
                Ok(()) => return Ok(()),
                Err(error) => log::warn!("{}: can't be written anew: {error}", self.path.display()),
            }
        }
        self.n_lines += 1;
        self.file.write_all(&lines::line(file, event)?)?;
        self.file.sync_data()
    }

    fn write_anew(&mut self) -> io::Result<()> {
        self.file = rewrite(&self.path, &self.files)?;
        self.n_lines = self.files.len();
        Ok(())
    }

    /// Somebody has removed or moved it, with its directory perhaps.
    fn write_again(&mut self) -> io::Result<()> {
        create_directories(&self.directory, Lasting::Yes)?;
        if self.path.symlink_metadata().is_ok() {
            let message = "was removed, and is another's now";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{}: {message}", self.path.display())));
        }
        self.write_anew()
    }

    #[cfg(unix)]
    fn is_gone(&self) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let open = self.file.metadata()?;
        let is_elsewhere = match self.path.symlink_metadata() {
            Ok(there) => there.ino() != open.ino(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        Ok(open.nlink() == 0 || is_elsewhere)
    }

    /// Windows does not let anybody remove a file that is open for writing.
    #[cfg(not(unix))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "elsewhere it takes a look")]
    fn is_gone(&self) -> io::Result<bool> {
        Ok(false)
    }
}

/// The sidecar beside a recording, as it is now.
fn sidecar_of(recording: &Path) -> Option<FileIdentity> {
    let sidecar = super::sidecar::SidecarFile::beside(recording);
    FileIdentity::of(sidecar.path()).ok()
}

/// Opens the file, or makes it, and locks it.
fn open_locked(path: &Path) -> io::Result<File> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no ordinary file, expected a list of recordings"));
    }
    let file = File::options().read(true).append(true).create(true).open(path)?;
    lock(&file)?;
    Ok(file)
}

fn lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            io::Error::new(io::ErrorKind::WouldBlock, "another recorder of that name writes into this directory")
        }
        TryLockError::Error(error) => error,
    })
}

/// Puts a list of `files` in the old one's place. The old one stays locked until the new one is.
fn rewrite(path: &Path, files: &[OwnFile]) -> io::Result<File> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    // Of a kill while this was written; ours by its name.
    if let Err(error) = fs::remove_file(&temporary)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = File::options().append(true).create_new(true).open(&temporary)?;
    lock(&file)?;
    file.write_all(&lines::of(files)?)?;
    file.sync_data()?;
    fs::rename(&temporary, path)?;
    sync_directory_of(path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(journal: &Journal) -> Vec<&str> {
        journal.files().iter().map(|own| own.file.as_str()).collect()
    }

    #[test]
    fn it_knows_its_files_again_after_a_restart_and_a_kill() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mut journal = Journal::open(dir.path(), "mic").unwrap();
        for name in ["a.wav", "b.wav", "c.wav", "d.wav"] {
            fs::write(at(name), name).unwrap();
            journal.begun(&at(name)).unwrap();
        }
        fs::write(at("a.wav.json"), "{}").unwrap();
        journal.ended(&at("a.wav"), Some(&at("a.wav.json")), 7).unwrap();
        journal.ended(&at("b.wav"), None, 8).unwrap();
        journal.forget("b.wav").unwrap();
        // While it is killed: c.wav goes on to be written, d.wav is replaced by somebody.
        fs::write(at("c.wav"), "more than before").unwrap();
        fs::remove_file(at("d.wav")).unwrap();
        fs::write(at("d.wav"), "foreign").unwrap();
        let before = journal.files()[0].clone();
        drop(journal);
        let torn = fs::read_to_string(at(".ra-mic.files")).unwrap() + "{\"v\":1,\"file\":\"a.wav\",\"event\":\"forg";
        fs::write(at(".ra-mic.files"), torn).unwrap();

        let journal = Journal::open(dir.path(), "mic").unwrap();
        let can_prove = FileIdentity::of(&at("c.wav")).unwrap().born_ns.is_some();
        assert_eq!(names(&journal), if can_prove { vec!["a.wav", "c.wav"] } else { vec!["a.wav"] });
        assert_eq!(journal.n_adopted(), u64::from(can_prove));
        assert_eq!(journal.files()[0], before);
        assert!(before.ended().unwrap().sidecar.is_some());
    }

    /// Ten years of hourly files, of which a day's are kept.
    #[test]
    fn its_lines_are_bounded_by_the_files_that_there_are() {
        let dir = tempfile::tempdir().unwrap();
        let at = |n: usize| dir.path().join(format!("{n}.wav"));
        let list = dir.path().join(".ra-mic.files");
        let mut journal = Journal::open(dir.path(), "mic").unwrap();
        let mut most_lines = 0;
        for n in 0..450 {
            fs::write(at(n), "sound").unwrap();
            journal.begun(&at(n)).unwrap();
            if n >= 24 {
                journal.forget(&format!("{}.wav", n - 24)).unwrap();
            }
            if n % 10 == 9 {
                most_lines = most_lines.max(fs::read_to_string(&list).unwrap().lines().count());
            }
            journal.ended(&at(n), None, n as i128).unwrap();
        }
        assert!((1000..=1101).contains(&most_lines), "{most_lines}");
        let expected: Vec<String> = (426..450).map(|n| format!("{n}.wav")).collect();
        assert_eq!(names(&journal), expected);
        drop(journal);
        assert_eq!(names(&Journal::open(dir.path(), "mic").unwrap()), expected);
    }

    /// Also while a file is being written, whose line is written anew with the others.
    #[test]
    fn a_list_that_was_removed_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let (root, list) = (dir.path().join("rec"), dir.path().join("rec/.ra-mic.files"));
        let mut journal = Journal::open(&root, "mic").unwrap();
        fs::write(root.join("a.wav"), "a").unwrap();
        journal.begun(&root.join("a.wav")).unwrap();
        journal.ended(&root.join("a.wav"), None, 1).unwrap();
        #[cfg(unix)]
        {
            fs::remove_file(&list).unwrap();
            fs::write(root.join("b.wav"), "b").unwrap();
            journal.begun(&root.join("b.wav")).unwrap();
            fs::remove_dir_all(&root).unwrap();
            fs::create_dir(&root).unwrap();
            fs::write(root.join("c.wav"), "c").unwrap();
            journal.begun(&root.join("c.wav")).unwrap();
            assert_eq!(fs::read_to_string(&list).unwrap().lines().count(), 3);
            assert_eq!(Journal::open(&root, "mic").unwrap_err().kind(), io::ErrorKind::WouldBlock, "it is locked");
            journal.ended(&root.join("c.wav"), None, 2).unwrap();
            fs::remove_file(&list).unwrap();
            fs::write(&list, "foreign").unwrap();
            assert_eq!(journal.forget("a.wav").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        }
        assert!(list.exists());
    }

    #[test]
    fn two_recorders_never_have_one_and_the_second_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path(), "mic").unwrap();
        let error = Journal::open(dir.path(), "mic").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
        assert!(Journal::open(dir.path(), "other").is_ok());
        drop(journal);
        assert!(Journal::open(dir.path(), "mic").is_ok());
    }

    #[test]
    fn lines_that_lead_elsewhere_are_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let identity = r#"{"node":1,"born_ns":1,"bytes":1,"written_ns":1}"#;
        let line = |file: &str| {
            let ended = format!(r#"{{"ended":{{"identity":{identity},"end_unix_ns":1,"sidecar":null}}}}"#);
            format!("{{\"v\":1,\"file\":{file:?},\"event\":{ended}}}\n")
        };
        let text = [line("../x.wav"), line("/etc/passwd"), line("a/../../x"), line(""), line("./a"), line("ok/a.wav")];
        fs::write(dir.path().join(".ra-mic.files"), text.concat() + "\u{0}\nnull\n[]\n").unwrap();
        assert_eq!(names(&Journal::open(dir.path(), "mic").unwrap()), ["ok/a.wav"]);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/etc/passwd", dir.path().join(".ra-link.files")).unwrap();
            assert_eq!(Journal::open(dir.path(), "link").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
