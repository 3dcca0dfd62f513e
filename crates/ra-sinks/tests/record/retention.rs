//! Retention: what is old or too much goes, and nothing that the recorder can't prove to be its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ra_core::{Sink, SinkCommand, SinkStart};
use ra_sinks::{Recorder, RecorderConfig, Retention, SampleFormat, SplitRule};

use crate::signal::{Driver, UNIX_NS, start_of};

/// A file a second, of 96 000 bytes and a header.
fn config(dir: &Path, retention: Retention) -> RecorderConfig {
    RecorderConfig {
        format: SampleFormat::S16,
        split: SplitRule { every: Some(Duration::from_secs(1)), ..SplitRule::default() },
        retention,
        ..RecorderConfig::new(dir.join("{name}-{time}.wav"))
    }
}

fn keep(s: u64) -> Retention {
    Retention { keep: Some(Duration::from_secs(s)), ..Retention::default() }
}

fn at_most(bytes: u64) -> Retention {
    Retention { max_total_bytes: Some(bytes), ..Retention::default() }
}

/// A recorder that starts so many seconds after the first one.
fn start_at(config: RecorderConfig, seconds: u64) -> Driver {
    let start = SinkStart { unix_ns: UNIX_NS + i128::from(seconds) * 1_000_000_000, ..start_of("mic", 1) };
    let mut recorder = Recorder::new(config).unwrap();
    recorder.start(&start).unwrap();
    Driver { recorder, spec: start.spec, position: 0 }
}

fn record_seconds(driver: &mut Driver, n: u64) {
    for _ in 0..n * 10 {
        driver.write(4800).unwrap();
        driver.recorder.flush().unwrap();
    }
}

/// The recordings in a directory: the second of the minute in which each began.
fn seconds_in(dir: &Path) -> Vec<u32> {
    let mut seconds: Vec<u32> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("mic-") && name.ends_with("Z.wav"))
        .map(|name| name["mic-20261121T1015".len()..][..2].parse().unwrap())
        .collect();
    seconds.sort_unstable();
    seconds
}

fn path_of(dir: &Path, second: u32) -> PathBuf {
    dir.join(format!("mic-20261121T1015{second:02}Z.wav"))
}

#[test]
fn what_is_too_old_goes_with_its_sidecar_and_what_is_not_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = start_at(config(dir.path(), keep(5)), 0);
    record_seconds(&mut driver, 12);
    // The file that began at 41 is being written. When it did, what had ended at 36 was five seconds old and a block.
    assert_eq!(seconds_in(dir.path()), [36, 37, 38, 39, 40, 41]);
    assert!(!dir.path().join("mic-20261121T101530Z.wav.json").exists());
    let report = driver.finish();
    assert!(report.notes[0].starts_with("6 older files deleted, 58"), "{report:?}");
    assert_eq!(report.files.len(), 12, "what was written was written");
    // A restart a quarter of a minute later: everything was known across it, and is old now.
    let driver = start_at(config(dir.path(), keep(5)), 25);
    assert_eq!(seconds_in(dir.path()), [55]);
    driver.finish();
}

#[test]
fn what_is_too_much_goes_oldest_first_and_never_the_file_that_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = start_at(config(dir.path(), at_most(400_000)), 0);
    record_seconds(&mut driver, 10);
    assert_eq!(seconds_in(dir.path()), [35, 36, 37, 38, 39]);
    // The current one has grown since the split.
    drop(driver.finish());
    let total: u64 = (35..40).map(|s| fs::metadata(path_of(dir.path(), s)).map_or(0, |m| m.len())).sum();
    assert!(total <= 400_000, "{total}");
    // So little that not even the current one has room: it is written all the same.
    let mut driver = start_at(config(dir.path(), at_most(65_536)), 20);
    record_seconds(&mut driver, 1);
    assert_eq!(seconds_in(dir.path()), [50]);
    driver.finish();
}

#[test]
fn what_is_not_provably_its_own_is_never_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let at = |second| path_of(dir.path(), second);
    // A name like those of its own, from another hand; another sink's recordings.
    fs::write(dir.path().join("mic-20200101T000000Z.wav"), "foreign").unwrap();
    let mut other = Driver::start(RecorderConfig::new(dir.path().join("mic-20190101T000000Z.wav")), 1);
    other.write(100).unwrap();
    other.finish();
    let mut driver = start_at(config(dir.path(), keep(3600)), 0);
    record_seconds(&mut driver, 6);
    driver.finish();
    let kept = |path: &Path| fs::read(path).unwrap();
    // 30: edited. 31: replaced by a link to something precious. 32: replaced by another file. 33: hand-annotated sidecar.
    // 34: recording gone, sidecar left. 35: as it was.
    let mut edited = kept(&at(30));
    edited.extend(b"note");
    fs::write(at(30), &edited).unwrap();
    let precious = dir.path().join("precious.wav");
    fs::rename(at(31), &precious).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&precious, at(31)).unwrap();
    let bytes = kept(&at(32));
    fs::remove_file(at(32)).unwrap();
    fs::write(at(32), &bytes).unwrap();
    let sidecar = |second: u32| dir.path().join(format!("mic-20261121T1015{second}Z.wav.json"));
    fs::write(sidecar(33), "{\"mine\": true}").unwrap();
    fs::remove_file(at(34)).unwrap();

    let mut driver = start_at(config(dir.path(), keep(1)), 20);
    record_seconds(&mut driver, 1);
    let report = driver.finish();
    assert!(report.notes[0].starts_with("2 older files deleted"), "33 and 35: {report:?}");
    assert_eq!(kept(&at(30)), edited);
    assert!(precious.exists());
    #[cfg(unix)]
    assert!(fs::symlink_metadata(at(31)).unwrap().is_symlink());
    assert_eq!(kept(&at(32)), bytes);
    assert!(!at(33).exists() && !at(35).exists() && !sidecar(35).exists());
    assert_eq!(fs::read_to_string(sidecar(33)).unwrap(), "{\"mine\": true}");
    assert!(!sidecar(34).exists(), "ours, and of nothing any more");
    assert_eq!(fs::read_to_string(dir.path().join("mic-20200101T000000Z.wav")).unwrap(), "foreign");
    assert!(dir.path().join("mic-20190101T000000Z.wav").exists());
    assert!(at(50).exists());
}

#[test]
fn what_a_killed_recorder_was_writing_is_known_by_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = start_at(config(dir.path(), keep(5)), 0);
    record_seconds(&mut driver, 1);
    driver.recorder.command(&SinkCommand::Split).unwrap();
    record_seconds(&mut driver, 1);
    // No end is written; the lock goes, as it does with a process.
    drop(driver);
    assert_eq!(seconds_in(dir.path()), [30, 31]);
    // The time of its end is what the file system says: long after all of this by the stamps.
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let start = SinkStart { unix_ns: (i128::from(now_s) + 100) * 1_000_000_000, ..start_of("mic", 1) };
    let mut recorder = Recorder::new(config(dir.path(), keep(5))).unwrap();
    recorder.start(&start).unwrap();
    // Not by the seconds in their names: the new one's may be any.
    let left: Vec<_> = [30, 31].into_iter().filter(|&second| path_of(dir.path(), second).exists()).collect();
    recorder.finish().unwrap();
    let keeps_births = fs::metadata(dir.path().join(".ra-mic.files")).unwrap().created().is_ok();
    assert!(!keeps_births || left.is_empty(), "{left:?}");
}

#[test]
fn two_recorders_of_one_name_do_not_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let driver = start_at(config(dir.path(), keep(5)), 0);
    let mut second = Recorder::new(config(dir.path(), keep(5))).unwrap();
    let error = second.start(&start_of("mic", 1)).unwrap_err().to_string();
    assert!(error.contains(".ra-mic.files: another recorder of that name writes into this directory"), "{error}");
    driver.finish();
    assert!(second.start(&start_of("mic", 1)).is_ok());
}

#[test]
fn a_recorder_without_retention_keeps_no_list_and_deletes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = start_at(config(dir.path(), Retention::default()), 0);
    record_seconds(&mut driver, 3);
    driver.finish();
    let mut driver = start_at(config(dir.path(), keep(1)), 1000);
    record_seconds(&mut driver, 1);
    driver.finish();
    assert_eq!(seconds_in(dir.path()).len(), 4, "what was recorded without it is not in its list");
}

#[test]
fn what_comes_to_the_place_of_a_moved_file_is_somebody_elses() {
    let dir = tempfile::tempdir().unwrap();
    // Whether a flush finds out, or the split before it.
    let mut driver = start_at(config(dir.path(), keep(1)), 0);
    record_seconds(&mut driver, 1);
    let path = driver.path();
    fs::rename(&path, dir.path().join("archived.wav")).unwrap();
    fs::write(&path, "foreign").unwrap();
    record_seconds(&mut driver, 6);
    let report = driver.finish();
    assert_eq!(fs::read_to_string(&path).unwrap(), "foreign", "{report:?}");
    assert!(dir.path().join("archived.wav").exists());
}
