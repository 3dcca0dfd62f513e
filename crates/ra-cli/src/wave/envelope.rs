//! The outline of a sound of any length in memory of a fixed size: lowest, highest and mean power of short runs of frames,
//! which are joined in pairs whenever there are too many. Reads no file, draws nothing.

use ra_engine::core::ChannelCount;

/// From here on a sample is at full scale: the largest one of 16 bits.
const FULL_SCALE_LIN: f32 = 32_767.0 / 32_768.0;
/// So many samples in a row at full scale are clipped; fewer may be a loud sound. Any sample above 1 is.
const CLIPPED_RUN: u64 = 3;

/// One channel in one run of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bin {
    min_lin: f32,
    max_lin: f32,
    square_sum: f64,
    clipped: u64,
}

impl Bin {
    fn join(&mut self, later: &Bin) {
        self.min_lin = self.min_lin.min(later.min_lin);
        self.max_lin = self.max_lin.max(later.max_lin);
        self.square_sum += later.square_sum;
        self.clipped += later.clipped;
    }
}

/// One channel in one column of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Column {
    /// The lowest sample.
    pub(super) min_lin: f32,
    /// The highest one.
    pub(super) max_lin: f32,
    /// The root of the mean square.
    pub(super) rms_lin: f32,
    /// Whether samples were clipped here.
    pub(super) is_clipped: bool,
}

/// One channel over the whole length.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ChannelLevel {
    pub(super) peak_lin: f32,
    pub(super) rms_lin: f32,
    pub(super) clipped_samples: u64,
}

/// Where one channel's run of samples at full scale is.
#[derive(Clone, Copy, Debug, Default)]
struct FullScaleRun {
    length: u64,
    counted: u64,
}

/// The outline of all frames that were added.
pub(super) struct Envelope {
    n_channels: usize,
    most_bins: usize,
    frames_per_bin: u64,
    /// Channels side by side, one bin behind the other.
    bins: Vec<Bin>,
    n_frames: u64,
    runs: Vec<FullScaleRun>,
    non_finite_samples: u64,
}

impl Envelope {
    /// An outline that is good for pictures of `n_columns` columns: a column is a few bins at least.
    pub(super) fn new(channels: ChannelCount, n_columns: usize) -> Self {
        let n_channels = channels.get();
        // 24 MB for one channel and for a hundred; more for more channels in wide pictures.
        let most_bins = ((1 << 20) / n_channels).clamp(1, 1 << 16).max(4 * n_columns).next_multiple_of(2);
        Self {
            n_channels,
            most_bins,
            frames_per_bin: 1,
            bins: Vec::new(),
            n_frames: 0,
            runs: vec![FullScaleRun::default(); n_channels],
            non_finite_samples: 0,
        }
    }

    /// Adds whole interleaved frames. NaN and infinity are counted, and count as silence.
    pub(super) fn add(&mut self, interleaved: &[f32]) {
        let mut rest = interleaved;
        while rest.len() >= self.n_channels {
            let in_last = self.n_frames % self.frames_per_bin;
            if in_last == 0 {
                if self.bins.len() == self.most_bins * self.n_channels {
                    self.join_pairs();
                }
                self.bins.resize(self.bins.len() + self.n_channels, Bin::default());
            }
            let n_frames = ((self.frames_per_bin - in_last) as usize).min(rest.len() / self.n_channels);
            let (now, later) = rest.split_at(n_frames * self.n_channels);
            rest = later;
            let last = self.bins.len() - self.n_channels;
            for channel in 0..self.n_channels {
                let mut bin = measure(now, channel, self.n_channels);
                if !bin.square_sum.is_finite() {
                    let (finite, n_others) = measure_finite(now, channel, self.n_channels);
                    bin = finite;
                    self.non_finite_samples += n_others;
                }
                let run = &mut self.runs[channel];
                if bin.max_lin.max(-bin.min_lin) >= FULL_SCALE_LIN || run.length > 0 {
                    bin.clipped = run.count(now.iter().skip(channel).step_by(self.n_channels));
                }
                match in_last {
                    0 => self.bins[last + channel] = bin,
                    _ => self.bins[last + channel].join(&bin),
                }
            }
            self.n_frames += n_frames as u64;
        }
    }

    fn join_pairs(&mut self) {
        let n = self.n_channels;
        for pair in 0..self.bins.len() / (2 * n) {
            for channel in 0..n {
                let mut joined = self.bins[2 * pair * n + channel];
                joined.join(&self.bins[(2 * pair + 1) * n + channel]);
                self.bins[pair * n + channel] = joined;
            }
        }
        self.bins.truncate(self.bins.len() / 2);
        self.frames_per_bin *= 2;
    }

    pub(super) const fn n_frames(&self) -> u64 {
        self.n_frames
    }

    pub(super) const fn n_channels(&self) -> usize {
        self.n_channels
    }

    /// Samples that were NaN or infinite.
    pub(super) const fn non_finite_samples(&self) -> u64 {
        self.non_finite_samples
    }

    /// A channel over its whole length.
    pub(super) fn level(&self, channel: usize) -> ChannelLevel {
        let mut whole = Bin::default();
        self.bins.iter().skip(channel).step_by(self.n_channels).for_each(|bin| whole.join(bin));
        ChannelLevel {
            peak_lin: whole.max_lin.max(-whole.min_lin),
            rms_lin: (whole.square_sum / self.n_frames.max(1) as f64).sqrt() as f32,
            clipped_samples: whole.clipped,
        }
    }

    /// A channel in `n_columns` columns over the whole length; none where there is no frame. Fewer frames than columns are
    /// joined by straight lines.
    pub(super) fn columns(&self, channel: usize, n_columns: usize) -> Vec<Column> {
        if self.n_frames == 0 {
            return Vec::new();
        }
        let frames_per_column = self.n_frames as f64 / n_columns as f64;
        let column = |n: usize| {
            let (from, to) = (n as f64 * frames_per_column, (n + 1) as f64 * frames_per_column);
            if self.frames_per_bin == 1 { self.fine_column(channel, from, to) } else { self.column(channel, from, to) }
        };
        (0..n_columns).map(column).collect()
    }

    /// The frames from `from` to `to`: all bins that they touch.
    fn column(&self, channel: usize, from: f64, to: f64) -> Column {
        let per_bin = self.frames_per_bin as f64;
        let n_bins = self.bins.len() / self.n_channels;
        let first = ((from / per_bin) as usize).min(n_bins - 1);
        let end = ((to / per_bin).ceil() as usize).clamp(first + 1, n_bins);
        let mut whole = self.bins[first * self.n_channels + channel];
        for bin in first + 1..end {
            whole.join(&self.bins[bin * self.n_channels + channel]);
        }
        let n_frames = (end as u64 * self.frames_per_bin).min(self.n_frames) - first as u64 * self.frames_per_bin;
        Column {
            min_lin: whole.min_lin,
            max_lin: whole.max_lin,
            rms_lin: (whole.square_sum / n_frames.max(1) as f64).sqrt() as f32,
            is_clipped: whole.clipped > 0,
        }
    }

    /// As [`Self::column`] where every bin is one frame: with the values at both edges, so that columns join.
    fn fine_column(&self, channel: usize, from: f64, to: f64) -> Column {
        let last = self.n_frames as usize - 1;
        let bin = |frame: usize| self.bins[frame.min(last) * self.n_channels + channel];
        let at = |place: f64| {
            let part = place.fract() as f32;
            bin(place as usize).max_lin * (1.0 - part) + bin(place as usize + 1).max_lin * part
        };
        // A frame stands at the middle of the time that it lasts.
        let (from, to) = ((from - 0.5).max(0.0), (to - 0.5).clamp(0.0, last as f64));
        let (first, end) = (from.ceil() as usize, to.floor() as usize + 1);
        let (mut min_lin, mut max_lin) = (at(from).min(at(to)), at(from).max(at(to)));
        let (mut square_sum, mut is_clipped) = (0.0, false);
        for frame in first..end {
            let bin = bin(frame);
            min_lin = min_lin.min(bin.min_lin);
            max_lin = max_lin.max(bin.max_lin);
            square_sum += bin.square_sum;
            is_clipped |= bin.clipped > 0;
        }
        let rms_lin = match end.saturating_sub(first) {
            0 => at((from + to) / 2.0).abs(),
            n => (square_sum / n as f64).sqrt() as f32,
        };
        Column { min_lin, max_lin, rms_lin, is_clipped }
    }
}

impl FullScaleRun {
    /// How many samples are clipped, those of an earlier piece that turn out to be so now included.
    fn count<'a>(&mut self, samples: impl Iterator<Item = &'a f32>) -> u64 {
        let mut clipped = 0;
        for sample in samples {
            let size = sample.abs();
            if size.is_finite() && size >= FULL_SCALE_LIN {
                self.length += 1;
                if size > 1.0 || self.length >= CLIPPED_RUN {
                    clipped += self.length - self.counted;
                    self.counted = self.length;
                }
            } else {
                *self = Self::default();
            }
        }
        clipped
    }
}

/// One channel of some frames, without a look for clipping. The sum is no number where a sample is none.
fn measure(interleaved: &[f32], channel: usize, n_channels: usize) -> Bin {
    let first = interleaved.get(channel).copied().unwrap_or(0.0);
    let mut bin = Bin { min_lin: first, max_lin: first, ..Bin::default() };
    for frame in interleaved.chunks_exact(n_channels) {
        let sample = frame[channel];
        bin.min_lin = if sample < bin.min_lin { sample } else { bin.min_lin };
        bin.max_lin = if sample > bin.max_lin { sample } else { bin.max_lin };
        bin.square_sum += f64::from(sample) * f64::from(sample);
    }
    bin
}

/// As [`measure`], of the samples that are numbers; and how many are none.
fn measure_finite(interleaved: &[f32], channel: usize, n_channels: usize) -> (Bin, u64) {
    let samples = interleaved.chunks_exact(n_channels).map(|frame| frame[channel]);
    let n_others = samples.clone().filter(|sample| !sample.is_finite()).count() as u64;
    let finite: Vec<f32> = samples.map(|sample| if sample.is_finite() { sample } else { 0.0 }).collect();
    (measure(&finite, 0, 1), n_others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(n_channels: u16, n_columns: usize, samples: &[f32], piece: usize) -> Envelope {
        let mut envelope = Envelope::new(ChannelCount::new(n_channels).unwrap(), n_columns);
        samples.chunks(piece * usize::from(n_channels)).for_each(|piece| envelope.add(piece));
        envelope
    }

    /// A ramp in one channel and its negative in the other.
    fn ramps(n_frames: usize) -> Vec<f32> {
        (0..n_frames).flat_map(|n| [n as f32 / n_frames as f32, -(n as f32) / n_frames as f32]).collect()
    }

    #[test]
    fn columns_hold_the_extremes_of_their_frames_however_they_arrive() {
        let n_frames = 1_000_000;
        for piece in [1_000, 4_096, 77_777] {
            let envelope = envelope(2, 100, &ramps(n_frames), piece);
            assert_eq!(envelope.n_frames(), n_frames as u64);
            assert!(envelope.bins.len() <= 2 * envelope.most_bins);
            for (n, column) in envelope.columns(0, 100).iter().enumerate() {
                let (from, to) = (n as f32 / 100.0, (n + 1) as f32 / 100.0);
                assert!((column.min_lin - from).abs() < 1e-4 && (column.max_lin - to).abs() < 1e-4, "{n}: {column:?}");
                let rms = ((to.powi(3) - from.powi(3)) / 3.0 / (to - from)).sqrt();
                assert!((column.rms_lin - rms).abs() < 1e-3, "{n}: {column:?}");
            }
            assert!((envelope.columns(1, 100)[99].min_lin + 1.0).abs() < 1e-4);
            let level = envelope.level(1);
            assert!((level.peak_lin - 1.0).abs() < 1e-5 && (level.rms_lin - 1.0 / 3f32.sqrt()).abs() < 1e-4);
        }
    }

    #[test]
    fn one_loud_sample_in_a_day_is_seen_and_memory_stays_as_it_is() {
        let mut envelope = Envelope::new(ChannelCount::MONO, 1_000);
        let silence = vec![0.0; 1 << 20];
        // 1 h at 48 kHz: the bins are joined a dozen times.
        for n in 0..164 {
            let mut block = silence.clone();
            if n == 82 {
                block[12_345] = -0.75;
            }
            envelope.add(&block);
            assert!(envelope.bins.capacity() <= 2 * envelope.most_bins);
        }
        let columns = envelope.columns(0, 1_000);
        let loud: Vec<usize> = (0..1_000).filter(|&n| columns[n].min_lin == -0.75).collect();
        assert!(loud.len() <= 2 && loud.iter().all(|n| (499..=501).contains(n)), "{loud:?}");
    }

    #[test]
    fn clipping_is_a_run_at_full_scale_or_anything_above() {
        let clipped = |samples: &[f32], piece: usize| envelope(1, 4, samples, piece).level(0).clipped_samples;
        for piece in 1..8 {
            assert_eq!(clipped(&[0.0, 1.0, 1.0, 0.5, -1.0], piece), 0, "two in a row may be a loud sound");
            assert_eq!(clipped(&[0.0, 1.0, 1.0, 1.0, 0.5], piece), 3);
            assert_eq!(clipped(&[-1.0, -1.0, FULL_SCALE_LIN, 1.0, 0.9, 1.0], piece), 4);
            assert_eq!(clipped(&[0.0, 1.2, 0.0, -1.5], piece), 2);
        }
    }

    #[test]
    fn what_is_no_number_is_counted_and_silent() {
        let envelope = envelope(2, 4, &[f32::NAN, 0.5, f32::INFINITY, -0.5, 0.25, f32::NEG_INFINITY], 3);
        assert_eq!(envelope.non_finite_samples(), 3);
        assert_eq!(
            envelope.level(0),
            ChannelLevel { peak_lin: 0.25, rms_lin: (0.0625f32 / 3.0).sqrt(), clipped_samples: 0 }
        );
        assert_eq!(envelope.level(1).peak_lin, 0.5);
    }

    #[test]
    fn few_frames_are_joined_by_lines_and_none_are_no_columns() {
        assert_eq!(envelope(1, 10, &[], 1).columns(0, 10), []);
        let columns = envelope(1, 300, &[0.0, 1.0, 0.0], 1).columns(0, 300);
        assert!(columns[0].max_lin == 0.0 && columns[299].max_lin == 0.0);
        assert!((columns[150].max_lin - 1.0).abs() < 0.02 && (columns[100].max_lin - 0.5).abs() < 0.02);
        for pair in columns.windows(2) {
            assert!(pair[0].max_lin >= pair[1].min_lin && pair[0].min_lin <= pair[1].max_lin, "{pair:?}");
        }
        let one = envelope(1, 10, &[-0.5], 1).columns(0, 10);
        assert!(one.iter().all(|column| column.min_lin == -0.5 && column.max_lin == -0.5));
    }
}
