//! `OutputSink` against a real PulseAudio server: what it plays on a null sink is recorded from its monitor.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    io::Read,
    path::Path,
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::Duration,
};

use ra_core::{
    Block, BlockStamp, Clock, FramePosition, Gap, GapReason, Sink, SinkError, SinkStart, StreamSpec, SystemClock,
};
use ra_device::testing::{
    NullSink, Pacat, PulseServer, Scene, Servers, longest_clean_stretch, measure_tone, missing_tools, prepare,
    with_pulse_server,
};
use ra_sinks::{OutputConfig, OutputMonitor, OutputSink, OutputState};

const SPEAKER: NullSink = NullSink { name: "speaker", rate_hz: 48_000, channels: 2 };
const BLOCK: usize = 128;

/// A recorder of a monitor; killed with the test.
struct Recorder {
    child: Child,
    samples: mpsc::Receiver<f32>,
}

impl Recorder {
    /// Records the left channel.
    fn start(server: &PulseServer) -> Self {
        Self::of(server, SPEAKER)
    }

    /// Records the left channel of one of the sinks.
    fn of(server: &PulseServer, sink: NullSink) -> Self {
        let mut child = server.pacat(Pacat::Record, &format!("{}.monitor", sink.name), sink.rate_hz, 2);
        let mut stdout = child.stdout.take().unwrap();
        let (send, samples) = mpsc::channel();
        thread::spawn(move || {
            let mut frame = [0; 8];
            while stdout.read_exact(&mut frame).is_ok() {
                if send.send(f32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]])).is_err() {
                    return;
                }
            }
        });
        let recorder = Self { child, samples };
        recorder.next(); // it runs
        recorder
    }

    fn next(&self) -> f32 {
        self.samples.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    /// All that was recorded since the last call.
    fn so_far(&self) -> Vec<f32> {
        self.samples.try_iter().collect()
    }

    /// From the first sound on until it has been silent for 100 ms.
    fn sound(&self) -> Vec<f32> {
        let mut heard = Vec::new();
        let mut n_silent = 0;
        while heard.is_empty() || n_silent < 4_800 {
            let x = self.next();
            n_silent = if x.abs() < 1e-4 { n_silent + 1 } else { 0 };
            if n_silent == 0 || !heard.is_empty() {
                heard.push(x);
            }
        }
        heard.truncate(heard.len() - n_silent);
        heard
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes blocks of a 997 Hz tone at -12 dBFS as an engine does: each at its time.
struct Bus {
    sink: OutputSink,
    spec: StreamSpec,
    n_blocks: u64,
    start_ns: u64,
}

impl Bus {
    fn start(spec: StreamSpec, cushion_ms: f64) -> Self {
        Self::on(OutputConfig { device: "pulseaudio:speaker".into(), cushion_ms, ..OutputConfig::default() }, spec)
    }

    fn on(config: OutputConfig, spec: StreamSpec) -> Self {
        let mut sink = OutputSink::new(config).unwrap();
        let (position, unix_ns) = (FramePosition(0), 0);
        sink.start(&SinkStart {
            name: "speaker".into(),
            spec,
            block_frames: BLOCK,
            position,
            unix_ns,
            unix_minus_monotonic_ns: None,
        })
        .unwrap();
        Self { sink, spec, n_blocks: 0, start_ns: SystemClock.now_ns() }
    }

    fn write(&mut self) -> Result<(), SinkError> {
        let position = FramePosition(self.n_blocks * BLOCK as u64);
        let rate = f64::from(self.spec.sample_rate.hz());
        let samples: Vec<f32> = (position.0..position.0 + BLOCK as u64)
            .flat_map(|i| {
                let x = 10f64.powf(-0.6) * (std::f64::consts::TAU * 997.0 * i as f64 / rate).sin();
                vec![x as f32; self.spec.channels.get()]
            })
            .collect();
        let stamp = BlockStamp { seq: self.n_blocks, position, capture_ns: 0 };
        self.n_blocks += 1;
        self.sink.write(&Block { stamp, spec: self.spec, samples: &samples })
    }

    fn write_in_time(&mut self, n_blocks: u64) {
        for _ in 0..n_blocks {
            let due_ns = self.spec.sample_rate.ns_of_frames(self.n_blocks * BLOCK as u64);
            SystemClock.sleep_until_ns(self.start_ns + due_ns);
            self.write().unwrap();
        }
    }
}

/// At least `n_frames` of the tone in one piece, at the right frequency and level.
fn assert_tone(heard: &[f32], n_frames: usize) {
    let clean = longest_clean_stretch(heard, 48_000.0, 997.0);
    assert!(clean.len() >= n_frames, "{} frames of {} in one piece", clean.len(), heard.len());
    let (hz, db) = measure_tone(clean, 48_000.0, 997.0);
    println!("{hz:.4} Hz, {db:.3} dBFS in {} frames of {}", clean.len(), heard.len());
    assert!(((hz - 997.0) / 997.0).abs() < 200e-6, "{hz} Hz");
    assert!((db + 12.0).abs() < 0.1, "{db} dBFS");
}

#[test]
fn a_tone_is_played_at_its_frequency_and_level() {
    with_pulse_server("a_tone_is_played_at_its_frequency_and_level", &[SPEAKER], |server| {
        let recorder = Recorder::start(server);
        let mut bus = Bus::start(StreamSpec::new(48_000, 2).unwrap(), 60.0);
        bus.write_in_time(1_500);
        let counts = bus.sink.counts();
        let report = bus.sink.finish().unwrap();
        println!("{counts:?}; {report:?}");
        let heard = recorder.sound();
        assert_tone(&heard, 48_000);
        // Where neither we nor the server had a hole, the sound is as long as it was, to its last zero crossings.
        if counts.underruns + counts.dropped_frames == 0
            && longest_clean_stretch(&heard, 48_000.0, 997.0).len() + 2_000 > heard.len()
        {
            assert!(heard.len().abs_diff(1_500 * BLOCK) < 100, "{} of {} frames", heard.len(), 1_500 * BLOCK);
        }
    });
}

#[test]
fn a_mono_bus_of_another_rate_is_heard_at_the_same_pitch_and_level() {
    let test = "a_mono_bus_of_another_rate_is_heard_at_the_same_pitch_and_level";
    with_pulse_server(test, &[SPEAKER], |server| {
        let recorder = Recorder::start(server);
        let mut bus = Bus::start(StreamSpec::new(44_100, 1).unwrap(), 200.0);
        bus.write_in_time(700);
        bus.sink.finish().unwrap();
        assert_tone(&recorder.sound(), 48_000);
    });
}

#[test]
fn underruns_and_drops_are_counted_and_reported() {
    with_pulse_server("underruns_and_drops_are_counted_and_reported", &[SPEAKER], |_| {
        let mut bus = Bus::start(StreamSpec::new(48_000, 2).unwrap(), 60.0);
        bus.write_in_time(150);
        for _ in 0..150 {
            bus.write().unwrap(); // 400 ms at once into room for less than 200
        }
        let dropped_frames = bus.sink.counts().dropped_frames;
        assert!(dropped_frames >= 5_000, "{dropped_frames}");
        let taken_back = bus.sink.take_back_frames();
        assert!(taken_back.abs_diff(dropped_frames) < 10, "{taken_back} frames of the bus");
        while bus.sink.counts().underrun_frames < 1_000 {
            SystemClock.sleep_until_ns(SystemClock.now_ns() + 1_000_000);
        }
        let gap = Gap { at_frame: FramePosition(12_800), n_frames: 128, reason: GapReason::Lagged };
        bus.sink.gap(&gap).unwrap();
        bus.sink.flush().unwrap();
        let report = bus.sink.finish().unwrap();
        assert!(report.notes[0].contains(&format!("dropped {dropped_frames} frames")), "{report:?}");
        assert!(report.notes[0].contains("underruns 1 ("), "{report:?}");
        assert!(report.files.is_empty());
    });
}

#[test]
fn a_lost_device_is_an_error_and_a_wrong_one_says_what_there_is() {
    let test = "a_lost_device_is_an_error_and_a_wrong_one_says_what_there_is";
    with_pulse_server(test, &[SPEAKER], |server| {
        let mut wrong =
            OutputSink::new(OutputConfig { device: "pulseaudio:speeker".into(), ..OutputConfig::default() }).unwrap();
        let spec = StreamSpec::new(48_000, 2).unwrap();
        let start = SinkStart {
            name: "x".into(),
            spec,
            block_frames: BLOCK,
            position: FramePosition(0),
            unix_ns: 0,
            unix_minus_monotonic_ns: None,
        };
        let error = wrong.start(&start).unwrap_err();
        assert!(error.to_string().contains("did you mean \"pulseaudio:speaker\"?"), "{error}");
        let config = OutputConfig { cushion_ms: 5.0, ..OutputConfig::default() };
        let error = OutputSink::new(config).unwrap().start(&SinkStart { block_frames: 4_800, ..start }).unwrap_err();
        assert!(matches!(error, SinkError::Setting { .. }), "{error}");

        let mut bus = Bus::start(spec, 60.0);
        bus.write_in_time(50);
        server.kill();
        let deadline_ns = SystemClock.now_ns() + 30_000_000_000;
        let error = loop {
            match bus.write() {
                Err(error) => break error,
                Ok(()) => assert!(SystemClock.now_ns() < deadline_ns, "the loss was not told"),
            }
            SystemClock.sleep_until_ns(SystemClock.now_ns() + 1_000_000);
        };
        assert!(matches!(error, SinkError::Device { .. }) && !error.is_fatal(), "{error}");
        let started_ns = SystemClock.now_ns();
        assert!(bus.sink.finish().is_err());
        println!("closing a lost output took {} ms", (SystemClock.now_ns() - started_ns) / 1_000_000);
    });
}

/// Exact, where a null sink of 48000 Hz is up to 94 ppm fast.
const EXACT: NullSink = NullSink { name: "exact", rate_hz: 50_000, channels: 2 };

/// An output with a consumer's thread of its own, as an engine feeds it: it looks every 10 ms, flushes every 100.
struct Output {
    monitor: OutputMonitor,
    refused: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Result<ra_core::SinkReport, SinkError>>,
}

impl Output {
    fn start(device: &str) -> Self {
        let device = device.to_owned();
        let (refused, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (n_refused, ends) = (Arc::clone(&refused), Arc::clone(&stop));
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let config = OutputConfig { device, ..OutputConfig::default() };
            let mut bus = Bus::on(config, StreamSpec::new(48_000, 2).unwrap());
            tell.send(bus.sink.monitor()).unwrap();
            let mut n_looks = 0;
            while !ends.load(Relaxed) {
                SystemClock.sleep_until_ns(bus.start_ns + n_looks * 10_000_000);
                n_looks += 1;
                let passed_ns = SystemClock.now_ns() - bus.start_ns;
                while bus.spec.sample_rate.ns_of_frames((bus.n_blocks + 1) * BLOCK as u64) <= passed_ns {
                    n_refused.fetch_add(u64::from(bus.write().is_err()), Relaxed);
                }
                if n_looks % 10 == 0 {
                    let _ = bus.sink.flush();
                }
            }
            bus.sink.finish()
        });
        Self { monitor: told.recv_timeout(Duration::from_secs(30)).unwrap(), refused, stop, thread }
    }

    fn finish(self) -> Result<ra_core::SinkReport, SinkError> {
        self.stop.store(true, Relaxed);
        self.thread.join().unwrap()
    }
}

fn sleep_s(seconds: f64) {
    SystemClock.sleep_until_ns(SystemClock.now_ns() + (seconds * 1e9) as u64);
}

/// The tone of the bus, in frames of a device whose clock is `drift_ppm` fast: at least `n_frames` in one piece.
fn assert_steered(heard: &[f32], sink: NullSink, drift_ppm: f64, n_frames: usize) {
    let hz = 997.0 / (1.0 + drift_ppm * 1e-6);
    let rate_hz = f64::from(sink.rate_hz);
    let clean = longest_clean_stretch(heard, rate_hz, hz);
    assert!(clean.len() >= n_frames, "{}: {} frames of {} in one piece", sink.name, clean.len(), heard.len());
    let (found_hz, db) = measure_tone(clean, rate_hz, hz);
    let off_ppm = (found_hz / hz - 1.0) * 1e6;
    println!("{}: {off_ppm:+.1} ppm off, {db:.3} dBFS in {} frames of {}", sink.name, clean.len(), heard.len());
    // 100 ppm while the cushion is being moved, and what the server's stamps wander by.
    assert!(off_ppm.abs() < 200.0, "{}: the tone is off by {off_ppm} ppm", sink.name);
    assert!((db + 12.0).abs() < 0.1, "{}: {db} dBFS", sink.name);
}

#[test]
fn two_outputs_play_at_once_each_on_its_own_clock() {
    with_pulse_server("two_outputs_play_at_once_each_on_its_own_clock", &[SPEAKER, EXACT], |server| {
        let recorders = [SPEAKER, EXACT].map(|sink| (sink, Recorder::of(server, sink)));
        let outputs = ["pulseaudio:speaker", "pulseaudio:exact"].map(Output::start);
        // Both clocks are known within seconds; where the ring's level is to be held is judged once, 10 s later.
        sleep_s(25.0);
        let before = outputs.each_ref().map(|output| output.monitor.status().counts.underruns);
        recorders.iter().for_each(|(_, recorder)| drop(recorder.so_far()));
        sleep_s(12.0);
        for ((output, (sink, recorder)), before) in outputs.into_iter().zip(recorders).zip(before) {
            let status = output.monitor.status();
            println!("{status:?}");
            assert_eq!(status.state, OutputState::Live);
            assert_eq!(status.counts.underruns, before, "{}: after it has settled", sink.name);
            let drift_ppm = status.drift_ppm.unwrap();
            if sink.rate_hz == EXACT.rate_hz {
                assert!(drift_ppm.abs() < 40.0, "{drift_ppm} ppm of an exact clock");
            }
            let cushion_ms = status.cushion_ms.unwrap();
            assert!((20.0..110.0).contains(&cushion_ms), "{}: {cushion_ms} ms of 60", sink.name);
            assert!(status.latency_ms.is_some_and(|ms| (60.0..400.0).contains(&ms)), "{:?}", status.latency_ms);
            assert_steered(&recorder.so_far(), sink, drift_ppm, sink.rate_hz as usize);
            assert_eq!(output.refused.load(Relaxed), 0);
            output.finish().unwrap();
        }
    });
}

/// Runs `body` in a process of its own with a server `a`, `alsa:a_out`, and a server `b` that runs `skew_ppm` fast,
/// `pulseaudio:exact`.
fn with_two_servers(test: &str, skew_ppm: f64, body: impl FnOnce(&mut Servers)) {
    const FOLDER: &str = "RA_TEST_OUTPUT_FOLDER";
    let scene = Scene { a: vec![SPEAKER], b: Some((vec![EXACT], skew_ppm)), jack_period_frames: None };
    if let Some(folder) = std::env::var_os(FOLDER) {
        let folder = Path::new(&folder);
        let mut servers = Servers::start(folder, &scene);
        // The names that are there already are for recording.
        let address = servers.a.address();
        let server = format!("server \"{address}\" device speaker");
        let name = format!("pcm.a_out {{ type pulse {server} hint {{ show on description \"a\" }} }}\n");
        let conf = folder.join("asound.conf");
        std::fs::write(&conf, std::fs::read_to_string(&conf).unwrap() + &name).unwrap();
        body(&mut servers);
        return;
    }
    let missing = missing_tools(&scene);
    if !missing.is_empty() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} needs {missing:?}");
        println!("skipped: {test}: {missing:?} not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(FOLDER, folder.path());
    prepare(&mut command, folder.path());
    command.env("PULSE_SERVER", format!("unix:{}/b/native", folder.path().display()));
    let status = command.status().unwrap();
    assert!(status.success(), "{test} failed in its own process: {status}");
}

#[test]
fn a_server_is_killed_and_comes_back_while_another_one_with_a_fast_clock_plays_on() {
    let test = "a_server_is_killed_and_comes_back_while_another_one_with_a_fast_clock_plays_on";
    with_two_servers(test, 500.0, |servers| {
        let fast = Output::start("pulseaudio:exact");
        let killed = Output::start("alsa:a_out");
        sleep_s(25.0);
        let recorder = Recorder::of(servers.b.as_ref().unwrap(), EXACT);
        let before = fast.monitor.status();
        println!("at first: {before:?}");
        for cycle in 1..=3 {
            servers.a.kill();
            let killed_ns = SystemClock.now_ns();
            while killed.monitor.status().state != OutputState::Lost {
                assert!(SystemClock.now_ns() < killed_ns + 5_000_000_000, "the loss was not seen");
                sleep_s(0.005);
            }
            let seen_ms = (SystemClock.now_ns() - killed_ns) / 1_000_000;
            sleep_s(0.7);
            servers.a.restart();
            let back_ns = SystemClock.now_ns();
            while killed.monitor.status().state != OutputState::Live {
                assert!(SystemClock.now_ns() < back_ns + 10_000_000_000, "it did not come back");
                sleep_s(0.005);
            }
            let live_ms = (SystemClock.now_ns() - back_ns) / 1_000_000;
            let recorder = Recorder::start(&servers.a);
            let heard = loop {
                if recorder.next().abs() > 0.01 {
                    break (SystemClock.now_ns() - back_ns) / 1_000_000;
                }
            };
            println!("cycle {cycle}: seen after {seen_ms} ms; back: live after {live_ms} ms, heard after {heard} ms");
            assert!(live_ms <= 600, "live after {live_ms} ms (the status is up to 100 ms late)");
        }
        sleep_s(1.0);
        let counts = killed.monitor.status().counts;
        // ALSA's PulseAudio plugin reports a killed server as errors without end, and may lose a stream by itself.
        assert!(counts.losses >= 3 && counts.reopens == counts.losses, "{counts:?}");
        assert!(killed.refused.load(Relaxed) > 3 * 200, "blocks were refused meanwhile");
        let after = fast.monitor.status();
        println!("at the end: {after:?}");
        assert_eq!((after.state, after.counts.losses), (OutputState::Live, 0));
        assert_eq!(after.counts.underruns, before.counts.underruns, "the other one played on");
        let drift_ppm = after.drift_ppm.unwrap();
        assert!((drift_ppm - 500.0).abs() < 40.0, "{drift_ppm} ppm");
        assert!(after.cushion_ms.is_some_and(|ms| (20.0..110.0).contains(&ms)), "{:?}", after.cushion_ms);
        // All of it, holes included.
        let heard = recorder.so_far();
        let hz = 997.0 / 1.0005;
        let (found_hz, db) = measure_tone(&heard, 50_000.0, hz);
        let off_ppm = (found_hz / hz - 1.0) * 1e6;
        println!("recorded {} frames: {off_ppm:+.1} ppm off, {db:.3} dBFS", heard.len());
        assert!(off_ppm.abs() < 200.0 && (db + 12.0).abs() < 0.5, "{off_ppm} ppm off, {db} dBFS");
        fast.finish().unwrap();
        drop(killed.finish());
    });
}

#[test]
fn an_unplugged_device_is_not_played_on_another_one() {
    let test = "an_unplugged_device_is_not_played_on_another_one";
    with_pulse_server(test, &[SPEAKER, EXACT], |server| {
        let output = Output::start("pulseaudio:speaker");
        sleep_s(2.0);
        server.unplug("speaker");
        let gone_ns = SystemClock.now_ns();
        while output.monitor.status().state != OutputState::Lost {
            assert!(SystemClock.now_ns() < gone_ns + 5_000_000_000, "the loss was not seen");
            sleep_s(0.005);
        }
        println!("{:?}", output.monitor.status());
        // What is heard on the other one now is nobody's.
        let recorder = Recorder::of(server, EXACT);
        sleep_s(1.0);
        assert!(recorder.so_far().iter().all(|x| x.abs() < 1e-4), "it plays on another device");
        server.plug(SPEAKER);
        let back_ns = SystemClock.now_ns();
        while output.monitor.status().state != OutputState::Live {
            assert!(SystemClock.now_ns() < back_ns + 10_000_000_000, "it did not come back");
            sleep_s(0.005);
        }
        println!("live {} ms after it was plugged in", (SystemClock.now_ns() - back_ns) / 1_000_000);
        assert!(Recorder::start(server).sound_begins());
        output.finish().unwrap();
    });
}

#[test]
fn an_output_is_back_as_soon_as_a_server_that_hung() {
    with_pulse_server("an_output_is_back_as_soon_as_a_server_that_hung", &[SPEAKER], |server| {
        let output = Output::start("pulseaudio:speaker");
        sleep_s(1.0);
        server.stop();
        let stopped_ns = SystemClock.now_ns();
        while output.monitor.status().state != OutputState::Lost {
            assert!(SystemClock.now_ns() < stopped_ns + 20_000_000_000, "the loss was not seen");
            sleep_s(0.005);
        }
        let tries = |n: u64| {
            let begun_ns = SystemClock.now_ns();
            while output.monitor.status().counts.failed_opens < n {
                assert!(SystemClock.now_ns() < begun_ns + 20_000_000_000, "{:?}", output.monitor.status());
                sleep_s(0.005);
            }
        };
        tries(6);
        server.go_on();
        let back_ns = SystemClock.now_ns();
        while output.monitor.status().state != OutputState::Live {
            assert!(SystemClock.now_ns() < back_ns + 60_000_000_000, "it did not come back");
            sleep_s(0.005);
        }
        let back_ms = (SystemClock.now_ns() - back_ns) / 1_000_000;
        println!("live {back_ms} ms after the server went on");
        assert!(back_ms < 2_000, "{back_ms} ms");
        output.finish().unwrap();
    });
}

impl Recorder {
    fn sound_begins(&self) -> bool {
        (0..96_000).any(|_| self.next().abs() > 0.1)
    }
}
