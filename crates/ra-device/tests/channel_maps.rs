//! Devices of a real PulseAudio server whose channels stand elsewhere than cpal asks for them: refused, and what the error
//! says to do about it.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ra_core::PeriodInput;
use ra_device::{
    DeviceError, InputRequest, InputStream, OutputRequest, OutputStream, PeriodOutput, probe_input, probe_output,
    testing::{PulseServer, with_pulse_server},
};

const PATIENCE: Duration = Duration::from_secs(30);
const SURROUND: &str = "front-left,front-right,rear-left,rear-right,front-center,lfe";

/// The level of a channel, counted from 0: each has another.
fn level(channel: usize) -> f32 {
    0.1 * (channel + 1) as f32
}

fn is_near(frame: &[f32], expected: &[f32]) -> bool {
    frame.len() == expected.len() && frame.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3)
}

/// A child that is killed with the test.
struct Helper(Child);
impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A `pacat` that asks for the channels by their own names.
fn pacat(server: &PulseServer, mode: &str, device: &str, map: &str) -> Helper {
    let child = Command::new("pacat")
        .args([mode, "--raw", "--format=float32le", "--rate=48000", "--latency-msec=50"])
        .args([format!("--device={device}"), format!("--channel-map={map}")])
        .arg(format!("--channels={}", map.split(',').count()))
        .env("PULSE_SERVER", server.address())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Helper(child)
}

/// Plays each channel's level for as long as the helper lives.
fn play(server: &PulseServer, sink: &str, map: &str) -> Helper {
    let mut player = pacat(server, "--playback", sink, map);
    let mut stdin = player.0.stdin.take().unwrap();
    let frame: Vec<u8> = (0..map.split(',').count()).flat_map(|channel| level(channel).to_le_bytes()).collect();
    thread::spawn(move || while stdin.write_all(&frame.repeat(480)).is_ok() {});
    player
}

struct Tap(rtrb::Producer<f32>);
impl PeriodInput for Tap {
    fn push(&mut self, _: u64, interleaved: &[f32]) -> usize {
        // The test looks at single frames; what finds no room is of no interest.
        let _ = self.0.push_partial_slice(interleaved);
        interleaved.len()
    }

    fn mark_break(&mut self) {}
}

struct Levels(usize);
impl PeriodOutput for Levels {
    fn render(&mut self, _: u64, interleaved: &mut [f32]) {
        for frame in interleaved.chunks_exact_mut(self.0) {
            frame.iter_mut().enumerate().for_each(|(channel, sample)| *sample = level(channel));
        }
    }
}

fn input(device: &str) -> InputRequest {
    InputRequest { device: device.to_owned(), ..InputRequest::default() }
}

fn output(device: &str) -> OutputRequest {
    OutputRequest { device: device.to_owned(), ..OutputRequest::default() }
}

/// Captures until a frame is what is expected.
fn hear(device: &str, expected: &[f32]) {
    let (samples, mut heard) = rtrb::RingBuffer::new(expected.len() * 48_000);
    let stream = InputStream::open(&input(device), Box::new(Tap(samples))).unwrap();
    stream.start().unwrap();
    let (begun, mut last) = (Instant::now(), Vec::new());
    while !is_near(&last, expected) {
        assert!(begun.elapsed() < PATIENCE, "{device}: heard {last:?}, expected {expected:?}");
        if heard.slots() < expected.len() {
            thread::sleep(Duration::from_millis(2));
            continue;
        }
        last = (0..expected.len()).map(|_| heard.pop().unwrap()).collect();
    }
}

fn plug(server: &PulseServer, name: &str, map: &str) {
    let n = map.split(',').count();
    let module = [format!("sink_name={name}"), format!("channel_map={map}"), format!("channels={n}")];
    let words = ["load-module", "module-null-sink", &module[0], &module[1], &module[2], "rate=48000", "norewinds=1"];
    assert!(server.control(&words), "{words:?}");
}

/// Does what the error says; returns the id of the device that comes of it.
fn follow_the_advice(server: &PulseServer, error: Option<DeviceError>) -> String {
    let Some(DeviceError::ChannelMap { id, remedy, .. }) = &error else { panic!("{error:?}") };
    let words: Vec<&str> = remedy.split(' ').collect();
    assert_eq!(words[0], "pactl");
    assert!(server.control(&words[1..]), "{remedy}");
    format!("{id}.plain")
}

#[test]
fn channels_that_the_server_would_mix_are_refused_with_the_line_that_helps() {
    let test = "channels_that_the_server_would_mix_are_refused_with_the_line_that_helps";
    with_pulse_server(test, &[], |server| {
        let maps = [
            "aux0,aux1",
            "aux0,aux1,aux2,aux3",
            "front-left,front-right,front-center,lfe",
            "front-left,front-right,front-left,front-right",
        ];
        for (i, map) in maps.into_iter().enumerate() {
            let (name, n) = (format!("odd{i}"), map.split(',').count());
            plug(server, &name, map);
            let (monitor, sink) = (format!("pulseaudio:{name}.monitor"), format!("pulseaudio:{name}"));
            let refused = |error: Option<DeviceError>| matches!(error, Some(DeviceError::ChannelMap { .. }));
            assert!(refused(probe_input(&input(&monitor)).err()) && refused(probe_output(&output(&sink)).err()));
            let (samples, _heard) = rtrb::RingBuffer::new(1);
            let error = InputStream::open(&input(&monitor), Box::new(Tap(samples))).err();
            let plain = follow_the_advice(server, error);
            let player = play(server, &name, map);
            let levels: Vec<f32> = (0..n).map(level).collect();
            hear(&plain, &levels);
            drop(player);

            let error = OutputStream::open(&output(&sink), move |_| Box::new(Levels(n))).err();
            let plain = follow_the_advice(server, error);
            let stream = OutputStream::open(&output(&plain), move |_| Box::new(Levels(n))).unwrap();
            stream.start().unwrap();
            let mut recorder = pacat(server, "--record", &format!("{name}.monitor"), map);
            let mut stdout = recorder.0.stdout.take().unwrap();
            let (begun, mut bytes, mut frame) = (Instant::now(), vec![0; 4 * n], Vec::new());
            while !is_near(&frame, &levels) {
                assert!(begun.elapsed() < PATIENCE, "{map}: played {frame:?}, expected {levels:?}");
                stdout.read_exact(&mut bytes).unwrap();
                frame = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            }
        }
    });
}

#[test]
fn positions_in_another_order_come_in_the_documented_one() {
    with_pulse_server("positions_in_another_order_come_in_the_documented_one", &[], |server| {
        plug(server, "surround", SURROUND);
        let _player = play(server, "surround", SURROUND);
        hear("pulseaudio:surround.monitor", &[0.1, 0.2, 0.5, 0.6, 0.3, 0.4]);
        plug(server, "one", "aux5");
        let _player = play(server, "one", "aux5");
        hear("pulseaudio:one.monitor", &[0.1]);
    });
}
