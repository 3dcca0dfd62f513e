//! Holds the newest frames of a stream back, so that it can end at any moment without a click. Knows no ring and no time.

use super::fade::Fade;

/// The last moment of a stream before it goes on.
///
/// Sound that comes in comes out a fade later, and unchanged, but that it fades in at first and behind every cut.
#[derive(Clone, Debug)]
pub(super) struct Brink {
    channels: usize,
    fade: Fade,
    /// The newest frames, a fade long at most: a cut fades out over them.
    held: Vec<f32>,
    /// Steps away from silence, for the fade-in.
    level: usize,
}

impl Brink {
    pub(super) fn new(channels: usize, fade: Fade) -> Self {
        let held = Vec::with_capacity(2 * fade.n_frames() * channels);
        Self { channels, fade, held, level: 0 }
    }

    /// Takes interleaved samples in and shows those that go on.
    pub(super) fn push(&mut self, samples: &[f32], go_on: &mut dyn FnMut(&[f32])) {
        let n_old = self.held.len();
        self.held.extend_from_slice(samples);
        if self.level < self.fade.n_frames() {
            for frame in self.held[n_old..].chunks_exact_mut(self.channels) {
                self.level += 1;
                let gain_lin = self.fade.gain(self.level);
                frame.iter_mut().for_each(|sample| *sample *= gain_lin);
            }
        }
        let n_ready = self.held.len().saturating_sub(self.fade.n_frames() * self.channels);
        go_on(&self.held[..n_ready]);
        self.held.drain(..n_ready);
    }

    /// Ends the sound here: what is held fades out and goes on. What comes next fades in.
    pub(super) fn cut(&mut self, go_on: &mut dyn FnMut(&[f32])) {
        let n_held = self.held_frames();
        for (i, frame) in self.held.chunks_exact_mut(self.channels).enumerate() {
            // Where less than a fade is held, what is there goes down in larger steps.
            let gain_lin = self.fade.gain((n_held - 1 - i) * self.fade.n_frames() / n_held);
            frame.iter_mut().for_each(|sample| *sample *= gain_lin);
        }
        go_on(&self.held);
        self.held.clear();
        self.level = 0;
    }

    /// Frames that have come in and not gone on.
    pub(super) fn held_frames(&self) -> usize {
        self.held.len() / self.channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_core::SampleRate;

    #[test]
    fn sound_passes_unchanged_between_its_fades_and_none_is_lost() {
        let fade = Fade::new(SampleRate::HZ_48000);
        for piece in [1, 7, 96, 128, 1000] {
            let (mut brink, mut out) = (Brink::new(2, fade.clone()), Vec::new());
            for samples in vec![0.5f32; 2 * 1000].chunks(2 * piece) {
                brink.push(samples, &mut |ready| out.extend_from_slice(ready));
                assert!(brink.held_frames() <= 96);
            }
            brink.cut(&mut |rest| out.extend_from_slice(rest));
            assert_eq!((out.len(), brink.held_frames()), (2000, 0));
            assert!(out[2 * 96..2 * 904].iter().all(|&x| x == 0.5));
            assert!(out[0] < 0.001 && out[1999] == 0.0);
            assert!(out.windows(4).all(|w| (w[2] - w[0]).abs() < 0.01), "piece {piece}");
        }
    }
}
