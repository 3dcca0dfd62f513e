//! The source's end of an input ring. Runs in device callbacks: copies and publishes, never waits.
#![allow(unsafe_code, reason = "`fill` lends the ring's own memory, where safe rtrb needs a pass of zeros first")]

use std::sync::Arc;

use ra_core::{FramePosition, PeriodInput, PeriodStamp};

use super::InputTrial;
use super::account::InputCounters;
use super::frame_size::FrameSize;
use crate::sync::rtrb::Producer;

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

    /// The same, with counts that begin where `trial` says.
    pub(super) fn starting_at(self, trial: &InputTrial) -> Self {
        Self { position: trial.position(), n_accepted: trial.n_accepted(), n_refused: trial.n_refused, ..self }
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

    /// Copies whole frames in, all of them where there is room, else as many as fit from the start; returns how many
    /// samples. Nobody sees them before their stamp.
    #[inline]
    fn copy_in(&mut self, interleaved: &[f32]) -> usize {
        let n_samples = interleaved.len();
        let Ok(mut chunk) = self.samples.write_chunk_uninit(n_samples) else {
            return self.copy_in_what_fits(interleaved);
        };
        let (first, second) = chunk.as_mut_slices();
        if first.len() == n_samples {
            first.write_copy_of_slice(interleaved);
        } else {
            let (to_first, to_second) = interleaved.split_at(first.len());
            first.write_copy_of_slice(to_first);
            second.write_copy_of_slice(to_second);
        }
        // SAFETY: all of the chunk was written just now.
        unsafe { chunk.commit(n_samples) };
        n_samples
    }

    /// The seldom case, kept out of the way of the other.
    #[cold]
    fn copy_in_what_fits(&mut self, interleaved: &[f32]) -> usize {
        let n_free = self.frames.samples(self.frames.of_samples(self.samples.slots()));
        let n_samples = n_free.min(interleaved.len());
        // That much was free just now, and only this end takes room: this goes no deeper.
        if n_samples == 0 { 0 } else { self.copy_in(&interleaved[..n_samples]) }
    }

    /// Counts `n_frames` as accepted and writes the stamp that shows them to the reader. There must be room for it.
    #[inline]
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
    #[inline]
    fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize {
        let n_offered = self.frames.of_samples(interleaved.len());
        debug_assert_eq!(self.frames.samples(n_offered), interleaved.len(), "samples that make whole frames");
        if n_offered == 0 {
            return 0;
        }
        let n_whole = self.frames.samples(n_offered);
        let n_copied = if self.stamps.is_full() { 0 } else { self.copy_in(&interleaved[..n_whole]) };
        if n_copied == n_whole {
            self.stamp(capture_ns, n_offered);
            self.position += n_offered as u64;
            return n_offered;
        }
        let n_taken = self.frames.of_samples(n_copied);
        if n_taken > 0 {
            self.stamp(capture_ns, n_taken);
        }
        self.n_refused = self.n_refused.wrapping_add((n_offered - n_taken) as u64);
        self.counters.store_refused(self.n_refused);
        self.position += n_offered as u64;
        n_taken
    }

    /// The next stamp that finds room tells it.
    fn mark_break(&mut self) {
        self.is_after_break = true;
    }
}
