//! SIGKILL at any instant: the file opens unrepaired, holds a prefix of the truth, and misses 200 ms at most.
#![cfg(unix)]

use std::{
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ra_core::Sink;
use ra_sinks::{RecorderConfig, SampleFormat};

use crate::{
    judges::judges,
    signal::{Driver, FORMATS, as_recorded, truths},
};

const CHANNELS: u16 = 2;
const ROUNDS: u64 = 20;
const LOST_AT_MOST_FRAMES: u64 = 48_000 / 5;
/// Set for the process that is going to be killed: where it records, and how.
const CHILD_DIR: &str = "RA_TEST_RECORD_DIR";
const CHILD_FORMAT: &str = "RA_TEST_RECORD_FORMAT";

/// Not a test of its own: the process that `a_killed_recorder_…` starts and kills. Records as fast as it can, flushes as
/// the engine does, and notes after every block how far it is.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let dir = Path::new(&dir);
    let format = std::env::var(CHILD_FORMAT).unwrap().parse().unwrap();
    let progress = std::fs::File::create(dir.join("progress")).unwrap();
    let mut driver = Driver::start(RecorderConfig { format, ..RecorderConfig::new(dir.join("{name}.wav")) }, CHANNELS);
    for block in 1..500_000u64 {
        driver.write(128).unwrap();
        progress.write_all_at(&driver.position.to_le_bytes(), 0).unwrap();
        if block % 75 == 0 {
            driver.recorder.flush().unwrap();
        }
    }
}

fn spawn(dir: &Path, format: SampleFormat) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture"])
        .env(CHILD_DIR, dir)
        .env(CHILD_FORMAT, format.name())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn progress_of(dir: &Path) -> u64 {
    let bytes = std::fs::read(dir.join("progress")).unwrap_or_default();
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

#[test]
fn a_killed_recorder_leaves_a_file_that_opens_and_lacks_200_ms_at_most() {
    let mut longest = 0;
    for round in 0..ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        let format = FORMATS[round as usize % FORMATS.len()];
        let mut child = spawn(dir.path(), format);
        // Anywhere in the first ten seconds of sound; what the child does between two looks adds its own chance.
        let until_frames = 1 + round.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 480_000;
        let deadline = Instant::now() + Duration::from_secs(60);
        while progress_of(dir.path()) < until_frames {
            assert!(Instant::now() < deadline, "the child records nothing");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let progress = progress_of(dir.path());
        let file = dir.path().join("take.wav");
        for judge in judges() {
            let n_frames = judge.count_frames(&file);
            assert!(n_frames + LOST_AT_MOST_FRAMES >= progress, "{judge:?}: {n_frames} of {progress} frames");
            let expected = as_recorded(format, 0, CHANNELS, &truths(0..n_frames, CHANNELS));
            assert!(judge.decode(&file) == expected, "{judge:?}, {format}: other samples than the truth");
            longest = longest.max(n_frames);
        }
    }
    assert!(longest > 48_000, "the kills came in the midst of the work: {longest} frames");
}
