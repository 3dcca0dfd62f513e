//! How late deadlines were met, and which lateness is the machine's own: a bare thread on one of its cores was held up at
//! the same time for as long. Reads no clock.

/// A deadline and how much later it was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wake {
    pub(super) due_ns: u64,
    pub(super) late_ns: u64,
}

/// The late blocks of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LateBlocks {
    /// Mixed more than a period after their deadlines.
    pub late: u64,
    /// Of those: while no bare thread was held up as long, give or take a period.
    pub beyond_the_machine: u64,
    /// The longest lateness of those, in nanoseconds.
    pub worst_beyond_ns: u64,
}

/// Judges the mixer's blocks by what bare threads of the same period met. All are in the order of their deadlines.
///
/// A core that stands still from `a` to `b` makes a block due at `d` late by `b − d`; the bare thread's next deadline on
/// that core comes within a period of `d`, so that it is late by as much, less a period at most.
pub(super) fn judge(mixer: &[Wake], bare: &[&[Wake]], period_ns: u64) -> LateBlocks {
    let mut blocks = LateBlocks::default();
    for block in mixer.iter().filter(|block| block.late_ns > period_ns) {
        blocks.late += 1;
        if !bare.iter().any(|wakes| was_held_up(wakes, block, period_ns)) {
            blocks.beyond_the_machine += 1;
            blocks.worst_beyond_ns = blocks.worst_beyond_ns.max(block.late_ns);
        }
    }
    blocks
}

fn was_held_up(wakes: &[Wake], block: &Wake, period_ns: u64) -> bool {
    let from_ns = block.due_ns.saturating_sub(period_ns);
    let until_ns = block.due_ns + block.late_ns;
    let begin = wakes.partition_point(|wake| wake.due_ns < from_ns);
    let near = wakes[begin..].iter().take_while(|wake| wake.due_ns <= until_ns);
    near.map(|wake| wake.late_ns + period_ns).any(|most_ns| most_ns >= block.late_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD_NS: u64 = 100;

    /// Wakes every period from `first_ns` on, on a core that stands still from `a` to `b`.
    fn wakes(first_ns: u64, (a, b): (u64, u64)) -> Vec<Wake> {
        let dues = (0..100).map(|n| first_ns + n * PERIOD_NS);
        dues.map(|due_ns| Wake { due_ns, late_ns: if (a..b).contains(&due_ns) { b - due_ns } else { 3 } }).collect()
    }

    #[test]
    fn a_stall_that_holds_up_both_is_the_machines_wherever_it_begins() {
        for a in 2_000..2_100 {
            for length in [150, 250, 1_000] {
                let stall = (a, a + length);
                let blocks = judge(&wakes(0, stall), &[&wakes(50, (0, 0)), &wakes(50, stall)], PERIOD_NS);
                assert!(blocks.late > 0 || length == 150, "{a} {length}");
                assert_eq!(blocks.beyond_the_machine, 0, "{a} {length}");
            }
        }
    }

    #[test]
    fn a_stall_of_the_mixers_own_is_not() {
        let mixer = wakes(0, (2_050, 2_600));
        let blocks = judge(&mixer, &[&wakes(50, (0, 0)), &wakes(50, (5_000, 9_000))], PERIOD_NS);
        assert_eq!(blocks, LateBlocks { late: 4, beyond_the_machine: 4, worst_beyond_ns: 500 });
        // A stall of the machine's at the same time that is much shorter does not excuse it.
        let blocks = judge(&mixer, &[&wakes(50, (2_050, 2_200))], PERIOD_NS);
        assert!(blocks.beyond_the_machine >= 1, "{blocks:?}");
    }
}
