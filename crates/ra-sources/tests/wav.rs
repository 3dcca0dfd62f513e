//! WAV files that are as they should be, written by hound or by hand: every format, loops, lengths.

#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "support/sound.rs"]
mod sound;
#[path = "support/wav_bytes.rs"]
mod wav_bytes;

use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};
use ra_core::{PulledSource, Source, StreamEvent};
use ra_sources::{AtEnd, FileConfig, FileSource};
use sound::{channel, db, fit_tone, read_all, read_exactly, tone};
use wav_bytes::{chunk, fmt_body, riff, write};

fn open(path: &Path) -> FileSource {
    FileSource::open(FileConfig::new(path)).unwrap()
}

fn looped(path: &Path) -> FileSource {
    FileSource::open(FileConfig { path: path.to_owned(), at_end: AtEnd::Loop }).unwrap()
}

fn hound_tone(path: &Path, bits: u16, sample_format: SampleFormat, hz: f64, n_frames: usize) {
    let spec = WavSpec { channels: 2, sample_rate: 44_100, bits_per_sample: bits, sample_format };
    let mut writer = WavWriter::create(path, spec).unwrap();
    for x in tone(hz, 0.5, 44_100.0, n_frames) {
        for x in [x, -x] {
            match sample_format {
                SampleFormat::Float => writer.write_sample(x).unwrap(),
                SampleFormat::Int => {
                    let full = 2f64.powi(i32::from(bits) - 1);
                    writer.write_sample((f64::from(x) * full).round() as i32).unwrap();
                }
            }
        }
    }
    writer.finalize().unwrap();
}

#[test]
fn every_width_has_the_right_level_frequency_and_phase() {
    let dir = tempfile::tempdir().unwrap();
    for (bits, format, residual_db) in [
        (8, SampleFormat::Int, -50.0),
        (16, SampleFormat::Int, -98.0),
        (24, SampleFormat::Int, -140.0),
        (32, SampleFormat::Int, -150.0),
        (32, SampleFormat::Float, -150.0),
    ] {
        let path = dir.path().join(format!("{bits}.wav"));
        hound_tone(&path, bits, format, 997.0, 44_100);
        let mut source = open(&path);
        assert!(source.notes().is_empty(), "{:?}", source.notes());
        assert_eq!((source.spec().sample_rate.hz(), source.spec().channels.get()), (44_100, 2));
        assert_eq!(source.remaining_frames(), Some(44_100));
        let samples = read_all(&mut source, 2 * 333).unwrap();
        assert_eq!(samples.len(), 2 * 44_100);
        for (which, phase) in [(0, 0.0), (1, std::f64::consts::PI)] {
            let (amplitude, found, residual) = fit_tone(&channel(&samples, 2, which), 997.0, 44_100.0);
            assert!((db(amplitude) - db(0.5)).abs() < 0.01, "{bits} bits: {amplitude}");
            assert!((found.abs() - phase).abs() < 1e-3, "{bits} bits: {found}");
            assert!(db(residual) < residual_db, "{bits} bits: {}", db(residual));
        }
        assert_eq!(source.remaining_frames(), Some(0));
    }
}

#[test]
fn reads_of_any_size_give_the_same_samples() {
    let dir = tempfile::tempdir().unwrap();
    for (bits, format) in [(24, SampleFormat::Int), (32, SampleFormat::Float)] {
        let path = dir.path().join(format!("{bits}.wav"));
        hound_tone(&path, bits, format, 440.0, 100_001);
        let whole = read_all(&mut open(&path), 2 * 200_000).unwrap();
        assert_eq!(whole.len(), 2 * 100_001, "the short tail is kept");
        for block in [2, 2 * 127, 2 * 8192, 2 * 30_011] {
            assert!(read_all(&mut open(&path), block).unwrap() == whole, "{bits} bits in blocks of {block}");
        }
    }
}

#[test]
fn doubles_and_extensible_and_wide_containers() {
    let dir = tempfile::tempdir().unwrap();
    let doubles: Vec<u8> = [0.25f64, -0.75].iter().flat_map(|x| x.to_le_bytes()).collect();
    let path = write(dir.path(), "f64.wav", &riff(&[wav_bytes::fmt(3, 1, 96_000, 64), chunk(b"data", 16, &doubles)]));
    assert_eq!(read_all(&mut open(&path), 64).unwrap(), [0.25, -0.75]);

    // 24 bits in 32, by WAVE_FORMAT_EXTENSIBLE: left-justified.
    let mut body = fmt_body(0xfffe, 1, 48_000, 32);
    body.extend([22, 0, 24, 0, 4, 0, 0, 0]);
    body.extend([1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    let data: Vec<u8> = [0x4000_0000i32, i32::MIN, 0x0000_0100].iter().flat_map(|x| x.to_le_bytes()).collect();
    let path = write(dir.path(), "ext.wav", &riff(&[chunk(b"fmt ", 40, &body), chunk(b"data", 12, &data)]));
    assert_eq!(read_all(&mut open(&path), 64).unwrap(), [0.5, -1.0, 1.0 / 8_388_608.0]);
}

#[test]
fn other_chunks_and_odd_sizes_are_stepped_over() {
    let dir = tempfile::tempdir().unwrap();
    let data = [1u8, 0, 2, 0, 3, 0];
    let list = |body: &[u8]| chunk(b"LIST", 3, body);
    for (name, between) in [("padded.wav", list(b"abc\0")), ("unpadded.wav", list(b"abc"))] {
        let file = riff(&[
            chunk(b"JUNK", 28, &[0; 28]),
            wav_bytes::fmt(1, 1, 8_000, 16),
            between,
            chunk(b"data", 6, &data),
            chunk(b"id3 ", 2, b"xx"),
        ]);
        let mut source = open(&write(dir.path(), name, &file));
        let samples = read_all(&mut source, 64).unwrap();
        assert_eq!(samples, [1.0 / 32_768.0, 2.0 / 32_768.0, 3.0 / 32_768.0], "{name}");
        assert!(source.notes().is_empty(), "{:?}", source.notes());
    }
}

#[test]
fn nan_and_infinity_are_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    let data: Vec<u8> =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5].iter().flat_map(|x| x.to_le_bytes()).collect();
    let path = write(dir.path(), "nan.wav", &riff(&[wav_bytes::fmt(3, 1, 48_000, 32), chunk(b"data", 16, &data)]));
    let samples = read_all(&mut open(&path), 64).unwrap();
    assert!(samples[0].is_nan());
    assert_eq!(samples[1..], [f32::INFINITY, f32::NEG_INFINITY, 0.5]);
}

#[test]
fn a_loop_of_whole_periods_has_no_seam() {
    let dir = tempfile::tempdir().unwrap();
    // 441 Hz at 44.1 kHz: 100 frames a period. One loop fits the read buffer, the other does not, in both read paths.
    for (bits, format) in [(16, SampleFormat::Int), (32, SampleFormat::Float)] {
        for n_frames in [300, 100_000] {
            let path = dir.path().join("loop.wav");
            hound_tone(&path, bits, format, 441.0, n_frames);
            let mut source = looped(&path);
            assert_eq!(source.remaining_frames(), None);
            for block in [2 * 777, 2 * 250_000] {
                let mut out = vec![0.0; block];
                // The last frame is followed by the first one in the same call.
                assert_eq!(source.read(&mut out).unwrap(), StreamEvent::Frames { n_frames: block / 2 });
            }
            let mut out = vec![0.0; 2 * 250_000];
            read_exactly(&mut source, &mut out);
            let (amplitude, _, residual) = fit_tone(&channel(&out, 2, 0), 441.0, 44_100.0);
            assert!((amplitude - 0.5).abs() < 1e-4);
            assert!(db(residual) < -98.0, "{bits} bits, {n_frames} frames: {}", db(residual));
        }
    }
}

#[test]
fn the_shortest_loop_goes_on_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let one = riff(&[wav_bytes::fmt(1, 1, 48_000, 16), chunk(b"data", 2, &[0, 0x40])]);
    let mut out = vec![0.0; 100_000];
    let mut source = looped(&write(dir.path(), "one.wav", &one));
    assert_eq!(source.read(&mut out).unwrap(), StreamEvent::Frames { n_frames: 100_000 });
    assert!(out.iter().all(|&x| x == 0.5));

    let none = riff(&[wav_bytes::fmt(1, 1, 48_000, 16), chunk(b"data", 0, &[])]);
    let path = write(dir.path(), "none.wav", &none);
    let error = FileSource::open(FileConfig { path: path.clone(), at_end: AtEnd::Loop }).unwrap_err().to_string();
    assert!(error.contains("none.wav") && error.contains("no frames"), "{error}");
    assert!(read_all(&mut open(&path), 64).unwrap().is_empty());
}

#[test]
fn a_rf64_file_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let mut ds64 = Vec::new();
    for n in [0u64, 8, 4] {
        ds64.extend(n.to_le_bytes());
    }
    ds64.extend([0; 4]);
    let data = [0, 0x40, 0, 0xc0, 0, 0x20, 0, 0xe0];
    let mut file = riff(&[
        chunk(b"ds64", 28, &ds64),
        wav_bytes::fmt(1, 1, 48_000, 16),
        chunk(b"data", u32::MAX, &data),
        chunk(b"LIST", 4, b"abcd"),
    ]);
    file[..4].copy_from_slice(b"RF64");
    let mut source = open(&write(dir.path(), "rf64.wav", &file));
    assert_eq!(read_all(&mut source, 64).unwrap(), [0.5, -0.5, 0.25, -0.25]);
    assert!(source.notes().is_empty(), "{:?}", source.notes());
}
