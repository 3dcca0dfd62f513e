//! Runs of frames whose true times are evenly spaced, so that a clock is inverted once a run and not once a frame.
//! Knows no signal.

use ra_core::SampleRate;

use crate::{ClockModel, RoomTime};

/// `n_frames` frames at `start`, `start + step_s`, `start + 2 * step_s` …
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) start: RoomTime,
    pub(crate) step_s: f64,
    pub(crate) n_frames: usize,
}

/// Cuts a run of a clock's frames into segments that are straight to within [`Segments::STRAIGHT_S`].
#[derive(Debug)]
pub(crate) struct Segments {
    clock: ClockModel,
    rate: SampleRate,
    opened: RoomTime,
    next: u64,
    end: u64,
    start: RoomTime,
    max_frames: u64,
}

impl Segments {
    /// The most frames in a segment: bounds the rounding of recurrences that run along it.
    pub(crate) const MAX_FRAMES: usize = 1024;

    /// How far a frame may be off the straight line, in seconds: −138 dB of phase at 20 kHz.
    const STRAIGHT_S: f64 = 1e-12;

    /// The segments of `n_frames` frames from `first` on, which stands at `start`.
    pub(crate) fn new(
        (clock, rate, opened): (ClockModel, SampleRate, RoomTime),
        (first, start): (u64, RoomTime),
        n_frames: usize,
    ) -> Self {
        // The sagitta of an arc of T seconds is curvature * T² / 8.
        let straight_s = (8.0 * Self::STRAIGHT_S / clock.wander_per_s()).sqrt();
        let max_frames = (straight_s * f64::from(rate.hz())).clamp(1.0, Self::MAX_FRAMES as f64) as u64;
        Self { clock, rate, opened, next: first, end: first + n_frames as u64, start, max_frames }
    }

    /// When the first frame behind the segments that were given stands.
    pub(crate) fn end(&self) -> RoomTime {
        self.start
    }
}

impl Iterator for Segments {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        let mut n_frames = self.max_frames.min(self.end - self.next);
        if n_frames == 0 {
            return None;
        }
        let mut after = self.clock.frame_time(self.next + n_frames, self.rate, self.opened);
        if n_frames > 1 && self.clock.steps_between(self.start.as_s(), after.as_s()) {
            n_frames = 1; // frame by frame past the kink
            after = self.clock.frame_time(self.next + 1, self.rate, self.opened);
        }
        let step_s = after.seconds_since(self.start) / n_frames as f64;
        let segment = Segment { start: self.start, step_s, n_frames: n_frames as usize };
        self.next += n_frames;
        self.start = after;
        Some(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_follow_the_clock_through_wander_and_a_step() {
        let rate = SampleRate::HZ_48000;
        let opened = RoomTime::from_s(77.3);
        for clock in [
            ClockModel::PERFECT,
            ClockModel { ppm: 50.0, thermal_ppm: 100.0, thermal_period_s: 0.5, step_ppm: 5_000.0, step_at_s: 77.4 },
        ] {
            let mut n = 5;
            let first = (n, clock.frame_time(n, rate, opened));
            for segment in Segments::new((clock, rate, opened), first, 20_000) {
                for i in 0..segment.n_frames {
                    let t = segment.start.plus_s(i as f64 * segment.step_s);
                    let truth = clock.frame_time(n, rate, opened);
                    assert!(t.seconds_since(truth).abs() < 1.1e-12, "frame {n}");
                    n += 1;
                }
            }
            assert_eq!(n, 20_005);
        }
    }
}
