//! What the doctor found: the shape of the JSON document.

use ra_engine::core::RealtimeGrant;
use serde::Serialize;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct DoctorReport {
    pub(super) schema: u32,
    pub(super) system: System,
    pub(super) sound: Sound,
    pub(super) timers: Timers,
    /// What to do, the most important first.
    pub(super) advice: Vec<Advice>,
}

/// The machine. What can't be read is `null`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct System {
    pub(super) os: String,
    pub(super) arch: String,
    pub(super) kernel: Option<String>,
    /// Whether the kernel is built to be preempted anywhere (PREEMPT_RT).
    pub(super) realtime_kernel: Option<bool>,
    pub(super) cpu: Option<String>,
    pub(super) cores: Option<usize>,
    /// Processes that ran or wanted to, on average over 1, 5 and 15 minutes.
    pub(super) load: Option<[f64; 3]>,
    /// The cores' frequency governors, each named once; empty where the kernel has none.
    pub(super) governors: Vec<String>,
    /// How much of each second real-time threads may take, as a part; 1 for all of it.
    pub(super) realtime_share: Option<f64>,
    pub(super) limits: Limits,
    /// Whether the user is in the group `audio`; `null` where there is no such group.
    pub(super) in_audio_group: Option<bool>,
    /// Whether it runs as root.
    pub(super) is_root: Option<bool>,
    /// Whether `/dev/snd` has any device: sound cards that the kernel knows.
    pub(super) kernel_sound: Option<bool>,
}

/// The process's limits, soft and hard; `null` for unlimited, and where they can't be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Limits {
    /// Whether they could be read.
    pub(super) known: bool,
    /// Highest real-time priority that may be asked for without privileges.
    pub(super) rtprio: Limit,
    /// Bytes that may be locked.
    pub(super) memlock_bytes: Limit,
    /// 20 less the lowest niceness that may be asked for.
    pub(super) nice: Limit,
    pub(super) open_files: Limit,
}

/// A soft and a hard limit; `None` for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Limit {
    pub(super) soft: Option<u64>,
    pub(super) hard: Option<u64>,
}

/// What the sound systems answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Sound {
    pub(super) hosts: Vec<SoundHost>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Ids of what stands for `default`.
    pub(super) default_input: Option<String>,
    pub(super) default_output: Option<String>,
    /// Why there is nothing, where there is nothing.
    pub(super) reason: Option<String>,
}

/// One sound system.
#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "a build without devices has no sound system"))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct SoundHost {
    pub(super) name: String,
    pub(super) running: bool,
    pub(super) devices: usize,
    pub(super) problem: Option<String>,
}

/// How punctually threads are woken from absolute sleeps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Timers {
    pub(super) period_us: f64,
    pub(super) seconds: f64,
    /// A thread like any other.
    pub(super) ordinary: Lateness,
    /// A thread of the class that the mixer asks for; `null` where that is not granted.
    pub(super) realtime: Option<Lateness>,
    /// What was granted to that thread, read back.
    pub(super) grant: RealtimeGrant,
}

/// How late wake-ups were, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Lateness {
    pub(super) n: usize,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) p999_us: f64,
    pub(super) max_us: f64,
    /// Wake-ups that came a whole period late, or more.
    pub(super) missed: usize,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Advice {
    pub(super) code: &'static str,
    /// What is short.
    pub(super) what: String,
    /// What to do about it.
    pub(super) remedy: String,
}
