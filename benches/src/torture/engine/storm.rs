//! A storm on a running engine: its parts put around it, its commands sent, and what they saw put together.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use ra_core::{Clock, FramePosition, SourceState, SystemClock};
use ra_engine::dsp::Insert;
use ra_engine::{Engine, EngineConfig, MAIN_BUS, Strip};

use super::allocations::{HeapCalls, is_installed};
use super::bare_threads::BareThreads;
use super::bound::Bounds;
use super::device::DeviceSlot;
use super::evaluate::{self, Evidence};
use super::figures::StormFigures;
use super::ledger::Ledger;
use super::listeners::Listeners;
use super::performer::{Stage, perform};
use super::plan::{N_SLOTS, N_THREADS, Plan, Planned};
use super::sentry::{Sentry, SentryLog};
use super::system_calls::{CallCounts, CallWatch};
use super::thread_watch::{self, ThreadCounts};
use crate::latency::Deadlines;

/// Between two looks at the engine's statistics.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long fades and closings behind the last command may take.
const SETTLE: Duration = Duration::from_millis(300);
/// How long the audio thread may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the engine may take to answer a command.
const STUCK: Duration = Duration::from_secs(60);
/// The list's own time may be exceeded by this factor and this much before times find no room any more.
const ROOM_FACTOR: f64 = 4.0;
const ROOM_S: f64 = 30.0;
/// The audio thread's name.
const MIXER_THREAD: &str = "ra-mixer";

/// How the system calls of real-time threads are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountCalls {
    /// By filters that the threads put on themselves.
    ByFilter,
    /// By somebody else, who watches from outside.
    FromOutside,
}

/// What is told while it goes on, on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A line a second.
    Told,
    /// Nothing.
    Silent,
}

/// A storm that is to come.
pub struct Storm {
    /// How many commands.
    pub n_commands: usize,
    /// What they are drawn with.
    pub seed: u64,
    /// How system calls are counted.
    pub count_calls: CountCalls,
    /// What is told meanwhile.
    pub progress: Progress,
    /// Effects on `main`, behind the sentry: faults that a run must find.
    pub planted: Vec<Box<dyn Insert>>,
}

/// The watches of the real-time threads.
struct Watches {
    counts: Arc<CallCounts>,
    /// The mixer's, and one for each device; empty where somebody else counts.
    watches: Vec<CallWatch>,
}

impl Watches {
    fn spawn(count_calls: CountCalls) -> Result<Self> {
        let counts = CallCounts::new();
        let n_threads = if count_calls == CountCalls::ByFilter { 1 + N_SLOTS } else { 0 };
        let watches = (0..n_threads).map(|_| CallWatch::spawn(Arc::clone(&counts)));
        Ok(Self { watches: watches.collect::<std::io::Result<_>>()?, counts })
    }

    /// Why a thread is not watched, where one is not.
    fn refusal(&self) -> Option<String> {
        if self.watches.is_empty() {
            return Some("they are counted from outside".to_owned());
        }
        self.watches.iter().find_map(CallWatch::refusal)
    }

    fn finish(self) {
        for watch in self.watches {
            watch.finish();
        }
    }
}

/// A folder that goes when the storm is over.
struct Recordings(PathBuf);

impl Recordings {
    fn make() -> Result<Self> {
        static STORMS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("ra-storm-{}-{}", std::process::id(), STORMS.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Recordings {
    fn drop(&mut self) {
        if let Err(cause) = std::fs::remove_dir_all(&self.0) {
            eprintln!("the folder {} stays behind: {cause}", self.0.display());
        }
    }
}

impl Storm {
    /// A storm of the list's first `n_commands`, watched by filters, in silence.
    pub fn new(n_commands: usize, seed: u64) -> Self {
        Self { n_commands, seed, count_calls: CountCalls::ByFilter, progress: Progress::Silent, planted: Vec::new() }
    }

    /// Runs it on an engine of its own.
    ///
    /// # Errors
    /// The program's allocator does not count, the engine does not start or stop, or a thread has panicked.
    pub fn run(self) -> Result<StormFigures> {
        ensure!(is_installed(), "the program's global allocator is not the one that counts: nothing would be seen");
        let plan = Plan::new(self.n_commands, self.seed);
        let config = EngineConfig::default();
        let period_ns = config.sample_rate.ns_of_frames(config.block_frames as u64);
        let room_s = plan.duration_us() as f64 / 1e6 * ROOM_FACTOR + ROOM_S;
        let room_blocks = (room_s * 1e9 / period_ns as f64) as usize;
        let ramp_ns = (config.ramp_ms * 1e6) as u64;
        let bounds = Bounds::of(&config);

        let watches = Watches::spawn(self.count_calls)?;
        let seat = |thread: usize| watches.watches.get(thread).map(CallWatch::seat);
        let recordings = Recordings::make()?;
        let mut engine = Engine::new(config)?;
        let handle = engine.handle();
        let log = SentryLog::new(room_blocks);
        handle.add_insert(Strip::Bus(MAIN_BUS.to_owned()), Box::new(Sentry::new(Arc::clone(&log), seat(0))))?;
        for planted in self.planted {
            handle.add_insert(Strip::Bus(MAIN_BUS.to_owned()), planted)?;
        }
        let (reader, mut first_reader) = (handle.subscribe(MAIN_BUS)?, handle.subscribe(MAIN_BUS)?);
        let devices = (0..N_SLOTS).map(|slot| DeviceSlot::spawn(slot, seat(1 + slot)));
        let devices: Arc<Vec<DeviceSlot>> = Arc::new(devices.collect::<std::io::Result<_>>()?);
        engine.start()?;
        let deadlines = Deadlines::learn(&handle, &mut first_reader)?;
        drop(first_reader);
        let listeners = Listeners::spawn()?;
        listeners.door().add(MAIN_BUS.to_owned(), reader, bounds.main_lin());
        // Half a period beside the mixer's deadlines: neither waits for the other.
        let bare = BareThreads::spawn(deadlines.of(FramePosition(0)) + period_ns / 2, period_ns, room_blocks)?;

        let stage = Stage {
            handle: handle.clone(),
            devices: Arc::clone(&devices),
            listeners: listeners.door(),
            ledger: Arc::new(Ledger::default()),
            bounds,
            recordings: recordings.0.clone(),
            ramp_ns,
            begin_ns: SystemClock.now_ns(),
            n_done: Arc::new(AtomicUsize::new(0)),
        };
        let window = Window::open(&watches.counts, &log, &devices);
        let begun = Instant::now();
        let performers = spawn_performers(&stage, &plan)?;
        follow(&stage, &performers, self.n_commands, self.progress)?;
        let mut refused = Vec::new();
        for performer in performers {
            refused.extend(performer.join().map_err(|_| anyhow!("a commanding thread has panicked"))?);
        }
        let duration_s = begun.elapsed().as_secs_f64();
        std::thread::sleep(SETTLE);
        stage.ledger.look(&handle.stats()?);
        let calls_not_counted = watches.refusal();
        let seen = window.close(&watches.counts, &log, &devices)?;

        let bare = bare.finish()?;
        let stats = engine.stop().context("the engine did not stop")?;
        devices.iter().for_each(DeviceSlot::unmark);
        let ledger = Arc::clone(&stage.ledger);
        drop(stage); // with its ways to the listeners and its hold on the devices
        let devices = Arc::into_inner(devices).context("somebody still has the devices")?;
        let granted = devices.into_iter().map(DeviceSlot::finish).collect::<Result<_>>()?;
        let system_calls = watches.counts.named();
        watches.finish();
        let heard = listeners.finish()?;
        let accounts = ledger.close(&stats);
        let mixed_ns = log.mixed_ns(seen.blocks.clone());
        drop(recordings);
        Ok(evaluate::figures(Evidence {
            seed: self.seed,
            plan: &plan,
            refused,
            duration_s,
            granted,
            seen,
            system_calls,
            calls_not_counted,
            heard: &heard,
            bounds,
            accounts,
            mixed_ns,
            deadlines,
            period_ns,
            bare: &bare,
            stats,
        }))
    }
}

fn spawn_performers(stage: &Stage, plan: &Plan) -> Result<Vec<JoinHandle<Vec<String>>>> {
    let performers = (0..N_THREADS).map(|thread| {
        let own: Vec<Planned> = plan.commands.iter().copied().filter(|planned| planned.thread == thread).collect();
        let stage = stage.clone();
        let name = format!("storm-{thread}");
        std::thread::Builder::new().name(name).spawn(move || perform(&stage, &own))
    });
    Ok(performers.collect::<std::io::Result<_>>()?)
}

/// Looks at the accounts, again and again, until every command is answered.
fn follow(stage: &Stage, performers: &[JoinHandle<Vec<String>>], n_commands: usize, progress: Progress) -> Result<()> {
    let begun = Instant::now();
    let (mut told_s, mut last) = (0, (0, begun));
    while !performers.iter().all(JoinHandle::is_finished) {
        std::thread::sleep(LOOK_EVERY);
        let stats = stage.handle.stats()?;
        stage.ledger.look(&stats);
        if let Some(failure) = stats.engine.failure {
            bail!("{failure}");
        }
        let n_done = stage.n_done.load(Ordering::Relaxed);
        if n_done > last.0 {
            last = (n_done, Instant::now());
        }
        ensure!(last.1.elapsed() < STUCK, "no command was answered for {} s", STUCK.as_secs());
        let elapsed_s = begun.elapsed().as_secs();
        if progress == Progress::Told && elapsed_s > told_s {
            told_s = elapsed_s;
            let live = stats.sources.iter().filter(|source| source.state == SourceState::Live).count();
            eprintln!("{elapsed_s:4} s: {n_done} of {n_commands} commands, {live} sources sound");
        }
    }
    Ok(())
}

/// The time between the first command and the last, in which everything counts.
struct Window {
    first_block: u64,
    first_period: u64,
    heap: HeapCalls,
    mixer: Option<PathBuf>,
    thread: Option<ThreadCounts>,
}

/// What real-time threads did in a [`Window`].
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) blocks: std::ops::Range<u64>,
    pub(super) periods: u64,
    pub(super) heap: HeapCalls,
    pub(super) thread: Option<ThreadCounts>,
}

fn periods(devices: &[DeviceSlot]) -> u64 {
    devices.iter().map(DeviceSlot::periods).sum()
}

impl Window {
    fn open(counts: &CallCounts, log: &SentryLog, devices: &[DeviceSlot]) -> Self {
        let mixer = thread_watch::find(MIXER_THREAD);
        counts.set_open(true);
        // Waits before blocks: at most one a block, wherever the window begins.
        let thread = mixer.as_deref().and_then(thread_watch::counts);
        Self { first_block: log.n_blocks(), first_period: periods(devices), heap: HeapCalls::now(), mixer, thread }
    }

    /// Takes the marks off the audio thread: what it does from now on is its end.
    fn close(self, counts: &CallCounts, log: &SentryLog, devices: &[DeviceSlot]) -> Result<Seen> {
        let thread = self.mixer.as_deref().and_then(thread_watch::counts);
        log.ask_to_leave();
        let asked = Instant::now();
        while !log.has_left() {
            ensure!(asked.elapsed() < PATIENCE, "the audio thread mixes nothing any more");
            std::thread::sleep(Duration::from_millis(1));
        }
        counts.set_open(false);
        Ok(Seen {
            blocks: self.first_block..log.n_blocks(),
            periods: periods(devices) - self.first_period,
            heap: HeapCalls::now().since(self.heap),
            thread: thread.zip(self.thread).map(|(end, begin)| end.since(begin)),
        })
    }
}
