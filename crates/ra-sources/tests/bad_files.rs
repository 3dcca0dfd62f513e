//! Files that lie, break off, shrink or are no sound at all: what is there is played, and errors say what was expected.

#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "support/sound.rs"]
mod sound;
#[path = "support/wav_bytes.rs"]
mod wav_bytes;

use std::path::Path;

use proptest::prelude::*;
use ra_core::{PulledSource, SourceError, StreamEvent};
use ra_sources::{AtEnd, FileConfig, FileSource};
use sound::read_all;
use wav_bytes::{chunk, counting, fmt, riff, write};

fn open_bytes(bytes: &[u8]) -> Result<FileSource, SourceError> {
    let dir = tempfile::tempdir().unwrap();
    FileSource::open(FileConfig::new(write(dir.path(), "bad.wav", bytes)))
}

/// The counting frames, checked, and the notes.
fn counted(bytes: &[u8]) -> (usize, Vec<String>) {
    let mut source = open_bytes(bytes).unwrap();
    let samples = read_all(&mut source, 2 * 100).unwrap();
    for (n, frame) in samples.chunks_exact(2).enumerate().take(1000) {
        let left = (n + 1) as f32 / 32_768.0;
        assert_eq!(frame, [left, -left]);
    }
    (samples.len() / 2, source.notes().to_vec())
}

#[test]
fn lengths_that_lie() {
    for (claimed, extra, frames, note) in [
        (4000, &b""[..], 1000, None),
        (0, b"", 1000, Some("claims no sound")),
        (u32::MAX, b"", 1000, Some("leaves the size of the sound open")),
        (u32::MAX - 1, b"", 1000, Some("claims 4294967294 bytes of sound, the file holds 4000")),
        (4001, b"", 1000, Some("claims 4001 bytes of sound, the file holds 4000")),
        (2000, b"", 500, Some("2000 bytes behind the sound are no chunk")),
        (4000, b"LIST\x04\0\0\0abcd", 1000, None),
        (4000, b"ab", 1000, None),
    ] {
        let (n_frames, notes) = counted(&counting(claimed, extra));
        assert_eq!(n_frames, frames, "claimed {claimed}");
        match note {
            Some(note) => assert!(notes.iter().any(|n| n.contains(note)), "claimed {claimed}: {notes:?}"),
            None => assert!(notes.is_empty(), "claimed {claimed}: {notes:?}"),
        }
    }
}

#[test]
fn files_that_end_inside_a_frame_or_a_sample() {
    for cut in 1..=3 {
        let mut bytes = counting(4000, b"");
        bytes.truncate(bytes.len() - cut);
        let (n_frames, notes) = counted(&bytes);
        assert_eq!(n_frames, 999);
        assert!(notes.iter().any(|n| n.contains("the broken frame is left out")), "{notes:?}");
    }
}

#[test]
fn headers_that_cannot_be() {
    let data = || chunk(b"data", 4, &[0; 4]);
    for (bytes, expected) in [
        (riff(&[fmt(1, 0, 48_000, 16), data()]), "0 channels, expected 1 to 256"),
        (riff(&[fmt(1, 300, 48_000, 16), data()]), "300 channels, expected 1 to 256"),
        (riff(&[fmt(1, 1, 0, 16), data()]), "a sample rate of 0 Hz, expected 1000 to 768000 Hz"),
        (riff(&[fmt(1, 1, 10_000_000, 16), data()]), "a sample rate of 10000000 Hz, expected 1000"),
        (riff(&[data(), fmt(1, 1, 48_000, 16)]), "data chunk comes before any fmt chunk"),
        (riff(&[data()]), "data chunk comes before any fmt chunk"),
        (riff(&[fmt(1, 1, 48_000, 16)]), "without a data chunk"),
        (riff(&[]), "without a fmt chunk"),
        (riff(&[chunk(b"fmt ", 15, &[0; 15]), data()]), "a fmt chunk of 15 bytes, expected at least 16"),
        (riff(&[chunk(b"fmt ", 16, &[1, 0, 1, 0])]), "a fmt chunk of 16 bytes that the file ends in"),
        (riff(&[fmt(1, 1, 48_000, 16), chunk(b"LIST", u32::MAX, b"x")]), "without a data chunk"),
        (riff(&[fmt(1, 1, 48_000, 40), data()]), "integer samples of 5 bytes, expected 1 to 4"),
        (riff(&[fmt(3, 1, 48_000, 16), data()]), "float samples of 2 bytes, expected 4 or 8"),
    ] {
        let error = open_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains("bad.wav") && error.contains(expected), "{error}, expected: {expected}");
    }
    let many: Vec<Vec<u8>> = (0..20_000).map(|_| chunk(b"junk", 0, b"")).collect();
    let error = open_bytes(&riff(&many)).unwrap_err().to_string();
    assert!(error.contains("more than 10000 chunks"), "{error}");
}

#[test]
fn paths_that_are_no_sound_file() {
    let dir = tempfile::tempdir().unwrap();
    let error = |path: &Path| {
        let error = FileSource::open(FileConfig::new(path)).unwrap_err().to_string();
        assert!(error.starts_with(&path.display().to_string()), "{error}");
        error
    };
    assert!(error(&dir.path().join("missing.wav")).contains("o such file") || cfg!(windows));
    assert!(error(dir.path()).contains("a directory, expected a sound file"));
    assert!(error(&write(dir.path(), "empty.flac", b"")).contains("an empty file, expected a sound file"));
    let text = "The quick brown fox jumps over the lazy dog.\n".repeat(400);
    let text = error(&write(dir.path(), "text.mp3", text.as_bytes()));
    assert!(text.contains("no sound file that is known") && text.contains("expected WAV, FLAC, MP3"), "{text}");
    assert!(error(&write(dir.path(), "stub.wav", b"RIFF")).contains("expected WAV"));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_does_not_block() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe.wav");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo is part of every Unix");
    let error = FileSource::open(FileConfig::new(&path)).unwrap_err().to_string();
    assert!(error.contains("expected a regular file"), "{error}");
}

#[test]
fn a_file_that_shrinks_gives_what_was_read_and_then_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let data = vec![0u8; 4 * 100_000];
    for (bits, at_end) in [(16, AtEnd::Stop), (32, AtEnd::Stop), (32, AtEnd::Loop)] {
        let tag = if bits == 32 { 3 } else { 1 };
        let bytes = riff(&[fmt(tag, 1, 48_000, bits), chunk(b"data", 400_000, &data)]);
        let path = write(dir.path(), "shrink.wav", &bytes);
        let mut source = FileSource::open(FileConfig { path: path.clone(), at_end }).unwrap();
        let mut out = vec![0.0; 20_000];
        assert_eq!(source.read(&mut out).unwrap(), StreamEvent::Frames { n_frames: 20_000 });
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(44 + 301_001).unwrap();
        let mut n_frames = 20_000;
        let error = loop {
            match source.read(&mut out) {
                Ok(StreamEvent::Frames { n_frames: n }) => n_frames += n,
                Ok(event) => panic!("{event:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(n_frames, 301_001 / usize::from(bits / 8), "every whole frame that was there");
        assert!(matches!(error, SourceError::File { .. }));
        assert!(error.to_string().contains("shrank while it played"), "{error}");
        let again = source.read(&mut out).unwrap_err().to_string();
        assert!(again.contains("failed before"), "{again}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damaged_headers_never_panic(flips in prop::collection::vec((0usize..60, any::<u8>()), 1..4), cut in 0usize..60) {
        let mut bytes = counting(4000, b"");
        for (at, byte) in flips {
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - cut);
        if let Ok(mut source) = open_bytes(&bytes) {
            let mut out = [0.0; 256 * 16];
            for _ in 0..10_000 {
                match source.read(&mut out) {
                    Ok(StreamEvent::EndOfStream) | Err(_) => break,
                    Ok(_) => {}
                }
            }
        }
    }
}
