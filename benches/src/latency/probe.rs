//! Tells when the mixer has published: an effect on a bus of its own, which the mixer publishes right behind `main`.
//!
//! The time goes out as the bus's sound: four samples of 16 bits each, so that it has the stamp of its block.

use ra_core::{Clock, SystemClock};
use ra_engine::dsp::Insert;

const WORDS: usize = 4;
const WORD_BITS: usize = 16;
/// What makes a sample of a word: a power of two, so that nothing is rounded.
const UNIT: f32 = 65_536.0;

/// Writes the time at which it is called into the first samples of the block.
#[derive(Debug)]
pub(super) struct PublishProbe;

impl Insert for PublishProbe {
    fn process(&mut self, interleaved: &mut [f32]) {
        let now_ns = SystemClock.now_ns();
        for (n, sample) in interleaved.iter_mut().take(WORDS).enumerate() {
            *sample = f32::from((now_ns >> (n * WORD_BITS)) as u16) / UNIT;
        }
    }

    fn latency_frames(&self) -> usize {
        0
    }

    fn name(&self) -> &'static str {
        "publish probe"
    }
}

/// The time in a block of the probe's bus; `None` where it holds none, as while the probe is faded in.
pub(super) fn time_in(samples: &[f32]) -> Option<u64> {
    let mut time_ns = 0;
    for (n, &sample) in samples.get(..WORDS)?.iter().enumerate() {
        let word = f64::from(sample * UNIT);
        if word.fract() != 0.0 || !(0.0..f64::from(UNIT)).contains(&word) {
            return None;
        }
        time_ns |= (word as u64) << (n * WORD_BITS);
    }
    Some(time_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_comes_out_to_the_nanosecond() {
        let mut block = [0.25; 16];
        let before_ns = SystemClock.now_ns();
        PublishProbe.process(&mut block);
        let time_ns = time_in(&block).unwrap();
        assert!((before_ns..=SystemClock.now_ns()).contains(&time_ns));
        assert_eq!(block[WORDS..], [0.25; 12]);
    }

    #[test]
    fn what_is_no_time_is_none() {
        assert_eq!(time_in(&[0.0; 3]), None);
        assert_eq!(time_in(&[0.1, 0.0, 0.0, 0.0]), None);
        assert_eq!(time_in(&[-0.5, 0.0, 0.0, 0.0]), None);
        assert_eq!(time_in(&[1.0, 0.0, 0.0, 0.0]), None);
        assert_eq!(time_in(&[1.0 / UNIT, 2.0 / UNIT, 0.0, 0.0]), Some(1 + (2 << 16)));
    }
}
