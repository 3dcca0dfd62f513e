//! Going on elsewhere: a directory that is full, broken or gone, and one that stands in for it.
#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ra_core::{GapReason, Sink, SinkCommand, SinkError};
use ra_sinks::{RecorderConfig, Retention, SampleFormat, SplitRule};
use serde_json::{Value, json};

use crate::{
    full_disk::TinyDisk,
    signal::{Driver, floats, sidecar_of, truths},
};

fn floats_of_all(files: &[PathBuf]) -> Vec<f32> {
    files.iter().flat_map(|file| floats(file)).collect()
}

fn config(disk: &Path, second: &Path) -> RecorderConfig {
    RecorderConfig { failover: Some(second.to_owned()), ..RecorderConfig::new(disk.join("{name}-{index}.wav")) }
}

/// Writes blocks as an engine does: a flush every 100 ms.
fn write_ms(driver: &mut Driver, ms: u64) {
    for n in 1..=ms * 48 / 128 {
        driver.write(128).unwrap();
        if n % 37 == 0 {
            driver.recorder.flush().unwrap();
        }
    }
}

#[test]
fn a_full_disk_costs_no_frame_where_there_is_a_second_and_the_first_is_taken_again_at_the_next_split() {
    let Some(disk) = TinyDisk::mount() else { return };
    let second = tempfile::tempdir().unwrap();
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 500 * 1024]).unwrap();
    let mut driver = Driver::start(config(disk.path(), second.path()), 2);
    write_ms(&mut driver, 5_000);
    assert_eq!(driver.path(), second.path().join("take-0001.wav"));
    // Full as it is, the first directory does not help: the split stays in the second.
    fs::write(disk.path().join("more"), vec![1; 1024 * 1024]).unwrap_err();
    driver.recorder.command(&SinkCommand::Split).unwrap();
    assert_eq!(driver.path(), second.path().join("take-0002.wav"));
    write_ms(&mut driver, 500);
    fs::remove_file(&ballast).unwrap();
    fs::remove_file(disk.path().join("more")).unwrap();
    driver.recorder.command(&SinkCommand::Split).unwrap();
    assert_eq!(driver.path(), disk.path().join("take-0002.wav"));
    write_ms(&mut driver, 500);
    assert_eq!(driver.recorder.take_back_frames(), 0);
    let n_frames = driver.position;
    let report = driver.finish();
    let notes = [
        "1 files could not be written to their end; went on in another",
        "1 files could not be begun in the first directory, and were in the second",
    ];
    assert_eq!(report.notes, notes);
    assert_eq!(report.files.len(), 4);
    assert!(floats_of_all(&report.files) == truths(0..n_frames, 2), "not a frame is lost, and none is there twice");
    let (first, next) = (sidecar_of(&report.files[1]), sidecar_of(&report.files[2]));
    assert_eq!((&first["begun_by"], &next["begun_by"]), (&json!("failover"), &json!("command")));
    let names: Vec<_> = first["series"]["previous"].as_array().unwrap().iter().map(|p| p["file"].clone()).collect();
    assert_eq!(names, [json!(disk.path().join("take-0001.wav"))], "with its directory");
    assert_eq!(first["gap_count"], 0);
}

#[test]
fn what_is_refused_while_both_are_full_is_a_gap_and_then_it_goes_on() {
    let (Some(disk), Some(second)) = (TinyDisk::mount(), TinyDisk::mount()) else { return };
    let ballasts = [disk.path().join("ballast"), second.path().join("ballast")];
    for ballast in &ballasts {
        fs::write(ballast, vec![1; 600 * 1024]).unwrap();
    }
    let mut driver = Driver::start(config(disk.path(), second.path()), 2);
    let mut expected = Vec::new();
    let mut n_refused = 0;
    let mut write = |driver: &mut Driver, n_blocks: u64| {
        for n in 0..n_blocks {
            let at = driver.position;
            match driver.write(128) {
                Ok(()) => expected.extend(truths(at..at + 128, 2)),
                Err(error) => {
                    assert!(matches!(&error, SinkError::File { .. }), "{error}");
                    expected.extend([0.0; 256]);
                    n_refused += 128;
                }
            }
            if n % 37 == 0 {
                driver.recorder.flush().ok();
            }
        }
        n_refused
    };
    assert!(write(&mut driver, 4_000) > 0);
    fs::remove_file(&ballasts[1]).unwrap();
    fs::remove_file(&ballasts[0]).unwrap();
    let n_refused = write(&mut driver, 200);
    assert_eq!(driver.recorder.take_back_frames(), 0);
    let report = driver.finish();
    assert!(floats_of_all(&report.files) == expected, "{report:?}");
    assert!(report.notes.contains(&format!("1 gaps, {n_refused} frames of silence")), "{report:?}");
}

#[test]
fn a_directory_that_was_removed_is_made_again_and_no_frame_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = Driver::start(RecorderConfig::new(dir.path().join("gone/{name}.wav")), 2);
    write_ms(&mut driver, 1_000);
    let published = 999 * 48 / 128 * 128;
    fs::remove_dir_all(dir.path().join("gone")).unwrap();
    let removed_at = driver.position;
    write_ms(&mut driver, 1_000);
    let file = driver.path();
    assert_eq!(file, dir.path().join("gone/take.wav"), "the name was free");
    let n_frames = driver.position;
    let report = driver.finish();
    let sidecar = sidecar_of(&file);
    let begins = sidecar["start"]["position"].as_u64().unwrap();
    assert!(begins <= removed_at && begins + 4800 + 128 >= published, "from where the removed one ended: {begins}");
    assert!(floats(&file) == truths(begins..n_frames, 2));
    assert_eq!(report.notes, ["1 files could not be written to their end; went on in another"]);
}

#[test]
fn the_sidecar_and_the_list_of_a_directory_that_was_made_again_are_those_of_the_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone");
    let keep = Some(Duration::from_secs(3600));
    let config = RecorderConfig {
        retention: Retention { keep, ..Retention::default() },
        ..RecorderConfig::new(gone.join("{name}.wav"))
    };
    let mut driver = Driver::start(config, 2);
    write_ms(&mut driver, 1_000);
    fs::remove_dir_all(&gone).unwrap();
    write_ms(&mut driver, 1_000);
    let file = driver.path();
    assert_eq!(file, gone.join("take.wav"));
    let sidecar = sidecar_of(&file);
    assert_eq!((&sidecar["state"], &sidecar["begun_by"]), (&json!("recording"), &json!("failover")));
    let lines = || {
        let list = fs::read_to_string(gone.join(".ra-take.files")).unwrap();
        list.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let [begun] = &lines()[..] else { panic!("{:?}", lines()) };
    assert!(begun["file"] == "take.wav" && begun["event"]["begun"].is_object(), "it is being written: {begun}");
    driver.finish();
    assert!(lines()[1]["event"]["ended"].is_object(), "{:?}", lines());
}

#[test]
fn what_was_moved_is_noticed_and_it_goes_on_where_it_was_told_to() {
    for what in ["directory", "file and sidecar", "file", "directory behind a gap"] {
        let dir = tempfile::tempdir().unwrap();
        let (asked, moved) = (dir.path().join("asked"), dir.path().join("moved"));
        let mut driver = Driver::start(RecorderConfig::new(asked.join("{name}.wav")), 2);
        write_ms(&mut driver, 1_000);
        if what == "directory behind a gap" {
            // Its sidecar is to say so, and can't.
            driver.try_gap(480, GapReason::Lagged).unwrap();
        }
        let old = if what.starts_with("directory") {
            fs::rename(&asked, &moved).unwrap();
            moved.join("take.wav")
        } else {
            fs::create_dir(&moved).unwrap();
            fs::rename(asked.join("take.wav"), moved.join("archived.wav")).unwrap();
            if what == "file and sidecar" {
                fs::rename(asked.join("take.wav.json"), moved.join("archived.wav.json")).unwrap();
            }
            moved.join("archived.wav")
        };
        for _ in 0..16 * 37 {
            // A sidecar that can't be written is an error of its own.
            driver.write(128).unwrap();
            if driver.position % (37 * 128) < 128 {
                drop(driver.recorder.flush());
            }
        }
        // Where its sidecar stays, the name is not free.
        let file = driver.path();
        assert_eq!(file, asked.join(if what == "file" { "take-2.wav" } else { "take.wav" }), "{what}");
        let n_frames = driver.position;
        let now = sidecar_of(&file);
        assert_eq!((&now["begun_by"], &now["state"]), (&json!("moved"), &json!("recording")), "{what}: its own");
        let report = driver.finish();
        let begins = sidecar_of(&file)["start"]["position"].as_u64().unwrap();
        let before = floats(&old);
        assert_eq!(before.len() as u64, 2 * begins, "{what}: frame by frame behind it, {report:?}");
        assert!(what.ends_with("gap") || before == truths(0..begins, 2), "{what}");
        assert!(floats(&file) == truths(begins..n_frames, 2), "{what}");
        assert!(
            report.notes.contains(&"1 files were moved by somebody while they were recorded".to_owned()),
            "{report:?}"
        );
        if what == "file" {
            assert_eq!(sidecar_of(&asked.join("take.wav"))["ended_by"], "moved");
        }
    }
}

#[test]
fn each_file_that_is_moved_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = Driver::start(RecorderConfig::new(dir.path().join("{name}-{index}.wav")), 2);
    let mut ends = 0;
    for n in 0..5 {
        write_ms(&mut driver, 300);
        let file = driver.path();
        fs::rename(&file, dir.path().join(format!("archived-{n}.wav"))).unwrap();
        write_ms(&mut driver, 1_100);
        let now = sidecar_of(&driver.path());
        assert_eq!((&now["begun_by"], &now["state"]), (&json!("moved"), &json!("recording")), "its own");
        let archived = floats(&dir.path().join(format!("archived-{n}.wav")));
        assert!(archived == truths(ends..ends + archived.len() as u64 / 2, 2), "{n}");
        ends += archived.len() as u64 / 2;
    }
    let n_frames = driver.position;
    let report = driver.finish();
    assert!(floats(report.files.last().unwrap()) == truths(ends..n_frames, 2), "{report:?}");
    assert!(report.notes.contains(&"5 files were moved by somebody while they were recorded".to_owned()), "{report:?}");
}

#[test]
fn a_directory_that_cannot_be_made_again_is_reported_and_nothing_is_swallowed() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = Driver::start(RecorderConfig::new(dir.path().join("gone/{name}.wav")), 2);
    write_ms(&mut driver, 1_000);
    fs::remove_dir_all(dir.path().join("gone")).unwrap();
    fs::write(dir.path().join("gone"), "a file in its place").unwrap();
    let error = driver.recorder.flush().unwrap_err();
    assert!(error.to_string().contains("was removed while it was being recorded"), "{error}");
    assert!(!error.is_fatal());
    let removed_at = driver.position;
    while driver.write(128).is_ok() {}
    let refused_from = driver.position - 128;
    assert!(driver.try_gap(40_000, GapReason::Lagged).is_err());
    // There is a place again: what was taken meanwhile is in it, also what came before a long silence.
    fs::remove_file(dir.path().join("gone")).unwrap();
    driver.position += 480_000;
    let refused_to = driver.position;
    driver.write(1000).unwrap();
    assert_eq!(driver.recorder.take_back_frames(), 0);
    let file = driver.path();
    driver.finish();
    let begins = sidecar_of(&file)["start"]["position"].as_u64().unwrap();
    assert!(begins <= removed_at, "from where the removed one ended: {begins}");
    let mut expected = truths(begins..refused_from, 2);
    expected.extend(vec![0.0; 2 * (refused_to - refused_from) as usize]);
    expected.extend(truths(refused_to..refused_to + 1000, 2));
    assert!(floats(&file) == expected);
}

#[test]
fn what_a_pause_could_not_write_is_taken_back_frame_by_frame() {
    let Some(disk) = TinyDisk::mount() else { return };
    let mut driver = Driver::start(RecorderConfig::new(disk.path().join("{index}.wav")), 2);
    let mut n_taken = 0;
    for n in 0.. {
        match driver.write(128) {
            Ok(()) => n_taken += 128,
            Err(_) => break,
        }
        if n % 37 == 0 {
            driver.recorder.flush().ok();
        }
    }
    // A gap behind it was never taken, whatever becomes of its silence.
    driver.try_gap(1000, GapReason::Lagged).unwrap_err();
    let file = driver.path();
    driver.recorder.command(&SinkCommand::Pause).unwrap();
    let in_file = floats(&file).len() as u64 / 2;
    let n_lost = driver.recorder.take_back_frames();
    assert!(n_lost > 10_000 && n_taken == in_file + n_lost, "{n_taken} taken, {in_file} in the file, {n_lost} lost");
    assert_eq!(driver.recorder.take_back_frames(), 0, "told once");
    assert!(sidecar_of(&file)["ended_by"].is_null(), "a sidecar needs room too");
    let notes = driver.finish().notes;
    assert!(notes.contains(&format!("{n_lost} frames lost that had been taken")), "{notes:?}");
}

#[test]
fn a_split_while_the_disk_fails_goes_over_instead() {
    let Some(disk) = TinyDisk::mount() else { return };
    let second = tempfile::tempdir().unwrap();
    let split = SplitRule { every: Some(Duration::from_millis(500)), ..SplitRule::default() };
    let config = RecorderConfig { split, format: SampleFormat::F32, ..config(disk.path(), second.path()) };
    let mut driver = Driver::start(config, 2);
    write_ms(&mut driver, 10_000);
    let n_frames = driver.position;
    assert_eq!(driver.recorder.take_back_frames(), 0);
    let report = driver.finish();
    assert!(floats_of_all(&report.files) == truths(0..n_frames, 2), "{report:?}");
    let on_disk = report.files.iter().filter(|path| path.starts_with(disk.path())).count();
    assert!(on_disk >= 5 && report.files.len() - on_disk >= 10, "{report:?}");
}

#[test]
fn a_first_directory_that_takes_nothing_from_the_start_is_told_of() {
    let (dir, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A file where the directory should be.
    let first = dir.path().join("first");
    fs::write(&first, "in the way").unwrap();
    let mut driver = Driver::start(config(&first, second.path()), 1);
    assert_eq!(driver.path(), second.path().join("take-0001.wav"));
    write_ms(&mut driver, 200);
    let report = driver.finish();
    assert_eq!(report.notes, ["1 files could not be begun in the first directory, and were in the second"]);
}
