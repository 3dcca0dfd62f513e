//! What the engine says of itself: one snapshot type for the API, the meters and the reports.

use std::path::PathBuf;

use crate::{FrameAccount, Gap, SinkPolicy};

/// A snapshot of a whole engine.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Stats {
    /// The mixer.
    pub engine: EngineStats,
    /// Every source that is there or was there, in the order in which they came.
    pub sources: Vec<SourceStats>,
    /// The buses that are there, in the order in which they came.
    pub buses: Vec<BusStats>,
    /// Every sink that is there or was there, in the order in which they came.
    pub sinks: Vec<SinkStats>,
}

/// One bus's part of a snapshot.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BusStats {
    /// Its name.
    pub name: String,
    /// How much sound its ring holds, in milliseconds.
    pub ring_ms: f64,
    /// The memory of its ring, in bytes; fixed for its life.
    pub ring_bytes: u64,
    /// Samples that became NaN or infinite by adding up or in an effect, and became silence.
    pub non_finite_samples: u64,
    /// Per channel, behind its inserts: what its sinks hear.
    pub levels: Vec<Level>,
}

/// The mixer's part of a snapshot.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EngineStats {
    /// Blocks mixed and published.
    pub blocks: u64,
    /// Blocks whose step began more than one block after its deadline.
    pub late_blocks: u64,
    /// Times a source ran over or under, and times the mixer woke too late to catch up.
    pub xruns: u64,
    /// From capture to the buses, the same for all clocked sources, in microseconds. 0 while there is none.
    pub latency_us: f64,
    /// Whose clock gives the pace.
    pub master: MasterStats,
    /// What the mixer's thread was granted.
    pub realtime: RealtimeGrant,
    /// Times that the machine was suspended while the engine ran. The mix stood still meanwhile.
    pub suspends: u64,
    /// How long those were together, in milliseconds.
    pub suspended_ms: f64,
    /// Times that the time of day was set. The mix does not notice.
    pub clock_steps: u64,
    /// How far it was set, all steps together, in milliseconds; positive: forward.
    pub clock_stepped_ms: f64,
    /// Gaps and other events of the mixer that nobody came for in time: they are in no list. The counters know of them.
    pub lost_events: u64,
    /// Why nothing is mixed any more, where something should be: an effect has panicked.
    pub failure: Option<String>,
}

/// The clock that an engine runs by.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MasterStats {
    /// What was asked for: `clock`, or `sink:NAME`.
    pub asked: String,
    /// Who gives the pace now.
    pub state: MasterState,
    /// The leading device's clock against the monotonic one.
    pub drift_ppm: Option<f64>,
    /// Why it is not what was asked for.
    pub reason: Option<String>,
}

/// Who gives an engine its pace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum MasterState {
    /// The monotonic clock.
    #[default]
    Clock,
    /// Still the monotonic clock: the device's is being learnt.
    Watching,
    /// The device.
    Following,
    /// The monotonic clock again: the device has gone.
    Gone,
}

/// What the system granted a thread, read back after asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RealtimeGrant {
    /// The scheduling class.
    pub class: RealtimeClass,
    /// The priority within the class; 0 where the class has none.
    pub priority: i32,
    /// Whether the process's memory is locked against paging.
    pub memory_locked: bool,
    /// Why it is not more than this, where something was refused.
    pub reason: Option<String>,
}

/// A thread's scheduling class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum RealtimeClass {
    /// Time-shared with everything else.
    #[default]
    Ordinary,
    /// `SCHED_FIFO`: runs until it waits.
    Fifo,
    /// `SCHED_RR`: as above, in turns with its equals.
    RoundRobin,
    /// The platform's own class for audio (macOS time constraint, Windows MMCSS). Granted; not readable as a number.
    Platform,
    /// No thread: stepped in virtual time or as fast as possible.
    None,
}

/// Where a source is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum SourceState {
    /// Being opened, or filling its cushion.
    #[default]
    Opening,
    /// Its sound is in the mix.
    Live,
    /// Open, and has not delivered for longer than it ever takes: silent until it goes on, or is given up as lost.
    Stalled,
    /// Stalled, lost or back for too short a time, and its fallback source is heard in its place.
    Fallback,
    /// Complete: silent from now on.
    Ended,
    /// Gone against its will; the reason says why. It is tried again and again.
    Lost,
    /// Could not be opened, or can't go on; the reason says why.
    Failed,
    /// Taken out by command.
    Removed,
}

/// A source's change from one state to another.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StateChange {
    /// The state that it came into.
    pub state: SourceState,
    /// When, in milliseconds since frame 0 of the mix; 0 for what was before that.
    pub at_ms: f64,
    /// Why, where the state alone does not say.
    pub reason: Option<String>,
}

/// Where a sink is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum SinkState {
    /// Being opened.
    #[default]
    Opening,
    /// Taking blocks, or finished well.
    Ok,
    /// Refusing blocks or ended by an error; the reason says why.
    Failed,
    /// Its code panicked; it is isolated.
    Panicked,
    /// Taken out by command.
    Removed,
}

/// Peak and RMS of one channel over the last meter interval, as linear amplitudes (1.0 is full scale).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Level {
    /// The largest absolute sample.
    pub peak_lin: f32,
    /// Root of the mean square.
    pub rms_lin: f32,
}

impl Level {
    /// The peak in dBFS; negative infinity for silence.
    pub fn peak_dbfs(&self) -> f32 {
        20.0 * self.peak_lin.log10()
    }

    /// The RMS in dBFS (a full-scale sine reads −3.01); negative infinity for silence.
    pub fn rms_dbfs(&self) -> f32 {
        20.0 * self.rms_lin.log10()
    }
}

/// One source's part of a snapshot. Frames are in the source's own rate.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SourceStats {
    /// Its name.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Where it is in its life.
    pub state: SourceState,
    /// Since when, in milliseconds since frame 0 of the mix; 0 for what was before that.
    pub since_ms: f64,
    /// Why, where the state alone does not say.
    pub reason: Option<String>,
    /// The source that is heard in its place when it is lost.
    pub fallback: Option<String>,
    /// Times that it was lost.
    pub losses: u64,
    /// Times that it was opened again after a loss.
    pub reconnects: u64,
    /// Attempts to open it that failed.
    pub failed_opens: u64,
    /// Calls into its device that did not return in time and were left to themselves.
    pub hung_calls: u64,
    /// Errors that the sound system reported, and times that it said that it ran over.
    pub device_errors: u64,
    /// The states that it went through, oldest first. Bounded: the latest ones.
    pub states: Vec<StateChange>,
    /// Where its frames are.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub account: FrameAccount,
    /// Frames of silence that stood in for missing ones, at the engine's rate.
    pub inserted_frames: u64,
    /// Samples that were NaN or infinite and became silence.
    pub non_finite_samples: u64,
    /// Times it ran over or under.
    pub xruns: u64,
    /// Its clock against the master's; `None` while unknown or for a pulled source.
    pub drift_ppm: Option<f64>,
    /// Standard deviation of its stamps, in microseconds; `None` while unknown or for a pulled source.
    pub jitter_us: Option<f64>,
    /// Stamps that were too far off to be believed.
    pub rejected_stamps: u64,
    /// Times that its clock was found at another place than it had to be: frames were lost, or came twice, unseen.
    pub clock_jumps: u64,
    /// What is missing from it, on the mix timeline. Bounded: the first and the latest ones.
    pub gaps: Vec<Gap>,
    /// Remarks of its device for people: what was granted to the thread that delivers, what is wrong with its sound. Bounded:
    /// the first ones, each once.
    pub notes: Vec<String>,
    /// Per channel, behind its inserts and before its gain.
    pub levels: Vec<Level>,
}

/// One sink's part of a snapshot. Frames are in the bus's rate.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SinkStats {
    /// Its name.
    pub name: String,
    /// The bus that it hears.
    pub from: String,
    /// Where it is in its life.
    pub state: SinkState,
    /// Why, where the state alone does not say.
    pub reason: Option<String>,
    /// By which rules it is fed.
    pub policy: SinkPolicy,
    /// Times that it was later than it may be.
    pub lags: u64,
    /// Times that a call into it took longer than a second.
    pub stalls: u64,
    /// Where its frames are.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub account: FrameAccount,
    /// What is missing from it, on the mix timeline. Bounded: the first and the latest ones.
    pub gaps: Vec<Gap>,
    /// The files that it wrote: the latest ones, where they are many.
    pub files: Vec<PathBuf>,
    /// Files that it wrote before those.
    pub files_omitted: u64,
    /// Remarks for people.
    pub notes: Vec<String>,
}
