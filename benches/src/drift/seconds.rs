//! Where a tone stands in recorded sound, second by second. Hears blocks, and knows nothing of who made them.

use std::f64::consts::TAU;

use ra_core::Block;

use super::contestant::RATE_HZ;
use super::real::{TONE_DBFS, TONE_HZ};

/// A second in which the tone's level is further off than this was disturbed, in parts of its amplitude.
const LEVEL_TOLERANCE: f64 = 0.005;

/// The tone's correlation with each second of the mix timeline.
pub(super) struct Seconds {
    room_origin_ns: u64,
    seconds: Vec<Second>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    n_frames: u32,
    cos: f64,
    sin: f64,
    /// When the block in which the second begins was captured, by the engine's stamp.
    capture_ns: u64,
    /// Frames of that block before the second.
    frames_before: u64,
}

impl Seconds {
    /// For a tone that was at phase 0 at the monotonic time `room_origin_ns`.
    pub(super) fn new(room_origin_ns: u64) -> Self {
        Self { room_origin_ns, seconds: Vec::new() }
    }

    pub(super) fn take(&mut self, block: &Block<'_>) {
        let rate = u64::from(RATE_HZ);
        for (n, &sample) in block.samples.iter().enumerate() {
            let position = block.stamp.position.0 + n as u64;
            let (at, frame) = ((position / rate) as usize, position % rate);
            if at >= self.seconds.len() {
                self.seconds.resize(at + 1, Second::default());
            }
            let second = &mut self.seconds[at];
            if frame == 0 {
                (second.capture_ns, second.frames_before) = (block.stamp.capture_ns, n as u64);
            }
            let (sin, cos) = (TAU * (frame as f64 * TONE_HZ / rate as f64).fract()).sin_cos();
            second.n_frames += 1;
            second.cos += f64::from(sample) * cos;
            second.sin += f64::from(sample) * sin;
        }
    }

    /// How much too early the sound of each second is against the stamps of its blocks, in us, within half a period of the
    /// tone; NaN where it was not heard whole.
    pub(super) fn offsets_us(&self) -> impl Iterator<Item = f64> + '_ {
        self.seconds.iter().map(|second| second.offset_us(self.room_origin_ns))
    }
}

impl Second {
    fn offset_us(&self, room_origin_ns: u64) -> f64 {
        let n = f64::from(RATE_HZ);
        let amplitude = self.cos.hypot(self.sin) * 2.0 / n;
        let expected = 10f64.powf(TONE_DBFS / 20.0);
        if self.n_frames != RATE_HZ || (amplitude / expected - 1.0).abs() > LEVEL_TOLERANCE {
            return f64::NAN;
        }
        // sin(x + phase) has the correlations sin(phase) with cos(x), and cos(phase) with sin(x).
        let found_turns = self.cos.atan2(self.sin) / TAU;
        let since_ns = self.capture_ns.wrapping_sub(room_origin_ns) as i64 as f64;
        let captured_s = since_ns * 1e-9 + self.frames_before as f64 / n;
        let turns = found_turns - (captured_s * TONE_HZ).fract();
        (turns - turns.round()) / TONE_HZ * 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_core::{BlockStamp, FramePosition, StreamSpec};

    #[test]
    fn the_place_of_a_tone_is_found_to_a_nanosecond_with_its_sign() {
        let spec = StreamSpec::new(RATE_HZ, 1).unwrap();
        for early_us in [0.0, 12.345, -80.0] {
            let mut seconds = Seconds::new(5_000);
            for n in 0..800_u64 {
                let position = n * 128;
                // This engine's frame 0 was captured 123.456 ms after the room's beginning.
                let at_s = |frame: u64| 0.123_456 + frame as f64 / 48_000.0;
                let samples: Vec<f32> = (position..position + 128)
                    .map(|frame| {
                        let turns = (at_s(frame) + early_us * 1e-6) * TONE_HZ;
                        (10f64.powf(TONE_DBFS / 20.0) * (TAU * turns.fract()).sin()) as f32
                    })
                    .collect();
                let capture_ns = 5_000 + (at_s(position) * 1e9).round() as u64;
                let stamp = BlockStamp { seq: n, position: FramePosition(position), capture_ns };
                seconds.take(&Block { stamp, spec, samples: &samples });
            }
            let offsets: Vec<f64> = seconds.offsets_us().collect();
            assert_eq!(offsets.len(), 3);
            assert!(offsets[..2].iter().all(|offset_us| (offset_us - early_us).abs() < 0.002), "{offsets:?}");
            assert!(offsets[2].is_nan(), "a part of a second is none");
        }
    }

    #[test]
    fn a_second_with_a_hole_is_told() {
        let spec = StreamSpec::new(RATE_HZ, 1).unwrap();
        let mut samples: Vec<f32> = (0..48_000_u32)
            .map(|n| (10f64.powf(TONE_DBFS / 20.0) * (TAU * f64::from(n) * TONE_HZ / 48_000.0).sin()) as f32)
            .collect();
        samples[9_000..9_500].fill(0.0);
        let mut seconds = Seconds::new(0);
        seconds.take(&Block { stamp: BlockStamp::default(), spec, samples: &samples });
        assert!(seconds.offsets_us().all(f64::is_nan));
    }
}
