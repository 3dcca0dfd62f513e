//! A real file system that is really full, and a directory that is really gone.
#![cfg(target_os = "linux")]

use std::{fs, path::Path, process::Command};

use ra_core::{Sink, SinkError};
use ra_sinks::{RecorderConfig, SampleFormat};

use crate::{
    judges::judges,
    signal::{Driver, truths},
};

/// A file system of one mebibyte, where we may mount one.
pub(crate) struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    pub(crate) fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(dir.path()).output();
        if mounted.is_ok_and(|o| o.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("SKIPPED: no permission to mount a small file system; the disks in memory stand in for it");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        assert!(std::thread::panicking() || unmounted.is_ok_and(|s| s.success()));
    }
}

#[test]
fn a_full_disk_keeps_what_it_has_and_goes_on_when_there_is_room() {
    let Some(disk) = TinyDisk::mount() else { return };
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 500 * 1024]).unwrap();
    let mut driver = Driver::start(RecorderConfig::new(disk.path().join("{name}.wav")), 2);
    let file = driver.path();

    let mut expected = Vec::new();
    let mut refused = 0;
    while refused < 100 {
        let at = driver.position;
        match driver.write(128) {
            Ok(()) => expected.extend(truths(at..at + 128, 2)),
            Err(error) => {
                assert!(matches!(&error, SinkError::File { cause, .. } if cause.raw_os_error() == Some(28)), "{error}");
                expected.extend([0.0; 256]);
                refused += 1;
            }
        }
    }
    assert!(driver.recorder.flush().is_err());
    for judge in judges() {
        let n_frames = judge.count_frames(&file);
        assert!(n_frames > 40_000, "{judge:?}: {n_frames}");
        assert!(expected.starts_with(&judge.decode_outside(&file)), "{judge:?}");
    }

    fs::remove_file(ballast).unwrap();
    driver.write(128).unwrap();
    expected.extend(truths(driver.position - 128..driver.position, 2));
    let report = driver.finish();
    assert_eq!(report.notes, ["1 gaps, 12800 frames of silence"]);
    let sidecar: serde_json::Value =
        serde_json::from_slice(&fs::read(disk.path().join("take.wav.json")).unwrap()).unwrap();
    assert_eq!(sidecar["gaps"][0]["reason"], "refused");
    assert_eq!(sidecar["gaps"][0]["n_frames"], 12_800);
    for judge in judges() {
        assert!(judge.decode_outside(&file) == expected, "{judge:?}");
    }
}

#[test]
fn a_disk_that_stays_full_ends_in_an_error_and_a_valid_file() {
    let Some(disk) = TinyDisk::mount() else { return };
    let config = RecorderConfig { format: SampleFormat::F32, ..RecorderConfig::new(disk.path().join("{name}.wav")) };
    let mut driver = Driver::start(config, 2);
    let file = driver.path();
    while driver.write(128).is_ok() {}
    let mut recorder = driver.recorder;
    let error = recorder.finish().unwrap_err();
    assert!(error.to_string().contains("frames are not in the file"), "{error}");
    assert!(matches!(error, SinkError::Tail { path, lost_frames, .. } if path == file && lost_frames > 0));
    for judge in judges() {
        let samples = judge.decode_outside(&file);
        assert!(samples.len() > 240_000 && truths(0..samples.len() as u64 / 2, 2) == samples, "{judge:?}");
    }
}

#[test]
fn a_disk_without_room_for_a_header_is_an_error_at_the_start() {
    let Some(disk) = TinyDisk::mount() else { return };
    fs::write(disk.path().join("ballast"), vec![1; 1024 * 1024]).unwrap();
    let mut recorder = ra_sinks::Recorder::new(RecorderConfig::new(disk.path().join("{name}.wav"))).unwrap();
    let error = recorder.start(&crate::signal::start_of("take", 1)).unwrap_err();
    assert!(!error.is_fatal(), "{error}");
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 1, "it leaves nothing behind");
}
