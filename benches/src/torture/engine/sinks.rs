//! A sink that keeps its own account of what it is given, to hold the engine's against.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ra_core::{Block, Gap, Sink, SinkError, SinkReport, SinkStart};

/// What a [`CountingSink`] got, in frames.
#[derive(Debug, Default)]
pub(super) struct SinkTruth {
    written_frames: AtomicU64,
    gap_frames: AtomicU64,
    /// Frames by which a block was not where the last one, or an announced gap, had ended.
    misplaced_frames: AtomicU64,
}

impl SinkTruth {
    pub(super) fn written_frames(&self) -> u64 {
        self.written_frames.load(Ordering::Acquire)
    }

    pub(super) fn gap_frames(&self) -> u64 {
        self.gap_frames.load(Ordering::Acquire)
    }

    pub(super) fn misplaced_frames(&self) -> u64 {
        self.misplaced_frames.load(Ordering::Acquire)
    }
}

/// Takes everything and counts it.
#[derive(Debug, Default)]
pub(super) struct CountingSink {
    truth: Arc<SinkTruth>,
    expected: u64,
}

impl CountingSink {
    pub(super) fn new() -> (Self, Arc<SinkTruth>) {
        let sink = Self::default();
        let truth = Arc::clone(&sink.truth);
        (sink, truth)
    }
}

impl Sink for CountingSink {
    fn start(&mut self, start: &SinkStart) -> Result<(), SinkError> {
        self.expected = start.position.0;
        Ok(())
    }

    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        let position = block.stamp.position.0;
        self.truth.misplaced_frames.fetch_add(position.abs_diff(self.expected), Ordering::Release);
        self.truth.written_frames.fetch_add(block.n_frames() as u64, Ordering::Release);
        self.expected = block.end_position().0;
        Ok(())
    }

    fn gap(&mut self, gap: &Gap) -> Result<(), SinkError> {
        self.truth.misplaced_frames.fetch_add(gap.at_frame.0.abs_diff(self.expected), Ordering::Release);
        self.truth.gap_frames.fetch_add(gap.n_frames, Ordering::Release);
        self.expected = gap.end().0;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        Ok(SinkReport::default())
    }
}

#[cfg(test)]
mod tests {
    use ra_core::{BlockStamp, FramePosition, GapReason, StreamSpec};

    use super::*;

    #[test]
    fn an_announced_gap_is_in_place_and_a_silent_one_is_not() {
        let (mut sink, truth) = CountingSink::new();
        let spec = StreamSpec::new(48_000, 1).unwrap();
        let write = |sink: &mut CountingSink, at| {
            let stamp = BlockStamp { position: FramePosition(at), ..BlockStamp::default() };
            sink.write(&Block { stamp, spec, samples: &[0.0; 10] }).unwrap();
        };
        write(&mut sink, 0);
        sink.gap(&Gap { at_frame: FramePosition(10), n_frames: 5, reason: GapReason::Lagged }).unwrap();
        write(&mut sink, 15);
        assert_eq!((truth.written_frames(), truth.gap_frames(), truth.misplaced_frames()), (20, 5, 0));
        write(&mut sink, 32);
        assert_eq!(truth.misplaced_frames(), 7);
    }
}
