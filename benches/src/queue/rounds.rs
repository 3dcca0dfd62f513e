//! Contestants that take turns, and what is told of them over all rounds. Knows no queue.

use anyhow::Result;
use serde::Serialize;

use super::timing::Lap;
use crate::{Quantiles, Recorder, median};

/// What an operation takes, over all rounds, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Timing {
    /// The median over rounds of each round's median over batches, per operation: free of the clock's own cost.
    pub(super) p50_ns: f64,
    /// The median over rounds of each round's fastest batch, per operation.
    pub(super) best_ns: f64,
    /// One by one, the clock's own cost (about 20 ns) included, all rounds in one: for the tail. `None` where operations
    /// can't be timed one by one.
    pub(super) single: Option<Quantiles>,
    /// Whether a round was ended by force while an operation was still waiting: its time is then a lower bound.
    pub(super) was_stuck: bool,
}

/// One contestant's laps, a lap a round.
#[derive(Clone, Debug, Default)]
pub(super) struct Laps(Vec<Lap>);

impl Laps {
    pub(super) fn timing(&self) -> Timing {
        let mut single = Recorder::new();
        self.0.iter().for_each(|lap| single.merge(&lap.single));
        Timing {
            p50_ns: self.median_of(|lap| lap.p50_ns),
            best_ns: self.median_of(|lap| lap.best_ns),
            single: Some(single.quantiles()).filter(|single| single.count > 0),
            was_stuck: self.0.iter().any(|lap| lap.was_stuck),
        }
    }

    /// The median over rounds of this one's p50 over another's in the same round.
    pub(super) fn ratio_p50(&self, base: &Self) -> f64 {
        self.ratio(base, |lap| lap.p50_ns)
    }

    /// As [`Laps::ratio_p50`], of each round's fastest batches.
    pub(super) fn ratio_best(&self, base: &Self) -> f64 {
        self.ratio(base, |lap| lap.best_ns)
    }

    fn ratio(&self, base: &Self, figure: fn(&Lap) -> f64) -> f64 {
        let ratios: Vec<f64> = self.0.iter().zip(&base.0).map(|(own, base)| figure(own) / figure(base)).collect();
        median(&ratios)
    }

    fn median_of(&self, figure: fn(&Lap) -> f64) -> f64 {
        median(&self.0.iter().map(figure).collect::<Vec<_>>())
    }
}

/// Gives every contestant a lap in every round, from another first one each time; laps in the contestants' order.
///
/// `run` makes what it measures anew, so that a stroke of luck with memory pages lasts for one round only.
pub(super) fn take_turns<E>(
    contestants: &[E],
    n_rounds: usize,
    mut run: impl FnMut(&E) -> Result<Lap>,
) -> Result<Vec<Laps>> {
    let mut laps = vec![Laps::default(); contestants.len()];
    for round in 0..n_rounds {
        for turn in 0..contestants.len() {
            let at = (round + turn) % contestants.len();
            laps[at].0.push(run(&contestants[at])?);
        }
    }
    Ok(laps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_rounds() {
        // A machine that is slower by another factor in each round.
        let mut n_laps = 0;
        let laps = take_turns(&[2.0, 1.0], 5, |ns| {
            n_laps += 1;
            let slowness = f64::from(10 * ((n_laps - 1) / 2) + 1);
            Ok(Lap::of_batches(&[ns * slowness, 3.0 * ns * slowness, 2.0 * ns * slowness]))
        });
        let laps = laps.unwrap();
        assert_eq!(n_laps, 10);
        assert_eq!((laps[0].ratio_p50(&laps[1]), laps[0].ratio_best(&laps[1])), (2.0, 2.0));
        let timing = laps[1].timing();
        assert_eq!((timing.p50_ns, timing.best_ns), (42.0, 21.0));
        assert!(timing.single.is_none() && !timing.was_stuck);
    }

    #[test]
    fn everybody_begins_a_round_once() {
        let mut order = Vec::new();
        take_turns(&['a', 'b', 'c'], 3, |name| {
            order.push(*name);
            Ok(Lap::of_batches(&[1.0]))
        })
        .unwrap();
        assert_eq!(order.iter().collect::<String>(), "abcbcacab");
    }
}
