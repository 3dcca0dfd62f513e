//! What runs in the callbacks of a test: leaves a record of each call, keeps what is captured, plays sweeps or silence.
//! Real-time code: nothing here allocates, locks, logs or waits.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use ra_core::PeriodInput;
use ra_queue::InputWriter;

use super::{delivery::Piece, sweep::Score};
use crate::PeriodOutput;

/// Pieces that the ring of records holds: a minute and a half of periods of 128 frames at 48 kHz.
const RECORDS: usize = 1 << 15;

/// Where callbacks leave their records.
pub(super) struct Recorder {
    /// The clock that calls are timed by.
    now_ns: fn() -> u64,
    records: rtrb::Producer<Piece>,
    lost: Arc<AtomicU64>,
}

/// Where they are read.
pub(super) struct Records {
    records: rtrb::Consumer<Piece>,
    lost: Arc<AtomicU64>,
}

/// Makes both; `now_ns` is the clock, which must be wait-free to read.
///
/// # Real-time safety
/// Not real-time safe: allocates.
// rt-lint: control-side
pub(super) fn recorder(now_ns: fn() -> u64) -> (Recorder, Records) {
    let (to_records, records) = rtrb::RingBuffer::new(RECORDS);
    let lost = Arc::new(AtomicU64::new(0));
    (Recorder { now_ns, records: to_records, lost: Arc::clone(&lost) }, Records { records, lost })
}

impl Recorder {
    /// # Real-time safety
    /// Wait-free, no allocation.
    fn record(&mut self, stamp_ns: u64, n_frames: u64) {
        let piece = Piece { called_ns: (self.now_ns)(), stamp_ns, n_frames };
        if self.records.push(piece).is_err() {
            // Relaxed: only a number.
            self.lost.fetch_add(1, Relaxed);
        }
    }
}

impl Records {
    /// The oldest one that is left.
    pub(super) fn next(&mut self) -> Option<Piece> {
        self.records.pop().ok()
    }

    /// How many found no room: positions are wrong from then on.
    pub(super) fn n_lost(&self) -> u64 {
        // Relaxed: only a number.
        self.lost.load(Relaxed)
    }
}

/// Records an input.
pub(super) struct InputTap {
    pub(super) recorder: Recorder,
    pub(super) samples: InputWriter,
    pub(super) channels: usize,
}

impl PeriodInput for InputTap {
    fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize {
        self.recorder.record(capture_ns, (interleaved.len() / self.channels) as u64);
        self.samples.push(capture_ns, interleaved)
    }

    fn mark_break(&mut self) {
        self.samples.mark_break();
    }
}

/// Records an output, and plays a score on all of its channels; silence before and behind it.
pub(super) struct OutputTap {
    pub(super) recorder: Recorder,
    pub(super) score: Score,
    /// One sweep's samples.
    pub(super) sweep: Box<[f32]>,
    pub(super) channels: usize,
    /// Frames played so far.
    pub(super) position: u64,
}

impl PeriodOutput for OutputTap {
    fn render(&mut self, playback_ns: u64, interleaved: &mut [f32]) {
        let n_frames = interleaved.len() / self.channels;
        self.recorder.record(playback_ns, n_frames as u64);
        for frame in interleaved.chunks_exact_mut(self.channels) {
            let sample = self.score.frame_of_sweep(self.position).and_then(|at| self.sweep.get(at as usize));
            frame.fill(sample.copied().unwrap_or(0.0));
            self.position += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_no_alloc::assert_no_alloc;
    use ra_core::{ChannelCount, Clock, SystemClock};
    use ra_queue::{InputConfig, input_ring};

    #[test]
    fn an_input_is_recorded_without_allocating() {
        let config = InputConfig { channels: ChannelCount::STEREO, capacity_frames: 4_096, capacity_periods: 64 };
        let (samples, mut reader, _) = input_ring(&config).unwrap();
        let (recorder, mut records) = recorder(|| SystemClock.now_ns());
        let mut tap = InputTap { recorder, samples, channels: 2 };
        let before_ns = SystemClock.now_ns();
        let taken = assert_no_alloc(|| (tap.push(77, &[0.5; 960]), tap.push(88, &[0.25; 960])));
        tap.mark_break();
        assert_eq!(taken, (480, 480));
        let (first, second) = (records.next().unwrap(), records.next().unwrap());
        assert_eq!((first.stamp_ns, first.n_frames, second.stamp_ns), (77, 480, 88));
        assert!(before_ns <= first.called_ns && first.called_ns <= second.called_ns);
        assert_eq!((records.next(), records.n_lost()), (None, 0));
        reader.poll_stamps(&mut |_| {});
        let mut out = vec![0.0; 1_920];
        assert_eq!(reader.read(&mut out), 960);
        assert_eq!((out[959], out[960]), (0.5, 0.25));
    }

    #[test]
    fn records_that_find_no_room_are_counted() {
        let (mut recorder, records) = recorder(|| SystemClock.now_ns());
        assert_no_alloc(|| (0..RECORDS + 3).for_each(|_| recorder.record(1, 1)));
        assert_eq!(records.n_lost(), 3);
    }

    #[test]
    fn an_output_plays_its_sweeps_where_the_score_has_them() {
        let (recorder, mut records) = recorder(|| SystemClock.now_ns());
        let score = Score { first_frames: 10, spacing_frames: 8, n: 2 };
        let sweep = vec![1.0, 2.0, 3.0].into_boxed_slice();
        let mut tap = OutputTap { recorder, score, sweep, channels: 2, position: 0 };
        let mut played = vec![9.0f32; 2 * 40];
        assert_no_alloc(|| played.chunks_mut(2 * 7).for_each(|piece| tap.render(5, piece)));
        let mut expected = vec![0.0; 40];
        expected[10..13].copy_from_slice(&[1.0, 2.0, 3.0]);
        expected[18..21].copy_from_slice(&[1.0, 2.0, 3.0]);
        assert!(played.chunks_exact(2).zip(&expected).all(|(frame, x)| frame == [*x, *x]), "{played:?}");
        assert_eq!(records.next().map(|piece| (piece.stamp_ns, piece.n_frames)), Some((5, 7)));
    }
}
