//! What tells a file from every other that ever bore its name: which node of the file system it is, when it was born, how
//! long it is and when it was last written. Reads metadata only, and follows no link.

use std::{
    fs::{self, Metadata},
    io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A file as it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileIdentity {
    /// 0 where the system has none.
    pub(crate) node: u64,
    /// Nanoseconds since the Unix epoch; `None` where the file system does not keep it.
    pub(crate) born_ns: Option<i128>,
    pub(crate) bytes: u64,
    pub(crate) written_ns: i128,
}

impl FileIdentity {
    /// The ordinary file at `path`.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is nothing, [`io::ErrorKind::InvalidInput`] where there is something else: a
    /// link, a directory, a device.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no ordinary file"));
        }
        Ok(Self {
            node: node_of(&metadata),
            born_ns: metadata.created().ok().map(unix_ns),
            bytes: metadata.len(),
            written_ns: unix_ns(metadata.modified()?),
        })
    }

    /// Whether it is one file, whatever was written into it meanwhile. `false` also where the file system does not keep when
    /// files are born: then a new file may have the number of a deleted one.
    pub(crate) fn is_provably(&self, other: &FileIdentity) -> bool {
        self.node == other.node && self.born_ns.is_some() && self.born_ns == other.born_ns
    }
}

fn unix_ns(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}

#[cfg(unix)]
fn node_of(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn node_of(_metadata: &Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_itself_until_somebody_writes_into_it_or_puts_another_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        assert_eq!(FileIdentity::of(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, "sound").unwrap();
        let left = FileIdentity::of(&path).unwrap();
        assert_eq!(FileIdentity::of(&path).unwrap(), left);
        assert!(left.born_ns.is_none() || left.is_provably(&left));
        fs::write(&path, "sound and a note").unwrap();
        let edited = FileIdentity::of(&path).unwrap();
        assert!(edited != left);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "other").unwrap();
        let other = FileIdentity::of(&path).unwrap();
        assert!(other != left && !other.is_provably(&left), "{other:?} and {left:?}");
    }

    #[test]
    fn what_is_no_ordinary_file_has_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(FileIdentity::of(dir.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        #[cfg(unix)]
        {
            let (file, link) = (dir.path().join("a"), dir.path().join("b"));
            fs::write(&file, "x").unwrap();
            std::os::unix::fs::symlink(&file, &link).unwrap();
            assert_eq!(FileIdentity::of(&link).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
