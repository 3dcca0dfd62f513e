//! The mixer's step under a trapping allocator, through everything that it can be told and everything that can go wrong.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::sync::Arc;

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use parking_lot::Mutex;
use ra_core::{
    ClockedSource, FrameAccount, GapReason, Granted, PeriodInput, PulledSource, Source, SourceError, SourceState,
    StreamEvent, StreamSpec, VirtualClock,
};
use ra_dsp::{Band, BandKind, Equaliser, EqualiserConfig, Limiter, LimiterConfig};

use crate::command::{Command, SourceChange};
use crate::control::{Completion, Control, Request};
use crate::feeder::{Fed, Feeder};
use crate::rt::mixer::Mixer;
use crate::timeline::Timeline;
use crate::{AnySource, BusEvent, BusReader, EngineConfig, Latency, SourceConfig, Strip};

#[global_allocator]
static TRAP: AllocDisabler = AllocDisabler;

/// A clocked source whose deliveries the test makes by hand.
struct ByHand {
    spec: StreamSpec,
    input: Arc<Mutex<Option<Box<dyn PeriodInput>>>>,
    has_said: bool,
}

/// What a [`ByHand`] says when its input was taken away.
const UNPLUGGED: &str = "unplugged";

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
        *self.input.lock() = Some(input);
        Ok(Granted { spec: self.spec, period_frames: Some(256), device: "by hand".into() })
    }
    fn poll_event(&mut self) -> Option<StreamEvent> {
        // Only while it runs: a stopped one has nothing to say.
        let is_news = self.input.lock().is_none() && !std::mem::replace(&mut self.has_said, true);
        is_news.then(|| StreamEvent::DeviceLost { reason: UNPLUGGED.into() })
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
}

impl Bench {
    fn new(config: EngineConfig) -> Self {
        let clock = Arc::new(VirtualClock::at_ns(1));
        let timeline = Arc::new(Timeline::new(config.sample_rate, 0, &*clock));
        let (control, mixer) = Control::new(config, timeline).unwrap();
        Self { control, mixer, feeders: Vec::new() }
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
                    Completion::ClockedStarted { id, source, result }
                }
                Request::StopClocked { id, mut source, .. } => {
                    source.stop();
                    Completion::ClockedStopped { id }
                }
                Request::RunConsumer(_) => panic!("no sinks here"),
            };
            self.control.complete(completion);
        }
        self.control.tick();
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
        self.add(name, AnySource::clocked(ByHand { spec, input: Arc::clone(&input), has_said: false }));
        input
    }

    fn subscribe(&mut self, from: &str) -> BusReader {
        let from = from.to_owned();
        self.tell(|reply| Command::Subscribe { from, reply }).unwrap()
    }
}

fn spec(sample_rate_hz: u32, channels: u16) -> StreamSpec {
    StreamSpec::new(sample_rate_hz, channels).unwrap()
}

fn push(input: &Mutex<Option<Box<dyn PeriodInput>>>, samples: &[f32]) -> usize {
    let mut input = input.lock();
    let input = input.as_mut().unwrap();
    assert_no_alloc(|| input.push(7, samples))
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
fn a_clocked_source_waits_for_its_cushion_then_plays_every_frame() {
    let mut bench = Bench::new(EngineConfig { latency: Latency::Ms(10.0), ..EngineConfig::default() });
    let input = bench.add_by_hand("mic", spec(48_000, 2));
    let mut main = bench.subscribe("main");
    let mut sent = 0;
    let mut got = Vec::new();
    for _ in 0..100 {
        let period: Vec<f32> = (sent..sent + 256).map(|n| n as f32 / 65_536.0).collect();
        sent += 256;
        assert_eq!(push(&input, &period), 128);
        bench.step();
        if let BusEvent::Block(block) = main.read() {
            got.extend_from_slice(block.samples);
        }
    }
    // 480 frames are awaited: that is reached by the fourth period, so three blocks are silent.
    assert!(got[..3 * 256].iter().all(|&sample| sample == 0.0));
    assert!(got[3 * 256..].iter().enumerate().all(|(n, &sample)| sample == n as f32 / 65_536.0));
    let stats = bench.control.stats();
    assert_eq!(stats.sources[0].state, SourceState::Live);
    assert_eq!((stats.sources[0].xruns, stats.sources[0].inserted_frames), (0, 0));
    let account = bench.account(0);
    assert_eq!((account.produced_frames, account.queued_frames, account.dropped_frames), (12_800, 384, 0));
}

#[test]
fn running_dry_is_counted_and_heard_as_a_faded_hole_of_its_own_length() {
    let mut bench = Bench::new(EngineConfig { latency: Latency::Ms(10.0), ..EngineConfig::default() });
    let input = bench.add_by_hand("mic", spec(48_000, 1));
    let mut main = bench.subscribe("main");
    let mut got = Vec::new();
    for n in 0..400 {
        if !(100..150).contains(&n) {
            push(&input, &[1.0; 128]);
        }
        bench.step();
        if let BusEvent::Block(block) = main.read() {
            got.extend(block.samples.iter().step_by(2));
        }
    }
    let stats = bench.control.stats();
    let source = &stats.sources[0];
    assert_eq!(source.xruns, 1);
    let n_missing: u64 = source.gaps.iter().map(|gap| gap.n_frames).sum();
    assert_eq!(n_missing, source.inserted_frames);
    assert!((6000..7000).contains(&n_missing), "{n_missing}");
    let step = got.windows(2).map(|w: &[f32]| (w[1] - w[0]).abs()).skip(1000).fold(0.0, f32::max);
    assert!(step <= 1.0 / 72.0 + 1e-6, "no step above the fade's slope: {step}");
    assert!(bench.account(0).is_balanced());
}

#[test]
fn an_overfull_ring_drops_the_newest_and_the_gap_keeps_its_length() {
    let mut bench = Bench::new(EngineConfig { latency: Latency::Ms(10.0), ..EngineConfig::default() });
    let input = bench.add_by_hand("mic", spec(48_000, 1));
    // The ring holds a second; a second and a half comes at once.
    let burst: Vec<f32> = vec![0.5; 72_000];
    let taken = push(&input, &burst);
    assert_eq!(taken, 48_000);
    push(&input, &[0.5; 128]);
    for _ in 0..600 {
        push(&input, &[0.5; 128]);
        bench.step();
    }
    let stats = bench.control.stats();
    let source = &stats.sources[0];
    assert!(source.account.dropped_frames >= 24_000, "{}", source.account);
    assert!(source.xruns >= 2, "the loss at the ring, and the shedding of a cushion that is far too full");
    assert!(bench.account(0).is_balanced());
}

#[test]
fn a_removed_clocked_source_leaves_a_balanced_account_and_nothing_queued() {
    let mut bench = Bench::new(EngineConfig::default());
    let input = bench.add_by_hand("mic", spec(16_000, 1));
    for _ in 0..100 {
        push(&input, &[0.5; 43]);
        bench.step();
    }
    bench.tell(|reply| Command::RemoveSource { name: "mic".into(), reply }).unwrap();
    for _ in 0..12 {
        bench.step();
    }
    assert!(input.lock().is_none(), "the device was closed");
    let account = bench.account(0);
    assert_eq!(account.queued_frames, 0, "{account}");
    assert_eq!(account.produced_frames, 4300);
    assert_eq!(bench.control.stats().sources[0].state, SourceState::Removed);
}

#[test]
fn waking_late_is_caught_up_and_waking_far_too_late_is_one_stamped_gap() {
    let mut bench = Bench::new(EngineConfig { ring_ms: 100.0, ..EngineConfig::default() });
    bench.add("a", AnySource::pulled(Constant(spec(48_000, 2))));
    bench.mixer.start_at_ns(1_000);
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
    assert_eq!(run_until(&mut bench, 1_000).len(), 1);
    // 30 ms late: 11 blocks are due, 8 of them now.
    assert_eq!(run_until(&mut bench, 30_001_000).len(), 8);
    assert_eq!(run_until(&mut bench, 30_001_000).len(), 3);
    assert!(run_until(&mut bench, 30_001_000).is_empty());
    // 200 ms late where the ring holds 100.
    let stamps = run_until(&mut bench, 230_001_000);
    assert_eq!(stamps[0].seq, 12);
    assert!(stamps[0].position.0 > 12 * 128, "the position tells of the gap, the sequence goes on");
    let stats = bench.control.stats();
    assert_eq!((stats.engine.blocks, stats.engine.xruns), (12 + stamps.len() as u64, 1));
    assert!(stats.engine.late_blocks > 0);
}

#[test]
fn a_lost_device_is_a_gap_from_its_last_frame_on_and_its_end_does_not_click() {
    let mut bench = Bench::new(EngineConfig { latency: Latency::Ms(10.0), ..EngineConfig::default() });
    let input = bench.add_by_hand("mic", spec(48_000, 1));
    let mut unmixed = bench.subscribe("source:mic");
    let mut got = Vec::new();
    for n in 0..200 {
        match n {
            0..100 => drop(push(&input, &[1.0; 128])),
            // The device goes; nobody is told before the ring has run out.
            100 => *input.lock() = None,
            _ => {}
        }
        bench.step();
        if let BusEvent::Block(block) = unmixed.read() {
            got.extend_from_slice(block.samples);
        }
    }
    let stats = bench.control.stats();
    let source = &stats.sources[0];
    assert_eq!((source.state, source.reason.as_deref()), (SourceState::Lost, Some(UNPLUGGED)));
    let last_sound = got.iter().rposition(|&sample| sample == 1.0).unwrap() as u64;
    assert_eq!(source.gaps.len(), 1, "{:?}", source.gaps);
    let gap = source.gaps[0];
    assert_eq!((gap.at_frame.0, gap.end().0), (last_sound + 1, 200 * 128), "to the frame");
    assert_eq!(gap.reason, GapReason::DeviceLost);
    assert_eq!(source.inserted_frames, gap.n_frames);
    let step = got.windows(2).map(|w| (w[1] - w[0]).abs()).skip(1000).fold(0.0, f32::max);
    assert!(step <= 1.0 / 72.0 + 1e-6, "{step}");
    assert_eq!(bench.account(0).queued_frames, 0);
}

#[test]
fn a_late_mixer_reads_what_waits_and_a_stalled_process_goes_on_in_the_present() {
    let config = EngineConfig { ring_ms: 500.0, latency: Latency::Ms(10.0), ..EngineConfig::default() };
    let mut bench = Bench::new(config);
    let input = bench.add_by_hand("mic", spec(48_000, 1));
    bench.mixer.start_at_ns(1);
    let deliver = |n: u64, at_ns: u64| {
        let mut input = input.lock();
        (0..n).for_each(|_| assert!(input.as_mut().unwrap().push(at_ns, &[0.5; 128]) <= 128));
    };
    let block_ns = |n: u64| 1 + n * 128 * 1_000_000_000 / 48_000;
    for n in 0..100 {
        deliver(1, block_ns(n));
        bench.mixer.run_due(block_ns(n));
    }
    // 300 ms late, and the device has gone on: everything that waits is read, nothing is shed.
    deliver(112, block_ns(211));
    while bench.mixer.next_deadline_ns() <= block_ns(211) {
        bench.mixer.run_due(block_ns(211));
    }
    bench.settle();
    let before = bench.account(0);
    assert_eq!((before.dropped_frames, bench.control.stats().sources[0].xruns), (0, 0), "{before}");
    // Three seconds stopped; the device's last second is in the ring, the rest was lost at its door.
    deliver(1125, block_ns(211) + 1);
    let now_ns = block_ns(211 + 1125);
    bench.mixer.run_due(now_ns);
    let mut n = 211 + 1125;
    for _ in 0..50 {
        n += 1;
        deliver(1, block_ns(n));
        bench.mixer.run_due(block_ns(n));
    }
    bench.settle();
    let stats = bench.control.stats();
    assert_eq!(stats.engine.xruns - stats.sources[0].xruns, 1, "one stamped gap");
    let account = bench.account(0);
    assert!(account.queued_frames < 2000, "it goes on in the present: {account}");
    assert!(account.delivered_frames >= before.delivered_frames + 40 * 128, "{account}");
}

#[test]
fn one_outage_is_one_gap_at_another_rate_too() {
    let mut bench = Bench::new(EngineConfig { latency: Latency::Ms(20.0), ..EngineConfig::default() });
    let input = bench.add_by_hand("mic", spec(44_100, 1));
    let mut sent_frames = 0;
    for n in 0..600_u64 {
        let due_frames = n * 128 * 44_100 / 48_000;
        if !(200..300).contains(&n) {
            let n_frames = (due_frames - sent_frames).min(200);
            push(&input, &vec![0.5; n_frames as usize]);
            sent_frames = if n == 300 { due_frames } else { sent_frames + n_frames };
        }
        bench.step();
    }
    let stats = bench.control.stats();
    let source = &stats.sources[0];
    assert_eq!((source.gaps.len(), source.xruns), (1, 1), "{:?}", source.gaps);
    assert_eq!(source.gaps[0].n_frames, source.inserted_frames);
}
