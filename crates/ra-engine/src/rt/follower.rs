//! The mixer's side of a source's ring: delivers exactly one block a step, whatever the ring holds.
//!
//! A pulled source is read as far as asked and goes on where it was; a clocked one is followed. Missing frames are a faded
//! hole of their own length, counted.

use ra_core::{FramePosition, GapReason, SourceState};

use super::block_time::BlockTime;
use super::clocked::ClockFollower;
use super::hole_report::HoleReport;
use super::source_ring::{Report, SourceRing};

/// Reads one source's ring in blocks of the engine.
pub(crate) struct Follower {
    pub(crate) ring: SourceRing,
    pub(crate) feed: Feed,
    /// From capture to the mix point, it needs at least so much, in nanoseconds; 0 for a pulled one.
    pub(crate) least_latency_ns: f64,
    /// Where the sound of the last block ended, in frames of the mix.
    pub(crate) sound_end: FramePosition,
    /// Whether there was any.
    pub(crate) gave_sound: bool,
}

/// How the mixer reads a source.
pub(crate) enum Feed {
    /// Read as far as asked; the feeder has resampled it already.
    Pulled(HoleReport),
    /// Its clock is estimated, and its sound resampled to the master's.
    Clocked(Box<ClockFollower>),
}

impl Follower {
    /// Fills `out` with the block at `time`.
    ///
    /// Returns whether the source's last frame was in this block, or in an earlier one.
    pub(crate) fn next_block(&mut self, out: &mut [f32], time: &BlockTime, report: Report<'_>) -> bool {
        match &mut self.feed {
            Feed::Pulled(holes) => {
                self.ring.reader.poll_stamps(&mut |_| {});
                let n_frames = self.ring.read_sound(out);
                self.sound_end = time.position + n_frames as u64;
                self.gave_sound = n_frames > 0;
                fill_rest(&mut self.ring, holes, out, n_frames, time.position, report);
            }
            Feed::Clocked(follower) => {
                follower.poll(&mut self.ring);
                follower.next_block(&mut self.ring, out, time, report);
                self.sound_end = follower.sound_end();
                self.gave_sound = follower.gave_sound();
            }
        }
        self.ring.is_finished()
    }

    /// It is there from the first block on: what its device captures first is the beginning, and nothing was before it.
    pub(crate) fn begin_with_the_mix(&mut self) {
        if let Feed::Clocked(follower) = &mut self.feed {
            follower.begin_with_the_mix();
        }
    }

    /// A clocked source is not to begin before the latency is so long, in nanoseconds, or its deliveries prove that they need
    /// less. 0: it may.
    pub(crate) fn hold(&mut self, until_ns: f64) {
        if let Feed::Clocked(follower) = &mut self.feed {
            follower.hold(&self.ring, until_ns);
        }
    }

    /// The timeline has jumped: a clocked source goes on with what is due then.
    pub(crate) fn restart(&mut self) {
        if let Feed::Clocked(follower) = &mut self.feed {
            follower.restart();
        }
    }

    /// So many frames at the end of what has come are not to be heard: whose they are is not known. Nothing comes any more.
    pub(crate) fn distrust_tail(&mut self, n_frames: u64) {
        if let Feed::Clocked(follower) = &mut self.feed {
            follower.distrust_tail(n_frames);
        }
    }

    /// What was heard of the source before, from `old`, ended at `silent_from`: since then something is missing, for that
    /// reason. What `old` has learnt of the source's clock is not lost.
    pub(crate) fn continue_from(&mut self, old: &mut Follower, silent_from: FramePosition, reason: GapReason) {
        if let (Feed::Clocked(follower), Feed::Clocked(old)) = (&mut self.feed, &mut old.feed) {
            follower.continue_from(old, silent_from, reason);
        }
    }

    /// Whether some of the last block was sound.
    pub(crate) fn gave_sound(&self) -> bool {
        self.gave_sound
    }

    /// Whether silence is told as missing now.
    pub(crate) fn is_in_a_hole(&self) -> bool {
        match &self.feed {
            Feed::Pulled(holes) => holes.open_end().is_some(),
            Feed::Clocked(follower) => follower.is_in_a_hole(),
        }
    }

    /// The follower of a clocked source.
    pub(crate) fn clocked(&self) -> Option<&ClockFollower> {
        match &self.feed {
            Feed::Clocked(follower) => Some(follower),
            Feed::Pulled(_) => None,
        }
    }

    /// What tells the follower of a clocked source from every other one that is there at the same time, wherever it is
    /// moved to: where the half of it lies that never moves.
    // rt-lint: control-side
    pub(crate) fn address(&self) -> Option<usize> {
        self.clocked().map(|follower| std::ptr::from_ref(follower).addr())
    }

    /// What is still on its way to the mix when the ring is empty, in the engine's frames.
    pub(crate) fn tail_frames(&self) -> usize {
        self.clocked().map_or(0, ClockFollower::tail_frames)
    }
}

/// Fills what `out` lacks behind `n_frames`: plain silence behind the source's end and before its start, else an underrun.
fn fill_rest(
    ring: &mut SourceRing,
    holes: &mut HoleReport,
    out: &mut [f32],
    n_frames: usize,
    position: FramePosition,
    report: Report<'_>,
) {
    let block_frames = out.len() / ring.channels;
    let hole = &mut out[n_frames * ring.channels..];
    if hole.is_empty() {
        holes.sounding();
        return;
    }
    if ring.is_finished() || ring.counters.state() != SourceState::Live {
        hole.fill(0.0);
        return;
    }
    ring.fader.hole(hole);
    let from = (position + n_frames as u64).0 as f64;
    let to = (position + block_frames as u64).0 as f64;
    holes.silent(from, to, GapReason::Underrun, &ring.counters, report);
}
