//! Clocked sources: what is opened, polled and closed by requests to a driver.

use ra_core::{ClockedSource, GapReason, Granted, SourceError, SourceState, StreamSpec};
use ra_queue::{InputConfig, input_ring};

use super::sources::{Kind, Life};
use super::{Control, Request};
use crate::rt::command::{MixerCommand, SourceId};

impl Control {
    /// Takes a source that is not what it claims out of the mix.
    pub(super) fn refuse_source(&mut self, id: SourceId) {
        self.tell(MixerCommand::RemoveSource(id, self.config.ramp_frames()));
        if let Some(entry) = self.source_mut(id) {
            entry.reason = entry.clock_reason.take();
            entry.life = Life::Failed;
            log::error!("source {}: refused: {}", entry.config.name, entry.reason.as_deref().unwrap_or_default());
        }
        self.send_all_gains();
    }

    /// A driver has come back from opening a source, for the first time or again.
    pub(super) fn clocked_opened(
        &mut self,
        id: SourceId,
        source: Box<dyn ClockedSource>,
        result: Result<Granted, SourceError>,
    ) {
        let stopping = self.stopping;
        let Some(entry) = self.source_mut(id) else { return };
        entry.in_transit = false;
        entry.kind = Kind::Clocked(Some(source));
        let is_late = entry.supervision.call_returned();
        let wanted = entry.spec.channels;
        let result = match result {
            Ok(granted) if granted.spec.channels != wanted => {
                let message = format!("asked for {wanted}, was granted {}", granted.spec.channels);
                Err(SourceError::Device { device: granted.device, message })
            }
            other => other,
        };
        match (entry.life, result) {
            (Life::Removed | Life::Failed, _) => self.stop_clocked(id),
            (Life::Opening, Ok(granted)) => {
                if stopping {
                    self.stop_clocked(id);
                }
                self.set_granted(id, &granted);
                self.enter_mix(id, granted.period_frames);
            }
            (Life::Opening, Err(cause)) if entry.config.required => {
                self.stop_clocked(id);
                self.fail_source(id, cause);
            }
            (Life::Opening, Err(cause)) => {
                self.wait_for_device(id, cause.to_string());
                if stopping {
                    self.stop_clocked(id);
                }
            }
            (Life::Present, _) if stopping => self.stop_clocked(id),
            // What comes too late was counted when it was given up.
            (Life::Present, Ok(_)) if is_late => self.reopen_source(id),
            (Life::Present, Err(cause)) if is_late => self.wait_for_next_attempt(id, cause.to_string()),
            (Life::Present, Ok(granted)) => self.go_on(id, &granted),
            (Life::Present, Err(cause)) => self.attempt_failed(id, cause.to_string()),
        }
    }

    fn set_granted(&mut self, id: SourceId, granted: &Granted) {
        let Some(entry) = self.source_mut(id) else { return };
        entry.spec = granted.spec;
        entry.description.clone_from(&granted.device);
        entry.has_warned = false;
        let period_frames = u64::from(granted.period_frames.unwrap_or(0));
        entry.supervision.opened(granted.spec.sample_rate.ns_of_frames(period_frames));
    }

    /// The device of a source that is in the mix is open again.
    fn go_on(&mut self, id: SourceId, granted: &Granted) {
        let Some(entry) = self.source_mut(id) else { return };
        let (was_hz, now_hz) = (entry.spec.sample_rate.hz(), granted.spec.sample_rate.hz());
        if now_hz > 2 * was_hz {
            // The ring is far too short for what has come back: a longer one.
            entry.spec = granted.spec;
            self.reopen_source(id);
            return;
        }
        let was_lost = entry.supervision.is_lost();
        self.set_granted(id, granted);
        match self.build_follower(id, granted.period_frames) {
            Ok(Some(follower)) => {
                self.tell(MixerCommand::ReplaceFollower(id, Box::new(follower)));
                if let Some(entry) = self.source_mut(id).filter(|_| was_lost) {
                    log::debug!("source {}: open again as {}, {}", entry.config.name, granted.device, granted.spec);
                }
            }
            Ok(None) => self.stop_clocked(id),
            Err(cause) => self.attempt_failed(id, cause.to_string()),
        }
    }

    /// A source whose device is not there yet goes into the mix without it.
    pub(super) fn wait_for_device(&mut self, id: SourceId, reason: String) {
        self.enter_mix(id, None);
        if self.source_mut(id).is_some_and(|entry| entry.life == Life::Present) {
            self.attempt_failed(id, reason);
        }
    }

    /// The device goes on in another format: it gets another ring, whose reader takes over when the old one is empty.
    pub(super) fn flip_source(&mut self, id: SourceId, spec: StreamSpec) {
        if self.stopping {
            return;
        }
        let Some(entry) = self.source_mut(id) else { return };
        let line = format!("source {}: now delivers {spec}, was opened as {}", entry.config.name, entry.spec);
        entry.spec = spec;
        // Told before the old ring can close.
        self.tell(MixerCommand::ExpectFollower(id, GapReason::NotCaptured));
        self.reopen_source(id);
        log::warn!("{line}");
    }

    /// Lets a driver close a source's device, as far as it is open, and open it again on a new ring.
    pub(super) fn reopen_source(&mut self, id: SourceId) {
        let Some(entry) = self.sources.iter().find(|source| source.id == id).filter(|_| !self.stopping) else { return };
        let capacity_frames = self.clocked_capacity_frames(&entry.config, entry.spec.sample_rate);
        let ring = input_ring(&InputConfig {
            channels: entry.spec.channels,
            capacity_frames,
            capacity_periods: capacity_frames.div_ceil(16),
        });
        let (input, reader, monitor) = match ring {
            Ok(ring) => ring,
            Err(cause) => return self.attempt_failed(id, cause.to_string()),
        };
        let now_ns = self.now_ns;
        let Some(entry) = self.source_mut(id) else { return };
        let Kind::Clocked(device) = &mut entry.kind else { return };
        let Some(source) = device.take() else { return };
        entry.reader = Some(reader);
        entry.replace_monitor(monitor);
        entry.in_transit = true;
        entry.supervision.attempt(now_ns);
        let name = entry.config.name.clone();
        self.requests.push_back(Request::RestartClocked { id, name, source, input });
    }

    /// Lets a driver close a lost source's device, which is opened again later.
    pub(super) fn close_source(&mut self, id: SourceId) {
        let stopping = self.stopping;
        let Some(entry) = self.source_mut(id).filter(|_| !stopping) else { return };
        let Kind::Clocked(device) = &mut entry.kind else { return };
        let Some(source) = device.take() else { return };
        entry.in_transit = true;
        let name = entry.config.name.clone();
        self.requests.push_back(Request::CloseClocked { id, name, source });
    }

    /// A driver has come back from closing a source that was lost.
    pub(super) fn clocked_closed(&mut self, id: SourceId, source: Box<dyn ClockedSource>) {
        let stopping = self.stopping;
        let Some(entry) = self.source_mut(id) else { return };
        entry.in_transit = false;
        entry.kind = Kind::Clocked(Some(source));
        entry.supervision.call_returned();
        if stopping || entry.life != Life::Present {
            self.stop_clocked(id);
        }
    }

    pub(super) fn stop_clocked_sources(&mut self) {
        for source in self.sources.iter_mut().filter(|source| matches!(source.kind, Kind::Clocked(Some(_)))) {
            source.state_at_stop = Some(source.state());
        }
        let ids: Vec<_> = self.sources.iter().map(|source| source.id).collect();
        for id in ids {
            self.stop_clocked(id);
        }
    }

    pub(super) fn stop_clocked(&mut self, id: SourceId) {
        let Some(entry) = self.source_mut(id) else { return };
        if let Kind::Clocked(device) = &mut entry.kind
            && let Some(source) = device.take()
        {
            let name = entry.config.name.clone();
            entry.in_transit = true;
            self.requests.push_back(Request::StopClocked { id, name, source });
        }
    }

    /// A device is closed: what its strip still holds will never be heard, and is counted.
    pub(super) fn clocked_stopped(&mut self, id: SourceId) {
        let Some(entry) = self.source_mut(id) else { return };
        entry.in_transit = false;
        // Of a ring that was made for a device's new rate and that nobody came to read: its frames are dropped with it.
        entry.reader = None;
        if let Some(mut strip) = entry.retired.take() {
            strip.follower.ring.discard_rest();
            if let Some(next) = &mut strip.next {
                next.ring.discard_rest();
            }
        }
    }

    /// Gives up on devices that could not be closed in time. Returns how many there are.
    pub(crate) fn abandon_sources(&mut self, waited_ms: u64) -> usize {
        let mut n_left = 0;
        let in_transit =
            self.sources.iter_mut().filter(|entry| entry.in_transit && !entry.supervision.is_left_behind());
        for entry in in_transit {
            let reason = format!("its device did not answer within {waited_ms} ms and is left behind");
            log::error!("source {}: {reason}", entry.config.name);
            entry.state_at_stop = Some(SourceState::Failed);
            entry.reason = Some(reason);
            n_left += 1;
        }
        n_left
    }

    /// Whether no driver holds a device of ours, and none is open.
    pub(crate) fn sources_are_closed(&self) -> bool {
        self.sources.iter().all(|source| match &source.kind {
            Kind::Pulled(_) => true,
            // One that hangs is known to: nobody waits for it again.
            Kind::Clocked(device) => device.is_none() && (!source.in_transit || source.supervision.is_left_behind()),
        })
    }
}
