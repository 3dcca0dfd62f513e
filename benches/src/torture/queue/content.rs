//! What the blocks and frames of a torture hold: every word follows from its number, so that one that is out of place,
//! or from another lap, shows. Fast enough that writing and checking it takes no longer than copying it.

use ra_core::{BlockStamp, FramePosition};

/// What neighbouring words differ by; odd, so that no two of 2^32 words in a row are the same.
const STEP: u32 = 0x9e37_79b1;
/// What neighbouring blocks differ by; odd, so that no two of 2^32 blocks in a row have the same first word.
const BLOCK_STEP: u32 = 0x85eb_ca6b;

/// Fills `out` with the words that follow `first`. All bit patterns appear, NaNs included.
fn fill(first: u32, out: &mut [f32]) {
    let mut bits = first;
    for sample in out {
        *sample = f32::from_bits(bits);
        bits = bits.wrapping_add(STEP);
    }
}

/// How many words are not those that follow `first`. No early end, so that the compiler compares many at a time.
fn count_wrong(first: u32, samples: &[f32]) -> u32 {
    let mut bits = first;
    let mut n_wrong = 0;
    for sample in samples {
        n_wrong += u32::from(sample.to_bits() != bits);
        bits = bits.wrapping_add(STEP);
    }
    n_wrong
}

/// Scatters a number over 64 bits; no two numbers meet.
fn scatter(n: u64) -> u64 {
    let z = (n ^ (n >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z ^ (z >> 29)
}

/// Blocks, numbered from 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockContent {
    /// The stamp's sequence number of block 0.
    pub(super) first_seq: u64,
    /// The position of block 0.
    pub(super) first_position: u64,
    pub(super) n_frames: usize,
    pub(super) n_channels: usize,
}

impl BlockContent {
    pub(super) fn n_samples(&self) -> usize {
        self.n_frames * self.n_channels
    }

    pub(super) fn stamp(&self, n: u64) -> BlockStamp {
        BlockStamp {
            seq: self.first_seq.wrapping_add(n),
            position: FramePosition(self.first_position.wrapping_add(n.wrapping_mul(self.n_frames as u64))),
            capture_ns: scatter(n),
        }
    }

    /// The number of the block that claims this stamp.
    pub(super) fn number_of(&self, stamp: &BlockStamp) -> u64 {
        stamp.seq.wrapping_sub(self.first_seq)
    }

    pub(super) fn fill(&self, n: u64, out: &mut [f32]) {
        fill((n as u32).wrapping_mul(BLOCK_STEP), out);
    }

    /// Whether stamp and samples are those of one and the same block, word for word.
    pub(super) fn is_whole(&self, stamp: &BlockStamp, samples: &[f32]) -> bool {
        let n = self.number_of(stamp);
        samples.len() == self.n_samples()
            && *stamp == self.stamp(n)
            && count_wrong((n as u32).wrapping_mul(BLOCK_STEP), samples) == 0
    }
}

/// Frames, by their position; and the capture times of deliveries, numbered from 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameContent {
    pub(super) n_channels: usize,
    /// The capture time of delivery 0.
    pub(super) first_capture_ns: u64,
}

impl FrameContent {
    fn first_word(&self, position: u64) -> u32 {
        (position as u32).wrapping_mul(self.n_channels as u32).wrapping_mul(STEP)
    }

    /// Fills `out` with the frames from `position` on.
    pub(super) fn fill(&self, position: u64, out: &mut [f32]) {
        fill(self.first_word(position), out);
    }

    /// Whether these are the frames from `position` on.
    pub(super) fn is_right(&self, position: u64, samples: &[f32]) -> bool {
        count_wrong(self.first_word(position), samples) == 0
    }

    /// The capture time of delivery `n`, which also says whether a break was marked before it.
    pub(super) fn capture_ns(&self, n: u64, is_after_break: bool) -> u64 {
        self.first_capture_ns.wrapping_add(2 * n + u64::from(is_after_break))
    }

    /// The delivery that has this capture time, and whether a break was marked before it.
    pub(super) fn delivery(&self, capture_ns: u64) -> (u64, bool) {
        let code = capture_ns.wrapping_sub(self.first_capture_ns);
        (code / 2, code % 2 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_word_of_another_block_shows_wherever_it_is() {
        let content = BlockContent { first_seq: u64::MAX, first_position: u64::MAX - 9, n_frames: 19, n_channels: 3 };
        let mut old = vec![0.0; content.n_samples()];
        content.fill(6, &mut old);
        for i in 0..content.n_samples() {
            let mut samples = vec![0.0; content.n_samples()];
            content.fill(7, &mut samples);
            assert!(content.is_whole(&content.stamp(7), &samples));
            samples[i] = old[i];
            assert!(!content.is_whole(&content.stamp(7), &samples), "word {i}");
        }
    }

    #[test]
    fn words_that_changed_places_show() {
        let content = BlockContent { first_seq: 0, first_position: 0, n_frames: 64, n_channels: 1 };
        let mut samples = vec![0.0; 64];
        content.fill(3, &mut samples);
        samples.rotate_left(16);
        assert!(!content.is_whole(&content.stamp(3), &samples));
        assert!(!content.is_whole(&content.stamp(3), &samples[..63]), "nor is a short one whole");
    }

    #[test]
    fn each_word_of_a_stamp_is_looked_at() {
        let content = BlockContent { first_seq: 5, first_position: 9, n_frames: 4, n_channels: 1 };
        let mut samples = vec![0.0; 4];
        content.fill(2, &mut samples);
        let (whole, other) = (content.stamp(2), content.stamp(1));
        assert!(content.is_whole(&whole, &samples));
        for torn in [
            BlockStamp { seq: other.seq, ..whole },
            BlockStamp { position: other.position, ..whole },
            BlockStamp { capture_ns: other.capture_ns, ..whole },
        ] {
            assert!(!content.is_whole(&torn, &samples), "{torn:?}");
        }
    }

    #[test]
    fn frames_and_deliveries_go_on_across_the_wrap() {
        let content = FrameContent { n_channels: 3, first_capture_ns: u64::MAX - 2 };
        let mut samples = vec![0.0; 3 * 8];
        content.fill(u64::MAX - 3, &mut samples);
        assert!(content.is_right(u64::MAX - 3, &samples));
        assert!(content.is_right(1, &samples[5 * 3..]), "the frame behind the wrap");
        assert!(!content.is_right(u64::MAX - 4, &samples));
        for (n, is_after_break) in [(0, false), (0, true), (1, true), (7, false)] {
            assert_eq!(content.delivery(content.capture_ns(n, is_after_break)), (n, is_after_break));
        }
    }
}
