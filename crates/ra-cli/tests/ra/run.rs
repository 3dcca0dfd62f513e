//! `ra run`: what it records, its account, and its ends.

use std::io::Read;
#[cfg(target_os = "linux")]
use std::io::Write;
use std::process::Stdio;
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Place, Sound, noise};

fn summary(place: &Place, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(place.path(name)).unwrap()).unwrap()
}

/// Checks the identity in every row; returns the rows.
fn balanced_rows(summary: &Value) -> Vec<&Value> {
    assert_eq!(summary["schema"], 1);
    let rows: Vec<&Value> = ["sources", "sinks"].iter().flat_map(|key| summary[key].as_array().unwrap()).collect();
    for row in &rows {
        let count = |key: &str| row[key].as_u64().unwrap();
        let rest = count("delivered_frames") + count("dropped_frames") + count("queued_frames");
        assert_eq!(count("produced_frames"), rest, "{row}");
        assert_eq!(count("queued_frames"), 0, "{row}");
    }
    rows
}

#[test]
fn the_embedded_default_records_and_accounts_for_every_frame() {
    let place = Place::new();
    let outcome = place.ra("run --for 1s --summary sum.json").expect_code(0);
    assert!(outcome.stdout.contains("real-time class: "), "{}", outcome.stdout);
    let summary = summary(&place, "sum.json");
    let rows = balanced_rows(&summary);
    assert_eq!(rows.len(), 5);
    let n_blocks = summary["engine"]["blocks"].as_u64().unwrap();
    assert!(n_blocks >= 375, "{n_blocks}");
    for key in ["class", "priority", "memory_locked"] {
        assert!(!summary["engine"]["realtime"][key].is_null(), "{key}");
    }
    let sinks = summary["sinks"].as_array().unwrap();
    for sink in sinks {
        assert_eq!(sink["state"], "ok");
        let file = sink["files"][0].as_str().unwrap();
        assert!(file.starts_with("recordings/"), "{file}");
        assert!(outcome.stdout.contains(file), "{file}: {}", outcome.stdout);
        let sound = Sound::read(&place.path(file));
        assert_eq!(sound.hz, 48_000);
        assert_eq!(sound.n_channels, 2);
        assert_eq!(sink["produced_frames"].as_u64().unwrap(), sound.n_frames() as u64, "{file}");
        assert!(sound.n_frames() as u64 >= n_blocks * 128, "{file}");
        // The tone is there at its level: −26 dBFS in the mix behind its gain, −20 by itself.
        let dbfs = 20.0 * sound.tone_amplitude(440.0, 0, 12_000..36_000).log10();
        let expected = if file.contains("tone-alone") { -20.0 } else { -26.0 };
        assert!((dbfs - expected).abs() < 0.5, "{file}: {dbfs} dBFS");
    }
}

#[test]
fn files_are_recorded_to_their_end_sample_by_sample() {
    let place = Place::new();
    place.write_wav("a.wav", (48_000, 2, 20_001), noise(1));
    place.write_wav("b.wav", (48_000, 2, 9_000), noise(2));
    place.write(
        "ra.toml",
        r#"
        [engine]
        realtime = "off"
        [[source]]
        name = "a"
        kind = "file"
        path = "a.wav"
        [[source]]
        name = "b"
        kind = "file"
        path = "b.wav"
        gain_db = -6
        [[sink]]
        name = "mix"
        kind = "record"
        path = "mix.wav"
        sidecar = false
        [[sink]]
        name = "b-alone"
        kind = "record"
        from = "source:b"
        path = "b-alone.wav"
        "#,
    );
    let outcome = place.ra("run ra.toml --until-end --summary sum.json").expect_code(0);
    let summary = summary(&place, "sum.json");
    balanced_rows(&summary);
    for source in summary["sources"].as_array().unwrap() {
        assert_eq!(source["state"], "ended", "{source}");
        assert_eq!(source["drift_ppm"], Value::Null);
    }
    assert_eq!(summary["sources"][0]["produced_frames"], 20_001);
    assert_eq!(summary["sources"][1]["delivered_frames"], 9_000);
    assert_eq!(place.names(), ["a.wav", "b-alone.wav", "b-alone.wav.json", "b.wav", "mix.wav", "ra.toml", "sum.json"]);
    let mix = place.read_wav("mix.wav");
    assert!(mix.n_frames() >= 20_001, "{}: {}", mix.n_frames(), outcome.stderr);
    // Wherever the mixer was held up there is silence of the same length, counted: then the sum is found elsewhere.
    if summary["engine"]["xruns"] == 0 {
        let (at, alone_at) = (start_of(&mix), start_of(&place.read_wav("b-alone.wav")));
        assert_eq!(at, alone_at);
        let gain = 10f64.powf(-6.0 / 20.0);
        for frame in 0..20_001 {
            let b = if frame < 9_000 { f64::from(noise(2)(frame, 1)) * gain } else { 0.0 };
            let expected = f64::from(noise(1)(frame, 1)) + b;
            let found = f64::from(mix.samples[(at + frame) * 2 + 1]);
            assert!((found - expected).abs() < 1e-6, "frame {frame}: {found}, expected {expected}");
        }
    }
}

/// The first frame that is not silent.
fn start_of(sound: &Sound) -> usize {
    sound.samples.iter().position(|&sample| sample != 0.0).unwrap() / sound.n_channels
}

#[test]
fn what_can_not_end_by_itself_is_not_waited_for() {
    let place = Place::new();
    let outcome = place.ra("run --until-end").expect_code(2);
    assert!(outcome.stderr.contains("--until-end: no source ends by itself"), "{}", outcome.stderr);
    assert!(place.names().is_empty());
}

#[test]
fn a_summary_that_can_not_be_written_is_found_before_the_run() {
    let place = Place::new();
    let outcome = place.ra("run --for 1s --summary no/sum.json").expect_code(2);
    assert!(outcome.stderr.contains("--summary: there is no directory no"), "{}", outcome.stderr);
    assert!(place.names().is_empty());
}

#[test]
fn a_sink_that_can_not_be_opened_is_named() {
    let place = Place::new();
    place.write(
        "ra.toml",
        "[[source]]\nname = \"a\"\nkind = \"mock\"\n[[sink]]\nname = \"s\"\nkind = \"record\"\npath = \"/proc/no/s-{time}.wav\"\n",
    );
    let outcome = place.ra("run ra.toml --for 1s").expect_code(1);
    assert!(outcome.stderr.contains("sink \"s\"") && outcome.stderr.contains("/proc/no"), "{}", outcome.stderr);
}

/// One endless source into `s.wav`.
const ENDLESS: &str =
    "[[source]]\nname = \"a\"\nkind = \"mock\"\n[[sink]]\nname = \"s\"\nkind = \"record\"\npath = \"s.wav\"\n";

/// Starts an endless run; returns when it is set up, and so listens for signals.
#[cfg(unix)]
fn start_endless(place: &Place) -> std::process::Child {
    place.write("ra.toml", ENDLESS);
    let mut command = place.command("run ra.toml --summary sum.json");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !place.path("s.wav").exists() {
        assert!(child.try_wait().unwrap().is_none(), "ended by itself");
        std::thread::yield_now();
    }
    child
}

/// Sends signals, in their order.
#[cfg(unix)]
fn send(child: &std::process::Child, signals: &[&str]) {
    for signal in signals {
        let kill = std::process::Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }
}

#[cfg(unix)]
#[cfg(target_os = "linux")]
#[test]
fn a_full_pipe_behind_stderr_holds_up_neither_the_run_nor_its_end() {
    let place = Place::new();
    let (reader, mut writer) = std::io::pipe().unwrap();
    // As much as a pipe holds: nothing that is logged finds room, and nobody reads.
    writer.write_all(&[b'x'; 65_536]).unwrap();
    let mut command = place.command("run --for 1s -vvv --summary sum.json");
    let mut child = command.stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > Duration::from_secs(60) => {
                child.kill().unwrap();
                panic!("it hangs");
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    drop(reader);
    assert_eq!(status.code(), Some(0));
    let summary = summary(&place, "sum.json");
    assert!(summary["engine"]["blocks"].as_u64().unwrap() >= 375);
    balanced_rows(&summary);
}

#[test]
fn a_signal_ends_a_run_cleanly() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let mut child = start_endless(&place);
        send(&child, &[signal]);
        let mut stdout = String::new();
        child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
        let summary = summary(&place, "sum.json");
        balanced_rows(&summary);
        let n_frames = place.read_wav("s.wav").n_frames() as u64;
        assert_eq!(summary["sinks"][0]["produced_frames"], n_frames);
        assert!(stdout.contains("s.wav"), "{stdout}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_second_signal_ends_at_once() {
    let place = Place::new();
    let mut child = start_endless(&place);
    // Stopped meanwhile: it finds both signals when it goes on.
    send(&child, &["STOP", "TERM", "INT", "CONT"]);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(!place.path("sum.json").exists());
    // What was recorded opens all the same.
    place.read_wav("s.wav");
}

#[cfg(unix)]
#[test]
fn a_file_that_shrinks_while_it_plays_is_a_failure_that_names_it() {
    let place = Place::new();
    place.write_wav("long.wav", (48_000, 2, 48_000 * 60), noise(1));
    place.write(
        "ra.toml",
        "[[source]]\nname = \"a\"\nkind = \"file\"\npath = \"long.wav\"\n\
         [[sink]]\nname = \"s\"\nkind = \"record\"\npath = \"s.wav\"\n",
    );
    let mut command = place.command("run ra.toml --until-end --summary sum.json");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !place.path("s.wav").exists() {
        std::thread::yield_now();
    }
    std::fs::File::options().write(true).open(place.path("long.wav")).unwrap().set_len(1_000_000).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("source \"a\"") && stderr.contains("long.wav"), "{stderr}");
    let summary = summary(&place, "sum.json");
    balanced_rows(&summary);
    assert_eq!(summary["sources"][0]["state"], "failed");
    assert_eq!(summary["sinks"][0]["state"], "ok");
}

#[test]
fn every_file_of_a_split_recording_is_in_the_summary_and_together_they_are_the_run() {
    let place = Place::new();
    place.write(
        "ra.toml",
        r#"
        [engine]
        realtime = "off"
        [[source]]
        name = "tone"
        kind = "mock"
        [[sink]]
        name = "parts"
        kind = "record"
        path = "out/{index}.wav"
        split_every = "250ms"
        keep = "1h"
        [[sink]]
        name = "whole"
        kind = "record"
        path = "out/whole.wav"
        [[sink]]
        name = "armed"
        kind = "record"
        path = "out/armed.wav"
        start = "paused"
        pre_roll = "1s"
        "#,
    );
    place.ra("run ra.toml --for 1s --summary sum.json").expect_code(0);
    let summary = summary(&place, "sum.json");
    balanced_rows(&summary);
    let [parts, whole, armed] = &summary["sinks"].as_array().unwrap()[..] else { panic!("{summary}") };
    let files: Vec<&str> = parts["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    assert!(files.len() >= 4 && files[0].ends_with("0001.wav"), "{files:?}");
    assert_eq!((&parts["files_omitted"], &parts["stalls"]), (&0.into(), &0.into()));
    let sounds: Vec<Sound> = files.iter().map(|file| Sound::read(&place.path(file))).collect();
    let (_, full) = sounds.split_last().unwrap();
    assert!(full.iter().all(|sound| sound.n_frames() == 12_000));
    let together: Vec<f32> = sounds.iter().flat_map(|sound| sound.samples.clone()).collect();
    assert!(together == Sound::read(&place.path(whole["files"][0].as_str().unwrap())).samples);
    // What waits for a command takes everything and keeps nothing.
    assert_eq!(armed["files"].as_array().unwrap().len(), 0);
    assert_eq!(armed["delivered_frames"], armed["produced_frames"]);
    assert!(!place.path("out/armed.wav").exists());
}
