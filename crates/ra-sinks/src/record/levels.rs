//! Peak and RMS of a whole recording, per channel. Measures what is given, before it is quantised.

use ra_core::{Level, StreamSpec};

/// Sums for the levels of every channel.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    peaks_lin: Vec<f32>,
    square_sums: Vec<f64>,
    non_finite_samples: u64,
}

impl Levels {
    pub(crate) fn new(spec: StreamSpec) -> Self {
        let n = spec.channels.get();
        Self { peaks_lin: vec![0.0; n], square_sums: vec![0.0; n], non_finite_samples: 0 }
    }

    /// Adds whole interleaved frames. NaN and infinity are counted, and count as silence.
    pub(crate) fn add(&mut self, interleaved: &[f32]) {
        for frame in interleaved.chunks_exact(self.peaks_lin.len()) {
            for ((&sample, peak), sum) in frame.iter().zip(&mut self.peaks_lin).zip(&mut self.square_sums) {
                if sample.is_finite() {
                    *peak = peak.max(sample.abs());
                    *sum += f64::from(sample) * f64::from(sample);
                } else {
                    self.non_finite_samples += 1;
                }
            }
        }
    }

    /// The levels over `n_frames` frames; those that were not added were silent.
    pub(crate) fn over(&self, n_frames: u64) -> Vec<Level> {
        let rms = |sum: f64| if n_frames == 0 { 0.0 } else { (sum / n_frames as f64).sqrt() as f32 };
        let channels = self.peaks_lin.iter().zip(&self.square_sums);
        channels.map(|(&peak_lin, &sum)| Level { peak_lin, rms_lin: rms(sum) }).collect()
    }

    /// Samples that were NaN or infinite.
    pub(crate) const fn non_finite_samples(&self) -> u64 {
        self.non_finite_samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_reads_its_peak_and_3_db_less_and_silence_dilutes_the_rms() {
        let spec = StreamSpec::new(48_000, 2).unwrap();
        let mut levels = Levels::new(spec);
        let sine = |i: u32| (std::f32::consts::TAU * 1000.0 * i as f32 / 48_000.0).sin();
        let frames: Vec<f32> = (0..48_000).flat_map(|i| [0.5 * sine(i % 48), 0.0]).collect();
        levels.add(&frames);
        let [left, right] = levels.over(48_000)[..] else { panic!("two channels") };
        assert!((left.peak_dbfs() + 6.0206).abs() < 1e-3, "{left:?}");
        assert!((left.rms_dbfs() + 9.0309).abs() < 1e-3, "{left:?}");
        assert_eq!(right, Level::default());
        assert!((levels.over(96_000)[0].rms_dbfs() + 12.0412).abs() < 1e-3);
        assert_eq!(levels.over(0)[0].rms_lin, 0.0);
    }

    #[test]
    fn non_finite_samples_are_counted_and_poison_nothing() {
        let mut levels = Levels::new(StreamSpec::new(48_000, 1).unwrap());
        levels.add(&[f32::NAN, f32::INFINITY, -0.25, f32::NEG_INFINITY]);
        assert_eq!(levels.non_finite_samples(), 3);
        assert_eq!(levels.over(4)[0], Level { peak_lin: 0.25, rms_lin: 0.125 });
    }
}
