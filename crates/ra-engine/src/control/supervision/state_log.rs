//! The states that a source went through: the latest ones. Decides nothing.

use std::collections::VecDeque;

use ra_core::{SourceState, StateChange};

/// How many changes are remembered.
const KEPT: usize = 512;

/// States and when they began, oldest first. Never empty.
#[derive(Clone, Debug)]
pub(in crate::control) struct StateLog {
    changes: VecDeque<StateChange>,
}

impl StateLog {
    /// Of a source that is being opened.
    pub(super) fn new(at_ms: f64) -> Self {
        Self { changes: VecDeque::from([StateChange { state: SourceState::Opening, at_ms, reason: None }]) }
    }

    /// Learns of another state.
    pub(super) fn push(&mut self, state: SourceState, at_ms: f64, reason: Option<String>) {
        if self.changes.len() == KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(StateChange { state, at_ms, reason });
    }

    /// The latest one has another reason now.
    pub(super) fn explain(&mut self, reason: Option<String>) {
        if let Some(last) = self.changes.back_mut() {
            last.reason = reason;
        }
    }

    /// The latest one.
    pub(super) fn state(&self) -> SourceState {
        self.changes.back().map_or(SourceState::Opening, |last| last.state)
    }

    /// When the latest one began.
    pub(in crate::control) fn since_ms(&self) -> f64 {
        self.changes.back().map_or(0.0, |last| last.at_ms)
    }

    /// All that are remembered.
    pub(in crate::control) fn to_vec(&self) -> Vec<StateChange> {
        self.changes.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_changes_are_kept() {
        let mut log = StateLog::new(3.0);
        assert_eq!((log.state(), log.since_ms()), (SourceState::Opening, 3.0));
        for n in 0..1000 {
            let state = if n % 2 == 0 { SourceState::Live } else { SourceState::Lost };
            log.push(state, f64::from(n), Some(n.to_string()));
        }
        let all = log.to_vec();
        assert_eq!((all.len(), all[0].at_ms, log.since_ms()), (KEPT, 488.0, 999.0));
        assert_eq!((all[KEPT - 1].reason.as_deref(), log.state()), (Some("999"), SourceState::Lost));
    }
}
