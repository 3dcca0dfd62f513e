//! `ra run` with devices of real servers that are killed, stopped, unplugged, moved and not there yet, while another source
//! plays on: looked at by its recordings and its summary.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ra_device::testing::{NullSink, Pacat, PulseServer, Scene, Servers, missing_tools, prepare};
use serde_json::Value;

const MIC: NullSink = NullSink { name: "mic", rate_hz: 50_000, channels: 2 };
const OTHER: NullSink = NullSink { name: "other", rate_hz: 50_000, channels: 2 };
const RATE_HZ: u64 = 48_000;
/// What was heard last decays for so long inside a gap, 1.5 ms, before there is silence.
const DECAY_FRAMES: u64 = 72;
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `body` with servers in a folder; says so where they can't be had, and fails where they must be.
fn with_servers(scene: &Scene, body: impl FnOnce(&mut Servers, &Path)) {
    let missing = missing_tools(scene);
    if !missing.is_empty() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "this test needs {}", missing.join(", "));
        println!("skipped: not installed: {}", missing.join(", "));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    body(&mut Servers::start(folder.path(), scene), folder.path());
}

fn pulse() -> Scene {
    Scene { a: vec![MIC, OTHER], ..Scene::default() }
}

/// A config with a device that has a fallback, and a source that plays on, each recorded by itself.
fn config(folder: &Path, device: &str, more: &str) {
    let text = format!(
        r#"
        [[source]]
        name = "mic"
        kind = "device"
        device = "{device}"
        on_loss = "fallback:bed"
        {more}
        [[source]]
        name = "bed"
        kind = "mock"
        signal = {{ kind = "tone", hz = 440.0, dbfs = -20.0 }}
        [[source]]
        name = "steady"
        kind = "mock"
        signal = {{ kind = "tone", hz = 997.0, dbfs = -20.0 }}
        to = []
        [[sink]]
        name = "mic-alone"
        kind = "record"
        from = "source:mic"
        path = "{{name}}-{{index}}.wav"
        [[sink]]
        name = "steady-alone"
        kind = "record"
        from = "source:steady"
        path = "{{name}}-{{index}}.wav"
        [[sink]]
        name = "mix"
        kind = "record"
        path = "{{name}}-{{index}}.wav"
        "#
    );
    std::fs::write(folder.join("studio.toml"), text).unwrap();
}

fn ra(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ra"));
    prepare(&mut command, folder);
    command.args(words).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::null());
    command
}

/// `ra run` of the config, while `act` does something to the servers once two seconds are on the disk.
fn run(folder: &Path, seconds: u32, act: impl FnOnce(&Child)) -> Value {
    let length = format!("{seconds}s");
    // To a file: a pipe that nobody reads would make it wait when it has a lot to say.
    let log = std::fs::File::create(folder.join("stderr.log")).unwrap();
    let mut command = ra(folder, &["run", "studio.toml", "--for", &length, "--summary", "summary.json"]);
    let mut child = command.stderr(log).spawn().unwrap();
    wait_for_seconds(folder, 2);
    act(&child);
    let status = child.wait().unwrap();
    let said = std::fs::read_to_string(folder.join("stderr.log")).unwrap();
    assert!(status.success(), "{said}");
    println!("{said}");
    serde_json::from_slice(&std::fs::read(folder.join("summary.json")).unwrap()).unwrap()
}

fn wait_for_seconds(folder: &Path, seconds: u64) {
    let begun = Instant::now();
    let n_bytes = seconds * RATE_HZ * 2 * 4;
    while std::fs::metadata(folder.join("mix-0001.wav")).map_or(0, |file| file.len()) < n_bytes {
        assert!(begun.elapsed() < PATIENCE, "the recording stays short");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn samples(path: &Path) -> (Vec<f32>, u64) {
    let mut reader = hound::WavReader::open(path).unwrap();
    let n_frames = u64::from(reader.duration());
    (reader.samples::<f32>().map(Result::unwrap).collect(), n_frames)
}

/// The run of silence in a recording of two channels that has most frames: where it begins, and how many they are.
fn longest_silence(samples: &[f32]) -> (u64, u64) {
    let (mut best, mut from) = ((0, 0), None);
    for (n, frame) in samples.chunks_exact(2).enumerate() {
        if frame.iter().all(|sample| sample.abs() < 1e-4) {
            let from = *from.get_or_insert(n as u64);
            if n as u64 + 1 - from > best.1 {
                best = (from, n as u64 + 1 - from);
            }
        } else {
            from = None;
        }
    }
    best
}

/// What holds after every outage.
fn check(summary: &Value, folder: &Path, losses_at_least: u64) {
    let mic = &summary["sources"][0];
    assert_eq!(mic["name"], "mic");
    assert_eq!(mic["state"], "live", "{mic}");
    assert!(mic["losses"].as_u64().unwrap() >= losses_at_least, "{mic}");
    for row in summary["sources"].as_array().unwrap().iter().chain(summary["sinks"].as_array().unwrap()) {
        let count = |key: &str| row[format!("{key}_frames")].as_u64().unwrap();
        assert_eq!(count("produced"), count("delivered") + count("dropped") + count("queued"), "{row}");
    }
    // The timeline is whole: every recording has every frame that was mixed.
    let n_mixed = summary["engine"]["blocks"].as_u64().unwrap() * 128;
    let (steady, n_steady) = samples(&folder.join("steady-alone-0001.wav"));
    let (mix, n_mix) = samples(&folder.join("mix-0001.wav"));
    let n_mic = samples(&folder.join("mic-alone-0001.wav")).1;
    assert_eq!((n_steady, n_mix, n_mic), (n_mixed, n_mixed, n_mixed));
    // Whoever plays on is what it is without any outage, bit for bit.
    let text = "[[source]]\nname = \"steady\"\nkind = \"mock\"\nsignal = { kind = \"tone\", hz = 997.0, dbfs = -20.0 }\n\
                [[sink]]\nname = \"alone\"\nkind = \"record\"\nfrom = \"source:steady\"\npath = \"alone-{index}.wav\"\n";
    std::fs::write(folder.join("alone.toml"), text).unwrap();
    let status = ra(folder, &["run", "alone.toml", "--for", "2s"]).status().unwrap();
    assert!(status.success());
    let (alone, _) = samples(&folder.join("alone-0001.wav"));
    assert!(
        alone.len() >= 2 * 2 * 48_000 && alone[..] == steady[..alone.len()],
        "the source that plays on was touched"
    );
    // A tone of 48,000 frames' period repeats itself to the bit, so the rest of it is known as well.
    let second = 2 * RATE_HZ as usize;
    let n_other = steady[second..].iter().zip(&steady).filter(|(a, b)| (*a - *b).abs() > 1e-6).count();
    assert_eq!(n_other, 0, "samples that differ from a second before");
    // The fallback is heard: while the device is away, nothing in the mix is silent for longer than 20 ms.
    for (at, n_frames, reason) in gaps(summary).into_iter().filter(|gap| gap.2 == "device-lost") {
        let away = &mix[2 * at as usize..2 * (at + n_frames) as usize];
        let (silent_at, n_silent) = longest_silence(away);
        assert!(n_silent <= RATE_HZ / 50, "{n_silent} silent frames, {silent_at} behind {at}: {reason}");
    }
}

fn gaps(summary: &Value) -> Vec<(u64, u64, String)> {
    let gaps = summary["sources"][0]["gaps"].as_array().unwrap();
    let entry = |gap: &Value| {
        let number = |key: &str| gap[key].as_u64().unwrap();
        (number("at_frame"), number("n_frames"), gap["reason"].as_str().unwrap().to_owned())
    };
    gaps.iter().map(entry).collect()
}

/// A tone in a microphone for as long as it lives.
struct Voice(Child);

impl Voice {
    fn start(server: &PulseServer) -> Self {
        use std::io::Write;
        let mut child = server.pacat(Pacat::Play, MIC.name, MIC.rate_hz, MIC.channels);
        let mut stdin = child.stdin.take().unwrap();
        std::thread::spawn(move || {
            // Cosine and sine: never both silent.
            for i in 0u32.. {
                let turn = f64::from(i % 500) / 500.0 * std::f64::consts::TAU;
                let frame = [0.25 * turn.cos() as f32, 0.25 * turn.sin() as f32];
                let bytes: Vec<u8> = frame.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                if stdin.write_all(&bytes).is_err() {
                    return;
                }
            }
        });
        Self(child)
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Threads of another process.
fn n_threads(process: &Child) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", process.id())).map_or(0, Iterator::count)
}

#[test]
fn a_server_that_is_killed_and_comes_back_leaves_a_gap_and_nothing_else() {
    with_servers(&pulse(), |servers, folder| {
        config(folder, "pulseaudio:mic.monitor", "");
        let mut voice = Some(Voice::start(&servers.a));
        let summary = run(folder, 9, |ra| {
            let n_before = n_threads(ra);
            for _ in 0..3 {
                servers.a.kill();
                std::thread::sleep(Duration::from_millis(300));
                servers.a.restart();
                voice = Some(Voice::start(&servers.a));
                std::thread::sleep(Duration::from_millis(1_200));
            }
            let begun = Instant::now();
            while n_threads(ra) > n_before {
                assert!(begun.elapsed() < PATIENCE, "{} threads, were {n_before}", n_threads(ra));
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        drop(voice);
        check(&summary, folder, 3);
        let lost: Vec<_> = gaps(&summary).into_iter().filter(|gap| gap.2 == "device-lost").collect();
        println!("gaps: {lost:?}");
        let missing: u64 = lost.iter().map(|gap| gap.1).sum();
        assert!(lost.len() >= 3, "{lost:?}");
        // 300 ms away each time, the server's own start and half a second at most.
        assert!((3 * RATE_HZ * 3 / 10..3 * RATE_HZ * 2).contains(&missing), "{missing} frames are missing");
    });
}

#[test]
fn a_device_that_is_unplugged_or_moved_is_lost_and_comes_back_by_its_id() {
    with_servers(&pulse(), |servers, folder| {
        config(folder, "pulseaudio:mic.monitor", "");
        let mut voice = Some(Voice::start(&servers.a));
        let summary = run(folder, 8, |_| {
            servers.a.unplug(MIC.name);
            std::thread::sleep(Duration::from_millis(300));
            servers.a.plug(MIC);
            voice = Some(Voice::start(&servers.a));
            std::thread::sleep(Duration::from_millis(2_000));
            servers.a.move_recorders_to("other.monitor");
        });
        drop(voice);
        check(&summary, folder, 2);
        let states = summary["sources"][0]["states"].to_string();
        assert!(states.contains("moved to pulseaudio:other.monitor"), "{states}");
        // The move is over at once: the sound that goes on has a hole of just the gap's frames in the recording.
        let (mic, _) = samples(&folder.join("mic-alone-0001.wav"));
        let moved = gaps(&summary).into_iter().rfind(|gap| gap.2 == "device-lost").unwrap();
        let (at, n_frames) = {
            let from = (moved.0 as usize).saturating_sub(4_800) * 2;
            let to = ((moved.0 + moved.1) as usize + 4_800).min(mic.len() / 2) * 2;
            let (at, n_frames) = longest_silence(&mic[from..to]);
            (from as u64 / 2 + at, n_frames)
        };
        println!("moved: gap {moved:?}, silence {n_frames} at {at}");
        let one_ms = RATE_HZ / 1_000;
        let heard_last = at - DECAY_FRAMES;
        assert!(heard_last.abs_diff(moved.0) <= one_ms, "the silence begins at {at}, the gap at {}", moved.0);
        assert!((at + n_frames).abs_diff(moved.0 + moved.1) <= one_ms, "ends at {}, {moved:?}", at + n_frames);
        let back_ms = moved.1 as f64 * 1e3 / RATE_HZ as f64;
        assert!(back_ms <= 500.0, "back after {back_ms} ms");
    });
}

#[test]
fn a_server_that_stands_still_is_a_stall_and_goes_on() {
    with_servers(&pulse(), |servers, folder| {
        config(folder, "pulseaudio:mic.monitor", "");
        let _voice = Voice::start(&servers.a);
        let summary = run(folder, 8, |_| {
            servers.a.stop();
            std::thread::sleep(Duration::from_millis(1_500));
            servers.a.go_on();
        });
        println!("gaps: {:?}", gaps(&summary));
        println!("states: {}", summary["sources"][0]["states"]);
        let missing: u64 = gaps(&summary).iter().map(|gap| gap.1).sum();
        assert!(missing > RATE_HZ / 2, "{missing} frames are missing of 1.5 s");
        let mic = &summary["sources"][0];
        assert_eq!(mic["state"], "live", "{mic}");
        let n_mixed = summary["engine"]["blocks"].as_u64().unwrap() * 128;
        assert_eq!(samples(&folder.join("mic-alone-0001.wav")).1, n_mixed);
    });
}

#[test]
fn a_device_that_is_not_required_is_waited_for() {
    with_servers(&Scene { a: vec![OTHER], ..Scene::default() }, |servers, folder| {
        config(folder, "pulseaudio:mic.monitor", "");
        let output = ra(folder, &["run", "studio.toml", "--for", "1s"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "without it, it does not start");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("no input device \"pulseaudio:mic.monitor\""), "{said}");
        assert!(!folder.join("mix-0001.wav").exists(), "and nothing is written");

        config(folder, "pulseaudio:mic.monitor", "required = false");
        let mut voice = None;
        let summary = run(folder, 6, |_| {
            servers.a.plug(MIC);
            voice = Some(Voice::start(&servers.a));
        });
        drop(voice);
        check(&summary, folder, 0);
        let mic = &summary["sources"][0];
        assert!(mic["delivered_frames"].as_u64().unwrap() > 2 * 50_000, "{mic}");
        // Its periods are longer than the latency was without it: torn to pieces, it would have 50 a second.
        let n_gaps = mic["gaps"].as_array().unwrap().len();
        println!("{n_gaps} gaps behind its coming");
        assert!(n_gaps < 30, "{mic}");
    });
}

#[test]
fn no_sound_system_is_said_and_what_needs_none_runs() {
    let folder = tempfile::tempdir().unwrap();
    config(folder.path(), "pulseaudio:mic.monitor", "");
    let output = ra(folder.path(), &["run", "studio.toml", "--for", "1s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("can't reach the sound server"), "{said}");
    config(folder.path(), "pulseaudio:mic.monitor", "required = false");
    let summary = run(folder.path(), 3, |_| {});
    let mic = &summary["sources"][0];
    assert_eq!(mic["state"], "fallback", "{mic}");
    assert!(mic["reason"].as_str().unwrap().contains("sound server"), "{mic}");
}

/// A JACK server is exact, and has nothing to hear: here it is the list of gaps that is looked at.
#[cfg(feature = "jack")]
#[test]
fn a_jack_server_that_is_killed_or_stopped_is_followed() {
    let scene = Scene { jack_period_frames: Some(256), ..Scene::default() };
    with_servers(&scene, |servers, folder| {
        config(folder, "jack:input", "");
        let summary = run(folder, 10, |_| {
            let jack = servers.jack.as_mut().unwrap();
            jack.kill();
            std::thread::sleep(Duration::from_millis(300));
            jack.restart();
            std::thread::sleep(Duration::from_millis(1_500));
            jack.stop();
            std::thread::sleep(Duration::from_millis(1_500));
            jack.go_on();
        });
        println!("gaps: {:?}", gaps(&summary));
        println!("states: {}", summary["sources"][0]["states"]);
        let mic = &summary["sources"][0];
        assert_eq!(mic["state"], "live", "{mic}");
        let n_mixed = summary["engine"]["blocks"].as_u64().unwrap() * 128;
        assert_eq!(samples(&folder.join("mic-alone-0001.wav")).1, n_mixed);
        let missing: u64 = gaps(&summary).iter().map(|gap| gap.1).sum();
        assert!((RATE_HZ..5 * RATE_HZ).contains(&missing), "{missing} frames");
    });
}
