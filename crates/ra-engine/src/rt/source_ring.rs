//! Reads a source's ring across its gaps: what was lost before the ring is silence of its own length.

use std::sync::Arc;

use ra_core::{FramePosition, Gap, GapReason, SourceState};
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
    /// The ring's rate and the engine's, for gaps: they are told in the engine's frames.
    pub(crate) rate_hz: u32,
    pub(crate) engine_rate_hz: u32,
    pub(crate) counters: Arc<SourceCounters>,
    /// Silence that is owed for frames that were lost before they came here.
    pub(crate) owed_silence_frames: u64,
    pub(crate) in_underrun: bool,
    /// Frames in a block of the engine.
    pub(crate) block_frames: u64,
    /// What was captured before this monotonic time has no place on the timeline any more.
    pub(crate) restart_from_ns: u64,
    /// Nothing has been read since the timeline jumped: what was lost until then has no place on it either.
    pub(crate) is_restarting: bool,
    /// Frames of the ring's rate that silence stood in for, so far.
    pub(crate) silence_frames: u64,
    /// What the last block had of sound, in the engine's frames.
    pub(crate) last_filled_frames: u64,
}

impl SourceRing {
    /// Sees what has arrived.
    pub(crate) fn poll(&mut self) {
        // The place of the clock estimator: it will be shown every stamp here.
        let from_ns = self.restart_from_ns;
        let mut stale_frames = 0;
        self.reader.poll_stamps(&mut |stamp| {
            if stamp.capture_ns < from_ns {
                stale_frames += stamp.n_frames;
            }
        });
        self.throw_away(stale_frames);
    }

    /// Goes on with what was captured from `capture_ns` on; what is older is dropped, counted.
    pub(crate) fn restart_from(&mut self, capture_ns: u64) {
        self.restart_from_ns = 0;
        self.poll();
        self.throw_away(self.queued_frames() as u64);
        self.restart_from_ns = capture_ns;
        self.is_restarting = true;
        self.owed_silence_frames = 0;
    }

    /// Drops the oldest frames, and the gaps among them, whose time has passed.
    fn throw_away(&mut self, n_frames: u64) {
        let mut left = usize::try_from(n_frames).unwrap_or(usize::MAX);
        while left > 0 {
            let n_dropped = self.reader.discard(left);
            left -= n_dropped;
            if n_dropped == 0 && self.reader.take_gap().is_none() {
                break;
            }
        }
    }

    /// Frames that wait in the ring.
    pub(crate) fn queued_frames(&self) -> usize {
        self.reader.queued_frames()
    }

    /// Whether nothing more will come into the ring.
    pub(crate) fn is_closed(&self) -> bool {
        self.reader.is_closed()
    }

    /// Whether nothing more will come out of it.
    pub(crate) fn is_finished(&self) -> bool {
        self.reader.is_finished() && self.owed_silence_frames == 0
    }

    /// Fills `out` from its front as far as the ring goes; returns the frames filled.
    pub(crate) fn fill(&mut self, out: &mut [f32], position: FramePosition, report: Report<'_>) -> usize {
        let wanted = out.len() / self.channels;
        let mut done = 0;
        // A round fills frames or takes one gap, whose silence the next round fills: bounded by the block's length.
        for _ in 0..2 * wanted + 2 {
            if done == wanted {
                break;
            }
            let rest = &mut out[done * self.channels..];
            if self.owed_silence_frames > 0 {
                let n_frames = (wanted - done).min(usize::try_from(self.owed_silence_frames).unwrap_or(usize::MAX));
                self.fader.hole(&mut rest[..n_frames * self.channels]);
                self.owed_silence_frames -= n_frames as u64;
                self.count_silence(n_frames as u64);
                done += n_frames;
                continue;
            }
            let n_frames = self.reader.read(rest);
            if n_frames > 0 {
                let sound = &mut rest[..n_frames * self.channels];
                let n_bad = ra_dsp::replace_non_finite(sound);
                if n_bad > 0 {
                    self.counters.non_finite_samples.add(n_bad as u64);
                }
                self.fader.sound(sound);
                self.is_restarting = false;
                self.counters.taken_frames.add(n_frames as u64);
                done += n_frames;
            } else if let Some(n_lost) = self.reader.take_gap() {
                if self.is_restarting {
                    continue;
                }
                self.owed_silence_frames += n_lost;
                self.counters.xruns.add(1);
                let at_frame = position + self.in_engine_frames(done as u64);
                self.tell(n_lost, GapReason::Overrun, at_frame, report);
            } else {
                break;
            }
        }
        if done == wanted {
            self.in_underrun = false;
        }
        self.last_filled_frames = self.in_engine_frames(done as u64);
        done
    }

    /// Fills what `out` lacks behind `n_frames`: plain silence behind the source's end, else an underrun.
    pub(crate) fn fill_rest(&mut self, out: &mut [f32], n_frames: usize, position: FramePosition, report: Report<'_>) {
        let hole = &mut out[n_frames * self.channels..];
        if hole.is_empty() {
            return;
        }
        if self.is_finished() || self.counters.state() != SourceState::Live {
            hole.fill(0.0);
            return;
        }
        self.fader.hole(hole);
        if !self.in_underrun {
            self.in_underrun = true;
            self.counters.xruns.add(1);
        }
        // The hole goes to the block's end: told in the engine's frames, block by block, it has neither seams nor overlaps.
        let before = self.in_engine_frames(n_frames as u64).min(self.block_frames);
        let n_missing = self.block_frames - before;
        self.counters.inserted_frames.add(n_missing);
        report(Gap { at_frame: position + before, n_frames: n_missing, reason: GapReason::Underrun });
    }

    /// Drops the `n_frames` oldest frames, counted.
    pub(crate) fn shed(&mut self, n_frames: usize, position: FramePosition, report: Report<'_>) {
        let n_dropped = self.reader.discard(n_frames) as u64;
        self.counters.xruns.add(1);
        self.tell(n_dropped, GapReason::Overrun, position, report);
    }

    fn tell(&self, n_frames: u64, reason: GapReason, at_frame: FramePosition, report: Report<'_>) {
        report(Gap { at_frame, n_frames: self.in_engine_frames(n_frames), reason });
    }

    /// Counts silence in the engine's frames, without rounding piece by piece.
    fn count_silence(&mut self, n_frames: u64) {
        let before = self.in_engine_frames(self.silence_frames);
        self.silence_frames += n_frames;
        self.counters.inserted_frames.add(self.in_engine_frames(self.silence_frames) - before);
    }

    /// Frames of the ring that last as long as these of the engine.
    pub(crate) fn in_own_frames(&self, n_engine_frames: u64) -> usize {
        let own = n_engine_frames.saturating_mul(u64::from(self.rate_hz)) / u64::from(self.engine_rate_hz);
        usize::try_from(own).unwrap_or(usize::MAX)
    }

    fn in_engine_frames(&self, n_frames: u64) -> u64 {
        if self.rate_hz == self.engine_rate_hz {
            return n_frames;
        }
        n_frames.saturating_mul(u64::from(self.engine_rate_hz)) / u64::from(self.rate_hz)
    }
}
