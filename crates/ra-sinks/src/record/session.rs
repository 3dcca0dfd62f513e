//! A recorder between its start and its end: one file after the other, by the rules of its config and by command. Every
//! frame goes to exactly one file, to the memory of a pre-roll, or into a list of what is missing.

mod commands;
mod elsewhere;
mod files;
mod recording;

use std::{io, path::Path};

use ra_core::{Block, FramePosition, Gap, GapReason, Metadata, SinkError, SinkReport, SinkStart, StreamSpec};

use recording::From;

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

/// How far apart flushes are, in milliseconds of sound.
const FLUSH_MS: f64 = 100.0;

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
    /// From where on what is in memory was not handed to the file yet: a pre-roll, or what another file did not hold.
    behind: Option<FramePosition>,
    /// What is handed on from memory.
    scratch: Vec<f32>,
    /// How much sound a file may owe, in frames, that another can still take over.
    kept_frames: u64,
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
    /// No move from a file that can't be written before this.
    next_move: FramePosition,
    /// Where the file begins that the last failed sync led to.
    begun_for_sync: Option<FramePosition>,
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
    n_moved: u64,
    /// Files that the first directory refused and the second took.
    n_in_second: u64,
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
            behind: None,
            scratch: Vec::new(),
            kept_frames: 0,
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
            next_move: start.position,
            begun_for_sync: None,
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
        if self.behind.is_none() {
            self.splitter.see_time(position, self.time.unix_ns_of(position));
        }
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
            Phase::Recording(_) if self.behind.is_some() => {
                self.recent.push(block);
                self.catch_up_beside(block.n_frames() as u64);
                Ok(())
            }
            Phase::Recording(_) => {
                let recorded = self.record(block, From::Bus);
                self.catch_up_at_once();
                recorded
            }
            Phase::Paused => {
                self.recent.push(block);
                Ok(())
            }
            Phase::Ended => Err(not_recording()),
        }
    }

    pub(crate) fn gap(&mut self, gap: &Gap) -> Result<(), SinkError> {
        let Some(end) = gap.at_frame.0.checked_add(gap.n_frames).map(FramePosition) else {
            return Err(self.misuse(format!("a gap of {} frames at frame {}", gap.n_frames, gap.at_frame.0)));
        };
        if end <= self.position || gap.n_frames == 0 {
            return Ok(());
        }
        // Where it begins behind the last block, so does what is missing.
        let at_frame = self.position;
        let gap = Gap { at_frame, n_frames: end.frames_since(at_frame), reason: gap.reason };
        self.position = end;
        self.recent.push_gap(&gap);
        if !matches!(self.phase, Phase::Recording(_)) || self.behind.is_some() {
            return Ok(());
        }
        let recorded = self.record_gap(&gap);
        self.catch_up_at_once();
        recorded
    }

    pub(crate) fn flush(&mut self) -> Result<(), SinkError> {
        if self.has_ended() {
            return Err(not_recording());
        }
        self.catch_up_beside(self.frames_in_ms(FLUSH_MS));
        let was_behind = self.behind.is_some();
        let flushed = self.flush_take();
        if !was_behind {
            self.catch_up_at_once();
        }
        if self.position >= self.next_tend {
            self.tend();
        }
        flushed
    }

    /// Writes every tail.
    pub(crate) fn finish(&mut self) -> Result<SinkReport, SinkError> {
        self.catch_up(u64::MAX, self.position);
        let ended = self.end_current(EndedBy::Stop, None);
        self.phase = Phase::Ended;
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
        let Counts { totals, lost_frames, n_failovers, n_moved, n_in_second, n_split_failures, n_pauses } =
            &self.counts;
        let deleted = self.own_files.as_ref().map_or(self.own_files_deleted, OwnFiles::deleted);
        let notes = [
            (totals.clipped_samples, format!("{} samples clipped", totals.clipped_samples)),
            (totals.n_gaps, format!("{} gaps, {} frames of silence", totals.n_gaps, totals.gap_frames)),
            (*lost_frames, format!("{lost_frames} frames lost that had been taken")),
            (*n_failovers, format!("{n_failovers} files could not be written to their end; went on in another")),
            (*n_moved, format!("{n_moved} files were moved by somebody while they were recorded")),
            (
                *n_in_second,
                format!("{n_in_second} files could not be begun in the first directory, and were in the second"),
            ),
            (*n_split_failures, format!("{n_split_failures} times the next file could not be opened")),
            (*n_pauses, format!("{n_pauses} pauses")),
            (deleted.0, format!("{} older files deleted, {} bytes", deleted.0, deleted.1)),
        ];
        let notes = notes.into_iter().filter(|(count, _)| *count > 0).map(|(_, note)| note).collect();
        SinkReport { files: self.series.paths(), files_omitted: self.series.n_omitted(), notes }
    }

    fn lose(&mut self, n_frames: u64) {
        if n_frames == 0 {
            return;
        }
        self.untold_lost_frames += n_frames;
        self.counts.lost_frames += n_frames;
        self.report_is_new = true;
    }

    fn frames_in_ms(&self, ms: f64) -> u64 {
        self.start.spec.sample_rate.frames_in_ms_ceil(ms) as u64
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
    cause_kind(error) == Some(io::ErrorKind::NotFound)
}

fn cause_kind(error: &SinkError) -> Option<io::ErrorKind> {
    match error {
        SinkError::File { cause, .. } | SinkError::Tail { cause, .. } => Some(cause.kind()),
        _ => None,
    }
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
