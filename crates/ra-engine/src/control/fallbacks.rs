//! Which source stands in for which, by name, and what the mixer is told of that. Who is heard when, the mixer decides.

use super::Control;
use crate::rt::command::MixerCommand;
use crate::{CommandError, OnLoss};

impl Control {
    /// Whether any source names that one as its fallback.
    pub(super) fn is_a_fallback(&self, name: &str) -> bool {
        let mut present = self.sources.iter().filter(|source| source.is_present());
        present.any(|source| source.config.on_loss.fallback() == Some(name))
    }

    /// Whether it is to be heard in the place of a soloed source, by itself or through others.
    pub(super) fn stands_in_for_a_solo(&self, name: &str) -> bool {
        let soloed = self.sources.iter().filter(|source| source.is_present() && source.config.solo);
        soloed.into_iter().any(|source| {
            let mut next = source.config.on_loss.fallback();
            while let Some(fallback) = next.filter(|fallback| *fallback != name) {
                next = self.source_by_name(fallback).ok().and_then(|source| source.config.on_loss.fallback());
            }
            next.is_some()
        })
    }

    /// Refuses a source that would stand in for itself, by itself or through others.
    pub(super) fn check_fallback(&self, name: &str, on_loss: &OnLoss) -> Result<(), CommandError> {
        let mut next = on_loss.fallback();
        // Those that are there have been checked: a chain that does not come back to this one has an end.
        while let Some(fallback) = next {
            if fallback == name {
                let actual = format!("fallback:{}", on_loss.fallback().unwrap_or_default());
                let expected = "a source that does not come back to this one".to_owned();
                return Err(CommandError::Value { key: "on_loss", actual, expected });
            }
            next = self.source_by_name(fallback).ok().and_then(|source| source.config.on_loss.fallback());
        }
        Ok(())
    }

    /// Tells the mixer who is down, and who stands in for whom, where that has changed.
    pub(super) fn tell_who_is_heard(&mut self) {
        let mut commands = Vec::new();
        let has_fallbacks = self.sources.iter().any(|source| source.config.on_loss.fallback().is_some());
        for at in 0..self.sources.len() {
            let entry = &self.sources[at];
            if !entry.in_mixer || !entry.is_present() {
                continue;
            }
            let fallback = entry.config.on_loss.fallback().and_then(|name| self.source_by_name(name).ok());
            // Of one that is not to be heard, nobody takes the place.
            let fallback =
                fallback.filter(|source| source.in_mixer && !self.is_silenced(entry)).map(|source| source.id);
            // Once it waits to stand in it always does: it must not begin to sound when the other is taken out.
            let is_standby =
                entry.supervision.is_told_standby || (has_fallbacks && self.is_a_fallback(&entry.config.name));
            let is_down = entry.is_down();
            let return_frames = self.config.sample_rate.frames_in_ms_ceil(entry.config.return_after_ms) as u32;
            let Some(entry) = self.sources.get_mut(at) else { continue };
            let told = &mut entry.supervision;
            if std::mem::replace(&mut told.is_told_standby, is_standby) != is_standby {
                commands.push(MixerCommand::SetStandby(entry.id, is_standby));
            }
            if std::mem::replace(&mut told.told_fallback, fallback) != fallback {
                commands.push(MixerCommand::SetFallback { source: entry.id, fallback, return_frames });
            }
            if std::mem::replace(&mut told.is_told_down, is_down) != is_down {
                commands.push(MixerCommand::SetDown(entry.id, is_down));
            }
        }
        for command in commands {
            self.tell(command);
        }
    }
}
