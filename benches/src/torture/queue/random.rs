//! Random numbers that a seed decides: who sleeps how long, where counters begin. Not for anything that must be secret.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Another generator, for another thread.
    pub(super) fn split(&mut self) -> Self {
        Self::new(self.next_u64())
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included, `low <= high`; all about as likely.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = u128::from(high - low) + 1;
        low + ((u128::from(self.next_u64()) * span) >> 64) as u64
    }

    /// True once in `n`, on average.
    pub(super) fn once_in(&mut self, n: u64) -> bool {
        self.between(1, n) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_and_the_bounds_are_kept_and_reached() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            (0..1_000).map(|_| random.between(3, 7)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert!((3..=7).all(|n| numbers(1).contains(&n)) && numbers(1).iter().all(|n| (3..=7).contains(n)));
        let mut random = Random::new(3);
        assert_ne!(random.between(0, u64::MAX), random.between(0, u64::MAX));
        assert_ne!(random.split().next_u64(), random.next_u64());
        let n_hits = (0..10_000).filter(|_| random.once_in(10)).count();
        assert!((800..1_200).contains(&n_hits), "{n_hits}");
    }
}
