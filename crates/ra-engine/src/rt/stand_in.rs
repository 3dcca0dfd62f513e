//! Who is heard: a source itself, or another one that stands in while it is down. Decides by what the sources gave in the
//! last block, so that places are changed at a block's edge.

use super::command::SourceId;
use super::gate::Gate;
use super::strip::SourceStrip;

/// A source's part in who is heard.
pub(crate) struct StandIn {
    pub(crate) gate: Gate,
    /// It fails to deliver.
    pub(crate) is_down: bool,
    /// Who stands in for it.
    fallback: Option<SourceId>,
    /// How long it sounds again before it is heard again.
    return_frames: u64,
    /// How long it has, while another stands in.
    sound_frames: u64,
    is_covered: bool,
    /// And another one sounds in its place.
    is_replaced: bool,
    /// It is heard only while it stands in for another.
    is_standby: bool,
    is_needed: bool,
    /// Whether somebody has asked for it between the two blocks.
    is_asked: bool,
}

impl StandIn {
    /// Of a source for which nobody stands in. `is_standby`: it is heard only while it stands in for another.
    // rt-lint: control-side
    pub(crate) fn new(mut gate: Gate, is_standby: bool) -> Self {
        gate.set_open(!is_standby, 0);
        gate.settle();
        Self {
            gate,
            is_down: false,
            fallback: None,
            return_frames: 0,
            sound_frames: 0,
            is_covered: false,
            is_replaced: false,
            is_standby,
            is_needed: false,
            is_asked: false,
        }
    }

    pub(crate) fn set_fallback(&mut self, fallback: Option<SourceId>, return_frames: u32) {
        self.fallback = fallback;
        self.return_frames = return_frames.into();
        self.is_covered &= fallback.is_some();
        self.is_replaced &= fallback.is_some();
    }

    pub(crate) fn set_standby(&mut self, is_standby: bool) {
        self.is_standby = is_standby;
    }

    /// Who is to be heard in its place now. One that waits to stand in needs nobody while nobody needs it.
    fn covering(&self) -> Option<SourceId> {
        self.fallback.filter(|_| self.is_covered && (self.is_needed || !self.is_standby))
    }

    /// Learns what the last block was, of `block_frames` frames. `is_missed`: it is silent for a loss that is over for the
    /// control side already, and not yet here.
    fn judge(&mut self, given: Given, is_missed: bool, can_be_covered: bool, block_frames: u64) {
        if self.fallback.is_none() {
            return;
        }
        if !self.is_covered {
            self.is_covered = (self.is_down || is_missed) && given == Given::Nothing;
            self.sound_frames = 0;
            return;
        }
        let is_back = !self.is_down && given == Given::Sound;
        self.sound_frames = if is_back { self.sound_frames + block_frames } else { 0 };
        // Where nothing is heard in its place, there is nothing to wait for.
        let wait_frames = if can_be_covered { self.return_frames } else { 0 };
        self.is_covered = !is_back || self.sound_frames < wait_frames;
    }
}

/// What a source gave in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    /// Sound, or silence that is no fault.
    Sound,
    /// Sound with a hole in it.
    Part,
    Nothing,
}

fn given(strip: &SourceStrip) -> Given {
    match (strip.follower.gave_sound(), strip.follower.is_in_a_hole()) {
        (false, _) => Given::Nothing,
        (true, false) => Given::Sound,
        (true, true) => Given::Part,
    }
}

/// Changes places where that is due, between two blocks. `at_once`: without ramps, for nothing was heard yet.
#[allow(clippy::vec_box, reason = "elements arrive boxed and must leave boxed, without touching the heap here")]
pub(crate) fn change_places(sources: &mut [Box<SourceStrip>], block_frames: usize, at_once: bool) {
    for at in 0..sources.len() {
        let Some(fallback) = sources[at].stand_in.fallback else { continue };
        let can_be_covered = sources
            .iter()
            .find(|source| source.id == fallback && !source.removing)
            .is_some_and(|source| source.follower.gave_sound() || source.stand_in.is_replaced);
        let given = given(&sources[at]);
        let source = &mut sources[at];
        let is_missed = source.is_missed(block_frames);
        source.stand_in.judge(given, is_missed, can_be_covered, block_frames as u64);
        source.stand_in.is_replaced = source.stand_in.is_covered && can_be_covered;
        source.follower.ring.counters.set_covered(source.stand_in.is_replaced);
    }
    // From those that are heard down the chains: a link a block.
    for at in 0..sources.len() {
        let Some(fallback) = sources[at].stand_in.covering() else { continue };
        if let Some(source) = sources.iter_mut().find(|source| source.id == fallback) {
            source.stand_in.is_asked = true;
        }
    }
    for source in sources {
        let stand_in = &mut source.stand_in;
        stand_in.is_needed = std::mem::take(&mut stand_in.is_asked);
        let is_heard = (stand_in.is_needed || !stand_in.is_standby) && !stand_in.is_covered;
        stand_in.gate.set_open(is_heard, source.chain.path_frames());
        if at_once {
            stand_in.gate.settle();
        }
    }
}
