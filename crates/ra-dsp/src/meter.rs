//! Peak and RMS levels, and the cells through which other threads see them. Has no ballistics: an interval's plain
//! figures.

use std::sync::atomic::{AtomicU64, Ordering};

use ra_core::Level;

/// Samples summed side by side; the channels of a 1-, 2-, 4-, 8- or 16-channel frame always fall into the same lanes.
const LANES: usize = 16;

/// Samples summed in single precision before they join the double-precision total.
const PIECE_SAMPLES: usize = 64 * LANES;

/// Measures the peak and the RMS of each channel from one [`LevelMeter::take`] to the next.
///
/// Expects finite samples ([`replace_non_finite`](crate::replace_non_finite)).
#[derive(Clone, Debug)]
pub struct LevelMeter {
    sums: Vec<ChannelSum>,
    n_frames: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct ChannelSum {
    peak: f32,
    squares: f64,
}

impl LevelMeter {
    /// A meter for frames of `channels` samples, 1 at least.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub fn new(channels: usize) -> Self {
        Self { sums: vec![ChannelSum::default(); channels.max(1)], n_frames: 0 }
    }

    /// Counts a block in. A frame that is cut off at its end is not looked at.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn process(&mut self, interleaved: &[f32]) {
        let channels = self.sums.len();
        let n_frames = interleaved.len() / channels;
        self.n_frames += n_frames as u64;
        let samples = &interleaved[..n_frames * channels];
        if LANES.is_multiple_of(channels) {
            for piece in samples.chunks(PIECE_SAMPLES) {
                self.add_in_lanes(piece);
            }
        } else {
            for frame in samples.chunks_exact(channels) {
                add_frame(&mut self.sums, frame);
            }
        }
    }

    /// Hands out the level of each channel since the last call, and begins a new interval. Without a frame in between
    /// it is silence.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation, as far as `report` is.
    pub fn take(&mut self, report: &mut dyn FnMut(usize, Level)) {
        let n_frames = std::mem::take(&mut self.n_frames).max(1) as f64;
        for (channel, sum) in self.sums.iter_mut().enumerate() {
            let ChannelSum { peak, squares } = std::mem::take(sum);
            report(channel, Level { peak_lin: peak, rms_lin: (squares / n_frames).sqrt() as f32 });
        }
    }

    fn add_in_lanes(&mut self, piece: &[f32]) {
        let mut peaks = [0.0f32; LANES];
        let mut squares = [0.0f32; LANES];
        let mut rows = piece.chunks_exact(LANES);
        for row in &mut rows {
            for lane in 0..LANES {
                let magnitude = row[lane].abs();
                peaks[lane] = if magnitude > peaks[lane] { magnitude } else { peaks[lane] };
                squares[lane] += row[lane] * row[lane];
            }
        }
        let channels = self.sums.len();
        for lane in 0..LANES {
            let sum = &mut self.sums[lane % channels];
            sum.peak = sum.peak.max(peaks[lane]);
            sum.squares += f64::from(squares[lane]);
        }
        for frame in rows.remainder().chunks_exact(channels) {
            add_frame(&mut self.sums, frame);
        }
    }
}

fn add_frame(sums: &mut [ChannelSum], frame: &[f32]) {
    for (sum, &sample) in sums.iter_mut().zip(frame) {
        sum.peak = sum.peak.max(sample.abs());
        sum.squares += f64::from(sample) * f64::from(sample);
    }
}

/// Levels that one thread writes and any other reads, each channel's peak and RMS always from one interval.
///
/// Put it in an [`Arc`](std::sync::Arc) and give both sides a handle.
#[derive(Debug)]
pub struct SharedLevels {
    /// Peak in the high half, RMS in the low half: one word, so that a pair is never torn.
    words: Box<[AtomicU64]>,
}

impl SharedLevels {
    /// Cells for `channels` channels, all silent.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub fn new(channels: usize) -> Self {
        Self { words: (0..channels).map(|_| AtomicU64::new(0)).collect() }
    }

    /// How many channels there are.
    pub fn channels(&self) -> usize {
        self.words.len()
    }

    /// Shows a channel's level. A channel that is not there is left out.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn store(&self, channel: usize, level: Level) {
        if let Some(word) = self.words.get(channel) {
            let packed = u64::from(level.peak_lin.to_bits()) << 32 | u64::from(level.rms_lin.to_bits());
            // Relaxed: the word is all there is; it announces nothing else.
            word.store(packed, Ordering::Relaxed);
        }
    }

    /// The level that was last shown, silence for a channel that is not there. It may be replaced before it is used.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn load(&self, channel: usize) -> Level {
        // Relaxed: as in `store`.
        let packed = self.words.get(channel).map_or(0, |word| word.load(Ordering::Relaxed));
        Level { peak_lin: f32::from_bits((packed >> 32) as u32), rms_lin: f32::from_bits(packed as u32) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn levels(meter: &mut LevelMeter) -> Vec<Level> {
        let mut levels = Vec::new();
        meter.take(&mut |channel, level| {
            assert_eq!(channel, levels.len());
            levels.push(level);
        });
        levels
    }

    #[test]
    fn a_sine_reads_3_db_below_its_peak() {
        let tone: Vec<f32> = (0..48_000)
            .flat_map(|n| {
                let phase = n as f64 * 997.0 / 48_000.0 * std::f64::consts::TAU;
                [(0.5 * phase.sin()) as f32, (-0.1 * phase.cos()) as f32]
            })
            .collect();
        let mut meter = LevelMeter::new(2);
        tone.chunks(2 * 128).for_each(|block| meter.process(block));
        let read = levels(&mut meter);
        assert!((read[0].peak_dbfs() + 6.0206).abs() < 0.01);
        assert!((read[0].rms_dbfs() + 9.0309).abs() < 0.001);
        assert!((read[1].peak_dbfs() + 20.0).abs() < 0.01);
        assert!((read[1].rms_dbfs() + 23.0103).abs() < 0.001);
        assert_eq!(levels(&mut meter), [Level::default(); 2], "a new interval begins at silence");
    }

    #[test]
    fn a_pair_is_never_torn() {
        let shared = SharedLevels::new(1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..100_000u32 {
                    let value = n as f32;
                    shared.store(0, Level { peak_lin: value, rms_lin: -value });
                }
            });
            for _ in 0..100_000 {
                let seen = shared.load(0);
                assert_eq!(seen.peak_lin, -seen.rms_lin);
            }
        });
        assert_eq!(shared.load(0).peak_lin, 99_999.0);
        shared.store(7, Level { peak_lin: 1.0, rms_lin: 1.0 });
        assert_eq!((shared.load(7), shared.channels()), (Level::default(), 1));
    }

    proptest! {
        #[test]
        fn every_width_and_chunking_agrees_with_the_definition(
            channels in 1usize..20, samples in prop::collection::vec(-2.0f32..2.0, 0..2000), block in 1usize..100,
        ) {
            let samples = &samples[..samples.len() / channels * channels];
            let mut meter = LevelMeter::new(channels);
            samples.chunks(block * channels).for_each(|piece| meter.process(piece));
            for (channel, level) in levels(&mut meter).iter().enumerate() {
                let own: Vec<f64> = samples.iter().skip(channel).step_by(channels).map(|&x| f64::from(x)).collect();
                let peak = own.iter().fold(0.0, |peak: f64, x| peak.max(x.abs()));
                let rms = (own.iter().map(|x| x * x).sum::<f64>() / own.len().max(1) as f64).sqrt();
                prop_assert_eq!(f64::from(level.peak_lin), peak);
                prop_assert!((f64::from(level.rms_lin) - rms).abs() <= 1e-6 * rms.max(1e-3));
            }
        }
    }
}
