//! Stands in for the crate rtrb in the models: rtrb has no atomics that loom could see. Only under `--cfg loom`.
//!
//! The same types with the same indices, caches and orderings (rtrb 0.4.1; read them side by side), for `Copy` values and
//! as much of the interface as this crate uses. Every load and store has the ordering that rtrb's has, no stronger, and
//! ends keep the same stale copies of each other's index. Slots are loom's cells: an access that is not ordered behind
//! the other end's last one fails the model. Not modelled: rtrb's own pointer arithmetic, and that its slices are the
//! ring's memory itself (a piece is copied out when it is lent, and back when it is committed, each time as an access).
#![allow(unsafe_code, reason = "loom's cells lend raw pointers, and rtrb's `commit` is unsafe")]
// rt-lint: control-side file

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;

use loom::cell::UnsafeCell;

use super::watched::{AtomicBool, AtomicUsize, Ordering};

/// What both ends share. Indices run over twice the capacity, so that full and empty differ.
#[derive(Debug)]
struct Shared<T> {
    head: AtomicUsize,
    tail: AtomicUsize,
    /// Whether one of the ends is gone.
    is_abandoned: AtomicBool,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
}

// SAFETY: a slot is accessed by the producer or by the consumer, and loom checks that they take turns.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T: Copy> Shared<T> {
    fn capacity(&self) -> usize {
        self.slots.len()
    }

    fn place(&self, index: usize) -> usize {
        index % self.capacity()
    }

    fn ahead(&self, index: usize, n: usize) -> usize {
        (index + n) % (2 * self.capacity())
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        (to + 2 * self.capacity() - from) % (2 * self.capacity())
    }

    fn read(&self, index: usize) -> MaybeUninit<T> {
        // SAFETY: loom has just checked that nobody writes the slot.
        self.slots[self.place(index)].with(|slot| unsafe { *slot })
    }

    fn write(&self, index: usize, value: MaybeUninit<T>) {
        // SAFETY: loom has just checked that nobody else is at the slot.
        self.slots[self.place(index)].with_mut(|slot| unsafe { *slot = value });
    }

    fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Acquire)
    }

    /// As an end's last act.
    fn abandon(&self) {
        // Release: as in rtrb, pairs with the Acquire below and in `is_abandoned`.
        if self.is_abandoned.fetch_or(true, Ordering::Release) {
            // Acquire: as in rtrb: the memory is given back behind everything that the other end did.
            let _ = self.is_abandoned.load(Ordering::Acquire);
            self.slots.iter().for_each(|slot| slot.with_mut(|_| ()));
        }
    }
}

/// Where rings are made.
pub(crate) struct RingBuffer<T>(PhantomData<T>);

impl<T: Copy> RingBuffer<T> {
    pub(crate) fn new(capacity: usize) -> (Producer<T>, Consumer<T>) {
        let shared = Arc::new(Shared {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            is_abandoned: AtomicBool::new(false),
            slots: (0..capacity).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect(),
        });
        let indices = || (Cell::new(0), Cell::new(0));
        let (head, tail) = indices();
        let producer = Producer { shared: Arc::clone(&shared), head, tail };
        let (head, tail) = indices();
        (producer, Consumer { shared, head, tail })
    }
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct Producer<T: Copy> {
    shared: Arc<Shared<T>>,
    /// The other end's index as it was last seen.
    head: Cell<usize>,
    tail: Cell<usize>,
}

impl<T: Copy> Producer<T> {
    pub(crate) fn push(&mut self, value: T) -> Result<(), PushError> {
        if self.is_full() {
            return Err(PushError);
        }
        self.shared.write(self.tail.get(), MaybeUninit::new(value));
        self.store_tail(1);
        Ok(())
    }

    pub(crate) fn slots(&self) -> usize {
        self.load_head();
        self.cached_slots()
    }

    pub(crate) fn cached_slots(&self) -> usize {
        self.shared.capacity() - self.shared.distance(self.head.get(), self.tail.get())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.cached_slots() == 0 && self.slots() == 0
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.shared.is_abandoned()
    }

    pub(crate) fn push_partial_slice<'a>(&mut self, slice: &'a [T]) -> (&'a [T], &'a [T]) {
        let mut n = slice.len();
        if self.cached_slots() < n {
            n = n.min(self.slots());
        }
        for (i, value) in slice[..n].iter().enumerate() {
            self.shared.write(self.shared.ahead(self.tail.get(), i), MaybeUninit::new(*value));
        }
        self.store_tail(n);
        slice.split_at(n)
    }

    pub(crate) fn write_chunk_uninit(&mut self, n: usize) -> Result<WriteChunkUninit<'_, T>, ChunkError> {
        if self.cached_slots() < n && self.slots() < n {
            return Err(ChunkError);
        }
        let index = self.tail.get();
        let n_before_end = n.min(self.shared.capacity() - self.shared.place(index));
        let piece = (0..n).map(|i| self.shared.read(self.shared.ahead(index, i))).collect();
        Ok(WriteChunkUninit { producer: self, piece, n_before_end })
    }

    fn load_head(&self) {
        self.head.set(self.shared.head.load(Ordering::Acquire));
    }

    fn store_tail(&self, n: usize) {
        let tail = self.shared.ahead(self.tail.get(), n);
        self.shared.tail.store(tail, Ordering::Release);
        self.tail.set(tail);
    }
}

impl<T: Copy> Drop for Producer<T> {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

/// Free slots, lent.
pub(crate) struct WriteChunkUninit<'a, T: Copy> {
    producer: &'a Producer<T>,
    piece: Vec<MaybeUninit<T>>,
    n_before_end: usize,
}

impl<T: Copy> WriteChunkUninit<'_, T> {
    pub(crate) fn as_mut_slices(&mut self) -> (&mut [MaybeUninit<T>], &mut [MaybeUninit<T>]) {
        self.piece.split_at_mut(self.n_before_end)
    }

    /// # Safety
    /// As in rtrb: the first `n` slots are initialised.
    pub(crate) unsafe fn commit(self, n: usize) {
        let shared = &self.producer.shared;
        // All of them: what was lent may have been written to.
        for (i, value) in self.piece.iter().enumerate() {
            shared.write(shared.ahead(self.producer.tail.get(), i), *value);
        }
        self.producer.store_tail(n.min(self.piece.len()));
    }
}

/// The reading end.
#[derive(Debug)]
pub(crate) struct Consumer<T: Copy> {
    shared: Arc<Shared<T>>,
    head: Cell<usize>,
    /// The other end's index as it was last seen.
    tail: Cell<usize>,
}

impl<T: Copy> Consumer<T> {
    pub(crate) fn pop(&mut self) -> Result<T, PopError> {
        if self.is_empty() {
            return Err(PopError);
        }
        // SAFETY: slots between head and tail were written.
        let value = unsafe { self.shared.read(self.head.get()).assume_init() };
        self.store_head(1);
        Ok(value)
    }

    pub(crate) fn peek(&self) -> Result<&T, PopError> {
        if self.is_empty() {
            return Err(PopError);
        }
        let slot = &self.shared.slots[self.shared.place(self.head.get())];
        // SAFETY: slots between head and tail were written, loom has just checked that nobody writes this one, and the
        // producer gets it back no sooner than this end is borrowed mutably.
        Ok(slot.with(|slot| unsafe { (*slot).assume_init_ref() }))
    }

    pub(crate) fn slots(&self) -> usize {
        self.tail.set(self.shared.tail.load(Ordering::Acquire));
        self.cached_slots()
    }

    pub(crate) fn cached_slots(&self) -> usize {
        self.shared.distance(self.head.get(), self.tail.get())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cached_slots() == 0 && self.slots() == 0
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.shared.is_abandoned()
    }

    pub(crate) fn read_chunk(&mut self, n: usize) -> Result<ReadChunk<'_, T>, ChunkError> {
        if self.cached_slots() < n && self.slots() < n {
            return Err(ChunkError);
        }
        let index = self.head.get();
        let n_before_end = n.min(self.shared.capacity() - self.shared.place(index));
        // SAFETY: slots between head and tail were written.
        let piece = (0..n).map(|i| unsafe { self.shared.read(self.shared.ahead(index, i)).assume_init() }).collect();
        Ok(ReadChunk { consumer: self, piece, n_before_end })
    }

    fn store_head(&self, n: usize) {
        let head = self.shared.ahead(self.head.get(), n);
        self.shared.head.store(head, Ordering::Release);
        self.head.set(head);
    }
}

impl<T: Copy> Drop for Consumer<T> {
    fn drop(&mut self) {
        // As in rtrb, which stores it once more here.
        self.store_head(0);
        self.shared.abandon();
    }
}

/// Full slots, lent.
pub(crate) struct ReadChunk<'a, T: Copy> {
    consumer: &'a Consumer<T>,
    piece: Vec<T>,
    n_before_end: usize,
}

impl<T: Copy> ReadChunk<'_, T> {
    pub(crate) fn as_slices(&self) -> (&[T], &[T]) {
        self.piece.split_at(self.n_before_end)
    }

    pub(crate) fn commit(self, n: usize) {
        let shared = &self.consumer.shared;
        // Once more: what was lent may have been read until now.
        for i in 0..self.piece.len() {
            shared.read(shared.ahead(self.consumer.head.get(), i));
        }
        self.consumer.store_head(n.min(self.piece.len()));
    }

    pub(crate) fn commit_all(self) {
        let n = self.piece.len();
        self.commit(n);
    }
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PushError;

/// There is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PopError;

/// There are fewer slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkError;
