//! WAV files made by hand, chunk by chunk, so that they can lie. Knows nothing of the code under test.
#![allow(dead_code, reason = "each test file uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use std::path::{Path, PathBuf};

pub(crate) fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

pub(crate) fn chunk(id: &[u8; 4], claimed: u32, body: &[u8]) -> Vec<u8> {
    [&id[..], &claimed.to_le_bytes(), body].concat()
}

pub(crate) fn fmt_body(tag: u16, channels: u16, rate_hz: u32, bits: u16) -> Vec<u8> {
    let frame = u32::from(channels) * u32::from(bits / 8);
    let mut body = Vec::new();
    body.extend(tag.to_le_bytes());
    body.extend(channels.to_le_bytes());
    body.extend(rate_hz.to_le_bytes());
    body.extend(frame.wrapping_mul(rate_hz).to_le_bytes());
    body.extend((frame as u16).to_le_bytes());
    body.extend(bits.to_le_bytes());
    body
}

pub(crate) fn fmt(tag: u16, channels: u16, rate_hz: u32, bits: u16) -> Vec<u8> {
    chunk(b"fmt ", 16, &fmt_body(tag, channels, rate_hz, bits))
}

pub(crate) fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    [b"RIFF", &(body.len() as u32 + 4).to_le_bytes()[..], b"WAVE", &body].concat()
}

/// 16-bit stereo at 48 kHz: 1000 frames, the left counting up, the right down, of which the header claims `claimed` bytes.
pub(crate) fn counting(claimed: u32, extra: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    for n in 0..1000i16 {
        data.extend((n + 1).to_le_bytes());
        data.extend((-n - 1).to_le_bytes());
    }
    data.extend(extra);
    riff(&[fmt(1, 2, 48_000, 16), chunk(b"data", claimed, &data)])
}
