//! When a device that can't be opened is tried again. Knows no device and no clock.

/// The first wait, from the beginning of an attempt to that of the next, in nanoseconds; it doubles with each that follows.
/// Behind an attempt that took longer than its wait it is as short as this: a server that hangs has kept us waiting already …
const FIRST_NS: u64 = 50_000_000;
/// … up to this: a device that is back is heard soon …
const SOON_NS: u64 = 200_000_000;
/// … and, when it has been away for longer than this, on to `LATE_NS`: nobody sits before it any more.
const LONG_NS: u64 = 60_000_000_000;
/// … or has been opened in vain, or for nothing, so many times in a row.
const MANY_ATTEMPTS: u32 = 300;
/// The longest wait.
const LATE_NS: u64 = 2_000_000_000;
/// Waits are longer by up to this share, another one for each source: those that share a server must not storm it together.
const SPREAD: f64 = 0.2;

/// The wait behind the `n_attempts`-th attempt, which took `attempt_ns`, of a source that has been away for `away_ns`.
pub(super) fn wait_ns(n_attempts: u32, attempt_ns: u64, away_ns: u64, source_index: u32) -> u64 {
    let is_soon = away_ns < LONG_NS && n_attempts < MANY_ATTEMPTS;
    let from_its_start_ns =
        (FIRST_NS << n_attempts.saturating_sub(1).min(20)).min(if is_soon { SOON_NS } else { LATE_NS });
    let wait_ns = from_its_start_ns.saturating_sub(attempt_ns).max(FIRST_NS);
    // The golden ratio's multiples lie as far apart from each other as can be.
    let spread = (f64::from(source_index) * 0.618_033_988_749_895).fract() * SPREAD;
    wait_ns + (wait_ns as f64 * spread) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_that_grows_with_the_outage() {
        let ms = |n_attempts, away_s: u64| wait_ns(n_attempts, 0, away_s * 1_000_000_000, 0) / 1_000_000;
        assert_eq!([1, 2, 3, 4, 100].map(|n| ms(n, 1)), [50, 100, 200, 200, 200]);
        assert_eq!([ms(1_000_000, 61), ms(100, 61), ms(2, 61), ms(300, 1)], [2_000, 2_000, 100, 2_000]);
    }

    #[test]
    fn an_attempt_that_took_its_time_has_waited_already() {
        let ms =
            |attempt_ms: u64, away_s: u64| wait_ns(9, attempt_ms * 1_000_000, away_s * 1_000_000_000, 0) / 1_000_000;
        assert_eq!([0, 30, 120, 150, 500, 5_000].map(|attempt_ms| ms(attempt_ms, 1)), [200, 170, 80, 50, 50, 50]);
        assert_eq!([0, 500, 5_000].map(|attempt_ms| ms(attempt_ms, 61)), [2_000, 1_500, 50]);
    }

    #[test]
    fn sources_do_not_knock_together_and_never_wait_a_fifth_longer() {
        let waits: Vec<u64> = (0..64).map(|index| wait_ns(10, 0, 0, index)).collect();
        let mut sorted = waits.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), waits.len());
        assert!(waits.iter().all(|ns| (200_000_000..240_000_000).contains(ns)));
    }
}
