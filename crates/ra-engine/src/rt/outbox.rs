//! What leaves the mixer: boxes that it gives back, what it saw, and what it counts.

use std::sync::Arc;

use rtrb::Producer;

use super::command::{MixerEvent, Retired};
use super::counters::EngineCounters;

/// What leaves the mixer.
pub(crate) struct Outbox {
    pub(crate) retired: Producer<Retired>,
    pub(crate) events: Producer<MixerEvent>,
    pub(crate) counters: Arc<EngineCounters>,
}

impl Outbox {
    pub(crate) fn retire(&mut self, retired: Retired) {
        // The control side never lets more boxes out than this ring holds, so there is room. If there were not, freeing
        // the box here would be worse than leaking it.
        if let Err(rtrb::PushError::Full(retired)) = self.retired.push(retired) {
            std::mem::forget(retired);
            self.counters.lost_events.add(1);
        }
    }

    /// Whether there was room for it.
    pub(crate) fn report(&mut self, event: MixerEvent) -> bool {
        self.events.push(event).is_ok()
    }
}
