//! What a file says that its sound is called: ID3, Vorbis comments and MP4 tags, read by symphonia, and
//! the INFO list of a WAV file. Reads no sound.

use std::path::Path;

use ra_core::Metadata;
use symphonia::core::meta::{MetadataRevision, StandardTag, Tag};

use super::{codec::Codec, riff_info::read_riff_info, watched_file::WatchedFile};

/// Tags longer than this are cut: somebody's picture or text-book, and no title.
const MOST_CHARS: usize = 1_000;

/// The tags of the file at `path`; nothing where it has none, or can't be read.
pub(crate) fn read_tags(path: &Path) -> Metadata {
    let info = std::fs::File::open(path).map(|file| read_riff_info(&mut std::io::BufReader::new(file)));
    let info = info.unwrap_or_default();
    if !info.is_empty() {
        return info;
    }
    let opened = WatchedFile::open(path).map_err(|e| e.to_string());
    match opened.and_then(|file| Codec::open(path, &file).map_err(|e| e.to_string())) {
        Ok(mut codec) => {
            let mut metadata = Metadata::default();
            let mut log = codec.format.metadata();
            // What comes later, at the end of a file, knows less: an ID3v1 behind an ID3v2.
            while let Some(revision) = log.current() {
                fill_in(&mut metadata, metadata_of(revision));
                if log.pop().is_none() {
                    break;
                }
            }
            metadata
        }
        Err(cause) => {
            log::debug!("{}: no tags: {cause}", path.display());
            Metadata::default()
        }
    }
}

fn fill_in(known: &mut Metadata, later: Metadata) {
    let Metadata { title, artist, album, comment } = later;
    known.title = known.title.take().or(title);
    known.artist = known.artist.take().or(artist);
    known.album = known.album.take().or(album);
    known.comment = known.comment.take().or(comment);
}

fn metadata_of(revision: &MetadataRevision) -> Metadata {
    let mut metadata = Metadata::default();
    // What belongs to the whole file first, then what belongs to one of its tracks.
    let tracks = revision.per_track.iter().map(|track| &track.metadata.tags);
    for tag in std::iter::once(&revision.media.tags).chain(tracks).flatten() {
        take(&mut metadata, tag);
    }
    metadata
}

fn take(metadata: &mut Metadata, tag: &Tag) {
    let (field, text) = match &tag.std {
        Some(StandardTag::TrackTitle(text)) => (&mut metadata.title, text),
        Some(StandardTag::Artist(text)) => (&mut metadata.artist, text),
        Some(StandardTag::Album(text)) => (&mut metadata.album, text),
        Some(StandardTag::Comment(text)) => (&mut metadata.comment, text),
        _ => return,
    };
    let text: String = text.trim().chars().take(MOST_CHARS).collect();
    match field {
        None if !text.is_empty() => *field = Some(text),
        // Several artists have a tag each.
        Some(known) if matches!(tag.std, Some(StandardTag::Artist(_))) && known.len() < MOST_CHARS => {
            known.push_str(", ");
            known.push_str(&text);
        }
        _ => {}
    }
}
