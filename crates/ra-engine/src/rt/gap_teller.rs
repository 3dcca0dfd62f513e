//! Carries what is missing of a source to the control side: at the place where its silence leaves the mix, and complete,
//! however long nobody comes for it.

use std::sync::Arc;

use ra_core::{FramePosition, Gap, GapReason};

use super::counters::SourceCounters;

/// Where gaps go. `false`: there is no room for this one now.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(Gap) -> bool;

/// Where gaps stand on the buses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GapFrame {
    /// How much later than at the mix point a source's sound is on the buses: behind all effects, and what makes up for them.
    pub(crate) path_frames: u64,
    /// Nothing is mixed from here on.
    pub(crate) end: FramePosition,
}

/// Takes in the pieces of a source's gaps, block by block, and hands them on.
pub(crate) struct GapTeller {
    counters: Arc<SourceCounters>,
    /// Waits for room.
    untold: Option<Gap>,
    /// Where the latest piece ended, at the mix point.
    mixed_end: FramePosition,
    /// Where it ended on the buses.
    heard_end: FramePosition,
}

impl GapTeller {
    // rt-lint: control-side
    pub(crate) fn new(counters: Arc<SourceCounters>) -> Self {
        Self { counters, untold: None, mixed_end: FramePosition(0), heard_end: FramePosition(0) }
    }

    /// Learns that frames are missing at `gap`, a place at the mix point, and counts the silence that stands in for them.
    /// Returns whether it could keep what it knew before: a gap that has waited in vain for room, and does not go on, is lost.
    pub(crate) fn add(&mut self, gap: Gap, frame: GapFrame, tell: Tell<'_>) -> bool {
        // A gap that goes on stays as late as it began, whatever has become of the effects meanwhile.
        let at_frame = if gap.at_frame == self.mixed_end && self.heard_end > FramePosition(0) {
            self.heard_end
        } else {
            (gap.at_frame + frame.path_frames).max(self.heard_end)
        };
        self.mixed_end = gap.end();
        let n_frames = gap.n_frames.min(frame.end.0.saturating_sub(at_frame.0));
        if n_frames == 0 {
            return true;
        }
        self.heard_end = at_frame + n_frames;
        self.counters.inserted_frames.add(n_frames);
        let gap = Gap { at_frame, n_frames, ..gap };
        if self.untold.as_mut().is_some_and(|untold| go_on(untold, &gap)) {
            return true;
        }
        self.untold.replace(gap).is_none_or(tell)
    }

    /// Tells what waits, if there is room for it.
    pub(crate) fn tell(&mut self, tell: Tell<'_>) {
        if self.untold.is_some_and(tell) {
            self.untold = None;
        }
    }

    /// What has not been told.
    // rt-lint: control-side
    pub(crate) fn take(&mut self) -> Option<Gap> {
        self.untold.take()
    }
}

/// Makes `gap` a part of `newest`, where it goes on with it for the same reason, or for one that has become clear since.
/// Returns whether it is one.
pub(crate) fn go_on(newest: &mut Gap, gap: &Gap) -> bool {
    let is_next = newest.end() == gap.at_frame;
    let goes_on = is_next && (newest.reason == gap.reason || newest.reason == GapReason::Underrun);
    if goes_on {
        newest.n_frames += gap.n_frames;
        newest.reason = gap.reason;
    }
    goes_on
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNDERRUN: GapReason = GapReason::Underrun;

    fn gap(at: u64, n_frames: u64, reason: GapReason) -> Gap {
        Gap { at_frame: FramePosition(at), n_frames, reason }
    }

    fn frame(path_frames: u64) -> GapFrame {
        GapFrame { path_frames, end: FramePosition(u64::MAX) }
    }

    #[test]
    fn a_gap_keeps_the_delay_that_it_began_with_and_no_two_overlap() {
        let mut teller = GapTeller::new(Arc::default());
        let mut told = Vec::new();
        let mut add = |at, n_frames, path_frames| {
            let mut tell = |gap| {
                told.push(gap);
                true
            };
            assert!(teller.add(gap(at, n_frames, UNDERRUN), frame(path_frames), &mut tell));
            teller.tell(&mut tell);
        };
        add(100, 128, 240);
        add(228, 128, 480);
        add(500, 100, 480);
        add(700, 50, 0);
        let found: Vec<_> = told.iter().map(|gap| (gap.at_frame.0, gap.n_frames)).collect();
        assert_eq!(found, [(340, 128), (468, 128), (980, 100), (1080, 50)]);
    }

    #[test]
    fn what_finds_no_room_waits_and_grows() {
        let counters = Arc::new(SourceCounters::default());
        let mut teller = GapTeller::new(Arc::clone(&counters));
        for n in 0..10_000 {
            assert!(teller.add(gap(64 + n * 128, 128, UNDERRUN), frame(0), &mut |_| false));
            teller.tell(&mut |_| false);
        }
        assert!(teller.add(gap(64 + 10_000 * 128, 1, GapReason::DeviceLost), frame(0), &mut |_| false));
        let mut told = Vec::new();
        teller.tell(&mut |gap| {
            told.push(gap);
            true
        });
        assert_eq!(told, [gap(64, 1_280_001, GapReason::DeviceLost)]);
        assert_eq!((counters.inserted_frames.get(), teller.take()), (1_280_001, None));
        // Two of them are one too many.
        assert!(teller.add(gap(2_000_000, 5, UNDERRUN), frame(0), &mut |_| false));
        assert!(!teller.add(gap(3_000_000, 5, UNDERRUN), frame(0), &mut |_| false));
        assert_eq!(teller.take(), Some(gap(3_000_000, 5, UNDERRUN)));
    }

    #[test]
    fn nothing_is_missing_behind_the_end() {
        let counters = Arc::new(SourceCounters::default());
        let mut teller = GapTeller::new(Arc::clone(&counters));
        let frame = GapFrame { path_frames: 240, end: FramePosition(1000) };
        assert!(teller.add(gap(700, 128, UNDERRUN), frame, &mut |_| false));
        assert!(teller.add(gap(828, 128, UNDERRUN), frame, &mut |_| false));
        assert_eq!(teller.take(), Some(gap(940, 60, UNDERRUN)));
        assert_eq!(counters.inserted_frames.get(), 60);
    }
}
