//! Coded files that are damaged, cut off or shrink: what is there is played in its place, and nothing panics.

#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/sound.rs"]
mod sound;

use fixtures::{check_tone, encode, has, original};
use ra_core::{PulledSource, StreamEvent};
use ra_sources::{FileConfig, FileSource};
use sound::{channel, read_all, rms};

#[test]
fn damage_becomes_silence_of_its_length_and_a_note() {
    if !has("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (wav, _) = original(dir.path(), 997.0, 44_100, 200_000);
    let path = dir.path().join("a.ogg");
    encode(&wav, &path, &["-c:a", "libvorbis", "-q:a", "8"]);
    let good = std::fs::read(&path).unwrap();
    // A cut in the middle: what is there is played, and it is said that it is not all.
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    let mut source = FileSource::open(FileConfig::new(&path)).unwrap();
    let samples = read_all(&mut source, 4096).unwrap();
    // Vorbis pages are about a second long, and only whole ones can be had.
    assert!((40_000..120_000).contains(&(samples.len() / 2)), "{}", samples.len() / 2);
    assert!(rms(&channel(&samples, 2, 0)) > 0.34);
    assert!(
        source.notes().iter().any(|n| n.contains("cut off") || n.contains("header states")),
        "{:?}",
        source.notes()
    );

    let path = dir.path().join("a.flac");
    encode(&wav, &path, &[]);
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    let mut source = FileSource::open(FileConfig::new(&path)).unwrap();
    read_all(&mut source, 4096).unwrap();
    assert!(source.notes().iter().any(|n| n.contains("the header states 200000 frames")), "{:?}", source.notes());

    // Bytes overwritten in packets of an MP4, whose table of packets stays right.
    let path = dir.path().join("a.m4a");
    encode(&wav, &path, &["-c:a", "aac", "-b:a", "256k"]);
    let mut bad = std::fs::read(&path).unwrap();
    let half = bad.len() / 2;
    bad[half..half + 3000].fill(0xff);
    std::fs::write(&path, bad).unwrap();
    let mut source = FileSource::open(FileConfig::new(&path)).unwrap();
    let samples = read_all(&mut source, 4096).unwrap();
    assert_eq!(samples.len() / 2, 200_000, "time stays true");
    assert!(source.notes().iter().any(|n| n.contains("damaged packets")), "{:?}", source.notes());
    check_tone("before the damage", &samples[..2 * 80_000], 997.0, 44_100.0, -45.0);
    check_tone("behind the damage", &samples[2 * 132_300..2 * 198_450], 997.0, 44_100.0, -45.0);
}

#[test]
fn a_coded_file_that_shrinks_is_an_error() {
    if !has("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (wav, _) = original(dir.path(), 997.0, 44_100, 441_000);
    for (name, options) in [("a.flac", &[][..]), ("a.mp3", &["-b:a", "320k"]), ("a.ogg", &["-q:a", "9"])] {
        let path = dir.path().join(name);
        encode(&wav, &path, options);
        let mut source = FileSource::open(FileConfig::new(&path)).unwrap();
        let mut out = vec![0.0; 2 * 10_000];
        assert_eq!(source.read(&mut out).unwrap(), StreamEvent::Frames { n_frames: 10_000 });
        let len = std::fs::metadata(&path).unwrap().len();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len * 2 / 3).unwrap();
        let mut n_frames = 10_000;
        let error = loop {
            match source.read(&mut out) {
                Ok(StreamEvent::Frames { n_frames: n }) => n_frames += n,
                Ok(event) => panic!("{name}: {event:?} after {n_frames} frames"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(n_frames > 200_000, "{name}: {n_frames}");
        assert!(error.contains("shrank while it played"), "{name}: {error}");
    }
}

#[test]
fn damaged_bytes_never_panic_and_always_end() {
    if !has("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (wav, _) = original(dir.path(), 997.0, 44_100, 20_000);
    let mut state = 1u64;
    let mut random = |below: usize| {
        // Knuth's MMIX generator; any will do.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for name in ["a.flac", "a.mp3", "a.ogg", "a.m4a", "a.caf", "a.aiff", "a.aac"] {
        let path = dir.path().join(name);
        encode(&wav, &path, &[]);
        let good = std::fs::read(&path).unwrap();
        for case in 0..60 {
            let mut bad = good.clone();
            // Half of the cases near the beginning, where headers are.
            let reach = if case % 2 == 0 { bad.len().min(300) } else { bad.len() };
            for _ in 0..1 + random(6) {
                bad[random(reach)] = random(256) as u8;
            }
            if case % 5 == 0 {
                bad.truncate(random(good.len()));
            }
            std::fs::write(&path, &bad).unwrap();
            if let Ok(mut source) = FileSource::open(FileConfig::new(&path)) {
                let mut out = vec![0.0; 1 << 16];
                let mut n_reads = 0;
                while let Ok(StreamEvent::Frames { .. } | StreamEvent::FormatChanged { .. }) = source.read(&mut out) {
                    n_reads += 1;
                    assert!(n_reads < 10_000, "{name}: no end");
                }
            }
        }
    }
}
