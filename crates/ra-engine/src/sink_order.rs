//! A command on its way to a sink's own thread, and its answer: given exactly once, by the sink's thread or by whoever gives
//! up on it. Carries, and decides nothing.

use std::sync::Arc;

use parking_lot::Mutex;
use ra_core::SinkCommand;

use crate::CommandError;
use crate::command::ReplyTo;

/// Commands that wait for one sink at most: a handle sends one at a time, so that more are more handles.
pub(crate) const MOST_WAITING: usize = 16;

/// What a sink is told, and who waits for its answer.
pub(crate) struct SinkOrder {
    pub(crate) command: SinkCommand,
    pub(crate) answer: Answer,
}

/// The place of an answer, shared by the sink's thread and the control side. The first word counts.
#[derive(Clone)]
pub(crate) struct Answer(Arc<Mutex<Option<ReplyTo<()>>>>);

impl Answer {
    pub(crate) fn to(reply: ReplyTo<()>) -> Self {
        Self(Arc::new(Mutex::new(Some(reply))))
    }

    /// Answers, unless that was done.
    pub(crate) fn give(&self, result: Result<(), CommandError>) {
        if let Some(reply) = self.0.lock().take() {
            // Nobody may be waiting any more.
            drop(reply.send(result));
        }
    }

    /// Whether it was answered.
    pub(crate) fn is_given(&self) -> bool {
        self.0.lock().is_none()
    }
}
