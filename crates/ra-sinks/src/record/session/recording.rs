//! From the bus, or from memory, into the file that is written, and over its end into the next one.

use std::io;

use ra_core::{Block, BlockStamp, FramePosition, Gap, GapReason, SinkError};

use super::{Phase, Session, bytes_of, cause_kind, describe, is_removed, not_recording};
use crate::record::{
    opener::Place,
    recent::Remembered,
    series::{BegunBy, EndedBy},
};

/// How much of what is in memory is handed to the file beside each block, in lengths of the block: a codec that takes 3 % of
/// a core is half busy with it, and no call takes long.
const CATCH_UP: u64 = 16;
/// What is handed on from memory at one go, in milliseconds.
const PIECE_MS: f64 = 100.0;
/// Between two files that somebody has moved, or attempts to leave one, in milliseconds.
const MOVED_RETRY_MS: f64 = 1000.0;

/// Where a block comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// It is new.
    Bus,
    /// It is remembered, and counts as taken.
    Memory,
}

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recorded {
    /// The file has it.
    Here,
    /// It goes on in another file, which is behind: this piece, and what follows it, comes to it from memory.
    Elsewhere,
}

impl Session {
    /// Hands a block to the file, and what lies behind the file's end to the next one.
    pub(super) fn record(&mut self, block: &Block<'_>, from: From) -> Result<(), SinkError> {
        let mut rest = *block;
        let (mut n_taken, mut n_refused, mut refused) = (0, 0, None);
        loop {
            let boundary = self.splitter.boundary().filter(|&boundary| boundary < rest.end_position());
            let boundary = boundary.map(|boundary| boundary.max(rest.stamp.position));
            let (head, tail) = boundary.map_or((rest, None), |boundary| {
                let (head, tail) = cut(&rest, boundary);
                (head, Some(tail))
            });
            let n_frames = head.n_frames() as u64;
            match self.record_piece(&head, from) {
                Ok(Recorded::Here) => n_taken += n_frames,
                Ok(Recorded::Elsewhere) => {
                    if from == From::Bus {
                        self.recent.push(&rest);
                    }
                    n_taken += rest.n_frames() as u64;
                    break;
                }
                Err(error) => {
                    n_refused += n_frames;
                    refused = Some(error);
                }
            }
            let Some(tail) = tail else { break };
            rest = tail;
            self.split_at(rest.stamp.position);
        }
        match refused {
            // Some of the block is in a file: it counts as taken, and what is missing of it as lost.
            Some(_) if n_taken > 0 => {
                self.lose(n_refused);
                Ok(())
            }
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn record_piece(&mut self, block: &Block<'_>, from: From) -> Result<Recorded, SinkError> {
        if block.n_frames() == 0 {
            return Ok(Recorded::Here);
        }
        let may_move = self.opener.has_failover();
        let Phase::Recording(current) = &mut self.phase else { return Err(not_recording()) };
        let owes_too_much = || {
            let owed_frames = current.take.missing_sound_frames(FramePosition(u64::MAX)) + block.n_frames() as u64;
            (owed_frames > self.kept_frames).then_some(owed_frames)
        };
        let written = match (may_move && current.take.is_failing()).then(owes_too_much).flatten() {
            // What another file could not take over would be lost, and had been taken.
            Some(n) => Err(current.take.refuse(block, io::Error::other(format!("{n} frames wait for the disk")))),
            None => current.take.write(block),
        };
        let is_elsewhere = match &written {
            Err(error) => self.go_elsewhere_after(error),
            Ok(()) => self.leave_failed_sync(),
        };
        if is_elsewhere {
            return Ok(Recorded::Elsewhere);
        }
        if from == From::Bus {
            if written.is_ok() {
                self.recent.push(block);
            } else {
                let (at_frame, n_frames) = (block.stamp.position, block.n_frames() as u64);
                self.recent.push_gap(&Gap { at_frame, n_frames, reason: GapReason::Refused });
            }
        }
        self.forget_what_is_safe();
        let Phase::Recording(current) = &mut self.phase else { return Err(not_recording()) };
        if self.config.split.every_bytes.is_some()
            && current.cost.is_none()
            && self.splitter.is_too_large(bytes_of(current))
        {
            self.splitter.end_at(block.end_position());
        }
        written.map(|()| Recorded::Here)
    }

    /// Notes a gap that is in memory already, and makes it silence: over the end of the file, in the next one.
    pub(super) fn record_gap(&mut self, gap: &Gap) -> Result<(), SinkError> {
        let end = gap.end();
        let boundary = self.splitter.last_boundary(FramePosition(end.0 - 1)).map(|at| at.max(gap.at_frame));
        let Some(boundary) = boundary else { return self.record_gap_piece(gap).map(drop) };
        let to_boundary = Gap { n_frames: boundary.frames_since(gap.at_frame), ..*gap };
        let recorded = self.record_gap_piece(&to_boundary);
        if matches!(recorded, Ok(Recorded::Elsewhere)) {
            return Ok(());
        }
        self.split_at(boundary);
        let behind = Gap { at_frame: boundary, n_frames: end.frames_since(boundary), ..*gap };
        recorded.and(self.record_gap_piece(&behind)).map(drop)
    }

    fn record_gap_piece(&mut self, gap: &Gap) -> Result<Recorded, SinkError> {
        let Phase::Recording(current) = &mut self.phase else { return Err(not_recording()) };
        if gap.n_frames == 0 {
            return Ok(Recorded::Here);
        }
        let noted = current.take.gap(gap);
        let is_elsewhere = match &noted {
            Err(error) => self.go_elsewhere_after(error),
            Ok(()) => self.leave_failed_sync(),
        };
        if is_elsewhere {
            return Ok(Recorded::Elsewhere);
        }
        self.forget_what_is_safe();
        noted.map(|()| Recorded::Here)
    }

    /// Goes on in the next file from `boundary` on, where one can be opened.
    fn split_at(&mut self, boundary: FramePosition) {
        if let Some(next) = self.open_next(boundary, BegunBy::Split) {
            self.switch_to(next, EndedBy::Split);
        }
    }

    /// Brings everything into the file that is written; what fails there may go on elsewhere.
    pub(super) fn flush_take(&mut self) -> Result<(), SinkError> {
        let Phase::Recording(current) = &mut self.phase else { return Ok(()) };
        let flushed = current.take.flush();
        let is_failing = current.take.is_failing();
        let is_elsewhere = match &flushed {
            Err(error) if is_failing => self.go_elsewhere_after(error),
            // The fault is the sidecar's alone.
            Err(_) => false,
            Ok(()) => self.leave_failed_sync(),
        };
        if !is_failing && !is_elsewhere {
            self.leave_moved_file();
        }
        self.forget_what_is_safe();
        if is_elsewhere { Ok(()) } else { flushed }
    }

    fn go_elsewhere_after(&mut self, error: &SinkError) -> bool {
        // Where silence is still being written, the disk is at no fault.
        let is_busy = cause_kind(error) == Some(io::ErrorKind::ResourceBusy);
        !error.is_fatal() && !is_busy && self.go_elsewhere(&describe(error), is_removed(error))
    }

    /// A write may find out that a sync failed and go on nevertheless: that is no place to stay.
    fn leave_failed_sync(&mut self) -> bool {
        let Phase::Recording(current) = &self.phase else { return false };
        current.take.has_failed_sync() && self.go_elsewhere("it could not be brought to the disk", false)
    }

    /// A file that somebody has moved takes sound as before, where nobody looks for it: it is ended, and the next one begins where
    /// it was told to. While there is no name for it, the moved one goes on.
    fn leave_moved_file(&mut self) {
        let Phase::Recording(current) = &mut self.phase else { return };
        let is_empty = current.take.accounted_end() == current.take.begin_position();
        if self.position < self.next_try.max(self.next_move)
            || is_empty
            || self.behind.is_some()
            || !current.take.is_moved()
        {
            return;
        }
        let path = current.take.path().display().to_string();
        // Where its sidecar has gone with it, what comes to that place is another's.
        let keeps_sidecar = current.take.sidecar_path().is_some_and(|sidecar| sidecar.symlink_metadata().is_ok());
        match self.open(self.position, BegunBy::Moved, &[Place::First, Place::Failover]) {
            Ok(next) => {
                let next_path = next.take.path().display();
                log::warn!("{}: {path}: somebody has moved this file; it goes on in {next_path}", self.start.name);
                self.counts.n_moved += 1;
                self.next_move = self.position + self.frames_in_ms(MOVED_RETRY_MS);
                if let Phase::Recording(current) = &mut self.phase
                    && !keeps_sidecar
                {
                    current.take.leave_sidecar();
                }
                self.switch_to(next, EndedBy::Moved);
            }
            Err(error) => {
                self.next_try = self.position + self.frames_in_ms(MOVED_RETRY_MS);
                log::error!(
                    "{}: {path}: somebody has moved this file, and no other can be begun: {error}",
                    self.start.name
                );
            }
        }
    }

    /// Forgets what no other file will ever have to take over, and takes note of what could not be saved.
    fn forget_what_is_safe(&mut self) {
        let Phase::Recording(current) = &mut self.phase else { return };
        self.recent.forget_before(current.take.durable_end());
        let n_unsure = current.take.take_unsure_frames();
        if n_unsure > 0 {
            log::error!(
                "{}: {}: a sync failed: {n_unsure} frames may not be on the disk, and count as lost",
                self.start.name,
                current.take.path().display()
            );
        }
        self.lose(n_unsure);
    }

    /// Hands the file of what is in memory what can be handed beside a block of so many frames.
    pub(super) fn catch_up_beside(&mut self, n_frames: u64) {
        self.catch_up(n_frames.saturating_mul(CATCH_UP), self.position);
    }

    /// Hands the file what it took over from another: no more than that can have owed.
    pub(super) fn catch_up_at_once(&mut self) {
        self.catch_up(self.kept_frames, self.position);
    }

    /// Hands the file what is in memory and was not handed to it yet: at most so many frames, and none behind `end`.
    pub(super) fn catch_up(&mut self, most_frames: u64, end: FramePosition) {
        let mut left = most_frames;
        let piece_frames = self.frames_in_ms(PIECE_MS);
        while left > 0
            && let Some(from) = self.behind.filter(|&from| from < end)
            && matches!(self.phase, Phase::Recording(_))
        {
            let most = left.min(piece_frames).min(end.frames_since(from));
            let mut samples = std::mem::take(&mut self.scratch);
            let recorded = match self.recent.next(from, most, &mut samples) {
                None => {
                    self.behind = None;
                    Ok(())
                }
                Some(Remembered::Missing(gap)) => {
                    let gap = Gap { n_frames: gap.end().min(end).frames_since(gap.at_frame), ..gap };
                    self.behind = Some(gap.end());
                    self.record_gap(&gap)
                }
                Some(Remembered::Sound(at_frame)) => {
                    let stamp = BlockStamp { position: at_frame, ..BlockStamp::default() };
                    let block = Block { stamp, spec: self.start.spec, samples: &samples };
                    let n_frames = block.n_frames() as u64;
                    left -= n_frames;
                    self.behind = Some(block.end_position());
                    self.splitter.see_time(at_frame, self.time.unix_ns_of(at_frame));
                    self.record(&block, From::Memory).inspect_err(|_| self.lose(n_frames))
                }
            };
            self.scratch = samples;
            if let Err(error) = recorded {
                log::error!("{}: {error}", self.start.name);
            }
        }
        if self.behind.is_some_and(|from| from >= self.recent.end()) {
            self.behind = None;
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
