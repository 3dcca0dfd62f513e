//! Feeds a sink a tone at its own pace and keeps its account, as the engine's consumer does.

use std::f64::consts::TAU;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ra_core::{
    Block, BlockStamp, FrameAccount, FramePosition, Gap, GapReason, Sink, SinkCommand, SinkError, SinkReport,
    SinkStart, StreamSpec,
};
use ra_sinks::{IcecastConfig, IcecastCounts, IcecastProbe, IcecastSink, Password};

pub(crate) const TONE_HZ: f64 = 997.0;
pub(crate) const TONE_DBFS: f64 = -20.0;
const BLOCK_FRAMES: usize = 480;
const PATIENCE: Duration = Duration::from_secs(30);

/// What is known of the sink.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Why it fails; `None`: it does not.
    pub(crate) trouble: Option<String>,
    pub(crate) account: FrameAccount,
    /// Every call took less than this.
    pub(crate) longest_call: Duration,
    pub(crate) notes: Vec<String>,
}

enum Order {
    Command(SinkCommand),
    Gap(u64),
}

pub(crate) struct Player {
    known: Arc<Mutex<Known>>,
    orders: Sender<Order>,
    thread: Option<JoinHandle<(Result<SinkReport, SinkError>, FrameAccount)>>,
    pub(crate) probe: IcecastProbe,
}

/// Settings for a server on this machine.
pub(crate) fn config(url: &str, password: &str) -> IcecastConfig {
    let mut config = IcecastConfig::new(url.parse().unwrap(), Password::new(password));
    config.jitter_seed = Some(7);
    config
}

pub(crate) fn spec() -> StreamSpec {
    StreamSpec::new(48_000, 2).unwrap()
}

impl Player {
    /// Begins to play a tone of 997 Hz at −20 dBFS.
    pub(crate) fn start(config: IcecastConfig) -> Self {
        Self::start_with(config, |n| 10f64.powf(TONE_DBFS / 20.0) * (TAU * TONE_HZ * n as f64 / 48_000.0).sin())
    }

    pub(crate) fn start_with(config: IcecastConfig, sound: impl Fn(u64) -> f64 + Send + 'static) -> Self {
        let mut sink = IcecastSink::new(config).unwrap();
        let probe = sink.probe();
        let known = Arc::new(Mutex::new(Known::default()));
        let (orders, to_do) = channel();
        let for_thread = Arc::clone(&known);
        let thread = std::thread::spawn(move || {
            let start = SinkStart {
                name: "air".to_owned(),
                spec: spec(),
                block_frames: BLOCK_FRAMES,
                position: FramePosition(0),
                unix_ns: 0,
                unix_minus_monotonic_ns: None,
            };
            sink.start(&start).unwrap();
            let begun = Instant::now();
            let mut feed = Feed { sink, known: for_thread, position: 0, account: FrameAccount::default() };
            loop {
                match to_do.try_recv() {
                    Ok(Order::Command(command)) => feed.sink.command(&command).unwrap(),
                    Ok(Order::Gap(n_frames)) => feed.gap(n_frames),
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return feed.finish(),
                    Err(std::sync::mpsc::TryRecvError::Empty) => {}
                }
                let due = (begun.elapsed().as_secs_f64() * 48_000.0) as u64;
                while feed.position < due {
                    feed.write(&sound);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { known, orders, thread: Some(thread), probe }
    }

    pub(crate) fn known(&self) -> Known {
        self.known.lock().unwrap().clone()
    }

    pub(crate) fn counts(&self) -> IcecastCounts {
        self.probe.counts()
    }

    pub(crate) fn command(&self, command: SinkCommand) {
        self.orders.send(Order::Command(command)).unwrap();
    }

    pub(crate) fn gap(&self, n_frames: u64) {
        self.orders.send(Order::Gap(n_frames)).unwrap();
    }

    /// Waits until something is so; fails after half a minute, which on no machine is a matter of luck.
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Known, &IcecastCounts) -> bool) -> Known {
        let begun = Instant::now();
        loop {
            let known = self.known();
            if is_so(&known, &self.counts()) {
                return known;
            }
            assert!(begun.elapsed() < PATIENCE, "not {what}: {known:?}, {:?}", self.counts());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for it to fail, and says why.
    pub(crate) fn trouble(&self) -> String {
        self.wait_until("in trouble", |known, _| known.trouble.is_some()).trouble.unwrap()
    }

    /// Waits for another so many frames to be offered.
    pub(crate) fn play_on(&self, n_frames: u64) {
        let from = self.known().account.produced_frames;
        self.wait_until("played on", |known, _| known.account.produced_frames >= from + n_frames);
    }

    /// Ends; what the sink reports, and the account.
    pub(crate) fn finish(mut self) -> (Result<SinkReport, SinkError>, FrameAccount) {
        let Self { thread, .. } = &mut self;
        let thread = thread.take().unwrap();
        let probe = self.probe.clone();
        drop(self);
        let (report, account) = thread.join().unwrap();
        assert!(account.is_balanced() && account.queued_frames == 0, "{account}");
        // Nothing counts as delivered that has not arrived.
        assert_eq!(account.delivered_frames, probe.counts().acknowledged_frames, "{account}, {:?}", probe.counts());
        (report, account)
    }
}

struct Feed {
    sink: IcecastSink,
    known: Arc<Mutex<Known>>,
    position: u64,
    account: FrameAccount,
}

impl Feed {
    fn write(&mut self, sound: &impl Fn(u64) -> f64) {
        let n = BLOCK_FRAMES as u64;
        let samples: Vec<f32> =
            (self.position..self.position + n).flat_map(|at| [sound(at) as f32, sound(at) as f32]).collect();
        let stamp = BlockStamp { position: FramePosition(self.position), ..BlockStamp::default() };
        let begun = Instant::now();
        let mut result = self.sink.write(&Block { stamp, spec: spec(), samples: &samples });
        self.position += n;
        self.account.produced_frames += n;
        match &result {
            Ok(()) => self.account.delivered_frames += n,
            Err(_) => self.account.dropped_frames += n,
        }
        if self.position.is_multiple_of(4800) && result.is_ok() {
            result = self.sink.flush();
        }
        let took = begun.elapsed();
        self.take_back();
        let mut known = self.known.lock().unwrap();
        known.account = self.account;
        known.longest_call = known.longest_call.max(took);
        match result {
            Ok(()) if self.position.is_multiple_of(4800) => known.trouble = None,
            Ok(()) => {}
            Err(cause) => {
                assert!(!cause.is_fatal(), "{cause}");
                known.trouble = Some(cause.to_string());
            }
        }
        if let Some(report) = self.sink.take_report() {
            known.notes = report.notes;
        }
    }

    fn gap(&mut self, n_frames: u64) {
        let gap = Gap { at_frame: FramePosition(self.position), n_frames, reason: GapReason::Lagged };
        self.sink.gap(&gap).unwrap();
        self.position += n_frames;
        self.account.produced_frames += n_frames;
        self.account.dropped_frames += n_frames;
        self.take_back();
    }

    fn take_back(&mut self) {
        let n_frames = self.sink.take_back_frames();
        assert!(n_frames <= self.account.delivered_frames, "more taken back than was given");
        self.account.delivered_frames -= n_frames;
        self.account.dropped_frames += n_frames;
    }

    fn finish(mut self) -> (Result<SinkReport, SinkError>, FrameAccount) {
        let report = self.sink.finish();
        self.take_back();
        (report, self.account)
    }
}
