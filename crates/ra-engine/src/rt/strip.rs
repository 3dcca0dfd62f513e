//! A source on the mixer's side: its ring, its effects, its meter and its routes.

use std::sync::Arc;

use ra_core::{FramePosition, Gap, GapReason, SourceState};
use ra_dsp::{GainMatrix, LevelMeter, SharedLevels};

use super::block_time::BlockTime;
use super::bus::BusStrip;
use super::clocked::ClockFollower;
use super::command::{BusId, MAX_ROUTES, Retired, SourceId};
use super::follower::{Feed, Follower};
use super::gap_teller::{GapFrame, GapTeller, Tell};
use super::insert_chain::InsertChain;
use super::stand_in::StandIn;

/// Where a source goes, and by which gains.
pub(crate) struct Route {
    pub(crate) source: SourceId,
    pub(crate) bus: BusId,
    pub(crate) matrix: GainMatrix,
    /// It carries the source by itself, whoever is heard in the mix.
    pub(crate) is_unmixed: bool,
    pub(crate) removing: bool,
}

/// A source's memory and its state.
pub(crate) struct SourceStrip {
    pub(crate) id: SourceId,
    pub(crate) follower: Follower,
    /// One block of the source's channels.
    pub(crate) block: Box<[f32]>,
    pub(crate) chain: InsertChain,
    pub(crate) meter: LevelMeter,
    pub(crate) levels: Arc<SharedLevels>,
    #[allow(clippy::vec_box, reason = "elements arrive boxed and must leave boxed, without touching the heap here")]
    pub(crate) routes: Vec<Box<Route>>,
    pub(crate) removing: bool,
    pub(crate) ended: bool,
    /// Its device is gone, or opened anew, for this reason: the end of its ring is not its end.
    pub(crate) away: Option<GapReason>,
    /// And so is the one that is to be heard next, for this reason.
    pub(crate) next_away: Option<GapReason>,
    /// Its device was lost, and what was opened since has not sounded yet.
    pub(crate) is_returning: bool,
    /// Where its sound has ended.
    pub(crate) silent_from: FramePosition,
    /// Where what it lacks is told.
    pub(crate) gaps: GapTeller,
    /// Its follower has taken over since the last block.
    pub(crate) is_new: bool,
    /// Blocks since its ring ran out for good.
    pub(crate) finished_blocks: usize,
    /// Blocks since it gave sound last.
    pub(crate) quiet_blocks: usize,
    /// The silence between two rings is being told.
    pub(crate) is_absence_told: bool,
    /// Heard when the follower that is there has nothing left.
    pub(crate) next: Option<Box<Follower>>,
    /// Whether it is heard in the mix, or another one in its place.
    pub(crate) stand_in: StandIn,
    /// See [`SourceStrip::is_missed`].
    pub(crate) missed_frames: usize,
}

/// What came of a block of a source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixed {
    /// The source ended in it.
    pub(crate) ended_now: bool,
    /// Gaps that nobody will learn of.
    pub(crate) lost_gaps: u64,
}

impl SourceStrip {
    /// Takes routes in, on the control side, into memory that holds all that may ever come.
    // rt-lint: control-side
    pub(crate) fn reserve_routes(&mut self) {
        self.routes.reserve_exact(MAX_ROUTES);
    }

    /// Takes one block from the source and adds it to its buses.
    pub(crate) fn mix(
        &mut self,
        time: &BlockTime,
        buses: &mut [Option<Box<BusStrip>>],
        gap_frame: GapFrame,
        tell: Tell<'_>,
    ) -> Mixed {
        let Self { follower, block, gaps, .. } = self;
        let mut lost_gaps = 0;
        let is_finished = follower.next_block(block, time, &mut |gap| {
            lost_gaps += u64::from(!gaps.add(gap, gap_frame, tell));
        });
        if self.follower.gave_sound() {
            self.quiet_blocks = 0;
            self.is_returning = false;
        } else {
            self.quiet_blocks = self.quiet_blocks.saturating_add(1);
        }
        if is_finished {
            if self.finished_blocks == 0 {
                self.silent_from = self.follower.sound_end;
            }
            self.finished_blocks = self.finished_blocks.saturating_add(1);
        }
        let ended_now = is_finished && !self.ended && self.away.is_none() && self.next.is_none();
        if ended_now {
            self.ended = true;
            self.follower.ring.counters.set_ended();
        }
        if let Some(reason) = self.away.filter(|_| is_finished) {
            lost_gaps += u64::from(!self.add_absence(time, reason, gap_frame, tell));
        }
        self.gaps.tell(tell);
        self.chain.process(&mut self.block);
        self.meter.process(&self.block);
        let heard = self.stand_in.gate.pass(&self.block);
        for route in &mut self.routes {
            let sound = if route.is_unmixed { &self.block } else { heard };
            match buses.get_mut(usize::from(route.bus.0)).and_then(Option::as_mut) {
                Some(bus) => route.matrix.mix_into(sound, &mut bus.accumulator),
                // Its bus has gone: nobody hears the fade.
                None => {
                    route.removing = true;
                    route.matrix.fade_out(0);
                }
            }
        }
        Mixed { ended_now, lost_gaps }
    }

    /// Takes the silence between two rings for a gap, as soon as it is mixed. Before its very first sound nothing is missing.
    /// As [`GapTeller::add`] returns.
    fn add_absence(&mut self, time: &BlockTime, reason: GapReason, gap_frame: GapFrame, tell: Tell<'_>) -> bool {
        let counters = &self.follower.ring.counters;
        let end = time.position + (self.block.len() / self.follower.ring.channels) as u64;
        let n_frames = end.frames_since(self.silent_from);
        if n_frames == 0 || counters.state() == SourceState::Opening {
            return true;
        }
        if !std::mem::replace(&mut self.is_absence_told, true) && !self.follower.is_in_a_hole() {
            counters.xruns.add(1);
        }
        let gap = Gap { at_frame: self.silent_from, n_frames, reason };
        self.silent_from = end;
        self.gaps.add(gap, gap_frame, tell)
    }

    /// Shows the levels of the interval that ends here.
    pub(crate) fn show_levels(&mut self) {
        let levels = &self.levels;
        self.meter.take(&mut |channel, level| levels.store(channel, level));
    }

    pub(crate) fn route_mut(&mut self, bus: BusId) -> Option<&mut Route> {
        self.routes.iter_mut().map(|route| &mut **route).find(|route| route.bus == bus && !route.removing)
    }

    /// Frames that are still on their way to the buses when the ring is empty.
    pub(crate) fn tail_frames(&self) -> usize {
        self.chain.path_frames() + self.follower.tail_frames()
    }

    pub(crate) fn is_pulled(&self) -> bool {
        matches!(self.follower.feed, Feed::Pulled(_))
    }

    /// Whether it is silent while its device is away.
    pub(crate) fn is_between_rings(&self) -> bool {
        self.away.is_some() && self.next.is_none() && self.quiet_blocks > 0 && self.is_exhausted()
    }

    /// Whether its ring holds nothing, and will not again. One that is empty and never finished belongs to a device that could
    /// not be closed.
    fn is_exhausted(&self) -> bool {
        self.finished_blocks > 0 || (self.away.is_some() && self.follower.ring.reader.queued_frames() == 0)
    }

    /// Whether nothing more comes of the ring that it has: what was in the resampler has been heard.
    fn has_run_out(&self) -> bool {
        let block_frames = self.block.len() / self.follower.ring.channels;
        self.is_exhausted() && self.quiet_blocks.saturating_mul(block_frames) >= self.follower.tail_frames()
    }

    /// Whether it has a clock of its own, and its sound runs into the mix, or what is left of it.
    pub(crate) fn is_followed(&self) -> bool {
        self.follower.clocked().is_some_and(ClockFollower::is_underway) && !self.has_run_out()
    }

    /// How much sooner than it had to its newest frame was there, in the last block.
    pub(crate) fn slack_ns(&self) -> Option<f64> {
        self.follower.clocked().and_then(ClockFollower::slack_ns)
    }

    /// Whether it has been silent for a while for the loss of its device, be that open again.
    pub(crate) fn is_missed(&self, block_frames: usize) -> bool {
        let is_lost = self.away == Some(GapReason::DeviceLost) || self.is_returning;
        is_lost && !self.ended && self.quiet_blocks.saturating_mul(block_frames) >= self.missed_frames
    }

    /// Of what has come of its device, so many frames at the end are not to be heard.
    pub(crate) fn distrust_tail(&mut self, n_frames: u64) {
        // What was opened last is what has been lost.
        self.next.as_deref_mut().unwrap_or(&mut self.follower).distrust_tail(n_frames);
    }

    /// Another follower waits for its turn; returns the one that has waited in vain.
    pub(crate) fn put_next(&mut self, next: Box<Follower>) -> Option<Box<Follower>> {
        self.next_away = None;
        self.next.replace(next)
    }

    /// Its device is away: if the ring has run out before that was known, that was not its end.
    pub(crate) fn expect_follower(&mut self, reason: GapReason) {
        if self.next.is_some() {
            // What was lost is the one that nobody has heard yet.
            self.next_away = Some(reason);
            return;
        }
        self.away = Some(reason);
        if self.ended {
            self.ended = false;
            self.follower.ring.counters.set_live();
        }
    }

    /// Lets every route fade to silence.
    pub(crate) fn fade_out(&mut self, ramp_frames: u32) {
        self.removing = true;
        for route in &mut self.routes {
            route.matrix.fade_out(ramp_frames);
        }
    }

    /// Hands a route that has faded out to `retire`, at most one a block, and a follower that has nothing left.
    pub(crate) fn sweep(&mut self, retire: &mut dyn FnMut(Retired)) {
        self.chain.sweep(retire);
        // What is still in its resampler is heard first.
        if self.has_run_out()
            && let Some(mut next) = self.next.take()
        {
            let silent_from = if self.finished_blocks > 0 { self.silent_from } else { self.follower.sound_end };
            let reason = self.away.take().unwrap_or(GapReason::NotCaptured);
            self.is_returning |= reason == GapReason::DeviceLost;
            self.away = self.next_away.take();
            if std::mem::take(&mut self.ended) {
                self.follower.ring.counters.set_live();
            }
            std::mem::swap(&mut self.follower, &mut *next);
            self.follower.continue_from(&mut next, silent_from, reason);
            self.finished_blocks = 0;
            self.is_absence_told = false;
            self.is_new = true;
            retire(Retired::Follower(next));
        }
        if let Some(at) = self.routes.iter().position(|route| route.removing && route.matrix.is_silent()) {
            retire(Retired::Route(self.routes.remove(at)));
        }
    }

    /// Whether nobody hears it any more.
    pub(crate) fn is_silent(&self) -> bool {
        self.routes.iter().all(|route| route.matrix.is_silent())
    }
}
