//! Monotonic time as a parameter: the system's clock, and one that is moved by hand. The time of day beside it names files
//! and moves nothing.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Monotonic time in nanoseconds, and a wait until a point in it.
///
/// # Real-time safety
/// `now_ns` is wait-free, no allocation. `sleep_until_ns` blocks: it is the audio thread's one wait per block.
pub trait Clock: Send + Sync {
    /// Nanoseconds on a clock that never goes back. Called from any thread.
    fn now_ns(&self) -> u64;

    /// Returns at or after `deadline_ns`; at once if that has passed. Called by the thread that waits.
    fn sleep_until_ns(&self, deadline_ns: u64);

    /// Nanoseconds on a clock that also runs while the machine is suspended; where there is none (the default), as
    /// [`Clock::now_ns`]. What the two differ by grows by the length of each suspend. Called on the control side.
    fn boot_ns(&self) -> u64 {
        self.now_ns()
    }

    /// Nanoseconds since the Unix epoch. People and time servers set it: nothing may be paced by it. Called on the control
    /// side. The default is the system's.
    fn unix_ns(&self) -> i128 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_nanos() as i128)
    }
}

/// The system's monotonic clock (`CLOCK_MONOTONIC` on Unix: it stops while the machine is suspended).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(unix)]
impl Clock for SystemClock {
    fn now_ns(&self) -> u64 {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
    }

    #[cfg(target_os = "linux")]
    fn boot_ns(&self) -> u64 {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
    }

    #[cfg(target_os = "linux")]
    fn sleep_until_ns(&self, deadline_ns: u64) {
        let deadline = rustix::time::Timespec {
            tv_sec: (deadline_ns / 1_000_000_000) as i64,
            tv_nsec: (deadline_ns % 1_000_000_000) as _,
        };
        // A signal ends the sleep early; the deadline is absolute, so asking again loses nothing.
        while rustix::thread::clock_nanosleep_absolute(rustix::thread::ClockId::Monotonic, &deadline).is_err() {
            if self.now_ns() >= deadline_ns {
                return;
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn sleep_until_ns(&self, deadline_ns: u64) {
        sleep_remaining(self, deadline_ns);
    }
}

#[cfg(not(unix))]
impl Clock for SystemClock {
    fn now_ns(&self) -> u64 {
        use std::{sync::OnceLock, time::Instant};
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        ORIGIN.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }

    fn sleep_until_ns(&self, deadline_ns: u64) {
        sleep_remaining(self, deadline_ns);
    }
}

/// Where no absolute sleep exists: sleeps what is left and looks again, so that early wake-ups do not add up.
#[cfg(not(target_os = "linux"))]
fn sleep_remaining(clock: &SystemClock, deadline_ns: u64) {
    loop {
        let now_ns = clock.now_ns();
        if now_ns >= deadline_ns {
            return;
        }
        std::thread::sleep(std::time::Duration::from_nanos(deadline_ns - now_ns));
    }
}

/// A clock that stands still until somebody moves it: for simulations and tests.
///
/// # Examples
/// ```
/// use ra_core::{Clock, VirtualClock};
/// let clock = VirtualClock::at_ns(5);
/// clock.sleep_until_ns(1_000); // returns at once, and it is then 1000
/// assert_eq!(clock.now_ns(), 1_000);
/// ```
#[derive(Debug, Default)]
pub struct VirtualClock {
    now_ns: AtomicU64,
    suspended_ns: AtomicU64,
    /// What the time of day was set by.
    stepped_ns: AtomicI64,
}

impl VirtualClock {
    /// A clock that stands at `now_ns`.
    pub const fn at_ns(now_ns: u64) -> Self {
        Self { now_ns: AtomicU64::new(now_ns), suspended_ns: AtomicU64::new(0), stepped_ns: AtomicI64::new(0) }
    }

    /// As if the machine had been suspended for so long just now: monotonic time stood still.
    pub fn suspend_for_ns(&self, n_ns: u64) {
        // Relaxed, here and below: each is a number by itself.
        self.suspended_ns.fetch_add(n_ns, Ordering::Relaxed);
    }

    /// As if somebody had set the time of day by so much.
    pub fn step_unix_by_ns(&self, by_ns: i64) {
        self.stepped_ns.fetch_add(by_ns, Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn now_ns(&self) -> u64 {
        // Acquire pairs with the AcqRel in `sleep_until_ns`: who sees a time also sees what was done before it.
        self.now_ns.load(Ordering::Acquire)
    }

    /// Moves the time to `deadline_ns` if that is later, and returns.
    fn sleep_until_ns(&self, deadline_ns: u64) {
        // AcqRel pairs with the Acquire in `now_ns`.
        self.now_ns.fetch_max(deadline_ns, Ordering::AcqRel);
    }

    fn boot_ns(&self) -> u64 {
        self.now_ns() + self.suspended_ns.load(Ordering::Relaxed)
    }

    /// Its own time: a simulation knows no other. Suspends count, as on a real machine.
    fn unix_ns(&self) -> i128 {
        i128::from(self.boot_ns()) + i128::from(self.stepped_ns.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_reaches_its_deadline_and_never_goes_back() {
        let clock = SystemClock;
        let start_ns = clock.now_ns();
        clock.sleep_until_ns(start_ns + 2_000_000);
        assert!(clock.now_ns() >= start_ns + 2_000_000);
        clock.sleep_until_ns(start_ns); // long past: returns
        let mut last = clock.now_ns();
        for _ in 0..1000 {
            let now = clock.now_ns();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn boot_time_is_monotonic_time_and_the_suspends() {
        // However long this machine was suspended: never less, and as fast.
        let ahead_ns = |clock: &dyn Clock| clock.boot_ns().saturating_sub(clock.now_ns());
        let first_ns = ahead_ns(&SystemClock);
        let now_ns = SystemClock.now_ns();
        assert!(SystemClock.boot_ns() >= now_ns && ahead_ns(&SystemClock) < first_ns + 1_000_000_000);
        assert!(SystemClock.unix_ns() > 1_600_000_000_000_000_000);
        let clock = VirtualClock::at_ns(10);
        clock.suspend_for_ns(5);
        clock.step_unix_by_ns(-3);
        assert_eq!((clock.now_ns(), clock.boot_ns(), clock.unix_ns()), (10, 15, 12));
    }

    #[test]
    fn virtual_clock_never_goes_back() {
        let clock = VirtualClock::at_ns(10);
        clock.sleep_until_ns(5);
        assert_eq!(clock.now_ns(), 10);
    }
}
