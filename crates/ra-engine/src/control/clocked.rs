//! Clocked sources: what is opened, polled and closed by requests to a driver.

use ra_core::{ClockedSource, Granted, SourceError, SourceState, StreamEvent};

use super::sources::{Kind, Life};
use super::{Control, Request};
use crate::rt::command::{MixerCommand, SourceId};

impl Control {
    pub(super) fn clocked_started(
        &mut self,
        id: SourceId,
        source: Box<dyn ClockedSource>,
        result: Result<Granted, SourceError>,
    ) {
        let stopping = self.stopping;
        let Some(entry) = self.source_mut(id) else { return };
        entry.in_transit = false;
        let name = entry.config.name.clone();
        match result {
            Ok(granted) if granted.spec.channels != entry.spec.channels => {
                let message = format!("asked for {}, was granted {}", entry.spec.channels, granted.spec.channels);
                let cause = SourceError::Device { device: granted.device, message };
                entry.in_transit = true;
                self.requests.push_back(Request::StopClocked { id, name, source });
                self.fail_source(id, cause);
            }
            Ok(granted) => {
                let removed = entry.life == Life::Removed;
                entry.spec = granted.spec;
                entry.description = granted.device;
                entry.kind = Kind::Clocked(Some(source));
                if removed || stopping {
                    self.stop_clocked(id);
                }
                if !removed {
                    self.enter_mix(id, granted.period_frames);
                }
            }
            Err(cause) => self.fail_source(id, cause),
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
        if let Some(mut strip) = entry.retired.take() {
            let reader = &mut strip.follower.ring.reader;
            reader.poll_stamps(&mut |_| {});
            while reader.queued_frames() > 0 {
                if reader.discard(usize::MAX) == 0 && reader.take_gap().is_none() {
                    break;
                }
            }
        }
    }

    pub(super) fn poll_clocked_sources(&mut self) {
        let (mut ended, mut lost) = (Vec::new(), Vec::new());
        for entry in &mut self.sources {
            let Kind::Clocked(Some(source)) = &mut entry.kind else { continue };
            if entry.life != Life::Present {
                continue;
            }
            while let Some(event) = source.poll_event() {
                match event {
                    StreamEvent::DeviceLost { reason } => {
                        log::error!("source {}: device lost: {reason}", entry.config.name);
                        entry.life = Life::Lost;
                        entry.reason = Some(reason);
                        lost.push(entry.id);
                    }
                    StreamEvent::FormatChanged { spec } => {
                        let reason = format!("now delivers {spec}, was opened as {}", entry.spec);
                        log::error!("source {}: {reason}", entry.config.name);
                        entry.life = Life::Lost;
                        entry.reason = Some(reason);
                        lost.push(entry.id);
                    }
                    StreamEvent::EndOfStream => ended.push(entry.id),
                    // Frames and gaps come through the ring, where they are counted.
                    _ => {}
                }
            }
        }
        for id in lost {
            self.tell(MixerCommand::SetLost(id));
            ended.push(id);
        }
        for id in ended {
            self.stop_clocked(id);
        }
    }

    /// Gives up on devices that could not be closed in time. Returns how many there are.
    pub(crate) fn abandon_sources(&mut self, waited_ms: u64) -> usize {
        let mut n_left = 0;
        for entry in self.sources.iter_mut().filter(|entry| entry.in_transit) {
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
            Kind::Clocked(device) => device.is_none() && !source.in_transit,
        })
    }
}
