//! One round of an input-ring scene: a writer that offers more than fits, a reader, and the account of both, held
//! against what each of them saw.

#[cfg(test)]
mod fault_tests;
mod reader;
mod writer;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use anyhow::Result;
use ra_core::{ChannelCount, FrameAccount};
use ra_queue::{InputConfig, InputMonitor, InputTrial, input_ring_trial};

use super::Findings;
use super::content::FrameContent;
use super::crew::Crew;
use super::pace::{Pace, Pacer};
use super::progress::Progress;
use super::random::Random;
use super::scene::{PATIENCE, Round, Start};
use reader::{Heard, listen};
use writer::{Offered, write};

/// How the reader of an input ring behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputTemper {
    /// Polls without a pause.
    Fast,
    /// Computes for up to 20 us after a read.
    Slow,
    /// Is away for up to 5 ms now and then.
    Sleeping,
    /// Polls without a pause on the writer's core, which preempts it wherever it stands.
    Preempted,
    /// Leaves before the writer does.
    Leaving,
}

/// One arrangement of an input ring and its two ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct InputScene {
    pub(super) n_channels: u16,
    /// Deliveries have 1 to so many frames; now and then one has more than the ring holds.
    pub(super) max_period_frames: usize,
    pub(super) capacity_frames: usize,
    pub(super) capacity_periods: usize,
    pub(super) pace: Pace,
    pub(super) start: Start,
    pub(super) temper: InputTemper,
}

impl Default for InputScene {
    fn default() -> Self {
        Self {
            n_channels: 2,
            max_period_frames: 256,
            capacity_frames: 1_000,
            capacity_periods: 64,
            pace: Pace::FlatOut,
            start: Start::Zero,
            temper: InputTemper::Fast,
        }
    }
}

/// What the threads of a round share.
struct Stage {
    monitor: InputMonitor,
    content: FrameContent,
    /// Where the source's timeline begins.
    first_position: u64,
    trial: InputTrial,
    /// The frames that the writer offered.
    progress: Progress,
    /// Set when the writer is gone.
    is_over: AtomicBool,
    /// Set when the reader is gone.
    has_left: AtomicBool,
    gives_up: Arc<AtomicBool>,
    /// What the writer was granted.
    grant: OnceLock<String>,
    offered: OnceLock<Offered>,
    heard: OnceLock<Heard>,
}

impl Stage {
    // Relaxed, in both: flags that order nothing.
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn gives_up(&self) -> bool {
        self.gives_up.load(Ordering::Relaxed)
    }

    /// The account as if its counts had begun at 0.
    fn account(&self) -> FrameAccount {
        let InputTrial { n_delivered, n_discarded, n_refused } = self.trial;
        let n_dropped = n_discarded.wrapping_add(n_refused);
        let account = self.monitor.account();
        FrameAccount {
            produced_frames: account.produced_frames.wrapping_sub(n_delivered.wrapping_add(n_dropped)),
            delivered_frames: account.delivered_frames.wrapping_sub(n_delivered),
            dropped_frames: account.dropped_frames.wrapping_sub(n_dropped),
            queued_frames: account.queued_frames,
        }
    }
}

/// Runs one round. The reader first, from this ordinary thread: a real-time one would pass its class on to it.
pub(super) fn run_round(scene: &InputScene, round: &Round, random: &mut Random) -> Result<(Findings, String)> {
    let config = InputConfig {
        channels: ChannelCount::new(scene.n_channels)?,
        capacity_frames: scene.capacity_frames,
        capacity_periods: scene.capacity_periods,
    };
    let trial = InputTrial {
        n_delivered: scene.start.first_count(random),
        n_discarded: scene.start.first_count(random),
        n_refused: scene.start.first_count(random),
    };
    let (writer, reader, monitor) = input_ring_trial(&config, &trial)?;
    let first_position = reader.position().0;
    let deliveries_to_wrap = random.between(1, 20);
    let mut crew = Crew::new();
    let stage = Arc::new(Stage {
        monitor,
        content: FrameContent {
            n_channels: usize::from(scene.n_channels),
            first_capture_ns: scene.start.first(2 * deliveries_to_wrap),
        },
        first_position,
        trial,
        progress: Progress::default(),
        is_over: AtomicBool::new(false),
        has_left: AtomicBool::new(false),
        gives_up: crew.gives_up(),
        grant: OnceLock::new(),
        offered: OnceLock::new(),
        heard: OnceLock::new(),
    });
    let core = round.writer_core.filter(|_| scene.temper == InputTemper::Preempted);
    let (on_stage, reader_random) = (Arc::clone(&stage), random.split());
    let (temper, half) = (scene.temper, round.duration / 2);
    crew.hire("torture-reader".to_owned(), core, move || listen(&on_stage, reader, temper, half, reader_random))?;
    let on_stage = Arc::clone(&stage);
    crew.hire("torture-watch".to_owned(), None, move || watch(&on_stage))?;
    crew.muster();
    let pacer = Pacer::start(scene.pace, round.duration, random.split(), crew.gives_up());
    let (on_stage, writer_random, class) = (Arc::clone(&stage), random.split(), round.writer_class);
    let scene = *scene;
    crew.hire("torture-writer".to_owned(), round.writer_core, move || {
        // Only this thread sets it.
        let _ = on_stage.grant.set(class.ask());
        write(&on_stage, &scene, writer, pacer, writer_random);
        Findings::default()
    })?;
    let mut findings = crew.finish(round.duration + PATIENCE);
    settle(&stage, &mut findings);
    if scene.start != Start::Zero {
        findings.wraps = u64::from(has_wrapped(&stage, deliveries_to_wrap));
    }
    Ok((findings, stage.grant.get().cloned().unwrap_or_default()))
}

/// Holds what the writer offered, what the reader heard and the ring's own account against each other.
fn settle(stage: &Stage, findings: &mut Findings) {
    let account = stage.account();
    findings.readers = 1;
    findings.produced = account.produced_frames;
    findings.read = account.delivered_frames;
    findings.lost = account.dropped_frames;
    // A thread that failed left none: that is counted already.
    let (Some(offered), Some(heard)) = (stage.offered.get(), stage.heard.get()) else { return };
    findings.check(account.is_balanced() && account.queued_frames == 0);
    findings.check(account.produced_frames == offered.n_frames && account.delivered_frames == heard.n_read);
    findings.check(offered.n_frames == offered.n_taken + offered.n_refused);
    findings.check(!offered.missed_its_leaving && heard.n_stamped <= offered.n_taken);
    if heard.has_left {
        return;
    }
    findings.check(!offered.saw_it_leave);
    findings.check(account.dropped_frames == heard.n_missing + heard.n_discarded);
    findings.check(heard.n_read + heard.n_missing + heard.n_discarded == offered.n_frames);
    findings.check(heard.n_missing == offered.n_refused && heard.n_stamped == offered.n_taken);
    findings.check(heard.n_stamps == offered.n_stamps && heard.n_breaks == offered.n_breaks);
}

/// Whether every counter that began near its end is past it.
fn has_wrapped(stage: &Stage, deliveries_to_wrap: u64) -> bool {
    let (Some(offered), Some(heard)) = (stage.offered.get(), stage.heard.get()) else { return false };
    let past = |first: u64, n: u64| first.checked_add(n).is_none();
    past(stage.first_position, offered.n_frames)
        && past(stage.trial.n_delivered, heard.n_read)
        && past(stage.trial.n_discarded, heard.n_discarded)
        && past(stage.trial.n_refused, offered.n_refused)
        && offered.n_stamps > deliveries_to_wrap
}

/// Takes the account again and again while both ends run: it balances, never falls, and is where the writer is.
fn watch(stage: &Stage) -> Findings {
    let mut findings = Findings::default();
    let mut last = FrameAccount::default();
    loop {
        // Before the look: there is one more after the end.
        let is_over = stage.is_over() || stage.gives_up();
        let at_least = stage.progress.at_least();
        let account = stage.account();
        let at_most = stage.progress.at_most();
        findings.check(account.is_balanced());
        findings.check((at_least..=at_most).contains(&account.produced_frames));
        findings.check(account.queued_frames <= account.produced_frames);
        findings.check(account.delivered_frames >= last.delivered_frames);
        findings.check(account.dropped_frames >= last.dropped_frames);
        last = account;
        if is_over {
            return findings;
        }
        thread::yield_now();
    }
}
