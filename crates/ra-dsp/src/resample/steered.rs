//! The real-time resampler whose rate follows a clock, and whose read position is known exactly. Does not find out what
//! the rate should be.
//!
//! A windowed sinc from a table of phases, interpolated for every output frame (J. O. Smith, "Digital Audio Resampling",
//! CCRMA, Stanford University). Why not a library's: docs/adr/0005-own-steered-resampler.md.

mod filter;
mod kernel;
mod lanes;
mod path;
mod plan;

use std::ops::RangeInclusive;

use ra_core::SampleRate;

use crate::error::check_range;
use crate::{DspError, Quality};
use filter::Filter;
use kernel::{Kernel, Work};
use path::Path;

/// The most samples that a resampler keeps, 1 GiB: far beyond what sound needs, and below what a machine refuses.
const MAX_SAMPLES: f64 = (1 << 28) as f64;

/// Resamples a clocked source block by block, at a rate that glides.
///
/// Tones of −1 dBFS at equal rates of 48 kHz, held at +300 ppm and wandering by 10 ppm within 600 s alike (level; all
/// that is not the tone at the places where it says that it reads), and what a frame costs in mono and stereo, at 128
/// frames, on x86-64 with AVX2 at 2.6 GHz (`cargo run --release -p ra-dsp --example steered`):
///
/// | quality | 1 kHz | 10 kHz | 18 kHz | 20 kHz | −6 dB at | cost | latency |
/// |---|---|---|---|---|---|---|---|
/// | fast | 0.000 dB; −98 dB | 0.000 dB; −99 dB | −0.001 dB; −96 dB | −0.10 dB; −95 dB | 23.0 kHz | 4.1, 5.1 ns | 16 frames |
/// | balanced | 0.000 dB; −131 dB | 0.000 dB; −129 dB | 0.000 dB; −129 dB | 0.000 dB; −125 dB | 22.8 kHz | 11, 12 ns | 32 frames |
/// | best | 0.000 dB; −140 dB | 0.000 dB; −140 dB | 0.000 dB; −140 dB | 0.000 dB; −140 dB | 22.2 kHz | 18, 21 ns | 64 frames |
///
/// From 44.1 kHz it costs the same; from 96 kHz, where the filter is twice as long, 8.5, 21 and 39 ns in stereo. Without
/// AVX2, 23, 42 and 70 ns. More channels share most of the work: 8 cost 2.9, 5.5 and 10 ns each.
///
/// All frequencies, and the latency in frames, go with the lower of the two rates, but that at `best` and 44.1 kHz 20
/// kHz still pass within 0.01 dB. At `best`, all that would fold back from half the lower rate up is at least 130 dB
/// down (at 44.1 kHz: all that would fold to below 20.7 kHz); at `fast` and `balanced` the filter falls on both sides of
/// that half.
///
/// # Examples
/// ```
/// use ra_core::{Ppm, SampleRate};
/// use ra_dsp::{Quality, SteeredResampler};
///
/// let rate = SampleRate::HZ_48000;
/// let mut resampler = SteeredResampler::new(1, rate, rate, 128, Quality::Balanced)?;
/// let drift = Ppm(50.0).ratio();
/// let input = vec![0.0; resampler.input_frames_next(drift)];
/// let mut output = [0.0; 128];
/// resampler.process(&input, drift, &mut output)?;
/// # Ok::<(), ra_dsp::DspError>(())
/// ```
pub struct SteeredResampler {
    channels: usize,
    out_frames: usize,
    /// Input frames per output frame at a rate of 1.
    nominal_step: f64,
    filter: Filter,
    kernel: Kernel,
    /// A row of `stride_frames` for each channel. What the next output frame's filter lies over begins at frame
    /// `start_frames`, and its middle, the whole frame at or behind the read position, half a filter further.
    history: Vec<f32>,
    stride_frames: usize,
    start_frames: usize,
    /// Frames in each row: a filter's length, or 0 after a restart.
    held_frames: usize,
    /// How far the read position is before its whole frame: 0 to below 1.
    gap_frames: f64,
    rate: f64,
    /// The kernel's working space.
    taps: Vec<f32>,
}

impl SteeredResampler {
    /// The rates that it can be steered to, in input frames per nominal input frame.
    ///
    /// The filter is made for a rate of 1. Far above it, what lies near half the output's rate folds back.
    pub const RATE_RANGE: RangeInclusive<f64> = 0.5..=2.0;

    /// Builds a resampler from `in_rate` to `out_rate` that gives `out_frames` frames of `channels` samples at a time.
    /// Rates may be equal: that is what steering is for. It begins as if by [`SteeredResampler::restart`] at 0 and 1.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    ///
    /// # Errors
    /// [`DspError::Setting`] for a channel count or block length out of range, or if the three together with the rates
    /// need more than 1 GiB.
    pub fn new(
        channels: usize,
        in_rate: SampleRate,
        out_rate: SampleRate,
        out_frames: usize,
        quality: Quality,
    ) -> Result<Self, DspError> {
        check_range("a channel count", channels as f64, 1.0..=f64::from(ra_core::ChannelCount::MAX), "")?;
        check_range("a block", out_frames as f64, 1.0..=65_536.0, " frames")?;
        let (in_hz, out_hz) = (f64::from(in_rate.hz()), f64::from(out_rate.hz()));
        let filter = Filter::new(quality, in_hz, out_hz);
        let mut resampler = Self {
            channels,
            out_frames,
            nominal_step: in_hz / out_hz,
            kernel: Kernel::best(),
            history: Vec::new(),
            stride_frames: 0,
            start_frames: 0,
            held_frames: 0,
            gap_frames: 0.0,
            rate: 1.0,
            taps: vec![0.0; filter.taps],
            filter,
        };
        // One more for the start.
        resampler.stride_frames = resampler.filter.taps + resampler.max_input_frames() + 1;
        let n_samples = resampler.stride_frames * channels;
        check_range("a resampler's memory", n_samples as f64, 1.0..=MAX_SAMPLES, " samples")?;
        resampler.history = vec![0.0; n_samples];
        Ok(resampler)
    }

    /// The input frames that are needed on either side of a read position: half of the filter's length. Constant.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn reach_frames(&self) -> usize {
        self.filter.taps / 2
    }

    /// [`SteeredResampler::reach_frames`] as a duration, in output frames: an output frame can be told this much after
    /// its place in the input (and up to one input frame more, as input comes in whole frames). Constant.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn latency_out_frames(&self) -> f64 {
        self.reach_frames() as f64 / self.nominal_step
    }

    /// The most that [`SteeredResampler::input_frames_next`] ever returns.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn max_input_frames(&self) -> usize {
        let advance = self.out_frames as f64 * self.nominal_step * Self::RATE_RANGE.end();
        // After a restart a whole filter, and a frame for either end's fraction.
        advance.ceil() as usize + self.filter.taps + 2
    }

    /// The frames that each block gives.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn output_frames(&self) -> usize {
        self.out_frames
    }

    /// Forgets all sound. The next output frame is read `fraction` of a frame (0 to 1) behind input frame
    /// [`SteeredResampler::reach_frames`], counted from 0, of those pushed from now on: who wants to hear the input from
    /// a certain frame on pushes that many frames before it too. `rate` is what the next block begins with; taken as in
    /// [`SteeredResampler::process`].
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn restart(&mut self, fraction: f64, rate: f64) {
        debug_assert!((0.0..=1.0).contains(&fraction), "a fraction of a frame");
        let gap_frames = 1.0 - fraction.clamp(0.0, 1.0);
        // NaN counts as no fraction.
        (self.start_frames, self.gap_frames) = if gap_frames < 1.0 { (1, gap_frames) } else { (0, 0.0) };
        self.held_frames = 0;
        self.rate = self.taken(rate);
    }

    /// The input frames that the next [`SteeredResampler::process`] with this `rate_end` takes.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn input_frames_next(&self, rate_end: f64) -> usize {
        self.frames_for(&self.path(self.taken(rate_end)))
    }

    /// Resamples [`SteeredResampler::input_frames_next`] frames into [`SteeredResampler::output_frames`], all
    /// interleaved.
    ///
    /// The rate is input frames per nominal input frame: 1.0001 for a source that runs 100 ppm fast. It runs in a
    /// straight line from where the last block ended to `rate_end`, which the next block's first frame has: output
    /// frame `i` of `n` is read `step·i + (step_end − step)·i²/2n` input frames behind the first, a step being
    /// `in_hz / out_hz · rate`. `rate_end` is bounded by [`SteeredResampler::RATE_RANGE`]; NaN leaves the rate as it is.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    ///
    /// # Errors
    /// [`DspError::BlockLength`] if a block has another length: nothing is consumed, and `output` is not written.
    pub fn process(&mut self, input: &[f32], rate_end: f64, output: &mut [f32]) -> Result<(), DspError> {
        let rate_end = self.taken(rate_end);
        let path = self.path(rate_end);
        let n_new = self.frames_for(&path);
        check_length("an input block", input.len(), n_new * self.channels)?;
        check_length("an output block", output.len(), self.out_frames * self.channels)?;
        self.take_in(input);
        self.kernel.run(Work {
            filter: &self.filter,
            path,
            history: &self.history,
            stride_frames: self.stride_frames,
            start_frames: self.start_frames,
            channels: self.channels,
            output,
            taps: &mut self.taps,
        });
        // What the next frame's filter lies over goes to the front.
        let (n_taps, end) = (self.filter.taps, path.end());
        let begin = self.start_frames + end.whole;
        for row in self.history.chunks_exact_mut(self.stride_frames) {
            row.copy_within(begin..begin + n_taps, 0);
        }
        self.start_frames = 0;
        self.held_frames = n_taps;
        self.gap_frames = end.gap;
        self.rate = rate_end;
        Ok(())
    }

    /// How far before the first input frame that was not pushed yet the next output frame is read, in input frames: at
    /// least [`SteeredResampler::reach_frames`] and less than one more, except after a restart, when it is not above
    /// minus that. It is what is used, not an account of it: no rounding comes between the two, however long it runs.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn lead_frames(&self) -> f64 {
        self.held_frames as f64 - (self.start_frames + self.reach_frames()) as f64 + self.gap_frames
    }

    /// The rate at the end of the last block.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    fn taken(&self, rate: f64) -> f64 {
        if rate.is_nan() { self.rate } else { rate.clamp(*Self::RATE_RANGE.start(), *Self::RATE_RANGE.end()) }
    }

    fn path(&self, rate_end: f64) -> Path {
        Path::new(self.gap_frames, self.nominal_step * self.rate, self.nominal_step * rate_end, self.out_frames)
    }

    /// So many that the next block's first frame has all it needs already.
    fn frames_for(&self, path: &Path) -> usize {
        self.start_frames + path.end().whole + self.filter.taps - self.held_frames
    }

    /// Puts interleaved sound behind what each row holds.
    fn take_in(&mut self, input: &[f32]) {
        let held_frames = self.held_frames;
        let mut rows = self.history.chunks_exact_mut(self.stride_frames).map(|row| &mut row[held_frames..]);
        if self.channels == 2
            && let (Some(left), Some(right)) = (rows.next(), rows.next())
        {
            for (([l, r], left), right) in input.as_chunks().0.iter().zip(left).zip(right) {
                (*left, *right) = (*l, *r);
            }
            return;
        }
        for (channel, row) in rows.enumerate() {
            let samples = input.iter().skip(channel).step_by(self.channels);
            for (held, &sample) in row.iter_mut().zip(samples) {
                *held = sample;
            }
        }
    }
}

impl std::fmt::Debug for SteeredResampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SteeredResampler")
            .field("channels", &self.channels)
            .field("nominal_step", &self.nominal_step)
            .field("out_frames", &self.out_frames)
            .field("taps", &self.filter.taps)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

fn check_length(what: &'static str, actual: usize, expected: usize) -> Result<(), DspError> {
    if actual == expected { Ok(()) } else { Err(DspError::BlockLength { what, actual, expected }) }
}
