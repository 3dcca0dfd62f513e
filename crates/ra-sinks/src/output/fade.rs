//! The curve along which sound comes and goes, computed once. Knows no time but frames.

use ra_core::SampleRate;

/// How long a fade lasts, in milliseconds: short enough to go unnoticed, long enough not to click.
const FADE_MS: f64 = 2.0;

/// A raised cosine from 0 to 1: gains by steps, one step per frame.
#[derive(Clone, Debug)]
pub(super) struct Fade {
    gains: Box<[f32]>,
}

impl Fade {
    /// A fade of 2 ms, and of 8 frames at least.
    pub(super) fn new(sample_rate: SampleRate) -> Self {
        let n_frames = sample_rate.frames_in_ms_ceil(FADE_MS).max(8);
        let gain = |i: usize| (0.5 - 0.5 * (std::f64::consts::PI * i as f64 / n_frames as f64).cos()) as f32;
        Self { gains: (0..=n_frames).map(gain).collect() }
    }

    /// Frames from silence to full gain.
    pub(super) fn n_frames(&self) -> usize {
        self.gains.len() - 1
    }

    /// The gain `step` frames away from silence, as a linear factor; 1 from [`Fade::n_frames`] on.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub(super) fn gain(&self, step: usize) -> f32 {
        self.gains[step.min(self.n_frames())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_from_silence_to_all_of_it_in_two_milliseconds() {
        let fade = Fade::new(SampleRate::HZ_48000);
        assert_eq!(fade.n_frames(), 96);
        assert_eq!((fade.gain(0), fade.gain(48), fade.gain(96), fade.gain(500)), (0.0, 0.5, 1.0, 1.0));
    }
}
