//! The mixer's end of an input ring. Runs on the audio thread: never waits, never allocates.
#![allow(unsafe_code, reason = "reads the ring's memory where the counters say that it is this end's")]

use std::collections::VecDeque;
use std::sync::Arc;

use ra_core::{FramePosition, PeriodStamp};

use super::InputTrial;
use super::frame_size::FrameSize;
use super::ring::Ring;

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
    frames: FrameSize,
    /// Where the next sample is.
    sample_at: usize,
    /// Where the next stamp is.
    stamp_at: usize,
    n_taken: u64,
    /// Frames of all stamps that were taken: where more are accepted there is another stamp.
    n_stamped: u64,
    /// What was stamped and is read next; of no frames where there is nothing.
    current: Segment,
    /// What was stamped behind the gap at the end of `current`, oldest first; segments that touch are one. Never grows
    /// past `max_segments`.
    later: VecDeque<Segment>,
    max_segments: usize,
    position: FramePosition,
    n_delivered: u64,
    n_discarded: u64,
    ring: Arc<Ring>,
}

impl InputReader {
    /// Its counts begin where `trial` says.
    // rt-lint: control-side
    pub(super) fn new(frames: FrameSize, trial: &InputTrial, ring: Arc<Ring>) -> Self {
        let max_segments = ring.stamps.len();
        // Grown once and emptied again: its pages are mapped before real time begins.
        let mut later = VecDeque::from(vec![Segment::default(); max_segments]);
        later.clear();
        Self {
            frames,
            sample_at: 0,
            stamp_at: 0,
            n_taken: 0,
            n_stamped: trial.n_accepted(),
            current: Segment { position: trial.position(), n_frames: 0 },
            later,
            max_segments,
            position: trial.position(),
            n_delivered: trial.n_delivered,
            n_discarded: trial.n_discarded,
            ring,
        }
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
        let n_accepted = self.ring.counters.accepted();
        let n_taken_before = self.n_taken;
        while self.n_stamped != n_accepted {
            // The frames of the stamps that were taken are fewer than were accepted: here stands another one, and the
            // writer does not come here before `store_taken` below.
            let Some(stamp) = self.ring.stamps.get(self.stamp_at) else { break };
            if !self.append(stamp.position, stamp.n_frames) {
                break;
            }
            self.stamp_at = self.ring.stamps.next(self.stamp_at);
            self.n_taken = self.n_taken.wrapping_add(1);
            self.n_stamped = self.n_stamped.wrapping_add(stamp.n_frames);
            on_stamp(&stamp);
        }
        if self.n_taken != n_taken_before {
            self.ring.counters.store_taken(self.n_taken);
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
        self.ring.counters.accepted().wrapping_sub(self.n_delivered).wrapping_sub(self.n_discarded) as usize
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
        // SAFETY: stamped, so accepted, and the writer does not come here before they are counted as delivered.
        unsafe { self.ring.samples.read(self.sample_at, &mut out[..n_samples]) };
        self.deliver(n_frames);
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
        // Whole frames: the ring's memory is.
        let n_samples = n_wanted.min(self.ring.samples.len() - self.sample_at);
        if n_samples == 0 {
            return 0;
        }
        // SAFETY: stamped, so accepted, and the writer does not come here before they are counted as delivered.
        let lent = unsafe { self.ring.samples.lend(self.sample_at, n_samples, take) };
        debug_assert!(lent.is_some(), "the piece ends where the memory does");
        let n_frames = self.frames.of_samples(n_samples);
        self.deliver(n_frames);
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
        self.n_discarded = self.n_discarded.wrapping_add(n_frames as u64);
        self.ring.counters.store_discarded(self.n_discarded);
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
        self.ring.counters.is_writer_gone()
    }

    /// Whether the writer is gone and nothing stamped is left. The flag is read before the count: what the writer wrote
    /// before it left is counted by then.
    fn has_seen_all(&self) -> bool {
        let counters = &self.ring.counters;
        self.current.n_frames == 0 && counters.is_writer_gone() && counters.accepted() == self.n_stamped
    }

    fn pending_gap(&self) -> Option<u64> {
        let end = if self.current.n_frames > 0 {
            self.current.position
        } else if self.has_seen_all() {
            FramePosition(self.ring.counters.offered())
        } else {
            return None;
        };
        if end == self.position { None } else { Some(end.0.wrapping_sub(self.position.0)) }
    }

    /// Counts `n_frames` that were read, which gives their room back, and moves past them.
    #[inline]
    fn deliver(&mut self, n_frames: usize) {
        self.n_delivered = self.n_delivered.wrapping_add(n_frames as u64);
        self.ring.counters.store_delivered(self.n_delivered);
        self.advance(n_frames);
    }

    /// Moves past `n_frames` of the current segment.
    #[inline]
    fn advance(&mut self, n_frames: usize) {
        self.sample_at = self.ring.samples.behind(self.sample_at, self.frames.samples(n_frames));
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
        self.ring.counters.set_reader_gone();
    }
}
