//! What sound is called, for people who hear it. Words only: checks no length, knows no file format.

/// Title, artist, album and a comment, each where it is known. Any text may stand in them: who writes them into a file or
/// sends them must see to what its format can't hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct Metadata {
    /// What the piece or the programme is called.
    pub title: Option<String>,
    /// Who performs it.
    pub artist: Option<String>,
    /// What it is a part of.
    pub album: Option<String>,
    /// Anything else.
    pub comment: Option<String>,
}

impl Metadata {
    /// Whether nothing is known.
    pub const fn is_empty(&self) -> bool {
        self.title.is_none() && self.artist.is_none() && self.album.is_none() && self.comment.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_something() {
        assert!(Metadata::default().is_empty());
        let one = |set: fn(&mut Metadata)| {
            let mut metadata = Metadata::default();
            set(&mut metadata);
            metadata
        };
        for metadata in [
            one(|m| m.title = Some("a".into())),
            one(|m| m.artist = Some("b".into())),
            one(|m| m.album = Some("c".into())),
            one(|m| m.comment = Some(String::new())),
        ] {
            assert!(!metadata.is_empty(), "{metadata:?}");
        }
    }
}
