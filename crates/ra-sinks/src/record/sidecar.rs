//! `FILE.json` beside a recording: when it began, what is missing, how loud it is. Its size is bounded by the gap log's.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use ra_core::{Gap, GapReason, Level, SinkStart};
use serde::Serialize;

use super::{config::SampleFormat, gap_log::GapLog};

/// The layout of the file; docs and scripts rely on it.
const SCHEMA: u32 = 1;

/// Where a recording is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RecordingState {
    /// Being written. Where no process writes it, it was killed; the file is valid all the same.
    Recording,
    /// Complete.
    Finished,
    /// Its end could not be written.
    Failed,
    /// Dropped without its end being asked for: a panic.
    Abandoned,
}

/// What a sidecar says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SidecarReport<'a> {
    pub(crate) start: &'a SinkStart,
    pub(crate) recording: &'a Path,
    pub(crate) format: SampleFormat,
    pub(crate) state: RecordingState,
    pub(crate) reason: Option<&'a str>,
    /// Frames that the recording's header describes.
    pub(crate) frames: u64,
    /// Frames of the timeline behind those, which the recording should hold and does not (yet).
    pub(crate) missing_tail_frames: u64,
    pub(crate) clipped_samples: u64,
    pub(crate) non_finite_samples: u64,
    pub(crate) levels: &'a [Level],
    pub(crate) gaps: &'a GapLog,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    name: &'a str,
    file: String,
    format: &'static str,
    sample_rate: u32,
    channels: u16,
    start: Start,
    state: RecordingState,
    reason: Option<&'a str>,
    frames: u64,
    missing_tail_frames: u64,
    clipped_samples: u64,
    non_finite_samples: u64,
    levels: &'a [Level],
    gap_count: u64,
    gap_frames: u64,
    gaps_omitted: u64,
    gaps: Vec<GapEntry>,
}

#[derive(Serialize)]
struct Start {
    position: u64,
    unix_ns: i128,
    /// RFC 3339; null for a time that no calendar holds.
    time: Option<String>,
}

#[derive(Serialize)]
struct GapEntry {
    at_frame: u64,
    in_file_frame: u64,
    n_frames: u64,
    reason: GapReason,
}

impl SidecarReport<'_> {
    fn document(&self) -> Document<'_> {
        let start = self.start;
        let entry = |gap: &Gap| GapEntry {
            at_frame: gap.at_frame.0,
            in_file_frame: gap.at_frame.frames_since(start.position),
            n_frames: gap.n_frames,
            reason: gap.reason,
        };
        Document {
            schema: SCHEMA,
            name: &start.name,
            file: self.recording.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            format: self.format.name(),
            sample_rate: start.spec.sample_rate.hz(),
            channels: start.spec.channels.as_u16(),
            start: Start {
                position: start.position.0,
                unix_ns: start.unix_ns,
                time: jiff::Timestamp::from_nanosecond(start.unix_ns).ok().map(|t| t.to_string()),
            },
            state: self.state,
            reason: self.reason,
            frames: self.frames,
            missing_tail_frames: self.missing_tail_frames,
            clipped_samples: self.clipped_samples,
            non_finite_samples: self.non_finite_samples,
            levels: self.levels,
            gap_count: self.gaps.n_gaps(),
            gap_frames: self.gaps.n_frames(),
            gaps_omitted: self.gaps.n_omitted(),
            gaps: self.gaps.iter().map(entry).collect(),
        }
    }
}

/// The sidecar of one recording, replaced as a whole each time.
#[derive(Debug)]
pub(crate) struct SidecarFile {
    path: PathBuf,
    temporary: PathBuf,
}

impl SidecarFile {
    /// The sidecar of `recording`: `take.wav.json` of `take.wav`. Opens nothing.
    pub(crate) fn beside(recording: &Path) -> Self {
        let with = |suffix: &str| {
            let mut path: OsString = recording.into();
            path.push(suffix);
            PathBuf::from(path)
        };
        Self { path: with(".json"), temporary: with(".json.tmp") }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something bears its name, be it a dangling link.
    pub(crate) fn exists(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// Writes `report` beside the old file and puts it in its place: whoever opens it sees the old or the new one.
    pub(crate) fn replace(&self, report: &SidecarReport<'_>) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(&report.document())?;
        json.push(b'\n');
        let written = File::create(&self.temporary).and_then(|mut file| {
            file.write_all(&json)?;
            // Without it a power cut may leave the new name with nothing in it.
            file.sync_data()
        });
        let renamed = written.and_then(|()| fs::rename(&self.temporary, &self.path));
        if renamed.is_err()
            && let Err(e) = fs::remove_file(&self.temporary)
            && e.kind() != io::ErrorKind::NotFound
        {
            log::warn!("{}: {e}", self.temporary.display());
        }
        renamed
    }
}
