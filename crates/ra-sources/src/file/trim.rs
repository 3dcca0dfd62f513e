//! Which of a decoder's frames are sound and which are the codec's own run-in and padding. Touches no sample.

use std::ops::Range;

/// Cuts a stream of decoded frames to what was encoded.
///
/// `skip` frames of run-in, then `play` frames of sound, then `padding` frames of nothing. What comes behind the padding
/// can't be padding: files that were joined end to end have it, and it is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trim {
    pub(crate) skip: u64,
    /// `None`: to the end.
    pub(crate) play: Option<u64>,
    pub(crate) padding: u64,
    /// Decoded frames so far.
    position: u64,
}

impl Trim {
    pub(crate) const fn new(skip: u64, play: Option<u64>, padding: u64) -> Self {
        Self { skip, play, padding, position: 0 }
    }

    /// Which of the next `n_frames` decoded frames are sound; each range may be empty.
    pub(crate) fn take(&mut self, n_frames: usize) -> [Range<usize>; 2] {
        let start = self.position;
        self.position += n_frames as u64;
        let within = |from: u64, to: u64| {
            let clip = |at: u64| at.saturating_sub(start).min(n_frames as u64) as usize;
            clip(from)..clip(to)
        };
        match self.play {
            None => [within(self.skip, u64::MAX), 0..0],
            Some(play) => {
                let end = self.skip.saturating_add(play);
                [within(self.skip, end), within(end.saturating_add(self.padding), u64::MAX)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_in_and_padding_go_and_the_rest_stays() {
        let mut trim = Trim::new(15, Some(12), 5);
        assert_eq!(trim.take(10), [10..10, 10..10]);
        assert_eq!(trim.take(10), [5..10, 10..10]);
        assert_eq!(trim.take(10), [0..7, 10..10]);
        assert_eq!(trim.take(10), [0..0, 2..10]);
        assert_eq!(Trim::default().take(10), [0..10, 0..0]);
        assert_eq!(Trim::new(3, Some(4), 0).take(10), [3..7, 7..10]);
    }
}
