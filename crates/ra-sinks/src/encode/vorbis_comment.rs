//! Tags as Ogg and FLAC carry them. Adds no framing.
//!
//! Layout: length-counted vendor string, number of comments, length-counted `NAME=text` in UTF-8, all lengths 32 bits with
//! the little end first (Xiph.org, "Ogg Vorbis I format specification: comment field and header specification").

use ra_core::Metadata;

/// The body of a comment header. `vendor` names the encoder; `extra` are further names and texts.
///
/// Any text may stand in a tag, for its length is counted: also a `=`, a line break, nothing at all.
pub(super) fn comments(vendor: &str, tags: &Metadata, extra: &[(&str, String)]) -> Vec<u8> {
    let known = [("TITLE", &tags.title), ("ARTIST", &tags.artist), ("ALBUM", &tags.album), ("COMMENT", &tags.comment)];
    let known = known.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
    let all: Vec<(&str, &str)> = known.chain(extra.iter().map(|(name, text)| (*name, text.as_str()))).collect();
    let mut out = Vec::new();
    push_counted(&mut out, &[vendor]);
    out.extend((all.len() as u32).to_le_bytes());
    for (name, text) in all {
        push_counted(&mut out, &[name, "=", text]);
    }
    out
}

fn push_counted(out: &mut Vec<u8>, pieces: &[&str]) {
    let n_bytes: usize = pieces.iter().map(|p| p.len()).sum();
    out.extend((n_bytes as u32).to_le_bytes());
    pieces.iter().for_each(|p| out.extend(p.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_in_bytes() {
        let tags = Metadata { title: Some("é=\n".into()), comment: Some(String::new()), ..Metadata::default() };
        let body = comments("ra", &tags, &[("DATE", "2026".into())]);
        let expected = b"\x02\0\0\0ra\x03\0\0\0\x0a\0\0\0TITLE=\xc3\xa9=\n\x08\0\0\0COMMENT=\x09\0\0\0DATE=2026";
        assert_eq!(body, expected);
    }
}
