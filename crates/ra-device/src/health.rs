//! Whether what a device delivers can be sound at all: numbers, and numbers that change. Real-time code: nothing here
//! allocates, locks, logs or waits. Changes no sample: the mixer makes silence of what is no number.

use crate::status::Status;

/// A channel stands still while its samples stay this close to each other: half a step of 14 bits. No microphone is as
/// quiet as that and as loud as [`SILENCE`] at once.
const STILL: f32 = 1.0 / 32_768.0;
/// Below this a channel that stands still is silent, which is no fault: −54 dBFS, more than any converter's offset.
const SILENCE: f32 = 0.002;

/// What is known of each channel.
pub(crate) struct Health {
    channels: Box<[Channel]>,
    /// Frames after which a channel that stands still is worth a word: a second.
    patience_frames: u64,
}

#[derive(Clone, Copy, Default)]
struct Channel {
    level_lin: f32,
    still_frames: u64,
}

impl Health {
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub(crate) fn new(n_channels: usize, patience_frames: u64) -> Self {
        Self { channels: vec![Channel::default(); n_channels].into_boxed_slice(), patience_frames }
    }

    /// Looks at interleaved frames, and counts what is wrong with them.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub(crate) fn examine(&mut self, interleaved: &[f32], status: &Status) {
        let n_channels = self.channels.len();
        status.count_non_finite(interleaved.iter().filter(|sample| !sample.is_finite()).count() as u64);
        for (number, channel) in self.channels.iter_mut().enumerate() {
            let before_frames = channel.still_frames;
            for &sample in interleaved.iter().skip(number).step_by(n_channels) {
                // False for NaN, which so begins anew.
                if (sample - channel.level_lin).abs() <= STILL {
                    channel.still_frames += 1;
                } else {
                    *channel = Channel { level_lin: sample, still_frames: 1 };
                }
            }
            if channel.still_frames > self.patience_frames && channel.level_lin.abs() > SILENCE {
                let new_frames =
                    channel.still_frames - before_frames.max(self.patience_frames).min(channel.still_frames);
                status.count_stuck(number, channel.level_lin, new_frames);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What two seconds of a signal, in pieces, leave behind.
    fn examined(of: impl Fn(usize) -> [f32; 2]) -> crate::StreamCounts {
        let (status, mut health) = (Status::new(), Health::new(2, 48_000));
        let samples: Vec<f32> = (0..96_000).flat_map(of).collect();
        samples.chunks(2 * 480).for_each(|piece| health.examine(piece, &status));
        status.counts()
    }

    #[test]
    fn sound_and_silence_are_healthy() {
        let tone = |n: usize| 0.001 * (n as f32 * 0.1).sin();
        let with_offset = |n: usize| [0.01 + tone(n), tone(n)];
        for counts in [examined(with_offset), examined(|_| [0.0; 2]), examined(|_| [0.0015, -0.0015])] {
            assert_eq!((counts.stuck_frames, counts.non_finite_samples), (0, 0));
        }
    }

    #[test]
    fn a_channel_that_stands_still_counts_from_its_second_second() {
        let counts = examined(|n| [(n as f32).sin(), -0.25]);
        assert_eq!(counts.stuck_frames, 48_000);
        let counts = examined(|n| [if n < 20_000 { 0.5 } else { -0.5 }, 0.0]);
        assert_eq!(counts.stuck_frames, 28_000, "another level begins anew");
    }

    #[test]
    fn what_is_no_number_counts() {
        let counts = examined(|n| match n % 100 {
            0 => [f32::NAN, f32::INFINITY],
            _ => [0.5, 0.5],
        });
        assert_eq!((counts.non_finite_samples, counts.stuck_frames), (2 * 960, 0));
    }
}
