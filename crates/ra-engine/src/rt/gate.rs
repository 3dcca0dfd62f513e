//! Lets a source's sound through to the mix, or not, behind its effects. Does not decide.

use std::collections::VecDeque;

/// A gate; it opens and closes by a short ramp.
///
/// What decides about it hears the source in front of its effects: the gate moves as much later as they delay the sound.
pub(crate) struct Gate {
    channels: usize,
    ramp_frames: u32,
    /// How far it is open: `ramp_frames` where wholly.
    open_frames: u32,
    is_opening: bool,
    /// What was decided, and in how many frames it is due, behind the one before it at the earliest. Never grows.
    decided: VecDeque<(usize, bool)>,
    most_decided: usize,
    scaled: Box<[f32]>,
}

impl Gate {
    /// A gate that is open, behind effects that delay by `most_path_frames` at most.
    // rt-lint: control-side
    pub(crate) fn new(channels: usize, block_frames: usize, ramp_frames: u32, most_path_frames: usize) -> Self {
        let ramp_frames = ramp_frames.max(1);
        // There is a decision a block at most.
        let most_decided = most_path_frames.div_ceil(block_frames) + 1;
        Self {
            channels,
            ramp_frames,
            open_frames: ramp_frames,
            is_opening: true,
            decided: VecDeque::with_capacity(most_decided),
            most_decided,
            scaled: vec![0.0; channels * block_frames].into_boxed_slice(),
        }
    }

    /// Opens or closes where the sound comes out that is `path_frames` away now.
    pub(crate) fn set_open(&mut self, open: bool, path_frames: usize) {
        if self.decided.back().map_or(self.is_opening, |&(_, open)| open) == open {
            return;
        }
        if self.decided.len() == self.most_decided {
            // The effects have become shorter meanwhile: the two latest decisions cancel each other.
            self.decided.pop_back();
        } else {
            self.decided.push_back((path_frames, open));
        }
    }

    /// As if everything that was decided had happened, and every ramp were over.
    pub(crate) fn settle(&mut self) {
        if let Some((_, open)) = self.decided.pop_back() {
            self.is_opening = open;
            self.decided.clear();
        }
        self.open_frames = self.end_frames();
    }

    fn end_frames(&self) -> u32 {
        if self.is_opening { self.ramp_frames } else { 0 }
    }

    /// What of `block` is heard.
    pub(crate) fn pass<'a>(&'a mut self, block: &'a [f32]) -> &'a [f32] {
        let block_frames = block.len() / self.channels;
        let is_due = self.decided.front().is_some_and(|&(frames, _)| frames < block_frames);
        if self.open_frames == self.end_frames() && !is_due {
            self.count_down(block_frames);
            if self.is_opening {
                return block;
            }
            self.scaled.fill(0.0);
            return &self.scaled;
        }
        let step = 1.0 / self.ramp_frames as f32;
        for at in 0..block_frames {
            while let Some(&(0, open)) = self.decided.front() {
                self.is_opening = open;
                self.decided.pop_front();
            }
            self.count_down(1);
            self.open_frames = match self.is_opening {
                true => (self.open_frames + 1).min(self.ramp_frames),
                false => self.open_frames.saturating_sub(1),
            };
            let level_lin = self.open_frames as f32 * step;
            let samples = at * self.channels..(at + 1) * self.channels;
            for (scaled, sample) in self.scaled[samples.clone()].iter_mut().zip(&block[samples]) {
                *scaled = sample * level_lin;
            }
        }
        &self.scaled
    }

    fn count_down(&mut self, n_frames: usize) {
        self.decided.iter_mut().for_each(|(frames, _)| *frames = frames.saturating_sub(n_frames));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 64;

    /// What comes of ones, by the block; `decide` says what was decided before a block.
    fn run(gate: &mut Gate, n_blocks: usize, decide: impl Fn(usize) -> Option<(bool, usize)>) -> Vec<f32> {
        let mut heard = Vec::new();
        for n in 0..n_blocks {
            if let Some((open, path_frames)) = decide(n) {
                gate.set_open(open, path_frames);
            }
            heard.extend_from_slice(gate.pass(&[1.0; BLOCK]));
        }
        heard
    }

    #[test]
    fn it_moves_as_much_later_as_the_sound_by_a_ramp() {
        for path_frames in [0, 1, 63, 64, 100, 240] {
            let mut gate = Gate::new(1, BLOCK, 40, 240);
            let heard = run(&mut gate, 20, |n| match n {
                2 => Some((false, path_frames)),
                10 => Some((true, path_frames)),
                _ => None,
            });
            let (closes, opens) = (2 * BLOCK + path_frames, 10 * BLOCK + path_frames);
            assert!(heard[..closes].iter().all(|&x| x == 1.0) && heard[closes] < 1.0, "{path_frames}");
            assert!(heard[closes + 40..opens].iter().all(|&x| x == 0.0) && heard[opens] > 0.0, "{path_frames}");
            assert!(heard[opens + 40..].iter().all(|&x| x == 1.0), "{path_frames}");
            assert!(heard.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 1.01 / 40.0));
        }
    }

    #[test]
    fn decisions_in_a_hurry_never_pile_up() {
        let mut gate = Gate::new(1, BLOCK, 40, 240);
        run(&mut gate, 1000, |n| Some((n % 2 == 0, if n < 500 { 240 } else { 10_000 })));
        assert!(gate.decided.len() <= gate.most_decided);
        gate.set_open(false, 0);
        gate.settle();
        assert!(run(&mut gate, 300, |_| None).iter().all(|&x| x == 0.0), "as decided last");
    }
}
