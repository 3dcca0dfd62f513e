//! Sources that are lost, hang and come back in a running engine, with real threads: nobody waits for them, nothing is left
//! behind, and the books balance.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use ra_engine::core::{
    ClockedSource, Granted, PeriodInput, Source, SourceError, SourceState, SourceStats, StreamEvent, StreamSpec,
};
use ra_engine::{
    AnySource, CommandError, Engine, EngineConfig, Latency, OnLoss, RealtimeRequest, SinkConfig, SourceConfig,
};
use support::{Collect, Constant, wait_for};

/// What a test does to a device from outside.
#[derive(Default)]
struct Switches {
    /// It can't be opened, and what is open is lost.
    is_gone: AtomicBool,
    /// Calls that open it do not return.
    hangs: AtomicBool,
    /// It is open, and delivers nothing.
    is_silent: AtomicBool,
    n_starts: AtomicU64,
    n_running: AtomicU64,
}

impl Switches {
    fn set(&self, switch: &AtomicBool, on: bool) {
        switch.store(on, Ordering::Release);
    }
}

/// A device with a thread of its own, as a sound system has one, that delivers a constant in periods of 5 ms.
struct Flaky {
    switches: Arc<Switches>,
    running: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
    has_said: bool,
}

const SPEC: fn() -> StreamSpec = || StreamSpec::new(48_000, 1).unwrap();

impl Flaky {
    fn source(switches: &Arc<Switches>) -> AnySource {
        AnySource::clocked(Self { switches: Arc::clone(switches), running: None, has_said: false })
    }
}

impl Source for Flaky {
    fn spec(&self) -> StreamSpec {
        SPEC()
    }
    fn describe(&self) -> String {
        "flaky".to_owned()
    }
}

impl ClockedSource for Flaky {
    fn start(&mut self, mut input: Box<dyn PeriodInput>) -> Result<Granted, SourceError> {
        self.switches.n_starts.fetch_add(1, Ordering::Relaxed);
        while self.switches.hangs.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.switches.is_gone.load(Ordering::Acquire) {
            return Err(SourceError::Device { device: "flaky".to_owned(), message: "no such device".to_owned() });
        }
        assert!(self.running.is_none(), "stopped before it is started again");
        let quit = Arc::new(AtomicBool::new(false));
        let (seen, switches) = (Arc::clone(&quit), Arc::clone(&self.switches));
        switches.n_running.fetch_add(1, Ordering::Relaxed);
        let thread = std::thread::spawn(move || {
            use ra_engine::core::{Clock, SystemClock};
            let mut due_ns = SystemClock.now_ns();
            while !seen.load(Ordering::Acquire) && !switches.is_gone.load(Ordering::Acquire) {
                due_ns += 5_000_000;
                SystemClock.sleep_until_ns(due_ns);
                if !switches.is_silent.load(Ordering::Acquire) {
                    input.push(due_ns - 5_000_000, &[0.25; 240]);
                }
            }
            switches.n_running.fetch_sub(1, Ordering::Relaxed);
        });
        self.running = Some((quit, thread));
        self.has_said = false;
        Ok(Granted { spec: SPEC(), period_frames: Some(240), device: "flaky".to_owned() })
    }

    fn poll_event(&mut self) -> Option<StreamEvent> {
        let is_news = self.switches.is_gone.load(Ordering::Acquire) && self.running.is_some() && !self.has_said;
        self.has_said |= is_news;
        is_news.then(|| StreamEvent::DeviceLost { reason: "unplugged".to_owned(), doubtful_frames: 0 })
    }

    fn stop(&mut self) {
        if let Some((quit, thread)) = self.running.take() {
            quit.store(true, Ordering::Release);
            thread.join().unwrap();
        }
    }
}

impl Drop for Flaky {
    fn drop(&mut self) {
        self.stop();
    }
}

fn engine() -> Engine {
    let latency = Latency::Ms(60.0);
    Engine::new(EngineConfig { latency, realtime: RealtimeRequest::Ordinary, ..EngineConfig::default() }).unwrap()
}

fn row(engine: &Engine, name: &str) -> SourceStats {
    let stats = engine.handle().stats().unwrap();
    stats.sources.into_iter().find(|source| source.name == name).unwrap()
}

#[cfg(target_os = "linux")]
fn n_threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Resident memory, in pages.
#[cfg(target_os = "linux")]
fn resident_pages() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The whole file is one test where threads are counted: others would be counted with it.
#[cfg(target_os = "linux")]
#[test]
fn a_hundred_losses_leave_no_thread_and_no_memory_behind() {
    let switches = Arc::new(Switches::default());
    let mut engine = engine();
    let handle = engine.handle();
    handle.add_source(SourceConfig::named("steady"), AnySource::pulled(Constant(SPEC(), 0.5))).unwrap();
    handle.add_source(SourceConfig::named("mic"), Flaky::source(&switches)).unwrap();
    let heard = Collect::default();
    handle.add_sink(SinkConfig { from: "source:steady".into(), ..SinkConfig::named("rec") }, heard.clone()).unwrap();
    engine.start().unwrap();
    let (mut threads, mut pages) = (0, 0);
    for cycle in 0..100 {
        wait_for("the source", || row(&engine, "mic").state == SourceState::Live);
        if cycle == 20 {
            (threads, pages) = (n_threads(), resident_pages());
        }
        switches.set(&switches.is_gone, true);
        wait_for("the loss", || row(&engine, "mic").losses == cycle + 1 && row(&engine, "mic").failed_opens > cycle);
        switches.set(&switches.is_gone, false);
        // Somebody knows that it is back.
        handle.retry_source("mic").unwrap();
    }
    wait_for("the source", || row(&engine, "mic").reconnects == 100 && row(&engine, "mic").state == SourceState::Live);
    wait_for("the threads that opened it", || n_threads() <= threads);
    // A ring for each opening would be a megabyte, a hundred times; the recording of the sink is left out of it.
    let recorded_pages = (heard.0.n_samples() * 8 / 4096) as u64;
    let grown_pages = resident_pages().saturating_sub(pages).saturating_sub(recorded_pages);
    assert!(grown_pages < 4096, "{grown_pages} pages more than behind 20 cycles");
    let stats = engine.stop().unwrap();
    let mic = &stats.sources[1];
    assert_eq!((mic.losses, mic.reconnects, mic.hung_calls), (100, 100, 0));
    assert!(stats.sources.iter().all(|source| source.account.is_balanced() && source.account.queued_frames == 0));
    assert_eq!(mic.gaps.iter().map(|gap| gap.n_frames).sum::<u64>(), mic.inserted_frames);
    assert_eq!(switches.n_running.load(Ordering::Relaxed), 0, "every device was closed");
    assert!(heard.0.samples().iter().all(|&sample| sample == 0.5), "the other one was not touched");
}

#[test]
fn the_fallback_is_heard_while_a_device_is_gone() {
    let switches = Arc::new(Switches::default());
    let mut engine = engine();
    let handle = engine.handle();
    let on_loss = OnLoss::Fallback("tape".into());
    handle.add_source(SourceConfig { on_loss, ..SourceConfig::named("mic") }, Flaky::source(&switches)).unwrap();
    handle.add_source(SourceConfig::named("tape"), AnySource::pulled(Constant(SPEC(), 0.5))).unwrap();
    let heard = Collect::default();
    handle.add_sink(SinkConfig::named("rec"), heard.clone()).unwrap();
    engine.start().unwrap();
    let law = std::f32::consts::FRAC_1_SQRT_2;
    let last_is = |value: f32| {
        let samples = heard.0.samples();
        samples.last().is_some_and(|&last| (last - value * law).abs() < 1e-4)
    };
    wait_for("the microphone", || last_is(0.25));
    switches.set(&switches.is_gone, true);
    wait_for("the tape", || last_is(0.5));
    wait_for("its state", || row(&engine, "mic").state == SourceState::Fallback);
    switches.set(&switches.is_gone, false);
    wait_for("the microphone again", || last_is(0.25));
    // And where nobody says so: it is silent, and open.
    switches.set(&switches.is_silent, true);
    wait_for("the tape", || last_is(0.5));
    wait_for("a new start", || row(&engine, "mic").losses == 2);
    switches.set(&switches.is_silent, false);
    wait_for("the microphone again", || last_is(0.25));
    let stats = engine.stop().unwrap();
    let loudest = heard.0.samples().iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
    assert!(loudest <= 0.5 * law + 1e-4, "never both of them: {loudest}");
    assert_eq!(stats.sources[0].fallback.as_deref(), Some("tape"));
}

#[test]
fn a_call_that_hangs_keeps_neither_the_mix_nor_the_stop_waiting() {
    let switches = Arc::new(Switches::default());
    let config = EngineConfig {
        latency: Latency::Ms(60.0),
        realtime: RealtimeRequest::Ordinary,
        stop_timeout_ms: 200,
        ..EngineConfig::default()
    };
    let mut engine = Engine::new(config).unwrap();
    let handle = engine.handle();
    handle.add_source(SourceConfig::named("mic"), Flaky::source(&switches)).unwrap();
    handle.add_source(SourceConfig::named("steady"), AnySource::pulled(Constant(SPEC(), 0.5))).unwrap();
    engine.start().unwrap();
    wait_for("the source", || row(&engine, "mic").state == SourceState::Live);
    switches.set(&switches.hangs, true);
    switches.set(&switches.is_gone, true);
    wait_for("the loss", || row(&engine, "mic").state == SourceState::Lost);
    let blocks = handle.stats().unwrap().engine.blocks;
    wait_for("the mix", || handle.stats().unwrap().engine.blocks > blocks + 100);
    let n_starts = switches.n_starts.load(Ordering::Relaxed);
    assert!(n_starts <= 2, "one call at a time: {n_starts}");
    let stats = engine.stop().unwrap();
    assert_eq!(stats.sources[0].state, SourceState::Failed, "left behind");
    assert!(stats.sources[1].account.is_balanced());
    // It returns long behind the engine's end, and is closed.
    switches.set(&switches.is_gone, false);
    switches.set(&switches.hangs, false);
    wait_for("its end", || switches.n_running.load(Ordering::Relaxed) == 0);
}

#[test]
fn a_source_that_can_not_be_started_is_an_error_unless_it_may_be_late() {
    let switches = Arc::new(Switches::default());
    switches.set(&switches.is_gone, true);
    let mut engine = engine();
    let handle = engine.handle();
    let refused = handle.add_source(SourceConfig::named("mic"), Flaky::source(&switches));
    assert!(matches!(refused, Err(CommandError::Source { .. })), "{refused:?}");
    let late = SourceConfig { required: false, ..SourceConfig::named("mic") };
    handle.add_source(late, Flaky::source(&switches)).unwrap();
    let heard = Mutex::new(handle.subscribe("source:mic").unwrap());
    engine.start().unwrap();
    wait_for("some attempts", || engine.handle().stats().unwrap().sources[1].failed_opens > 3);
    assert_eq!(engine.handle().stats().unwrap().sources[1].state, SourceState::Lost);
    switches.set(&switches.is_gone, false);
    wait_for("its sound", || match heard.lock().unwrap().read() {
        ra_engine::BusEvent::Block(block) => block.samples.iter().any(|&sample| (sample - 0.25).abs() < 1e-3),
        _ => false,
    });
    let stats = engine.stop().unwrap();
    assert_eq!((stats.sources[1].losses, stats.sources[1].gaps.len()), (0, 0));
    assert!(matches!(handle.retry_source("mic"), Err(CommandError::Stopped)));
}
