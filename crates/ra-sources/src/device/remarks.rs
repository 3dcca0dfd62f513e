//! What is said of a device in words, and how often. Opens nothing.

use std::time::{Duration, Instant};

use ra_core::{ChannelCount, RealtimeClass, RealtimeGrant};

/// Between two warnings of the same kind of nuisance.
const PAUSE: Duration = Duration::from_secs(10);

/// Lets one warning through now and then: what a device complains of, it may complain of a hundred times a second.
/// Nothing is lost by it, since everything is counted.
#[derive(Debug, Default)]
pub(super) struct Quota {
    last: Option<Instant>,
    n_kept: u64,
}

impl Quota {
    /// Logs a warning, or keeps it to itself.
    pub(super) fn warn(&mut self, text: &str) {
        if let Some(kept) = self.admit(Instant::now()) {
            let kept = if kept > 0 { format!(" (and {kept} warnings before, not logged)") } else { String::new() };
            log::warn!("{text}{kept}");
        }
    }

    /// How many were kept back since the last one that was let through, if this one is.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < PAUSE) {
            self.n_kept += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.n_kept))
    }
}

/// What was granted to the thread that a device delivers on.
pub(super) fn thread_remark(grant: &RealtimeGrant) -> String {
    let class = match grant.class {
        RealtimeClass::Fifo => format!("real-time class fifo, priority {}", grant.priority),
        RealtimeClass::RoundRobin => format!("real-time class round-robin, priority {}", grant.priority),
        _ => "no real-time class".to_owned(),
    };
    format!("the sound system delivers on a thread of {class}")
}

/// What a source of `wanted` channels makes of a device that has others, where it is to be as many as the source began with.
pub(super) fn channels_remark(there: ChannelCount, wanted: ChannelCount) -> Option<String> {
    match (there.get(), wanted.get()) {
        (there, wanted) if there == wanted => None,
        (1, wanted) => Some(format!(
            "the device has one channel, the source {wanted}: it is all of them, each at its full level (channels = [1] \
             makes a mono source of it)"
        )),
        (there, wanted) if there > wanted => {
            Some(format!("the device has {there} channels, the source {wanted}: the others are left out"))
        }
        (there, wanted) => {
            Some(format!("the device has {there} channels, the source {wanted}: what it lacks is silence"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_one_warning_in_ten_seconds() {
        let (mut quota, start) = (Quota::default(), Instant::now());
        let admitted: Vec<_> =
            (0..600_000).filter_map(|n| quota.admit(start + Duration::from_micros(n * 50))).collect();
        assert_eq!(admitted, [0, 199_999, 199_999]);
    }

    #[test]
    fn a_thread_is_told_with_its_class() {
        let grant = RealtimeGrant { class: RealtimeClass::Fifo, priority: 60, ..RealtimeGrant::default() };
        assert!(thread_remark(&grant).ends_with("class fifo, priority 60"));
        assert!(thread_remark(&RealtimeGrant::default()).ends_with("no real-time class"));
    }
    #[test]
    fn channels_that_differ_are_told() {
        let of = |n| ChannelCount::new(n).unwrap();
        assert_eq!(channels_remark(of(2), of(2)), None);
        for (there, wanted, end) in [(8, 2, "left out"), (2, 4, "silence"), (1, 2, "a mono source of it)")] {
            let text = channels_remark(of(there), of(wanted)).unwrap();
            assert!(text.ends_with(end), "{text}");
        }
    }
}
