//! A disk that can be filled and emptied at will: a small file system of its own where one may be mounted, else a tap on
//! the recorder's files that refuses to let them grow.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use ra_sinks::{StorageCall, StorageTap, StorageTapGuard, tap_storage_below};

/// The size of the file system.
const SIZE: &str = "size=24m";

/// A disk.
pub(super) struct FullDisk {
    dir: PathBuf,
    kind: DiskKind,
}

enum DiskKind {
    Mounted,
    Tapped { refuses: Arc<Refusal>, _guard: StorageTapGuard },
}

impl FullDisk {
    /// A disk at `dir`, which is there and empty.
    pub(super) fn new(dir: PathBuf) -> Self {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(&dir).stdin(Stdio::null());
        if cfg!(target_os = "linux") && mount.output().is_ok_and(|output| output.status.success()) {
            return Self { dir, kind: DiskKind::Mounted };
        }
        let refuses = Arc::new(Refusal::default());
        let guard = tap_storage_below(&dir, refuses.clone());
        Self { dir, kind: DiskKind::Tapped { refuses, _guard: guard } }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What kind of disk it is, for people.
    pub(super) const fn what(&self) -> &'static str {
        match self.kind {
            DiskKind::Mounted => "a file system of 24 MiB",
            DiskKind::Tapped { .. } => "a stand-in for a full disk (no file system may be mounted here)",
        }
    }

    /// Takes all room.
    pub(super) fn fill(&self) -> Result<()> {
        match &self.kind {
            DiskKind::Tapped { refuses, .. } => refuses.is_full.store(true, Ordering::Release),
            DiskKind::Mounted => {
                let mut ballast = File::options().create(true).append(true).open(self.ballast())?;
                // Down to the last page: a recorder must not find a gap between two of ours.
                for size in [1 << 20, 4_096] {
                    let piece = vec![0xA5; size];
                    loop {
                        match ballast.write(&piece) {
                            Ok(0) => break,
                            Ok(_) => {}
                            Err(error) if error.kind() == ErrorKind::StorageFull => break,
                            Err(error) => return Err(error).context("cannot fill the disk"),
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives it back.
    pub(super) fn free(&self) -> Result<()> {
        match &self.kind {
            DiskKind::Tapped { refuses, .. } => refuses.is_full.store(false, Ordering::Release),
            DiskKind::Mounted => std::fs::remove_file(self.ballast()).context("cannot empty the disk")?,
        }
        Ok(())
    }

    fn ballast(&self) -> PathBuf {
        self.dir.join("ballast")
    }

    /// Takes it away.
    pub(super) fn end(self) -> Result<()> {
        self.unmount()
    }

    fn unmount(&self) -> Result<()> {
        if matches!(self.kind, DiskKind::Mounted) {
            let status = Command::new("umount").arg(&self.dir).status()?;
            if !status.success() {
                bail!("umount of {} ended with {status}", self.dir.display());
            }
        }
        Ok(())
    }
}

impl Drop for FullDisk {
    /// After [`FullDisk::end`] there is nothing mounted any more, and that is what the second call says.
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The panic is what matters.
            drop(self.unmount());
        }
    }
}

/// Refuses whatever would make a file longer.
#[derive(Default)]
struct Refusal {
    is_full: AtomicBool,
}

impl StorageTap for Refusal {
    fn before(&self, path: &Path, call: StorageCall<'_>) -> io::Result<()> {
        let end = match call {
            StorageCall::Write { offset, bytes } => offset + bytes.len() as u64,
            StorageCall::SetLen { len } => len,
            _ => return Ok(()),
        };
        let is_longer = || std::fs::metadata(path).is_ok_and(|found| end > found.len());
        if self.is_full.load(Ordering::Acquire) && is_longer() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn after(&self, _: &Path, _: StorageCall<'_>) {}
}
