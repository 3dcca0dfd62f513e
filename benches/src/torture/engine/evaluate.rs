//! From what was seen in a storm to its figures. Measures nothing, judges nothing.

use std::collections::BTreeMap;

use ra_core::{FramePosition, Stats};

use super::bare_threads::BareLog;
use super::bound::Bounds;
use super::figures::{RealtimeFigures, SoundFigures, StormFigures, TimeFigures};
use super::lateness::{self, Wake};
use super::ledger::AccountFigures;
use super::listeners::HeardBus;
use super::plan::Plan;
use super::storm::Seen;
use crate::latency::Deadlines;
use crate::{Quantiles, Recorder};

/// Steps above their bound that are told in words.
const N_TOLD: usize = 10;
/// A source that is listened to for so many blocks has to be heard: longer than a flip of its rate takes.
const HEARD_WITHIN_BLOCKS: u64 = 300;

/// All that was seen.
pub(super) struct Evidence<'a> {
    pub(super) seed: u64,
    pub(super) plan: &'a Plan,
    pub(super) refused: Vec<String>,
    pub(super) duration_s: f64,
    pub(super) granted: Vec<String>,
    pub(super) seen: Seen,
    pub(super) system_calls: BTreeMap<String, u64>,
    pub(super) calls_not_counted: Option<String>,
    pub(super) heard: &'a [HeardBus],
    pub(super) bounds: Bounds,
    pub(super) accounts: AccountFigures,
    /// Blocks by number, and when each was mixed.
    pub(super) mixed_ns: Vec<(u64, u64)>,
    pub(super) deadlines: Deadlines,
    pub(super) period_ns: u64,
    pub(super) bare: &'a [BareLog],
    pub(super) stats: Stats,
}

/// What it comes to.
pub(super) fn figures(evidence: Evidence<'_>) -> StormFigures {
    let sound = sound(&evidence);
    let times = times(&evidence);
    let Evidence { seed, plan, refused, duration_s, granted, seen, system_calls, calls_not_counted, .. } = evidence;
    let Evidence { accounts, stats, .. } = evidence;
    StormFigures {
        seed,
        n_commands: plan.commands.len(),
        list_hash: format!("{:016x}", plan.hash()),
        kinds: plan.kinds(),
        refused,
        duration_s,
        mixer: stats.engine.realtime,
        devices: granted,
        realtime: RealtimeFigures {
            blocks: seen.blocks.end - seen.blocks.start,
            periods: seen.periods,
            allocations: seen.heap.allocations,
            frees: seen.heap.frees,
            system_calls,
            calls_not_counted,
            waits: seen.thread.map(|thread| thread.waits),
            minor_faults: seen.thread.map(|thread| thread.minor_faults),
            major_faults: seen.thread.map(|thread| thread.major_faults),
        },
        sound,
        accounts,
        times,
        failure: stats.engine.failure,
    }
}

fn sound(evidence: &Evidence<'_>) -> SoundFigures {
    let main_bound_lin = evidence.bounds.main_lin();
    let (mains, sources): (Vec<&HeardBus>, Vec<&HeardBus>) =
        evidence.heard.iter().partition(|bus| bus.steps.bound_lin() == main_bound_lin);
    let sum = |value: fn(&HeardBus) -> u64| evidence.heard.iter().map(value).sum::<u64>();
    // For single sources, whose bounds differ: the one that came nearest to its own.
    let share = |bus: &HeardBus| bus.steps.largest_lin / bus.steps.bound_lin();
    let nearest = sources.iter().copied().max_by(|a, b| share(a).total_cmp(&share(b)));
    let largest_main_lin = mains.iter().map(|bus| bus.steps.largest_lin).fold(0.0, f64::max);
    let is_silent = |bus: &&&HeardBus| bus.stamps.read_blocks > HEARD_WITHIN_BLOCKS && bus.steps.peak_lin == 0.0;
    SoundFigures {
        bound: evidence.bounds.explanation(),
        readers: [mains.len() as u64, sources.len() as u64],
        largest_step_lin: [largest_main_lin, nearest.map_or(0.0, |bus| bus.steps.largest_lin)],
        bound_lin: [main_bound_lin, nearest.map_or(0.0, |bus| bus.steps.bound_lin())],
        steps_above: sum(|bus| bus.steps.n_above),
        above: evidence.heard.iter().filter_map(above).take(N_TOLD).collect(),
        silent_sources: sources.iter().filter(is_silent).count() as u64,
        main_peak_lin: mains.iter().map(|bus| bus.steps.peak_lin).fold(0.0, f64::max),
        read_blocks: sum(|bus| bus.stamps.read_blocks),
        lost_blocks: sum(|bus| bus.stamps.lost_blocks),
        wrong_blocks: sum(|bus| bus.stamps.wrong_blocks),
        wrong_readers: sum(|bus| u64::from(!bus.is_accounted)),
        jumped_frames: sum(|bus| bus.stamps.jumped_frames),
        backwards: sum(|bus| bus.stamps.backwards),
    }
}

fn above(bus: &HeardBus) -> Option<String> {
    let (position, step_lin) = bus.steps.first_above?;
    let (name, n_above, bound_lin) = (&bus.name, bus.steps.n_above, bus.steps.bound_lin());
    Some(format!("{name}: {n_above}, the first {step_lin:.5} of {bound_lin:.5} at frame {position}"))
}

fn times(evidence: &Evidence<'_>) -> TimeFigures {
    let rate = ra_engine::EngineConfig::default();
    let block_frames = rate.block_frames as u64;
    // No block is left out by the timeline unless the mixer is later than its rings hold, which is told apart.
    let mixer: Vec<Wake> = evidence
        .mixed_ns
        .iter()
        .map(|&(seq, mixed_ns)| {
            let due_ns = evidence.deadlines.of(FramePosition(seq * block_frames));
            Wake { due_ns, late_ns: mixed_ns.saturating_sub(due_ns) }
        })
        .collect();
    let bare: Vec<&[Wake]> = evidence.bare.iter().map(|log| log.wakes.as_slice()).collect();
    TimeFigures {
        period_ns: evidence.period_ns,
        mixer: quantiles(&mixer),
        bare: evidence.bare.iter().map(|log| (log.place.clone(), quantiles(&log.wakes))).collect(),
        late: lateness::judge(&mixer, &bare, evidence.period_ns),
        engine_late_blocks: evidence.stats.engine.late_blocks,
        engine_xruns: evidence.stats.engine.xruns,
    }
}

fn quantiles(wakes: &[Wake]) -> Quantiles {
    let mut recorder = Recorder::new();
    wakes.iter().for_each(|wake| recorder.record_ns(wake.late_ns));
    recorder.quantiles()
}
