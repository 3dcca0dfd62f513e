//! The sums of products that are most of a resampler's work: a filter from between its table's phases, laid over the
//! sound of every channel. Knows no rates and keeps no state.
//!
//! For what every machine of the architecture has, and on x86-64 for AVX2 with FMA. It counts in plain loops and has no
//! closures: those are not always inlined into code for other instructions than the rest of the program's, and one that
//! is not costs more than a frame's work.
#![cfg_attr(
    target_arch = "x86_64",
    allow(unsafe_code, reason = "calling what was compiled for a processor's own instructions")
)]

use super::filter::{Filter, Interpolation};
#[cfg(target_arch = "x86_64")]
use super::lanes::Avx2;
use super::lanes::{LANES, Lanes, Portable};
use super::path::Path;
use super::plan::{PLANNED, Plan};

/// Steps of eight that are taken without asking whether there is another.
const GROUP: usize = 4;

/// Taps that a filter has a multiple of.
pub(super) const GROUP_TAPS: usize = GROUP * LANES;

type Group = [[f32; LANES]; GROUP];

/// A group of a table, at the start of a cache line: loads across two lines cost a fifth of the whole.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct AlignedGroup(pub(super) Group);

/// One block's work. `history` has a row of `stride_frames` frames for each channel; the first output frame's filter
/// begins at frame `start_frames` of it, and rows reach as far as the last one's filter.
pub(super) struct Work<'a> {
    pub(super) filter: &'a Filter,
    pub(super) path: Path,
    pub(super) history: &'a [f32],
    pub(super) stride_frames: usize,
    pub(super) start_frames: usize,
    pub(super) channels: usize,
    /// Interleaved.
    pub(super) output: &'a mut [f32],
    /// Where a frame's filter is put together when many channels share it: `taps` values.
    pub(super) taps: &'a mut [f32],
}

/// Which of the compiled bodies runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// On every machine.
    Portable,
    /// On x86-64 with AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(HasAvx2),
}

/// Proof that the processor has AVX2 and FMA: only [`Kernel::best`] makes it.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HasAvx2(());

impl Kernel {
    /// The fastest that this machine can run.
    pub(super) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return Self::Avx2(HasAvx2(()));
        }
        Self::Portable
    }

    /// Does a block's work.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub(super) fn run(self, work: Work<'_>) {
        match self {
            Self::Portable => run_portable(work),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(HasAvx2(())) => {
                // SAFETY: `HasAvx2` exists, so the processor has what `run_avx2` was compiled for.
                unsafe { run_avx2(work) }
            }
        }
    }
}

/// Only the form that compilers make vector instructions of unasked: the other took twice the time in stereo.
fn run_portable(work: Work<'_>) {
    match work.filter.interpolation {
        Interpolation::Linear => run_many::<Portable, 2>(work),
        Interpolation::Cubic => run_many::<Portable, 4>(work),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2(work: Work<'_>) {
    match (work.filter.interpolation, work.channels, work.filter.taps / GROUP_TAPS) {
        // The lengths that filters have unless they are stretched: known ones need no counting.
        (Interpolation::Linear, 1, 1) => run_few::<Avx2, 2, 1, 1>(work),
        (Interpolation::Linear, 2, 1) => run_few::<Avx2, 2, 2, 1>(work),
        (Interpolation::Cubic, 1, 2) => run_few::<Avx2, 4, 1, 2>(work),
        (Interpolation::Cubic, 2, 2) => run_few::<Avx2, 4, 2, 2>(work),
        (Interpolation::Cubic, 1, 4) => run_few::<Avx2, 4, 1, 4>(work),
        (Interpolation::Cubic, 2, 4) => run_few::<Avx2, 4, 2, 4>(work),
        (Interpolation::Linear, 1, _) => run_few::<Avx2, 2, 1, ANY>(work),
        (Interpolation::Linear, 2, _) => run_few::<Avx2, 2, 2, ANY>(work),
        (Interpolation::Cubic, 1, _) => run_few::<Avx2, 4, 1, ANY>(work),
        (Interpolation::Cubic, 2, _) => run_few::<Avx2, 4, 2, ANY>(work),
        (Interpolation::Linear, ..) => run_many::<Avx2, 2>(work),
        (Interpolation::Cubic, ..) => run_many::<Avx2, 4>(work),
    }
}

/// A filter's length that is not known before.
#[cfg(target_arch = "x86_64")]
const ANY: usize = 0;

/// Every channel at once, and coefficients used as soon as they are there.
#[cfg(target_arch = "x86_64")]
#[expect(clippy::needless_range_loop, reason = "plain loops: see the top")]
#[inline(always)]
fn run_few<L: Lanes, const POINTS: usize, const CHANNELS: usize, const GROUPS: usize>(work: Work<'_>) {
    let n_groups = if GROUPS == ANY { work.filter.taps / GROUP_TAPS } else { GROUPS };
    let table = &work.filter.rows[..];
    let mut sound = [work.history; CHANNELS];
    for (channel, sound) in sound.iter_mut().enumerate() {
        *sound = &work.history[channel * work.stride_frames + work.start_frames..];
    }
    let mut plan = Plan::<POINTS>::new(work.filter);
    let frames = work.output.as_chunks_mut::<CHANNELS>().0;
    for (index, frames) in frames.chunks_mut(PLANNED).enumerate() {
        plan.make(&work.path, index * PLANNED);
        for (index, frame) in frames.iter_mut().enumerate() {
            let (row, weights) = plan.at::<L>(index);
            let rows = &table[row * n_groups..][..POINTS * n_groups];
            let begin = plan.begins[index] as usize;
            let mut sums = [L::splat(0.0); CHANNELS];
            let mut heard: [&[Group]; CHANNELS] = [&[]; CHANNELS];
            for channel in 0..CHANNELS {
                heard[channel] = &groups(&sound[channel][begin..][..n_groups * GROUP_TAPS])[..n_groups];
            }
            for group in 0..n_groups {
                for k in 0..GROUP {
                    let taps = between(rows, n_groups, &weights, group, k);
                    for channel in 0..CHANNELS {
                        sums[channel] = L::load(&heard[channel][group][k]).multiply_add(taps, sums[channel]);
                    }
                }
            }
            for channel in 0..CHANNELS {
                frame[channel] = sums[channel].total();
            }
        }
    }
}

/// Coefficients first, then one channel behind the other.
#[inline(always)]
fn run_many<L: Lanes, const POINTS: usize>(work: Work<'_>) {
    let n_taps = work.filter.taps;
    let n_groups = n_taps / GROUP_TAPS;
    let table = &work.filter.rows[..];
    let all_taps = &mut groups_mut(work.taps)[..n_groups];
    let mut plan = Plan::<POINTS>::new(work.filter);
    for (index, frames) in work.output.chunks_mut(PLANNED * work.channels).enumerate() {
        plan.make(&work.path, index * PLANNED);
        for (index, frame) in frames.chunks_exact_mut(work.channels).enumerate() {
            let (row, weights) = plan.at::<L>(index);
            let rows = &table[row * n_groups..][..POINTS * n_groups];
            for (group, taps) in all_taps.iter_mut().enumerate() {
                for (k, taps) in taps.iter_mut().enumerate() {
                    between(rows, n_groups, &weights, group, k).store(taps);
                }
            }
            let begin = work.start_frames + plan.begins[index] as usize;
            for (sample, sound) in frame.iter_mut().zip(work.history.chunks_exact(work.stride_frames)) {
                let heard = groups(&sound[begin..][..n_taps]);
                let mut sum = L::splat(0.0);
                for (heard, taps) in heard.iter().zip(&*all_taps) {
                    for (heard, taps) in heard.iter().zip(taps) {
                        sum = L::load(heard).multiply_add(L::load(taps), sum);
                    }
                }
                *sample = sum.total();
            }
        }
    }
}

/// Eight of the filter's coefficients.
#[inline(always)]
fn between<L: Lanes, const POINTS: usize>(
    rows: &[AlignedGroup],
    n_groups: usize,
    weights: &[L; POINTS],
    group: usize,
    k: usize,
) -> L {
    let mut taps = L::load(&rows[group].0[k]).multiply(weights[0]);
    for point in 1..POINTS {
        taps = L::load(&rows[point * n_groups + group].0[k]).multiply_add(weights[point], taps);
    }
    taps
}

#[inline(always)]
fn groups(samples: &[f32]) -> &[Group] {
    samples.as_chunks().0.as_chunks().0
}

#[inline(always)]
fn groups_mut(samples: &mut [f32]) -> &mut [Group] {
    samples.as_chunks_mut().0.as_chunks_mut().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quality;

    fn run(kernel: Kernel, filter: &Filter, channels: usize, from: f64, to: f64) -> Vec<f32> {
        const FRAMES: usize = 100;
        let path = Path::new(0.999, from, to, FRAMES);
        let (start_frames, stride_frames) = (1, filter.taps + path.end().whole + 1);
        // Noise, by a linear congruential generator (Knuth, MMIX).
        let mut state = 1u64;
        let mut history = vec![0.0; channels * stride_frames];
        for sample in &mut history {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *sample = (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        }
        let mut output = vec![f32::NAN; channels * FRAMES];
        let (history, output_now, taps) = (&history, &mut output, &mut vec![0.0; filter.taps]);
        kernel.run(Work { filter, path, history, stride_frames, start_frames, channels, output: output_now, taps });
        output
    }

    #[test]
    fn all_kernels_and_channel_counts_say_the_same() {
        for quality in [Quality::Fast, Quality::Balanced, Quality::Best] {
            for (in_hz, out_hz) in [(48e3, 48e3), (44.1e3, 48e3), (96e3, 44.1e3)] {
                let filter = Filter::new(quality, in_hz, out_hz);
                let (from, to) = (in_hz / out_hz, in_hz / out_hz * 1.01);
                for channels in [1, 2, 3, 8] {
                    let best = run(Kernel::best(), &filter, channels, from, to);
                    let portable = run(Kernel::Portable, &filter, channels, from, to);
                    for (index, (a, b)) in best.iter().zip(&portable).enumerate() {
                        assert!((a - b).abs() < 1e-6, "{quality} {in_hz} {channels}: sample {index}, {a} {b}");
                    }
                    // The first channel's noise is the same in all.
                    let single = run(Kernel::best(), &filter, 1, from, to);
                    for (a, b) in best.iter().step_by(channels).zip(single) {
                        assert!((a - b).abs() < 1e-6);
                    }
                }
            }
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_fast_kernel_is_chosen_where_it_can_run() {
        let can = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
        assert_eq!(Kernel::best() != Kernel::Portable, can);
    }
}
