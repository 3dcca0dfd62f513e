//! Listing, finding, capture, playback and loss against a real PulseAudio server.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    io::{Read, Write},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use ra_core::{Clock, PeriodInput, SampleRate, StreamSpec, SystemClock};
use ra_device::{
    DeviceError, DeviceEvent, Direction, InputRequest, InputStream, OutputRequest, OutputStream, PeriodOutput,
    list_devices, probe_input,
    testing::{NullSink, Pacat, PulseServer, longest_clean_stretch, measure_tone, with_pulse_server},
};

const MIC: NullSink = NullSink { name: "mic", rate_hz: 50_000, channels: 1 };
const PAIR: NullSink = NullSink { name: "pair", rate_hz: 48_000, channels: 2 };
const PATIENCE: Duration = Duration::from_secs(30);

/// Periods through a ring: stamps beside samples.
struct Tap {
    samples: rtrb::Producer<f32>,
    stamps: rtrb::Producer<(u64, usize)>,
}

struct Heard {
    samples: rtrb::Consumer<f32>,
    stamps: rtrb::Consumer<(u64, usize)>,
}

fn tap() -> (Tap, Heard) {
    let (to_samples, samples) = rtrb::RingBuffer::new(2 * 50_000 * 20);
    let (to_stamps, stamps) = rtrb::RingBuffer::new(100_000);
    (Tap { samples: to_samples, stamps: to_stamps }, Heard { samples, stamps })
}

impl PeriodInput for Tap {
    fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize {
        self.stamps.push((capture_ns, interleaved.len())).unwrap();
        let (taken, rest) = self.samples.push_partial_slice(interleaved);
        assert!(rest.is_empty(), "the test reads too slowly");
        taken.len()
    }

    fn mark_break(&mut self) {}
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A child that is killed with the test.
struct Helper(Child);
impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Plays a tone, one amplitude per channel, for as long as the helper lives.
fn play(server: &PulseServer, sink: NullSink, hz: f64, amplitudes: &'static [f32]) -> Helper {
    let mut child = server.pacat(Pacat::Play, sink.name, sink.rate_hz, sink.channels);
    let mut stdin = child.stdin.take().unwrap();
    thread::spawn(move || {
        for i in 0u32.. {
            let sine = (std::f64::consts::TAU * hz * f64::from(i) / f64::from(sink.rate_hz)).sin() as f32;
            let frame: Vec<u8> = amplitudes.iter().flat_map(|a| (a * sine).to_le_bytes()).collect();
            if stdin.write_all(&frame).is_err() {
                return;
            }
        }
    });
    Helper(child)
}

#[test]
fn devices_are_listed_found_and_suggested() {
    with_pulse_server("devices_are_listed_found_and_suggested", &[MIC, PAIR], |server| {
        let started = Instant::now();
        let listing = list_devices();
        println!("list_devices took {:?}: {listing:#?}", started.elapsed());
        let pulse: Vec<_> = listing.devices.iter().filter(|d| d.host == "pulseaudio").collect();
        let mut ids: Vec<_> = pulse.iter().map(|d| (d.id.as_str(), d.direction)).collect();
        ids.sort_by_key(|&(id, _)| id);
        assert_eq!(
            ids,
            [
                ("pulseaudio:mic", Direction::Output),
                ("pulseaudio:mic.monitor", Direction::Input),
                ("pulseaudio:pair", Direction::Output),
                ("pulseaudio:pair.monitor", Direction::Input)
            ]
        );
        let mic = pulse.iter().find(|d| d.id == "pulseaudio:mic.monitor").unwrap();
        assert_eq!((&mic.channels[..], &mic.sample_rates[..]), (&[1][..], &[50_000][..]));
        for direction in [Direction::Input, Direction::Output] {
            assert_eq!(listing.devices.iter().filter(|d| d.direction == direction && d.default).count(), 1);
        }
        let default = listing.devices.iter().find(|d| d.direction == Direction::Input && d.default).unwrap();
        assert_eq!(probe_input(&InputRequest::default()).unwrap().id, default.id);

        let request = |device: &str| InputRequest { device: device.to_owned(), ..InputRequest::default() };
        let probed = probe_input(&request("pulseaudio:mic.monitor")).unwrap();
        assert_eq!(probed.spec, StreamSpec::new(50_000, 1).unwrap());
        match probe_input(&request("pulseaudio:mic.moniter")).unwrap_err() {
            DeviceError::NotFound { nearest, available, .. } => {
                assert_eq!(nearest.as_deref(), Some("pulseaudio:mic.monitor"));
                assert!(available.contains(&"pulseaudio:pair.monitor".to_owned()));
                assert!(!available.contains(&"pulseaudio:pair".to_owned()), "outputs are no inputs");
            }
            other => panic!("{other}"),
        }
        let error = probe_input(&request("pulseaudio:pair")).unwrap_err();
        assert!(matches!(error, DeviceError::NotFound { .. }), "an output is no input: {error}");
        let error = probe_input(&InputRequest { channels: Some(vec![3]), ..request("pulseaudio:pair.monitor") });
        assert_eq!(error.unwrap_err(), DeviceError::Channels { asked: 3, most: 2, available: vec![2] });

        server.kill();
        let listing = list_devices();
        assert_eq!(listing.devices, []);
        let reason = listing.reason.unwrap();
        assert!(reason.contains("alsa") && reason.contains("pulseaudio"), "{reason}");
        assert!(matches!(probe_input(&InputRequest::default()), Err(DeviceError::NoDefault { .. })));
    });
}

#[test]
fn capture_brings_the_tone_with_stamps_that_advance_with_the_frames() {
    let test = "capture_brings_the_tone_with_stamps_that_advance_with_the_frames";
    with_pulse_server(test, &[MIC, PAIR], |server| {
        let _player = play(server, PAIR, 997.0, &[0.5, 0.25]);
        let (tap, mut heard) = tap();
        let request = InputRequest {
            device: "pulseaudio:pair.monitor".into(),
            channels: Some(vec![2]),
            ..InputRequest::default()
        };
        let started = Instant::now();
        let stream = InputStream::open(&request, Box::new(tap)).unwrap();
        let opened = started.elapsed();
        stream.start().unwrap();
        println!("open took {opened:?}, start {:?}; granted {:?}", started.elapsed() - opened, stream.granted());
        assert_eq!(stream.granted().spec, StreamSpec::new(48_000, 1).unwrap());
        // The player starts when it likes, and a busy machine makes the server tear holes.
        let (mut samples, mut looked_at, mut clean) = (Vec::new(), 0, Vec::new());
        wait_for("two seconds in one piece", || {
            samples.extend(std::iter::from_fn(|| heard.samples.pop().ok()));
            if samples.len() >= looked_at + 48_000 {
                looked_at = samples.len();
                clean = longest_clean_stretch(&samples, 48_000.0, 997.0).to_vec();
            }
            clean.len() >= 96_000
        });
        let clean = &clean[..];
        let (hz, db) = measure_tone(clean, 48_000.0, 997.0);
        println!("heard {hz:.4} Hz at {db:.3} dBFS; counts {:?}", stream.counts());
        assert!(((hz - 997.0) / 997.0).abs() < 200e-6, "{hz} Hz");
        assert!((db - 20.0 * 0.25f64.log10()).abs() < 0.1, "{db} dBFS: the second channel's level");

        // What the server loses on a busy machine makes stamps jump: it is the middle of the steps that must be right.
        let stamps: Vec<_> = std::iter::from_fn(|| heard.stamps.pop().ok()).collect();
        let mut steps_us: Vec<f64> = stamps
            .windows(2)
            .map(|pair| {
                let ((first_ns, n_frames), (next_ns, _)) = (pair[0], pair[1]);
                (next_ns as f64 - first_ns as f64 - SampleRate::HZ_48000.ns_of_frames(n_frames as u64) as f64) / 1e3
            })
            .collect();
        steps_us.sort_by(f64::total_cmp);
        let at = |q: f64| steps_us[((steps_us.len() - 1) as f64 * q) as usize];
        println!("steps of stamps against frames, µs: p1 {} p50 {} p99 {}", at(0.01), at(0.5), at(0.99));
        assert!(at(0.5).abs() < 1_000.0, "{} µs", at(0.5));
        let now_ns = SystemClock.now_ns();
        assert!(stamps.iter().all(|&(ns, _)| ns <= now_ns && ns + 60_000_000_000 > now_ns));

        let started = Instant::now();
        drop(stream);
        println!("close took {:?}", started.elapsed());
        assert!(heard.samples.is_abandoned(), "the input is dropped with the stream");
    });
}

#[test]
fn playback_is_heard_at_its_frequency_and_level() {
    struct Tone(f64);
    impl PeriodOutput for Tone {
        fn render(&mut self, _: u64, interleaved: &mut [f32]) {
            for frame in interleaved.chunks_exact_mut(2) {
                frame.fill(0.25 * self.0.sin() as f32);
                self.0 = (self.0 + std::f64::consts::TAU * 997.0 / 48_000.0) % std::f64::consts::TAU;
            }
        }
    }
    with_pulse_server("playback_is_heard_at_its_frequency_and_level", &[PAIR], |server| {
        let request = OutputRequest { device: "pulseaudio:pair".into(), ..OutputRequest::default() };
        let started = Instant::now();
        let stream = OutputStream::open(&request, |_| Box::new(Tone(0.0))).unwrap();
        stream.start().unwrap();
        println!("open and start took {:?}; granted {:?}", started.elapsed(), stream.granted());
        let mut recorder = Helper(server.pacat(Pacat::Record, "pair.monitor", 48_000, 2));
        let mut stdout = recorder.0.stdout.take().unwrap();
        let (mut left, mut clean) = (Vec::new(), Vec::new());
        wait_for("a second in one piece", || {
            let mut bytes = vec![0; 48_000 * 8];
            stdout.read_exact(&mut bytes).unwrap();
            left.extend(bytes.chunks_exact(8).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            clean = longest_clean_stretch(&left, 48_000.0, 997.0).to_vec();
            clean.len() >= 48_000
        });
        let clean = &clean[..];
        let (hz, db) = measure_tone(clean, 48_000.0, 997.0);
        println!("recorded {hz:.4} Hz at {db:.3} dBFS; counts {:?}", stream.counts());
        assert!(((hz - 997.0) / 997.0).abs() < 200e-6, "{hz} Hz");
        assert!((db - 20.0 * 0.25f64.log10()).abs() < 0.1, "{db} dBFS");
        let started = Instant::now();
        drop(stream);
        println!("close took {:?}", started.elapsed());
    });
}

#[test]
fn a_killed_server_is_a_loss_and_can_be_opened_again() {
    with_pulse_server("a_killed_server_is_a_loss_and_can_be_opened_again", &[MIC], |server| {
        let request = InputRequest { device: "pulseaudio:mic.monitor".into(), ..InputRequest::default() };
        for _ in 0..2 {
            let (tap, heard) = tap();
            let mut stream = InputStream::open(&request, Box::new(tap)).unwrap();
            stream.start().unwrap();
            wait_for("sound", || heard.samples.slots() > 0);
            server.kill();
            let killed = Instant::now();
            let mut events = Vec::new();
            wait_for("the loss", || {
                events.extend(stream.take_events());
                events.iter().any(|e| matches!(e, DeviceEvent::Lost { .. }))
            });
            println!("told after {:?}: {events:?}", killed.elapsed());
            assert!(stream.loss().is_some());
            let closing = Instant::now();
            drop(stream);
            println!("close after the loss took {:?}", closing.elapsed());
            assert!(heard.samples.is_abandoned(), "the input is dropped with the stream");
            server.restart();
        }
    });
}

/// alsa-lib's PulseAudio plugin reports hundreds of thousands of errors a second when its server dies, and no loss.
#[test]
fn a_storm_of_errors_through_alsa_is_a_loss() {
    with_pulse_server("a_storm_of_errors_through_alsa_is_a_loss", &[MIC], |server| {
        let request = InputRequest { device: "alsa:pulse".into(), ..InputRequest::default() };
        if !list_devices().devices.iter().any(|d| d.id == "alsa:pulse" && d.direction == Direction::Input) {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "this test needs libasound2-plugins");
            println!("skipped: alsa-lib has no PulseAudio plugin here");
            return;
        }
        let (tap, heard) = tap();
        let mut stream = InputStream::open(&request, Box::new(tap)).unwrap();
        stream.start().unwrap();
        wait_for("sound", || heard.samples.slots() > 0);
        println!("granted {:?}, counts {:?}", stream.granted(), stream.counts());
        server.kill();
        wait_for("the loss", || stream.take_events().iter().any(|e| matches!(e, DeviceEvent::Lost { .. })));
        println!("lost: {:?}; counts {:?}", stream.loss(), stream.counts());
        let started = Instant::now();
        drop(stream);
        println!("close took {:?}", started.elapsed());
        assert!(heard.samples.is_abandoned(), "the input is dropped with the stream");
    });
}
