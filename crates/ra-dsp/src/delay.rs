//! A delay by whole frames that can be changed while sound runs through it. Does not interpolate between frames.

/// Delays interleaved frames; a change of the delay is a crossfade from the old place to the new one, not a jump.
///
/// The crossfade is linear: what is heard twice is the same sound at two times, mostly correlated, so gains that add up
/// to 1 keep its level.
///
/// # Examples
/// ```
/// let mut delay = ra_dsp::DelayLine::new(1, 8);
/// delay.set_delay(2, 0);
/// let mut block = [1.0, 2.0, 3.0, 4.0];
/// delay.process(&mut block);
/// assert_eq!(block, [0.0, 0.0, 1.0, 2.0]);
/// ```
#[derive(Clone, Debug)]
pub struct DelayLine {
    channels: usize,
    capacity_frames: usize,
    /// `capacity_frames + 1` frames, so that a delay of the whole capacity and the frame just written both fit.
    ring: Vec<f32>,
    /// The frame of `ring` that is written next.
    write_frame: usize,
    /// The delay that is heard, or faded out while a fade is on.
    tap_frames: usize,
    fade: Option<Fade>,
    /// What was asked for while a fade was on; the latest counts.
    pending: Option<(usize, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Fade {
    to_frames: usize,
    n_frames: u32,
    done_frames: u32,
}

impl DelayLine {
    /// A delay of 0 frames that can be set to up to `capacity_frames`, for frames of `channels` samples (1 at least).
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub fn new(channels: usize, capacity_frames: usize) -> Self {
        let channels = channels.max(1);
        let ring = if capacity_frames == 0 { Vec::new() } else { vec![0.0; (capacity_frames + 1) * channels] };
        Self { channels, capacity_frames, ring, write_frame: 0, tap_frames: 0, fade: None, pending: None }
    }

    /// Asks for a delay, crossfading to it over `crossfade_frames` frames from the next frame on (0: a jump), and
    /// returns the delay that was taken: what exceeds the capacity is cut to it.
    ///
    /// During a crossfade the request waits for its end; of several, the latest counts. The sound before the first
    /// frame ever processed is silence.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn set_delay(&mut self, delay_frames: usize, crossfade_frames: u32) -> usize {
        let delay_frames = delay_frames.min(self.capacity_frames);
        if self.fade.is_some() {
            self.pending = Some((delay_frames, crossfade_frames));
        } else {
            self.begin(delay_frames, crossfade_frames);
        }
        delay_frames
    }

    /// The delay that was last asked for, in frames, be it reached or not.
    pub fn delay_frames(&self) -> usize {
        self.pending.map(|(frames, _)| frames).or(self.fade.map(|fade| fade.to_frames)).unwrap_or(self.tap_frames)
    }

    /// Whether no crossfade is on.
    pub fn is_settled(&self) -> bool {
        self.fade.is_none()
    }

    /// Delays a block in place. Settled at 0 frames it only keeps the history, and nothing if the capacity is 0.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn process(&mut self, interleaved: &mut [f32]) {
        if self.capacity_frames == 0 {
            return;
        }
        let n_samples = interleaved.len() / self.channels * self.channels;
        let mut rest = &mut interleaved[..n_samples];
        while !rest.is_empty() {
            let n_frames = rest.len() / self.channels;
            let taken = match self.fade {
                Some(fade) => {
                    let n_frames = n_frames.min((fade.n_frames - fade.done_frames) as usize);
                    self.crossfade(&mut rest[..n_frames * self.channels], fade);
                    n_frames
                }
                None => self.run(rest, n_frames),
            };
            rest = &mut rest[taken * self.channels..];
        }
    }

    fn begin(&mut self, to_frames: usize, n_frames: u32) {
        if to_frames == self.tap_frames {
            return;
        }
        if n_frames == 0 {
            self.tap_frames = to_frames;
        } else {
            self.fade = Some(Fade { to_frames, n_frames, done_frames: 0 });
        }
    }

    fn ring_frames(&self) -> usize {
        self.capacity_frames + 1
    }

    /// Where the frame `delay_frames` before `write_frame` is.
    fn tap(&self, delay_frames: usize) -> usize {
        let frame = self.write_frame + self.ring_frames() - delay_frames;
        if frame >= self.ring_frames() { frame - self.ring_frames() } else { frame }
    }

    /// Runs settled over as many of the `n_frames` as lie in one piece, and returns how many.
    fn run(&mut self, samples: &mut [f32], n_frames: usize) -> usize {
        let mut n_frames = n_frames.min(self.ring_frames() - self.write_frame);
        let write = self.write_frame * self.channels;
        if self.tap_frames == 0 {
            let n_samples = n_frames * self.channels;
            self.ring[write..write + n_samples].copy_from_slice(&samples[..n_samples]);
        } else {
            let tap_frame = self.tap(self.tap_frames);
            // No further than the delay itself: beyond it, what is read is what this very piece writes.
            n_frames = n_frames.min(self.ring_frames() - tap_frame).min(self.tap_frames);
            let read = tap_frame * self.channels;
            for (index, sample) in samples[..n_frames * self.channels].iter_mut().enumerate() {
                let delayed = self.ring[read + index];
                self.ring[write + index] = *sample;
                *sample = delayed;
            }
        }
        self.advance(n_frames);
        n_frames
    }

    /// `samples` end with the fade or before.
    fn crossfade(&mut self, samples: &mut [f32], mut fade: Fade) {
        for frame in samples.chunks_exact_mut(self.channels) {
            fade.done_frames += 1;
            let gain = fade.done_frames as f32 / fade.n_frames as f32;
            let write = self.write_frame * self.channels;
            let old = self.tap(self.tap_frames) * self.channels;
            let new = self.tap(fade.to_frames) * self.channels;
            self.ring[write..write + self.channels].copy_from_slice(frame);
            for (channel, sample) in frame.iter_mut().enumerate() {
                let (from, to) = (self.ring[old + channel], self.ring[new + channel]);
                *sample = from * (1.0 - gain) + to * gain;
            }
            self.advance(1);
        }
        self.fade = Some(fade);
        if fade.done_frames == fade.n_frames {
            self.tap_frames = fade.to_frames;
            self.fade = None;
            if let Some((frames, n_frames)) = self.pending.take() {
                self.begin(frames, n_frames);
            }
        }
    }

    fn advance(&mut self, n_frames: usize) {
        self.write_frame += n_frames;
        if self.write_frame >= self.ring_frames() {
            self.write_frame -= self.ring_frames();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(n: usize) -> f32 {
        (n as f32 * 0.02).sin() * 0.5
    }

    #[test]
    fn a_change_has_no_step_larger_than_the_crossfade_and_the_tone_allow() {
        let mut delay = DelayLine::new(1, 500);
        let mut sound: Vec<f32> = (0..4000).map(tone).collect();
        for (index, block) in sound.chunks_mut(100).enumerate() {
            match index {
                6 => assert_eq!(delay.set_delay(400, 256), 400),
                // In the middle of the fade: waits for its end, and the last one counts.
                7 => assert_eq!(delay.set_delay(3, 10), 3),
                8 => assert_eq!(delay.set_delay(9_999, 200), 500),
                _ => {}
            }
            delay.process(block);
        }
        assert_eq!((delay.delay_frames(), delay.is_settled()), (500, true));
        // The tone's own slope on both taps, and at most 1.0 between the taps over the shortest fade.
        let bound = 0.5 * 0.02 + 1.0 / 200.0;
        let largest = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(largest <= bound, "{largest} > {bound}");
        for (n, &sample) in sound.iter().enumerate().skip(1200) {
            assert_eq!(sample, tone(n - 500));
        }
    }

    #[test]
    fn nothing_to_delay_leaves_the_block_alone() {
        let mut block = [1.0, 2.0, 3.0];
        let mut none = DelayLine::new(1, 0);
        assert_eq!(none.set_delay(5, 7), 0);
        none.process(&mut block);
        DelayLine::new(2, 10).process(&mut block);
        assert_eq!(block, [1.0, 2.0, 3.0]);
    }

    #[test]
    fn the_history_is_there_when_the_delay_comes_later() {
        let mut delay = DelayLine::new(2, 4);
        let mut first: Vec<f32> = (1..=20).map(|n| n as f32).collect();
        delay.process(&mut first);
        delay.set_delay(4, 0);
        let mut second = [0.0; 8];
        delay.process(&mut second);
        assert_eq!(second, [13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0, 20.0]);
    }

    proptest! {
        #[test]
        fn settled_it_is_a_shift_whatever_the_blocks(
            channels in 1usize..4, capacity in 1usize..50, wanted in 0usize..60,
            blocks in prop::collection::vec(1usize..120, 1..12),
        ) {
            let mut delay = DelayLine::new(channels, capacity);
            let taken = delay.set_delay(wanted, 0);
            prop_assert_eq!(taken, wanted.min(capacity));
            let mut n = 0;
            for frames in blocks {
                let mut block: Vec<f32> = (n..n + frames * channels).map(|k| (k + 1) as f32).collect();
                delay.process(&mut block);
                for (k, &sample) in block.iter().enumerate() {
                    let expected = (n + k + 1).saturating_sub(taken * channels);
                    prop_assert_eq!(sample, expected as f32);
                }
                n += frames * channels;
            }
        }
    }
}
