//! `ra` with a real sound server: what is played into a microphone stands in the recording, and what is mixed is heard.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::f64::consts::TAU;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use ra_device::testing::{NullSink, PulseServer, longest_clean_stretch, measure_tone, with_pulse_server};

const RATE_HZ: f64 = 48_000.0;
const TONE_HZ: f64 = 997.0;
/// How far the server's stamps wander within seconds, and the recordings with them; measured, without a mixer in between.
const STAMPS_WANDER_S: f64 = 0.7e-3;
const MIC: NullSink = NullSink { name: "mic", rate_hz: 48_000, channels: 1 };
const ROOM: NullSink = NullSink { name: "room", rate_hz: 48_000, channels: 2 };

fn amplitude(dbfs: f64) -> f64 {
    10f64.powf(dbfs / 20.0)
}

fn write_tone(path: &Path, dbfs: f64) {
    let format = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(path, format).unwrap();
    for n in 0..120 * 48_000 {
        writer.write_sample((amplitude(dbfs) * (TAU * TONE_HZ * f64::from(n) / RATE_HZ).sin()) as f32).unwrap();
    }
    writer.finalize().unwrap();
}

fn ra(server: &PulseServer, args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_ra")).current_dir(server.folder()).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Waits until a file has so many bytes; for a minute, which on no machine is a matter of luck.
fn wait_for_file(path: &Path, n_bytes: u64) {
    let begun = Instant::now();
    while std::fs::metadata(path).map_or(0, |file| file.len()) < n_bytes {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} stays short", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn read_left(path: &Path) -> Vec<f32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let channels = usize::from(reader.spec().channels);
    reader.samples::<f32>().step_by(channels).map(Result::unwrap).collect()
}

/// The tone's frequency and level in the longest stretch that the server left whole: a busy machine makes it tear some.
fn check_tone(samples: &[f32], dbfs: f64) {
    let clean = longest_clean_stretch(samples, RATE_HZ, TONE_HZ);
    assert!(clean.len() > 30_000, "more than half a second in one piece, got {} frames", clean.len());
    let (hz, level_dbfs) = measure_tone(clean, RATE_HZ, TONE_HZ);
    let tolerance = 100e-6 + STAMPS_WANDER_S * RATE_HZ / clean.len() as f64;
    assert!((hz / TONE_HZ - 1.0).abs() < tolerance, "{hz} Hz, expected {TONE_HZ} to {:.0} ppm", tolerance * 1e6);
    assert!((level_dbfs - dbfs).abs() < 0.1, "{level_dbfs} dBFS");
}

#[test]
fn a_tone_in_the_microphone_stands_in_the_recording_and_every_frame_is_accounted_for() {
    let test = "a_tone_in_the_microphone_stands_in_the_recording_and_every_frame_is_accounted_for";
    with_pulse_server(test, &[MIC, ROOM], |server| {
        let folder = server.folder().to_owned();
        write_tone(&folder.join("speech.wav"), -12.0);
        let mut player = server.play_file("mic", &folder.join("speech.wav"));
        std::fs::write(
            folder.join("studio.toml"),
            r#"
            [[source]]
            name = "mic"
            kind = "device"
            device = "pulseaudio:mic.monitor"
            mono = "unity"
            [[sink]]
            name = "archive"
            kind = "record"
            path = "archive.wav"
            [[sink]]
            name = "alone"
            kind = "record"
            from = "source:mic"
            path = "alone.wav"
            [[sink]]
            name = "room"
            kind = "output"
            device = "pulseaudio:room"
            [[sink]]
            name = "echo"
            kind = "record"
            path = "echo.wav"
            "#,
        )
        .unwrap();
        let listed: serde_json::Value = serde_json::from_slice(&ra(server, &["devices", "--json"]).stdout).unwrap();
        let ids: Vec<_> = listed["devices"].as_array().unwrap().iter().map(|device| device["id"].clone()).collect();
        assert!(ids.contains(&"pulseaudio:mic.monitor".into()), "{ids:?}");

        ra(server, &["run", "studio.toml", "--for", "5s", "--summary", "summary.json"]);
        drop(player.kill());
        drop(player.wait());

        let archive = read_left(&folder.join("archive.wav"));
        assert!(archive.len() >= 5 * 48_000);
        check_tone(&archive, -12.0);
        let alone = read_left(&folder.join("alone.wav"));
        assert_eq!(archive.len(), alone.len(), "two recordings of one run begin and end together");
        assert!(archive == alone, "and mono at unity is the same on the bus as unmixed");
        assert!(archive == read_left(&folder.join("echo.wav")), "two recordings of one bus agree bit for bit");

        let summary: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("summary.json")).unwrap()).unwrap();
        for row in summary["sources"].as_array().unwrap().iter().chain(summary["sinks"].as_array().unwrap()) {
            let count = |key: &str| row[format!("{key}_frames")].as_u64().unwrap();
            assert_eq!(count("produced"), count("delivered") + count("dropped") + count("queued"), "{row}");
            assert_eq!(count("queued"), 0, "{row}");
            assert!(count("delivered") > 4 * 48_000, "{row}");
        }
    });
}

#[test]
fn an_output_that_is_the_master_paces_the_mix_and_hands_it_back_when_it_goes() {
    let test = "an_output_that_is_the_master_paces_the_mix_and_hands_it_back_when_it_goes";
    with_pulse_server(test, &[ROOM], |server| {
        let folder = server.folder().to_owned();
        let config = r#"
            [engine]
            master = "sink:room"
            [[source]]
            name = "tone"
            kind = "mock"
            signal = { kind = "tone", hz = 997.0, dbfs = -12.0 }
            clock = { ppm = 100.0 }
            [[sink]]
            name = "room"
            kind = "output"
            device = "pulseaudio:room"
            [[sink]]
            name = "tape"
            kind = "record"
            path = "{name}-{index}.wav"
            "#;
        std::fs::write(folder.join("master.toml"), config).unwrap();
        ra(server, &["run", "master.toml", "--for", "8s", "--summary", "led.json"]);
        let summary = |file: &str| -> serde_json::Value {
            serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap()
        };
        let master = &summary("led.json")["engine"]["master"];
        assert_eq!((&master["asked"], &master["state"]), (&"sink:room".into(), &"following".into()), "{master}");
        // The server's null sink runs by the same clock as we do; its stamps are so coarse that it may not be known yet.
        assert!(master["drift_ppm"].as_f64().is_none_or(|ppm| ppm.abs() < 500.0), "{master}");
        check_tone(&read_left(&folder.join("tape-0001.wav"))[48_000..], -12.0);

        let run = Command::new(env!("CARGO_BIN_EXE_ra"))
            .current_dir(&folder)
            .args(["run", "master.toml", "--for", "8s", "--summary", "left.json"])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // Once four seconds are on the disk it leads, or it never will.
        wait_for_file(&folder.join("tape-0002.wav"), 4 * 48_000 * 2 * 4);
        assert!(server.control(&["unload-module", "module-null-sink"]), "pactl unload-module");
        let output = run.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "the output is lost for good");
        let master = &summary("left.json")["engine"]["master"];
        assert_eq!(master["state"], "gone", "{master}");
        assert!(master["reason"].as_str().unwrap().contains("sink room was to be the master clock"), "{master}");
        check_tone(&read_left(&folder.join("tape-0002.wav"))[48_000..], -12.0);
    });
}
