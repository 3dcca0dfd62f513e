//! `OutputSink` against a real PulseAudio server: what it plays on a null sink is recorded from its monitor.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{io::Read, process::Child, sync::mpsc, thread, time::Duration};

use ra_core::{
    Block, BlockStamp, Clock, FramePosition, Gap, GapReason, Sink, SinkError, SinkStart, StreamSpec, SystemClock,
};
use ra_device::testing::{NullSink, Pacat, PulseServer, longest_clean_stretch, measure_tone, with_pulse_server};
use ra_sinks::{OutputConfig, OutputSink};

const SPEAKER: NullSink = NullSink { name: "speaker", rate_hz: 48_000, channels: 2 };
const BLOCK: usize = 128;

/// A recorder of the monitor; killed with the test.
struct Recorder {
    child: Child,
    samples: mpsc::Receiver<f32>,
}

impl Recorder {
    /// Records the left channel.
    fn start(server: &PulseServer) -> Self {
        let mut child = server.pacat(Pacat::Record, "speaker.monitor", 48_000, 2);
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
        let config = OutputConfig { device: "pulseaudio:speaker".into(), cushion_ms, ..OutputConfig::default() };
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
        for _ in 0..100 {
            bus.write().unwrap(); // 267 ms at once into room for 120
        }
        let dropped_frames = bus.sink.counts().dropped_frames;
        assert!(dropped_frames >= 5_000, "{dropped_frames}");
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
