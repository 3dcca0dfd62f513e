//! The mixer's step under a trapping allocator, through everything that it can be told and everything that can go wrong.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod auto_latency;
mod clocked;
mod fickle;
mod gap_places;
mod outage;
mod retries;
mod stand_in;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use parking_lot::Mutex;
use ra_core::{
    ClockedSource, FrameAccount, Granted, PeriodInput, PulledSource, Source, SourceError, StreamEvent, StreamSpec,
    VirtualClock,
};
use ra_dsp::{Band, BandKind, Equaliser, EqualiserConfig, Limiter, LimiterConfig};

use crate::command::{Command, SourceChange};
use crate::control::{Completion, Control, Request};
use crate::feeder::{Fed, Feeder};
use crate::rt::mixer::Mixer;
use crate::timeline::Timeline;
use crate::{AnySource, BusEvent, BusReader, EngineConfig, SourceConfig, Strip};

#[global_allocator]
static TRAP: AllocDisabler = AllocDisabler;

/// A clocked source whose deliveries the test makes by hand.
struct ByHand {
    spec: StreamSpec,
    input: Arc<Mutex<Option<Box<dyn PeriodInput>>>>,
    has_said: bool,
    /// Another format that it will flip to.
    flips_to: Arc<Mutex<Option<StreamSpec>>>,
    /// While it is set, it can't be opened.
    is_gone: Arc<AtomicBool>,
    /// What it says next, whatever it does.
    says: Arc<Mutex<Option<StreamEvent>>>,
    /// The periods that it grants.
    period_frames: Arc<AtomicU32>,
}

/// When frame 0 is due.
const ORIGIN_NS: u64 = 1_000_000_000_000;

/// What a [`ByHand`] says when its input was taken away.
const UNPLUGGED: &str = "unplugged";

impl ByHand {
    fn new(spec: StreamSpec, input: &Arc<Mutex<Option<Box<dyn PeriodInput>>>>) -> Self {
        Self {
            spec,
            input: Arc::clone(input),
            has_said: false,
            flips_to: Arc::default(),
            is_gone: Arc::default(),
            says: Arc::default(),
            period_frames: Arc::new(AtomicU32::new(256)),
        }
    }
}

impl Source for ByHand {
    fn spec(&self) -> StreamSpec {
        self.spec
    }
    fn describe(&self) -> String {
        "by hand".into()
    }
}

impl ClockedSource for ByHand {
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<Granted, SourceError> {
        if self.is_gone.load(Ordering::Relaxed) {
            return Err(SourceError::Device { device: "by hand".into(), message: UNPLUGGED.into() });
        }
        self.has_said = false;
        *self.input.lock() = Some(input);
        let period_frames = Some(self.period_frames.load(Ordering::Relaxed));
        Ok(Granted { spec: self.spec, period_frames, device: "by hand".into() })
    }
    fn poll_event(&mut self) -> Option<StreamEvent> {
        if let Some(event) = self.says.lock().take() {
            return Some(event);
        }
        if let Some(spec) = self.flips_to.lock().take() {
            self.spec = spec;
            return Some(StreamEvent::FormatChanged { spec });
        }
        // Only while it runs: a stopped one has nothing to say.
        let is_news = self.input.lock().is_none() && !std::mem::replace(&mut self.has_said, true);
        is_news.then(|| StreamEvent::DeviceLost { reason: UNPLUGGED.into(), doubtful_frames: 0 })
    }
    fn stop(&mut self) {
        *self.input.lock() = None;
    }
}

struct Constant(StreamSpec);

impl Source for Constant {
    fn spec(&self) -> StreamSpec {
        self.0
    }
    fn describe(&self) -> String {
        "constant".into()
    }
}

impl PulledSource for Constant {
    fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
        out.fill(0.5);
        Ok(StreamEvent::Frames { n_frames: self.0.frames(out.len()) })
    }
    fn remaining_frames(&self) -> Option<u64> {
        None
    }
}

/// An engine without threads: requests are carried out on the spot.
struct Bench {
    control: Control,
    mixer: Mixer,
    feeders: Vec<Feeder>,
    /// The control side's time, where that is not the mixer's.
    control_ns: Option<u64>,
}

impl Bench {
    fn new(config: EngineConfig) -> Self {
        let clock = Arc::new(VirtualClock::at_ns(1));
        let timeline = Arc::new(Timeline::new(config.sample_rate, &*clock));
        let (control, mut mixer) = Control::new(config, timeline, ORIGIN_NS).unwrap();
        mixer.start_at_ns(ORIGIN_NS);
        Self { control, mixer, feeders: Vec::new(), control_ns: None }
    }

    fn tell<T>(
        &mut self,
        command: impl FnOnce(crossbeam_channel::Sender<Result<T, crate::CommandError>>) -> Command,
    ) -> Result<T, crate::CommandError> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.control.handle(command(reply));
        self.settle();
        answer.try_recv().unwrap()
    }

    fn settle(&mut self) {
        while let Some(request) = self.control.take_request() {
            let completion = match request {
                Request::RunFeeder { id, feeder, .. } => {
                    self.feeders.push(*feeder);
                    Completion::FeederPrimed { id }
                }
                Request::StartClocked { id, mut source, input, .. } => {
                    let result = source.start(Box::new(input));
                    Completion::ClockedOpened { id, source, result }
                }
                Request::RestartClocked { id, mut source, input, .. } => {
                    source.stop();
                    let result = source.start(Box::new(input));
                    Completion::ClockedOpened { id, source, result }
                }
                Request::CloseClocked { id, mut source, .. } => {
                    source.stop();
                    Completion::ClockedClosed { id, source }
                }
                Request::StopClocked { id, mut source, .. } => {
                    source.stop();
                    Completion::ClockedStopped { id }
                }
                Request::RunConsumer(_) | Request::AbandonConsumer { .. } | Request::DropSink { .. } => {
                    panic!("no sinks here")
                }
            };
            self.control.complete(completion);
        }
        self.control.tick(self.control_ns.unwrap_or(self.mixer.next_deadline_ns()));
    }

    /// Steps under the trap; everything else happens outside.
    fn step(&mut self) {
        self.feeders.retain_mut(|feeder| feeder.fill() != Fed::Done);
        assert_no_alloc(|| self.mixer.step());
        self.settle();
    }

    fn account(&self, at: usize) -> FrameAccount {
        let account = self.control.stats().sources[at].account;
        assert!(account.is_balanced(), "{account}");
        account
    }

    fn add(&mut self, name: &str, source: AnySource) {
        let config = SourceConfig::named(name);
        self.tell(|reply| Command::AddSource { config, source, reply }).unwrap();
    }

    fn change(&mut self, name: &str, change: SourceChange) {
        let name = name.to_owned();
        self.tell(|reply| Command::SetSource { name, change, reply }).unwrap();
    }

    fn add_by_hand(&mut self, name: &str, spec: StreamSpec) -> Arc<Mutex<Option<Box<dyn PeriodInput>>>> {
        let input = Arc::new(Mutex::new(None));
        self.add(name, AnySource::clocked(ByHand::new(spec, &input)));
        input
    }

    fn subscribe(&mut self, from: &str) -> BusReader {
        let (from, config) = (from.to_owned(), crate::ReaderConfig::default());
        self.tell(|reply| Command::Subscribe { from, config, reply }).unwrap()
    }
}

fn spec(sample_rate_hz: u32, channels: u16) -> StreamSpec {
    StreamSpec::new(sample_rate_hz, channels).unwrap()
}

#[test]
fn no_step_allocates_whatever_is_commanded() {
    let mut bench = Bench::new(EngineConfig::default());
    for round in 0..200 {
        let mut main = bench.subscribe("main");
        bench.add("a", AnySource::pulled(Constant(spec(48_000, 2))));
        bench.add("mono", AnySource::pulled(Constant(spec(44_100, 1))));
        bench.step();
        let mut unmixed = bench.subscribe("source:a");
        let limiter = Limiter::new(LimiterConfig::default(), spec(48_000, 2)).unwrap();
        let band = Band { kind: BandKind::Peak, hz: 1000.0, gain_db: 3.0, q: 1.0 };
        let equaliser = Equaliser::new(&EqualiserConfig { bands: vec![band] }, spec(48_000, 2)).unwrap();
        let strip = Strip::Source("a".into());
        let on_source = bench.tell(|reply| Command::AddInsert { strip, insert: Box::new(equaliser), reply }).unwrap();
        let strip = Strip::Bus("main".into());
        let on_bus = bench.tell(|reply| Command::AddInsert { strip, insert: Box::new(limiter), reply }).unwrap();
        bench.change("a", SourceChange::GainDb(-6.0 - (round % 100) as f32));
        bench.change("mono", SourceChange::Pan(0.3));
        bench.step();
        bench.change("a", SourceChange::Solo(true));
        bench.change("mono", SourceChange::Mute(true));
        for _ in 0..12 {
            bench.step();
        }
        assert!(matches!(main.read(), BusEvent::Block(_)));
        assert!(matches!(unmixed.read(), BusEvent::Block(_)));
        bench.change("a", SourceChange::To(Vec::new()));
        bench.step();
        bench.change("a", SourceChange::To(vec!["main".into()]));
        let strip = Strip::Source("a".into());
        bench.tell(|reply| Command::RemoveInsert { strip, id: on_source, reply }).unwrap();
        let strip = Strip::Bus("main".into());
        bench.tell(|reply| Command::RemoveInsert { strip, id: on_bus, reply }).unwrap();
        for name in ["a", "mono"] {
            bench.tell(|reply| Command::RemoveSource { name: name.into(), reply }).unwrap();
        }
        for _ in 0..12 {
            bench.step();
        }
    }
    assert_eq!(bench.mixer.position().0, 200 * 27 * 128);
    // Everything that the mixer was lent has come back: only the bus itself is still there.
    assert_eq!(bench.control.outstanding(), 1);
    assert_eq!(bench.control.stats().sources.len(), 256, "400 came and went; the memory of them is bounded");
}

#[test]
fn waking_late_is_caught_up_and_waking_far_too_late_is_one_stamped_gap() {
    let mut bench = Bench::new(EngineConfig { ring_ms: 100.0, ..EngineConfig::default() });
    bench.add("a", AnySource::pulled(Constant(spec(48_000, 2))));
    let mut main = bench.subscribe("main");
    let mut run_until = |bench: &mut Bench, now_ns: u64| {
        bench.feeders.retain_mut(|feeder| feeder.fill() != Fed::Done);
        assert_no_alloc(|| bench.mixer.run_due(now_ns));
        let mut stamps = Vec::new();
        while let BusEvent::Block(block) = main.read() {
            stamps.push(block.stamp);
        }
        stamps
    };
    assert_eq!(run_until(&mut bench, ORIGIN_NS).len(), 1);
    // 30 ms late: 11 blocks are due, 8 of them now.
    assert_eq!(run_until(&mut bench, ORIGIN_NS + 30_000_000).len(), 8);
    assert_eq!(run_until(&mut bench, ORIGIN_NS + 30_000_000).len(), 3);
    assert!(run_until(&mut bench, ORIGIN_NS + 30_000_000).is_empty());
    // 200 ms late where the ring holds 100.
    let stamps = run_until(&mut bench, ORIGIN_NS + 230_000_000);
    assert_eq!(stamps[0].seq, 12);
    assert!(stamps[0].position.0 > 12 * 128, "the position tells of the gap, the sequence goes on");
    let stats = bench.control.stats();
    assert_eq!((stats.engine.blocks, stats.engine.xruns), (12 + stamps.len() as u64, 1));
    assert!(stats.engine.late_blocks > 0);
}
