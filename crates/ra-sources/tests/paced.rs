//! Paced sources on a virtual clock, where nothing sleeps, and once on the real one.

#![cfg(all(feature = "mock", feature = "file"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "support/sound.rs"]
mod sound;
#[path = "support/wav_bytes.rs"]
mod wav_bytes;

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use ra_core::{
    Clock, ClockedSource, PeriodInput, PulledSource, Source, SourceError, StreamEvent, StreamSpec, SystemClock,
    VirtualClock,
};
use ra_sources::{ClockModel, FileConfig, FileSource, MockConfig, PacedConfig, PacedSource, Signal};
use sound::{db, fit_tone};

/// A stamp and its samples.
type Period = (u64, Vec<f32>);

/// What was delivered.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<Period>>>);

struct TapeInput {
    tape: Tape,
    /// Lets the thread go on so long; then it waits in `push`, as a stand-in for "until the test has seen it".
    gate: Option<mpsc::Receiver<()>>,
    dropped: mpsc::Sender<()>,
}

impl PeriodInput for TapeInput {
    fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize {
        if let Some(gate) = &self.gate {
            gate.recv().ok();
        }
        self.tape.0.lock().unwrap().push((capture_ns, interleaved.to_vec()));
        interleaved.len()
    }

    fn mark_break(&mut self) {}
}

impl Drop for TapeInput {
    fn drop(&mut self) {
        self.dropped.send(()).ok();
    }
}

impl Tape {
    /// An input, and what is told when the source lets go of it: then all has been delivered.
    fn input(&self) -> (Box<TapeInput>, mpsc::Receiver<()>) {
        let (dropped, done) = mpsc::channel();
        (Box::new(TapeInput { tape: self.clone(), gate: None, dropped }), done)
    }

    fn take(&self) -> Vec<Period> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

fn next_event(source: &mut PacedSource) -> StreamEvent {
    // The event was sent before the input was dropped, or the thread is about to end.
    loop {
        if let Some(event) = source.poll_event() {
            return event;
        }
        std::thread::yield_now();
    }
}

fn mono() -> StreamSpec {
    StreamSpec::new(48_000, 1).unwrap()
}

#[test]
fn a_file_arrives_whole_with_its_tail_on_exact_stamps() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.wav");
    std::fs::write(&path, wav_bytes::counting(4000, b"")).unwrap();
    let file = Box::new(FileSource::open(FileConfig::new(&path)).unwrap());
    let clock = Arc::new(VirtualClock::at_ns(7_000));
    let mut source = PacedSource::pulled(PacedConfig::default(), file, clock.clone()).unwrap();
    assert!(source.describe().starts_with("paced (file "), "{}", source.describe());
    assert_eq!(source.poll_event(), None);
    let tape = Tape::default();
    let (input, done) = tape.input();
    let granted = source.start(input).unwrap();
    assert_eq!((granted.spec.channels.get(), granted.period_frames), (2, Some(256)));
    done.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next_event(&mut source), StreamEvent::EndOfStream);
    source.stop();
    assert_eq!(source.poll_event(), None, "the end is said once");
    let heard = tape.take();
    assert_eq!(heard.iter().map(|(_, period)| period.len() / 2).collect::<Vec<_>>(), [256, 256, 256, 232]);
    for (i, (stamp_ns, period)) in heard.iter().enumerate() {
        assert_eq!(*stamp_ns, 7_000 + (i as u64 * 256 * 1_000_000_000 + 24_000) / 48_000);
        assert_eq!(period[0], (i * 256 + 1) as f32 / 32_768.0);
    }
    assert!(clock.now_ns() >= 7_000 + 4 * 5_333_333);
}

#[test]
fn a_mock_hears_the_room_at_its_true_times() {
    let signal = Signal::Tone { hz: 997.0, dbfs: -12.0 };
    let clock_model = ClockModel { ppm: 150.0, ..ClockModel::PERFECT };
    let config = PacedConfig {
        name: "skewed".to_owned(),
        clock: clock_model,
        jitter_us: 200.0,
        seed: 4,
        room_origin_ns: Some(0),
        ..PacedConfig::default()
    };
    let mock = MockConfig { duration_frames: Some(256 * 400), ..MockConfig::new(mono(), signal) };
    // Opened 2.5 s after the room began: it hears what then sounds.
    let mut source = PacedSource::mock(config, mock, Arc::new(VirtualClock::at_ns(2_500_000_000))).unwrap();
    let tape = Tape::default();
    let (input, done) = tape.input();
    source.start(input).unwrap();
    done.recv_timeout(PATIENCE).unwrap();
    let heard = tape.take();
    let (mut samples, mut square_us) = (Vec::new(), 0.0);
    for (i, (stamp_ns, period)) in heard.iter().enumerate() {
        let truth_s = 2.5 + i as f64 * 256.0 / (48_000.0 * (1.0 + 150e-6));
        square_us += ((*stamp_ns as f64 / 1e3) - truth_s * 1e6).powi(2);
        samples.extend_from_slice(period);
    }
    let deviation_us = (square_us / heard.len() as f64).sqrt();
    assert!((deviation_us - 200.0).abs() < 30.0, "the stamps err by {deviation_us} us");
    let (amplitude, phase, residual) = fit_tone(&samples, 997.0 / (1.0 + 150e-6), 48_000.0);
    assert!((db(amplitude) + 12.0).abs() < 1e-3 && db(residual) < -130.0, "{amplitude} {}", db(residual));
    // 997 Hz * 2.5 s = 2492.5 periods: the stamps jitter, the sound does not.
    assert!((phase.abs() - std::f64::consts::PI).abs() < 1e-4, "{phase}");
    assert_eq!(next_event(&mut source), StreamEvent::EndOfStream);
}

#[test]
fn it_stops_and_starts_again_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.wav");
    std::fs::write(&path, wav_bytes::counting(4000, b"")).unwrap();
    let file = Box::new(FileSource::open(FileConfig::new(&path)).unwrap());
    let config = PacedConfig { period_frames: 100, ..PacedConfig::default() };
    let mut source = PacedSource::pulled(config, file, Arc::new(VirtualClock::at_ns(0))).unwrap();
    let tape = Tape::default();
    let (mut input, done) = tape.input();
    let (open, gate) = mpsc::channel();
    input.gate = Some(gate);
    source.start(input).unwrap();
    let error = source.start(tape.input().0).unwrap_err().to_string();
    assert!(error.contains("started twice"), "{error}");
    for _ in 0..3 {
        open.send(()).unwrap();
    }
    drop(open); // the gate is open from now on
    source.stop();
    done.try_recv().unwrap(); // the input is gone by the time `stop` returns
    source.stop(); // does nothing
    let mut frames: Vec<f32> = tape.take().into_iter().flat_map(|(_, period)| period).collect();
    let (input, done) = tape.input();
    source.start(input).unwrap();
    done.recv_timeout(PATIENCE).unwrap();
    let again = tape.take();
    let stopped_at = frames.len();
    frames.extend(again.into_iter().flat_map(|(_, period)| period));
    // Every frame that was delivered is in its order; one period that was read and not yet due may be missing.
    assert!(frames.len() == 2000 || frames.len() == 1800, "{}", frames.len());
    assert!(frames.chunks_exact(2).is_sorted_by(|a, b| a[0] < b[0]), "stopped at {stopped_at}");
    assert_eq!(frames[frames.len() - 2], 1000.0 / 32_768.0);
}

/// A source that fails in a way of its own.
struct Faulty(fn() -> Result<StreamEvent, SourceError>);

impl Source for Faulty {
    fn spec(&self) -> StreamSpec {
        mono()
    }
    fn describe(&self) -> String {
        "faulty".to_owned()
    }
}

impl PulledSource for Faulty {
    fn read(&mut self, _out: &mut [f32]) -> Result<StreamEvent, SourceError> {
        (self.0)()
    }
    fn remaining_frames(&self) -> Option<u64> {
        None
    }
}

#[test]
fn failures_are_reported_and_never_hang() {
    for (read, expected) in [
        (
            (|| Err(SourceError::Setting { what: "disk".to_owned(), message: "on fire".to_owned() }))
                as fn() -> Result<StreamEvent, SourceError>,
            "disk: on fire",
        ),
        (|| panic!("as planned"), "thread ra-src-x panicked"),
        (|| Ok(StreamEvent::Frames { n_frames: 0 }), "faulty gave no frames"),
    ] {
        let config = PacedConfig { name: "x".to_owned(), ..PacedConfig::default() };
        let mut source = PacedSource::pulled(config, Box::new(Faulty(read)), Arc::new(VirtualClock::at_ns(0))).unwrap();
        let (input, done) = Tape::default().input();
        source.start(input).unwrap();
        done.recv_timeout(PATIENCE).unwrap();
        match next_event(&mut source) {
            StreamEvent::DeviceLost { reason, .. } => assert!(reason.contains(expected), "{reason}"),
            event => panic!("{event:?}"),
        }
        assert_eq!(source.poll_event(), None);
    }
}

#[test]
fn a_change_of_format_ends_delivery_and_is_reported() {
    let spec = StreamSpec::new(44_100, 2).unwrap();
    let change = || Ok(StreamEvent::FormatChanged { spec: StreamSpec::new(44_100, 2).unwrap() });
    let mut source =
        PacedSource::pulled(PacedConfig::default(), Box::new(Faulty(change)), Arc::new(VirtualClock::at_ns(0)))
            .unwrap();
    let (input, done) = Tape::default().input();
    source.start(input).unwrap();
    done.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next_event(&mut source), StreamEvent::FormatChanged { spec });
}

#[test]
fn on_the_system_clock_it_takes_its_time_and_drops_quietly() {
    let clock = Arc::new(SystemClock);
    let mock = MockConfig { duration_frames: Some(4_800), ..MockConfig::new(mono(), Signal::DEFAULT) };
    let mut source = PacedSource::mock(PacedConfig::default(), mock, clock.clone()).unwrap();
    let tape = Tape::default();
    let (input, done) = tape.input();
    let start_ns = clock.now_ns();
    source.start(input).unwrap();
    done.recv_timeout(PATIENCE).unwrap();
    // 4800 frames in periods of 256: the last is captured at its end, 18.75 periods make 19.
    assert!(clock.now_ns() - start_ns >= 19 * 5_333_333, "never early");
    let heard = tape.take();
    assert_eq!(heard.iter().map(|(_, period)| period.len()).sum::<usize>(), 4_800);
    let first_ns = heard[0].0;
    for (i, (stamp_ns, _)) in heard.iter().enumerate() {
        assert!(stamp_ns.abs_diff(first_ns + i as u64 * 16_000_000 / 3) <= 1, "stamps are true, wake-ups may be late");
    }
    // An endless one is stopped by its drop.
    let endless = MockConfig::new(mono(), Signal::DEFAULT);
    let mut source = PacedSource::mock(PacedConfig::default(), endless, clock).unwrap();
    let (input, done) = tape.input();
    source.start(input).unwrap();
    drop(source);
    done.try_recv().unwrap();
}
