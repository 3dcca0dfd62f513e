//! Tags of files that ffmpeg wrote.

#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/sound.rs"]
mod sound;

use ra_core::Metadata;
use ra_sources::{FileConfig, FileSource};

#[test]
fn title_artist_and_album_are_read_from_every_container() {
    if !fixtures::has("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (input, _) = fixtures::original(dir.path(), 997.0, 48_000, 48_000);
    let untagged = FileSource::open(FileConfig::new(&input)).unwrap();
    assert_eq!(untagged.metadata(), Metadata::default());
    let tags = ["-metadata", "title=Hoppípolla ❤", "-metadata", "artist=Sigur Rós", "-metadata", "album=Takk…"];
    for name in ["a.mp3", "a.flac", "a.ogg", "a.m4a", "a.wav"] {
        let output = dir.path().join(name);
        fixtures::encode(&input, &output, &tags);
        let metadata = FileSource::open(FileConfig::new(&output)).unwrap().metadata();
        assert_eq!(metadata.title.as_deref(), Some("Hoppípolla ❤"), "{name}");
        assert_eq!(metadata.artist.as_deref(), Some("Sigur Rós"), "{name}");
        assert_eq!(metadata.album.as_deref(), Some("Takk…"), "{name}");
    }
}
