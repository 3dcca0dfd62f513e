//! The stamps of an input ring: a slot for each delivery that the reader has not taken. Knows places, not whose they are: the
//! ends see to it that nobody is where somebody writes.

use ra_core::{FramePosition, PeriodStamp};

use crate::sync::Word;

/// Slots that both ends go round in the same order.
#[derive(Debug)]
pub(super) struct Stamps {
    slots: Box<[Slot]>,
}

/// One stamp; two of them to a cache line.
#[derive(Debug, Default)]
#[repr(align(32))]
struct Slot {
    position: Word,
    /// The frames, doubled, and in the lowest bit whether a break came before them.
    frames_and_break: Word,
    capture_ns: Word,
}

impl Stamps {
    /// Slots for `len` stamps: every page of them has been written.
    // rt-lint: control-side
    pub(super) fn new(len: usize) -> Self {
        let stamps = Self { slots: (0..len).map(|_| Slot::default()).collect() };
        // Memory that was asked for as zeros is mapped when it is first written.
        (0..len).for_each(|at| stamps.set(at, &PeriodStamp::default()));
        stamps
    }

    /// How many there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The slot behind the one at `at`.
    #[inline]
    pub(super) fn next(&self, at: usize) -> usize {
        if at + 1 >= self.len() { 0 } else { at + 1 }
    }

    /// Puts a stamp into the slot at `at`.
    #[inline]
    pub(super) fn set(&self, at: usize, stamp: &PeriodStamp) {
        let Some(slot) = self.slots.get(at) else { return };
        slot.position.set(stamp.position.0);
        slot.frames_and_break.set(stamp.n_frames << 1 | u64::from(stamp.is_after_break));
        slot.capture_ns.set(stamp.capture_ns);
    }

    /// The stamp in the slot at `at`; `None`: there is no such slot.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<PeriodStamp> {
        let slot = self.slots.get(at)?;
        let frames_and_break = slot.frames_and_break.get();
        Some(PeriodStamp {
            position: FramePosition(slot.position.get()),
            n_frames: frames_and_break >> 1,
            capture_ns: slot.capture_ns.get(),
            is_after_break: frames_and_break & 1 == 1,
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_as_it_was_round_after_round() {
        let stamps = Stamps::new(3);
        let mut at = 0;
        for n in 0..10 {
            let stamp = PeriodStamp {
                position: FramePosition(u64::MAX - n),
                n_frames: n * n,
                capture_ns: u64::MAX - 2 * n,
                is_after_break: n % 2 == 1,
            };
            stamps.set(at, &stamp);
            assert_eq!((stamps.get(at), at as u64), (Some(stamp), n % 3));
            at = stamps.next(at);
        }
        assert_eq!(stamps.get(3), None);
    }
}
