//! Whether a FLAC file consists of headers alone: what a recorder leaves in its first 50 ms. sox and ffmpeg open such a
//! file; libsndfile says that its length is unknown, and symphonia, behind our file source, looks for a frame in vain.

use std::path::Path;

/// Whether the metadata blocks reach to the end of the file or beyond (RFC 9639, section 8.1: the first bit of a block marks
/// the last one, its length is the 24 bits behind its type).
pub(super) fn has_no_frame(file: &Path) -> bool {
    std::fs::read(file).is_ok_and(|bytes| is_headers_alone(&bytes))
}

fn is_headers_alone(bytes: &[u8]) -> bool {
    if !bytes.starts_with(b"fLaC") {
        return false;
    }
    let mut at = 4;
    while let Some(&[kind, a, b, c]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        at += 4 + u32::from_be_bytes([0, a, b, c]) as usize;
        if kind & 0x80 != 0 {
            return at == bytes.len();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_to_the_last_byte_are_headers_alone() {
        let file = b"fLaC\x00\x00\x00\x02ab\x81\x00\x00\x01c";
        assert!(is_headers_alone(file));
        assert!(!is_headers_alone(&file[..file.len() - 1]), "cut off");
        assert!(!is_headers_alone(&[file, &b"\xff\xf8"[..]].concat()), "a frame");
        assert!(!is_headers_alone(b"fLaC\x00\x00\x00\x02ab") && !is_headers_alone(b"RIFF"));
    }
}
