//! Past 4 GiB: the WAV becomes RF64 in place, and everybody reads its length and its last second. The file is sparse: a
//! gap of hours takes no room.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ra_core::{GapReason, Sink};
use ra_sinks::RecorderConfig;

use crate::{
    judges::{Judge, judges},
    signal::{Driver, truths},
};

const FOUR_GIB: u64 = 1 << 32;
/// Stereo float.
const FRAME_BYTES: u64 = 8;
const TAIL_FRAMES: u64 = 48_000;

/// Stereo float over a hole of almost 4 GiB and then 100 steps across the bound; `at_steps` sees the file being written.
fn record_across(dir: &Path, mut at_steps: impl FnMut(&Path, usize, u64)) -> (PathBuf, u64) {
    let mut driver = Driver::start(RecorderConfig::new(dir.join("{name}.wav")), 2);
    let file = driver.path();
    driver.write(1000).unwrap();
    driver.gap(FOUR_GIB / FRAME_BYTES - 49_000, GapReason::DeviceLost);
    for step in 0..100 {
        driver.write(960).unwrap();
        driver.recorder.flush().unwrap();
        at_steps(&file, step, driver.position);
    }
    let end = driver.position;
    assert!(end * FRAME_BYTES > FOUR_GIB);
    driver.finish();
    (file, end)
}

/// hound knows no RF64, and sox counts an RF64's samples by decoding them all.
fn quick_judges() -> impl Iterator<Item = Judge> {
    judges().into_iter().filter(|&j| j != Judge::Hound && j != Judge::Sox)
}

#[test]
fn a_recording_grows_past_4_gib_and_stays_readable() {
    let dir = tempfile::tempdir().unwrap();
    let mut forms = Vec::new();
    let (file, end) = record_across(dir.path(), |file, step, n_frames| {
        let mut form = [0; 4];
        File::open(file).unwrap().read_exact(&mut form).unwrap();
        forms.push(form);
        if step % 10 == 0 || (45..55).contains(&step) {
            for judge in quick_judges() {
                assert_eq!(judge.count_frames(file), n_frames, "{judge:?} at step {step}");
            }
        }
    });
    forms.dedup();
    assert_eq!(forms, [*b"RIFF", *b"RF64"]);
    for judge in quick_judges() {
        assert_eq!(judge.count_frames(&file), end, "{judge:?}");
    }
    if judges().contains(&Judge::Ffmpeg) {
        let start_s = ((end - TAIL_FRAMES) as f64 / 48_000.0).to_string();
        let args = ["-v", "error", "-ss", &start_s, "-i", file.to_str().unwrap(), "-f", "f32le", "-"];
        assert_is_tail(Command::new("ffmpeg").args(args).output().unwrap(), end);
    }
}

#[test]
#[ignore = "sox decodes 4 GiB twice: a minute"]
fn sox_reads_past_4_gib_too() {
    let dir = tempfile::tempdir().unwrap();
    let (file, end) = record_across(dir.path(), |_, _, _| ());
    assert_eq!(Judge::Sox.count_frames(&file), end);
    let from = format!("{}s", end - TAIL_FRAMES);
    let args = [file.to_str().unwrap(), "-t", "raw", "-e", "floating-point", "-b", "32", "-", "trim", &from];
    assert_is_tail(Command::new("sox").args(args).output().unwrap(), end);
}

fn assert_is_tail(output: Output, end: u64) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let samples: Vec<f32> = output.stdout.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert!(samples == truths(end - TAIL_FRAMES..end, 2), "{} other samples past 4 GiB", samples.len());
}
