//! A tone in decoded sound: level and frequency of each second, as it comes. Keeps one second.

use std::f64::consts::TAU;

use super::station::TONE_HZ;

/// A second at 48 kHz: 997 whole periods.
const WINDOW_FRAMES: usize = 48_000;

/// Takes frames of one channel.
#[derive(Debug, Default)]
pub(super) struct ToneMeter {
    window: Vec<f32>,
    /// Level in dBFS (peak) and phase in turns, of each second.
    seconds: Vec<(f64, f64)>,
}

impl ToneMeter {
    pub(super) fn put(&mut self, sample: f32) {
        self.window.push(sample);
        if self.window.len() == WINDOW_FRAMES {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, &sample) in self.window.iter().enumerate() {
                let (sin, cos) = (TAU * TONE_HZ * n as f64 / WINDOW_FRAMES as f64).sin_cos();
                re += f64::from(sample) * cos;
                im += f64::from(sample) * sin;
            }
            let amplitude = 2.0 * re.hypot(im) / WINDOW_FRAMES as f64;
            self.seconds.push((20.0 * amplitude.log10(), re.atan2(im) / TAU));
            self.window.clear();
        }
    }

    /// Whole seconds so far.
    pub(super) fn n_seconds(&self) -> usize {
        self.seconds.len()
    }

    /// The seconds' lowest and highest level, without the first one, in dBFS.
    pub(super) fn levels_dbfs(&self) -> (f64, f64) {
        let levels = self.seconds.iter().skip(1).map(|(dbfs, _)| *dbfs);
        levels.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), dbfs| (low.min(dbfs), high.max(dbfs)))
    }

    /// The frequency in Hz over all of it, by how the phase turns from second to second; and the largest such turn in
    /// periods, which a frame that is missing or twice makes large.
    pub(super) fn frequency(&self) -> (f64, f64) {
        let turns: Vec<f64> = self
            .seconds
            .windows(2)
            .skip(1)
            .map(|pair| {
                let turn = pair[1].1 - pair[0].1;
                turn - turn.round()
            })
            .collect();
        let mean = turns.iter().sum::<f64>() / turns.len().max(1) as f64;
        let largest = turns.iter().map(|turn| turn.abs()).fold(0.0, f64::max);
        (TONE_HZ + mean, largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metered(hz: f64, skip_at: Option<usize>) -> ToneMeter {
        let mut meter = ToneMeter::default();
        for n in 0..5 * WINDOW_FRAMES {
            let n = n + usize::from(skip_at.is_some_and(|at| n >= at));
            meter.put(0.1 * (TAU * hz * n as f64 / WINDOW_FRAMES as f64).sin() as f32);
        }
        meter
    }

    #[test]
    fn level_and_frequency_are_found_and_so_is_a_missing_frame() {
        let meter = metered(TONE_HZ, None);
        let (low, high) = meter.levels_dbfs();
        assert!((low + 20.0).abs() < 0.01 && (high + 20.0).abs() < 0.01, "{low} {high}");
        assert!((meter.frequency().0 - TONE_HZ).abs() < 1e-6 && meter.frequency().1 < 1e-6);
        assert!((metered(997.1, None).frequency().0 - 997.1).abs() < 1e-3);
        // One frame is 997 / 48000 of a period.
        let largest = metered(TONE_HZ, Some(120_000)).frequency().1;
        assert!((0.005..0.025).contains(&largest), "{largest}");
    }
}
