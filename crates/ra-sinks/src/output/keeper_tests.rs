//! Losses and returns of a device that is played by hand. The sink's time is virtual; its searches run in real time, and
//! are waited for by what they bring.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use ra_core::{Block, BlockStamp, Clock, FramePosition, Granted, Sink, SinkError, SinkStart, StreamSpec, VirtualClock};
use ra_device::{DeviceError, DeviceEvent, OutputRequest, PeriodOutput, StreamCounts};

use super::{
    OutputConfig, OutputSink, OutputState,
    device::{MakePlayer, OpenDevice, Playing},
};

const BLOCK: usize = 480;
const PATIENCE: Duration = Duration::from_secs(20);

/// A gate that whatever goes through waits at while it is shut.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn set_shut(&self, is_shut: bool) {
        *self.0.lock().unwrap() = is_shut;
        self.1.notify_all();
    }
    fn pass(&self) {
        drop(self.1.wait_while(self.0.lock().unwrap(), |is_shut| *is_shut).unwrap());
    }
}

/// One device, which can be unplugged.
#[derive(Default)]
struct World {
    is_absent: AtomicBool,
    opening: Gate,
    closing: Gate,
    n_tries: AtomicU64,
    n_closed: AtomicU64,
    rate_hz: AtomicU64,
    stream: Mutex<Option<Arc<Stream>>>,
}

struct Stream {
    player: Mutex<Box<dyn PeriodOutput>>,
    lost: Mutex<Option<String>>,
    periods: AtomicU64,
    errors: AtomicU64,
}

struct Open(Arc<Stream>, Arc<World>, Granted);

struct Devices(Arc<World>);

impl OpenDevice for Devices {
    fn open(&self, request: &OutputRequest, make: MakePlayer) -> Result<Box<dyn Playing>, DeviceError> {
        let world = &self.0;
        world.n_tries.fetch_add(1, SeqCst);
        world.opening.pass();
        if world.is_absent.load(SeqCst) {
            return Err(DeviceError::Refused { operation: "open the device", message: "it is not there".into() });
        }
        let spec = StreamSpec::new(world.rate_hz.load(SeqCst) as u32, 1).unwrap();
        let stream = Arc::new(Stream {
            player: Mutex::new(make(spec)),
            lost: Mutex::default(),
            periods: AtomicU64::default(),
            errors: AtomicU64::default(),
        });
        *world.stream.lock().unwrap() = Some(Arc::clone(&stream));
        let granted = Granted { spec, period_frames: Some(480), device: request.device.clone() };
        Ok(Box::new(Open(stream, Arc::clone(world), granted)))
    }
}

impl Playing for Open {
    fn granted(&self) -> &Granted {
        &self.2
    }
    fn loss(&self) -> Option<String> {
        self.0.lost.lock().unwrap().clone()
    }
    fn counts(&self) -> StreamCounts {
        StreamCounts {
            periods: self.0.periods.load(SeqCst),
            longest_period_frames: 480,
            errors: self.0.errors.load(SeqCst),
            ..StreamCounts::default()
        }
    }
    fn take_events(&mut self) -> Vec<DeviceEvent> {
        vec![DeviceEvent::ErrorsSeen { n: 60_000 }]
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.1.closing.pass();
        self.1.n_closed.fetch_add(1, SeqCst);
    }
}

struct Rig {
    world: Arc<World>,
    clock: Arc<VirtualClock>,
    sink: OutputSink,
    position: u64,
    /// Frames that writes took, and those that were taken back.
    taken: u64,
    taken_back: u64,
    heard: Vec<f32>,
}

impl Rig {
    fn new(config: OutputConfig) -> Self {
        let world = Arc::new(World::default());
        world.rate_hz.store(48_000, SeqCst);
        Self::in_world(config, world).unwrap()
    }

    fn in_world(config: OutputConfig, world: Arc<World>) -> Result<Self, SinkError> {
        let clock = Arc::new(VirtualClock::at_ns(1_000_000_000));
        let mut sink = OutputSink::on(config, Arc::new(Devices(Arc::clone(&world))), clock.clone())?;
        sink.start(&SinkStart {
            name: "x".into(),
            spec: StreamSpec::new(48_000, 1).unwrap(),
            block_frames: BLOCK,
            position: FramePosition(0),
            unix_ns: 0,
            unix_minus_monotonic_ns: None,
        })?;
        Ok(Self { world, clock, sink, position: 0, taken: 0, taken_back: 0, heard: vec![] })
    }

    /// 10 ms: a period of the device, if it asks for one, and a block.
    fn step(&mut self) -> Result<(), SinkError> {
        let now_ns = self.clock.now_ns() + 10_000_000;
        self.clock.sleep_until_ns(now_ns);
        self.play();
        self.write()
    }

    fn play(&mut self) {
        let Some(stream) = self.world.stream.lock().unwrap().clone() else { return };
        if stream.lost.lock().unwrap().is_some() {
            return;
        }
        let mut period = [0.0; 480];
        let mut player = stream.player.lock().unwrap();
        player.begin_period(self.clock.now_ns() + 20_000_000, 480);
        player.render(self.clock.now_ns() + 20_000_000, &mut period);
        stream.periods.fetch_add(1, SeqCst);
        self.heard.extend(period);
    }

    fn write(&mut self) -> Result<(), SinkError> {
        let stamp = BlockStamp { seq: 0, position: FramePosition(self.position), capture_ns: 0 };
        self.position += BLOCK as u64;
        let spec = StreamSpec::new(48_000, 1).unwrap();
        let result = self.sink.write(&Block { stamp, spec, samples: &[0.5; BLOCK] });
        self.taken += if result.is_ok() { BLOCK as u64 } else { 0 };
        self.taken_back += self.sink.take_back_frames();
        result
    }

    fn lose(&self, reason: &str) {
        let stream = self.world.stream.lock().unwrap();
        *stream.as_ref().unwrap().lost.lock().unwrap() = Some(reason.to_owned());
    }

    /// Steps until a write succeeds; returns how many did not.
    fn until_back(&mut self) -> u64 {
        let (mut n_refused, started) = (0, Instant::now());
        while self.step().is_err() {
            assert!(started.elapsed() < PATIENCE, "it is not back: {:?}", self.sink.monitor().status());
            n_refused += 1;
            std::thread::yield_now();
        }
        n_refused
    }

    fn state(&mut self) -> OutputState {
        drop(self.sink.flush());
        self.sink.monitor().status().state
    }
}

#[test]
fn a_lost_device_is_taken_up_again_and_every_frame_is_accounted_for() {
    let mut rig = Rig::new(OutputConfig::default());
    (0..300).for_each(|_| rig.step().unwrap());
    assert_eq!(rig.state(), OutputState::Live);
    rig.world.is_absent.store(true, SeqCst);
    rig.lose("unplugged");
    let error = rig.step().unwrap_err();
    assert!(!error.is_fatal() && error.to_string().ends_with("lost: unplugged"), "{error}");
    assert_eq!(rig.state(), OutputState::Lost);
    let lost = rig.taken_back;
    assert!((2_880..4_500).contains(&lost), "what was in the ring and before it: {lost}");
    let started = Instant::now();
    while rig.world.n_tries.load(SeqCst) < 4 {
        assert!(rig.step().is_err());
        assert!(started.elapsed() < PATIENCE);
    }
    let reason = rig.sink.monitor().status().reason.unwrap();
    assert!(reason.starts_with("unplugged; ") || reason == "unplugged", "{reason}");
    rig.world.is_absent.store(false, SeqCst);
    // Another rate, as a device that was plugged into something else.
    rig.world.rate_hz.store(44_100, SeqCst);
    let back = Instant::now();
    assert!(rig.until_back() > 0);
    assert!(back.elapsed() < Duration::from_millis(500) || std::env::var_os("CI").is_some(), "{:?}", back.elapsed());
    let heard_before = rig.heard.len();
    for _ in 0..300 {
        rig.step().unwrap();
    }
    assert!(rig.heard[heard_before + 24_000..].iter().any(|&x| (x - 0.5).abs() < 0.01), "it is heard again");
    assert_eq!(rig.state(), OutputState::Live);
    let counts = rig.sink.counts();
    assert_eq!((counts.losses, counts.reopens), (1, 1));
    assert!(counts.failed_opens >= 3, "{counts:?}");
    let report = rig.sink.finish().unwrap();
    rig.taken_back += rig.sink.take_back_frames();
    assert!(report.notes.iter().any(|note| note.contains("lost 1 times, opened again 1 times")), "{report:?}");
    // Nobody plays the rest: what was delivered is what the device took, in frames of the bus.
    let played = rig.sink.monitor().status().counts.played_frames;
    let delivered = rig.taken - rig.taken_back;
    assert!(delivered.abs_diff(played) < 15_000, "delivered {delivered}, played {played}");
    assert!(rig.taken_back > lost, "the end, too");
}

#[test]
fn what_is_taken_and_not_played_is_taken_back_to_the_frame() {
    let mut rig = Rig::new(OutputConfig { role: super::OutputRole::Master, ..OutputConfig::default() });
    for _ in 0..5 {
        (0..50).for_each(|_| rig.step().unwrap());
        rig.lose("unplugged");
        rig.until_back();
    }
    let played = rig.sink.counts().played_frames;
    rig.lose("for good");
    assert!(rig.sink.finish().is_err());
    rig.taken_back += rig.sink.take_back_frames();
    assert_eq!(rig.taken - rig.taken_back, played);
}

#[test]
fn a_device_that_asks_for_nothing_is_stalled_and_then_lost() {
    let mut rig = Rig::new(OutputConfig::default());
    (0..50).for_each(|_| rig.step().unwrap());
    rig.world.opening.set_shut(true);
    let mut states = Vec::new();
    for i in 0..500 {
        let now_ns = rig.clock.now_ns() + 10_000_000;
        rig.clock.sleep_until_ns(now_ns);
        let written = rig.write();
        let state = rig.state();
        if states.last().is_none_or(|(last, _)| *last != state) {
            states.push((state, i));
        }
        if let Err(error) = written {
            assert!(error.to_string().contains("has asked for no sound for 33"), "{error}");
            break;
        }
    }
    assert_eq!(
        states.iter().map(|(state, _)| *state).collect::<Vec<_>>(),
        [OutputState::Live, OutputState::Stalled, OutputState::Lost]
    );
    assert!((30..40).contains(&states[1].1) && (330..340).contains(&states[2].1), "{states:?}");
    rig.world.opening.set_shut(false);
    rig.until_back();
    assert_eq!(rig.sink.counts().losses, 1);
}

#[test]
fn a_process_that_was_stopped_has_not_lost_its_device() {
    let mut rig = Rig::new(OutputConfig::default());
    (0..50).for_each(|_| rig.step().unwrap());
    let now_ns = rig.clock.now_ns() + 3_600_000_000_000;
    rig.clock.sleep_until_ns(now_ns);
    rig.write().unwrap();
    (0..50).for_each(|_| rig.step().unwrap());
    assert_eq!((rig.state(), rig.sink.counts().losses), (OutputState::Live, 0));
}

#[test]
fn a_device_that_hangs_when_it_is_closed_or_opened_holds_nobody_up() {
    let mut rig = Rig::new(OutputConfig::default());
    (0..50).for_each(|_| rig.step().unwrap());
    rig.world.closing.set_shut(true);
    rig.world.opening.set_shut(true);
    rig.lose("unplugged");
    let started = Instant::now();
    for _ in 0..500 {
        assert!(rig.step().is_err());
    }
    assert!(started.elapsed() < PATIENCE, "500 writes took {:?}", started.elapsed());
    assert_eq!(rig.world.n_closed.load(SeqCst), 0);
    while rig.world.n_tries.load(SeqCst) < 2 {
        assert!(started.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert!(rig.step().is_err());
    assert_eq!(rig.world.n_tries.load(SeqCst), 2, "nobody tries again while one try hangs");
    rig.world.opening.set_shut(false);
    rig.until_back();
    rig.world.closing.set_shut(false);
    (0..50).for_each(|_| rig.step().unwrap());
    drop(rig.sink);
    let started = Instant::now();
    while rig.world.n_closed.load(SeqCst) < 2 {
        assert!(started.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

#[test]
fn an_output_that_is_not_required_waits_for_its_device() {
    let world = Arc::new(World::default());
    world.rate_hz.store(48_000, SeqCst);
    world.is_absent.store(true, SeqCst);
    let required = Rig::in_world(OutputConfig::default(), Arc::clone(&world));
    assert!(matches!(required.err(), Some(SinkError::Device { .. })));
    let mut rig =
        Rig::in_world(OutputConfig { required: false, ..OutputConfig::default() }, Arc::clone(&world)).unwrap();
    let mut clock = rig.sink.take_clock().unwrap();
    assert!(rig.sink.take_clock().is_none(), "once");
    let refused = "device default: can't open the device: it is not there";
    assert_eq!(rig.step().unwrap_err().to_string(), refused, "once, and not as lost");
    assert_eq!(rig.state(), OutputState::Opening);
    let nowhere = Arc::new(World::default());
    nowhere.is_absent.store(true, SeqCst);
    let mut never = Rig::in_world(OutputConfig { required: false, ..OutputConfig::default() }, nowhere).unwrap();
    assert_eq!(never.sink.finish().unwrap_err().to_string(), refused, "at the end as well");
    world.is_absent.store(false, SeqCst);
    rig.until_back();
    (0..10).for_each(|_| rig.step().unwrap());
    let mut breaks = Vec::new();
    clock.poll_stamps(&mut |stamp| breaks.push(stamp.is_after_break));
    assert!(breaks.len() >= 10 && breaks[0] && !breaks[1], "{breaks:?}");
    rig.lose("unplugged");
    rig.until_back();
    rig.step().unwrap();
    breaks.clear();
    clock.poll_stamps(&mut |stamp| breaks.push(stamp.is_after_break));
    assert_eq!(breaks.first(), Some(&true), "{breaks:?}");
    assert!(!clock.is_closed());
    assert_eq!(rig.sink.counts().losses, 1, "what was not there at first was not lost");
    assert_eq!(rig.sink.counts().reopens, 1);
    drop(rig.sink);
    assert!(clock.is_closed());
}

#[test]
fn a_hundred_losses_leave_no_thread_and_no_device_behind() {
    let n_threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let mut rig = Rig::new(OutputConfig::default());
    for _ in 0..100 {
        (0..10).for_each(|_| rig.step().unwrap());
        rig.lose("unplugged");
        rig.until_back();
    }
    let counts = rig.sink.counts();
    assert_eq!((counts.losses, counts.reopens, rig.world.n_tries.load(SeqCst)), (100, 100, 101));
    assert_eq!(rig.sink.take_report().map(|report| report.files), Some(vec![]));
    drop(rig.sink);
    let started = Instant::now();
    while rig.world.n_closed.load(SeqCst) < 101 {
        assert!(started.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    // Other tests of this process have threads too: fewer than there were losses.
    assert!(n_threads() < 80, "{}", n_threads());
}

#[test]
fn a_storm_of_errors_is_a_number() {
    let mut rig = Rig::new(OutputConfig::default());
    rig.world.stream.lock().unwrap().as_ref().unwrap().errors.store(600_000, SeqCst);
    for _ in 0..100 {
        rig.step().unwrap();
        rig.sink.flush().unwrap();
    }
    assert_eq!(rig.sink.counts().device_errors, 600_000);
    let notes = rig.sink.take_report().unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("reported 600000 errors")), "{notes:?}");
}
