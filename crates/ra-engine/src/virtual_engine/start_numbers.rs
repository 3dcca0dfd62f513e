//! Which start of a clocked source each of its followers reads. A source is started again when its format changes, and may
//! be so before anything of the start before was heard. Changes nothing of what it watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ra_core::{ClockedSource, Granted, PeriodInput, Source, SourceError, StreamEvent, StreamSpec};

use crate::rt::follower::Follower;

/// Numbers the followers of one source by its starts, from 0.
#[derive(Debug, Default)]
pub(super) struct StartNumbers {
    n_starts: Arc<AtomicUsize>,
    /// The follower that is heard and the one that waits for its end, by their addresses, with their numbers.
    known: [Option<(usize, usize)>; 2],
}

impl StartNumbers {
    /// Looks at what the mixer has, behind every step and before the source can be started again: a follower that was not
    /// there at the last look is of the newest start. An address is not used again while it is known, for what lies there
    /// is freed by the control side at the earliest, behind a look that has not seen it any more.
    pub(super) fn see(&mut self, heard: &Follower, next: Option<&Follower>) {
        // Relaxed: the only thread stores it.
        let newest = self.n_starts.load(Ordering::Relaxed).saturating_sub(1);
        let number = |follower: &Follower| {
            let address = follower.address()?;
            Some((address, self.number_of(address).unwrap_or(newest)))
        };
        self.known = [number(heard), next.and_then(number)];
    }

    /// The start that a follower reads, where it has been seen.
    pub(super) fn of(&self, follower: &Follower) -> Option<usize> {
        self.number_of(follower.address()?)
    }

    fn number_of(&self, address: usize) -> Option<usize> {
        self.known.iter().flatten().find(|known| known.0 == address).map(|known| known.1)
    }
}

/// A clocked source whose starts are counted.
pub(super) struct CountedStarts {
    source: Box<dyn ClockedSource>,
    n_starts: Arc<AtomicUsize>,
}

impl CountedStarts {
    pub(super) fn new(source: Box<dyn ClockedSource>, numbers: &StartNumbers) -> Self {
        Self { source, n_starts: Arc::clone(&numbers.n_starts) }
    }
}

impl Source for CountedStarts {
    fn spec(&self) -> StreamSpec {
        self.source.spec()
    }

    fn describe(&self) -> String {
        self.source.describe()
    }
}

impl ClockedSource for CountedStarts {
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<Granted, SourceError> {
        let granted = self.source.start(input)?;
        // Relaxed: as above.
        self.n_starts.fetch_add(1, Ordering::Relaxed);
        Ok(granted)
    }

    fn poll_event(&mut self) -> Option<StreamEvent> {
        self.source.poll_event()
    }

    fn stop(&mut self) {
        self.source.stop();
    }
}
