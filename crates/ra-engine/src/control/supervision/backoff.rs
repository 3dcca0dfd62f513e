//! When a device that can't be opened is tried again. Knows no device and no clock.

/// The first wait behind an attempt that failed at once, in nanoseconds; it doubles with each that follows …
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

/// The wait behind the `n_attempts`-th attempt of a source that has been away for `away_ns`.
pub(super) fn wait_ns(n_attempts: u32, away_ns: u64, source_index: u32) -> u64 {
    let is_soon = away_ns < LONG_NS && n_attempts < MANY_ATTEMPTS;
    let wait_ns = (FIRST_NS << n_attempts.saturating_sub(1).min(20)).min(if is_soon { SOON_NS } else { LATE_NS });
    // The golden ratio's multiples lie as far apart from each other as can be.
    let spread = (f64::from(source_index) * 0.618_033_988_749_895).fract() * SPREAD;
    wait_ns + (wait_ns as f64 * spread) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_that_grows_with_the_outage() {
        let ms = |n_attempts, away_s: u64| wait_ns(n_attempts, away_s * 1_000_000_000, 0) / 1_000_000;
        assert_eq!([1, 2, 3, 4, 100].map(|n| ms(n, 1)), [50, 100, 200, 200, 200]);
        assert_eq!([ms(1_000_000, 61), ms(100, 61), ms(2, 61), ms(300, 1)], [2_000, 2_000, 100, 2_000]);
    }

    #[test]
    fn sources_do_not_knock_together_and_never_wait_a_fifth_longer() {
        let waits: Vec<u64> = (0..64).map(|index| wait_ns(10, 0, index)).collect();
        let mut sorted = waits.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), waits.len());
        assert!(waits.iter().all(|ns| (200_000_000..240_000_000).contains(ns)));
    }
}
