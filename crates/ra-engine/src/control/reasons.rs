//! Why a source is as it is, in words. Changes nothing but what is said of it.

use ra_core::SourceState;

use super::sources::{Kind, Life, SourceEntry};
use crate::{Latency, OnRateMismatch};

/// A clock further away than this is worth a warning, in ppm: no crystal is.
const WARN_PPM: f64 = 1000.0;
/// A rate further away than this is another rate, in ppm.
const MISMATCH_PPM: f64 = 10_000.0;

impl SourceEntry {
    /// Why it is as it is, where its state alone does not say: what keeps it silent first, what is only odd last.
    pub(super) fn reason(&self) -> Option<String> {
        let failure = match &self.kind {
            Kind::Pulled(shared) => shared.failure.lock().clone(),
            Kind::Clocked(_) => None,
        };
        let supervised = || if self.life == Life::Failed { None } else { self.supervision.reason() };
        failure
            .or_else(supervised)
            .or_else(|| self.waiting_reason())
            .or_else(|| self.reason.clone())
            .or_else(|| self.clock_reason.clone())
            .or_else(|| self.latency_reason.clone())
    }

    /// Why it is not heard yet, though nothing is wrong with it any more.
    fn waiting_reason(&self) -> Option<String> {
        if self.life != Life::Present {
            return None;
        }
        if let Some(until_ns) = self.counters.held_until_ns.get() {
            let until_ms = until_ns / 1e6;
            return Some(format!(
                "its periods need a latency of {until_ms:.1} ms, which grows to that without a jump in what others sound"
            ));
        }
        self.counters.is_covered().then(|| match self.own_state() {
            SourceState::Opening => "its device is open, and its first sound is on the way".to_owned(),
            _ => format!("is back, and heard again when it has sounded for {} ms", self.config.return_after_ms),
        })
    }

    /// Says where a fixed latency can't hold what the source needs by its periods and filters, which is `least_ns`.
    pub(super) fn judge_latency(&mut self, latency: Latency, least_ns: f64) {
        self.latency_reason = None;
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
        self.latency_reason = Some(reason);
    }

    /// Says what is odd about the source's clock, once. Returns whether it may stay.
    pub(super) fn judge_clock(&mut self) -> bool {
        let Some(ppm) = self.counters.drift_ppm.get().filter(|ppm| ppm.abs() > WARN_PPM) else {
            self.clock_reason = None;
            return true;
        };
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
        self.clock_reason = Some(reason);
        !is_mismatch || self.config.on_rate_mismatch == OnRateMismatch::Follow
    }
}
