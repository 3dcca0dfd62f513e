//! The real-time resampler whose ratio follows a clock. Does not find out what the ratio should be.
//!
//! Built on rubato's asynchronous sinc resampler with a fixed output size. Two things are added. Its phase at the
//! start is whatever its filter length and table make it, a fraction of a frame that differs with rates and quality;
//! here a few frames of silence, run through it by the constructor at a slightly different ratio, turn the phase
//! until the latency is a whole number of output frames. And correction is bounded and total: no value makes it fail.

use audioadapter_buffers::direct::InterleavedSlice;
use ra_core::{Ppm, SampleRate};
use rubato::{
    Adjustable, Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType, WindowFunction,
};

use crate::error::check_range;
use crate::{DspError, Quality};

/// What rubato is told to allow: the corrections, and room for the constructor's turning of the phase.
const MAX_RELATIVE_RATIO: f64 = 1.05;

/// The least number of input frames of silence over which the phase is turned: by half a frame at most, so that 1/256
/// of ratio does it.
const TURNING_FRAMES: f64 = 128.0;

/// The distance in frames that the phase keeps from a whole input frame, where rounding would decide how much is read.
const PHASE_MARGIN: f64 = 1e-6;

/// Resamples a clocked source block by block, by a ratio that may be corrected before each block.
///
/// A tone at 1, 10 and 20 kHz in stereo, at equal rates with a correction of 300 ppm, as measured with rubato 5.0.1 on
/// x86-64 (level; distortion and noise; ns per frame at 128 frames):
///
/// | quality | 1 kHz | 10 kHz | 20 kHz | cost | latency |
/// |---|---|---|---|---|---|
/// | fast | 0.000 dB; −138 dB | 0.000 dB; −118 dB | −6.2 dB; −85 dB | 33 ns | 16 frames |
/// | balanced | 0.000 dB; −136 dB | 0.000 dB; −131 dB | 0.000 dB; −120 dB | 50 ns | 64 frames |
/// | best | 0.000 dB; −135 dB | 0.000 dB; −135 dB | 0.000 dB; −136 dB | 105 ns | 128 frames |
///
/// From 44.1 to 48 kHz and back, the −6 dB point is at 18, 20.7 and 20.9 kHz, and 20 kHz passes at `best` within 0.01
/// dB.
///
/// # Examples
/// ```
/// use ra_core::{Ppm, SampleRate};
/// use ra_dsp::{Quality, SteeredResampler};
///
/// let rate = SampleRate::HZ_48000;
/// let mut resampler = SteeredResampler::new(1, rate, rate, 128, Quality::Balanced)?;
/// resampler.set_ratio_correction(Ppm(50.0));
/// let input = vec![0.0; resampler.input_frames_next()];
/// let mut output = [0.0; 128];
/// resampler.process(&input, &mut output)?;
/// # Ok::<(), ra_dsp::DspError>(())
/// ```
pub struct SteeredResampler {
    inner: Async<f32>,
    channels: usize,
    out_frames: usize,
    latency_frames: usize,
    /// Frames of silence that the next block begins with, before what is pushed: left over from the turning of the
    /// phase. Not 0 for the first block only.
    lead_frames: usize,
    /// Where the first block is put together.
    scratch: Vec<f32>,
}

/// How the phase is turned.
struct Turn {
    /// Steps of the interpolator through silence.
    n_steps: usize,
    /// Input frames per step while turning.
    step: f64,
    /// Input frames of silence that the steps must have used up.
    n_silent: usize,
    lead_frames: usize,
    latency_frames: usize,
}

impl SteeredResampler {
    /// The most that a ratio can be corrected by, either way: 2 %.
    pub const MAX_CORRECTION: Ppm = Ppm(20_000.0);

    /// Builds a resampler from `in_rate` to `out_rate` that gives `max_out_frames` frames of `channels` samples at a
    /// time. Rates may be equal: that is what steering is for.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    ///
    /// # Errors
    /// [`DspError::Setting`] for a channel count or block length out of range, [`DspError::Resampler`] if rubato
    /// refuses the rates.
    pub fn new(
        channels: usize,
        in_rate: SampleRate,
        out_rate: SampleRate,
        max_out_frames: usize,
        quality: Quality,
    ) -> Result<Self, DspError> {
        check_range("a channel count", channels as f64, 1.0..=f64::from(ra_core::ChannelCount::MAX), "")?;
        check_range("a block", max_out_frames as f64, 1.0..=65_536.0, " frames")?;
        let refused = |cause: Box<dyn std::error::Error + Send + Sync>| DspError::Resampler {
            in_hz: in_rate.hz(),
            out_hz: out_rate.hz(),
            cause,
        };
        let parameters = parameters(quality);
        let ratio = f64::from(out_rate.hz()) / f64::from(in_rate.hz());
        let fixed = FixedAsync::Output;
        let mut inner = Async::new_sinc(ratio, MAX_RELATIVE_RATIO, &parameters, max_out_frames, channels, fixed)
            .map_err(|cause| refused(cause.into()))?;
        let turn = Turn::plan(&parameters, 1.0 / ratio, max_out_frames);
        let mut scratch = vec![0.0; inner.input_frames_max() * channels];
        let mut output = vec![0.0; max_out_frames * channels];
        inner.set_resample_ratio(1.0 / turn.step, false).map_err(|cause| refused(cause.into()))?;
        let mut n_silent = 0;
        for _ in 0..turn.n_steps / max_out_frames {
            let n_frames = inner.input_frames_next();
            run(&mut inner, channels, &scratch[..n_frames * channels], &mut output)?;
            n_silent += n_frames;
        }
        inner.set_resample_ratio(ratio, false).map_err(|cause| refused(cause.into()))?;
        if n_silent != turn.n_silent {
            return Err(refused("the start could not be aligned".into()));
        }
        scratch.fill(0.0);
        Ok(Self {
            inner,
            channels,
            out_frames: max_out_frames,
            latency_frames: turn.latency_frames,
            lead_frames: turn.lead_frames,
            scratch,
        })
    }

    /// The frames that the next [`SteeredResampler::process`] takes. Ask after
    /// [`SteeredResampler::set_ratio_correction`], which changes it.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn input_frames_next(&self) -> usize {
        // The phase leaves at least one frame more than the lead for the first block.
        self.inner.input_frames_next() - self.lead_frames
    }

    /// The most that [`SteeredResampler::input_frames_next`] ever returns.
    pub fn max_input_frames(&self) -> usize {
        self.inner.input_frames_max()
    }

    /// The frames that each block gives.
    pub fn output_frames(&self) -> usize {
        self.out_frames
    }

    /// Corrects the ratio for a source that runs fast (positive) or slow (negative) by `drift`: at +100 ppm, 1.0001
    /// times as many input frames go into each output frame. The ratio moves to it in a straight line (in input
    /// frames per output frame) over the next block, and stays.
    ///
    /// Returns the correction that was taken: bounded by [`SteeredResampler::MAX_CORRECTION`]; NaN is taken as none.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn set_ratio_correction(&mut self, drift: Ppm) -> Ppm {
        let limit = Self::MAX_CORRECTION.0;
        let taken = if drift.0.is_nan() { Ppm(0.0) } else { Ppm(drift.0.clamp(-limit, limit)) };
        let set = self.inner.set_resample_ratio_relative(1.0 / taken.ratio(), true);
        debug_assert!(set.is_ok(), "within what the constructor asked for");
        taken
    }

    /// Resamples [`SteeredResampler::input_frames_next`] frames into [`SteeredResampler::output_frames`], all
    /// interleaved.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    ///
    /// # Errors
    /// [`DspError::BlockLength`] if a block has another length: nothing is consumed, and `output` is not written.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) -> Result<(), DspError> {
        check_length("an input block", input.len(), self.input_frames_next() * self.channels)?;
        check_length("an output block", output.len(), self.out_frames * self.channels)?;
        if self.lead_frames == 0 {
            return run(&mut self.inner, self.channels, input, output);
        }
        let lead = self.lead_frames * self.channels;
        self.scratch[lead..lead + input.len()].copy_from_slice(input);
        run(&mut self.inner, self.channels, &self.scratch[..lead + input.len()], output)?;
        self.lead_frames = 0;
        Ok(())
    }

    /// The delay in output frames: the first frame ever pushed stands at exactly this output frame (without
    /// correction). Constant.
    pub fn latency_frames(&self) -> usize {
        self.latency_frames
    }
}

impl std::fmt::Debug for SteeredResampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SteeredResampler")
            .field("channels", &self.channels)
            .field("ratio", &self.inner.resample_ratio())
            .field("out_frames", &self.out_frames)
            .field("latency_frames", &self.latency_frames)
            .finish_non_exhaustive()
    }
}

/// Found by measuring filter lengths of 32 to 320 with each of rubato's windows and interpolations: of those at a
/// like cost, the ones with the least distortion at 20 kHz. (Polynomials cost the same as the shortest sinc, and
/// leave images at −11 dB.)
fn parameters(quality: Quality) -> SincInterpolationParameters {
    use SincInterpolationType::{Cubic, Linear};
    let (length, window, steps, interpolation) = match quality {
        Quality::Fast => (32, WindowFunction::Hann2, 256, Linear),
        Quality::Balanced => (128, WindowFunction::BlackmanHarris, 512, Linear),
        Quality::Best => (256, WindowFunction::BlackmanHarris2, 128, Cubic),
    };
    SincInterpolationParameters::new(length, window).oversampling_factor(steps).interpolation(interpolation)
}

impl Turn {
    /// `step` is input frames per output frame.
    ///
    /// rubato (5.0.1, asynchro.rs and sinc.rs) starts at index −(L−1) for a filter of L taps, steps before each
    /// output frame, and reads up to L frames ahead; index i, counted from the next frame to be read, sounds as the
    /// input does at i + L/2 − 1 + 1/S, S being the table's steps per frame. After any number of steps the index is
    /// −L−f with 0 ≤ f < 1. So the next output frame is at −L−f + L/2−1+1/S + step, and that must be −latency·step
    /// before the first pushed frame, `lead_frames` of silence included.
    fn plan(parameters: &SincInterpolationParameters, step: f64, chunk_frames: usize) -> Self {
        let length = parameters.sinc_len as f64;
        let reach = length / 2.0 + 1.0 - 1.0 / parameters.oversampling_factor as f64;
        let mut latency_frames = (reach / step - 1.0).ceil().max(0.0);
        let mut past = (latency_frames + 1.0) * step - reach;
        // A distance from a whole frame that is too small at one latency is larger at the next, except by a rare
        // chance.
        for _ in 0..1000 {
            if (PHASE_MARGIN..=1.0 - PHASE_MARGIN).contains(&past.fract()) && past >= 0.0 {
                break;
            }
            latency_frames += 1.0;
            past = (latency_frames + 1.0) * step - reach;
        }
        let n_chunks = (TURNING_FRAMES / step / chunk_frames as f64).ceil().max(1.0);
        let n_steps = n_chunks * chunk_frames as f64;
        // Steps from −(L−1) to −L−f, having read n_silent frames: n_steps·step = n_silent − 1 − f.
        let n_silent = (n_steps * step + 1.0 + past.fract()).round();
        Self {
            n_steps: n_steps as usize,
            step: (n_silent - 1.0 - past.fract()) / n_steps,
            n_silent: n_silent as usize,
            lead_frames: past.floor() as usize,
            latency_frames: latency_frames as usize,
        }
    }
}

fn check_length(what: &'static str, actual: usize, expected: usize) -> Result<(), DspError> {
    if actual == expected { Ok(()) } else { Err(DspError::BlockLength { what, actual, expected }) }
}

fn run(inner: &mut Async<f32>, channels: usize, input: &[f32], output: &mut [f32]) -> Result<(), DspError> {
    let (n_in, n_out) = (input.len() / channels, output.len() / channels);
    let from = InterleavedSlice::new(input, channels, n_in).map_err(|_| DspError::ResamplerRefused)?;
    let mut to = InterleavedSlice::new_mut(output, channels, n_out).map_err(|_| DspError::ResamplerRefused)?;
    inner.process_into_buffer(&from, &mut to, None).map_err(|_| DspError::ResamplerRefused)?;
    Ok(())
}
