//! Where the output frames of one block are read, when the rate runs in a straight line. Knows numbers, no sound.

/// The read positions of one block, in input frames, computed directly and not by adding up: output frame `i` is read
/// at `step·i + bend·i²` behind the first, and the first is `gap` before a whole input frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    gap: f64,
    step: f64,
    bend: f64,
    end: Place,
}

/// A read position: `gap` (0 to below 1) before the input frame that is `whole` frames behind the path's own origin,
/// which is the whole frame at or behind its first position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) whole: usize,
    pub(super) gap: f64,
}

impl Path {
    /// A path of `n_frames` output frames that begins `gap` before a whole frame. The step, in input frames, is `from`
    /// at the first frame and runs in a straight line to `to` at the first frame of the next block.
    pub(super) fn new(gap: f64, from: f64, to: f64, n_frames: usize) -> Self {
        let n = n_frames as f64;
        let advance = n * (from + to) / 2.0;
        // Whole and fraction are parted before they are added, so that `gap` keeps every bit of its own: fractions of
        // numbers above ½ are multiples of 2⁻⁵³, and so are sums of them below 1. Nothing is ever rounded away, however
        // long this goes on.
        let whole = advance.floor();
        let mut end = Place { whole: whole as usize, gap: gap - (advance - whole) };
        if end.gap < 0.0 {
            end.gap += 1.0;
            // Less than 2⁻⁵⁴ behind a whole frame is at it.
            if end.gap < 1.0 {
                end.whole += 1;
            } else {
                end.gap = 0.0;
            }
        }
        Self { gap, step: from, bend: (to - from) / (2.0 * n), end }
    }

    /// Where output frame `index` is read: the whole frame and how far before it. Never behind [`Path::end`].
    #[inline(always)]
    pub(super) fn place(&self, index: f64) -> (f64, f64) {
        let position = (self.step + self.bend * index) * index - self.gap;
        let whole = position.ceil();
        (least(whole, self.end.whole as f64), whole - position)
    }

    /// Where the next block's first output frame is read.
    pub(super) fn end(&self) -> Place {
        self.end
    }
}

/// The lesser of two numbers. `min` would do, but thinks of NaN.
#[inline(always)]
pub(super) fn least(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// A whole `value` from 0 to below 2⁵¹ as an integer. `as` would do, but asks four more questions of each value.
#[inline(always)]
pub(super) fn whole_number(value: f64) -> u64 {
    // At 2⁵² the last bit of a number of this type counts 1.
    const SHIFT: f64 = (1u64 << 52) as f64;
    (value + SHIFT).to_bits() & ((1 << 51) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_straight_path_is_where_one_would_count_it() {
        let path = Path::new(0.25, 0.5, 0.5, 5);
        for (index, place) in [(0.0, 0.25), (1.0, 0.75), (1.0, 0.25), (2.0, 0.75), (2.0, 0.25)].into_iter().enumerate()
        {
            assert_eq!(path.place(index as f64), place);
        }
        assert_eq!(path.end(), Place { whole: 3, gap: 0.75 });
    }

    #[test]
    fn a_million_blocks_lose_nothing() {
        // 1 + 2⁻²⁰ and 128 frames: 2⁻¹³ of a frame for each block, which is a number without rounding.
        let mut gap = 1.0 - 0.9;
        let (first, step) = (gap, 1.0 + (-20.0f64).exp2());
        let mut n_whole = 0;
        for _ in 0..1 << 20 {
            let end = Path::new(gap, step, step, 128).end();
            gap = end.gap;
            n_whole += end.whole;
        }
        assert_eq!((gap, n_whole), (first, (128 << 20) + 128));
    }

    #[test]
    fn whole_numbers_come_through() {
        for n in [0, 1, 2, 3, 1000, (1 << 51) - 1] {
            assert_eq!(whole_number(n as f64), n);
        }
        assert_eq!(whole_number(-0.0), 0);
    }

    proptest! {
        #[test]
        fn positions_rise_and_end_where_the_next_block_begins(
            gap in 0.0f64..1.0, from in 0.001f64..50.0, to in 0.001f64..50.0, n_frames in 1usize..5000,
        ) {
            let path = Path::new(gap, from, to, n_frames);
            let mut last = -1.0;
            for index in 0..n_frames {
                let (whole, gap) = path.place(index as f64);
                prop_assert!((0.0..1.0).contains(&gap) && whole >= 0.0 && whole <= path.end().whole as f64);
                prop_assert!(whole - gap > last);
                last = whole - gap;
            }
            let end = path.end();
            prop_assert!((0.0..1.0).contains(&end.gap));
            let expected = n_frames as f64 * (from + to) / 2.0 - gap;
            let found = end.whole as f64 - end.gap;
            prop_assert!((found - expected).abs() < 1e-9 && found > last);
        }
    }
}
