//! What a storm has found, and what of it has to hold. Measures nothing.

use std::collections::BTreeMap;

use ra_core::RealtimeGrant;
use serde::Serialize;

use super::lateness::LateBlocks;
use super::ledger::AccountFigures;
use crate::Quantiles;
use crate::soak::Criteria;

/// Whether a run's times count: on a machine that does other work they say little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Late blocks fail the run.
    Judged,
    /// They are told, and nothing else.
    NotJudged,
}

/// What a storm has found.
#[derive(Clone, Debug, Serialize)]
pub struct StormFigures {
    /// What the commands were drawn with.
    pub seed: u64,
    /// How many there were.
    pub n_commands: usize,
    /// Of the list of commands, hexadecimal: the same list, the same number.
    pub list_hash: String,
    /// How many of each kind.
    pub kinds: BTreeMap<&'static str, usize>,
    /// Commands that the engine refused, in words; every one of them made sense.
    pub refused: Vec<String>,
    /// From the first command to the last answer, in seconds.
    pub duration_s: f64,
    /// What the mixer's thread was granted.
    pub mixer: RealtimeGrant,
    /// What the devices' threads were granted.
    pub devices: Vec<String>,
    /// What real-time threads did, from before the first command to behind the last.
    pub realtime: RealtimeFigures,
    /// What the sound did.
    pub sound: SoundFigures,
    /// Where every frame went.
    pub accounts: AccountFigures,
    /// When blocks were mixed.
    pub times: TimeFigures,
    /// Why nothing is mixed any more, where something should be.
    pub failure: Option<String>,
}

/// What the mixer's thread, and the devices', did beside their work.
#[derive(Clone, Debug, Serialize)]
pub struct RealtimeFigures {
    /// Blocks that the mixer's thread mixed meanwhile.
    pub blocks: u64,
    /// Periods that the devices' threads delivered meanwhile.
    pub periods: u64,
    /// Heap memory taken, on all of these threads.
    pub allocations: u64,
    /// Heap memory given back.
    pub frees: u64,
    /// System calls other than the wait for the next deadline, by name, on all of these threads.
    pub system_calls: BTreeMap<String, u64>,
    /// Why system calls were not counted, where they were not.
    pub calls_not_counted: Option<String>,
    /// Times that the mixer's thread gave its core up by itself; `None` where the system does not say.
    pub waits: Option<u64>,
    /// Its page faults without the disk: memory that nobody had touched before.
    pub minor_faults: Option<u64>,
    /// Its page faults from the disk.
    pub major_faults: Option<u64>,
}

/// What was heard.
#[derive(Clone, Debug, Serialize)]
pub struct SoundFigures {
    /// How the bounds come about.
    pub bound: String,
    /// Readers of `main`, and of single sources.
    pub readers: [u64; 2],
    /// The largest step from frame to frame, on `main` and on a source's own bus.
    pub largest_step_lin: [f64; 2],
    /// The largest one allowed, on `main` and for that source.
    pub bound_lin: [f64; 2],
    /// Steps above their bounds.
    pub steps_above: u64,
    /// The first few of them, in words.
    pub above: Vec<String>,
    /// Readers of single sources that heard nothing for long.
    pub silent_sources: u64,
    /// The largest sample of `main`.
    pub main_peak_lin: f64,
    /// Blocks read, by all readers.
    pub read_blocks: u64,
    /// Blocks that readers were told were lost.
    pub lost_blocks: u64,
    /// Blocks that are missing and were not told, or told and not missing.
    pub wrong_blocks: u64,
    /// Readers whose own counts do not balance or do not agree with what came.
    pub wrong_readers: u64,
    /// Frames by which the timeline jumped: the mixer was later than its rings hold.
    pub jumped_frames: u64,
    /// Times that the timeline went back.
    pub backwards: u64,
}

/// When things happened.
#[derive(Clone, Debug, Serialize)]
pub struct TimeFigures {
    /// Between two deadlines, in nanoseconds.
    pub period_ns: u64,
    /// From a block's deadline until its sources were mixed.
    pub mixer: Quantiles,
    /// From a bare thread's deadlines to its waking, and where it ran.
    pub bare: Vec<(String, Quantiles)>,
    /// Late ones.
    pub late: LateBlocks,
    /// What the engine counts itself: steps that began more than a block late.
    pub engine_late_blocks: u64,
    /// What the engine counts itself: sources that ran over or under, and flips of their rates.
    pub engine_xruns: u64,
}

impl StormFigures {
    /// What has to hold.
    pub fn criteria(&self, timing: Timing) -> Criteria {
        let mut criteria = Criteria::default();
        let n_carried_out = self.n_commands - self.refused.len();
        criteria.check(
            self.refused.is_empty(),
            "commands carried out",
            format!("{n_carried_out} of {}{}", self.n_commands, told(&self.refused)),
            "all of them",
        );
        let failure = self.failure.as_deref().unwrap_or("none");
        criteria.check(self.failure.is_none(), "failure of the engine", failure, "none");
        self.check_realtime(&mut criteria);
        self.check_sound(&mut criteria);
        self.check_accounts(&mut criteria);
        if timing == Timing::Judged {
            self.check_times(&mut criteria);
        }
        criteria
    }

    fn check_realtime(&self, criteria: &mut Criteria) {
        let realtime = &self.realtime;
        let over = format!("{} blocks and {} periods", realtime.blocks, realtime.periods);
        criteria.check(
            realtime.blocks > 0 && realtime.periods > 0,
            "watched on real-time threads",
            over,
            "some of each",
        );
        criteria.check(realtime.allocations == 0, "allocations there", realtime.allocations, "0");
        criteria.check(realtime.frees == 0, "frees there", realtime.frees, "0");
        if realtime.calls_not_counted.is_none() {
            let futex = realtime.system_calls.get("futex").copied().unwrap_or(0);
            criteria.check(futex == 0, "locks waited for there, or somebody woken", futex, "0");
            let n_calls: u64 = realtime.system_calls.values().sum();
            let calls: Vec<String> = realtime.system_calls.iter().map(|(name, n)| format!("{name} {n}")).collect();
            criteria.check(
                n_calls == 0,
                "system calls there, the wait for a deadline apart",
                format!("{n_calls}{}", told(&calls)),
                "0",
            );
        }
        if let Some(waits) = realtime.waits {
            let is = format!("{waits} in {} blocks", realtime.blocks);
            criteria.check(waits <= realtime.blocks + 1, "waits of the audio thread", is, "at most one a block");
        }
    }

    fn check_sound(&self, criteria: &mut Criteria) {
        let sound = &self.sound;
        let [main, source] = sound.largest_step_lin;
        let [main_bound, source_bound] = sound.bound_lin;
        let [main_readers, source_readers] = sound.readers;
        criteria.check(
            sound.steps_above == 0,
            format!("steps above their bound, {main_readers} readers of main, {source_readers} of single sources"),
            format!(
                "{}; largest {main:.6} of {main_bound:.6} and {source:.6} of {source_bound:.6}{}",
                sound.steps_above,
                told(&sound.above)
            ),
            "0",
        );
        criteria.check(sound.silent_sources == 0, "sources listened to that were silent", sound.silent_sources, "0");
        criteria.check(sound.main_peak_lin > 0.0, "peak of main", format!("{:.3}", sound.main_peak_lin), "above 0");
        criteria.check(
            sound.wrong_blocks == 0 && sound.wrong_readers == 0,
            format!("blocks lost and not counted, or counted and not lost, of {}", sound.read_blocks),
            format!("{} blocks, {} readers", sound.wrong_blocks, sound.wrong_readers),
            "0",
        );
        criteria.check(sound.backwards == 0, "times that the timeline went back", sound.backwards, "0");
    }

    fn check_accounts(&self, criteria: &mut Criteria) {
        let accounts = &self.accounts;
        let what = format!("accounts of {} sources and sinks, in {} looks", accounts.lived, accounts.looks);
        criteria.check(accounts.looks > 0 && accounts.unbalanced == 0, what, accounts.unbalanced, "0 unbalanced");
        for (what, count) in [
            ("accounts with frames queued behind their end", accounts.left_queued),
            ("sources and sinks that no account tells of", accounts.never_seen),
            ("accounts that differ from what device, sink or file says", accounts.untrue),
            ("sinks that were given blocks at other places than told", accounts.misplaced),
        ] {
            let examples = if count > 0 { told(&accounts.wrong) } else { String::new() };
            criteria.check(count == 0, what, format!("{count}{examples}"), "0");
        }
    }

    fn check_times(&self, criteria: &mut Criteria) {
        let LateBlocks { late, beyond_the_machine, worst_beyond_ns } = self.times.late;
        let worst = worst_beyond_ns as f64 / 1e6;
        let beyond = if beyond_the_machine > 0 { format!(", the worst by {worst:.3} ms") } else { String::new() };
        criteria.check(
            beyond_the_machine == 0,
            "blocks late by more than a period while no bare thread was",
            format!("{beyond_the_machine}{beyond} ({late} late in all)"),
            "0",
        );
        criteria.check(self.sound.jumped_frames == 0, "frames that the mixer left out", self.sound.jumped_frames, "0");
    }
}

/// The first few of many things, behind a colon.
fn told(things: &[String]) -> String {
    const MOST: usize = 3;
    if things.is_empty() {
        return String::new();
    }
    let more = if things.len() > MOST { format!("; {} more", things.len() - MOST) } else { String::new() };
    format!(": {}{more}", things[..things.len().min(MOST)].join("; "))
}
