//! A disk under a cache that holds pages back: what was synced is on it, and of what was written since, any page in any of
//! the states that it went through, and the length that the file had at any time since. Pages are 4 KiB and whole: what a
//! call wrote over several of them can be there in part. What was never written reads as zeros, as every file system of
//! today has it.

use std::collections::BTreeMap;

use super::call_log::{Call, Noted};
use crate::torture::engine::Dice;

const PAGE: usize = 4_096;

/// A file's content, on the disk and in the cache above it.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    /// What the process sees.
    pub(super) bytes: Vec<u8>,
    /// What was last synced.
    synced: Vec<u8>,
    /// Of each page that was written since: its states, in their order.
    pages: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Lengths that the file had since.
    lengths: Vec<usize>,
    n_done: usize,
    taken_frames: u64,
    synced_frames: u64,
    has_synced: bool,
}

/// What a cut leaves.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) bytes: Vec<u8>,
    pub(super) taken_frames: u64,
    pub(super) synced_frames: u64,
    pub(super) has_synced: bool,
    pub(super) has_losses: bool,
    /// By which of the rules pages were chosen.
    pub(super) what: &'static str,
}

impl Disk {
    /// The file behind all calls.
    pub(super) fn after(log: &[Noted]) -> Self {
        let mut disk = Self::default();
        disk.run_to(log, log.len());
        disk
    }

    /// Carries out calls until `n_calls` of them are done.
    pub(super) fn run_to(&mut self, log: &[Noted], n_calls: usize) {
        for noted in &log[self.n_done..n_calls.min(log.len())] {
            self.taken_frames = noted.taken_frames;
            self.carry_out(&noted.call);
        }
        self.n_done = self.n_done.max(n_calls.min(log.len()));
    }

    fn carry_out(&mut self, call: &Call) {
        match call {
            Call::Create | Call::SyncDirectory => {}
            Call::Write { offset, bytes } => {
                let (from, end) = (*offset as usize, *offset as usize + bytes.len());
                if self.bytes.len() < end {
                    self.bytes.resize(end, 0);
                    self.lengths.push(end);
                }
                self.bytes[from..end].copy_from_slice(bytes);
                for page in from / PAGE..end.div_ceil(PAGE) {
                    let mut state = self.bytes[page * PAGE..self.bytes.len().min((page + 1) * PAGE)].to_vec();
                    state.resize(PAGE, 0);
                    self.pages.entry(page).or_default().push(state);
                }
            }
            Call::SetLen { len } => {
                self.bytes.resize(*len as usize, 0);
                self.lengths.push(*len as usize);
            }
            Call::Sync => {
                self.synced.clone_from(&self.bytes);
                self.pages.clear();
                self.lengths.clear();
                self.synced_frames = self.taken_frames;
                self.has_synced = true;
            }
        }
    }

    /// Cuts the power now. The disk goes on as if it had not.
    pub(super) fn cut(&self, dice: &mut Dice) -> Cut {
        // Each page by itself, or one of the orders in which a header and its data can part.
        let what = *["any pages", "the first page only", "all but the first page", "the first calls"]
            .get(dice.below(4) as usize)
            .unwrap_or(&"any pages");
        let lengths: Vec<usize> = std::iter::once(self.synced.len()).chain(self.lengths.iter().copied()).collect();
        let length = match what {
            // The most that a header could speak of, and nothing that it speaks of.
            "the first page only" => dice.pick(&lengths[..1]),
            _ => dice.pick(&lengths),
        }
        .unwrap_or(self.synced.len());
        let mut bytes = self.synced.clone();
        bytes.resize(length, 0);
        for (page, states) in &self.pages {
            let newest = match what {
                "the first page only" => (*page == 0).then(|| states.len() - 1),
                "all but the first page" => (*page > 0).then(|| states.len() - 1),
                "the first calls" => (*page < 1 + length / PAGE / 2).then(|| dice.below(states.len() as u64) as usize),
                _ => (dice.below(states.len() as u64 + 1) as usize).checked_sub(1),
            };
            let Some(state) = newest.and_then(|at| states.get(at)) else { continue };
            let (from, end) = (page * PAGE, ((page + 1) * PAGE).min(length));
            if from < end {
                bytes[from..end].copy_from_slice(&state[..end - from]);
            }
        }
        Cut {
            has_losses: bytes != self.bytes,
            bytes,
            taken_frames: self.taken_frames,
            synced_frames: self.synced_frames,
            has_synced: self.has_synced,
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(offset: u64, byte: u8, n: usize) -> Noted {
        Noted { call: Call::Write { offset, bytes: vec![byte; n] }, taken_frames: 0 }
    }

    #[test]
    fn what_was_synced_stays_and_every_mixture_of_the_rest_comes() {
        let log = [
            write(0, 1, 2 * PAGE),
            Noted { call: Call::Sync, taken_frames: 7 },
            write(0, 2, PAGE),
            write(0, 3, PAGE),
            write(PAGE as u64 * 2, 4, PAGE),
        ];
        let disk = Disk::after(&log);
        let mut dice = Dice::new(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let cut = disk.cut(&mut dice);
            assert_eq!(cut.synced_frames, 7);
            assert_eq!(cut.bytes[PAGE..2 * PAGE], [1; PAGE], "nobody wrote here since");
            let third = cut.bytes.get(2 * PAGE).copied();
            assert!(cut.bytes.len() == 2 * PAGE || cut.bytes.len() == 3 * PAGE);
            seen.insert((cut.bytes[0], third));
        }
        let all: Vec<(u8, Option<u8>)> =
            [1, 2, 3].into_iter().flat_map(|a| [(a, None), (a, Some(0)), (a, Some(4))]).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
    }
}
