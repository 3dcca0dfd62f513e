//! `DeviceSource` against a real PulseAudio server: the tone that was played is the tone that is captured.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    process::Child,
    thread,
    time::{Duration, Instant},
};

use ra_core::{ClockedSource, PeriodInput, SampleRate, Source, SourceError, StreamEvent, StreamSpec};
use ra_device::testing::{NullSink, PulseServer, longest_clean_stretch, measure_tone, with_pulse_server};
use ra_queue::{InputConfig, InputReader, input_ring};
use ra_sources::{DeviceConfig, DeviceSource};

const MIC1: NullSink = NullSink { name: "mic1", rate_hz: 48_000, channels: 1 };
const PATIENCE: Duration = Duration::from_secs(30);

/// -12 dBFS.
fn amplitude() -> f64 {
    10f64.powf(-12.0 / 20.0)
}

/// A child that is killed with the test.
struct Helper(Child);
impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `paplay` plays a minute of 997 Hz from a WAV file.
fn speak(server: &PulseServer, sink: &str) -> Helper {
    let path = server.folder().join("tone.wav");
    let format = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(&path, format).unwrap();
    for i in 0..60 * 48_000 {
        let phase = std::f64::consts::TAU * 997.0 * f64::from(i) / 48_000.0;
        writer.write_sample((amplitude() * phase.sin()) as f32).unwrap();
    }
    writer.finalize().unwrap();
    Helper(server.play_file(sink, &path))
}

/// What the source says, but for remarks.
fn event_of(source: &mut DeviceSource) -> Option<StreamEvent> {
    std::iter::from_fn(|| source.poll_event()).find(|event| !matches!(event, StreamEvent::Remark { .. }))
}

/// Reads until there is a stretch of `n_frames` of the tone without a hole: a busy machine makes the server tear some.
fn hear(source: &mut DeviceSource, reader: &mut InputReader, n_frames: usize) -> Vec<f32> {
    let deadline = Instant::now() + PATIENCE;
    let rate_hz = f64::from(source.spec().sample_rate.hz());
    let (mut heard, mut looked_at, mut block) = (Vec::new(), 0, [0.0; 480]);
    loop {
        assert!(Instant::now() < deadline, "no {n_frames} frames in one piece among {}", heard.len());
        assert_eq!(event_of(source), None);
        reader.poll_stamps(&mut |_| {});
        let n = reader.read(&mut block);
        heard.extend_from_slice(&block[..n]);
        if heard.len() >= looked_at + n_frames {
            looked_at = heard.len();
            let clean = longest_clean_stretch(&heard, rate_hz, 997.0);
            if clean.len() >= n_frames {
                return clean.to_vec();
            }
        }
        if n == 0 {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn ring(spec: StreamSpec) -> (Box<dyn PeriodInput>, InputReader, ra_queue::InputMonitor) {
    let config = InputConfig { channels: spec.channels, capacity_frames: 96_000, capacity_periods: 8_192 };
    let (writer, reader, monitor) = input_ring(&config).unwrap();
    (Box::new(writer), reader, monitor)
}

#[test]
fn a_tone_is_captured_at_its_frequency_and_level() {
    with_pulse_server("a_tone_is_captured_at_its_frequency_and_level", &[MIC1], |server| {
        let config = DeviceConfig { device: "pulseaudio:mic1.monitor".into(), ..DeviceConfig::default() };
        let mut source = DeviceSource::open(config).unwrap();
        assert_eq!(source.spec(), StreamSpec::new(48_000, 1).unwrap());
        assert_eq!(source.describe(), "device pulseaudio:mic1.monitor");

        let (input, mut reader, monitor) = ring(source.spec());
        let granted = source.start(input).unwrap();
        assert_eq!(granted.spec, source.spec());
        assert!(granted.device.starts_with("pulseaudio:mic1.monitor"), "{granted:?}");
        let (second, _other_reader, _) = ring(source.spec());
        assert!(matches!(source.start(second), Err(SourceError::Device { .. })), "it runs already");

        let _voice = speak(server, "mic1");
        let (hz, db) = measure_tone(&hear(&mut source, &mut reader, 2 * 48_000), 48_000.0, 997.0);
        println!("{hz:.4} Hz, {db:.3} dBFS, {:?}", source.counts().unwrap());
        assert!(((hz - 997.0) / 997.0).abs() < 200e-6, "{hz} Hz");
        assert!((db + 12.0).abs() < 0.1, "{db} dBFS");

        source.stop();
        assert!(source.counts().is_none());
        let account = monitor.account();
        assert!(account.is_balanced() && account.dropped_frames == 0, "{account}");
        reader.poll_stamps(&mut |_| {});
        while reader.read(&mut [0.0; 480]) > 0 {}
        assert!(reader.is_finished(), "stop drops the input");
        assert_eq!(event_of(&mut source), None);

        // And again: a stopped source can be started.
        let (input, mut reader, _) = ring(source.spec());
        source.start(input).unwrap();
        hear(&mut source, &mut reader, 4_800);
    });
}

#[test]
fn a_device_that_is_not_there_yet_is_waited_for_with_the_channels_that_it_was_given() {
    let test = "a_device_that_is_not_there_yet_is_waited_for_with_the_channels_that_it_was_given";
    with_pulse_server(test, &[NullSink { name: "other", ..MIC1 }], |server| {
        let config = DeviceConfig { device: "pulseaudio:mic1.monitor".into(), ..DeviceConfig::default() };
        let assumed = StreamSpec::new(96_000, 2).unwrap();
        let (mut source, problem) = DeviceSource::open_or_wait(config.clone(), assumed).unwrap();
        assert_eq!(source.spec(), assumed);
        assert!(problem.unwrap().to_string().contains("no input device"));
        let (input, _reader, _) = ring(source.spec());
        let begun = Instant::now();
        assert!(matches!(source.start(input), Err(SourceError::Device { .. })));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        server.plug(MIC1);
        let deadline = Instant::now() + PATIENCE;
        while event_of(&mut source) != Some(StreamEvent::DeviceIsBack) {
            assert!(Instant::now() < deadline, "its return was not told");
            thread::sleep(Duration::from_millis(2));
        }
        let (input, mut reader, _) = ring(source.spec());
        let granted = source.start(input).unwrap();
        assert_eq!(granted.spec, StreamSpec::new(48_000, 2).unwrap(), "its own rate, and a mono device twice");
        assert_eq!(source.spec(), granted.spec);
        let _voice = speak(server, "mic1");
        let deadline = Instant::now() + PATIENCE;
        let mut loud = 0;
        while loud < 4_800 {
            assert!(Instant::now() < deadline, "not heard");
            let mut block = [0.0; 960];
            reader.poll_stamps(&mut |_| {});
            let n = reader.read(&mut block);
            assert!(block[..2 * n].chunks_exact(2).all(|frame| frame[0] == frame[1]), "both sides are the one channel");
            loud += block[..2 * n].iter().filter(|sample| sample.abs() > 0.1).count();
        }
        let fifth = DeviceConfig { channels: Some(vec![5]), ..config };
        assert!(matches!(DeviceSource::open_or_wait(fifth, assumed), Err(SourceError::Setting { .. })));
        let zeroth =
            DeviceConfig { channels: Some(vec![0]), device: "pulseaudio:nobody".into(), ..DeviceConfig::default() };
        assert!(matches!(DeviceSource::open_or_wait(zeroth, assumed), Err(SourceError::Setting { .. })));
    });
}

/// Every remark so far.
fn remarks_of(source: &mut DeviceSource) -> String {
    let remark = |event| if let StreamEvent::Remark { text } = event { Some(text) } else { None };
    std::iter::from_fn(|| source.poll_event()).filter_map(remark).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_rate_that_the_server_would_make_up_is_not_taken_and_the_default_device_is_found() {
    let test = "a_rate_that_the_server_would_make_up_is_not_taken_and_the_default_device_is_found";
    with_pulse_server(test, &[MIC1], |server| {
        let config = DeviceConfig { sample_rate: Some(SampleRate::HZ_44100), ..DeviceConfig::default() };
        let mut source = DeviceSource::open(config).unwrap();
        assert_eq!(source.describe(), "device pulseaudio:mic1.monitor");
        let (input, mut reader, _) = ring(source.spec());
        assert_eq!(source.start(input).unwrap().spec, StreamSpec::new(48_000, 1).unwrap());
        let said = remarks_of(&mut source);
        assert!(said.contains("was asked for 44100 Hz, and has 48000 Hz"), "{said}");
        let _voice = speak(server, "mic1");
        let (hz, _) = measure_tone(&hear(&mut source, &mut reader, 48_000), 48_000.0, 997.0);
        assert!(((hz - 997.0) / 997.0).abs() < 300e-6, "{hz} Hz");
    });
}

#[test]
fn a_device_with_other_channels_than_were_assumed_is_taken_and_told() {
    let test = "a_device_with_other_channels_than_were_assumed_is_taken_and_told";
    let (pair, five) = (NullSink { name: "pair", channels: 2, ..MIC1 }, NullSink { name: "five", channels: 5, ..MIC1 });
    with_pulse_server(test, &[NullSink { name: "other", ..MIC1 }], |server| {
        for (sink, assumed, expected) in [(pair, 4, "what it lacks is silence"), (five, 2, "the others are left out")] {
            let config =
                DeviceConfig { device: format!("pulseaudio:{}.monitor", sink.name), ..DeviceConfig::default() };
            let assumed = StreamSpec::new(48_000, assumed).unwrap();
            let (mut source, problem) = DeviceSource::open_or_wait(config, assumed).unwrap();
            assert!(problem.is_some());
            server.plug(sink);
            let (input, mut reader, _) = ring(assumed);
            assert_eq!(source.start(input).unwrap().spec, assumed);
            let said = remarks_of(&mut source);
            assert!(said.contains(expected), "{said}");
            let _voice = speak(server, sink.name);
            let (deadline, n) = (Instant::now() + PATIENCE, assumed.channels.get());
            let mut block = vec![0.0; 480 * n];
            let mut loud = 0;
            while loud < 4_800 {
                assert!(Instant::now() < deadline, "{}: not heard", sink.name);
                reader.poll_stamps(&mut |_| {});
                let n_frames = reader.read(&mut block);
                for frame in block[..n_frames * n].chunks_exact(n) {
                    // The player speaks on the left.
                    loud += usize::from(frame[0].abs() > 0.1);
                    assert!(frame[2..].iter().all(|&sample| sample == 0.0), "{frame:?}");
                }
            }
        }
    });
}

#[test]
fn a_default_device_that_is_another_one_at_a_restart_is_told() {
    let test = "a_default_device_that_is_another_one_at_a_restart_is_told";
    with_pulse_server(test, &[MIC1, NullSink { name: "other", ..MIC1 }], |server| {
        assert!(server.control(&["set-default-source", "mic1.monitor"]));
        let mut source = DeviceSource::open(DeviceConfig::default()).unwrap();
        let (input, _reader, _) = ring(source.spec());
        source.start(input).unwrap();
        source.stop();
        assert!(server.control(&["set-default-source", "other.monitor"]));
        let (input, _reader, _) = ring(source.spec());
        source.start(input).unwrap();
        assert_eq!(source.describe(), "device pulseaudio:other.monitor");
        let said = remarks_of(&mut source);
        assert!(said.contains("is pulseaudio:other.monitor now, and was pulseaudio:mic1.monitor"), "{said}");
        source.stop();
        // Another sound system's default would keep the card from the server that comes back.
        server.kill();
        let (input, _reader, _) = ring(source.spec());
        let error = source.start(input).unwrap_err().to_string();
        assert!(error.contains("pulseaudio") && !error.contains("alsa"), "{error}");
        server.restart();
        let deadline = Instant::now() + PATIENCE;
        while event_of(&mut source) != Some(StreamEvent::DeviceIsBack) {
            assert!(Instant::now() < deadline, "its return was not told");
            thread::sleep(Duration::from_millis(2));
        }
    });
}

#[test]
fn the_return_of_a_server_that_hung_is_told_whatever_was_tried_meanwhile() {
    let test = "the_return_of_a_server_that_hung_is_told_whatever_was_tried_meanwhile";
    with_pulse_server(test, &[MIC1], |server| {
        let config = DeviceConfig { device: "pulseaudio:mic1.monitor".into(), ..DeviceConfig::default() };
        let mut source = DeviceSource::open(config).unwrap();
        for n_attempts in [1, 8] {
            server.stop();
            for _ in 0..n_attempts {
                let (input, _reader, _) = ring(source.spec());
                assert!(matches!(source.start(input), Err(SourceError::Device { .. })));
                assert_eq!(event_of(&mut source), None);
            }
            // Before the watch that the attempt left has looked even once.
            server.go_on();
            let back = Instant::now();
            while event_of(&mut source) != Some(StreamEvent::DeviceIsBack) {
                assert!(back.elapsed() < PATIENCE, "its return was not told");
                thread::sleep(Duration::from_millis(2));
            }
            println!("told {:?} after the server went on", back.elapsed());
            assert!(back.elapsed() < Duration::from_secs(1), "{:?}", back.elapsed());
        }
        let (input, _reader, _) = ring(source.spec());
        source.start(input).unwrap();
    });
}

#[test]
fn a_wrong_id_or_channel_says_what_there_is() {
    with_pulse_server("a_wrong_id_or_channel_says_what_there_is", &[MIC1], |_| {
        let error = |config| DeviceSource::open(config).err().unwrap().to_string();
        let typo = error(DeviceConfig { device: "pulseaudio:mic2.monitor".into(), ..DeviceConfig::default() });
        assert!(typo.contains("did you mean \"pulseaudio:mic1.monitor\"?"), "{typo}");
        let channel = error(DeviceConfig { channels: Some(vec![1, 2]), ..DeviceConfig::default() });
        assert!(channel.contains("channel 2 was asked for, expected 1 to 1"), "{channel}");
    });
}

#[test]
fn a_killed_server_is_told_as_a_lost_device_and_can_be_started_again() {
    let test = "a_killed_server_is_told_as_a_lost_device_and_can_be_started_again";
    with_pulse_server(test, &[MIC1], |server| {
        let mut source = DeviceSource::open(DeviceConfig::default()).unwrap();
        let (input, mut reader, _) = ring(source.spec());
        source.start(input).unwrap();
        server.kill();
        let deadline = Instant::now() + PATIENCE;
        let event = loop {
            if let Some(event) = event_of(&mut source) {
                break event;
            }
            assert!(Instant::now() < deadline, "the loss was not told");
            reader.poll_stamps(&mut |_| {});
            reader.read(&mut [0.0; 480]);
            thread::sleep(Duration::from_millis(2));
        };
        assert!(matches!(event, StreamEvent::DeviceLost { .. }), "{event:?}");
        assert_eq!(event_of(&mut source), None, "said once");
        source.stop();
        let (input, _reader, _) = ring(source.spec());
        assert!(matches!(source.start(input), Err(SourceError::Device { .. })), "nothing there");
        server.restart();
        let (input, mut reader, _) = ring(source.spec());
        source.start(input).unwrap();
        let _voice = speak(server, "mic1");
        hear(&mut source, &mut reader, 4_800);
    });
}
