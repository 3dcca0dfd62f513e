//! The way from one file to the next, and what becomes of those that have ended.

use std::{io, path::Path};

use ra_core::{FramePosition, SinkError, SinkStart};

use super::{Phase, Session, cause_kind, describe, is_removed};
use crate::record::{
    config::SyncRhythm,
    opener::{NewFile, Opened, Place},
    recent::Bound,
    retention::OwnFiles,
    series::{BegunBy, EndedBy},
    template::check_name,
};

/// How much of what is not on the disk yet is kept for the next file, in milliseconds: more than a file ever lacks while its
/// disk works, and a second more than lies between two syncs.
const KEPT_FOR_NEXT_MS: f64 = 2000.0;
/// Or as much as a WAV file keeps that could not be written, in bytes of its format, and some blocks.
const KEPT_FOR_NEXT_BYTES: u64 = 320 * 1024;
/// Or as much as a coded file keeps, in milliseconds: its pages last about so long.
const KEPT_FOR_NEXT_CODED_MS: f64 = 16_000.0;
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
        let is_first = self.series.n_files() == 0 && begun_by == BegunBy::Start;
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
        let opened = self.opener.open(&self.config, &file, places)?;
        // With the first directory asked before it.
        let is_second_choice = opened.place == Place::Failover && places.first() == Some(&Place::First);
        self.counts.n_in_second += u64::from(is_second_choice);
        Ok(opened)
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
        self.kept_frames = self.frames_kept_for(&opened);
        // What is still to be handed to it is kept besides.
        let backlog = self.behind.map_or(0, |from| self.recent.sound_frames_from(from));
        let most = self.kept_frames.max(self.pre_roll_frames());
        self.recent.resize(Bound::Sound(self.kept_frames + backlog.min(most)));
        self.phase = Phase::Recording(Box::new(opened));
        self.report_is_new = true;
    }

    /// As much as a file can lack that was not written for a while, or not synced.
    fn frames_kept_for(&self, opened: &Opened) -> u64 {
        let spec = self.start.spec;
        if opened.cost.is_none() {
            return self.frames_in_ms(KEPT_FOR_NEXT_CODED_MS);
        }
        let buffered = KEPT_FOR_NEXT_BYTES / (self.config.format.bytes() * spec.channels.get()) as u64;
        let unsynced_ms = match self.config.sync {
            SyncRhythm::EveryMs(ms) => (f64::from(ms) + 1000.0).min(KEPT_FOR_NEXT_CODED_MS),
            SyncRhythm::Never => 0.0,
        };
        self.frames_in_ms(KEPT_FOR_NEXT_MS.max(unsynced_ms)).max(buffered)
    }

    /// Ends the file; `next` goes on where it ends.
    pub(super) fn switch_to(&mut self, mut next: Opened, ended_by: EndedBy) {
        let (path, at) = (next.take.path().to_owned(), next.take.begin_position());
        if let Err(error) = self.end_current(ended_by, Some(&path)) {
            self.survive(&error);
        }
        // There may be one more before it than there was when it was opened, and one may be shorter.
        next.take.set_place(self.series.place_of(&path, at, None));
        self.go_on_in(next);
        self.tend();
    }

    /// Ends the file. What its disk does not take of it goes to another, if there is a way: nothing of what was taken is
    /// lost while it is in memory.
    pub(super) fn end_current(&mut self, by: EndedBy, next: Option<&Path>) -> Result<(), SinkError> {
        let Phase::Recording(current) = &self.phase else { return Ok(()) };
        if current.take.has_failed_sync() {
            self.move_before_end("it could not be brought to the disk", false);
        }
        let mut closed = self.close_current(by, next);
        if let Err(error) = &closed
            && self.lacks_its_end()
            && cause_kind(error) != Some(io::ErrorKind::TimedOut)
            && self.move_before_end(&describe(error), is_removed(error))
        {
            closed = self.close_current(by, next);
        }
        if let Phase::Recording(ended) = std::mem::replace(&mut self.phase, Phase::Paused) {
            let mut take = ended.take;
            let begin = take.begin_position();
            self.counts.totals += take.totals();
            let n_unsure = take.take_unsure_frames();
            self.lose(n_unsure);
            let n_lost = if let Err(SinkError::Tail { lost_frames, .. }) = &closed { *lost_frames } else { 0 };
            let n_frames = take.accounted_end().frames_since(begin) - n_lost;
            if by == EndedBy::Moved {
                // What bears its name now is somebody else's, or the next one: none of ours to delete.
                self.series.ended(take.path(), begin, n_frames);
            } else {
                self.note_ended(take.path(), take.sidecar_path(), begin, n_frames);
            }
        }
        closed
    }

    /// Whether something of the file that is written is missing, be it silence: it may be the sidecar's fault alone.
    fn lacks_its_end(&self) -> bool {
        matches!(&self.phase, Phase::Recording(current) if current.take.missing_tail_frames() > 0)
    }

    fn close_current(&mut self, by: EndedBy, next: Option<&Path>) -> Result<(), SinkError> {
        let Phase::Recording(current) = &mut self.phase else { return Ok(()) };
        current.take.close(by, next)
    }

    /// Goes on in another file, which ends where the old one would have.
    fn move_before_end(&mut self, reason: &str, is_removed: bool) -> bool {
        let Phase::Recording(current) = &self.phase else { return false };
        let end = current.take.accounted_end();
        let behind = self.behind.take();
        // There is no later attempt.
        (self.next_try, self.next_move) = (self.position, self.position);
        let is_moved = self.go_elsewhere(reason, is_removed);
        if is_moved {
            self.catch_up(u64::MAX, end);
        }
        self.behind = behind;
        is_moved
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
        self.next_tend = self.position + self.frames_in_ms(TEND_MS);
        let current_bytes = if let Phase::Recording(current) = &self.phase { current.length.bytes() } else { 0 };
        if let Some(own_files) = &mut self.own_files {
            let before = own_files.deleted();
            own_files.tend(self.time.unix_ns_of(self.position), current_bytes);
            self.report_is_new |= own_files.deleted() != before;
        }
    }
}
