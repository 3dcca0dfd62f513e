//! One callback of a device, as it was recorded. Pure.

use ra_core::SampleRate;

use crate::input_period::PIECE_FRAMES;

/// What a callback leaves of one piece that it hands over or asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    /// Monotonic time in the callback.
    pub(super) called_ns: u64,
    /// Monotonic time at which the first frame was captured, or will be heard, by the sound system's stamp.
    pub(super) stamp_ns: u64,
    pub(super) n_frames: u64,
}

/// One callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) called_ns: u64,
    pub(super) stamp_ns: u64,
    /// Frames of this stream before it.
    pub(super) position: u64,
    pub(super) n_frames: u64,
}

/// Puts pieces together to the callbacks that they came in.
///
/// A long period is handed over in pieces of [`PIECE_FRAMES`], each stamped by counting on from the period's own stamp. So a
/// piece goes on with the period before it where that ended with a full piece and the stamps agree to the nanosecond; two
/// periods of their own do so as good as never, since each is stamped by a clock that counts nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Deliveries {
    rate: SampleRate,
    all: Vec<Delivery>,
}

impl Deliveries {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self { rate, all: Vec::new() }
    }

    pub(super) fn push(&mut self, piece: Piece) {
        let Piece { called_ns, stamp_ns, n_frames } = piece;
        let position = self.n_frames();
        if let Some(last) = self.all.last_mut() {
            let ends_full = last.n_frames > 0 && last.n_frames.is_multiple_of(PIECE_FRAMES as u64);
            if ends_full && last.stamp_ns + self.rate.ns_of_frames(last.n_frames) == stamp_ns {
                last.n_frames += n_frames;
                return;
            }
        }
        self.all.push(Delivery { called_ns, stamp_ns, position, n_frames });
    }

    pub(super) fn n_frames(&self) -> u64 {
        self.all.last().map_or(0, |last| last.position + last.n_frames)
    }

    pub(super) fn all(&self) -> &[Delivery] {
        &self.all
    }

    pub(super) fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The longest time without a callback between two moments, in nanoseconds, beyond what the frames of the longest
    /// callback last; all of it where there was none.
    pub(super) fn longest_stall_ns(&self, started_ns: u64, ended_ns: u64) -> u64 {
        let called = self.all.iter().map(|delivery| delivery.called_ns).chain([ended_ns]);
        let mut last_ns = started_ns;
        let quiet_ns = called.map(|at_ns| at_ns.saturating_sub(std::mem::replace(&mut last_ns, at_ns))).max();
        let longest_frames = self.all.iter().map(|delivery| delivery.n_frames).max().unwrap_or(0);
        quiet_ns.unwrap_or(0).saturating_sub(self.rate.ns_of_frames(longest_frames))
    }

    /// Those that are to be measured: not the first half second, nor the first tenth of a shorter test, in which sound
    /// servers fill their buffers.
    pub(super) fn settled(&self) -> &[Delivery] {
        const SETTLE_NS: u64 = 500_000_000;
        let (Some(first), Some(last)) = (self.all.first(), self.all.last()) else { return &[] };
        let from_ns = first.called_ns + SETTLE_NS.min((last.called_ns - first.called_ns) / 10);
        let n_early = self.all.partition_point(|delivery| delivery.called_ns < from_ns);
        &self.all[n_early..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_one_period_are_one_delivery_and_periods_stay_apart() {
        let rate = SampleRate::HZ_48000;
        let mut deliveries = Deliveries::new(rate);
        let long = [PIECE_FRAMES as u64, PIECE_FRAMES as u64, 500];
        let mut done = 0;
        for (i, n_frames) in long.into_iter().enumerate() {
            let called_ns = 1_000_000_000 + i as u64 * 900;
            deliveries.push(Piece { called_ns, stamp_ns: 900_000_000 + rate.ns_of_frames(done), n_frames });
            done += n_frames;
        }
        // The next period begins where the last one ended, but that was no full piece.
        deliveries.push(Piece {
            called_ns: 1_050_000_000,
            stamp_ns: 900_000_000 + rate.ns_of_frames(done),
            n_frames: 1024,
        });
        // And this one was stamped for itself.
        deliveries.push(Piece { called_ns: 1_070_000_000, stamp_ns: 981_000_000, n_frames: 1024 });
        let found: Vec<_> = deliveries.all().iter().map(|d| (d.called_ns, d.position, d.n_frames)).collect();
        let second = long.iter().sum::<u64>();
        assert_eq!(
            found,
            [(1_000_000_000, 0, second), (1_050_000_000, second, 1024), (1_070_000_000, second + 1024, 1024)]
        );
        assert_eq!(deliveries.n_frames(), second + 2048);
    }

    #[test]
    fn a_stall_is_found_at_the_start_in_the_middle_and_at_the_end() {
        let mut deliveries = Deliveries::new(SampleRate::HZ_48000);
        assert_eq!(deliveries.longest_stall_ns(1_000_000_000, 6_000_000_000), 5_000_000_000);
        for at_ms in [100, 110, 120, 820, 830] {
            let called_ns = 1_000_000_000 + at_ms * 1_000_000;
            deliveries.push(Piece { called_ns, stamp_ns: called_ns + 1, n_frames: 480 });
        }
        let stall_ms =
            |from_ms: u64, to_ms: u64| deliveries.longest_stall_ns(from_ms * 1_000_000, to_ms * 1_000_000) / 1_000_000;
        assert_eq!(stall_ms(1_090, 1_840), 690, "in the middle, less a period");
        assert_eq!(stall_ms(0, 1_840), 1_090, "before the first");
        assert_eq!(stall_ms(1_090, 6_000), 4_160, "behind the last");
        assert_eq!(stall_ms(1_500, 1_840), 690, "the first may come before the start has returned");
    }

    #[test]
    fn the_first_half_second_is_not_measured() {
        let mut deliveries = Deliveries::new(SampleRate::HZ_48000);
        assert!(deliveries.settled().is_empty());
        for i in 0..1000 {
            deliveries.push(Piece { called_ns: i * 10_000_000, stamp_ns: i * 10_000_001, n_frames: 480 });
        }
        assert_eq!(deliveries.settled()[0].called_ns, 500_000_000);
        deliveries.all.truncate(101);
        assert_eq!(deliveries.settled()[0].called_ns, 100_000_000, "a tenth of a second's test");
    }
}
