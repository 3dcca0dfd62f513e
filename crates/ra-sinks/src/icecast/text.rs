//! Text that comes from outside, made fit for headers, tags and logs: no control characters, no more than so many bytes.

use ra_core::Metadata;

/// The most bytes of UTF-8 in one field of the metadata. Four of them, percent-encoded, still fit into the 4096 bytes that
/// Icecast takes for a request.
pub(super) const MOST_TAG_BYTES: usize = 300;
/// The most bytes in a header that describes the station.
pub(super) const MOST_HEADER_BYTES: usize = 250;
/// The most characters of a server's words in a message.
const MOST_QUOTED_CHARS: usize = 160;

/// A text without control characters and with `most_bytes` at most, cut between characters; and whether that changed it.
///
/// Control characters (and the bidirectional ones that turn a line around) become spaces, runs of white space one space.
pub(super) fn clean(text: &str, most_bytes: usize) -> (String, bool) {
    let mut cleaned = String::with_capacity(text.len().min(most_bytes));
    let is_turning = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    for c in text.chars() {
        let is_space = c.is_whitespace() || c.is_control() || is_turning(c);
        let c = if is_space { ' ' } else { c };
        if is_space && (cleaned.is_empty() || cleaned.ends_with(' ')) {
            continue;
        }
        if cleaned.len() + c.len_utf8() > most_bytes {
            break;
        }
        cleaned.push(c);
    }
    cleaned.truncate(cleaned.trim_end().len());
    let has_changed = cleaned != text;
    (cleaned, has_changed)
}

/// Metadata fit to be sent, and the names of the fields that had to be changed for it.
pub(super) fn clean_metadata(metadata: &Metadata) -> (Metadata, Vec<&'static str>) {
    let mut changed = Vec::new();
    let mut field = |name: &'static str, text: &Option<String>| {
        let (cleaned, has_changed) = clean(text.as_deref()?, MOST_TAG_BYTES);
        if has_changed {
            changed.push(name);
        }
        Some(cleaned).filter(|text| !text.is_empty())
    };
    let cleaned = Metadata {
        title: field("title", &metadata.title),
        artist: field("artist", &metadata.artist),
        album: field("album", &metadata.album),
        comment: field("comment", &metadata.comment),
    };
    (cleaned, changed)
}

/// What a server said, fit for a message.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * MOST_QUOTED_CHARS)]);
    let (text, _) = clean(&text, 4 * MOST_QUOTED_CHARS);
    let mut cut: String = text.chars().take(MOST_QUOTED_CHARS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// Percent-encodes all but the unreserved characters (RFC 3986, section 2.3) of a text's UTF-8.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_and_great_length_are_taken_out() {
        assert_eq!(clean("Grüße", 300), ("Grüße".to_owned(), false));
        assert_eq!(clean("a\r\nIce-Public: 1\0b", 300), ("a Ice-Public: 1 b".to_owned(), true));
        assert_eq!(clean(" \t a \u{202e}b\u{7f} ", 300), ("a b".to_owned(), true));
        assert_eq!(clean("ääää", 5), ("ää".to_owned(), true));
        assert_eq!(clean(&"x".repeat(1 << 20), MOST_TAG_BYTES).0.len(), MOST_TAG_BYTES);
    }

    #[test]
    fn fields_that_were_changed_are_named() {
        let text = |text: &str| Some(text.to_owned());
        let metadata = Metadata { title: text("a\nb"), artist: text("Sigur Rós"), album: text("\0"), comment: None };
        let (cleaned, changed) = clean_metadata(&metadata);
        assert_eq!(changed, ["title", "album"]);
        assert_eq!(cleaned.title.as_deref(), Some("a b"));
        assert_eq!(cleaned.artist.as_deref(), Some("Sigur Rós"));
        assert_eq!((cleaned.album, cleaned.comment), (None, None));
    }

    #[test]
    fn servers_are_quoted_briefly() {
        assert_eq!(quoted(b"Mountpoint\r\nin use\x1b[2J"), "Mountpoint in use [2J");
        assert_eq!(quoted(&[b'x'; 100_000]).chars().count(), MOST_QUOTED_CHARS + 1);
        assert_eq!(quoted(&[0xff, b'a']), "\u{fffd}a");
    }

    #[test]
    fn utf_8_is_percent_encoded() {
        assert_eq!(percent_encoded("Sigur Rós – a&b=c"), "Sigur%20R%C3%B3s%20%E2%80%93%20a%26b%3Dc");
    }

    proptest! {
        #[test]
        fn whatever_comes_in_fits(text in ".{0,400}", most in 0usize..64) {
            let (cleaned, _) = clean(&text, most);
            prop_assert!(cleaned.len() <= most && !cleaned.chars().any(char::is_control));
        }
    }
}
