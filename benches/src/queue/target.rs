//! What was promised, beside what was found.

use serde::Serialize;

use super::contestants::Contestant;
use super::instructions::Instructions;
use super::preempted::Preempted;
use super::publish::{PublishRow, Readers};
use super::read::{MEMCPY, ReadRow};
use super::spsc::{Meeting, N_FRAMES, SpscRow, Way};

/// A figure beside what it should be.
#[derive(Debug, Serialize)]
pub(super) struct Target {
    pub(super) figure: &'static str,
    pub(super) value: f64,
    pub(super) at_most: f64,
    pub(super) is_met: bool,
}

impl Target {
    fn new(figure: &'static str, value: f64, at_most: f64) -> Self {
        Self { figure, value, at_most, is_met: value <= at_most }
    }
}

/// All that can be told from what was measured.
pub(super) fn targets(
    publish: &[PublishRow],
    read: &[ReadRow],
    spsc: &[SpscRow],
    preempted: Option<&Preempted>,
    instructions: &Instructions,
) -> Vec<Target> {
    let of_publish = instructions.publish_spread().map(|spread| {
        Target::new("publish, instructions: the most over the least of 0 to 32 idle readers", spread, 1.1)
    });
    let ring = preempted.and_then(|preempted| preempted.scenes.iter().find(|scene| scene.is_ours));
    let with_readers = ring
        .map(|ring| Target::new("publish with preempted readers, p99.99 against the control", ring.ratio_p99_99, 2.0));
    let pass = |meeting, figure| {
        let ours =
            |row: &&SpscRow| row.way == Way::InputRing.name() && row.meeting == meeting && row.n_frames == N_FRAMES;
        spsc.iter().find(ours).map(|row| Target::new(figure, row.ratio_to_rtrb, 1.1))
    };
    of_publish
        .into_iter()
        .chain(of_publish_time(publish))
        .chain([of_read(read)])
        .chain(pass(Meeting::Uncontended, "input ring, write and read in one thread, p50, against rtrb slices"))
        .chain(pass(Meeting::Contended, "input ring, between two cores, p50, against rtrb slices"))
        .chain(with_readers)
        .collect()
}

fn of_publish_time(publish: &[PublishRow]) -> [Target; 2] {
    let ours: Vec<&PublishRow> = publish
        .iter()
        .filter(|row| row.contestant == Contestant::Ring.name() && row.readers == Readers::Idle)
        .collect();
    let most = |figure: &dyn Fn(&PublishRow) -> f64| ours.iter().map(|row| figure(row)).fold(f64::NAN, f64::max);
    let least = |figure: &dyn Fn(&PublishRow) -> f64| ours.iter().map(|row| figure(row)).fold(f64::NAN, f64::min);
    let to_fewest = |row: &PublishRow| row.ratio_to_fewest;
    let to_rtrb = |row: &PublishRow| row.ratio_to_rtrb.unwrap_or(f64::NAN);
    [
        Target::new(
            "publish, p50: the most over the least of 0 to 32 idle readers",
            most(&to_fewest) / least(&to_fewest),
            1.1,
        ),
        Target::new("publish, p50, the most of them against one rtrb slice write", most(&to_rtrb), 1.5),
    ]
}

fn of_read(read: &[ReadRow]) -> Target {
    let p50_ns = |name: &str| read.iter().find(|row| row.contestant == name).map_or(f64::NAN, |row| row.timing.p50_ns);
    let figure = "read, p50, ns (at most 1.5 memcpy + 20 ns)";
    Target::new(figure, p50_ns(Contestant::Ring.name()), 1.5 * p50_ns(MEMCPY) + 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::rounds::Timing;

    fn timing(p50_ns: f64) -> Timing {
        Timing { p50_ns, best_ns: p50_ns, single: None, was_stuck: false }
    }

    fn published(n_readers: usize, ratio_to_fewest: f64, ratio_to_rtrb: f64) -> PublishRow {
        PublishRow {
            contestant: Contestant::Ring.name(),
            readers: Readers::Idle,
            n_readers,
            timing: timing(30.0),
            ratio_to_fewest,
            ratio_to_rtrb: Some(ratio_to_rtrb),
        }
    }

    #[test]
    fn every_target_is_told_and_held_to_its_bound() {
        let publish = [published(0, 1.0, 0.9), published(32, 1.2, 1.4)];
        let read = [(MEMCPY, 20.0), (Contestant::Ring.name(), 50.1)];
        let read = read.map(|(contestant, ns)| ReadRow { contestant, timing: timing(ns), ratio_to_memcpy: 1.0 });
        let pass = |meeting, ratio_to_rtrb| SpscRow {
            way: Way::InputRing.name(),
            meeting,
            n_frames: N_FRAMES,
            timing: timing(60.0),
            ratio_to_rtrb,
            best_ratio_to_rtrb: 1.0,
        };
        let spsc = [pass(Meeting::Uncontended, 1.1), pass(Meeting::Contended, 1.11)];
        let instructions = Instructions { missing: None, rows: Vec::new() };
        let targets = targets(&publish, &read, &spsc, None, &instructions);
        let verdicts: Vec<(f64, bool)> = targets.iter().map(|target| (target.value, target.is_met)).collect();
        assert_eq!(verdicts, [(1.2, false), (1.4, true), (50.1, false), (1.1, true), (1.11, false)]);
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let instructions = Instructions { missing: None, rows: Vec::new() };
        assert!(targets(&[], &[], &[], None, &instructions).iter().all(|target| !target.is_met));
    }
}
