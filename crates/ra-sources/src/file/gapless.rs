//! How much of what a decoder yields is sound, by what each container says of it. Decodes nothing.

use std::io;

use symphonia::core::formats::Track;

use super::{mp4_edit::find_edit, ogg_tail::ends_with_stream, trim::Trim, watched_file::WatchedFile};

/// What a track is cut to, and how long it then is where that can be known before it was played.
#[derive(Debug, Default)]
pub(crate) struct Extent {
    pub(crate) trim: Trim,
    pub(crate) total_frames: Option<u64>,
}

impl Extent {
    /// The extent of `track`, whose decoder yields frames at `rate_hz`.
    ///
    /// MP3 has run-in and padding where an encoder's tag says so (LAME's and its like); MP4 by its edit list; CAF by its
    /// packet table; Vorbis is cut by its decoder. A bare AAC stream says nothing, and is played whole.
    pub(crate) fn of_track(track: &Track, format: &str, rate_hz: u32, file: &WatchedFile) -> io::Result<Self> {
        let (delay, padding) = (track.delay.map(u64::from), track.padding.map(u64::from));
        Ok(match format {
            "mp1" | "mp2" | "mp3" => match (delay, padding, track.num_frames) {
                (Some(delay), Some(padding), Some(total)) => Self::new(Trim::new(delay, Some(total), padding), total),
                // Without the tag, the length is symphonia's guess from the bit rate.
                _ => Self::default(),
            },
            "isomp4" => {
                let edit = match file.look(|f| find_edit(f, file.len(), track.id)) {
                    // Boxes that end too early: as if there were none. symphonia has found the sound without them.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
                    found => found?,
                };
                // All that is coded, run-in included. Some writers shorten the last packet, so that this is the true end.
                // None at all stands in a fragmented file, whose fragments say what they hold when they come.
                let coded = track.num_frames.filter(|&coded| coded > 0);
                let Some(edit) = edit else {
                    return Ok(Self { trim: Trim::default(), total_frames: coded });
                };
                let frames = |n: u64, scale: u32| (u128::from(n) * u128::from(rate_hz) / u128::from(scale)) as u64;
                let skip = frames(edit.skip, edit.track_scale);
                let left = coded.map(|coded| coded.saturating_sub(skip));
                let edited = (edit.length > 0).then(|| frames(edit.length, edit.movie_scale));
                // The edit's length is often in milliseconds: within one unit of the coded end it means that end.
                let unit = frames(1, edit.movie_scale) + 1;
                let play = match (edited, left) {
                    (Some(edited), Some(left)) if edited.abs_diff(left) <= unit => Some(left),
                    (Some(edited), Some(left)) => Some(edited.min(left)),
                    (edited, left) => edited.or(left),
                };
                // Nothing behind the end of an edit is meant to be heard.
                Self { trim: Trim::new(skip, play, u64::MAX), total_frames: play }
            }
            "caf" => {
                let trim = Trim::new(delay.unwrap_or(0), padding.and(track.num_frames), padding.unwrap_or(0));
                Self { trim, total_frames: track.num_frames }
            }
            "ogg" => {
                let alone = file.look(|f| ends_with_stream(f, file.len(), track.id))?;
                Self { trim: Trim::default(), total_frames: track.num_frames.filter(|_| alone) }
            }
            // ADTS carries no length; symphonia estimates one.
            "aac" | "adts" => Self::default(),
            _ => Self { trim: Trim::default(), total_frames: track.num_frames },
        })
    }

    fn new(trim: Trim, total_frames: u64) -> Self {
        Self { trim, total_frames: Some(total_frames) }
    }
}
