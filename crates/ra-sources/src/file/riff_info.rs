//! The INFO list of a WAV file (Microsoft, Multimedia Programming Interface and Data Specifications 1.0, 1991): what its sound
//! is called. symphonia reads the list and drops it. Believes no size beyond the file, allocates little by any.

use std::borrow::Cow;
use std::io::{Read, Seek, SeekFrom};

use ra_core::Metadata;

/// A file with more chunks than this is nobody's recording.
const MAX_CHUNKS: usize = 10_000;
/// A longer list is no list of titles.
const MOST_LIST_BYTES: u32 = 64 * 1024;

/// The tags of a WAV file; nothing where it has none, or is no WAV file.
pub(crate) fn read_riff_info(file: &mut (impl Read + Seek)) -> Metadata {
    let mut metadata = Metadata::default();
    let Some(form) = read_array::<12>(file) else { return metadata };
    if !matches!(&form[..4], b"RIFF" | b"RF64" | b"BW64") || &form[8..] != b"WAVE" {
        return metadata;
    }
    for _ in 0..MAX_CHUNKS {
        let Some((id, size)) = read_chunk_head(file) else { break };
        let mut left = u64::from(size) + u64::from(size % 2);
        if &id == b"LIST" && (4..=MOST_LIST_BYTES).contains(&size) {
            let mut list = vec![0; size as usize];
            if file.read_exact(&mut list).is_err() {
                break;
            }
            left = u64::from(size % 2);
            if let Some(texts) = list.strip_prefix(b"INFO") {
                take_texts(texts, &mut metadata);
            }
        }
        // Where the size is not known, or runs over, the next head is nowhere, and that is the end.
        if file.seek(SeekFrom::Current(i64::try_from(left).unwrap_or(i64::MAX))).is_err() {
            break;
        }
    }
    metadata
}

fn take_texts(mut list: &[u8], metadata: &mut Metadata) {
    while let (Some(id), Some(size)) = (list.get(..4), list.get(4..8)) {
        let size = size.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        let Some(text) = list.get(8..8 + size) else { break };
        let text = read_text(text);
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        let field = match id {
            b"INAM" => Some(&mut metadata.title),
            b"IART" => Some(&mut metadata.artist),
            b"IPRD" => Some(&mut metadata.album),
            b"ICMT" => Some(&mut metadata.comment),
            _ => None,
        };
        if let Some(field) = field
            && !text.is_empty()
        {
            *field = Some(text.to_owned());
        }
        list = list.get(8 + size + size % 2..).unwrap_or_default();
    }
}

/// UTF-8, or else Windows-1252, which most programs of its day wrote.
fn read_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => bytes.iter().map(|&byte| windows_1252(byte)).collect(),
    }
}

fn windows_1252(byte: u8) -> char {
    /// From 0x80 on (Unicode's mapping CP1252.TXT). The five that it leaves open are the control characters of Latin 1.
    const UPPER: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '\u{2dc}', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => UPPER[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

fn read_chunk_head(file: &mut impl Read) -> Option<([u8; 4], u32)> {
    let [a, b, c, d, size @ ..] = read_array::<8>(file)?;
    Some(([a, b, c, d], u32::from_le_bytes(size)))
}

fn read_array<const N: usize>(file: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).ok().map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn titles_stand_before_or_behind_the_sound() {
        let list = b"LIST\x1a\0\0\0INFOINAM\x03\0\0\0ab\0\0IXYZ\x02\0\0\0zz";
        let data = b"data\x03\0\0\0\x01\x02\x03\0";
        for chunks in [[&list[..], data], [data, list]] {
            let file = [&b"RIFF\xff\0\0\0WAVE"[..], chunks[0], chunks[1]].concat();
            let metadata = read_riff_info(&mut Cursor::new(file));
            assert_eq!(metadata, Metadata { title: Some("ab".into()), ..Metadata::default() });
        }
    }

    #[test]
    fn texts_that_are_no_utf_8_are_read_as_windows_1252() {
        let title = |text: &[u8]| {
            let size = |n: usize| (n as u32).to_le_bytes();
            let field = [&b"INFOINAM"[..], &size(text.len()), text, &[0][..text.len() % 2]].concat();
            let file = [&b"RIFF\xff\0\0\0WAVELIST"[..], &size(field.len()), &field].concat();
            read_riff_info(&mut Cursor::new(file)).title.unwrap()
        };
        assert_eq!(title("Grüße – ❤\0".as_bytes()), "Grüße – ❤");
        assert_eq!(title(b"Gr\xfc\xdfe \x96 \x8050\x9f\0"), "Grüße – €50Ÿ");
        assert_eq!(title(b"a\x81b\xff"), "a\u{81}bÿ", "what the page leaves open stays a control character");
    }

    proptest! {
        #[test]
        fn any_bytes_are_tags_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200), is_list: bool) {
            let begin = if is_list { &b"RIFF\0\0\0\0WAVELIST\xc0\0\0\0INFO"[..] } else { b"RIFF\0\0\0\0WAVE" };
            read_riff_info(&mut Cursor::new([begin, &bytes].concat()));
        }
    }
}
