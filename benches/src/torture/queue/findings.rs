//! What a torture counts, and the order that numbers must come in. Judges nothing but numbers.

use serde::Serialize;

/// What was seen, and what was wrong with it. `produced`, `read` and `lost` are blocks of the fan-out, frames of the
/// input ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Readers that were there, visits included.
    pub readers: u64,
    /// Rounds whose counters began near their ends and went past them: all of the input ring's; of the fan-out's the
    /// sequence numbers, and both counts of at least one reader.
    pub wraps: u64,
    /// Published while a reader was there, summed over the readers.
    pub produced: u64,
    /// Read by them.
    pub read: u64,
    /// Lost to them, and they were told: overtaken, refused, skipped, discarded, or left behind.
    pub lost: u64,
    /// Reads that gave a word of something else.
    pub torn: u64,
    /// Reads that went back.
    pub backwards: u64,
    /// Reads that gave the same a second time.
    pub duplicates: u64,
    /// Blocks or frames that were passed over without a word.
    pub untold: u64,
    /// Accounts that do not balance, or say other than what happened.
    pub unbalanced: u64,
    /// Threads that panicked, or had not come to their end long after it.
    pub failed: u64,
}

impl Findings {
    /// Whether nothing was wrong.
    pub fn is_clean(&self) -> bool {
        let Self { torn, backwards, duplicates, untold, unbalanced, failed, .. } = *self;
        [torn, backwards, duplicates, untold, unbalanced, failed] == [0; 6] && self.produced == self.read + self.lost
    }

    /// Counts an account as unbalanced where it does not hold.
    pub(super) fn check(&mut self, holds: bool) {
        self.unbalanced += u64::from(!holds);
    }
}

impl std::ops::AddAssign for Findings {
    fn add_assign(&mut self, other: Self) {
        self.readers += other.readers;
        self.wraps += other.wraps;
        self.produced += other.produced;
        self.read += other.read;
        self.lost += other.lost;
        self.torn += other.torn;
        self.backwards += other.backwards;
        self.duplicates += other.duplicates;
        self.untold += other.untold;
        self.unbalanced += other.unbalanced;
        self.failed += other.failed;
    }
}

/// Numbers that must come one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    next: Option<u64>,
}

impl Order {
    /// The first number must be `next`.
    pub(super) fn from(next: u64) -> Self {
        Self { next: Some(next) }
    }

    /// `n_lost` numbers will not come, and that was said.
    pub(super) fn pass(&mut self, n_lost: u64) {
        self.next = self.next.map(|next| next.wrapping_add(n_lost));
    }

    /// `n` came.
    pub(super) fn see(&mut self, n: u64, findings: &mut Findings) {
        let ahead = self.next.map_or(0, |next| n.wrapping_sub(next) as i64);
        match ahead {
            0 => {}
            -1 => findings.duplicates += 1,
            ..0 => findings.backwards += 1,
            1.. => findings.untold += ahead as u64,
        }
        self.next = Some(n.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_knows_what_went_wrong() {
        let seen = |numbers: &[u64]| {
            let (mut order, mut findings) = (Order::from(u64::MAX), Findings::default());
            numbers.iter().for_each(|&n| order.see(n, &mut findings));
            (findings.duplicates, findings.backwards, findings.untold)
        };
        assert_eq!(seen(&[u64::MAX, 0, 1]), (0, 0, 0));
        assert_eq!(seen(&[u64::MAX, 0, 0, 1]), (1, 0, 0));
        assert_eq!(seen(&[u64::MAX, 0, u64::MAX]), (0, 1, 0));
        assert_eq!(seen(&[u64::MAX, 3, 4]), (0, 0, 3));
        assert_eq!(seen(&[2]), (0, 0, 3), "the first as well");
        let (mut order, mut findings) = (Order::default(), Findings::default());
        order.pass(5);
        order.see(9, &mut findings);
        order.pass(2);
        order.see(12, &mut findings);
        assert_eq!(findings, Findings::default(), "who joins anywhere begins anywhere");
    }

    #[test]
    fn each_fault_alone_is_enough() {
        assert!(Findings { readers: 3, wraps: 1, produced: 5, read: 4, lost: 1, ..Findings::default() }.is_clean());
        for fault in 0..7 {
            let one = |n| u64::from(fault == n);
            let mut findings = Findings {
                torn: one(0),
                backwards: one(1),
                duplicates: one(2),
                untold: one(3),
                unbalanced: one(4),
                failed: one(5),
                produced: one(6),
                ..Findings::default()
            };
            assert!(!findings.is_clean(), "{findings:?}");
            findings += Findings::default();
            assert!(!findings.is_clean(), "{findings:?}");
        }
        let mut findings = Findings::default();
        findings.check(true);
        assert!(findings.is_clean());
        findings.check(false);
        assert_eq!(findings.unbalanced, 1);
    }
}
