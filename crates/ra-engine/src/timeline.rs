//! The mix timeline in three kinds of time: frames, monotonic nanoseconds, and the time of day. Only names depend on the
//! last one.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use ra_core::{Clock, FramePosition, SampleRate};

/// Shared by the driver, which starts it, and the control side, which reads it.
pub(crate) struct Timeline {
    rate: SampleRate,
    /// What the time of day and the monotonic clock differ by, in nanoseconds: read at the start, and again where the
    /// machine was suspended or the time was set. 64 bits hold it until the year 2262.
    unix_minus_monotonic_ns: AtomicI64,
    /// Monotonic time at which the engine was made.
    made_ns: u64,
    /// Monotonic time of frame 0; 0 while the engine has not started.
    start_ns: AtomicU64,
    /// From capture to the buses, as the mixer last said.
    latency_ns: AtomicU64,
}

impl Timeline {
    pub(crate) fn new(rate: SampleRate, clock: &dyn Clock) -> Self {
        let unix_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
        let made_ns = clock.now_ns();
        Self {
            rate,
            made_ns,
            unix_minus_monotonic_ns: AtomicI64::new(in_64_bits(unix_ns - i128::from(made_ns))),
            start_ns: AtomicU64::new(0),
            latency_ns: AtomicU64::new(0),
        }
    }

    /// Frame 0 is due at `start_ns`.
    pub(crate) fn start_at_ns(&self, start_ns: u64) {
        // Release pairs with the Acquire in `is_running` and `unix_ns_of`.
        self.start_ns.store(start_ns, Ordering::Release);
    }

    /// The mixer has another latency.
    pub(crate) fn set_latency_ns(&self, latency_ns: u64) {
        // Relaxed: a value by itself.
        self.latency_ns.store(latency_ns, Ordering::Relaxed);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.start_ns.load(Ordering::Acquire) != 0
    }

    /// What turns monotonic nanoseconds into nanoseconds since the Unix epoch.
    pub(crate) fn unix_minus_monotonic_ns(&self) -> i128 {
        // Relaxed: a value by itself.
        i128::from(self.unix_minus_monotonic_ns.load(Ordering::Relaxed))
    }

    /// The time of day is another one than it was, or monotonic time stood still.
    pub(crate) fn set_unix_minus_monotonic_ns(&self, ns: i128) {
        // Relaxed: as above.
        self.unix_minus_monotonic_ns.store(in_64_bits(ns), Ordering::Relaxed);
    }

    /// When the frame at `position` was captured, in nanoseconds since the Unix epoch. Before the start: as if frame 0 had
    /// been due when the engine was made, so that all sinks that are opened by then agree.
    pub(crate) fn unix_ns_of(&self, position: FramePosition) -> i128 {
        let start_ns = match self.start_ns.load(Ordering::Acquire) {
            0 => self.made_ns,
            start_ns => start_ns,
        };
        let capture_ns = i128::from(start_ns) + i128::from(self.rate.ns_of_frames(position.0));
        capture_ns - i128::from(self.latency_ns.load(Ordering::Relaxed)) + self.unix_minus_monotonic_ns()
    }
}

fn in_64_bits(ns: i128) -> i64 {
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}
