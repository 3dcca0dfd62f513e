//! How much a consumer matters, and what is done with one that can't keep up. Words only: engines act on them.

/// How much a consumer matters: what its thread is given, and what it gets where its settings say nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum ConsumerClass {
    /// Looks for new blocks every 5 ms, on a thread of niceness -10 where that is granted. May be as late as its bus's ring
    /// is long, then loses the oldest; is given up on when a call into it has not returned for 60 s.
    Critical,
    /// Every 10 ms, niceness 0. As late as the ring is long, the oldest; 20 s.
    #[default]
    Normal,
    /// Every 40 ms, niceness 10. Half a second late, then everything but the newest; 5 s.
    BestEffort,
}

impl ConsumerClass {
    /// Nanoseconds between two looks at the ring.
    pub const fn poll_ns(self) -> u64 {
        match self {
            ConsumerClass::Critical => 5_000_000,
            ConsumerClass::Normal => 10_000_000,
            ConsumerClass::BestEffort => 40_000_000,
        }
    }

    /// The niceness that its thread asks for.
    pub const fn niceness(self) -> i32 {
        match self {
            ConsumerClass::Critical => -10,
            ConsumerClass::Normal => 0,
            ConsumerClass::BestEffort => 10,
        }
    }

    /// What happens when it lags, unless it is told.
    pub const fn on_lag(self) -> OnLag {
        match self {
            ConsumerClass::Critical | ConsumerClass::Normal => OnLag::DropOldest,
            ConsumerClass::BestEffort => OnLag::SkipToLive,
        }
    }

    /// How late it may be, unless it is told, in milliseconds; `None`: as its bus's ring is long.
    pub const fn max_lag_ms(self) -> Option<u32> {
        match self {
            ConsumerClass::Critical | ConsumerClass::Normal => None,
            ConsumerClass::BestEffort => Some(500),
        }
    }

    /// How long a call into it may take before it is given up on, unless it is told, in milliseconds.
    pub const fn evict_after_ms(self) -> u32 {
        match self {
            ConsumerClass::Critical => 60_000,
            ConsumerClass::Normal => 20_000,
            ConsumerClass::BestEffort => 5_000,
        }
    }
}

/// What happens to a consumer that is later than it may be. What it loses is counted, and is a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum OnLag {
    /// It loses the oldest blocks: those beyond what it may be late by, and an eighth of that more, so that the next block
    /// does not do the same again.
    #[default]
    DropOldest,
    /// It loses everything but the newest block.
    SkipToLive,
    /// It is ended: it writes its tail, and gets nothing more.
    Disconnect,
}

/// By which rules a consumer is fed, and what its thread was granted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SinkPolicy {
    /// How much it matters.
    pub class: ConsumerClass,
    /// What happens when it lags.
    pub on_lag: OnLag,
    /// How late it may be, in milliseconds of sound.
    pub max_lag_ms: f64,
    /// How long a call into it may take, in milliseconds.
    pub evict_after_ms: u32,
    /// What it keeps in memory for itself, in bytes: no more, whatever happens.
    pub buffer_bytes: u64,
    /// The niceness of its thread, read back; `None`: it has no thread yet, or the platform has no niceness of threads.
    pub niceness: Option<i32>,
}

impl std::fmt::Display for SinkPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { class, on_lag, max_lag_ms, evict_after_ms, .. } = self;
        let class = match class {
            ConsumerClass::Critical => "critical",
            ConsumerClass::Normal => "normal",
            ConsumerClass::BestEffort => "best effort",
        };
        let on_lag = match on_lag {
            OnLag::DropOldest => "drops the oldest",
            OnLag::SkipToLive => "skips to live",
            OnLag::Disconnect => "is disconnected",
        };
        let evict_after_s = f64::from(*evict_after_ms) / 1e3;
        write!(f, "{class}; later than {max_lag_ms:.0} ms it {on_lag}; given up on when stuck for {evict_after_s} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_it_matters_the_more_it_gets() {
        let classes = [ConsumerClass::Critical, ConsumerClass::Normal, ConsumerClass::BestEffort];
        for pair in classes.windows(2) {
            assert!(pair[0].poll_ns() < pair[1].poll_ns() && pair[0].niceness() < pair[1].niceness());
            assert!(pair[0].evict_after_ms() > pair[1].evict_after_ms());
        }
        for class in classes {
            // A file server that hangs for ten seconds costs no recorder its life.
            assert_eq!(class.evict_after_ms() > 15_000, class != ConsumerClass::BestEffort);
            let least_ms = 2 * class.poll_ns() / 1_000_000;
            assert!(class.max_lag_ms().is_none_or(|ms| u64::from(ms) >= least_ms), "{class:?}");
        }
    }
}
