//! Coded files, made by ffmpeg and sox: the right format, length to the frame, level, and place in time.

#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/sound.rs"]
mod sound;

use fixtures::{check_tone, encode, has, original, run};
use ra_core::{PulledSource, Source, StreamEvent};
use ra_sources::{AtEnd, FileConfig, FileSource};
use sound::{channel, db, fit_tone, read_all, read_exactly, rms};
use std::process::Command;

const LOSSLESS: [(&str, &[&str]); 8] = [
    ("a.flac", &[]),
    ("b.flac", &["-compression_level", "12", "-sample_fmt", "s32"]),
    ("a.aiff", &[]),
    ("a.caf", &["-c:a", "pcm_s16be"]),
    ("alac.m4a", &["-c:a", "alac"]),
    ("flac.ogg", &["-c:a", "flac"]),
    ("alaw.wav", &["-c:a", "pcm_alaw"]),
    ("adpcm.wav", &["-c:a", "adpcm_ms"]),
];

const LOSSY: [(&str, &[&str]); 5] = [
    ("a.mp3", &["-c:a", "libmp3lame", "-b:a", "256k"]),
    ("vbr.mp3", &["-c:a", "libmp3lame", "-q:a", "2"]),
    ("a.ogg", &["-c:a", "libvorbis", "-q:a", "8"]),
    ("a.m4a", &["-c:a", "aac", "-b:a", "256k"]),
    ("fast.m4a", &["-c:a", "aac", "-b:a", "256k", "-movflags", "+faststart"]),
];

#[test]
fn lossless_files_come_back_to_the_bit() {
    if !has("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let n_frames = 60_123;
    let (wav, _) = original(dir.path(), 997.0, 44_100, n_frames);
    let truth = read_all(&mut FileSource::open(FileConfig::new(&wav)).unwrap(), 4096).unwrap();
    for (name, options) in LOSSLESS {
        let path = dir.path().join(name);
        encode(&wav, &path, options);
        let mut source = FileSource::open(FileConfig::new(&path)).unwrap();
        assert_eq!((source.spec().sample_rate.hz(), source.spec().channels.get()), (44_100, 2), "{name}");
        let stated = source.remaining_frames();
        let samples = read_all(&mut source, 2 * 1000).unwrap();
        if name == "adpcm.wav" {
            // Whole blocks only, and lossy: 4 bits a sample.
            assert!(samples.len() >= 2 * n_frames && samples.len() < 2 * (n_frames + 2048), "{}", samples.len());
            check_tone(name, &samples[..2 * n_frames], 997.0, 44_100.0, -40.0);
            continue;
        }
        assert_eq!(samples.len(), 2 * n_frames, "{name}");
        assert_eq!(stated, Some(n_frames as u64), "{name}");
        assert!(source.notes().is_empty(), "{name}: {:?}", source.notes());
        if name == "alaw.wav" {
            check_tone(name, &samples, 997.0, 44_100.0, -40.0);
        } else {
            assert!(samples == truth, "{name}");
        }
    }
}

#[test]
fn lossy_files_have_their_length_level_and_place() {
    if !has("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (rate_hz, n_frames) in [(44_100, 60_123), (48_000, 96_001)] {
        let (wav, _) = original(dir.path(), 997.0, rate_hz, n_frames);
        for (name, options) in LOSSY {
            let path = dir.path().join(name);
            encode(&wav, &path, options);
            let mut source = FileSource::open(FileConfig::new(&path)).unwrap();
            assert_eq!((source.spec().sample_rate.hz(), source.spec().channels.get()), (rate_hz, 2), "{name}");
            assert_eq!(source.remaining_frames(), Some(n_frames as u64), "{name} at {rate_hz}");
            let samples = read_all(&mut source, 2 * 1000).unwrap();
            assert_eq!(samples.len(), 2 * n_frames, "{name} at {rate_hz}");
            check_tone(name, &samples, 997.0, f64::from(rate_hz), -45.0);
            // And frame by frame what ffmpeg makes of it.
            let theirs = dir.path().join("theirs.wav");
            encode(&path, &theirs, &["-c:a", "pcm_f32le"]);
            let theirs = read_all(&mut FileSource::open(FileConfig::new(&theirs)).unwrap(), 4096).unwrap();
            let difference: Vec<f32> = samples.iter().zip(&theirs).map(|(a, b)| a - b).collect();
            assert!(db(rms(&difference)) < -90.0, "{name} at {rate_hz}: {} dB", db(rms(&difference)));
            assert!(source.notes().is_empty(), "{name}: {:?}", source.notes());
        }
    }
}

#[test]
fn a_bare_aac_stream_plays_whole_and_claims_no_length() {
    if !has("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (wav, _) = original(dir.path(), 997.0, 44_100, 60_000);
    let path = dir.path().join("a.aac");
    encode(&wav, &path, &["-c:a", "aac", "-b:a", "256k"]);
    let mut source = FileSource::open(FileConfig::new(&path)).unwrap();
    assert_eq!(source.remaining_frames(), None);
    let n_frames = read_all(&mut source, 4096).unwrap().len() / 2;
    assert!((60_000..60_000 + 4 * 1024).contains(&n_frames) && n_frames.is_multiple_of(1024), "{n_frames}");
}

#[test]
fn an_mp3_without_a_tag_loses_nothing() {
    if !has("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (wav, _) = original(dir.path(), 997.0, 44_100, 60_000);
    let path = dir.path().join("bare.mp3");
    encode(&wav, &path, &["-c:a", "libmp3lame", "-q:a", "2", "-write_xing", "0", "-id3v2_version", "0"]);
    let mut source = FileSource::open(FileConfig::new(&path)).unwrap();
    assert_eq!(source.remaining_frames(), None, "a guess is not a length");
    let n_frames = read_all(&mut source, 4096).unwrap().len() / 2;
    assert!((60_000..60_000 + 3 * 1152).contains(&n_frames) && n_frames.is_multiple_of(1152), "{n_frames}");

    // Joined end to end, the header of the first knows nothing of the second.
    let tagged = dir.path().join("tagged.mp3");
    encode(&wav, &tagged, &["-c:a", "libmp3lame", "-b:a", "192k", "-id3v2_version", "0"]);
    let one = std::fs::read(&tagged).unwrap();
    let joined = dir.path().join("joined.mp3");
    std::fs::write(&joined, [&one[..], &one[..]].concat()).unwrap();
    let mut source = FileSource::open(FileConfig::new(&joined)).unwrap();
    let n_frames = read_all(&mut source, 4096).unwrap().len() / 2;
    assert!(n_frames >= 120_000, "{n_frames}");
    assert!(source.notes().iter().any(|n| n.contains("behind the end that the header states")), "{:?}", source.notes());
}

#[test]
fn loops_of_coded_files_have_no_seam() {
    if !has("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // 441 Hz at 44.1 kHz: 300 whole periods.
    let (wav, _) = original(dir.path(), 441.0, 44_100, 30_000);
    for (name, options, residual_db) in [
        ("a.flac", &[][..], -97.0),
        ("a.ogg", &["-c:a", "libvorbis", "-q:a", "8"], -40.0),
        ("a.mp3", &["-c:a", "libmp3lame", "-b:a", "320k"], -40.0),
        // This encoder is 18 dB down on the first 1024 frames, wherever it is decoded.
        ("a.m4a", &["-c:a", "aac", "-b:a", "256k"], -34.0),
    ] {
        let path = dir.path().join(name);
        encode(&wav, &path, options);
        let mut source = FileSource::open(FileConfig { path, at_end: AtEnd::Loop }).unwrap();
        assert_eq!(source.remaining_frames(), None);
        let mut out = vec![0.0; 2 * 135_000];
        assert_eq!(source.read(&mut out).unwrap(), StreamEvent::Frames { n_frames: 135_000 }, "{name}: in one call");
        let left = channel(&out, 2, 0);
        let (amplitude, phase, residual) = fit_tone(&left, 441.0, 44_100.0);
        assert!((db(amplitude) - db(0.5)).abs() < 0.1 && phase.abs() < 0.01, "{name}: {amplitude} {phase}");
        assert!(db(residual) < residual_db, "{name}: residual {} dB", db(residual));
        // Every loop is the first one again, to the bit.
        assert!(out[..60_000] == out[60_000..120_000], "{name}");
        let notes = source.notes().len();
        read_exactly(&mut source, &mut out);
        assert_eq!(source.notes().len(), notes);
    }
}

#[test]
fn chained_ogg_changes_its_format_and_loops_back() {
    if !has("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Vec::new();
    for (rate_hz, hz, layout) in [(44_100, 441.0, "pan=stereo|c0=c0|c1=c1"), (48_000, 480.0, "pan=mono|c0=c0")] {
        let (wav, _) = original(dir.path(), hz, rate_hz, 30_000);
        let path = dir.path().join("link.ogg");
        encode(&wav, &path, &["-c:a", "libvorbis", "-q:a", "8", "-af", layout]);
        chain.extend(std::fs::read(&path).unwrap());
    }
    let path = dir.path().join("chain.ogg");
    std::fs::write(&path, chain).unwrap();
    let mut source = FileSource::open(FileConfig { path: path.clone(), at_end: AtEnd::Loop }).unwrap();
    let mut out = vec![0.0; 7777 * 2];
    let (mut lane, mut seen) = (Vec::new(), Vec::new());
    while seen.len() < 4 {
        let spec = source.spec();
        match source.read(&mut out[..7777 / spec.channels.get() * spec.channels.get()]).unwrap() {
            StreamEvent::Frames { n_frames } => {
                assert_eq!(source.spec(), spec, "frames are in the format that was known before");
                lane.extend(channel(&out[..spec.samples(n_frames)], spec.channels.get(), 0));
            }
            StreamEvent::FormatChanged { spec: next } => {
                assert_eq!(source.spec(), next);
                seen.push((spec.sample_rate.hz(), spec.channels.get(), lane.len()));
                let hz = f64::from(spec.sample_rate.hz()) / 100.0;
                let (amplitude, _, residual) = fit_tone(&lane, hz, f64::from(spec.sample_rate.hz()));
                assert!((db(amplitude) - db(0.5)).abs() < 0.1 && db(residual) < -40.0, "{amplitude} {residual}");
                lane.clear();
            }
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(seen, [(44_100, 2, 30_000), (48_000, 1, 30_000), (44_100, 2, 30_000), (48_000, 1, 30_000)]);
    let once = FileSource::open(FileConfig::new(&path)).unwrap();
    assert_eq!(once.remaining_frames(), None, "the first link's length is not the file's");
}

#[test]
fn opus_is_refused_by_name() {
    if !has("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (wav, _) = original(dir.path(), 997.0, 48_000, 48_000);
    for name in ["a.opus", "a.ogg"] {
        let path = dir.path().join(name);
        encode(&wav, &path, &["-c:a", "libopus"]);
        let error = FileSource::open(FileConfig::new(&path)).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("Opus, which this build can't decode"), "{error}");
    }
}

#[test]
fn sox_and_ffprobe_agree_on_the_length() {
    if !has("sox") || !has("ffmpeg") || !has("ffprobe") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (wav, _) = original(dir.path(), 997.0, 44_100, 60_123);
    let path = dir.path().join("sox.flac");
    run("sox", &[wav.to_str().unwrap(), path.to_str().unwrap()]);
    let args = ["-v", "error", "-show_entries", "stream=duration_ts", "-of", "csv=p=0", path.to_str().unwrap()];
    let probed = Command::new("ffprobe").args(args).output().unwrap();
    let probed: u64 = String::from_utf8(probed.stdout).unwrap().trim().parse().unwrap();
    let mut source = FileSource::open(FileConfig::new(&path)).unwrap();
    assert_eq!(source.remaining_frames(), Some(probed));
    assert_eq!(read_all(&mut source, 4096).unwrap().len() as u64 / 2, probed);
}
