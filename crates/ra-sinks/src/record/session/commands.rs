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
        if let Phase::Recording(current) = std::mem::replace(&mut self.phase, Phase::Paused)
            && let Err(error) = self.end_take(current.take, EndedBy::Pause, None)
        {
            self.survive(&error);
        }
        self.recent.restart(self.pre_roll(), self.position);
        log::info!("{}: paused at frame {}", self.start.name, self.position.0);
    }

    pub(super) fn resume(&mut self) -> Result<(), SinkError> {
        let from = self.recent.start();
        let opened = self.open(from, BegunBy::Resume, &[Place::First, Place::Failover])?;
        self.go_on_in(opened);
        self.replay(from);
        log::info!("{}: records from frame {} on", self.start.name, from.0);
        Ok(())
    }

    pub(super) fn pre_roll(&self) -> Bound {
        if self.config.pre_roll.is_zero() {
            return Bound::Time(0);
        }
        let ms = self.config.pre_roll.as_secs_f64() * 1e3;
        Bound::Time(self.start.spec.sample_rate.frames_in_ms_ceil(ms) as u64)
    }
}
