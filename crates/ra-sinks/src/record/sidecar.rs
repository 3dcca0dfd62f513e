//! `FILE.json` beside a recording: when it began, what is missing, how loud it is. Its size is bounded by the gap log's.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use ra_core::{Gap, GapReason, Level, Metadata, SinkStart};
use serde::Serialize;

use super::{
    gap_log::GapLog,
    series::{BegunBy, EndedBy, EndedFile, PlaceInSeries},
    silence::SilenceLog,
};

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
    /// How samples are kept: `f32`, `s24`, `s16`, or the codec's name.
    pub(crate) format: &'a str,
    pub(crate) series: &'a PlaceInSeries,
    pub(crate) begun_by: BegunBy,
    pub(crate) ended_by: Option<EndedBy>,
    /// The file that goes on where it ends.
    pub(crate) next: Option<&'a Path>,
    /// Frames at its beginning that were heard before it was told to begin.
    pub(crate) pre_roll_frames: u64,
    /// Which channels of the bus it holds, from 1; none: all.
    pub(crate) channels_of_bus: &'a [u16],
    pub(crate) metadata: &'a Metadata,
    pub(crate) silence: Option<&'a SilenceLog>,
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
    format: &'a str,
    sample_rate: u32,
    channels: u16,
    /// Left out where it holds all.
    #[serde(skip_serializing_if = "<[u16]>::is_empty")]
    channels_of_bus: &'a [u16],
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: &'a Metadata,
    start: Start,
    begun_by: BegunBy,
    ended_by: Option<EndedBy>,
    pre_roll_frames: u64,
    series: SeriesEntry<'a>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    silence: Option<SilenceEntry>,
}

#[derive(Serialize)]
struct SeriesEntry<'a> {
    number: u64,
    first_position: u64,
    next: Option<String>,
    previous_omitted: u64,
    previous: &'a [EndedFile],
}

#[derive(Serialize)]
struct SilenceEntry {
    below_dbfs: f32,
    at_least_s: f64,
    span_count: u64,
    silent_frames: u64,
    spans_omitted: u64,
    spans: Vec<SpanEntry>,
}

#[derive(Serialize)]
struct SpanEntry {
    at_frame: u64,
    in_file_frame: u64,
    n_frames: u64,
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
        let next_to = |next: &Path| {
            let name = if next.parent() == self.recording.parent() { next.file_name() } else { None };
            name.unwrap_or(next.as_os_str()).to_string_lossy().into_owned()
        };
        let silence = self.silence.map(|log| SilenceEntry {
            below_dbfs: log.rule().below_dbfs,
            at_least_s: log.rule().at_least.as_secs_f64(),
            span_count: log.n_spans(),
            silent_frames: log.n_frames(),
            spans_omitted: log.n_omitted(),
            spans: log
                .iter()
                .map(|span| SpanEntry {
                    at_frame: span.at_frame.0,
                    in_file_frame: span.at_frame.frames_since(start.position),
                    n_frames: span.n_frames,
                })
                .collect(),
        });
        Document {
            schema: SCHEMA,
            name: &start.name,
            file: self.recording.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            format: self.format,
            sample_rate: start.spec.sample_rate.hz(),
            channels: start.spec.channels.as_u16(),
            channels_of_bus: self.channels_of_bus,
            metadata: self.metadata,
            begun_by: self.begun_by,
            ended_by: self.ended_by,
            pre_roll_frames: self.pre_roll_frames,
            series: SeriesEntry {
                number: self.series.number,
                first_position: self.series.first_position.0,
                next: self.next.map(next_to),
                previous_omitted: self.series.number - 1 - self.series.previous.len() as u64,
                previous: &self.series.previous,
            },
            silence,
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
    /// Whether a temporary file may be left that was made here.
    is_left: bool,
}

impl SidecarFile {
    /// The sidecar of `recording`: `take.wav.json` of `take.wav`. Opens nothing.
    pub(crate) fn beside(recording: &Path) -> Self {
        let with = |suffix: &str| {
            let mut path: OsString = recording.into();
            path.push(suffix);
            PathBuf::from(path)
        };
        Self { path: with(".json"), temporary: with(".json.tmp"), is_left: false }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What bears its name, or the one that it has while it is written, be it a dangling link.
    pub(crate) fn taken(&self) -> Option<&Path> {
        [&self.path, &self.temporary].into_iter().find(|path| path.symlink_metadata().is_ok()).map(PathBuf::as_path)
    }

    /// Writes `report` beside the old file and puts it in its place: whoever opens it sees the old or the new one.
    ///
    /// # Errors
    /// The system's own; [`io::ErrorKind::AlreadyExists`] where somebody else has put something in its way.
    pub(crate) fn replace(&mut self, report: &SidecarReport<'_>) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(&report.document())?;
        json.push(b'\n');
        // It could not be taken away the last time.
        self.take_away();
        let mut file = File::create_new(&self.temporary)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", self.temporary.display())))?;
        self.is_left = true;
        // Without the sync a power cut may leave the new name with nothing in it.
        let written = file.write_all(&json).and_then(|()| file.sync_data());
        match written.and_then(|()| fs::rename(&self.temporary, &self.path)) {
            Ok(()) => {
                self.is_left = false;
                Ok(())
            }
            Err(error) => {
                self.take_away();
                Err(error)
            }
        }
    }

    /// Takes the temporary file away, where there is one that was made here.
    fn take_away(&mut self) {
        if !self.is_left {
            return;
        }
        match fs::remove_file(&self.temporary) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => log::warn!("{}: {e}", self.temporary.display()),
            _ => self.is_left = false,
        }
    }
}
