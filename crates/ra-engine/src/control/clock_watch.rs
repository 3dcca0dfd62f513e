//! Finds out that the machine was suspended, and that somebody set the time of day. Changes nothing of the mix: it runs by
//! monotonic time, which knows neither.

use ra_core::{Clock, SinkCommand};

use super::Control;

/// Less than this is how long it took to read two clocks, in nanoseconds.
const LEAST_NS: i128 = 50_000_000;
/// Clocks that took longer to read than this are read again, or another time.
const MOST_READ_NS: u64 = 5_000_000;
const MAX_READS: usize = 3;

/// Three clocks, read at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockReading {
    monotonic_ns: u64,
    boot_ns: u64,
    unix_ns: i128,
}

impl ClockReading {
    /// Reads a clock; `None` where we were interrupted in between, again and again.
    pub(crate) fn of(clock: &dyn Clock) -> Option<Self> {
        for _ in 0..MAX_READS {
            let before_ns = clock.now_ns();
            let (boot_ns, unix_ns) = (clock.boot_ns(), clock.unix_ns());
            let took_ns = clock.now_ns().saturating_sub(before_ns);
            if took_ns <= MOST_READ_NS {
                return Some(Self { monotonic_ns: before_ns + took_ns / 2, boot_ns, unix_ns });
            }
        }
        None
    }
}

/// What the clocks differed by at the last look, and what has come of that.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    /// Boot time less monotonic time, and time of day less boot time.
    last_ns: Option<(i128, i128)>,
    pub(super) suspends: u64,
    pub(super) suspended_ns: i128,
    pub(super) steps: u64,
    pub(super) stepped_ns: i128,
}

impl ClockWatch {
    /// Learns what the clocks say; whether the time of day is another function of monotonic time since.
    fn look(&mut self, reading: &ClockReading) -> bool {
        let boot_ns = i128::from(reading.boot_ns);
        let now_ns = (boot_ns - i128::from(reading.monotonic_ns), reading.unix_ns - boot_ns);
        let Some(last_ns) = self.last_ns.replace(now_ns) else { return false };
        let (suspended_ns, stepped_ns) = (now_ns.0 - last_ns.0, now_ns.1 - last_ns.1);
        let (was_suspended, was_stepped) = (suspended_ns >= LEAST_NS, stepped_ns.abs() >= LEAST_NS);
        if was_suspended {
            log::warn!("the machine was suspended for {:.1} s: nothing was mixed meanwhile", suspended_ns as f64 / 1e9);
            self.suspends += 1;
            self.suspended_ns += suspended_ns;
        }
        if was_stepped {
            log::warn!("the time of day was set by {:+.3} s: the mix does not notice", stepped_ns as f64 / 1e9);
            self.steps += 1;
            self.stepped_ns += stepped_ns;
        }
        was_suspended || was_stepped
    }
}

impl Control {
    /// Looks at the clocks, at about the time of each tick. From then on files are named by what they say.
    pub(crate) fn look_at_clocks(&mut self, clock: &dyn Clock) {
        let Some(reading) = ClockReading::of(clock) else { return };
        if self.clock_watch.look(&reading) {
            let unix_minus_monotonic_ns = reading.unix_ns - i128::from(reading.monotonic_ns);
            self.timeline.set_unix_minus_monotonic_ns(unix_minus_monotonic_ns);
            self.tell_every_sink(&SinkCommand::SetTimeOfDay { unix_minus_monotonic_ns });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_core::VirtualClock;

    fn look(watch: &mut ClockWatch, clock: &VirtualClock) -> bool {
        watch.look(&ClockReading::of(clock).unwrap())
    }

    #[test]
    fn suspends_and_steps_are_counted_apart() {
        let (clock, mut watch) = (VirtualClock::at_ns(1_000), ClockWatch::default());
        for ms in 1..100 {
            clock.sleep_until_ns(ms * 1_000_000);
            assert!(!look(&mut watch, &clock));
        }
        clock.suspend_for_ns(3_000_000_000);
        assert!(look(&mut watch, &clock) && !look(&mut watch, &clock));
        assert_eq!((watch.suspends, watch.suspended_ns, watch.steps), (1, 3_000_000_000, 0));
        clock.step_unix_by_ns(-2_000_000_000);
        assert!(look(&mut watch, &clock) && !look(&mut watch, &clock));
        clock.step_unix_by_ns(500_000_000);
        assert!(look(&mut watch, &clock));
        assert_eq!((watch.suspends, watch.steps, watch.stepped_ns), (1, 2, -1_500_000_000));
    }

    #[test]
    fn what_a_time_server_does_bit_by_bit_is_no_step() {
        let (clock, mut watch) = (VirtualClock::at_ns(1_000), ClockWatch::default());
        for _ in 0..1_000 {
            clock.step_unix_by_ns(10_000);
            assert!(!look(&mut watch, &clock));
        }
        assert_eq!(watch.steps, 0);
    }

    /// A clock whose every reading takes long.
    struct Slow(VirtualClock);

    impl Clock for Slow {
        fn now_ns(&self) -> u64 {
            self.0.now_ns()
        }
        fn sleep_until_ns(&self, deadline_ns: u64) {
            self.0.sleep_until_ns(deadline_ns);
        }
        fn boot_ns(&self) -> u64 {
            self.0.sleep_until_ns(self.0.now_ns() + 100_000_000);
            self.0.boot_ns()
        }
    }

    #[test]
    fn clocks_that_were_not_read_at_one_time_say_nothing() {
        assert!(ClockReading::of(&Slow(VirtualClock::at_ns(5))).is_none());
    }
}
