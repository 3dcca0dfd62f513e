//! Clocked sources: what is opened, polled and closed by requests to a driver.

use ra_core::{ClockedSource, Granted, SourceError, SourceState, StreamEvent, StreamSpec};
use ra_queue::{InputConfig, input_ring};

use super::sources::{Kind, Life, SourceEntry};
use super::{Control, Request};
use crate::rt::command::{MixerCommand, SourceId};
use crate::{Latency, OnRateMismatch};

/// A clock further away than this is worth a warning, in ppm: no crystal is.
const WARN_PPM: f64 = 1000.0;
/// A rate further away than this is another rate, in ppm.
const MISMATCH_PPM: f64 = 10_000.0;
/// A device that has delivered nothing for so long gets a reason that says so, in nanoseconds.
const SILENT_NS: u64 = 2_000_000_000;

impl SourceEntry {
    /// Says where a fixed latency can't hold what the source needs by its periods and filters, which is `least_ns`.
    pub(super) fn judge_latency(&mut self, latency: Latency, least_ns: f64) {
        let Latency::Ms(ms) = latency else { return };
        if least_ns <= ms * 1e6 {
            return;
        }
        let offset = match self.config.latency_offset_ms {
            0.0 => String::new(),
            offset_ms => format!(" with its offset of {offset_ms} ms"),
        };
        let needed_ms = least_ns / 1e6;
        let reason =
            format!("needs a latency of {needed_ms:.1} ms{offset}, and has {ms} ms: some or all of it comes too late");
        log::warn!("source {}: {reason}", self.config.name);
        self.reason = Some(reason.clone());
        self.latency_reason = Some(reason);
    }

    /// Says what is odd about the source's clock, once. Returns whether it may stay.
    fn judge_clock(&mut self, now_ns: u64) -> bool {
        let waited_ns = now_ns.saturating_sub(*self.opened_ns.get_or_insert(now_ns));
        let produced_frames = self.monitor.account().produced_frames;
        if produced_frames != self.delivered.0 {
            self.delivered = (produced_frames, waited_ns);
        }
        let silent_ns = waited_ns - self.delivered.1;
        if silent_ns > SILENT_NS {
            let reason = format!("is open, and has delivered nothing for {} s", silent_ns / 1_000_000_000);
            if !std::mem::replace(&mut self.is_silent, true) {
                log::warn!("source {}: {reason}", self.config.name);
            }
            self.reason = Some(reason);
            return true;
        }
        if std::mem::take(&mut self.is_silent) {
            self.reason.clone_from(&self.latency_reason);
        }
        let Some(ppm) = self.counters.drift_ppm.get().filter(|ppm| ppm.abs() > WARN_PPM) else { return true };
        let is_mismatch = ppm.abs() > MISMATCH_PPM;
        let rate_hz = f64::from(self.spec.sample_rate.hz());
        let found_hz = rate_hz * (1.0 + ppm * 1e-6);
        let reason = match is_mismatch {
            true => format!("claims {rate_hz:.0} Hz and delivers {found_hz:.0} Hz ({ppm:+.0} ppm)"),
            false => format!("its clock is {ppm:+.0} ppm off"),
        };
        if !std::mem::replace(&mut self.has_warned, true) {
            log::warn!("source {}: {reason}", self.config.name);
        }
        self.reason = Some(reason);
        !is_mismatch || self.config.on_rate_mismatch == OnRateMismatch::Follow
    }
}

impl Control {
    /// Takes a source that is not what it claims out of the mix.
    fn refuse_source(&mut self, id: SourceId) {
        self.tell(MixerCommand::RemoveSource(id, self.config.ramp_frames()));
        if let Some(entry) = self.source_mut(id) {
            log::error!("source {}: refused: {}", entry.config.name, entry.reason.as_deref().unwrap_or_default());
            entry.life = Life::Failed;
        }
        self.send_all_gains();
    }

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

    /// The device goes on in another format: it gets another ring, whose reader takes over when the old one is empty.
    fn restart_clocked(&mut self, id: SourceId, spec: StreamSpec) {
        if self.stopping {
            return;
        }
        let Some(capacity_frames) = self
            .source_mut(id)
            .map(|entry| entry.config.clone())
            .map(|config| self.clocked_capacity_frames(&config, spec.sample_rate))
        else {
            return;
        };
        let ring = input_ring(&InputConfig {
            channels: spec.channels,
            capacity_frames,
            capacity_periods: capacity_frames.div_ceil(16),
        });
        let Some(entry) = self.source_mut(id) else { return };
        let Kind::Clocked(device) = &mut entry.kind else { return };
        let Some(source) = device.take() else { return };
        let (input, reader, monitor) = match ring {
            Ok(ring) => ring,
            Err(cause) => {
                entry.reason = Some(format!("now delivers {spec}: {cause}"));
                entry.life = Life::Lost;
                *device = Some(source);
                self.tell(MixerCommand::SetLost(id));
                self.stop_clocked(id);
                return;
            }
        };
        log::warn!("source {}: now delivers {spec}, was opened as {}", entry.config.name, entry.spec);
        entry.reader = Some(reader);
        entry.replace_monitor(monitor);
        entry.in_transit = true;
        let name = entry.config.name.clone();
        // Told before the old ring can close.
        self.tell(MixerCommand::ExpectFollower(id));
        self.requests.push_back(Request::RestartClocked { id, name, source, input });
    }

    pub(super) fn clocked_restarted(
        &mut self,
        id: SourceId,
        source: Box<dyn ClockedSource>,
        result: Result<Granted, SourceError>,
    ) {
        let stopping = self.stopping;
        let Some(entry) = self.source_mut(id) else { return };
        entry.in_transit = false;
        entry.kind = Kind::Clocked(Some(source));
        let wanted = entry.spec.channels;
        let gone = entry.life != Life::Present || stopping;
        let built = match result {
            _ if gone => Ok(None),
            Ok(granted) if granted.spec.channels == wanted => {
                entry.spec = granted.spec;
                entry.description = granted.device;
                entry.has_warned = false;
                self.build_follower(id, granted.period_frames).map_err(|cause| cause.to_string())
            }
            Ok(granted) => Err(format!("asked for {wanted}, was granted {}", granted.spec.channels)),
            Err(cause) => Err(cause.to_string()),
        };
        match built {
            Ok(Some(follower)) => self.tell(MixerCommand::ReplaceFollower(id, Box::new(follower))),
            Ok(None) => self.stop_clocked(id),
            Err(reason) => {
                if let Some(entry) = self.source_mut(id) {
                    log::error!("source {}: {reason}", entry.config.name);
                    entry.life = Life::Lost;
                    entry.reason = Some(reason);
                }
                self.tell(MixerCommand::SetLost(id));
                self.stop_clocked(id);
            }
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

    pub(super) fn poll_clocked_sources(&mut self, now_ns: u64) {
        let (mut ended, mut lost, mut refused, mut changed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
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
                    StreamEvent::FormatChanged { spec } if spec.channels == entry.spec.channels => {
                        changed.push((entry.id, spec));
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
            if entry.life == Life::Present && !entry.judge_clock(now_ns) {
                refused.push(entry.id);
            }
        }
        for (id, spec) in changed {
            self.restart_clocked(id, spec);
        }
        for id in refused {
            self.refuse_source(id);
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
