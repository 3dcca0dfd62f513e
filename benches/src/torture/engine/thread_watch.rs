//! What the kernel says of one thread of this process: how often it waited of its own accord, and its page faults. Reads
//! files from an ordinary thread; the watched one knows nothing of it.

use std::path::PathBuf;

/// Counts of one thread since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ThreadCounts {
    /// Times that it gave up its core by itself: slept, or found a lock taken, in the program or in the kernel.
    pub(super) waits: u64,
    /// Page faults that needed no disk.
    pub(super) minor_faults: u64,
    /// Page faults that did.
    pub(super) major_faults: u64,
}

impl ThreadCounts {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            waits: self.waits - earlier.waits,
            minor_faults: self.minor_faults - earlier.minor_faults,
            major_faults: self.major_faults - earlier.major_faults,
        }
    }
}

/// The folder of the thread of that name (15 letters at most); `None` where the system has none, or there is none.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let mut folders = tasks.flatten().map(|entry| entry.path());
    folders.find(|folder| std::fs::read_to_string(folder.join("comm")).is_ok_and(|comm| comm.trim_end() == name))
}

/// What the kernel counts of the thread of that folder.
pub(super) fn counts(folder: &std::path::Path) -> Option<ThreadCounts> {
    let status = std::fs::read_to_string(folder.join("status")).ok()?;
    let waits = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse().ok()?;
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    let (minor_faults, major_faults) = faults(&stat)?;
    Some(ThreadCounts { waits, minor_faults, major_faults })
}

/// Fields 10 and 12 of `/proc/PID/stat`, behind the name in brackets, which may hold anything (proc(5)).
fn faults(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(7);
    let minor = fields.next()?.parse().ok()?;
    let major = fields.nth(1)?.parse().ok()?;
    Some((minor, major))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_any_name() {
        let stat = "12 (a) b 3) S 1 2 3 4 5 6 70 8 90 10 11";
        assert_eq!(faults(stat), Some((70, 90)));
        assert_eq!(faults("12 (a) S 1"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_that_sleeps_is_seen_to_wait() {
        let thread = std::thread::Builder::new().name("watched".to_owned());
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let (ready, started) = std::sync::mpsc::channel();
        let thread = thread.spawn(move || {
            for _ in 0..20 {
                std::thread::sleep(std::time::Duration::from_micros(100));
            }
            ready.send(()).unwrap();
            assert!(wait.recv().is_err(), "nothing is ever sent");
        });
        started.recv().unwrap();
        let folder = find("watched").unwrap();
        assert!(counts(&folder).unwrap().waits >= 20);
        drop(done);
        thread.unwrap().join().unwrap();
        assert!(find("no such thread").is_none());
    }
}
