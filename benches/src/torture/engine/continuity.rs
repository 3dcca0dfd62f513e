//! Holds a consumer's view against the stamps: every block that was published is either in its hands or among those that
//! it was told were lost. Knows no engine.

use ra_core::BlockStamp;

/// What a reader of stamps has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Continuity {
    /// The stamp that should come next, if nothing is lost.
    next_seq: Option<u64>,
    next_position: u64,
    /// Lost blocks that it was told of since the last block.
    told_blocks: u64,
    pub(super) read_blocks: u64,
    pub(super) lost_blocks: u64,
    /// Blocks by which what is missing differs from what was told to be.
    pub(super) wrong_blocks: u64,
    /// Frames by which the timeline jumped without a block having been lost: the mixer was late.
    pub(super) jumped_frames: u64,
    /// Times that the timeline went back.
    pub(super) backwards: u64,
}

impl Continuity {
    /// Blocks were told to be lost.
    pub(super) fn lost(&mut self, n_blocks: u64) {
        self.told_blocks += n_blocks;
        self.lost_blocks += n_blocks;
    }

    /// A block came. Returns whether it continues the last one.
    pub(super) fn block(&mut self, stamp: &BlockStamp, n_frames: u64) -> bool {
        self.read_blocks += 1;
        let mut continues = false;
        if let Some(next_seq) = self.next_seq {
            let missing = stamp.seq.wrapping_sub(next_seq);
            self.wrong_blocks += missing.abs_diff(self.told_blocks);
            let expected = self.next_position + missing * n_frames;
            match stamp.position.0.checked_sub(expected) {
                Some(jumped) => self.jumped_frames += jumped,
                None => self.backwards += 1,
            }
            continues = missing == 0 && stamp.position.0 == self.next_position;
        }
        self.told_blocks = 0;
        self.next_seq = Some(stamp.seq.wrapping_add(1));
        self.next_position = stamp.position.0 + n_frames;
        continues
    }
}

#[cfg(test)]
mod tests {
    use ra_core::FramePosition;

    use super::*;

    fn stamp(seq: u64) -> BlockStamp {
        BlockStamp { seq, position: FramePosition(seq * 128), capture_ns: 0 }
    }

    #[test]
    fn a_loss_that_is_told_exactly_is_right_and_any_other_is_wrong() {
        let mut reader = Continuity::default();
        assert!(!reader.block(&stamp(5), 128));
        assert!(reader.block(&stamp(6), 128));
        reader.lost(3);
        assert!(!reader.block(&stamp(10), 128));
        assert_eq!((reader.wrong_blocks, reader.read_blocks, reader.lost_blocks), (0, 3, 3));
        // Not told.
        reader.block(&stamp(12), 128);
        assert_eq!(reader.wrong_blocks, 1);
        // Told too many.
        reader.lost(2);
        reader.block(&stamp(14), 128);
        assert_eq!((reader.wrong_blocks, reader.jumped_frames, reader.backwards), (2, 0, 0));
    }

    #[test]
    fn a_timeline_that_jumps_or_goes_back_is_seen() {
        let mut reader = Continuity::default();
        reader.block(&stamp(0), 128);
        reader.block(&BlockStamp { position: FramePosition(1_000), ..stamp(1) }, 128);
        assert_eq!((reader.jumped_frames, reader.backwards), (872, 0));
        reader.block(&BlockStamp { position: FramePosition(1_000), ..stamp(2) }, 128);
        assert_eq!(reader.backwards, 1);
    }
}
