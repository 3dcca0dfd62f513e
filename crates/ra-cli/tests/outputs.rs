//! `ra run` with several outputs on real servers, one of which stands still or leads the engine and is killed: looked at by
//! what the others play, by the recording and by the summary.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ra_device::testing::{
    NullSink, Pacat, PulseServer, Scene, Servers, longest_clean_stretch, measure_tone, missing_tools, prepare,
};
use serde_json::Value;

const SPEAKER: NullSink = NullSink { name: "speaker", rate_hz: 50_000, channels: 2 };
const OTHER: NullSink = NullSink { name: "other", rate_hz: 50_000, channels: 2 };
const TONE_HZ: f64 = 997.0;
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `body` with server `a`, which has the speaker, and server `b`, whose speaker is `alsa:b_out`; says so where they
/// can't be had, and fails where they must be.
fn with_servers(body: impl FnOnce(&mut Servers, &Path)) {
    let scene = Scene { a: vec![SPEAKER], b: Some((vec![OTHER], 0.0)), ..Scene::default() };
    let missing = missing_tools(&scene);
    if !missing.is_empty() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "this test needs {}", missing.join(", "));
        println!("skipped: not installed: {}", missing.join(", "));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut servers = Servers::start(folder.path(), &scene);
    // The names that are there already are for recording.
    let server = format!("server \"{}\" device {}", servers.b.as_ref().unwrap().address(), OTHER.name);
    let name = format!("pcm.b_out {{ type pulse {server} hint {{ show on description \"b\" }} }}\n");
    let conf = folder.path().join("asound.conf");
    std::fs::write(&conf, std::fs::read_to_string(&conf).unwrap() + &name).unwrap();
    body(&mut servers, folder.path());
}

/// A tone, a recorder of it, and the outputs.
fn config(folder: &Path, engine: &str, outputs: &[(&str, &str)]) {
    let mut text = format!(
        "[engine]\n{engine}\n[[source]]\nname = \"tone\"\nkind = \"mock\"\n\
         signal = {{ kind = \"tone\", hz = {TONE_HZ:.1}, dbfs = -12.0 }}\n\
         [[sink]]\nname = \"mix\"\nkind = \"record\"\npath = \"mix-{{index}}.wav\"\n"
    );
    for (name, device) in outputs {
        text += &format!("[[sink]]\nname = \"{name}\"\nkind = \"output\"\ndevice = \"{device}\"\n");
    }
    std::fs::write(folder.join("studio.toml"), text).unwrap();
}

/// `ra run` of the config, while `act` does something to the servers once two seconds are on the disk. Ends soon after its
/// time, whatever was done.
fn run(folder: &Path, seconds: u64, act: impl FnOnce()) -> Value {
    let log = std::fs::File::create(folder.join("stderr.log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ra"));
    prepare(&mut command, folder);
    let length = format!("{seconds}s");
    command.args(["run", "studio.toml", "--for", &length, "--summary", "summary.json"]).current_dir(folder);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let begun = Instant::now();
    while std::fs::metadata(folder.join("mix-0001.wav")).map_or(0, |file| file.len()) < 2 * 48_000 * 2 * 4 {
        assert!(begun.elapsed() < PATIENCE, "the recording stays short");
        std::thread::sleep(Duration::from_millis(10));
    }
    act();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(seconds) + PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    };
    println!("{}", std::fs::read_to_string(folder.join("stderr.log")).unwrap());
    println!("{status}, {} s", begun.elapsed().as_secs_f64());
    serde_json::from_slice(&std::fs::read(folder.join("summary.json")).unwrap()).unwrap()
}

/// What a speaker plays, its left channel, until it is asked for it.
struct Listener(Child, std::thread::JoinHandle<Vec<f32>>);

impl Listener {
    fn start(server: &PulseServer, sink: NullSink) -> Self {
        let mut child = server.pacat(Pacat::Record, &format!("{}.monitor", sink.name), sink.rate_hz, sink.channels);
        let mut stdout = child.stdout.take().unwrap();
        let heard = std::thread::spawn(move || {
            let (mut heard, mut frame) = (Vec::new(), [0; 8]);
            while stdout.read_exact(&mut frame).is_ok() {
                heard.push(f32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]));
            }
            heard
        });
        Self(child, heard)
    }

    fn end(mut self) -> Vec<f32> {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        self.1.join().unwrap()
    }
}

fn sink<'a>(summary: &'a Value, name: &str) -> &'a Value {
    summary["sinks"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()
}

/// Every account balances, and the recording has every frame that was mixed, one tone from its first to its last.
fn check(summary: &Value, folder: &Path) -> u64 {
    for row in summary["sinks"].as_array().unwrap() {
        let count = |key: &str| row[format!("{key}_frames")].as_u64().unwrap();
        assert_eq!(count("produced"), count("delivered") + count("dropped") + count("queued"), "{row}");
    }
    let n_mixed = summary["engine"]["blocks"].as_u64().unwrap() * 128;
    let mut reader = hound::WavReader::open(folder.join("mix-0001.wav")).unwrap();
    let samples: Vec<f32> = reader.samples::<f32>().step_by(2).map(Result::unwrap).collect();
    assert_eq!(samples.len() as u64, n_mixed);
    let mix = sink(summary, "mix");
    assert_eq!((mix["dropped_frames"].as_u64(), mix["gaps"].as_array().map(Vec::len)), (Some(0), Some(0)), "{mix}");
    // A mock in the mixer's own thread repeats itself to the bit.
    let n_other = samples[48_000..].iter().zip(&samples).filter(|(a, b)| (*a - *b).abs() > 1e-6).count();
    assert_eq!(n_other, 0, "samples that differ from a second before");
    n_mixed
}

#[test]
fn an_output_that_stands_still_holds_up_neither_another_one_nor_the_mixer() {
    with_servers(|servers, folder| {
        config(folder, "", &[("speaker", "pulseaudio:speaker"), ("other", "alsa:b_out")]);
        let mut listener = None;
        let summary = run(folder, 9, || {
            let b = servers.b.as_ref().unwrap();
            b.stop();
            listener = Some(Listener::start(&servers.a, SPEAKER));
            std::thread::sleep(Duration::from_secs(4));
            b.go_on();
        });
        let heard = listener.unwrap().end();
        let n_mixed = check(&summary, folder);
        assert!(n_mixed >= 9 * 48_000, "{n_mixed}");
        let other = sink(&summary, "other");
        assert!(other["dropped_frames"].as_u64().unwrap() > 48_000, "4 s could not be played: {other}");
        let speaker = sink(&summary, "speaker");
        assert_eq!(speaker["state"], "ok", "{speaker}");
        // In the first seconds its clock is not yet followed: the tone is off by what is being found out.
        let clean = longest_clean_stretch(&heard, 50_000.0, TONE_HZ);
        let (hz, dbfs) = measure_tone(clean, 50_000.0, TONE_HZ);
        println!("{} of {} frames in one piece, {hz} Hz, {dbfs} dBFS", clean.len(), heard.len());
        assert!(clean.len() > 2 * 50_000, "{} of {} frames in one piece", clean.len(), heard.len());
        assert!((hz / TONE_HZ - 1.0).abs() < 1e-3 && (dbfs + 12.0).abs() < 0.2, "{hz} Hz, {dbfs} dBFS");
    });
}

#[test]
fn a_master_that_is_killed_is_waited_for_by_nobody_and_leads_again() {
    with_servers(|servers, folder| {
        config(folder, "master = \"sink:lead\"", &[("lead", "pulseaudio:speaker"), ("other", "alsa:b_out")]);
        let begun = Instant::now();
        let summary = run(folder, 12, || {
            servers.a.kill();
            std::thread::sleep(Duration::from_secs(1));
            servers.a.restart();
        });
        let (n_mixed, passed_s) = (check(&summary, folder), begun.elapsed().as_secs_f64());
        // `--for` is in time of the mix; the process takes a little more to start and to end.
        assert!(n_mixed >= 12 * 48_000 && passed_s < 16.0, "{n_mixed} frames in {passed_s} s");
        let lead = sink(&summary, "lead");
        assert_eq!(lead["state"], "ok", "{lead}");
        let dropped = lead["dropped_frames"].as_u64().unwrap();
        assert!((48_000 / 2..3 * 48_000).contains(&dropped), "away for a second: {lead}");
        let notes = lead["notes"].to_string();
        assert!(notes.contains("lost 1 times, opened again 1 times"), "{notes}");
        println!("engine: {}", summary["engine"]);
        assert_eq!(summary["engine"]["master"]["state"], "following", "{}", summary["engine"]);
    });
}
