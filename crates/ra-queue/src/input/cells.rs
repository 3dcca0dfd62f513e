//! The memory of an input ring: samples in cells, and words, that two threads use in turn. Knows places, not whose they are:
//! the ends see to it that nobody is where somebody writes. In the models `sync/cells.rs` stands in, and loom checks that.
#![allow(unsafe_code, reason = "plain memory that two threads use in turn")]

use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Samples that two threads use in turn, gone round and round.
#[derive(Debug)]
pub(crate) struct Cells {
    cells: Box<[UnsafeCell<f32>]>,
}

// SAFETY: every method that reaches into a cell is unsafe, and its callers promise that no cell is written while another
// thread is at it.
unsafe impl Sync for Cells {}

impl Cells {
    /// `len` cells of silence: every page of them has been written.
    // rt-lint: control-side
    pub(crate) fn new(len: usize) -> Self {
        Self { cells: (0..len).map(|_| UnsafeCell::new(0.0)).collect() }
    }

    /// How many there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The place `n` behind `at`; `n` is at most [`Cells::len`].
    #[inline]
    pub(crate) fn behind(&self, at: usize, n: usize) -> usize {
        let place = at + n;
        if place >= self.len() { place - self.len() } else { place }
    }

    /// Where `n` cells from `at` on begin, if there are as many before the end.
    #[inline]
    fn piece(&self, at: usize, n: usize) -> Option<*mut f32> {
        // A pointer to all `n` of them, not to the first one alone.
        self.cells.get(at..at.checked_add(n)?).map(|cells| UnsafeCell::raw_get(cells.as_ptr()))
    }

    /// Puts `values` into the cells from `at` on, and from the first one on where they go past the end.
    ///
    /// # Safety
    /// Nobody else is at these cells.
    #[inline]
    pub(crate) unsafe fn write(&self, at: usize, values: &[f32]) {
        if let Some(piece) = self.piece(at, values.len()) {
            // SAFETY: `piece` is as many cells as there are values, nobody else is there, and they are cells, so that they
            // may be written through a shared reference.
            unsafe { ptr::copy_nonoverlapping(values.as_ptr(), piece, values.len()) }
        } else {
            // SAFETY: as the caller promises.
            unsafe { self.write_round(at, values) }
        }
    }

    /// The seldom case, kept out of the way of the other.
    ///
    /// # Safety
    /// As for [`Cells::write`].
    #[cold]
    unsafe fn write_round(&self, at: usize, values: &[f32]) {
        let (first, second) = values.split_at(values.len().min(self.len() - at));
        for (at, values) in [(at, first), (0, second)] {
            if let Some(piece) = self.piece(at, values.len()) {
                // SAFETY: as in `write`.
                unsafe { ptr::copy_nonoverlapping(values.as_ptr(), piece, values.len()) }
            }
        }
    }

    /// Copies the cells from `at` on to `out`, going on at the first one where the end comes before `out` is full.
    ///
    /// # Safety
    /// Nobody writes these cells.
    #[inline]
    pub(crate) unsafe fn read(&self, at: usize, out: &mut [f32]) {
        if let Some(piece) = self.piece(at, out.len()) {
            // SAFETY: `piece` is as many cells as `out` has room for, and nobody writes them.
            unsafe { ptr::copy_nonoverlapping(piece, out.as_mut_ptr(), out.len()) }
        } else {
            // SAFETY: as the caller promises.
            unsafe { self.read_round(at, out) }
        }
    }

    /// The seldom case, kept out of the way of the other.
    ///
    /// # Safety
    /// As for [`Cells::read`].
    #[cold]
    unsafe fn read_round(&self, at: usize, out: &mut [f32]) {
        let (first, second) = out.split_at_mut(out.len().min(self.len() - at));
        for (at, out) in [(at, first), (0, second)] {
            if let Some(piece) = self.piece(at, out.len()) {
                // SAFETY: as in `read`.
                unsafe { ptr::copy_nonoverlapping(piece, out.as_mut_ptr(), out.len()) }
            }
        }
    }

    /// Lends `n` cells from `at` on, all of them before the end, to be read where they lie.
    ///
    /// # Safety
    /// Nobody writes these cells until `take` returns.
    #[inline]
    pub(crate) unsafe fn lend<R>(&self, at: usize, n: usize, take: impl FnOnce(&[f32]) -> R) -> Option<R> {
        // SAFETY: `n` cells that hold values, and nobody writes them while `take` has them.
        self.piece(at, n).map(|piece| take(unsafe { std::slice::from_raw_parts(piece, n) }))
    }

    /// Lends `n` cells from `at` on, all of them before the end, to be written where they lie.
    ///
    /// # Safety
    /// Nobody else is at these cells until `write` returns.
    #[inline]
    pub(crate) unsafe fn lend_mut<R>(&self, at: usize, n: usize, write: impl FnOnce(&mut [f32]) -> R) -> Option<R> {
        // SAFETY: `n` cells that hold values, and nobody else is there while `write` has them.
        self.piece(at, n).map(|piece| write(unsafe { std::slice::from_raw_parts_mut(piece, n) }))
    }
}

/// A word that two threads use in turn.
///
/// An atomic, though nobody races for it: a word that was just stored is then loaded as it was stored. Several of them as
/// plain memory are loaded at once, which has to wait until all the stores are through.
#[derive(Debug, Default)]
pub(crate) struct Word(AtomicU64);

impl Word {
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        // Relaxed, here and in `get`: ordered by what tells whose turn it is.
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What four cells hold after `values` went into them from `at` on.
    fn written(at: usize, values: &[f32]) -> [f32; 4] {
        let cells = Cells::new(4);
        let mut out = [9.0; 4];
        // SAFETY: nobody else has them.
        unsafe {
            cells.write(at, values);
            cells.read(0, &mut out);
        }
        out
    }

    #[test]
    fn values_go_round_the_end_and_come_back() {
        assert_eq!(written(0, &[1.0, 2.0, 3.0, 4.0]), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(written(2, &[1.0, 2.0]), [0.0, 0.0, 1.0, 2.0]);
        assert_eq!(written(3, &[1.0, 2.0, 3.0]), [2.0, 3.0, 0.0, 1.0]);
        assert_eq!(written(3, &[]), [0.0; 4]);
        let cells = Cells::new(3);
        let mut out = [0.0; 3];
        // SAFETY: nobody else has them.
        unsafe {
            cells.write(2, &[7.0, 8.0, 9.0]);
            cells.read(2, &mut out);
        }
        assert_eq!(out, [7.0, 8.0, 9.0]);
        assert_eq!([cells.behind(0, 2), cells.behind(1, 2), cells.behind(2, 3)], [2, 0, 2]);
    }

    #[test]
    fn what_is_lent_is_the_memory_itself() {
        let cells = Cells::new(3);
        // SAFETY: nobody else has them.
        unsafe {
            assert_eq!(cells.lend_mut(1, 2, |piece| piece.copy_from_slice(&[5.0, 6.0])), Some(()));
            assert_eq!(cells.lend(0, 3, <[f32]>::to_vec), Some(vec![0.0, 5.0, 6.0]));
            assert_eq!(cells.lend(2, 2, <[f32]>::to_vec), None, "past the end");
            assert_eq!(cells.lend(usize::MAX, 2, <[f32]>::to_vec), None);
        }
    }
}
