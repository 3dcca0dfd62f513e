//! What a recorder does when it is told to: split, pause, resume, other words for its sound.

use ra_core::{SinkCommand, SinkError};

use super::{Phase, Session, not_recording};
use crate::record::{
    opener::Place,
    recent::Bound,
    series::{BegunBy, EndedBy},
};

impl Session {
    pub(crate) fn command(&mut self, command: &SinkCommand) -> Result<(), SinkError> {
        if self.has_ended() {
            return Err(not_recording());
        }
        let is_paused = matches!(self.phase, Phase::Paused);
        match command {
            SinkCommand::Split if is_paused => Err(SinkError::Unsupported { what: "a split while paused".into() }),
            SinkCommand::Split => self.split_now(),
            SinkCommand::Pause if is_paused => Ok(()),
            SinkCommand::Pause => {
                self.pause();
                Ok(())
            }
            SinkCommand::Resume if is_paused => self.resume(),
            SinkCommand::Resume => Ok(()),
            SinkCommand::SetMetadata(metadata) => {
                self.metadata.clone_from(metadata);
                if let Phase::Recording(current) = &mut self.phase {
                    current.take.set_metadata(metadata);
                }
                Ok(())
            }
            SinkCommand::SetTimeOfDay { unix_minus_monotonic_ns } => {
                self.time.set(*unix_minus_monotonic_ns);
                Ok(())
            }
            other => Err(SinkError::Unsupported { what: other.to_string() }),
        }
    }

    pub(super) fn split_now(&mut self) -> Result<(), SinkError> {
        // The next one begins here: what comes before goes to the old one first.
        self.catch_up(u64::MAX, self.position);
        let Phase::Recording(current) = &self.phase else { return Err(not_recording()) };
        if current.take.accounted_end() == current.take.begin_position() {
            return Ok(()); // nothing is in it yet: it is the next file already
        }
        let next = self.open(self.position, BegunBy::Command, &[Place::First, Place::Failover])?;
        self.switch_to(next, EndedBy::Command);
        Ok(())
    }

    pub(super) fn pause(&mut self) {
        self.counts.n_pauses += 1;
        self.catch_up(u64::MAX, self.position);
        if let Err(error) = self.end_current(EndedBy::Pause, None) {
            self.survive(&error);
        }
        self.behind = None;
        self.recent.restart(self.pre_roll(), self.position);
        log::info!("{}: paused at frame {}", self.start.name, self.position.0);
    }

    pub(super) fn resume(&mut self) -> Result<(), SinkError> {
        let from = self.recent.start();
        let opened = self.open(from, BegunBy::Resume, &[Place::First, Place::Failover])?;
        // It comes to the file beside the next blocks: all at once might take seconds.
        self.behind = (from < self.position).then_some(from);
        self.go_on_in(opened);
        log::info!("{}: records from frame {} on", self.start.name, from.0);
        Ok(())
    }

    pub(super) fn pre_roll(&self) -> Bound {
        Bound::Time(self.pre_roll_frames())
    }

    pub(super) fn pre_roll_frames(&self) -> u64 {
        if self.config.pre_roll.is_zero() { 0 } else { self.frames_in_ms(self.config.pre_roll.as_secs_f64() * 1e3) }
    }
}
