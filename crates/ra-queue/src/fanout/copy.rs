//! Copying samples into and out of words that another thread may be copying at the same moment. Knows lines of words,
//! not what they mean; who may do this when is in `slots.rs`.
//!
//! Two ways, one promise: every line is stored as if with Release and loaded as if with Acquire, word by word.
//! - **Words**: 64-bit atomics, on every machine, and what model checkers see.
//! - **Wide**: 32-byte moves on x86-64 with AVX. There every store is a release and every load an acquire (AMD64
//!   Architecture Programmer's Manual, volume 2, 7.2; Intel SDM, volume 3, 9.2), vector moves included, so a wide move
//!   stands for four of the atomics above. It is written as assembly because the language has no atomic of that size,
//!   and an ordinary copy of memory that others write is undefined behaviour. It pays: 64-bit moves reach one store a
//!   cycle, a quarter of what the processor can do. See `docs/adr/0001-fan-out-ring.md`.
//!
//! One ring uses one way for its whole life, so accesses of different sizes never meet.
#![cfg_attr(
    all(target_arch = "x86_64", not(loom)),
    allow(unsafe_code, reason = "a copy at memory speed of memory that others write: no atomic type is that wide")
)]

use crate::sync::{AtomicU64, Ordering};

/// Words that are copied in one straight run: a cache line. A model checker has to look at every word, so there: one.
pub(super) const LINE_WORDS: usize = if cfg!(loom) { 1 } else { 8 };
/// Samples in a line.
pub(super) const LINE_SAMPLES: usize = 2 * LINE_WORDS;

/// A cache line of shared words.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Line([AtomicU64; LINE_WORDS]);

/// How lines are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copying {
    Words,
    #[cfg(all(target_arch = "x86_64", not(loom)))]
    Wide(HasAvx),
}

/// Proof that the processor has AVX: only [`Copying::best`] makes it.
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HasAvx(());

impl Copying {
    /// The fastest way that this machine has.
    pub(super) fn best() -> Self {
        #[cfg(all(target_arch = "x86_64", not(loom)))]
        if std::arch::is_x86_feature_detected!("avx") {
            return Self::Wide(HasAvx(()));
        }
        Self::Words
    }

    /// Stores as many lines as both slices have, each word as if with Release: whoever loads one of them sees what this
    /// thread stored before.
    pub(super) fn store(self, lines: &[Line], samples: &[[f32; LINE_SAMPLES]]) {
        match self {
            Self::Words => lines.iter().zip(samples).for_each(|(line, samples)| line.store(samples)),
            #[cfg(all(target_arch = "x86_64", not(loom)))]
            Self::Wide(avx) => {
                let n_lines = lines.len().min(samples.len());
                // SAFETY: both are `n_lines` lines of 64 bytes or more, and `lines` is made of atomics, which may be
                // written through a shared reference.
                unsafe { wide_copy(avx, samples.as_ptr().cast(), lines.as_ptr().cast_mut().cast(), n_lines) }
            }
        }
    }

    /// Loads as many lines as both slices have, each word as if with Acquire: what this thread loads afterwards is no
    /// older than what the words' writer had stored before them.
    pub(super) fn load(self, lines: &[Line], samples: &mut [[f32; LINE_SAMPLES]]) {
        match self {
            Self::Words => lines.iter().zip(samples).for_each(|(line, samples)| *samples = line.load()),
            #[cfg(all(target_arch = "x86_64", not(loom)))]
            Self::Wide(avx) => {
                let n_lines = lines.len().min(samples.len());
                // SAFETY: both are `n_lines` lines of 64 bytes or more; every bit pattern is a valid `f32`.
                unsafe { wide_copy(avx, lines.as_ptr().cast(), samples.as_mut_ptr().cast(), n_lines) }
            }
        }
    }
}

impl Line {
    /// A line of silence.
    pub(super) fn new() -> Self {
        let line = Self(std::array::from_fn(|_| AtomicU64::new(0)));
        for word in &line.0 {
            // Relaxed: nobody else has the line yet. Stored so that its page is mapped now, not in the first lap.
            word.store(0, Ordering::Relaxed);
        }
        line
    }

    fn store(&self, samples: &[f32; LINE_SAMPLES]) {
        for (word, pair) in self.0.iter().zip(samples.as_chunks::<2>().0) {
            // Release: pairs with the Acquire in `load`.
            word.store(word_of(pair[0], pair[1]), Ordering::Release);
        }
    }

    /// All words are loaded before the first is handed on: measured 10 % faster than word by word.
    fn load(&self) -> [f32; LINE_SAMPLES] {
        // Acquire: pairs with the Release in `store`.
        let words: [u64; LINE_WORDS] = std::array::from_fn(|i| self.0[i].load(Ordering::Acquire));
        std::array::from_fn(|i| f32::from_bits((words[i / 2] >> (32 * (i % 2))) as u32))
    }
}

/// Two samples in a word, the first in the lower half: on little-endian machines one 64-bit move.
fn word_of(first: f32, second: f32) -> u64 {
    u64::from(first.to_bits()) | u64::from(second.to_bits()) << 32
}

/// Copies `n_lines` lines of 64 bytes, from the first to the last, in moves of 32 bytes.
///
/// # Safety
/// `n_lines * 64` bytes can be read at `from` and written at `to`, and they don't overlap. Where other threads access
/// either meanwhile, they do so with this function.
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
unsafe fn wide_copy(_has_avx: HasAvx, from: *const u8, to: *mut u8, n_lines: usize) {
    if n_lines == 0 {
        return;
    }
    // SAFETY: the caller's promise on the memory; the token's on the instructions. Overwrites what it names, and clears
    // the upper halves of the vector registers, which code built without AVX doesn't use.
    unsafe {
        std::arch::asm!(
            "2:",
            "vmovups {a:y}, [{from}]",
            "vmovups {b:y}, [{from} + 32]",
            "vmovups [{to}], {a:y}",
            "vmovups [{to} + 32], {b:y}",
            "add {from}, 64",
            "add {to}, 64",
            "dec {n}",
            "jnz 2b",
            "vzeroupper",
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            n = inout(reg) n_lines => _,
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            options(nostack),
        );
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_way_gives_every_bit_back() {
        for copying in [Copying::Words, Copying::best()] {
            for n_lines in [0, 1, 2, 7, 32] {
                let lines: Vec<Line> = (0..n_lines).map(|_| Line::new()).collect();
                let samples: Vec<[f32; LINE_SAMPLES]> = (0..n_lines)
                    .map(|line| std::array::from_fn(|i| f32::from_bits(0x7fa0_0000 + (line * LINE_SAMPLES + i) as u32)))
                    .collect();
                copying.store(&lines, &samples);
                let mut out = vec![[0.0; LINE_SAMPLES]; n_lines];
                copying.load(&lines, &mut out);
                let bits =
                    |lines: &[[f32; LINE_SAMPLES]]| lines.concat().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&out), bits(&samples), "{copying:?}, {n_lines} lines, NaNs");
            }
        }
    }

    #[test]
    fn only_the_shorter_of_both_is_copied() {
        for copying in [Copying::Words, Copying::best()] {
            let lines = [Line::new(), Line::new(), Line::new()];
            copying.store(&lines, &[[1.0; LINE_SAMPLES]; 2]);
            let mut out = [[9.0; LINE_SAMPLES]; 4];
            copying.load(&lines, &mut out);
            assert_eq!(out.map(|line| line[LINE_SAMPLES - 1]), [1.0, 1.0, 0.0, 9.0], "{copying:?}");
        }
    }
}
