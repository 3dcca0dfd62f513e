//! How much memory the process holds.

/// Resident bytes; `None` where the system does not say.
pub(super) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Remembers what was held once everything was warm.
#[derive(Debug, Default)]
pub(super) struct MemoryWatch {
    warm_bytes: Option<u64>,
    most_bytes: u64,
}

impl MemoryWatch {
    /// Looks. The first look is the one that the others are compared with.
    pub(super) fn look(&mut self) -> u64 {
        let bytes = resident_bytes().unwrap_or(0);
        self.warm_bytes.get_or_insert(bytes);
        self.most_bytes = self.most_bytes.max(bytes);
        bytes
    }

    /// Bytes that have come since the first look.
    pub(super) fn growth_bytes(&self) -> u64 {
        self.most_bytes.saturating_sub(self.warm_bytes.unwrap_or(self.most_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_allocated_and_touched_shows() {
        let mut watch = MemoryWatch::default();
        watch.look();
        let held = vec![1_u8; 64 << 20];
        watch.look();
        assert!(watch.growth_bytes() > 60 << 20, "{}", watch.growth_bytes());
        drop(held);
    }
}
