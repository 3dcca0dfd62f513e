//! Streams of pages as a listener hears them: the tone that went in, and no seam between chained streams. Decoded by
//! ffmpeg and libsndfile.

use std::process::Command;

use ra_core::{FramePosition, Metadata, StreamSpec};
use ra_dsp::{BitDepth, Quantiser};

use super::{Codec, EncoderConfig, make_encoder};
use crate::judges::{Judge, judges_of};

const HZ: f64 = 997.0;
const AMPLITUDE: f64 = 0.5;

fn tone(frames: std::ops::Range<u64>, rate: f64, channels: u16) -> Vec<f32> {
    let sample =
        |n: u64, c: u16| (AMPLITUDE * (std::f64::consts::TAU * HZ * f64::from(c + 1) * n as f64 / rate).sin()) as f32;
    frames.flat_map(|n| (0..channels).map(move |c| sample(n, c))).collect()
}

/// All bytes of a stream of tones, a new logical stream after each of `lengths`. Checks what the pages say of themselves.
fn stream(config: &EncoderConfig, hz: u32, channels: u16, lengths: &[u64]) -> Vec<u8> {
    let mut encoder = make_encoder(config, StreamSpec::new(hz, channels).unwrap()).unwrap();
    let mut bytes = Vec::new();
    let mut at = 0;
    for (i, &n_frames) in lengths.iter().enumerate() {
        let title = format!("{i}: Händel – Wassermusik");
        let tags = Metadata { title: Some(title.clone()), ..Metadata::default() };
        let headers = encoder.headers(&tags).unwrap();
        assert!(headers.windows(title.len()).any(|w| w == title.as_bytes()));
        bytes.extend(headers);
        let mut pages = Vec::new();
        for (n, block) in tone(at..at + n_frames, hz.into(), channels).chunks(128 * usize::from(channels)).enumerate() {
            encoder.encode(FramePosition(at + 128 * n as u64), block, &mut pages).unwrap();
        }
        encoder.finish(&mut pages).unwrap();
        assert_eq!(pages.iter().map(|p| p.n_frames).sum::<u64>(), n_frames);
        // At most 100 ms in a page.
        assert!(pages.iter().all(|p| p.n_frames <= u64::from(hz) / 10));
        pages.iter().for_each(|p| bytes.extend(&p.bytes));
        at += n_frames;
    }
    bytes
}

/// As a listener gets it, who can't seek. ffmpeg, told to look for the end of a chained file, stumbles over its middle.
fn listen(bytes: &[u8]) -> Vec<f32> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stream");
    std::fs::write(&path, bytes).unwrap();
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i", "-", "-f", "f32le", "-"])
        .stdin(std::fs::File::open(path).unwrap())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    output.stdout.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn decode(judge: Judge, bytes: &[u8]) -> Vec<f32> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stream.ogg");
    std::fs::write(&path, bytes).unwrap();
    judge.decode(&path)
}

/// How far what was decoded is from the tone, in dB below it, at the worst 10 ms.
fn worst_noise_db(read: &[f32], channels: u16) -> f64 {
    let n_frames = read.len() as u64 / u64::from(channels);
    let truth = tone(0..n_frames, 48_000.0, channels);
    let window = 480 * usize::from(channels);
    // The first and last 10 ms are where a tone is switched on and off.
    let noise =
        |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / window as f64;
    let windows = read.chunks_exact(window).zip(truth.chunks_exact(window)).skip(2);
    let worst = windows.map(noise).rev().skip(2).fold(0.0, f64::max);
    10.0 * (worst / (AMPLITUDE * AMPLITUDE / 2.0)).log10()
}

/// The tone is there, at its level and in its phase: everything else is noise.
#[test]
fn opus_gives_back_the_tone_at_its_place() {
    for hz in [48_000, 44_100, 96_000, 24_000] {
        let config = EncoderConfig { bitrate_kbps: 128, ..EncoderConfig::new(Codec::Opus) };
        let bytes = stream(&config, hz, 2, &[u64::from(hz) * 2]);
        let read = decode(Judge::Ffmpeg, &bytes);
        assert_eq!(read.len(), 2 * 96_000);
        let noise_db = worst_noise_db(&read, 2);
        assert!(noise_db < -20.0, "{noise_db} dB at {hz} Hz");
    }
}

/// Each of our channels, in WAV's order, comes out of ffmpeg, which has the same order, at its own place.
#[test]
fn every_channel_of_an_opus_stream_comes_out_at_its_place() {
    for channels in 1..=8u16 {
        let config = EncoderConfig { bitrate_kbps: 96 * u32::from(channels), ..EncoderConfig::new(Codec::Opus) };
        let read = decode(Judge::Ffmpeg, &stream(&config, 48_000, channels, &[48_000]));
        assert_eq!(read.len(), 48_000 * usize::from(channels));
        let truth = tone(0..48_000, 48_000.0, channels);
        for c in 0..usize::from(channels) {
            let channel =
                |s: &[f32]| s.iter().skip(c).step_by(usize::from(channels)).skip(4800).copied().collect::<Vec<_>>();
            let (a, b) = (channel(&read), channel(&truth));
            let noise: f32 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
            let power: f32 = b.iter().map(|b| b * b).sum();
            assert!(noise < 0.01 * power, "channel {c} of {channels}: {} dB", 10.0 * (noise / power).log10());
        }
    }
}

/// A new title twice a second: the chained streams are as long as the sound was, and nothing is heard where they meet.
#[test]
fn chained_opus_streams_have_no_seam() {
    let lengths = [24_000, 23_999, 24_001, 30_000, 4_801];
    for hz in [48_000, 44_100, 16_000] {
        let config = EncoderConfig { bitrate_kbps: 128, ..EncoderConfig::new(Codec::Opus) };
        let whole = listen(&stream(&config, hz, 2, &[lengths.iter().sum()]));
        let read = listen(&stream(&config, hz, 2, &lengths));
        // Each stream has the nearest number of frames at 48 kHz, and so has their sum.
        assert_eq!(read.len(), whole.len(), "{hz} Hz");
        let (noise_db, whole_db) = (worst_noise_db(&read, 2), worst_noise_db(&whole, 2));
        assert!(noise_db < -30.0, "{noise_db} dB at {hz} Hz, {whole_db} dB without seams");
    }
}

#[test]
fn chained_ogg_flac_streams_are_the_sound_bit_for_bit() {
    for (bits, depth) in [(BitDepth::S16, 32_768.0), (BitDepth::S24, 8_388_608.0)] {
        let config = EncoderConfig { bits, ..EncoderConfig::new(Codec::OggFlac) };
        let lengths = [24_000, 23_999, 24_001, 2_311];
        let mut quantised = vec![0; 2 * 74_311];
        Quantiser { bits }.quantise(FramePosition(0), 2, &tone(0..74_311, 48_000.0, 2), &mut quantised);
        let truth: Vec<f32> = quantised.iter().map(|&s| s as f32 / depth).collect();
        assert!(listen(&stream(&config, 48_000, 2, &lengths)) == truth);
    }
}

#[test]
fn a_stream_of_nothing_and_ones_of_a_few_frames_are_streams() {
    for codec in [Codec::Opus, Codec::OggFlac] {
        for n_frames in [0, 1, 311, 649] {
            let bytes = stream(&EncoderConfig::new(codec), 48_000, 2, &[n_frames]);
            let mut reader = ogg::PacketReader::new(std::io::Cursor::new(bytes));
            let packets: Vec<_> = std::iter::from_fn(|| reader.read_packet().unwrap()).collect();
            assert!(packets.len() >= 2, "{codec:?}");
        }
    }
}

#[test]
fn sound_before_the_headers_is_refused() {
    for codec in [Codec::Opus, Codec::Flac, Codec::OggFlac] {
        let mut encoder = make_encoder(&EncoderConfig::new(codec), StreamSpec::new(48_000, 2).unwrap()).unwrap();
        let error = encoder.encode(FramePosition(0), &[0.0; 200], &mut Vec::new()).unwrap_err();
        assert!(error.to_string().ends_with(": sound before the headers of its stream"), "{error}");
    }
}

/// libsndfile reads one logical stream.
#[test]
fn other_readers_take_the_streams_too() {
    let bytes = stream(&EncoderConfig::new(Codec::Opus), 48_000, 2, &[50_000]);
    for judge in judges_of("ogg") {
        let read = decode(judge, &bytes);
        assert_eq!(read.len(), 100_000, "{judge:?}");
        let noise_db = worst_noise_db(&read, 2);
        assert!(noise_db < -20.0, "{noise_db} dB, {judge:?}");
    }
}

#[cfg(feature = "vorbis")]
#[test]
fn vorbis_gives_back_the_tone_at_its_place() {
    let lengths = [48_000, 47_999, 30_001, 311];
    let config = EncoderConfig { bitrate_kbps: 160, ..EncoderConfig::new(Codec::Vorbis) };
    for channels in [1, 2, 6] {
        let config = EncoderConfig { bitrate_kbps: 80 * u32::from(channels), ..config };
        let bytes = stream(&config, 48_000, channels, &lengths[..1]);
        for judge in judges_of("ogg") {
            if judge == Judge::Sndfile && channels > 2 {
                continue; // it leaves Vorbis's order as it is
            }
            let read = decode(judge, &bytes);
            assert_eq!(read.len(), 48_000 * usize::from(channels), "{judge:?}");
            if channels == 6 {
                // libvorbis lets nothing but low frequencies through to the fourth channel of six.
                let truth = tone(0..48_000, 48_000.0, channels);
                for c in [0, 1, 2, 4, 5] {
                    let pairs = read.iter().zip(&truth).skip(4800 * 6 + c).step_by(6);
                    let noise: f32 = pairs.clone().map(|(a, b)| (a - b).powi(2)).sum();
                    let power: f32 = pairs.map(|(_, b)| b * b).sum();
                    assert!(noise < 0.02 * power, "channel {c}: {} dB", 10.0 * (noise / power).log10());
                }
                continue;
            }
            let noise_db = worst_noise_db(&read, channels);
            assert!(noise_db < -20.0, "{noise_db} dB, {judge:?}, {channels} channels");
        }
    }
    let chained = listen(&stream(&config, 48_000, 2, &lengths));
    // ffmpeg 5.1 finds a few hundred frames more than there are in all these links together; alone each is exact.
    let surplus = chained.len() as u64 / 2 - lengths.iter().sum::<u64>();
    assert!(surplus < 1024, "{surplus} frames");
    for n_frames in [48_000, 47_999, 30_001] {
        assert_eq!(listen(&stream(&config, 48_000, 2, &[n_frames])).len() as u64, 2 * n_frames);
    }
    let error = make_encoder(&config, StreamSpec::new(48_000, 9).unwrap()).err().unwrap();
    assert_eq!(error.to_string(), "Vorbis: 9 channels, expected at most 8");
    let error = make_encoder(&EncoderConfig { bitrate_kbps: 2000, ..config }, StreamSpec::new(8_000, 1).unwrap());
    assert!(error.err().unwrap().to_string().starts_with("Vorbis: 2000 kbit/s at 8000 Hz mono, expected "));
}

#[cfg(feature = "mp3")]
#[test]
fn mp3_gives_back_the_tone_behind_its_delay() {
    for (hz, channels, bitrate_kbps) in [(48_000u32, 2u16, 128), (44_100, 1, 96), (24_000, 2, 64)] {
        let spec = StreamSpec::new(hz, channels).unwrap();
        let config = EncoderConfig { bitrate_kbps, ..EncoderConfig::new(Codec::Mp3) };
        let mut encoder = make_encoder(&config, spec).unwrap();
        assert_eq!(encoder.headers(&Metadata::default()).unwrap(), b"");
        let (mut pages, sound) = (Vec::new(), tone(0..u64::from(hz), hz.into(), channels));
        for block in sound.chunks(999 * usize::from(channels)) {
            encoder.encode(FramePosition(0), block, &mut pages).unwrap();
        }
        encoder.finish(&mut pages).unwrap();
        assert_eq!(pages.iter().map(|p| p.n_frames).sum::<u64>(), u64::from(hz));
        // Each page is one frame: as many bytes as the bit rate asks for, and its header in front.
        let frame_s = if hz >= 32_000 { 1152.0 } else { 576.0 } / f64::from(hz);
        let expected = f64::from(bitrate_kbps) * 125.0 * frame_s;
        assert!(pages.iter().all(|p| p.bytes[0] == 0xFF && (p.bytes.len() as f64 - expected).abs() <= 1.0));
        let bytes: Vec<u8> = pages.iter().flat_map(|p| p.bytes.clone()).collect();
        let read = listen(&bytes);
        let channels = spec.channels.get();
        let delayed = &read[1105 * channels..];
        assert!(delayed.len() >= sound.len());
        let from = 2000 * channels;
        let noise: f32 = delayed[from..].iter().zip(&sound[from..]).map(|(a, b)| (a - b).powi(2)).sum();
        let power: f32 = sound[from..].iter().map(|b| b * b).sum();
        assert!(noise < 0.01 * power, "{} dB at {hz} Hz", 10.0 * (noise / power).log10());
    }
    let refused = |hz, channels, bitrate_kbps| {
        let config = EncoderConfig { bitrate_kbps, ..EncoderConfig::new(Codec::Mp3) };
        make_encoder(&config, StreamSpec::new(hz, channels).unwrap()).err().unwrap().to_string()
    };
    assert_eq!(refused(48_000, 3, 128), "MP3: 3 channels, expected 1 or 2");
    assert!(refused(96_000, 2, 128).starts_with("MP3: 96000 Hz, expected one of [8000, "));
    assert!(refused(48_000, 2, 100).starts_with("MP3: 100 kbit/s at 48000 Hz, expected one of [32, "));
}
