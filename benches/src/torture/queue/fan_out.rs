//! One round of a fan-out scene: a ring, its writer, and readers of every temper, each with an account of its own that
//! is held against what it saw and against what the writer says.

#[cfg(test)]
mod fault_tests;
mod listener;
mod reader;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use ra_queue::{BlockReader, BlockWriter, Join, RingSubscriber, RingTrial, RingWriter, ring_fan_out_trial};

use super::content::BlockContent;
use super::crew::Crew;
use super::pace::{Pace, Pacer};
use super::progress::Progress;
use super::random::Random;
use super::scene::{PATIENCE, Round, Start};
use super::{Findings, WriterClass};
use reader::{resident, visitor, watch};

/// How a reader of the fan-out behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temper {
    /// Polls without a pause.
    Fast,
    /// Computes for up to 20 us after a block.
    Slow,
    /// Is away for up to 5 ms now and then.
    Sleeping,
    /// Polls without a pause on the writer's core, which preempts it wherever it stands.
    Preempted,
    /// Passes what waits, now and then.
    Skipping,
    /// Reads nothing before the writer is gone: its loss is certain.
    Absent,
    /// Joins, reads a little or nothing, and leaves, again and again.
    Visiting,
}

/// One arrangement of a ring, a writer and readers.
#[derive(Clone, Copy, Debug)]
pub(super) struct FanOutScene {
    /// Blocks that the ring holds.
    pub(super) ring_blocks: usize,
    pub(super) n_frames: usize,
    pub(super) n_channels: usize,
    pub(super) pace: Pace,
    pub(super) start: Start,
    /// Whether samples are copied by 64-bit atomics where the machine has something wider.
    pub(super) is_portable: bool,
    pub(super) readers: &'static [(Temper, usize)],
}

impl Default for FanOutScene {
    fn default() -> Self {
        Self {
            ring_blocks: 64,
            n_frames: 256,
            n_channels: 2,
            pace: Pace::FlatOut,
            start: Start::Zero,
            is_portable: false,
            readers: &[(Temper::Fast, 1)],
        }
    }
}

/// What the threads of a round share.
struct Stage {
    bus: RingSubscriber,
    content: BlockContent,
    progress: Progress,
    /// Set when the writer is gone.
    is_over: AtomicBool,
    gives_up: Arc<AtomicBool>,
    /// What the writer was granted.
    grant: OnceLock<String>,
    /// What `read` and `lost` of every reader begin at.
    first_count: u64,
    /// Set where both went past their end.
    has_wrapped: AtomicBool,
}

impl Stage {
    // Relaxed, in both: flags that order nothing.
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn gives_up(&self) -> bool {
        self.gives_up.load(Ordering::Relaxed)
    }
}

/// Runs one round. Readers first, from this ordinary thread: a real-time one would pass its class on to them.
pub(super) fn run_round(scene: &FanOutScene, round: &Round, random: &mut Random) -> Result<(Findings, String)> {
    let blocks_to_wrap = random.between(1, 40);
    let trial = RingTrial { first_seq: scene.start.first(blocks_to_wrap), is_portable: scene.is_portable };
    let content = BlockContent {
        first_seq: trial.first_seq,
        first_position: scene.start.first(blocks_to_wrap * scene.n_frames as u64),
        n_frames: scene.n_frames,
        n_channels: scene.n_channels,
    };
    let (writer, bus) = ring_fan_out_trial(scene.ring_blocks, content.n_samples(), &trial)?;
    let mut crew = Crew::new();
    let stage = Arc::new(Stage {
        bus,
        content,
        progress: Progress::default(),
        is_over: AtomicBool::new(false),
        gives_up: crew.gives_up(),
        grant: OnceLock::new(),
        first_count: scene.start.first_count(random),
        has_wrapped: AtomicBool::new(false),
    });
    hire_readers(scene, &stage, round.writer_core, &mut crew, random)?;
    crew.muster();
    let pacer = Pacer::start(scene.pace, round.duration, random.split(), crew.gives_up());
    let (on_stage, class) = (Arc::clone(&stage), round.writer_class);
    crew.hire("torture-writer".to_owned(), round.writer_core, move || {
        let n_blocks = write(writer, pacer, &on_stage, class);
        Findings { wraps: u64::from(n_blocks > blocks_to_wrap), ..Findings::default() }
    })?;
    let mut findings = crew.finish(round.duration + PATIENCE);
    // Relaxed: its thread has been joined.
    let has_wrapped = scene.start != Start::Zero && stage.has_wrapped.load(Ordering::Relaxed);
    findings.wraps *= u64::from(has_wrapped);
    Ok((findings, stage.grant.get().cloned().unwrap_or_default()))
}

fn hire_readers(
    scene: &FanOutScene,
    stage: &Arc<Stage>,
    writer_core: Option<usize>,
    crew: &mut Crew,
    random: &mut Random,
) -> Result<()> {
    let mut monitors = Vec::new();
    for &(temper, n_readers) in scene.readers {
        for n in 0..n_readers {
            let (stage, random) = (Arc::clone(stage), random.split());
            let name = format!("torture-{temper:?}-{n}");
            if temper == Temper::Visiting {
                crew.hire(name, None, move || visitor(&stage, random))?;
                continue;
            }
            let reader = stage.bus.join_trial(Join::Next, stage.first_count);
            monitors.push(reader.monitor());
            let core = writer_core.filter(|_| temper == Temper::Preempted);
            crew.hire(name, core, move || resident(&stage, reader, temper, random))?;
        }
    }
    let stage = Arc::clone(stage);
    crew.hire("torture-watch".to_owned(), None, move || watch(&stage, &monitors))
}

/// The writer's thread: block after block at its pace, then the end. Gives the number of blocks.
fn write(mut writer: RingWriter, mut pacer: Pacer, stage: &Stage, class: WriterClass) -> u64 {
    // Only this thread sets it.
    let _ = stage.grant.set(class.ask());
    let mut samples = vec![0.0; stage.content.n_samples()];
    let mut n = 0;
    while pacer.goes_on(n * stage.content.n_frames as u64) {
        stage.content.fill(n, &mut samples);
        stage.progress.begin(n + 1);
        writer.publish(&stage.content.stamp(n), &samples);
        n += 1;
        stage.progress.finish(n);
    }
    writer.close();
    stage.is_over.store(true, Ordering::Relaxed);
    n
}

/// A reader between two looks.
fn pause(duration_us: u64) {
    thread::sleep(Duration::from_micros(duration_us));
}
