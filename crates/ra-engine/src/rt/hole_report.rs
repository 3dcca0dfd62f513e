//! Tells where a source is silent against its will, block by block, in frames of the mix. Makes no sound.

use ra_core::{FramePosition, Gap, GapReason};

use super::counters::SourceCounters;
use super::source_ring::Report;

/// Two pieces that are this close are one: the same place, reckoned from two blocks.
const SAME_PLACE_FRAMES: f64 = 2.0;

/// Remembers where the last piece of a hole ended, so that pieces have neither seams nor overlaps.
#[derive(Debug, Default)]
pub(crate) struct HoleReport {
    open_end: Option<u64>,
}

impl HoleReport {
    /// There is no sound from `from` to `to`, frames of the mix.
    pub(crate) fn silent(
        &mut self,
        from: f64,
        to: f64,
        reason: GapReason,
        counters: &SourceCounters,
        report: Report<'_>,
    ) {
        // What has been told is not told again.
        let at = match self.open_end {
            Some(end) if from <= end as f64 + SAME_PLACE_FRAMES => end,
            open_end => {
                if open_end.is_none() {
                    counters.xruns.add(1);
                }
                from.max(0.0).round() as u64
            }
        };
        let n_frames = (to.max(0.0).round() as u64).saturating_sub(at);
        self.open_end = Some(at + n_frames);
        if n_frames > 0 {
            report(Gap { at_frame: FramePosition(at), n_frames, reason });
        }
    }

    /// A hole begins at `from`, of which nothing has been told yet.
    pub(crate) fn open_at(&mut self, from: FramePosition) {
        self.open_end = Some(from.0);
    }

    /// There is sound again.
    pub(crate) fn sounding(&mut self) {
        self.open_end = None;
    }

    /// Where the hole that is open has been told up to.
    pub(crate) fn open_end(&self) -> Option<u64> {
        self.open_end
    }
}
