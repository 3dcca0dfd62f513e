//! What a recording or a stream says of itself: `metadata = { title = "…" }`.

use ra_engine::core::Metadata;

use super::table_reader::TableReader;

/// `expected`: what is said where it is no table.
pub(super) fn read_metadata(table: &mut TableReader<'_, '_>, expected: &str) -> Option<Metadata> {
    let mut words = table.table("metadata", expected)?;
    let mut word = |key| words.string(key, "a text").map(|text| text.value);
    let (title, artist) = (word("title"), word("artist"));
    let (album, comment) = (word("album"), word("comment"));
    words.finish();
    Some(Metadata { title, artist, album, comment })
}
