//! A recorder between its start and its end: one file after the other, by the rules of its config and by command. Every
//! frame goes to exactly one file, to the memory of a pre-roll, or into a list of what is missing.

mod commands;
mod elsewhere;
mod files;

use std::{io, path::Path};

use ra_core::{
    Block, BlockStamp, FramePosition, Gap, GapReason, Metadata, SinkError, SinkReport, SinkStart, StreamSpec,
};

use super::{
    channel_choice::ChannelChoice,
    config::RecorderConfig,
    opener::{Opened, Opener, Place},
    policy::RecordFrom,
    recent::{Bound, RecentFrames},
    retention::OwnFiles,
    series::{BegunBy, EndedBy, Series},
    splitter::Splitter,
    take::TakeTotals,
    time_of_day::TimeOfDay,
};

/// A recorder that was started.
pub(crate) struct Session {
    config: RecorderConfig,
    opener: Opener,
    /// Of the first file; with the format of what is recorded.
    start: SinkStart,
    bus: StreamSpec,
    choice: Option<ChannelChoice>,
    phase: Phase,
    splitter: Splitter,
    recent: RecentFrames,
    time: TimeOfDay,
    series: Series,
    own_files: Option<OwnFiles>,
    /// Files that they have deleted, and their bytes, once they are closed.
    own_files_deleted: (u64, u64),
    metadata: Metadata,
    /// Where the next block is due.
    position: FramePosition,
    counts: Counts,
    /// Frames that were taken, are lost, and have not been told.
    untold_lost_frames: u64,
    /// No attempt to go on elsewhere before this.
    next_try: FramePosition,
    next_tend: FramePosition,
    report_is_new: bool,
}

enum Phase {
    Recording(Box<Opened>),
    Paused,
    Ended,
}

/// Over all files that have ended.
#[derive(Default)]
struct Counts {
    totals: TakeTotals,
    lost_frames: u64,
    n_failovers: u64,
    n_split_failures: u64,
    n_pauses: u64,
}

impl Session {
    /// Opens the first file, unless it is to wait.
    pub(crate) fn begin(config: &RecorderConfig, start: &SinkStart) -> Result<Self, SinkError> {
        let opener = Opener::new(config)?;
        opener.check(&start.name)?;
        let choice = ChannelChoice::new(&config.channels, start.spec)?;
        let spec = choice.as_ref().map_or(start.spec, ChannelChoice::spec);
        let recorded = SinkStart { spec, ..start.clone() };
        let mut session = Self {
            splitter: Splitter::new(config.split, spec.sample_rate),
            recent: RecentFrames::new(spec, Bound::Time(0), start.position),
            time: TimeOfDay::new(start),
            opener,
            bus: start.spec,
            choice,
            phase: Phase::Paused,
            series: Series::default(),
            own_files: None,
            own_files_deleted: (0, 0),
            metadata: config.metadata.clone(),
            position: start.position,
            counts: Counts::default(),
            untold_lost_frames: 0,
            next_try: start.position,
            next_tend: start.position,
            report_is_new: true,
            start: recorded,
            config: config.clone(),
        };
        session.open_own_files()?;
        match config.record_from {
            RecordFrom::Start => {
                let opened = session.open(start.position, BegunBy::Start, &[Place::First, Place::Failover])?;
                session.go_on_in(opened);
            }
            RecordFrom::Resume => session.recent.restart(session.pre_roll(), start.position),
        }
        session.tend();
        Ok(session)
    }

    /// The file that is being written.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.phase {
            Phase::Recording(current) => Some(current.take.path()),
            Phase::Paused | Phase::Ended => None,
        }
    }

    /// Whether its end was written.
    pub(crate) const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    pub(crate) fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        if block.spec != self.bus {
            let (name, bus) = (&self.start.name, self.bus);
            return Err(SinkError::Fatal(format!("{name}: a block of {}, expected {bus}", block.spec)));
        }
        let position = block.stamp.position;
        if self.bus.samples(block.n_frames()) != block.samples.len() {
            return Err(self.misuse(format!("a block of {} samples, expected whole frames", block.samples.len())));
        }
        let Some(end) = position.0.checked_add(block.n_frames() as u64).filter(|_| position >= self.position) else {
            let expected = self.position.0;
            return Err(self.misuse(format!("a block at frame {}, expected frame {expected} or later", position.0)));
        };
        self.time.see(&block.stamp);
        self.splitter.see_time(position, self.time.unix_ns_of(position));
        if position > self.position {
            // The contract wants jumps announced; one that was not is a gap all the same.
            let (at_frame, n_frames) = (self.position, position.frames_since(self.position));
            // Where its silence has no room yet, the file owes it.
            drop(self.gap(&Gap { at_frame, n_frames, reason: GapReason::Lagged }));
        }
        self.position = FramePosition(end);
        let mut choice = self.choice.take();
        let result = match &mut choice {
            Some(choice) => self.keep(&choice.choose(block)),
            None => self.keep(block),
        };
        self.choice = choice;
        result
    }

    fn keep(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        match self.phase {
            Phase::Recording(_) => self.record(block),
            Phase::Paused => {
                self.recent.push(block);
                Ok(())
            }
            Phase::Ended => Err(not_recording()),
        }
    }

    /// Hands a block to the file, and what lies behind the file's end to the next one.
    fn record(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        let mut rest = *block;
        let (mut n_taken, mut refused) = (0, None);
        while let Some(boundary) = self.splitter.boundary().filter(|&boundary| boundary < rest.end_position()) {
            let boundary = boundary.max(rest.stamp.position);
            let (head, tail) = cut(&rest, boundary);
            // The next file is there before the last frame goes to the old one.
            let Some(next) = self.open_next(boundary, BegunBy::Split) else { continue };
            rest = tail;
            if head.n_frames() > 0 {
                match self.record_piece(&head) {
                    Ok(()) => n_taken += head.n_frames() as u64,
                    Err(error) => refused = Some((error, head.n_frames() as u64)),
                }
            }
            self.switch_to(next, EndedBy::Split);
        }
        match (self.record_piece(&rest), refused) {
            (Ok(()), None) => Ok(()),
            // Some of the block is in a file: it counts as taken, and what is missing of it as lost.
            (Ok(()), Some((_, n_lost))) => {
                self.lose(n_lost);
                Ok(())
            }
            (Err(_), _) if n_taken > 0 => {
                self.lose(block.n_frames() as u64 - n_taken);
                Ok(())
            }
            (Err(error), _) => Err(error),
        }
    }

    fn record_piece(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        let Phase::Recording(current) = &mut self.phase else { return Err(not_recording()) };
        let mut written = current.take.write(block);
        if let Err(error) = &written
            && !error.is_fatal()
            && self.go_elsewhere(&describe(error), is_removed(error))
            && let Phase::Recording(current) = &mut self.phase
        {
            written = current.take.write(block);
        }
        let Phase::Recording(current) = &mut self.phase else { return written };
        if written.is_ok() {
            self.recent.push(block);
        } else {
            let (at_frame, n_frames) = (block.stamp.position, block.n_frames() as u64);
            self.recent.push_gap(&Gap { at_frame, n_frames, reason: GapReason::Refused });
        }
        self.recent.forget_before(current.take.published_end());
        if self.config.split.every_bytes.is_some()
            && current.cost.is_none()
            && self.splitter.is_too_large(bytes_of(current))
        {
            self.splitter.end_at(block.end_position());
        }
        written
    }

    pub(crate) fn gap(&mut self, gap: &Gap) -> Result<(), SinkError> {
        let Some(end) = gap.at_frame.0.checked_add(gap.n_frames).map(FramePosition) else {
            return Err(self.misuse(format!("a gap of {} frames at frame {}", gap.n_frames, gap.at_frame.0)));
        };
        let begin = self.position.min(gap.at_frame);
        let missing = |from: FramePosition, to: FramePosition| {
            (to > from).then(|| Gap { at_frame: from, n_frames: to.frames_since(from), reason: gap.reason })
        };
        if end <= self.position || gap.n_frames == 0 {
            return Ok(());
        }
        let from = begin.max(self.position);
        self.position = end;
        if !matches!(self.phase, Phase::Recording(_)) {
            missing(from, end).iter().for_each(|gap| self.recent.push_gap(gap));
            return Ok(());
        }
        let boundary = self.splitter.last_boundary(FramePosition(end.0 - 1)).map(|boundary| boundary.max(from));
        let next = boundary.and_then(|boundary| Some((boundary, self.open_next(boundary, BegunBy::Split)?)));
        let mut result = Ok(());
        let mut at = from;
        if let Some((boundary, next)) = next {
            result = missing(from, boundary).map_or(Ok(()), |gap| self.record_gap(&gap));
            self.switch_to(next, EndedBy::Split);
            at = boundary;
        }
        result.and(missing(at, end).map_or(Ok(()), |gap| self.record_gap(&gap)))
    }

    fn record_gap(&mut self, gap: &Gap) -> Result<(), SinkError> {
        let Phase::Recording(current) = &mut self.phase else { return Err(not_recording()) };
        let noted = current.take.gap(gap);
        self.recent.push_gap(gap);
        self.recent.forget_before(current.take.published_end());
        match noted {
            Err(error) if !error.is_fatal() && self.go_elsewhere(&describe(&error), is_removed(&error)) => Ok(()),
            noted => noted,
        }
    }

    pub(crate) fn flush(&mut self) -> Result<(), SinkError> {
        let flushed = match &mut self.phase {
            Phase::Recording(current) => {
                let flushed = current.take.flush();
                self.recent.forget_before(current.take.published_end());
                flushed.map_err(|error| (error, current.take.is_failing()))
            }
            Phase::Paused => Ok(()),
            Phase::Ended => return Err(not_recording()),
        };
        if self.position >= self.next_tend {
            self.tend();
        }
        match flushed {
            Err((error, true)) if self.go_elsewhere(&describe(&error), is_removed(&error)) => Ok(()),
            Err((error, _)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    /// Writes every tail.
    pub(crate) fn finish(&mut self) -> Result<SinkReport, SinkError> {
        let ended = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Recording(current) => self.end_take(current.take, EndedBy::Stop, None),
            Phase::Paused | Phase::Ended => Ok(()),
        };
        self.tend();
        // Its list of files is free for the next one.
        self.own_files_deleted = self.own_files.take().map_or((0, 0), |own_files| own_files.deleted());
        self.report_is_new = true;
        ended.map(|()| self.report())
    }

    /// What was lost of what had been taken, since the last call.
    pub(crate) fn take_lost_frames(&mut self) -> u64 {
        std::mem::take(&mut self.untold_lost_frames)
    }

    /// The report so far, if it is another than the last time.
    pub(crate) fn take_report(&mut self) -> Option<SinkReport> {
        std::mem::take(&mut self.report_is_new).then(|| self.report())
    }

    fn report(&self) -> SinkReport {
        let Counts { totals, lost_frames, n_failovers, n_split_failures, n_pauses } = &self.counts;
        let deleted = self.own_files.as_ref().map_or(self.own_files_deleted, OwnFiles::deleted);
        let notes = [
            (totals.clipped_samples, format!("{} samples clipped", totals.clipped_samples)),
            (totals.n_gaps, format!("{} gaps, {} frames of silence", totals.n_gaps, totals.gap_frames)),
            (*lost_frames, format!("{lost_frames} frames lost that had been taken")),
            (*n_failovers, format!("{n_failovers} files could not be written to their end; went on in another")),
            (*n_split_failures, format!("{n_split_failures} times the next file could not be opened")),
            (*n_pauses, format!("{n_pauses} pauses")),
            (deleted.0, format!("{} older files deleted, {} bytes", deleted.0, deleted.1)),
        ];
        let notes = notes.into_iter().filter(|(count, _)| *count > 0).map(|(_, note)| note).collect();
        SinkReport { files: self.series.paths(), files_omitted: self.series.n_omitted(), notes }
    }

    fn lose(&mut self, n_frames: u64) {
        self.untold_lost_frames += n_frames;
        self.counts.lost_frames += n_frames;
        self.report_is_new = true;
    }

    /// A call that the contract rules out. It changes nothing, and the recording goes on.
    fn misuse(&self, message: String) -> SinkError {
        let path = self.path().map_or_else(|| self.config.path_template.clone(), Path::to_owned);
        SinkError::File { path, cause: io::Error::new(io::ErrorKind::InvalidInput, message) }
    }
}

fn not_recording() -> SinkError {
    SinkError::Fatal("a file that is not there".into())
}

fn describe(error: &SinkError) -> String {
    error.to_string()
}

fn is_removed(error: &SinkError) -> bool {
    matches!(error, SinkError::File { cause, .. } if cause.kind() == io::ErrorKind::NotFound)
}

/// How large the file is, with what its container still keeps, as far as that can be said.
fn bytes_of(current: &Opened) -> u64 {
    let bytes = current.length.bytes();
    let n_published = current.take.published_end().frames_since(current.take.begin_position());
    match n_published {
        0 => bytes,
        n_published => {
            let pending = u128::from(bytes) * u128::from(current.take.unpublished_frames()) / u128::from(n_published);
            bytes.saturating_add(u64::try_from(pending).unwrap_or(u64::MAX))
        }
    }
}

/// A block before and behind `at`, which lies within it.
fn cut<'a>(block: &Block<'a>, at: FramePosition) -> (Block<'a>, Block<'a>) {
    let n_frames = at.frames_since(block.stamp.position);
    let n_samples = block.spec.samples(n_frames as usize);
    let stamp = BlockStamp {
        position: at,
        capture_ns: block.stamp.capture_ns + block.spec.sample_rate.ns_of_frames(n_frames),
        ..block.stamp
    };
    let (head, tail) = block.samples.split_at(n_samples);
    (Block { samples: head, ..*block }, Block { stamp, samples: tail, ..*block })
}
