//! Makes the edges of a hole in a source's sound inaudible: no step at its start, a fade at its end.

/// How long the last value before a hole takes to decay to silence, in milliseconds.
const FADE_OUT_MS: f64 = 1.5;
/// How long the sound behind a hole takes to be back at its level, in milliseconds.
const FADE_IN_MS: f64 = 5.0;

/// Follows a source's blocks; where frames are missing it lets the last frame decay, and fades in what comes after.
pub(crate) struct HoleFader {
    channels: usize,
    /// What was heard last, whatever it was made of.
    last_frame: Box<[f32]>,
    /// What decays: what was heard last before the hole.
    decaying: Box<[f32]>,
    out_frames: u32,
    in_frames: u32,
    /// Frames that are silent whatever they hold, before the fade-in.
    silent_left: u32,
    /// Frames of the decay that are still to come; 0: silent or playing.
    decay_left: u32,
    /// Frames of the fade-in that are still to come; 0: at full level.
    rise_left: u32,
    in_hole: bool,
}

impl HoleFader {
    // rt-lint: control-side
    pub(crate) fn new(channels: usize, sample_rate_hz: u32) -> Self {
        let frames = |ms: f64| ((ms * f64::from(sample_rate_hz) / 1000.0).ceil() as u32).max(1);
        Self {
            channels,
            last_frame: vec![0.0; channels].into_boxed_slice(),
            decaying: vec![0.0; channels].into_boxed_slice(),
            out_frames: frames(FADE_OUT_MS),
            in_frames: frames(FADE_IN_MS),
            silent_left: 0,
            decay_left: 0,
            rise_left: 0,
            in_hole: false,
        }
    }

    /// There was silence up to here: what comes now fades in, behind `silent_frames` frames of which nothing is heard.
    pub(crate) fn after_silence(&mut self, silent_frames: u32) {
        self.in_hole = true;
        self.silent_left = silent_frames;
        self.decay_left = 0;
        self.last_frame.fill(0.0);
    }

    /// `frames` are sound that is there.
    pub(crate) fn sound(&mut self, frames: &mut [f32]) {
        if frames.is_empty() {
            return;
        }
        if self.in_hole {
            self.in_hole = false;
            self.rise_left = self.in_frames;
        }
        if self.rise_left > 0 || self.decay_left > 0 {
            let step_in = 1.0 / self.in_frames as f32;
            let step_out = 1.0 / self.out_frames as f32;
            for frame in frames.chunks_exact_mut(self.channels) {
                if self.rise_left == 0 && self.decay_left == 0 {
                    break;
                }
                let rise = 1.0 - self.rise_left as f32 * step_in;
                let decay = self.decay_left as f32 * step_out;
                for (sample, last) in frame.iter_mut().zip(&self.decaying) {
                    *sample = *sample * rise + last * decay;
                }
                match self.silent_left.checked_sub(1) {
                    Some(left) => self.silent_left = left,
                    None => self.rise_left = self.rise_left.saturating_sub(1),
                }
                self.decay_left = self.decay_left.saturating_sub(1);
            }
        }
        self.remember(frames);
    }

    /// `frames` have no sound: they are filled with what is left of the last one, then silence.
    pub(crate) fn hole(&mut self, frames: &mut [f32]) {
        if frames.is_empty() {
            return;
        }
        if !self.in_hole {
            self.in_hole = true;
            // From where the sound stands, be it still fading in behind the last hole.
            self.decaying.copy_from_slice(&self.last_frame);
            self.decay_left = self.out_frames;
            self.rise_left = 0;
        }
        let step = 1.0 / self.out_frames as f32;
        for frame in frames.chunks_exact_mut(self.channels) {
            self.silent_left = self.silent_left.saturating_sub(1);
            self.decay_left = self.decay_left.saturating_sub(1);
            let decay = self.decay_left as f32 * step;
            for (sample, last) in frame.iter_mut().zip(&self.decaying) {
                *sample = last * decay;
            }
        }
        self.remember(frames);
    }

    fn remember(&mut self, frames: &[f32]) {
        if let Some(last) = frames.len().checked_sub(self.channels).and_then(|at| frames.get(at..)) {
            self.last_frame.copy_from_slice(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest_step(samples: &[f32]) -> f32 {
        samples.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_hole_in_full_scale_sound_has_no_step_above_the_fades_slope() {
        let mut fader = HoleFader::new(1, 48_000);
        let mut sound = vec![1.0_f32; 64];
        let mut hole = vec![9.0_f32; 200];
        let mut after = vec![1.0_f32; 400];
        fader.sound(&mut sound);
        fader.hole(&mut hole);
        fader.sound(&mut after);
        let all: Vec<f32> = sound.iter().chain(&hole).chain(&after).copied().collect();
        assert!(largest_step(&all) <= 1.0 / 72.0 + 1e-6, "{}", largest_step(&all));
        assert_eq!(hole[100], 0.0);
        assert!((after[399] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_hole_shorter_than_the_decay_has_no_step_either() {
        for n_hole in [1, 7, 40] {
            let mut fader = HoleFader::new(1, 48_000);
            let mut sound = vec![1.0_f32; 64];
            let mut hole = vec![9.0_f32; n_hole];
            let mut after = vec![1.0_f32; 400];
            fader.sound(&mut sound);
            fader.hole(&mut hole);
            fader.sound(&mut after);
            let all: Vec<f32> = sound.iter().chain(&hole).chain(&after).copied().collect();
            assert!(largest_step(&all) <= 2.0 / 72.0, "{n_hole}: {}", largest_step(&all));
        }
    }

    #[test]
    fn sound_that_is_shorter_than_the_fades_has_no_step_at_either_end() {
        for n_sound in [1, 20, 71, 100, 300] {
            let mut fader = HoleFader::new(1, 48_000);
            let mut all = vec![1.0_f32; 64];
            fader.sound(&mut all);
            for _ in 0..10 {
                let (mut hole, mut sound) = (vec![9.0_f32; 30], vec![1.0_f32; n_sound]);
                fader.hole(&mut hole);
                fader.sound(&mut sound);
                all.extend(hole.iter().chain(&sound));
            }
            assert!(largest_step(&all) <= 2.0 / 72.0, "{n_sound}: {}", largest_step(&all));
        }
    }

    #[test]
    fn sound_behind_silence_fades_in() {
        let mut fader = HoleFader::new(1, 48_000);
        fader.after_silence(0);
        let mut sound = vec![1.0_f32; 400];
        fader.sound(&mut sound);
        assert_eq!(sound[0], 0.0);
        assert!(largest_step(&sound) <= 1.0 / 240.0 + 1e-6, "{}", largest_step(&sound));
        assert_eq!(sound[399], 1.0);
        // And a second time: what was heard before is over. A hole counts as silence.
        fader.after_silence(50);
        let (mut hole, mut sound) = (vec![9.0_f32; 20], vec![1.0_f32; 400]);
        fader.hole(&mut hole);
        fader.sound(&mut sound);
        assert!(hole.iter().chain(&sound[..31]).all(|&sample| sample == 0.0) && sound[31] > 0.0);
        assert!(largest_step(&sound) <= 1.0 / 240.0 + 1e-6 && sound[399] == 1.0);
    }
}
