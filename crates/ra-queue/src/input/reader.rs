//! The mixer's end of an input ring. Runs on the audio thread: never waits, never allocates.

use std::collections::VecDeque;
use std::sync::Arc;

use ra_core::{FramePosition, PeriodStamp};

use super::InputTrial;
use super::account::InputCounters;
use super::frame_size::FrameSize;
use crate::sync::rtrb::Consumer;

/// A run of frames without a gap inside.
#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    position: FramePosition,
    n_frames: u64,
}

/// Reads a source's frames, and tells what is missing between them.
///
/// Frames become readable when [`InputReader::poll_stamps`] has seen the stamp of their delivery.
#[derive(Debug)]
pub struct InputReader {
    samples: Consumer<f32>,
    stamps: Consumer<PeriodStamp>,
    frames: FrameSize,
    /// What was stamped and is read next; of no frames where there is nothing.
    current: Segment,
    /// What was stamped behind the gap at the end of `current`, oldest first; segments that touch are one. Never grows
    /// past `max_segments`.
    later: VecDeque<Segment>,
    max_segments: usize,
    position: FramePosition,
    n_delivered: u64,
    n_discarded: u64,
    counters: Arc<InputCounters>,
}

impl InputReader {
    // rt-lint: control-side
    pub(super) fn new(
        samples: Consumer<f32>,
        stamps: Consumer<PeriodStamp>,
        frames: FrameSize,
        max_segments: usize,
        counters: Arc<InputCounters>,
    ) -> Self {
        // Grown once and emptied again: its pages are mapped before real time begins.
        let mut later = VecDeque::from(vec![Segment::default(); max_segments]);
        later.clear();
        Self {
            samples,
            stamps,
            frames,
            current: Segment::default(),
            later,
            max_segments,
            position: FramePosition(0),
            n_delivered: 0,
            n_discarded: 0,
            counters,
        }
    }

    /// The same, with counts that begin where `trial` says.
    // rt-lint: control-side
    pub(super) fn starting_at(mut self, trial: &InputTrial) -> Self {
        (self.position, self.current.position) = (trial.position(), trial.position());
        (self.n_delivered, self.n_discarded) = (trial.n_delivered, trial.n_discarded);
        self
    }

    /// Takes every stamp that has arrived, in order, and shows each to `on_stamp` (a clock estimator wants them at
    /// once). The frames behind them can be read from then on.
    ///
    /// Takes as many as were there at the call, and fewer where as many gaps are pending as the ring holds periods:
    /// the rest comes when those have been read.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation, as far as `on_stamp` is.
    #[inline]
    pub fn poll_stamps(&mut self, on_stamp: &mut dyn FnMut(&PeriodStamp)) {
        for _ in 0..self.stamps.slots() {
            let Ok(&stamp) = self.stamps.peek() else { return };
            if !self.append(stamp.position, stamp.n_frames) {
                return;
            }
            // The one that was peeked at.
            let taken = self.stamps.pop();
            debug_assert_eq!(taken, Ok(stamp));
            on_stamp(&stamp);
        }
    }

    /// Adds frames behind those that can be read; whether there is room for another gap, where one comes before them.
    #[inline]
    fn append(&mut self, position: FramePosition, n_frames: u64) -> bool {
        let last = if self.later.is_empty() { Some(&mut self.current) } else { self.later.back_mut() };
        if let Some(last) = last.filter(|last| last.position + last.n_frames == position) {
            last.n_frames += n_frames;
            return true;
        }
        self.append_behind_gap(Segment { position, n_frames })
    }

    /// The seldom case, kept out of the way of the other.
    #[cold]
    fn append_behind_gap(&mut self, segment: Segment) -> bool {
        if self.current.n_frames == 0 {
            self.current = segment;
        } else if self.later.len() < self.max_segments {
            self.later.push_back(segment);
        } else {
            return false;
        }
        true
    }

    /// Frames that can be read before the next gap. Only [`InputReader::poll_stamps`] makes it more.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn available_frames(&self) -> usize {
        if self.current.position == self.position { self.current.n_frames as usize } else { 0 }
    }

    /// Frames in the ring, stamped or not, before and behind gaps; the writer may make it more at any time.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn queued_frames(&self) -> usize {
        self.frames.of_samples(self.samples.slots())
    }

    /// The place of the next frame on the source's own timeline: of one to be read, or of the first missing one.
    pub fn position(&self) -> FramePosition {
        self.position
    }

    /// Steps over the gap that comes next, if one does; returns its length in frames.
    ///
    /// Once the writer is gone, the frames that it lost last are a gap too.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn take_gap(&mut self) -> Option<u64> {
        let n_missing = self.pending_gap()?;
        self.position += n_missing;
        Some(n_missing)
    }

    /// Reads frames into `out` (interleaved, whole frames) until it is full or a gap comes; returns how many. The rest
    /// of `out` is left as it was.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    #[inline]
    pub fn read(&mut self, out: &mut [f32]) -> usize {
        let n_frames = self.frames.of_samples(out.len()).min(self.available_frames());
        if n_frames == 0 {
            return 0;
        }
        let n_samples = self.frames.samples(n_frames);
        let Ok(chunk) = self.samples.read_chunk(n_samples) else {
            debug_assert!(false, "samples are written before their stamp");
            return 0;
        };
        let out = &mut out[..n_samples];
        let (first, second) = chunk.as_slices();
        if first.len() == n_samples {
            out.copy_from_slice(first);
        } else {
            let (from_first, from_second) = out.split_at_mut(first.len());
            from_first.copy_from_slice(first);
            from_second.copy_from_slice(second);
        }
        // Counted before the room is given back: see `InputCounters`.
        self.n_delivered = self.n_delivered.wrapping_add(n_frames as u64);
        self.counters.store_delivered(self.n_delivered);
        chunk.commit_all();
        self.advance(n_frames);
        n_frames
    }

    /// Lends up to `max_frames` interleaved frames where they lie, without a copy, and gives their room back when
    /// `take` returns; returns how many. The counterpart of [`InputWriter::fill`](super::InputWriter::fill).
    ///
    /// `take` is called at most once, with one piece, all of which counts as delivered; near the end of the ring's
    /// memory the piece is shorter than what is there: call again.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation, as far as `take` is.
    pub fn read_in_place(&mut self, max_frames: usize, take: &mut dyn FnMut(&[f32])) -> usize {
        let n_wanted = self.frames.samples(max_frames.min(self.available_frames()));
        if n_wanted == 0 {
            return 0;
        }
        let Ok(chunk) = self.samples.read_chunk(n_wanted) else {
            return 0;
        };
        let (piece, _) = chunk.as_slices();
        let n_samples = piece.len();
        let n_frames = self.frames.of_samples(n_samples);
        take(piece);
        // Counted before the room is given back: see `InputCounters`.
        self.n_delivered = self.n_delivered.wrapping_add(n_frames as u64);
        self.counters.store_delivered(self.n_delivered);
        chunk.commit(n_samples);
        self.advance(n_frames);
        n_frames
    }

    /// Drops up to `n_frames` of the oldest frames, to shorten a cushion that grew too long; stops at a gap. Returns
    /// how many; they count as dropped.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn discard(&mut self, n_frames: usize) -> usize {
        let n_frames = n_frames.min(self.available_frames());
        if n_frames == 0 {
            return 0;
        }
        let Ok(chunk) = self.samples.read_chunk(self.frames.samples(n_frames)) else {
            return 0;
        };
        self.n_discarded = self.n_discarded.wrapping_add(n_frames as u64);
        self.counters.store_discarded(self.n_discarded);
        chunk.commit_all();
        self.advance(n_frames);
        n_frames
    }

    /// Whether the writer is gone, every frame has been read and every gap has been taken.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn is_finished(&self) -> bool {
        self.has_seen_all() && self.pending_gap().is_none()
    }

    /// Whether the writer is gone: nothing will come but what is in the ring.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn is_closed(&self) -> bool {
        self.stamps.is_abandoned()
    }

    /// Whether the writer is gone and nothing stamped is left. The flag is read before the ring: what the writer wrote
    /// before it left is in the ring by then.
    fn has_seen_all(&self) -> bool {
        self.current.n_frames == 0 && self.stamps.is_abandoned() && self.stamps.is_empty()
    }

    fn pending_gap(&self) -> Option<u64> {
        let end = if self.current.n_frames > 0 {
            self.current.position
        } else if self.has_seen_all() {
            FramePosition(self.counters.offered())
        } else {
            return None;
        };
        if end == self.position { None } else { Some(end.0.wrapping_sub(self.position.0)) }
    }

    /// Moves past `n_frames` of the current segment.
    #[inline]
    fn advance(&mut self, n_frames: usize) {
        self.position += n_frames as u64;
        self.current.position = self.position;
        self.current.n_frames -= n_frames as u64;
        if self.current.n_frames == 0 {
            self.current = self.later.pop_front().unwrap_or(self.current);
        }
    }
}

impl Drop for InputReader {
    fn drop(&mut self) {
        self.counters.set_reader_gone();
    }
}
