//! The level of each channel, and what is wrong with it. Pure.

/// From here on a sample is at full scale: the largest positive number of 16 bits.
const FULL_SCALE: f32 = 32_767.0 / 32_768.0;

/// So many samples in a row at full scale are clipped: a tone that just reaches it has fewer, but for the lowest.
const CLIPPED_RUN: u64 = 3;

/// A run of exact zeros that lasts so long is a hole, if there is sound before and behind it, in seconds.
const HOLE_S: f64 = 0.001;

/// What one channel of an input delivered during a test.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ChannelLevel {
    /// The largest magnitude; 1.0 is full scale.
    pub peak_lin: f64,
    /// The root of the mean square, DC included.
    pub rms_lin: f64,
    /// The mean.
    pub dc_lin: f64,
    /// Samples in runs of three or more at full scale, and every one beyond it.
    pub clipped_samples: u64,
    /// Samples that were NaN or infinite; they count as silence in everything else.
    pub non_finite_samples: u64,
    /// Whether every sample was exactly 0.
    pub digital_silence: bool,
    /// Whether every sample was the same number, and not 0.
    pub stuck: bool,
    /// Stretches of exact zeros, 1 ms at least, with sound before and behind them.
    pub holes: u64,
    /// The longest of those, in milliseconds.
    pub longest_hole_ms: f64,
}

/// Measures level as the samples come.
#[derive(Clone, Debug)]
pub(super) struct LevelAnalyser {
    rate_hz: f64,
    n_frames: u64,
    channels: Vec<Channel>,
}

#[derive(Clone, Debug, Default)]
struct Channel {
    peak: f32,
    sum: f64,
    squares: f64,
    clipped: u64,
    /// The run at full scale that goes on, and how many samples of it lie beyond.
    run: u64,
    run_beyond: u64,
    non_finite: u64,
    first: Option<f32>,
    has_changed: bool,
    has_sound: bool,
    zero_run: u64,
    holes: u64,
    longest_hole: u64,
}

impl LevelAnalyser {
    pub(super) fn new(channels: usize, rate_hz: f64) -> Self {
        Self { rate_hz, n_frames: 0, channels: vec![Channel::default(); channels] }
    }

    pub(super) fn process(&mut self, interleaved: &[f32]) {
        let least_hole = (HOLE_S * self.rate_hz).ceil() as u64;
        for frame in interleaved.chunks_exact(self.channels.len().max(1)) {
            self.n_frames += 1;
            for (channel, &sample) in self.channels.iter_mut().zip(frame) {
                channel.add(sample, least_hole);
            }
        }
    }

    /// The largest magnitude of any channel so far.
    pub(super) fn peak_lin(&self) -> f64 {
        self.channels.iter().map(|c| f64::from(c.peak)).fold(0.0, f64::max)
    }

    pub(super) fn report(&self) -> Vec<ChannelLevel> {
        let n = self.n_frames.max(1) as f64;
        let has_sound = self.n_frames > 0;
        let report = |c: &Channel| ChannelLevel {
            peak_lin: f64::from(c.peak),
            rms_lin: (c.squares / n).sqrt(),
            dc_lin: c.sum / n,
            clipped_samples: c.clipped + c.clipped_in_run(),
            non_finite_samples: c.non_finite,
            digital_silence: has_sound && !c.has_sound && c.non_finite == 0,
            stuck: c.has_sound && !c.has_changed,
            holes: c.holes,
            longest_hole_ms: c.longest_hole as f64 * 1e3 / self.rate_hz,
        };
        self.channels.iter().map(report).collect()
    }
}

impl Channel {
    fn add(&mut self, sample: f32, least_hole: u64) {
        let x = if sample.is_finite() {
            sample
        } else {
            self.non_finite += 1;
            0.0
        };
        self.has_changed |= *self.first.get_or_insert(x) != x;
        self.sum += f64::from(x);
        self.squares += f64::from(x) * f64::from(x);
        self.peak = self.peak.max(x.abs());
        self.count_clipped(x.abs());
        if x == 0.0 {
            self.zero_run += 1;
            return;
        }
        if self.has_sound && self.zero_run >= least_hole {
            self.holes += 1;
            self.longest_hole = self.longest_hole.max(self.zero_run);
        }
        (self.zero_run, self.has_sound) = (0, true);
    }

    fn count_clipped(&mut self, magnitude: f32) {
        if magnitude < FULL_SCALE {
            self.clipped += self.clipped_in_run();
            (self.run, self.run_beyond) = (0, 0);
        } else {
            self.run += 1;
            self.run_beyond += u64::from(magnitude > 1.0);
        }
    }

    /// What of the run at full scale that goes on is clipped.
    fn clipped_in_run(&self) -> u64 {
        if self.run >= CLIPPED_RUN { self.run } else { self.run_beyond }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(samples: &[f32]) -> ChannelLevel {
        let mut analyser = LevelAnalyser::new(1, 48_000.0);
        // In two pieces: what goes on over their border is one.
        let (first, rest) = samples.split_at(samples.len() / 2);
        analyser.process(first);
        analyser.process(rest);
        assert_eq!(analyser.peak_lin(), analyser.report()[0].peak_lin);
        analyser.report()[0]
    }

    fn tone(amplitude: f64, dc: f64, hz: f64) -> Vec<f32> {
        let sine = |i: u32| (std::f64::consts::TAU * hz * f64::from(i) / 48_000.0).sin();
        (0..48_000).map(|i| (dc + amplitude * sine(i)) as f32).collect()
    }

    #[test]
    fn a_tones_level_is_exact() {
        let level = level(&tone(0.25, 0.0, 1_000.0));
        assert!((level.peak_lin - 0.25).abs() < 1e-6 && (level.rms_lin - 0.25 / 2f64.sqrt()).abs() < 1e-6, "{level:?}");
        assert!(level.dc_lin.abs() < 1e-7 && level.clipped_samples == 0 && level.holes == 0, "{level:?}");
        assert!(!level.digital_silence && !level.stuck);
    }

    #[test]
    fn dc_is_told_from_sound() {
        let shifted = level(&tone(0.25, -0.1, 1_000.0));
        assert!((shifted.dc_lin + 0.1).abs() < 1e-6 && !shifted.stuck, "{shifted:?}");
        let stuck = level(&[-0.1; 4_800]);
        assert!((stuck.dc_lin + 0.1).abs() < 1e-6 && stuck.stuck && !stuck.digital_silence, "{stuck:?}");
    }

    #[test]
    fn runs_at_full_scale_are_clipped_and_a_tone_that_touches_it_is_not() {
        assert_eq!(level(&tone(1.0, 0.0, 1_000.0)).clipped_samples, 0);
        let clipped: Vec<f32> = tone(2.0, 0.0, 1_000.0).iter().map(|x| x.clamp(-1.0, FULL_SCALE)).collect();
        // Of a sine of twice full scale, two thirds lie beyond it.
        let n = level(&clipped).clipped_samples;
        assert_eq!(n, 34_000, "48 samples a wave, 17 of each half at full scale");
        assert_eq!(level(&[0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, -1.0, -1.0, -1.0, -1.0]).clipped_samples, 7);
        assert_eq!(level(&[0.0, 1.5, 0.0, 1.5, 1.2, 0.0]).clipped_samples, 3, "beyond full scale each counts");
    }

    #[test]
    fn silence_holes_and_what_is_no_number_are_counted() {
        assert!(level(&[0.0; 4_800]).digital_silence);
        assert!(!level(&[0.0, 1e-9, 0.0]).digital_silence, "noise of a converter is sound");
        let mut torn = tone(0.25, 0.0, 997.0);
        torn[..1_000].fill(0.0);
        torn[10_000..10_480].fill(0.0);
        torn[24_000 - 30..24_000 + 30].fill(0.0);
        torn[47_000..].fill(0.0);
        let level_of_torn = level(&torn);
        assert_eq!((level_of_torn.holes, level_of_torn.longest_hole_ms), (2, 10.0), "{level_of_torn:?}");
        let broken = level(&[f32::NAN, 0.5, f32::INFINITY, -0.5]);
        assert_eq!((broken.non_finite_samples, broken.peak_lin, broken.dc_lin), (2, 0.5, 0.0));
        assert!(!level(&[f32::NAN; 16]).digital_silence);
    }
}
