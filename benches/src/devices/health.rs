//! What this process has: threads, memory, time on processors. From Linux's /proc; nothing elsewhere, but the heap.

/// A look at the process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    /// Threads that there are.
    pub(super) n_threads: usize,
    /// Bytes that are resident.
    pub(super) resident_bytes: u64,
    /// Bytes of the heap that are in use; 0 where nobody counts them.
    pub(super) heap_bytes: u64,
    /// Time on processors since the start, in seconds.
    pub(super) cpu_s: f64,
}

impl Health {
    /// Looks now.
    pub(super) fn look() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |key: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Self {
            n_threads: number("Threads:").unwrap_or(0) as usize,
            resident_bytes: number("VmRSS:").unwrap_or(0) * 1024,
            heap_bytes: crate::torture::engine::heap_bytes(),
            cpu_s: cpu_s().unwrap_or(0.0),
        }
    }
}

/// proc(5): fields 14 and 15 of `stat`, threads that have ended included, in hundredths of a second.
fn cpu_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    // USER_HZ is 100 on every Linux that there is.
    Some((user + system) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_has_threads_memory_and_time() {
        let begun = Health::look();
        assert!(begun.n_threads >= 1 && begun.resident_bytes > 100_000, "{begun:?}");
        let mut spun = 0_u64;
        while Health::look().cpu_s < begun.cpu_s + 0.02 {
            spun += 1;
        }
        assert!(spun > 0);
    }
}
