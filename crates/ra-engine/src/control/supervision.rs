//! Supervision of sources: finds out that one is lost, by what its device says and by its silence, opens it again and again
//! until it is back, and tells the mixer whom to hear meanwhile. Owns no thread, reads no clock and blocks on nothing.

mod backoff;
mod delivery_watch;
mod state_log;

use ra_core::{ClockedSource, GapReason, SourceState, StreamEvent, StreamSpec};

use super::Control;
use super::sources::{Kind, Life, SourceEntry};
use crate::CommandError;
use crate::rt::command::{MixerCommand, SourceId};

use delivery_watch::{Delivery, DeliveryWatch};
use state_log::StateLog;

/// A call into a device that has not returned for so long is left to itself. `ra-device` gives up on its own by then.
const CALL_NS: u64 = 15_000_000_000;
/// A source that has delivered for so long is well: its next loss is a new one.
const WELL_NS: u64 = 500_000_000;
/// A device that has delivered nothing for so long since it was opened gets a reason that says so, in nanoseconds.
const SILENT_NS: u64 = 2_000_000_000;
/// The most remarks that are kept of a source.
const MOST_NOTES: usize = 32;
/// The most events that are taken from a source in one look: the rest, if there is an end to them, comes later.
const MOST_EVENTS: usize = 64;

/// What is known of how a source is.
pub(super) struct Supervision {
    /// While its device is open.
    watch: Option<DeliveryWatch>,
    delivery: Delivery,
    /// While it is lost.
    outage: Option<Outage>,
    /// Attempts in a row after which it was not well.
    n_attempts: u32,
    /// Since when a driver has had its device.
    handed_ns: Option<u64>,
    /// The driver's call has taken too long: whatever comes of it comes too late.
    is_abandoned: bool,
    /// What the mixer was told.
    pub(super) is_told_down: bool,
    pub(super) told_fallback: Option<SourceId>,
    pub(super) is_told_standby: bool,
    pub(super) log: StateLog,
    /// What it was by itself then.
    logged_own_state: SourceState,
    pub(super) losses: u64,
    pub(super) reconnects: u64,
    pub(super) failed_opens: u64,
    pub(super) hung_calls: u64,
    pub(super) device_errors: u64,
    /// What its device had to say, each once.
    pub(super) notes: Vec<String>,
}

/// The time in which a source has no device.
struct Outage {
    since_ns: u64,
    reason: String,
    /// Why it could not be opened again.
    last_failure: Option<String>,
    retry_ns: u64,
    /// When the attempt began that is going on, or was the last.
    attempt_ns: u64,
    /// Somebody has asked for an attempt while one was going on: should that fail, the next one is due at once.
    is_asked: bool,
}

/// What has to be done about a source.
enum Finding {
    /// Why, and how many of the latest frames may be another device's.
    Lost(String, u64),
    Flipped(StreamSpec),
    Ended,
    Refused,
    Due,
    Hangs,
}

impl Supervision {
    /// Of a source that is being opened for the first time.
    pub(super) fn new(at_ms: f64) -> Self {
        Self {
            watch: None,
            delivery: Delivery::Awaited,
            outage: None,
            n_attempts: 0,
            handed_ns: None,
            is_abandoned: false,
            is_told_down: false,
            told_fallback: None,
            is_told_standby: false,
            log: StateLog::new(at_ms),
            logged_own_state: SourceState::Opening,
            losses: 0,
            reconnects: 0,
            failed_opens: 0,
            hung_calls: 0,
            device_errors: 0,
            notes: Vec::new(),
        }
    }

    /// Whether its driver's call has taken too long, and is still going on.
    pub(super) fn is_left_behind(&self) -> bool {
        self.is_abandoned
    }

    /// Whether it has lost its device.
    pub(super) fn is_lost(&self) -> bool {
        self.outage.is_some()
    }

    /// A driver has given its device back; whether that was too late.
    pub(super) fn call_returned(&mut self) -> bool {
        self.handed_ns = None;
        std::mem::take(&mut self.is_abandoned)
    }

    /// Its device was opened, with such periods.
    pub(super) fn opened(&mut self, period_ns: u64) {
        self.watch = Some(DeliveryWatch::new(period_ns));
        self.delivery = Delivery::Awaited;
        if self.outage.take().is_some() && self.losses > 0 {
            self.reconnects += 1;
        }
    }

    /// What it looks like from here; `None`: as the mixer says.
    pub(super) fn state(&self) -> Option<SourceState> {
        match (&self.outage, self.delivery) {
            (Some(_), _) => Some(SourceState::Lost),
            (None, Delivery::Stalled | Delivery::Lost) => Some(SourceState::Stalled),
            (None, Delivery::Awaited) => Some(SourceState::Opening),
            (None, Delivery::Flowing) => None,
        }
    }

    /// Why it is like that.
    pub(super) fn reason(&self) -> Option<String> {
        if let Some(outage) = &self.outage {
            return Some(match &outage.last_failure {
                Some(failure) => format!("{}; opened again in vain: {failure}", outage.reason),
                None => outage.reason.clone(),
            });
        }
        let quiet_ns = self.watch.as_ref()?.quiet_ns();
        match self.delivery {
            Delivery::Stalled | Delivery::Lost => {
                Some(format!("has delivered nothing for {:.2} s", quiet_ns as f64 / 1e9))
            }
            Delivery::Awaited if quiet_ns > SILENT_NS => {
                Some(format!("is open, and has delivered nothing for {} s", quiet_ns / 1_000_000_000))
            }
            _ => None,
        }
    }

    /// Learns what was delivered; says why the source is lost, where it is.
    fn look(&mut self, n_frames: u64, now_ns: u64) -> Option<String> {
        let watch = self.watch.as_mut()?;
        self.delivery = watch.look(n_frames, now_ns);
        if watch.flowing_ns() >= WELL_NS {
            self.n_attempts = 0;
        }
        (self.delivery == Delivery::Lost)
            .then(|| format!("has delivered nothing for {:.1} s", watch.quiet_ns() as f64 / 1e9))
    }

    /// It has no device any more, or still none, for that reason.
    fn lose(&mut self, reason: String, now_ns: u64) {
        // One that was never open is waited for, and not lost.
        self.losses += u64::from(self.watch.is_some());
        let was_well = self.watch.take().is_none_or(|watch| watch.flowing_ns() >= WELL_NS);
        self.n_attempts = if was_well { 0 } else { self.n_attempts + 1 };
        self.delivery = Delivery::Awaited;
        let outage = Outage {
            since_ns: now_ns,
            reason,
            last_failure: None,
            retry_ns: now_ns,
            attempt_ns: now_ns,
            is_asked: false,
        };
        self.outage = Some(outage);
    }

    /// Says when the next attempt is due, behind `n_attempts` in a row.
    fn wait(&mut self, now_ns: u64, index: u32) {
        let n_attempts = self.n_attempts;
        let Some(outage) = &mut self.outage else { return };
        if std::mem::take(&mut outage.is_asked) {
            outage.retry_ns = now_ns;
        } else if n_attempts > 0 {
            let (attempt_ns, away_ns) =
                (now_ns.saturating_sub(outage.attempt_ns), now_ns.saturating_sub(outage.since_ns));
            outage.retry_ns = now_ns + backoff::wait_ns(n_attempts, attempt_ns, away_ns, index);
        }
    }

    /// An attempt begins: it is what was asked for.
    pub(super) fn attempt(&mut self, now_ns: u64) {
        if let Some(outage) = &mut self.outage {
            outage.attempt_ns = now_ns;
            outage.is_asked = false;
        }
    }
}

impl SourceEntry {
    /// Looks what its device says and does.
    fn look(&mut self, now_ns: u64) -> Option<Finding> {
        if self.in_transit {
            let since_ns = *self.supervision.handed_ns.get_or_insert(now_ns);
            let is_late = now_ns.saturating_sub(since_ns) >= CALL_NS;
            return (is_late && !self.supervision.is_abandoned).then_some(Finding::Hangs);
        }
        let Kind::Clocked(Some(source)) = &mut self.kind else { return None };
        if self.life != Life::Present {
            return None;
        }
        if let Some(finding) = take_events(&mut **source, &mut self.supervision, self.spec, now_ns) {
            return Some(finding);
        }
        if let Some(outage) = &self.supervision.outage {
            return (now_ns >= outage.retry_ns).then_some(Finding::Due);
        }
        let n_frames = self.monitor.account().produced_frames;
        if let Some(reason) = self.supervision.look(n_frames, now_ns) {
            return Some(Finding::Lost(reason, 0));
        }
        (!self.judge_clock()).then_some(Finding::Refused)
    }

    /// Whether somebody else should be heard in its place.
    pub(super) fn is_down(&self) -> bool {
        let failed = match &self.kind {
            Kind::Pulled(shared) => shared.failure.lock().is_some(),
            Kind::Clocked(_) => match self.supervision.state() {
                Some(SourceState::Opening) => self.supervision.is_told_down,
                state => state.is_some(),
            },
        };
        failed || self.life == Life::Failed
    }
}

/// Takes what a source has to say, up to what ends its stream.
fn take_events(
    source: &mut dyn ClockedSource,
    supervision: &mut Supervision,
    was: StreamSpec,
    now_ns: u64,
) -> Option<Finding> {
    let is_open = supervision.outage.is_none();
    for _ in 0..MOST_EVENTS {
        match source.poll_event()? {
            StreamEvent::ErrorsSeen { n } | StreamEvent::XrunsSeen { n } => supervision.device_errors += n,
            StreamEvent::Remark { text }
                if supervision.notes.len() < MOST_NOTES && !supervision.notes.contains(&text) =>
            {
                supervision.notes.push(text);
            }
            StreamEvent::DeviceIsBack => {
                if let Some(outage) = &mut supervision.outage {
                    outage.retry_ns = now_ns;
                }
            }
            StreamEvent::DeviceLost { reason, doubtful_frames } if is_open => {
                return Some(Finding::Lost(reason, doubtful_frames));
            }
            StreamEvent::FormatChanged { spec } if is_open && spec.channels == was.channels => {
                return Some(Finding::Flipped(spec));
            }
            StreamEvent::FormatChanged { spec } if is_open => {
                return Some(Finding::Lost(format!("now delivers {spec}, was opened as {was}"), 0));
            }
            StreamEvent::EndOfStream if is_open => return Some(Finding::Ended),
            // Frames and gaps come through the ring, where they are counted. What else is said of a device that is lost is
            // old news.
            _ => {}
        }
    }
    None
}

impl Control {
    /// Does for every source what is due.
    pub(super) fn supervise_sources(&mut self, now_ns: u64) {
        let ids: Vec<_> = self.sources.iter().filter(|source| !source.is_gone()).map(|source| source.id).collect();
        for id in ids {
            let Some(finding) = self.source_mut(id).and_then(|entry| entry.look(now_ns)) else { continue };
            match finding {
                Finding::Lost(reason, doubtful_frames) => self.lose_source(id, reason, doubtful_frames),
                Finding::Flipped(spec) => self.flip_source(id, spec),
                Finding::Ended => self.stop_clocked(id),
                Finding::Refused => self.refuse_source(id),
                Finding::Due => self.reopen_source(id),
                Finding::Hangs => {
                    let message = format!("a call into its device has not returned for {} s", CALL_NS / 1_000_000_000);
                    self.leave_call_behind(id, message);
                }
            }
        }
        self.tell_who_is_heard();
        self.log_states();
    }

    /// A source has lost its device: its silence is a gap from here on, and it is opened again. So many of the frames that came
    /// last may be another device's.
    fn lose_source(&mut self, id: SourceId, reason: String, doubtful_frames: u64) {
        let now_ns = self.now_ns;
        let Some(entry) = self.source_mut(id) else { return };
        let line = format!("source {}: lost: {reason}", entry.config.name);
        entry.clock_reason = None;
        entry.supervision.lose(reason, now_ns);
        entry.supervision.wait(now_ns, id.0);
        let is_first = entry.supervision.n_attempts == 0;
        self.tell(MixerCommand::ExpectFollower(id, GapReason::DeviceLost));
        if doubtful_frames > 0 {
            self.tell(MixerCommand::DistrustTail(id, doubtful_frames));
        }
        if is_first {
            self.reopen_source(id);
        } else {
            // Not left open until then: a device that storms would keep a core busy.
            self.close_source(id);
        }
        // Of one that comes and goes all the time, only the first time is worth a line; all are counted.
        let level = if is_first { log::Level::Warn } else { log::Level::Debug };
        log::log!(level, "{line}");
    }

    /// A source could not be opened again: later, it is tried once more.
    pub(super) fn attempt_failed(&mut self, id: SourceId, message: String) {
        if let Some(entry) = self.source_mut(id) {
            entry.supervision.failed_opens += 1;
            entry.supervision.n_attempts += 1;
        }
        self.wait_for_next_attempt(id, message);
    }

    /// A source is not open, for that reason: later, it is tried once more.
    pub(super) fn wait_for_next_attempt(&mut self, id: SourceId, message: String) {
        let now_ns = self.now_ns;
        let Some(entry) = self.source_mut(id) else { return };
        entry.reader = None;
        let supervision = &mut entry.supervision;
        match &mut supervision.outage {
            Some(outage) => outage.last_failure = Some(message),
            None => {
                // Of a flip of its rate, or of the very first attempt.
                supervision.lose(message, now_ns);
                supervision.n_attempts = 1;
                let line = format!("source {}: lost: {}", entry.config.name, supervision.reason().unwrap_or_default());
                self.tell(MixerCommand::ExpectFollower(id, GapReason::DeviceLost));
                log::warn!("{line}");
            }
        }
        if let Some(entry) = self.source_mut(id) {
            entry.supervision.wait(now_ns, id.0);
        }
    }

    /// A call into a device does not return: nobody waits for it any more. What it leaves when it does is closed.
    fn leave_call_behind(&mut self, id: SourceId, message: String) {
        let Some(entry) = self.source_mut(id) else { return };
        entry.supervision.is_abandoned = true;
        entry.supervision.hung_calls += 1;
        log::error!("source {}: {message}", entry.config.name);
        match entry.life {
            Life::Opening if entry.config.required => {
                let device = entry.description.clone();
                self.fail_source(id, ra_core::SourceError::Device { device, message });
            }
            Life::Opening => self.wait_for_device(id, message),
            Life::Present => self.attempt_failed(id, message),
            Life::Failed | Life::Removed => {}
        }
    }

    /// Nobody can wait for the call that opens a source: it goes into the mix without its device.
    pub(crate) fn do_not_wait_for(&mut self, id: SourceId) {
        if self.source_mut(id).is_some_and(|entry| entry.life == Life::Opening && entry.in_transit) {
            self.leave_call_behind(id, "the call that opens its device has not returned yet".to_owned());
        }
    }

    /// Tries a lost source now, whenever its next attempt would be.
    pub(super) fn retry_source(&mut self, name: &str) -> Result<(), CommandError> {
        let now_ns = self.now_ns;
        let entry = self.source_by_name_mut(name)?;
        if let Some(outage) = &mut entry.supervision.outage {
            outage.retry_ns = now_ns;
            outage.is_asked = entry.in_transit;
        }
        Ok(())
    }

    /// Milliseconds of the mix that are done.
    pub(super) fn mixed_ms(&self) -> f64 {
        self.counters.position.get() as f64 * 1e3 / f64::from(self.config.sample_rate.hz())
    }

    fn log_states(&mut self) {
        let at_ms = self.mixed_ms();
        for entry in &mut self.sources {
            let (state, own_state) = (entry.state(), entry.own_state());
            if entry.supervision.log.state() != state {
                let reason = entry.reason();
                entry.supervision.log.push(state, at_ms, reason);
            } else if state != own_state
                && entry.supervision.logged_own_state != own_state
                && matches!(own_state, SourceState::Stalled | SourceState::Lost)
            {
                // Its fallback is heard all the same, now for another reason.
                let reason = entry.reason();
                entry.supervision.log.explain(reason);
            }
            entry.supervision.logged_own_state = own_state;
        }
    }
}
