//! A real-time writer whose readers share its core and are preempted in the middle of what they do, at audio pace.
//!
//! Rounds are interleaved, so that the machine's own stalls (a virtual machine has some of milliseconds) fall on all.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use ra_core::{Clock, SystemClock};
use serde::Serialize;

use super::contestants::{Contestant, N_SAMPLES, Poll};
use super::os;
use super::publish::{PATIENCE, Pollers};
use crate::{Quantiles, Recorder, ask_for_fifo, median};

/// The priority that the writer asks for: below the kernel's own threads, above everything ordinary.
const WRITER_PRIORITY: i32 = 60;
/// Readers on the writer's core.
pub(super) const N_READERS: usize = 8;
/// Between two blocks: ten times faster than 96 frames at 48 kHz, so that a round of three seconds has a p99.99.
pub(super) const PERIOD: Duration = Duration::from_micros(200);

/// What shares the core with the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// Our ring, nobody reads.
    Control,
    /// Our ring; threads that are as busy as readers and never touch it.
    BusyControl,
    /// This contestant, with readers.
    Readers(Contestant),
}

/// The first is what the others are held against.
const SCENES: [Scene; 7] = [
    Scene::Control,
    Scene::BusyControl,
    Scene::Readers(Contestant::Ring),
    Scene::Readers(Contestant::Spmcq),
    Scene::Readers(Contestant::TokioBroadcast),
    Scene::Readers(Contestant::RtrbEach),
    Scene::Readers(Contestant::MutexDeque),
];

impl Scene {
    fn name(self) -> String {
        match self {
            Scene::Control => "control: ring, no readers".to_owned(),
            Scene::BusyControl => format!("control: ring, {N_READERS} busy threads that don't read"),
            Scene::Readers(contestant) => format!("{}, {N_READERS} polling readers", contestant.name()),
        }
    }
}

/// A thread that is busy and reads nothing.
struct Busy;

impl Poll for Busy {
    fn poll(&mut self, out: &mut [f32]) -> bool {
        std::hint::black_box(out).fill(0.5);
        false
    }
}

/// One scene over all rounds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SceneRow {
    pub(super) scene: String,
    /// Whether these are our ring's readers, which the target is about.
    #[serde(skip)]
    pub(super) is_ours: bool,
    /// Every publish, in nanoseconds: for the picture.
    #[serde(skip)]
    pub(super) durations_ns: Vec<u32>,
    /// Median over the rounds of each round's p50.
    pub(super) p50_ns: f64,
    /// Median over the rounds of each round's p99.
    pub(super) p99_ns: f64,
    /// Median over the rounds of each round's p99.9.
    pub(super) p99_9_ns: f64,
    /// Median over the rounds of each round's p99.99.
    pub(super) p99_99_ns: f64,
    /// Median over the rounds of each round's maximum.
    pub(super) max_ns: f64,
    /// `p99_99_ns` against the first control's.
    pub(super) ratio_p99_99: f64,
    /// `max_ns` against the first control's.
    pub(super) ratio_max: f64,
    /// All rounds in one.
    pub(super) pooled: Quantiles,
    /// Rounds that were ended by force because the writer was stuck: their longest publish is a lower bound.
    pub(super) rounds_cut: usize,
}

/// The whole scenario.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Preempted {
    /// What the writer was granted, or why not.
    pub(super) writer_class: String,
    pub(super) rounds: usize,
    pub(super) round_s: f64,
    pub(super) period_us: u128,
    pub(super) n_readers: usize,
    pub(super) scenes: Vec<SceneRow>,
}

/// Runs `n_rounds` interleaved rounds on `core`; figures are medians over them.
pub(super) fn run(core: usize, n_rounds: usize, round: Duration) -> Result<Preempted> {
    let mut rounds: Vec<Vec<Round>> = SCENES.iter().map(|_| Vec::new()).collect();
    for n in 0..n_rounds {
        for turn in 0..SCENES.len() {
            let at = (n + turn) % SCENES.len();
            rounds[at].push(run_round(SCENES[at], core, round)?);
        }
    }
    let writer_class = rounds[0].last().map_or_else(String::new, |round| round.writer_class.clone());
    let mut scenes: Vec<SceneRow> =
        SCENES.into_iter().zip(rounds).map(|(scene, rounds)| summarise(scene, rounds)).collect();
    let (p99_99_ns, max_ns) = (scenes[0].p99_99_ns, scenes[0].max_ns);
    for scene in &mut scenes {
        scene.ratio_p99_99 = scene.p99_99_ns / p99_99_ns;
        scene.ratio_max = scene.max_ns / max_ns;
    }
    Ok(Preempted {
        writer_class,
        rounds: n_rounds,
        round_s: round.as_secs_f64(),
        period_us: PERIOD.as_micros(),
        n_readers: N_READERS,
        scenes,
    })
}

fn summarise(scene: Scene, rounds: Vec<Round>) -> SceneRow {
    let of_round = |round: &Round| {
        let mut recorder = Recorder::new();
        round.durations_ns.iter().for_each(|&ns| recorder.record_ns(u64::from(ns)));
        recorder
    };
    let recorders: Vec<Recorder> = rounds.iter().map(of_round).collect();
    let quantiles: Vec<Quantiles> = recorders.iter().map(Recorder::quantiles).collect();
    let over_rounds =
        |figure: fn(&Quantiles) -> u64| median(&quantiles.iter().map(|round| figure(round) as f64).collect::<Vec<_>>());
    let mut pooled = Recorder::new();
    recorders.iter().for_each(|round| pooled.merge(round));
    SceneRow {
        scene: scene.name(),
        is_ours: scene == Scene::Readers(Contestant::Ring),
        p50_ns: over_rounds(|q| q.p50_ns),
        p99_ns: over_rounds(|q| q.p99_ns),
        p99_9_ns: over_rounds(|q| q.p99_9_ns),
        p99_99_ns: over_rounds(|q| q.p99_99_ns),
        max_ns: over_rounds(|q| q.max_ns),
        ratio_p99_99: 1.0,
        ratio_max: 1.0,
        pooled: pooled.quantiles(),
        rounds_cut: rounds.iter().filter(|round| round.was_cut).count(),
        durations_ns: rounds.into_iter().flat_map(|round| round.durations_ns).collect(),
    }
}

/// What came of a round.
struct Round {
    /// Up to 4 seconds each; what is longer counts as that.
    durations_ns: Vec<u32>,
    writer_class: String,
    was_cut: bool,
}

/// One round, ended by force where the writer is stuck. Readers first, from this ordinary thread: a real-time one would
/// pass its class on to them.
fn run_round(scene: Scene, core: usize, round: Duration) -> Result<Round> {
    let (mut writer, readers) = match scene {
        Scene::Control => Contestant::Ring.make(0)?,
        Scene::BusyControl => {
            let (writer, _) = Contestant::Ring.make(0)?;
            (writer, (0..N_READERS).map(|_| Box::new(Busy) as Box<dyn Poll>).collect())
        }
        Scene::Readers(contestant) => contestant.make(N_READERS)?,
    };
    let pollers = Pollers::start(readers, core);
    let is_over = Arc::clone(&pollers.is_over);
    let writer = thread::spawn(move || {
        os::pin_to(core);
        let writer_class = match ask_for_fifo(WRITER_PRIORITY) {
            Ok(()) => "SCHED_FIFO".to_owned(),
            Err(reason) => format!("ordinary: {reason}"),
        };
        let samples = vec![0.5_f32; N_SAMPLES];
        // Written once and emptied: its pages are there before the first block is.
        let mut durations_ns = vec![1_u32; (round.as_nanos() / PERIOD.as_nanos()) as usize + 1];
        durations_ns.clear();
        let clock = SystemClock;
        let period_ns = PERIOD.as_nanos() as u64;
        let begun_ns = clock.now_ns();
        let end_ns = begun_ns + round.as_nanos() as u64;
        let mut deadline_ns = begun_ns + period_ns;
        let mut seq = 0;
        loop {
            clock.sleep_until_ns(deadline_ns);
            let start_ns = clock.now_ns();
            writer.publish(seq, &samples);
            let done_ns = clock.now_ns();
            durations_ns.push(u32::try_from(done_ns - start_ns).unwrap_or(u32::MAX));
            seq += 1;
            // Relaxed: a flag that orders nothing.
            let was_cut = is_over.load(Ordering::Relaxed);
            if done_ns >= end_ns || was_cut {
                return Round { durations_ns, writer_class, was_cut };
            }
            // Deadlines that a stall passed are left out.
            let n_periods = (done_ns.saturating_sub(deadline_ns) / period_ns) + 1;
            deadline_ns += n_periods * period_ns;
        }
    });
    pollers.run_until_done(writer, 2 * round + PATIENCE)
}
