//! FLAC and Opus as the recorder writes them, and the word in a WAV file of when it began: real files, read by programs that
//! are not ours.

use std::{path::Path, process::Command};

use ra_core::{GapReason, Sink, StreamSpec};
use ra_sinks::{OriginNote, Recorder, RecorderConfig, SampleFormat, Sidecar};

use crate::{
    judges::{Judge, judges, judges_of},
    signal::{Driver, as_recorded, snapshot, truths},
};

/// 200 ms.
const LOST_AT_MOST_FRAMES: u64 = 9_600;

/// Writes blocks and gaps, and calls `at` after each block with the file and how far the recording is.
fn record(config: RecorderConfig, gain: f32, mut at: impl FnMut(&Path, u64)) -> (std::path::PathBuf, u64) {
    let mut driver = Driver::start(config, 2);
    let file = driver.path();
    for block in 0..400u64 {
        let samples: Vec<f32> = truths(driver.position..driver.position + 128, 2).iter().map(|s| s * gain).collect();
        driver.write_samples(&samples).unwrap();
        if block % 37 == 36 {
            driver.recorder.flush().unwrap();
        }
        if block == 150 {
            driver.gap(5_000, GapReason::Lagged);
        }
        at(&file, driver.position);
    }
    let end = driver.position;
    assert_eq!(driver.finish().files, std::slice::from_ref(&file));
    (file, end)
}

#[test]
fn a_flac_recording_is_the_sound_bit_for_bit_at_every_moment() {
    for format in [SampleFormat::S24, SampleFormat::S16] {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("copy.flac");
        let gap = 151 * 128..151 * 128 + 5_000;
        let recorded = |n_frames: u64| {
            let sound = |frames: std::ops::Range<u64>| {
                let samples = truths(frames.clone(), 2);
                as_recorded(format, frames.start, 2, &samples)
            };
            let mut all = sound(0..n_frames.min(gap.start));
            all.extend(vec![0.0; 2 * (n_frames.min(gap.end).saturating_sub(gap.start)) as usize]);
            all.extend(sound(gap.end..n_frames.max(gap.end)));
            all
        };
        let config = RecorderConfig { format, ..RecorderConfig::new(dir.path().join("{name}.flac")) };
        let mut n = 0u64;
        let (file, end) = record(config, 1.0, |file, position| {
            n += 1;
            if !n.is_multiple_of(41) {
                return;
            }
            snapshot(file, &copy, None);
            for judge in judges_of("flac") {
                let n_frames = judge.count_frames(&copy);
                assert!(n_frames + LOST_AT_MOST_FRAMES >= position, "{judge:?}: {n_frames} of {position} frames");
                assert!(judge.decode(&copy) == recorded(n_frames), "{judge:?}: other samples at {position}");
            }
        });
        for judge in judges_of("flac") {
            assert_eq!(judge.count_frames(&file), end, "{judge:?}");
            assert!(judge.decode(&file) == recorded(end), "{judge:?}");
        }
    }
}

#[test]
fn an_opus_recording_is_as_long_as_its_time_at_every_moment() {
    for extension in ["opus", "ogg"] {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("copy").with_extension(extension);
        let config = RecorderConfig::new(dir.path().join("{name}").with_extension(extension));
        let mut n = 0u64;
        let mut prefixes = Vec::new();
        // Quiet: sndfile-convert scales what a lossy codec leaves above full scale.
        let (file, end) = record(config, 0.25, |file, position| {
            n += 1;
            if !n.is_multiple_of(41) {
                return;
            }
            snapshot(file, &copy, None);
            for judge in judges_of(extension) {
                let read = judge.decode(&copy);
                let n_frames = read.len() as u64 / 2;
                assert!(n_frames + LOST_AT_MOST_FRAMES >= position, "{judge:?}: {n_frames} of {position} frames");
                assert!(n_frames <= position);
                prefixes.push((judge, read));
            }
        });
        for judge in judges_of(extension) {
            let read = judge.decode(&file);
            assert_eq!(read.len() as u64, 2 * end, "{judge:?}");
            assert!(prefixes.iter().filter(|(j, _)| *j == judge).all(|(_, p)| read.starts_with(p)), "{judge:?}");
        }
    }
}

#[test]
fn what_a_format_can_not_keep_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let config = RecorderConfig { format: SampleFormat::F32, ..RecorderConfig::new(dir.path().join("f.flac")) };
    let error = ra_sinks::Recorder::new(config)
        .and_then(|mut recorder| recorder.start(&crate::signal::start_of("f", 2)))
        .unwrap_err();
    assert!(error.to_string().contains("FLAC"), "{error}");
    let mut wide = ra_sinks::Recorder::new(RecorderConfig::new(dir.path().join("f.opus"))).unwrap();
    let error = wide.start(&crate::signal::start_of("f", 9)).unwrap_err();
    assert!(error.to_string().ends_with("Opus: 9 channels, expected at most 8"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "no file is left behind");
}

/// ffmpeg and libsndfile, which know broadcast wave files, read back when a recording began.
#[test]
fn a_wav_file_says_when_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let config = RecorderConfig { sidecar: Sidecar::None, ..RecorderConfig::new(dir.path().join("{name}.wav")) };
    let mut driver = Driver::start(config.clone(), 2);
    driver.write(1000).unwrap();
    let file = driver.path();
    driver.finish();
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!((&bytes[12..16], &bytes[48..52]), (&b"JUNK"[..], &b"bext"[..]), "room for ds64 comes first");
    if judges().contains(&Judge::Ffmpeg) {
        let args = ["-v", "error", "-show_entries", "format_tags", "-of", "default=nw=1", file.to_str().unwrap()];
        let tags = String::from_utf8(Command::new("ffprobe").args(args).output().unwrap().stdout).unwrap();
        let frames = (10 * 3600 + 15 * 60 + 30) * 48_000u64;
        for line in [
            "TAG:comment=take from 2026-11-21T10:15:30.000000Z, mix timeline frame 0".to_owned(),
            "TAG:date=2026-11-21".to_owned(),
            "TAG:creation_time=10:15:30".to_owned(),
            format!("TAG:time_reference={frames}"),
        ] {
            assert!(tags.lines().any(|l| l == line), "{line} is not in {tags}");
        }
    }
    if judges().contains(&Judge::Sndfile) {
        let output = Command::new("sndfile-info").args(["--broadcast", file.to_str().unwrap()]).output().unwrap();
        let info = String::from_utf8(output.stdout).unwrap();
        assert!(info.contains("2026-11-21") && info.contains("10:15:30"), "{info}");
    }

    let plain = RecorderConfig { origin: OriginNote::None, ..RecorderConfig::new(dir.path().join("plain.wav")) };
    let mut driver = Driver::start(plain, 2);
    driver.write(1000).unwrap();
    let file = driver.path();
    driver.finish();
    assert!(!std::fs::read(file).unwrap().windows(4).any(|w| w == b"bext"));
}

#[test]
fn what_a_format_cannot_carry_is_known_before_anything_is_created() {
    let dir = tempfile::tempdir().unwrap();
    let check = |name: &str, bitrate_kbps, channels: Vec<u16>, spec: (u32, u16)| {
        let config = RecorderConfig { bitrate_kbps, channels, ..RecorderConfig::new(dir.path().join(name)) };
        let spec = StreamSpec::new(spec.0, spec.1).unwrap();
        Recorder::new(config).unwrap().check_spec(spec).map_err(|error| error.to_string())
    };
    let says =
        |result: Result<(), String>, what: &str| assert!(result.as_ref().unwrap_err().ends_with(what), "{result:?}");
    assert_eq!(check("a.wav", 128, vec![], (768_000, 200)), Ok(()));
    assert_eq!(check("a.opus", 320, vec![], (48_000, 2)), Ok(()));
    says(check("a.opus", 320, vec![], (48_000, 1)), "Opus: 320 kbit/s for 1 channels, expected 6 to 255");
    says(check("a.opus", 320, vec![2], (48_000, 2)), "Opus: 320 kbit/s for 1 channels, expected 6 to 255");
    says(check("a.flac", 128, vec![], (48_000, 10)), "FLAC: 10 channels, expected at most 8");
    assert_eq!(check("a.flac", 128, vec![1, 10], (48_000, 10)), Ok(()));
    says(check("a.wav", 128, vec![3], (48_000, 2)), "channel 3, expected 1 to 2: the bus is 48000 Hz stereo");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
