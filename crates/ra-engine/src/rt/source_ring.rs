//! The mixer's end of a source's ring, with what every reading of it needs: bad samples made silent, edges faded, frames
//! counted. Knows nothing of time.

use std::sync::Arc;

use ra_core::Gap;
use ra_queue::InputReader;

use super::counters::SourceCounters;
use super::hole::HoleFader;

/// Where gaps are told.
pub(crate) type Report<'a> = &'a mut dyn FnMut(Gap);

/// A ring, and what its reader has to remember between two blocks. Frames are in the ring's rate.
pub(crate) struct SourceRing {
    pub(crate) reader: InputReader,
    pub(crate) fader: HoleFader,
    pub(crate) channels: usize,
    pub(crate) counters: Arc<SourceCounters>,
}

impl SourceRing {
    /// Reads what is there, up to the next gap; returns the frames.
    pub(crate) fn read_sound(&mut self, out: &mut [f32]) -> usize {
        let n_frames = self.reader.read(out);
        if n_frames == 0 {
            return 0;
        }
        let sound = &mut out[..n_frames * self.channels];
        let n_bad = ra_dsp::replace_non_finite(sound);
        if n_bad > 0 {
            self.counters.non_finite_samples.add(n_bad as u64);
        }
        self.fader.sound(sound);
        self.counters.taken_frames.add(n_frames as u64);
        self.counters.set_live();
        n_frames
    }

    /// Drops all that is left, and the gaps among it: it will never be heard, and is counted.
    // rt-lint: control-side
    pub(crate) fn discard_rest(&mut self) {
        self.reader.poll_stamps(&mut |_| {});
        while self.reader.queued_frames() > 0 {
            if self.reader.discard(usize::MAX) == 0 && self.reader.take_gap().is_none() {
                break;
            }
        }
    }

    /// Whether nothing more will come out of it.
    pub(crate) fn is_finished(&self) -> bool {
        self.reader.is_finished()
    }
}
