//! An allocator that counts what real-time threads do with it, and how much is in use. The program that wants the counts makes
//! it its global one.

#![allow(unsafe_code, reason = "a global allocator has no safe form; every call is passed on as it came")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The system's allocator, with a count of the calls that come from threads that are marked.
///
/// # Examples
/// ```no_run
/// #[global_allocator]
/// static ALLOCATOR: ra_benches::torture::engine::CountingAllocator = ra_benches::torture::engine::CountingAllocator;
/// ```
#[derive(Debug)]
pub struct CountingAllocator;

// Relaxed everywhere below: counters that order nothing; they are read when their threads are quiet.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static FREES: AtomicU64 = AtomicU64::new(0);
/// Wraps below zero and back where threads count each other's.
static IN_USE_BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Constant and without a destructor: looking at it allocates nothing.
    static IS_MARKED: Cell<bool> = const { Cell::new(false) };
}

/// What marked threads have done since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HeapCalls {
    pub(super) allocations: u64,
    pub(super) frees: u64,
}

impl HeapCalls {
    /// Of all marked threads, until now.
    pub(super) fn now() -> Self {
        Self { allocations: ALLOCATIONS.load(Relaxed), frees: FREES.load(Relaxed) }
    }

    /// What has come since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self { allocations: self.allocations - earlier.allocations, frees: self.frees - earlier.frees }
    }
}

/// Bytes of the heap that are in use; 0 where this is not the program's allocator. What the system's allocator keeps besides,
/// for threads that have ended, is not among them.
pub fn heap_bytes() -> u64 {
    IN_USE_BYTES.load(Relaxed)
}

/// Whether this program's allocator is the one that counts: it sees what this thread does on purpose.
pub(super) fn is_installed() -> bool {
    let before = HeapCalls::now();
    mark_this_thread(true);
    drop(std::hint::black_box(Box::new(0_u64)));
    mark_this_thread(false);
    let seen = HeapCalls::now().since(before);
    seen.allocations > 0 && seen.frees > 0
}

/// From now on this thread's calls count, or do not.
///
/// # Real-time safety
/// Wait-free, no allocation.
pub(super) fn mark_this_thread(is_marked: bool) {
    IS_MARKED.with(|cell| cell.set(is_marked));
}

fn count(counter: &AtomicU64) {
    // A thread that is ending has no marks any more.
    if IS_MARKED.try_with(Cell::get).unwrap_or(false) {
        counter.fetch_add(1, Relaxed);
    }
}

// SAFETY: every call is passed to the system's allocator as it came.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATIONS);
        IN_USE_BYTES.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATIONS);
        IN_USE_BYTES.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(&ALLOCATIONS);
        IN_USE_BYTES.fetch_add((new_size as u64).wrapping_sub(layout.size() as u64), Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(&FREES);
        IN_USE_BYTES.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
}
