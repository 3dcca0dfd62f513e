//! An allocator that remembers the largest request of the thread that asks it. Allocates as the system does.
#![allow(unsafe_code, reason = "an allocator is an unsafe trait; every call goes to the system's own")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static LARGEST_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, watched.
pub(crate) struct LargestAllocation;

impl LargestAllocation {
    pub(crate) const fn new() -> Self {
        Self
    }

    /// Begins anew, for this thread.
    pub(crate) fn forget(&self) {
        LARGEST_BYTES.set(0);
    }

    /// The most bytes that this thread asked for at once since [`forget`](Self::forget).
    pub(crate) fn largest_bytes(&self) -> usize {
        LARGEST_BYTES.get()
    }
}

fn note(n_bytes: usize) {
    // A thread that ends has no cell any more, and nobody asks for it.
    let _ = LARGEST_BYTES.try_with(|largest| largest.set(largest.get().max(n_bytes)));
}

// SAFETY: every method hands its arguments on to the system's allocator as they are, and returns what that returns; noting
// a number in a constant-initialised thread-local cell allocates nothing.
unsafe impl GlobalAlloc for LargestAllocation {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, n_bytes: usize) -> *mut u8 {
        note(n_bytes);
        // SAFETY: as in `alloc`; `memory` came from the system's allocator.
        unsafe { System.realloc(memory, layout, n_bytes) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as in `realloc`.
        unsafe { System.dealloc(memory, layout) }
    }
}
