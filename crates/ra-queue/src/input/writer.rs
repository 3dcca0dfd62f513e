//! The source's end of an input ring. Runs in device callbacks: copies and publishes, never waits.
#![allow(unsafe_code, reason = "writes the ring's memory where the counters say that it is this end's")]

use std::sync::Arc;

use ra_core::{FramePosition, PeriodInput, PeriodStamp};

use super::InputTrial;
use super::frame_size::FrameSize;
use super::ring::Ring;

/// Writes a source's frames into its ring, each delivery with its stamp.
#[derive(Debug)]
pub struct InputWriter {
    frames: FrameSize,
    /// Frames that were offered so far: the place of the next one.
    position: FramePosition,
    n_accepted: u64,
    n_refused: u64,
    n_stamps: u64,
    /// Where the next sample goes.
    sample_at: usize,
    /// Where the next stamp goes.
    stamp_at: usize,
    /// Room for so many frames and stamps is known of; looked at again only where that is not enough.
    known: Room,
    /// A break was marked, and no stamp has told it yet.
    is_after_break: bool,
    ring: Arc<Ring>,
}

/// Room in a ring.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    n_frames: usize,
    n_stamps: usize,
}

impl Room {
    /// Frames that can be taken: none that can't be stamped.
    fn frames(self) -> usize {
        if self.n_stamps == 0 { 0 } else { self.n_frames }
    }
}

impl InputWriter {
    /// Its counts begin where `trial` says.
    pub(super) fn new(frames: FrameSize, trial: &InputTrial, ring: Arc<Ring>) -> Self {
        Self {
            frames,
            position: trial.position(),
            n_accepted: trial.n_accepted(),
            n_refused: trial.n_refused,
            n_stamps: 0,
            sample_at: 0,
            stamp_at: 0,
            known: Room::default(),
            is_after_break: false,
            ring,
        }
    }

    /// Frames that the ring can take now; the reader may make it more before the answer is used, never less.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn free_frames(&self) -> usize {
        self.room().frames()
    }

    /// Whether the reader is gone, so that nothing written here will be heard.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn is_abandoned(&self) -> bool {
        self.ring.counters.is_reader_gone()
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
        self.known = self.room();
        let n_wanted = self.frames.samples(max_frames.min(self.known.frames()));
        // Whole frames: the ring's memory is.
        let n_samples = n_wanted.min(self.ring.samples.len() - self.sample_at);
        if n_samples == 0 {
            return 0;
        }
        let n_room = self.frames.of_samples(n_samples);
        // SAFETY: of the room that is known of: the reader has given it back and does not come here before `stamp` shows it.
        let n_written = unsafe { self.ring.samples.lend_mut(self.sample_at, n_samples, write) }.unwrap_or(0);
        debug_assert!(n_written <= n_room, "{n_written} frames claimed, expected at most {n_room}");
        let n_frames = n_written.min(n_room);
        if n_frames > 0 {
            self.stamp(capture_ns, n_frames);
            self.position += n_frames as u64;
        }
        n_frames
    }

    /// Copies the first `n_frames` in and shows them to the reader. There must be room for them.
    #[inline]
    fn put(&mut self, capture_ns: u64, n_frames: usize, interleaved: &[f32]) {
        // SAFETY: of the room that is known of: the reader has given it back and does not come here before `stamp` shows it.
        unsafe { self.ring.samples.write(self.sample_at, &interleaved[..self.frames.samples(n_frames)]) };
        self.stamp(capture_ns, n_frames);
    }

    /// The seldom case, kept out of the way of the other: what the reader has given back meanwhile is looked at.
    #[cold]
    fn push_into_what_there_is(&mut self, capture_ns: u64, n_offered: usize, interleaved: &[f32]) -> usize {
        self.known = self.room();
        let n_taken = n_offered.min(self.known.frames());
        if n_taken > 0 {
            self.put(capture_ns, n_taken, interleaved);
        }
        self.position += n_offered as u64;
        if n_taken < n_offered {
            self.n_refused = self.n_refused.wrapping_add((n_offered - n_taken) as u64);
            self.ring.counters.store_refused(self.n_refused);
        }
        n_taken
    }

    /// The room that there is now.
    #[inline]
    fn room(&self) -> Room {
        let counters = &self.ring.counters;
        let n_queued = self.n_accepted.wrapping_sub(counters.given_back()) as usize;
        let n_waiting = self.n_stamps.wrapping_sub(counters.n_taken()) as usize;
        Room { n_frames: self.ring.capacity_frames - n_queued, n_stamps: self.ring.stamps.len() - n_waiting }
    }

    /// Shows `n_frames` that stand in the samples, and their stamp, to the reader. There must be room for both.
    #[inline]
    fn stamp(&mut self, capture_ns: u64, n_frames: usize) {
        let Self { ring, known, .. } = self;
        let is_after_break = std::mem::take(&mut self.is_after_break);
        let stamp = PeriodStamp { position: self.position, n_frames: n_frames as u64, capture_ns, is_after_break };
        ring.stamps.set(self.stamp_at, &stamp);
        self.sample_at = ring.samples.behind(self.sample_at, self.frames.samples(n_frames));
        self.stamp_at = ring.stamps.next(self.stamp_at);
        known.n_frames -= n_frames;
        known.n_stamps -= 1;
        self.n_stamps = self.n_stamps.wrapping_add(1);
        self.n_accepted = self.n_accepted.wrapping_add(n_frames as u64);
        ring.counters.store_accepted(self.n_accepted);
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
        if self.known.frames() >= n_offered {
            self.put(capture_ns, n_offered, interleaved);
            self.position += n_offered as u64;
            return n_offered;
        }
        self.push_into_what_there_is(capture_ns, n_offered, interleaved)
    }

    /// The next stamp that finds room tells it.
    fn mark_break(&mut self) {
        self.is_after_break = true;
    }
}

impl Drop for InputWriter {
    fn drop(&mut self) {
        self.ring.counters.set_writer_gone();
    }
}
