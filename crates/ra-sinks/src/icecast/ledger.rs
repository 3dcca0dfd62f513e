//! Which of an encoder's frames are the bus's and which are silence in a gap's place. Counts frames, nothing else.

use std::collections::VecDeque;

/// Frames in the order in which an encoder took them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    runs: VecDeque<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    n_frames: u64,
    is_real: bool,
}

impl Ledger {
    /// Frames of a block.
    pub(super) fn put_real(&mut self, n_frames: u64) {
        self.put(n_frames, true);
    }

    /// Frames of silence that stand in for missing ones.
    pub(super) fn put_silence(&mut self, n_frames: u64) {
        self.put(n_frames, false);
    }

    /// The next `n_frames` have come out; returns how many of them were real.
    pub(super) fn take(&mut self, n_frames: u64) -> u64 {
        let (mut left, mut real) = (n_frames, 0);
        while left > 0 {
            let Some(run) = self.runs.front_mut() else { break };
            let n = run.n_frames.min(left);
            run.n_frames -= n;
            left -= n;
            real += if run.is_real { n } else { 0 };
            if run.n_frames == 0 {
                self.runs.pop_front();
            }
        }
        real
    }

    /// Nothing of what is left will ever come out; returns how many frames of it are real.
    pub(super) fn take_all(&mut self) -> u64 {
        self.take(u64::MAX)
    }

    fn put(&mut self, n_frames: u64, is_real: bool) {
        match self.runs.back_mut() {
            Some(run) if run.is_real == is_real => run.n_frames += n_frames,
            _ if n_frames > 0 => self.runs.push_back(Run { n_frames, is_real }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_from_sound() {
        let mut ledger = Ledger::default();
        ledger.put_real(100);
        ledger.put_real(28);
        ledger.put_silence(50);
        ledger.put_real(72);
        assert_eq!([ledger.take(120), ledger.take(20), ledger.take(40)], [120, 8, 2]);
        assert_eq!((ledger.take_all(), ledger.take_all(), ledger.take(5)), (70, 0, 0));
    }
}
