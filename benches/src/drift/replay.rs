//! A clocked source that delivers when, and what, a bench says. Decides nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ra_core::{ClockedSource, Granted, PeriodInput, Source, SourceError, StreamEvent, StreamSpec};
use ra_engine::AnySource;
use ra_engine::sources::Delivery;

type Shared = Arc<Mutex<Option<Box<dyn PeriodInput>>>>;

/// The source, as the engine has it.
pub(super) struct Replay {
    spec: StreamSpec,
    shared: Shared,
}

/// Delivers into the engine that the source was given to.
pub(super) struct ReplayInput {
    shared: Shared,
    channels: usize,
    silence: Vec<f32>,
}

impl Replay {
    /// A source of `spec`, and what delivers for it.
    pub(super) fn pair(spec: StreamSpec) -> (AnySource, ReplayInput) {
        let shared = Shared::default();
        let input = ReplayInput { shared: Arc::clone(&shared), channels: spec.channels.get(), silence: Vec::new() };
        (AnySource::clocked(Self { spec, shared }), input)
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Option<Box<dyn PeriodInput>>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source for Replay {
    fn spec(&self) -> StreamSpec {
        self.spec
    }

    fn describe(&self) -> String {
        "replay".to_owned()
    }
}

impl ClockedSource for Replay {
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<Granted, SourceError> {
        *lock(&self.shared) = Some(input);
        Ok(Granted { spec: self.spec, period_frames: None, device: self.describe() })
    }

    fn poll_event(&mut self) -> Option<StreamEvent> {
        None
    }

    fn stop(&mut self) {
        lock(&self.shared).take();
    }
}

impl ReplayInput {
    /// Delivers silence.
    pub(super) fn push_silence(&mut self, delivery: &Delivery) {
        self.silence.resize(delivery.n_frames as usize * self.channels, 0.0);
        push(&self.shared, delivery.capture_ns, &self.silence);
    }

    /// Delivers sound.
    pub(super) fn push(&self, delivery: &Delivery, interleaved: &[f32]) {
        push(&self.shared, delivery.capture_ns, interleaved);
    }
}

fn push(shared: &Shared, capture_ns: u64, interleaved: &[f32]) {
    if let Some(input) = lock(shared).as_mut() {
        // What the ring does not take, the engine counts as dropped.
        input.push(capture_ns, interleaved);
    }
}
