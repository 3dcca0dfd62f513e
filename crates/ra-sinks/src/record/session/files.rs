//! The way from one file to the next, and what becomes of those that have ended.

use std::path::Path;

use ra_core::{FramePosition, SinkError, SinkStart};

use super::{Phase, Session};
use crate::record::{
    opener::{NewFile, Opened, Place},
    recent::Bound,
    retention::OwnFiles,
    series::{BegunBy, EndedBy},
    take::Take,
    template::check_name,
};

/// How much of what a file does not hold yet is kept for the next one, in milliseconds: more than it ever lacks while its
/// disk works.
const KEPT_FOR_NEXT_MS: f64 = 2000.0;
/// Or as much as a container keeps that could not be written, in bytes of its format, and some blocks.
const KEPT_FOR_NEXT_BYTES: u64 = 320 * 1024;
/// How much sound passes between two looks at what is to be deleted, in milliseconds.
const TEND_MS: f64 = 10_000.0;

impl Session {
    /// The next file, for a split by rule. `None`: the old one goes on, and it is tried again later.
    pub(super) fn open_next(&mut self, at: FramePosition, begun_by: BegunBy) -> Option<Opened> {
        match self.open(at, begun_by, &[Place::First, Place::Failover]) {
            Ok(opened) => Some(opened),
            Err(error) => {
                let path = self.path().map(|path| path.display().to_string()).unwrap_or_default();
                log::error!("{}: the next file can't be opened, {path} goes on: {error}", self.start.name);
                self.counts.n_split_failures += 1;
                self.report_is_new = true;
                self.splitter.retry_behind(at);
                None
            }
        }
    }

    pub(super) fn open(&mut self, at: FramePosition, begun_by: BegunBy, places: &[Place]) -> Result<Opened, SinkError> {
        let places = if self.opener.has_failover() { places } else { &[Place::First] };
        let is_first = self.series.n_files() == 0 && at == self.start.position;
        let start = SinkStart {
            position: at,
            unix_ns: if is_first { self.start.unix_ns } else { self.time.unix_ns_of(at) },
            // Of the first file it gets better with its first block; of later ones it is exact.
            unix_minus_monotonic_ns: self.start.unix_minus_monotonic_ns.filter(|_| is_first),
            ..self.start.clone()
        };
        let pre_roll_frames = if begun_by == BegunBy::Resume { self.position.frames_since(at) } else { 0 };
        let before = match &self.phase {
            Phase::Recording(current) => {
                let begin = current.take.begin_position();
                Some((current.take.path(), begin, at.frames_since(begin)))
            }
            Phase::Paused | Phase::Ended => None,
        };
        let (metadata, series) = (&self.metadata, &self.series);
        let file = NewFile { start, begun_by, pre_roll_frames, metadata, series, before };
        self.opener.open(&self.config, &file, places)
    }

    /// The file that is written from now on.
    pub(super) fn go_on_in(&mut self, opened: Opened) {
        let (path, at) = (opened.take.path().to_owned(), opened.take.begin_position());
        self.series.begun(&path, at);
        if let (Some(own_files), Some(root)) = (&mut self.own_files, self.opener.root(opened.place)) {
            own_files.begun(&root, &path);
        }
        let unix_ns = self.time.unix_ns_of(at);
        self.splitter.begin_file(at, unix_ns, opened.cost);
        self.splitter.see_time(at, unix_ns);
        // As much as a file can lack that was not written for a while, and at least what a pre-roll has kept for it.
        let spec = self.start.spec;
        let buffered = KEPT_FOR_NEXT_BYTES / (self.config.format.bytes() * spec.channels.get()) as u64;
        let kept_frames = (spec.sample_rate.frames_in_ms_ceil(KEPT_FOR_NEXT_MS) as u64).max(buffered);
        self.recent.resize(Bound::Sound(kept_frames.max(self.recent.sound_frames())));
        self.phase = Phase::Recording(Box::new(opened));
        self.report_is_new = true;
    }

    /// Ends the file; `next` goes on where it ends.
    pub(super) fn switch_to(&mut self, next: Opened, ended_by: EndedBy) {
        let next_path = next.take.path().to_owned();
        let old = std::mem::replace(&mut self.phase, Phase::Paused);
        self.go_on_in(next);
        if let Phase::Recording(old) = old
            && let Err(error) = self.end_take(old.take, ended_by, Some(&next_path))
        {
            self.survive(&error);
        }
        self.tend();
    }

    pub(super) fn end_take(&mut self, take: Take, by: EndedBy, next: Option<&Path>) -> Result<(), SinkError> {
        let (path, begin, end) = (take.path().to_owned(), take.begin_position(), take.accounted_end());
        let sidecar = take.sidecar_path().map(Path::to_owned);
        self.counts.totals += take.totals();
        let ended = take.finish(by, next);
        let n_lost = if let Err(SinkError::Tail { lost_frames, .. }) = &ended { *lost_frames } else { 0 };
        self.note_ended(&path, sidecar.as_deref(), begin, end.frames_since(begin) - n_lost);
        ended
    }

    pub(super) fn note_ended(&mut self, path: &Path, sidecar: Option<&Path>, begin: FramePosition, n_frames: u64) {
        self.series.ended(path, begin, n_frames);
        let end_unix_ns = self.time.unix_ns_of(begin + n_frames);
        if let Some(own_files) = &mut self.own_files {
            own_files.ended(path, sidecar, end_unix_ns);
        }
    }

    /// A file's end could not be written, and the recorder goes on in another.
    pub(super) fn survive(&mut self, error: &SinkError) {
        log::error!("{}: {error}", self.start.name);
        if let SinkError::Tail { lost_frames, .. } = error {
            self.lose(*lost_frames);
        }
    }

    pub(super) fn open_own_files(&mut self) -> Result<(), SinkError> {
        if self.config.retention.is_none() {
            return Ok(());
        }
        let setting = |message| SinkError::Setting { what: "keep and max_total".into(), message };
        check_name(&self.start.name).map_err(setting)?;
        let Some(root) = self.opener.root(Place::First) else { return Ok(()) };
        let mut own_files = OwnFiles::open(self.config.retention, &root, &self.start.name)
            .map_err(|cause| setting(cause.to_string()))?;
        if let Some(root) = self.opener.root(Place::Failover)
            && let Err(error) = own_files.add_directory(&root)
        {
            log::warn!("{}: of the second directory nothing is deleted: {error}", self.start.name);
        }
        self.own_files = Some(own_files);
        Ok(())
    }

    /// Deletes what is to go.
    pub(super) fn tend(&mut self) {
        let interval_frames = self.start.spec.sample_rate.frames_in_ms_ceil(TEND_MS) as u64;
        self.next_tend = self.position + interval_frames;
        let current_bytes = if let Phase::Recording(current) = &self.phase { current.length.bytes() } else { 0 };
        if let Some(own_files) = &mut self.own_files {
            let before = own_files.deleted();
            own_files.tend(self.time.unix_ns_of(self.position), current_bytes);
            self.report_is_new |= own_files.deleted() != before;
        }
    }
}
