//! When each frame that a simulated device has delivered was truly captured. Learns it from the deliveries, and tells it to
//! who measures; no engine ever sees it.

use ra_core::SampleRate;

use crate::{ClockModel, RoomTime};

/// The map from a source's own frames, as its stamps count them, to true time.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    clock: ClockModel,
    rate: SampleRate,
    opened: RoomTime,
    /// Where the two counts part: the first delivered frame behind each loss, and the same one as the clock counts. Never
    /// empty; as many as there were losses.
    parts: Vec<(u64, u64)>,
    /// Frames that were delivered so far.
    next_position: u64,
}

impl Truth {
    /// Nothing was delivered yet by a device that was started at `opened`.
    pub(super) fn new(clock: ClockModel, rate: SampleRate, opened: RoomTime) -> Self {
        Self { clock, rate, opened, parts: vec![(0, 0)], next_position: 0 }
    }

    /// Learns that the next `n_frames` delivered frames begin with the clock's frame `device_frame`.
    pub(super) fn delivered(&mut self, device_frame: u64, n_frames: u64) {
        let part = (self.next_position, device_frame);
        match self.parts.last_mut() {
            Some(last) if last.1 + (self.next_position - last.0) == device_frame => {}
            Some(last) if last.0 == self.next_position => *last = part,
            _ => self.parts.push(part),
        }
        self.next_position += n_frames;
    }

    /// When the sound at frame `position + fraction` was captured, and the clock's rate then, as a part of the nominal one.
    pub(super) fn time_of(&self, position: i64, fraction: f64) -> (RoomTime, f64) {
        // Frames before the first one lie where the first part would have had them.
        let at = u64::try_from(position).unwrap_or(0);
        let part = self.parts.partition_point(|part| part.0 <= at).saturating_sub(1);
        let (first, device_frame) = self.parts.get(part).copied().unwrap_or_default();
        let whole = self.clock.frame_time(at - first + device_frame, self.rate, self.opened);
        let beyond = (position - at as i64) as f64 + fraction;
        // Less than a frame, but for the few before the first: the clock's wander within it is nothing.
        let rate_factor = self.clock.rate_factor(whole.as_s());
        (whole.plus_s(beyond / (f64::from(self.rate.hz()) * rate_factor)), rate_factor)
    }
}

impl Truth {
    /// When the delivered frames were captured: from the first frame of each part to the end of its last one.
    pub(super) fn captured(&self) -> Vec<(RoomTime, RoomTime)> {
        let ends = self.parts.iter().skip(1).map(|part| part.0).chain([self.next_position]);
        let time = |device_frame| self.clock.frame_time(device_frame, self.rate, self.opened);
        let parts = self.parts.iter().zip(ends).filter(|(part, end)| *end > part.0);
        parts.map(|(&(first, device_frame), end)| (time(device_frame), time(device_frame + end - first))).collect()
    }

    /// Whether the frame at `position` has come.
    pub(super) fn is_delivered(&self, position: i64) -> bool {
        position < self.next_position as i64
    }

    /// Whether a loss lies at most `before` frames before `position`, or `behind` behind it.
    pub(super) fn is_near_a_loss(&self, position: i64, before: u64, behind: u64) -> bool {
        let (from, to) = (position.saturating_sub_unsigned(before), position.saturating_add_unsigned(behind));
        // The first part begins with the start, where nothing was lost.
        let first = self.parts.partition_point(|part| (part.0 as i64) < from).max(1);
        self.parts.get(first).is_some_and(|part| part.0 as i64 <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_across_losses() {
        let clock = ClockModel { ppm: 100.0, ..ClockModel::PERFECT };
        let (rate, opened) = (SampleRate::HZ_48000, RoomTime::from_s(3.0));
        let mut truth = Truth::new(clock, rate, opened);
        truth.delivered(0, 100);
        truth.delivered(100, 100);
        truth.delivered(48_200, 100); // 48 000 frames were lost
        truth.delivered(48_300, 50);
        let near = |position, fraction, device_frame: f64| {
            let expected_s = 3.0 + device_frame / (48_000.0 * clock.rate_factor(0.0));
            let (found, rate_factor) = truth.time_of(position, fraction);
            assert!((rate_factor - 1.0001).abs() < 1e-12);
            assert!((found.as_s() - expected_s).abs() < 1e-12, "{position}: {found:?}, expected {expected_s}");
        };
        near(0, 0.25, 0.25);
        near(-10, 0.5, -9.5);
        near(199, 0.0, 199.0);
        near(200, 0.0, 48_200.0);
        near(349, 0.75, 48_349.75);
        for (position, is_near) in [(0, false), (149, false), (150, true), (200, true), (230, true), (231, false)] {
            assert_eq!(truth.is_near_a_loss(position, 30, 50), is_near, "{position}");
        }
        let captured = truth.captured();
        let device_s = |frame: f64| 3.0 + frame / (48_000.0 * clock.rate_factor(0.0));
        for (found, expected) in captured.iter().zip([(0.0, 200.0), (48_200.0, 48_350.0)]) {
            let (from_s, to_s) = (device_s(expected.0), device_s(expected.1));
            assert!((found.0.as_s() - from_s).abs() < 1e-9 && (found.1.as_s() - to_s).abs() < 1e-9, "{captured:?}");
        }
        assert_eq!(captured.len(), 2);
        assert!(truth.is_delivered(349) && !truth.is_delivered(350));
        near(1_000, 0.0, 49_000.0); // not delivered yet: where it will be
    }
}
