//! The mixer's side of a source's ring: delivers exactly one block a step, whatever the ring holds.
//!
//! Missing frames become a faded hole of their own length, counted. A pulled source goes on where it was; a clocked one is
//! kept near its cushion.

use ra_core::{FramePosition, SourceState};
use ra_dsp::SteeredResampler;

use super::source_ring::{Report, SourceRing};

/// A cushion never grows beyond this part of the source's ring.
const LARGEST_CUSHION_PART: usize = 4;
/// A cushion that has grown by this many frames beyond its target is shed, if it is not twice the target anyway.
const LEAST_SURPLUS_FRAMES: usize = 4096;

/// Reads one source's ring in blocks of the engine.
pub(crate) struct Follower {
    pub(crate) ring: SourceRing,
    pub(crate) feed: Feed,
}

/// How the mixer reads a source.
pub(crate) enum Feed {
    /// Read as far as asked; the feeder has resampled it already.
    Pulled,
    /// Held near a cushion, and resampled where the nominal rates differ.
    Clocked(Box<Cushion>),
}

/// What keeps a clocked source from running dry: frames that wait in its ring.
pub(crate) struct Cushion {
    /// The fill that is aimed at, in the source's frames.
    pub(crate) target_frames: usize,
    /// A cushion of `"auto"` grows after an underrun.
    pub(crate) grows: bool,
    /// The ring's capacity, in the source's frames.
    pub(crate) capacity_frames: usize,
    /// Whether the ring has reached the cushion since it last ran dry.
    pub(crate) primed: bool,
    /// Resamples to the engine's rate; `None` where the nominal rates are equal.
    ///
    /// The place of drift correction: an estimator fed by `SourceRing::poll` will steer this ratio, always.
    pub(crate) resampling: Option<Resampling>,
}

/// A resampler and the memory for its input.
pub(crate) struct Resampling {
    pub(crate) resampler: SteeredResampler,
    pub(crate) input: Box<[f32]>,
}

impl Follower {
    /// Fills `out` with the block that begins at `position` of the mix timeline.
    ///
    /// Returns whether the source's last frame was in this block, or in an earlier one.
    /// `behind_frames`: how late the mixer is, in its own frames.
    pub(crate) fn next_block(
        &mut self,
        out: &mut [f32],
        position: FramePosition,
        behind_frames: u64,
        report: Report<'_>,
    ) -> bool {
        self.ring.poll();
        match &mut self.feed {
            Feed::Pulled => {
                let n_frames = self.ring.fill(out, position, report);
                if n_frames > 0 {
                    self.ring.counters.set_live();
                }
                self.ring.fill_rest(out, n_frames, position, report);
            }
            Feed::Clocked(cushion) => cushion.next_block(&mut self.ring, out, position, behind_frames, report),
        }
        self.ring.is_finished()
    }

    /// The timeline has jumped: a clocked source goes on with what was captured from `capture_ns` on.
    pub(crate) fn restart_from(&mut self, capture_ns: u64) {
        if let Feed::Clocked(cushion) = &mut self.feed {
            cushion.primed = false;
            self.ring.restart_from(capture_ns);
        }
    }

    /// What the resampler delays by, in the engine's frames.
    pub(crate) fn latency_frames(&self) -> usize {
        match &self.feed {
            Feed::Clocked(cushion) => cushion.resampling.as_ref().map_or(0, |r| r.resampler.latency_frames()),
            Feed::Pulled => 0,
        }
    }
}

impl Cushion {
    fn next_block(
        &mut self,
        ring: &mut SourceRing,
        out: &mut [f32],
        position: FramePosition,
        behind_frames: u64,
        report: Report<'_>,
    ) {
        self.settle(ring, position, ring.in_own_frames(behind_frames), report);
        let primed = self.primed;
        let ran_dry = match &mut self.resampling {
            None => read_or_wait(ring, primed, out, position, report),
            Some(Resampling { resampler, input }) => {
                let n_samples = (resampler.input_frames_next() * ring.channels).min(input.len());
                let needed = &mut input[..n_samples];
                let ran_dry = read_or_wait(ring, primed, needed, position, report);
                if resampler.process(needed, out).is_err() {
                    // Only for a block of another length, which is not asked for above.
                    out.fill(0.0);
                }
                ran_dry
            }
        };
        if ran_dry {
            self.primed = false;
            if self.grows {
                let most = self.capacity_frames / LARGEST_CUSHION_PART;
                self.target_frames = (self.target_frames + self.target_frames / 2).min(most);
            }
        }
    }

    /// Waits for the cushion to be full, and sheds what has piled up far beyond it.
    ///
    /// Shedding stands in for drift correction until ratios are steered; every shed frame is counted as dropped.
    fn settle(&mut self, ring: &mut SourceRing, position: FramePosition, behind_frames: usize, report: Report<'_>) {
        let queued = ring.queued_frames();
        if !self.primed && (queued >= self.target_frames || ring.is_closed()) {
            self.primed = true;
        }
        let surplus = self.target_frames.max(LEAST_SURPLUS_FRAMES);
        // A mixer that is late finds so much more, and will have read it when it has caught up.
        let most = (self.target_frames + surplus).min(self.capacity_frames * 7 / 8) + behind_frames;
        if self.primed && queued > most {
            ring.shed(queued - self.target_frames, position, report);
        }
    }
}

/// Fills `out` from the ring, or with silence while its cushion fills. Returns whether it ran dry.
fn read_or_wait(
    ring: &mut SourceRing,
    primed: bool,
    out: &mut [f32],
    position: FramePosition,
    report: Report<'_>,
) -> bool {
    if !primed {
        if ring.counters.state() == SourceState::Live {
            ring.fill_rest(out, 0, position, report);
        } else {
            out.fill(0.0);
        }
        return false;
    }
    if !ring.is_finished() {
        ring.counters.set_live();
    }
    let n_frames = ring.fill(out, position, report);
    let ran_dry = n_frames * ring.channels < out.len() && !ring.is_closed();
    if ring.is_finished() {
        // Its end may be a loss, in the middle of its sound.
        ring.fader.hole(&mut out[n_frames * ring.channels..]);
    } else {
        ring.fill_rest(out, n_frames, position, report);
    }
    ran_dry
}
