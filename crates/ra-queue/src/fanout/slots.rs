//! The memory of the ring: slots of samples as 64-bit atomic words, each with a version word. Knows slots, not
//! cursors: who reads or writes which one is the ring's business.
//!
//! This is a sequence lock per slot. A slot's version is odd while its block is being written and even when it is
//! complete; a reader copies the words between two looks at the version and has a whole block if both saw it complete.
//! All accesses are atomic, so a copy that the writer runs over is garbage to be thrown away, never undefined
//! behaviour.
//!
//! Instead of fences, which ThreadSanitizer can't see, the words carry the order (H.-J. Boehm, "Can seqlocks get along
//! with programming language memory models?", MSPC 2012, is where the fenced form comes from): a word is stored with
//! Release behind the odd version, and loaded with Acquire before the second look (`copy.rs`). Whoever sees one new word therefore
//! sees the odd version, or a later one, at its second look. On x86-64 these are plain moves.

use ra_core::{BlockStamp, FramePosition};

use super::copy::{Copying, LINE_SAMPLES, Line};
use crate::sync::{AtomicU64, Ordering};

/// What a slot holds beside its samples, on a line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Header {
    version: AtomicU64,
    stamp_seq: AtomicU64,
    position: AtomicU64,
    capture_ns: AtomicU64,
}

/// The slots of a ring. The block of sequence number `seq` lives in slot `seq % n_blocks`.
#[derive(Debug)]
pub(super) struct Slots {
    headers: Box<[Header]>,
    lines: Box<[Line]>,
    lines_per_slot: usize,
    samples_per_block: usize,
    copying: Copying,
    /// `n_blocks - 1`; a power of two keeps the rule above true where `seq` wraps.
    mask: u64,
}

/// The version of a slot while the block of `seq` is being written into it.
const fn unfinished(seq: u64) -> u64 {
    seq.wrapping_mul(2).wrapping_add(1)
}

/// The version of a slot that holds the block of `seq`.
const fn complete(seq: u64) -> u64 {
    seq.wrapping_mul(2).wrapping_add(2)
}

impl Slots {
    /// `n_blocks` must be a power of two; `first_seq` is the first that will be written.
    // rt-lint: control-side
    pub(super) fn new(n_blocks: usize, samples_per_block: usize, first_seq: u64, copying: Copying) -> Self {
        debug_assert!(n_blocks.is_power_of_two());
        let mask = n_blocks as u64 - 1;
        let lines_per_slot = samples_per_block.div_ceil(LINE_SAMPLES);
        let headers = (0..n_blocks as u64)
            .map(|slot| {
                // As if the lap before had been written.
                let seq = first_seq.wrapping_add(slot.wrapping_sub(first_seq) & mask).wrapping_sub(n_blocks as u64);
                Header {
                    version: AtomicU64::new(complete(seq)),
                    stamp_seq: AtomicU64::new(0),
                    position: AtomicU64::new(0),
                    capture_ns: AtomicU64::new(0),
                }
            })
            .collect();
        let lines = (0..n_blocks * lines_per_slot).map(|_| Line::new()).collect();
        Self { headers, lines, lines_per_slot, samples_per_block, copying, mask }
    }

    pub(super) fn n_blocks(&self) -> u64 {
        self.mask.wrapping_add(1)
    }

    pub(super) fn samples_per_block(&self) -> usize {
        self.samples_per_block
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.headers) + size_of_val(&*self.lines)
    }

    fn slot(&self, seq: u64) -> (&Header, &[Line]) {
        let slot = (seq & self.mask) as usize;
        (&self.headers[slot], &self.lines[slot * self.lines_per_slot..][..self.lines_per_slot])
    }

    /// The writer, alone: puts the block of `seq` over what the slot held. A longer slice is cut, a shorter one filled
    /// up with silence.
    pub(super) fn write(&self, seq: u64, stamp: &BlockStamp, samples: &[f32]) {
        let (header, lines) = self.slot(seq);
        // Release: pairs with the Acquire of the version in `read`: whoever sees that this slot is gone also sees the
        // head that the writer had reached by then.
        header.version.store(unfinished(seq), Ordering::Release);
        // Release: each pairs with its Acquire in `read`, as the words of a line do.
        header.stamp_seq.store(stamp.seq, Ordering::Release);
        header.position.store(stamp.position.0, Ordering::Release);
        header.capture_ns.store(stamp.capture_ns, Ordering::Release);
        let (whole, rest) = samples[..samples.len().min(self.samples_per_block)].as_chunks::<LINE_SAMPLES>();
        // As if with Release: pairs with the Acquire of the words in `read`.
        self.copying.store(lines, whole);
        let mut last = [0.0; LINE_SAMPLES];
        last[..rest.len()].copy_from_slice(rest);
        for line in &lines[whole.len()..] {
            self.copying.store(std::slice::from_ref(line), &[last]);
            last = [0.0; LINE_SAMPLES];
        }
        // Release: pairs with the first Acquire of the version in `read`: the whole block is visible with it.
        header.version.store(complete(seq), Ordering::Release);
    }

    /// Any reader: copies the block of `seq`, which must have been published, into `out`; `None` where the writer has
    /// gone over it, before or meanwhile. A longer `out` is filled up with silence.
    pub(super) fn read(&self, seq: u64, out: &mut [f32]) -> Option<BlockStamp> {
        let (header, lines) = self.slot(seq);
        // Acquire: pairs with both Release stores of the version in `write`.
        if header.version.load(Ordering::Acquire) != complete(seq) {
            return None;
        }
        // Acquire: each pairs with its Release in `write`, as the words of a line do.
        let stamp = BlockStamp {
            seq: header.stamp_seq.load(Ordering::Acquire),
            position: FramePosition(header.position.load(Ordering::Acquire)),
            capture_ns: header.capture_ns.load(Ordering::Acquire),
        };
        let n_samples = out.len().min(self.samples_per_block);
        let (block, beyond) = out.split_at_mut(n_samples);
        let (whole, rest) = block.as_chunks_mut::<LINE_SAMPLES>();
        // As if with Acquire: pairs with the Release of the words in `write`.
        self.copying.load(lines, whole);
        if let (false, Some(line)) = (rest.is_empty(), lines.get(whole.len())) {
            let mut last = [[0.0; LINE_SAMPLES]];
            self.copying.load(std::slice::from_ref(line), &mut last);
            rest.copy_from_slice(&last[0][..rest.len()]);
        }
        beyond.fill(0.0);
        // The Acquire loads above keep this one behind them, and had one of them seen a newer block's word, then the odd
        // version that was stored before that word happened before this load, which must see it or a later one.
        // Acquire: pairs with both Release stores of the version in `write`, as the first look does.
        (header.version.load(Ordering::Acquire) == complete(seq)).then_some(stamp)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn stamp(seq: u64) -> BlockStamp {
        BlockStamp { seq, position: FramePosition(seq.wrapping_mul(3)), capture_ns: seq.wrapping_mul(7) }
    }

    #[test]
    fn versions_never_meet_across_the_wrap() {
        for seq in [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            assert_eq!(unfinished(seq) % 2, 1);
            assert_eq!(complete(seq) % 2, 0);
            for ahead in 1..=64 {
                assert_ne!(complete(seq), complete(seq.wrapping_add(ahead)));
            }
        }
    }

    #[test]
    fn a_block_comes_back_bit_for_bit_whatever_its_length() {
        for n in [1, 2, 15, 16, 17, 31, 33, 512] {
            let slots = Slots::new(4, n, 0, Copying::best());
            let samples: Vec<f32> = (0..n).map(|i| f32::from_bits(0x7fa0_0000 + i as u32)).collect();
            slots.write(1, &stamp(1), &samples);
            let mut out = vec![0.0; n];
            assert_eq!(slots.read(1, &mut out), Some(stamp(1)));
            assert!(out.iter().zip(&samples).all(|(a, b)| a.to_bits() == b.to_bits()), "{n} samples, NaNs included");
        }
    }

    #[test]
    fn other_lengths_are_cut_or_filled_up() {
        let slots = Slots::new(2, 20, 0, Copying::best());
        slots.write(0, &stamp(0), &[1.0; 40]);
        slots.write(1, &stamp(1), &[2.0; 3]);
        let mut out = [9.0; 24];
        assert!(slots.read(0, &mut out).is_some());
        assert_eq!((out[19], out[20], out[23]), (1.0, 0.0, 0.0));
        assert!(slots.read(1, &mut out[..20]).is_some());
        assert_eq!((out[2], out[3], out[19]), (2.0, 0.0, 0.0));
        let mut short = [9.0; 2];
        assert!(slots.read(0, &mut short).is_some());
        assert_eq!(short, [1.0, 1.0]);
    }

    #[test]
    fn a_slot_that_was_written_over_is_refused() {
        let slots = Slots::new(2, 4, u64::MAX, Copying::best());
        slots.write(u64::MAX, &stamp(5), &[1.0; 4]);
        assert_eq!(slots.read(u64::MAX, &mut [0.0; 4]), Some(stamp(5)));
        slots.write(1, &stamp(6), &[2.0; 4]);
        assert_eq!(slots.read(u64::MAX, &mut [0.0; 4]), None);
        assert_eq!(slots.read(1, &mut [0.0; 4]), Some(stamp(6)));
    }
}
