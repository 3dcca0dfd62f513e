//! When to try again: a state machine over times that it is told. Connects nothing, reads no clock, never sleeps.

/// The first wait, in nanoseconds.
const FIRST_WAIT_NS: u64 = 125_000_000;
/// The longest wait between two attempts, in nanoseconds.
const MOST_WAIT_NS: u64 = 2_000_000_000;
/// The longest wait where an attempt has no hope before a person has acted, in nanoseconds.
const RARE_WAIT_NS: u64 = 60_000_000_000;
/// A connection that has lived this long, in nanoseconds, was a good one: the next wait is a first one.
const STABLE_NS: u64 = 10_000_000_000;

/// How soon a failed attempt should be followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The server may be back at any moment.
    Soon,
    /// A person has to change something first.
    Rarely,
    /// There is another way to ask, and it may be tried at once.
    OtherWay,
}

/// Says when the next attempt to connect may begin.
///
/// Waits are counted from the beginning of the attempt before. They double from 125 ms to 2 s, and each is drawn from its
/// upper half, so that many stations that lost one server do not come back in one moment. A wait of [`Retry::Rarely`] is drawn
/// from 30 to 60 s. A connection that lived for 10 s starts the doubling anew; one that is lost earlier does not.
///
/// # Examples
/// ```
/// use ra_sinks::{ReconnectPolicy, Retry};
/// let mut policy = ReconnectPolicy::new(7, 0);
/// assert_eq!(policy.next_attempt_ns(), 0);
/// policy.attempt_started(0);
/// policy.attempt_failed(1_000, Retry::Soon);
/// assert!((62_500_000..=125_000_000).contains(&policy.next_attempt_ns()));
/// ```
#[derive(Clone, Debug)]
pub struct ReconnectPolicy {
    random: u64,
    /// Attempts that failed, and connections that did not last, since the last good one.
    failures: u32,
    started_ns: u64,
    connected_ns: u64,
    next_ns: u64,
    /// The last attempt was the other way already.
    is_other_way: bool,
}

impl ReconnectPolicy {
    /// A policy whose first attempt is due at `now_ns`.
    pub const fn new(seed: u64, now_ns: u64) -> Self {
        Self {
            random: seed,
            failures: 0,
            started_ns: now_ns,
            connected_ns: now_ns,
            next_ns: now_ns,
            is_other_way: false,
        }
    }

    /// When the next attempt may begin, in nanoseconds of the clock that the policy is told of.
    pub const fn next_attempt_ns(&self) -> u64 {
        self.next_ns
    }

    /// Attempts that failed since the last good connection.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// An attempt begins.
    pub const fn attempt_started(&mut self, now_ns: u64) {
        self.started_ns = now_ns;
    }

    /// The attempt has failed.
    pub fn attempt_failed(&mut self, now_ns: u64, retry: Retry) {
        if retry == Retry::OtherWay && !self.is_other_way {
            self.is_other_way = true;
            self.next_ns = now_ns;
            return;
        }
        self.is_other_way = false;
        let most_ns = if retry == Retry::Rarely { RARE_WAIT_NS } else { self.soon_ns() };
        self.failures = self.failures.saturating_add(1);
        self.next_ns = now_ns.max(self.started_ns + self.drawn_from_upper_half(most_ns));
    }

    /// Whether the next attempt is the second of two that belong together: what it finds is what is said of both.
    pub(super) const fn tries_other_way(&self) -> bool {
        self.is_other_way
    }

    /// The attempt has succeeded.
    pub const fn connected(&mut self, now_ns: u64) {
        self.is_other_way = false;
        self.connected_ns = now_ns;
    }

    /// Whether the connection that was made last has lived for so long that it was a good one.
    pub(super) const fn is_stable(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.connected_ns) >= STABLE_NS
    }

    /// The connection is lost.
    pub fn lost(&mut self, now_ns: u64) {
        if self.is_stable(now_ns) {
            self.failures = 0;
        }
        let most_ns = self.soon_ns();
        self.failures = self.failures.saturating_add(1);
        self.next_ns = now_ns + self.drawn_from_upper_half(most_ns);
    }

    fn soon_ns(&self) -> u64 {
        // Five doublings reach the longest wait.
        (FIRST_WAIT_NS << self.failures.min(5)).min(MOST_WAIT_NS)
    }

    fn drawn_from_upper_half(&mut self, most_ns: u64) -> u64 {
        let half_ns = most_ns / 2;
        most_ns - half_ns + self.draw() % (half_ns + 1)
    }

    /// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    const fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    /// An attempt that takes `took_ns` and fails; how long after its beginning the next may begin.
    fn fail(policy: &mut ReconnectPolicy, took_ns: u64, retry: Retry) -> u64 {
        let start_ns = policy.next_attempt_ns();
        policy.attempt_started(start_ns);
        policy.attempt_failed(start_ns + took_ns, retry);
        policy.next_attempt_ns() - start_ns
    }

    #[test]
    fn waits_double_up_to_two_seconds() {
        let mut policy = ReconnectPolicy::new(1, 5);
        assert_eq!(policy.next_attempt_ns(), 5);
        for most_ms in [125, 250, 500, 1_000, 2_000, 2_000, 2_000] {
            let wait_ns = fail(&mut policy, MS, Retry::Soon);
            assert!((most_ms * MS / 2..=most_ms * MS).contains(&wait_ns), "{wait_ns} of {most_ms} ms");
        }
        assert_eq!(policy.failures(), 7);
    }

    #[test]
    fn the_time_that_an_attempt_took_is_part_of_the_wait() {
        let mut policy = ReconnectPolicy::new(1, 0);
        for _ in 0..6 {
            fail(&mut policy, 0, Retry::Soon);
        }
        assert_eq!(fail(&mut policy, 3_000 * MS, Retry::Soon), 3_000 * MS);
        assert!(fail(&mut policy, 900 * MS, Retry::Soon) <= 2_000 * MS);
    }

    #[test]
    fn where_a_person_has_to_act_it_asks_rarely() {
        let mut policy = ReconnectPolicy::new(1, 0);
        for _ in 0..20 {
            assert!((30_000 * MS..=60_000 * MS).contains(&fail(&mut policy, MS, Retry::Rarely)));
        }
    }

    #[test]
    fn the_other_way_is_tried_at_once_and_then_there_is_a_wait() {
        let mut policy = ReconnectPolicy::new(1, 0);
        assert_eq!(fail(&mut policy, 7 * MS, Retry::OtherWay), 7 * MS);
        assert!(fail(&mut policy, 7 * MS, Retry::OtherWay) >= 62 * MS);
        assert_eq!(fail(&mut policy, 7 * MS, Retry::OtherWay), 7 * MS);
        policy.connected(0);
        assert_eq!(fail(&mut policy, 7 * MS, Retry::OtherWay), 7 * MS, "a success ends the turn");
    }

    #[test]
    fn a_server_that_hangs_up_at_once_is_not_hammered_and_a_good_connection_starts_anew() {
        let mut policy = ReconnectPolicy::new(1, 0);
        let mut now_ns = 0;
        let mut lose_after = |policy: &mut ReconnectPolicy, lived_ns: u64| {
            now_ns = policy.next_attempt_ns();
            policy.attempt_started(now_ns);
            policy.connected(now_ns);
            policy.lost(now_ns + lived_ns);
            policy.next_attempt_ns() - now_ns - lived_ns
        };
        for _ in 0..5 {
            lose_after(&mut policy, MS);
        }
        assert!(lose_after(&mut policy, MS) >= 1_000 * MS);
        assert!(lose_after(&mut policy, 10_000 * MS) <= 125 * MS);
    }

    #[test]
    fn the_same_seed_draws_the_same_waits_and_another_one_others() {
        let waits = |seed| {
            let mut policy = ReconnectPolicy::new(seed, 0);
            (0..8).map(|_| fail(&mut policy, 0, Retry::Soon)).collect::<Vec<_>>()
        };
        assert_eq!(waits(3), waits(3));
        assert_ne!(waits(3), waits(4));
    }

    proptest! {
        #[test]
        fn it_never_waits_longer_than_it_says_whatever_happens(
            seed: u64, steps in proptest::collection::vec((0u64..4_000_000_000, 0u8..4), 1..60)
        ) {
            let mut policy = ReconnectPolicy::new(seed, 0);
            for (took_ns, what) in steps {
                let start_ns = policy.next_attempt_ns();
                policy.attempt_started(start_ns);
                let end_ns = start_ns + took_ns;
                match what {
                    0 => {
                        policy.connected(start_ns);
                        policy.lost(end_ns);
                        prop_assert!(policy.next_attempt_ns() <= end_ns + MOST_WAIT_NS);
                    }
                    1 => policy.attempt_failed(end_ns, Retry::OtherWay),
                    2 => {
                        policy.attempt_failed(end_ns, Retry::Rarely);
                        prop_assert!(policy.next_attempt_ns() <= start_ns + RARE_WAIT_NS);
                    }
                    _ => policy.attempt_failed(end_ns, Retry::Soon),
                }
                prop_assert!(policy.next_attempt_ns() >= end_ns);
                if what == 1 || what == 3 {
                    prop_assert!(policy.next_attempt_ns() <= end_ns.max(start_ns + MOST_WAIT_NS));
                }
            }
        }
    }
}
