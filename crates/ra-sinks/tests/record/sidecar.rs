//! `FILE.json`: its words, when it is renewed, and that it never grows without bound.

use std::time::Duration;

use ra_core::{GapReason, Sink};
use ra_sinks::{RecorderConfig, SampleFormat, Sidecar, SilenceRule};
use serde_json::json;

use crate::signal::{Driver, sidecar_of};

#[test]
fn it_says_when_it_began_what_is_missing_and_how_loud_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let config = RecorderConfig { format: SampleFormat::S16, ..RecorderConfig::new(dir.path().join("{name}.wav")) };
    let mut driver = Driver::start(config, 2);
    let path = driver.path();
    let begun = sidecar_of(&path);
    assert_eq!((&begun["state"], &begun["frames"]), (&json!("recording"), &json!(0)));

    driver.write_samples(&[0.5, -2.0].repeat(480)).unwrap();
    driver.recorder.flush().unwrap();
    assert_eq!(sidecar_of(&path), begun, "levels alone wait for ten seconds");
    driver.gap(960, GapReason::DeviceLost);
    driver.recorder.flush().unwrap();
    assert_eq!(sidecar_of(&path)["gaps"].as_array().unwrap().len(), 1, "a gap does not");
    driver.write_samples(&[0.5, f32::NAN].repeat(480)).unwrap();
    driver.finish();
    assert_eq!(
        sidecar_of(&path),
        json!({
            "schema": 1,
            "name": "take",
            "file": "take.wav",
            "format": "s16",
            "sample_rate": 48000,
            "channels": 2,
            "start": { "position": 0, "unix_ns": 1795256130000000000u64, "time": "2026-11-21T10:15:30Z" },
            "begun_by": "start",
            "ended_by": "stop",
            "pre_roll_frames": 0,
            "series": { "number": 1, "first_position": 0, "next": null, "previous_omitted": 0, "previous": [] },
            "state": "finished",
            "reason": null,
            "frames": 1920,
            "missing_tail_frames": 0,
            "clipped_samples": 960, // what does not fit; that is so of a NaN too
            "non_finite_samples": 480,
            "levels": [
                { "peak_lin": 0.5, "rms_lin": sidecar_of(&path)["levels"][0]["rms_lin"] },
                { "peak_lin": 2.0, "rms_lin": 1.0 },
            ],
            "gap_count": 1,
            "gap_frames": 960,
            "gaps_omitted": 0,
            "gaps": [ { "at_frame": 480, "in_file_frame": 480, "n_frames": 960, "reason": "device-lost" } ],
        })
    );
    let rms = sidecar_of(&path)["levels"][0]["rms_lin"].as_f64().unwrap();
    assert!((rms - 0.5 * 0.5f64.sqrt()).abs() < 1e-6, "half of it is silence: {rms}");
    assert!(!dir.path().join("take.wav.json.tmp").exists());
}

#[test]
fn levels_are_renewed_every_ten_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = Driver::start(RecorderConfig::new(dir.path().join("{name}.wav")), 1);
    let mut frames_seen = Vec::new();
    for _ in 0..25 {
        driver.write_samples(&[0.25; 48_000]).unwrap();
        driver.recorder.flush().unwrap();
        frames_seen.push(sidecar_of(&driver.path())["frames"].as_u64().unwrap());
    }
    frames_seen.dedup();
    assert_eq!(frames_seen, [0, 480_000, 960_000]);
}

#[test]
fn ten_thousand_gaps_are_counted_and_a_thousand_listed() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = Driver::start(RecorderConfig::new(dir.path().join("{name}.wav")), 1);
    let path = driver.path();
    for _ in 0..10_000 {
        driver.write(1).unwrap();
        driver.gap(2, GapReason::Lagged);
    }
    driver.finish();
    let sidecar = sidecar_of(&path);
    assert_eq!(sidecar["gaps"].as_array().unwrap().len(), 1000);
    assert_eq!(sidecar["gap_count"], 10_000);
    assert_eq!(sidecar["gaps_omitted"], 9_000);
    assert_eq!(sidecar["gap_frames"], 20_000);
    assert_eq!(sidecar["frames"], 30_000);
}

#[test]
fn dropped_without_an_end_it_says_abandoned() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = Driver::start(RecorderConfig::new(dir.path().join("{name}.wav")), 1);
    let path = driver.path();
    driver.write(100).unwrap();
    drop(driver);
    let sidecar = sidecar_of(&path);
    assert_eq!((&sidecar["state"], &sidecar["frames"]), (&json!("abandoned"), &json!(100)));
}

#[test]
fn without_one_there_is_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let config = RecorderConfig { sidecar: Sidecar::None, ..RecorderConfig::new(dir.path().join("{name}.wav")) };
    let mut driver = Driver::start(config, 1);
    driver.write(100).unwrap();
    driver.finish();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn silence_is_listed_where_somebody_wants_to_know() {
    let dir = tempfile::tempdir().unwrap();
    let silence = Some(SilenceRule { below_dbfs: -60.0, at_least: Duration::from_millis(100) });
    let mut driver = Driver::start(RecorderConfig { silence, ..RecorderConfig::new(dir.path().join("{name}.wav")) }, 1);
    let path = driver.path();
    driver.write_samples(&[0.5; 1000]).unwrap();
    driver.write_samples(&[0.0009; 5000]).unwrap();
    driver.gap(3000, GapReason::Lagged);
    driver.write_samples(&[0.0011; 100]).unwrap();
    driver.write_samples(&[0.0; 4799]).unwrap();
    driver.write_samples(&[0.5; 1]).unwrap();
    driver.finish();
    let expected = json!({
        "below_dbfs": -60.0,
        "at_least_s": 0.1,
        "span_count": 1,
        "silent_frames": 8000,
        "spans_omitted": 0,
        "spans": [ { "at_frame": 1000, "in_file_frame": 1000, "n_frames": 8000 } ],
    });
    assert_eq!(sidecar_of(&path)["silence"], expected);
}
