//! The source's end of an input ring. Runs in device callbacks: copies and publishes, never waits.
#![allow(unsafe_code, reason = "`fill` lends the ring's own memory, where safe rtrb needs a pass of zeros first")]

use std::sync::Arc;

use ra_core::{FramePosition, PeriodInput, PeriodStamp};
use rtrb::Producer;

use super::account::InputCounters;
use super::frame_size::FrameSize;

/// Writes a source's frames into its ring, each delivery with its stamp.
#[derive(Debug)]
pub struct InputWriter {
    /// Every slot was initialised before this end was made; see [`InputWriter::fill`].
    samples: Producer<f32>,
    stamps: Producer<PeriodStamp>,
    frames: FrameSize,
    /// Frames that were offered so far: the place of the next one.
    position: FramePosition,
    n_accepted: u64,
    n_refused: u64,
    /// A break was marked, and no stamp has told it yet.
    is_after_break: bool,
    counters: Arc<InputCounters>,
}

impl InputWriter {
    /// Both rings must have been written full once: `fill` lends their slots as initialised memory.
    pub(super) fn new(
        samples: Producer<f32>,
        stamps: Producer<PeriodStamp>,
        frames: FrameSize,
        counters: Arc<InputCounters>,
    ) -> Self {
        Self {
            samples,
            stamps,
            frames,
            position: FramePosition(0),
            n_accepted: 0,
            n_refused: 0,
            is_after_break: false,
            counters,
        }
    }

    /// Frames that the ring can take now; the reader may make it more before the answer is used, never less.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn free_frames(&self) -> usize {
        if self.stamps.is_full() { 0 } else { self.frames.of_samples(self.samples.slots()) }
    }

    /// Whether the reader is gone, so that nothing written here will be heard.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn is_abandoned(&self) -> bool {
        self.stamps.is_abandoned()
    }

    /// Lets `write` put up to `max_frames` interleaved frames straight into the ring's free memory; returns the frames
    /// that went in. For sources that wait for room instead of losing frames.
    ///
    /// `write` is called at most once, with one piece of whole frames, and returns how many of them it filled, from
    /// the start. What it finds in the piece is old sound. Near the end of the ring's memory the piece is shorter than
    /// the room: call again. 0: no room (for frames or for a stamp), or `write` had nothing; nothing is counted.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation, as far as `write` is.
    ///
    /// # Panics
    /// In debug builds where `write` claims more frames than it was given; else the count is cut.
    pub fn fill(&mut self, capture_ns: u64, max_frames: usize, write: &mut dyn FnMut(&mut [f32]) -> usize) -> usize {
        let n_wanted = self.frames.samples(max_frames.min(self.free_frames()));
        if n_wanted == 0 {
            return 0;
        }
        let Ok(mut chunk) = self.samples.write_chunk_uninit(n_wanted) else {
            return 0;
        };
        let (piece, _) = chunk.as_mut_slices();
        // SAFETY: `MaybeUninit<f32>` has the layout of `f32`, and every slot of this ring holds an `f32`: `input_ring`
        // wrote them all before this end was made, and reading a `Copy` value out leaves it in place.
        let piece = unsafe { &mut *(std::ptr::from_mut(piece) as *mut [f32]) };
        let n_room = self.frames.of_samples(piece.len());
        let n_written = write(piece);
        debug_assert!(n_written <= n_room, "{n_written} frames claimed, expected at most {n_room}");
        let n_frames = n_written.min(n_room);
        if n_frames == 0 {
            return 0;
        }
        // SAFETY: as above: every slot of the chunk is initialised, whatever `write` did.
        unsafe { chunk.commit(self.frames.samples(n_frames)) };
        self.stamp(capture_ns, n_frames);
        self.position += n_frames as u64;
        n_frames
    }

    /// Counts `n_frames` as accepted and writes the stamp that shows them to the reader. There must be room for it.
    fn stamp(&mut self, capture_ns: u64, n_frames: usize) {
        self.n_accepted = self.n_accepted.wrapping_add(n_frames as u64);
        self.counters.store_accepted(self.n_accepted);
        let is_after_break = std::mem::take(&mut self.is_after_break);
        let stamp = PeriodStamp { position: self.position, n_frames: n_frames as u64, capture_ns, is_after_break };
        let pushed = self.stamps.push(stamp);
        debug_assert!(pushed.is_ok(), "room for the stamp was checked, and only this end takes room");
    }
}

impl PeriodInput for InputWriter {
    /// Takes as many whole frames as fit; the newest ones that don't are not written, and are counted. Without room
    /// for a stamp, none fit.
    ///
    /// The lost frames keep their place: the next delivery's position counts them, and the reader meets a gap.
    ///
    /// # Panics
    /// In debug builds where the samples don't make whole frames; else the odd ones are left.
    fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize {
        let n_offered = self.frames.of_samples(interleaved.len());
        debug_assert_eq!(self.frames.samples(n_offered), interleaved.len(), "samples that make whole frames");
        if n_offered == 0 {
            return 0;
        }
        let n_taken = if self.stamps.is_full() {
            0
        } else if self.samples.cached_slots() >= interleaved.len() {
            n_offered
        } else {
            n_offered.min(self.frames.of_samples(self.samples.slots()))
        };
        if n_taken > 0 {
            let n_samples = self.frames.samples(n_taken);
            let (written, _) = self.samples.push_partial_slice(&interleaved[..n_samples]);
            debug_assert_eq!(written.len(), n_samples, "only this end takes room");
            self.stamp(capture_ns, n_taken);
        }
        if n_taken < n_offered {
            self.n_refused = self.n_refused.wrapping_add((n_offered - n_taken) as u64);
            self.counters.store_refused(self.n_refused);
        }
        self.position += n_offered as u64;
        n_taken
    }

    /// The next stamp that finds room tells it.
    fn mark_break(&mut self) {
        self.is_after_break = true;
    }
}
