//! What the control side tells the mixer, and what the mixer gives back. Everything on the heap travels in boxes.

use ra_core::{Gap, GapReason};

use super::bus::BusStrip;
use super::cadence::MasterClock;
use super::follower::Follower;
use super::insert_chain::ChainedInsert;
use super::strip::{Route, SourceStrip};

/// A source's number in the mixer; never used twice in one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SourceId(pub(crate) u32);

/// A bus's slot in the mixer; used again once the old bus has come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BusId(pub(crate) u16);

/// Which strip an insert or a delay belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StripId {
    Source(SourceId),
    Bus(BusId),
}

/// Told to the mixer. Each box in here comes back as a [`Retired`] sooner or later.
pub(crate) enum MixerCommand {
    AddBus(Box<BusStrip>),
    RemoveBus(BusId),
    AddSource(Box<SourceStrip>),
    /// An output's clock gives the pace from now on.
    SetMaster(Box<MasterClock>),
    /// Fades the source out on every bus within that many frames, then gives it back.
    RemoveSource(SourceId, u32),
    /// The source's device is gone, or is opened anew: the end of its ring is not its end, and its silence from there on is
    /// a gap, for this reason.
    ExpectFollower(SourceId, GapReason),
    /// Of what has come of the source, so many frames at the end may be another device's: what is not mixed yet is not heard.
    DistrustTail(SourceId, u64),
    /// The device is open again: when the old ring has been heard, this one is.
    ReplaceFollower(SourceId, Box<Follower>),
    /// Whether the source fails to deliver: while it does, and is silent, its fallback is heard.
    SetDown(SourceId, bool),
    /// Who stands in for the source while it is down and silent, and how many frames it sounds again before it is heard.
    SetFallback {
        source: SourceId,
        fallback: Option<SourceId>,
        return_frames: u32,
    },
    /// Whether the source is heard only while it stands in for another.
    SetStandby(SourceId, bool),
    AddRoute(SourceId, Box<Route>),
    /// Fades the route out, then gives it back.
    RemoveRoute(SourceId, BusId),
    /// New coefficients of a route's gain matrix, ramped to.
    SetGains {
        source: SourceId,
        bus: BusId,
        gains: Box<[f32]>,
        ramp_frames: u32,
    },
    AddInsert(StripId, Box<ChainedInsert>),
    /// Crossfades to the sound without the insert, then gives it back.
    RemoveInsert(StripId, u32),
}

/// Given back by the mixer, to be freed where that may take its time.
pub(crate) enum Retired {
    Bus(Box<BusStrip>),
    Source(Box<SourceStrip>),
    Route(Box<Route>),
    Gains(Box<[f32]>),
    Insert(Box<ChainedInsert>),
    Master(Box<MasterClock>),
    Follower(Box<Follower>),
}

/// What the mixer saw, for the control side to keep. Small and without heap memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MixerEvent {
    /// Frames are missing from a source.
    SourceGap(SourceId, Gap),
    /// A source's last frame is in the mix.
    SourceEnded(SourceId),
}

/// How many sources a mixer holds.
pub(crate) const MAX_SOURCES: usize = 512;
/// How many buses a mixer holds, those of single sources included.
pub(crate) const MAX_BUSES: usize = 576;
/// How many buses one source is routed to at most.
pub(crate) const MAX_ROUTES: usize = 32;
/// How many inserts a strip holds.
pub(crate) const MAX_INSERTS: usize = 16;
/// How many commands one step carries out; the others wait for the next.
pub(crate) const COMMANDS_PER_STEP: usize = 64;
/// How many commands wait at most.
pub(crate) const COMMAND_CAPACITY: usize = 1024;
/// How many events wait at most.
pub(crate) const EVENT_CAPACITY: usize = 4096;
