//! Stands in for the cells and words of an input ring (`input/cells.rs`) in the models: loom's cells, so that an access that is not
//! ordered behind the other end's last one fails the model. Only under `--cfg loom`.
//!
//! The same interface, and the same accesses; a piece that is lent is copied out when it is lent and back when it returns.
#![allow(unsafe_code, reason = "loom's cells lend raw pointers, and the interface is that of the real ones")]
// rt-lint: control-side file

use loom::cell::UnsafeCell;

/// Samples that two threads use in turn, gone round and round.
#[derive(Debug)]
pub(crate) struct Cells {
    cells: Box<[UnsafeCell<f32>]>,
}

// SAFETY: loom checks that threads take turns.
unsafe impl Sync for Cells {}

impl Cells {
    pub(crate) fn new(len: usize) -> Self {
        Self { cells: (0..len).map(|_| UnsafeCell::new(0.0)).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(crate) fn behind(&self, at: usize, n: usize) -> usize {
        (at + n) % self.len()
    }

    /// # Safety
    /// None: loom looks.
    pub(crate) unsafe fn write(&self, at: usize, values: &[f32]) {
        for (n, value) in values.iter().enumerate() {
            // SAFETY: loom has just checked that nobody else is there.
            self.cells[self.behind(at, n)].with_mut(|cell| unsafe { *cell = *value });
        }
    }

    /// # Safety
    /// None: loom looks.
    pub(crate) unsafe fn read(&self, at: usize, out: &mut [f32]) {
        for (n, out) in out.iter_mut().enumerate() {
            // SAFETY: loom has just checked that nobody writes it.
            *out = self.cells[self.behind(at, n)].with(|cell| unsafe { *cell });
        }
    }

    /// # Safety
    /// None: loom looks.
    pub(crate) unsafe fn lend<R>(&self, at: usize, n: usize, take: impl FnOnce(&[f32]) -> R) -> Option<R> {
        let cells = self.cells.get(at..at + n)?;
        // SAFETY: loom has just checked that nobody writes them.
        let copy = || cells.iter().map(|cell| cell.with(|cell| unsafe { *cell })).collect::<Vec<f32>>();
        let result = take(&copy());
        // Once more: they may have been read until now.
        copy();
        Some(result)
    }

    /// # Safety
    /// None: loom looks.
    pub(crate) unsafe fn lend_mut<R>(&self, at: usize, n: usize, write: impl FnOnce(&mut [f32]) -> R) -> Option<R> {
        // SAFETY: as here.
        let mut piece = unsafe { self.lend(at, n, <[f32]>::to_vec)? };
        let result = write(&mut piece);
        // SAFETY: as here. All of them: what was lent may have been written to.
        unsafe { self.write(at, &piece) };
        Some(result)
    }
}

/// A word that two threads use in turn.
#[derive(Debug, Default)]
pub(crate) struct Word(UnsafeCell<u64>);

// SAFETY: loom checks that threads take turns.
unsafe impl Sync for Word {}

impl Word {
    pub(crate) fn set(&self, value: u64) {
        // SAFETY: loom has just checked that nobody else is there.
        self.0.with_mut(|word| unsafe { *word = value });
    }

    pub(crate) fn get(&self) -> u64 {
        // SAFETY: loom has just checked that nobody writes it.
        self.0.with(|word| unsafe { *word })
    }
}
