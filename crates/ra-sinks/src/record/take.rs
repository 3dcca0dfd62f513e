//! One file from its first frame to its end: keeps it as long as the time it covers. Opens no file.
//!
//! Two places on the mix timeline tell everything: `accounted_end`, up to which it is known what happened, and the end of
//! what the container has taken. What lies between them was lost or refused, is in the log already, and becomes silence
//! as soon as the container takes it.

mod durability;
mod sidecar_part;

use std::{
    io,
    path::{Path, PathBuf},
};

use ra_core::{Block, FramePosition, Gap, GapReason, Metadata, SinkError, SinkStart};

use super::{
    config::RecorderConfig,
    container::Container,
    file_identity::FileIdentity,
    gap_log::{GapLog, Pushed},
    series::{BegunBy, EndedBy, PlaceInSeries},
    sidecar::{RecordingState, SidecarFile},
};
use durability::Rhythm;
use sidecar_part::SidecarPart;

/// What a take begins with.
pub(crate) struct TakeParts {
    /// Of this file's first frame.
    pub(crate) start: SinkStart,
    pub(crate) path: PathBuf,
    pub(crate) container: Box<dyn Container>,
    pub(crate) sidecar: Option<SidecarFile>,
    pub(crate) about: About,
}

/// What only the sidecar says.
pub(crate) struct About {
    /// How samples are kept.
    pub(crate) format: &'static str,
    pub(crate) series: PlaceInSeries,
    pub(crate) begun_by: BegunBy,
    pub(crate) pre_roll_frames: u64,
    pub(crate) metadata: Metadata,
}

/// A recording under way.
pub(crate) struct Take {
    start: SinkStart,
    path: PathBuf,
    /// The file as it began; `None` where the system does not say.
    begun: Option<FileIdentity>,
    container: Box<dyn Container>,
    accounted_end: FramePosition,
    gaps: GapLog,
    clipped_samples: u64,
    rhythm: Rhythm,
    sidecar: Option<SidecarPart>,
    /// Whether the last attempt to get at the file failed; so that it is logged once and not at every block.
    is_failing: bool,
    /// Where the file ended, in its own frames, when a sync of it failed and none has succeeded since: what was written
    /// behind the last good one may be on the disk or not.
    sync_failed_at: Option<u64>,
    /// Frames of sound of which nobody will ever know whether they are on the disk.
    unsure_frames: u64,
    has_ended: bool,
}

/// What a take has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TakeTotals {
    pub(crate) clipped_samples: u64,
    pub(crate) n_gaps: u64,
    pub(crate) gap_frames: u64,
}

/// Whether a file that is left gets a last sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastSidecar {
    /// It does.
    Written,
    /// It does not: the file is gone, and another may bear its name.
    None,
}

impl std::ops::AddAssign for TakeTotals {
    fn add_assign(&mut self, other: TakeTotals) {
        self.clipped_samples += other.clipped_samples;
        self.n_gaps += other.n_gaps;
        self.gap_frames += other.gap_frames;
    }
}

impl Take {
    /// Begins a recording, and writes its first sidecar.
    pub(crate) fn begin(config: &RecorderConfig, parts: TakeParts) -> Result<Self, SinkError> {
        let TakeParts { start, path, container, sidecar, about } = parts;
        let sidecar = sidecar.map(|file| SidecarPart::new(config, &start, file, about));
        let mut take = Self {
            begun: FileIdentity::of(&path).ok(),
            path,
            container,
            accounted_end: start.position,
            gaps: GapLog::default(),
            clipped_samples: 0,
            rhythm: Rhythm::new(config, start.spec.sample_rate),
            sidecar,
            is_failing: false,
            sync_failed_at: None,
            unsure_frames: 0,
            has_ended: false,
            start,
        };
        if let Err(error) = take.write_sidecar(RecordingState::Recording, None) {
            take.has_ended = true; // the caller takes the files away again
            return Err(error);
        }
        Ok(take)
    }

    /// Writes no sidecar any more: where it was may be another's.
    pub(crate) fn leave_sidecar(&mut self) {
        self.sidecar = None;
    }

    /// Whether the file is not where it was any more, with everything that is in it.
    pub(crate) fn is_moved(&self) -> bool {
        let Some(begun) = &self.begun else { return false };
        match FileIdentity::of(&self.path) {
            Ok(there) => there.node != begun.node,
            Err(e) => {
                matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput)
            }
        }
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The sidecar, where there is one.
    pub(crate) fn sidecar_path(&self) -> Option<&Path> {
        self.sidecar.as_ref().map(|sidecar| sidecar.file.path())
    }

    /// Where it begins.
    pub(crate) fn begin_position(&self) -> FramePosition {
        self.start.position
    }

    /// Up to where it is known what happened: the next block may begin there.
    pub(crate) fn accounted_end(&self) -> FramePosition {
        self.accounted_end
    }

    /// Whether the file could not be got at when that was last tried.
    pub(crate) const fn is_failing(&self) -> bool {
        self.is_failing
    }

    /// What it has come to.
    pub(crate) fn totals(&self) -> TakeTotals {
        TakeTotals {
            clipped_samples: self.clipped_samples,
            n_gaps: self.gaps.n_gaps(),
            gap_frames: self.gaps.n_frames(),
        }
    }

    /// Takes a block, behind silence for whatever is missing before it.
    pub(crate) fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        let position = block.stamp.position;
        let n_frames = block.n_frames() as u64;
        if block.spec != self.start.spec {
            return Err(SinkError::Fatal(format!(
                "{}: a block of {}, expected {}",
                self.path.display(),
                block.spec,
                self.start.spec
            )));
        }
        if self.start.spec.samples(block.n_frames()) != block.samples.len() {
            return Err(self.misuse(format!("a block of {} samples, expected whole frames", block.samples.len())));
        }
        let Some(end) = position.0.checked_add(n_frames).filter(|_| position >= self.accounted_end) else {
            return Err(self
                .misuse(format!("a block at frame {}, expected frame {} or later", position.0, self.accounted_end.0)));
        };
        // The contract wants jumps announced; one that was not is a gap all the same.
        self.account_for_loss(position, GapReason::Lagged);
        self.accounted_end = FramePosition(end);
        let taken = self.fill_up_to(position).and_then(|()| self.container.append(position, block.samples));
        match taken {
            Ok(clipped) => {
                if position == self.start.position
                    && let Some(offset_ns) = self.start.unix_minus_monotonic_ns
                {
                    // The first frame's own stamp is exact; what was known at the start was the time of opening.
                    self.start.unix_ns = i128::from(block.stamp.capture_ns) + offset_ns;
                    self.container.set_origin(&self.start);
                }
                self.clipped_samples += clipped;
                if let Some(sidecar) = &mut self.sidecar {
                    sidecar.levels.add(block.samples);
                    if let Some(silence) = &mut sidecar.silence {
                        silence.add(position, self.start.spec.channels.get(), block.samples);
                    }
                }
                self.publish_if_due();
                Ok(())
            }
            Err(cause) => {
                self.log_gap(Gap { at_frame: position, n_frames, reason: GapReason::Refused });
                Err(self.failed(cause))
            }
        }
    }

    /// Takes note of a block that is not to be taken, for this reason.
    pub(crate) fn refuse(&mut self, block: &Block<'_>, cause: io::Error) -> SinkError {
        self.account_for_loss(block.stamp.position, GapReason::Lagged);
        self.account_for_loss(block.end_position(), GapReason::Refused);
        self.failed(cause)
    }

    /// Notes a gap and makes it silence.
    pub(crate) fn gap(&mut self, gap: &Gap) -> Result<(), SinkError> {
        let Some(end) = gap.at_frame.0.checked_add(gap.n_frames).map(FramePosition) else {
            return Err(self.misuse(format!("a gap of {} frames at frame {}", gap.n_frames, gap.at_frame.0)));
        };
        self.account_for_loss(gap.at_frame, GapReason::Lagged);
        self.account_for_loss(end, gap.reason);
        self.fill_up_to(self.accounted_end).map_err(|cause| self.failed(cause))?;
        self.publish_if_due();
        Ok(())
    }

    /// Brings everything into the file, syncs it where that is due, and renews the sidecar where it has news.
    pub(crate) fn flush(&mut self) -> Result<(), SinkError> {
        let published = self.fill_up_to(self.accounted_end).and(self.publish());
        let published = published.map_err(|cause| self.failed(cause));
        if published.is_ok() {
            self.recovered();
        }
        let noted = self.write_sidecar_if_due();
        published.and(noted)
    }

    /// Ends the recording; `next` goes on behind it. Nothing is written to it afterwards.
    ///
    /// # Errors
    /// [`SinkError::Tail`] where the end could not be written, or not brought to the disk.
    pub(crate) fn close(&mut self, by: EndedBy, next: Option<&Path>) -> Result<(), SinkError> {
        self.note_end(by, next);
        self.end(RecordingState::Finished)
    }

    /// Leaves the file as it is: it can't be written any more, and `next` goes on where what it is known to hold ends. What
    /// its container still kept is dropped.
    /// Returns what it has come to.
    pub(crate) fn leave(mut self, reason: &str, next: &Path, sidecar: LastSidecar) -> TakeTotals {
        self.has_ended = true;
        self.note_end(EndedBy::Failover, Some(next));
        self.accounted_end = self.held_end();
        self.gaps.cut_at(self.accounted_end);
        if sidecar == LastSidecar::Written
            && let Err(error) = self.write_sidecar(RecordingState::Failed, Some(reason))
        {
            log::warn!("{}: {error}", self.start.name);
        }
        self.totals()
    }

    fn end(&mut self, state: RecordingState) -> Result<(), SinkError> {
        self.has_ended = true;
        let filled = self.fill_up_to(self.accounted_end);
        let closed = self.container.close();
        let synced = if self.rhythm.has_syncs() { self.sync() } else { Ok(()) };
        match filled.and(closed).and(synced) {
            Ok(()) => self.write_sidecar(state, None).map_err(|error| SinkError::Tail {
                path: self.path.clone(),
                lost_frames: 0,
                cause: io::Error::other(format!("the recording is complete, its sidecar is not: {error}")),
            }),
            Err(cause) => {
                let missing = self.missing_tail_frames();
                let message = match self.sync_failed_at {
                    None => format!("{cause}; the last {missing} frames are not in the file"),
                    Some(_) => format!("{cause}; the last {missing} frames may not be on the disk"),
                };
                if let Err(error) = self.write_sidecar(RecordingState::Failed, Some(&message)) {
                    log::error!("{}: {error}", self.start.name);
                }
                Err(SinkError::Tail {
                    path: self.path.clone(),
                    lost_frames: self.missing_sound_frames(self.taken_end()),
                    cause: io::Error::new(cause.kind(), message),
                })
            }
        }
    }

    /// The timeline's position behind the last frame that the container has taken.
    fn taken_end(&self) -> FramePosition {
        self.start.position + self.container.counts().taken_frames
    }

    /// Frames up to where it is known what happened that the file does not hold, silence included.
    pub(crate) fn missing_tail_frames(&self) -> u64 {
        self.accounted_end.frames_since(self.held_end())
    }

    /// Notes that everything from where the account ends up to `end` is missing.
    fn account_for_loss(&mut self, end: FramePosition, reason: GapReason) {
        let n_frames = end.frames_since(self.accounted_end);
        if n_frames > 0 {
            self.log_gap(Gap { at_frame: self.accounted_end, n_frames, reason });
            self.accounted_end = end;
        }
    }

    fn log_gap(&mut self, gap: Gap) {
        let Gap { at_frame, n_frames, reason } = gap;
        if self.gaps.push(gap) == Pushed::Added {
            log::warn!("{}: gap of {n_frames} frames at frame {}: {reason}", self.start.name, at_frame.0);
        }
        if let Some(sidecar) = &mut self.sidecar {
            sidecar.has_news = true;
            if let Some(silence) = &mut sidecar.silence {
                silence.add_gap(at_frame, n_frames);
            }
        }
    }

    fn fill_up_to(&mut self, end: FramePosition) -> io::Result<()> {
        match end.frames_since(self.taken_end()) {
            0 => Ok(()),
            owed => self.container.append_silence(owed),
        }
    }

    fn recovered(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            log::info!("{}: {} takes frames again", self.start.name, self.path.display());
        }
    }

    fn failed(&mut self, cause: io::Error) -> SinkError {
        let error = SinkError::File { path: self.path.clone(), cause };
        if !std::mem::replace(&mut self.is_failing, true) {
            log::debug!("{}: {error}", self.start.name);
        }
        error
    }

    /// A call that the contract rules out. It changes nothing, and the recording goes on.
    fn misuse(&self, message: String) -> SinkError {
        SinkError::File { path: self.path.clone(), cause: io::Error::new(io::ErrorKind::InvalidInput, message) }
    }
}

impl Drop for Take {
    /// A panic between two blocks loses nothing that was taken.
    fn drop(&mut self) {
        if !self.has_ended
            && let Err(error) = self.end(RecordingState::Abandoned)
        {
            log::error!("{}: {error}", self.start.name);
        }
    }
}
