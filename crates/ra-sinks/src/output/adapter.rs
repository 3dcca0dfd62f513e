//! From a bus's format to a device's: channels by routing, rates by resampling. Knows no ring and no device.

use ra_core::StreamSpec;
use ra_dsp::{DspError, GainMatrix, MonoLaw, Quality, SteeredResampler, routing_gains};

/// Frames that the resampler gives at a time.
pub(super) const CHUNK_FRAMES: usize = 128;
/// The rate of a device that nobody follows.
const NOMINAL: f64 = 1.0;

/// Converts blocks, in order. May allocate: it runs on the sink's thread.
pub(super) struct Adapter {
    router: Option<Router>,
    rates: Option<Rates>,
}

struct Router {
    n_in: usize,
    n_out: usize,
    matrix: GainMatrix,
    sums: Vec<f64>,
    routed: Vec<f32>,
}

struct Rates {
    // The device's clock is its own, and nobody follows it yet: at equal rates the cushion runs full or dry in the end,
    // which is counted. Following it is a later issue's: its rate goes into `process` here, and then there is a resampler
    // at equal rates too.
    resampler: SteeredResampler,
    channels: usize,
    pending: Vec<f32>,
    chunk: Vec<f32>,
    converted: Vec<f32>,
}

impl Adapter {
    /// A converter from `bus` to `device`. One channel goes to the first two at unity, two to one at half each, others by
    /// their numbers.
    pub(super) fn new(bus: StreamSpec, device: StreamSpec, quality: Quality) -> Result<Self, DspError> {
        let (n_in, n_out) = (bus.channels.get(), device.channels.get());
        let router = (n_in != n_out).then(|| {
            let mut matrix = GainMatrix::new(n_in, n_out);
            matrix.set_targets(&routing_gains(n_in, n_out, 1.0, 0.0, MonoLaw::Unity), 0);
            Router { n_in, n_out, matrix, sums: Vec::new(), routed: Vec::new() }
        });
        let rates = if bus.sample_rate == device.sample_rate {
            None
        } else {
            let resampler = SteeredResampler::new(n_out, bus.sample_rate, device.sample_rate, CHUNK_FRAMES, quality)?;
            Some(Rates {
                channels: n_out,
                // The silence before the first frame, which its filter reaches back to.
                pending: vec![0.0; resampler.reach_frames() * n_out],
                resampler,
                chunk: vec![0.0; CHUNK_FRAMES * n_out],
                converted: Vec::new(),
            })
        };
        Ok(Self { router, rates })
    }

    /// Converts a block. What comes out may be a little before or behind it, and nothing at times.
    pub(super) fn convert<'a>(&'a mut self, samples: &'a [f32]) -> Result<&'a [f32], DspError> {
        let routed = match &mut self.router {
            Some(router) => router.route(samples),
            None => samples,
        };
        match &mut self.rates {
            Some(rates) => rates.resample(routed),
            None => Ok(routed),
        }
    }

    /// What is left in the resampler when no block follows.
    pub(super) fn tail(&mut self) -> Result<&[f32], DspError> {
        match &mut self.rates {
            Some(rates) => {
                // What its filter reaches ahead for, and a chunk that is not full.
                let n_frames = rates.resampler.reach_frames() + rates.resampler.input_frames_next(NOMINAL) + 1;
                let silence = vec![0.0; n_frames * rates.channels];
                rates.resample(&silence)
            }
            None => Ok(&[]),
        }
    }
}

impl Router {
    fn route(&mut self, samples: &[f32]) -> &[f32] {
        self.sums.clear();
        self.sums.resize(samples.len() / self.n_in * self.n_out, 0.0);
        self.matrix.mix_into(samples, &mut self.sums);
        self.routed.clear();
        self.routed.extend(self.sums.iter().map(|&sum| sum as f32));
        &self.routed
    }
}

impl Rates {
    fn resample(&mut self, samples: &[f32]) -> Result<&[f32], DspError> {
        self.pending.extend_from_slice(samples);
        self.converted.clear();
        let mut n_used = 0;
        loop {
            let n_next = self.resampler.input_frames_next(NOMINAL) * self.channels;
            let Some(input) = self.pending.get(n_used..n_used + n_next) else { break };
            self.resampler.process(input, NOMINAL, &mut self.chunk)?;
            self.converted.extend_from_slice(&self.chunk);
            n_used += n_next;
        }
        self.pending.drain(..n_used);
        Ok(&self.converted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(hz: u32, channels: u16) -> StreamSpec {
        StreamSpec::new(hz, channels).unwrap()
    }

    #[test]
    fn the_same_format_passes_untouched() {
        let mut adapter = Adapter::new(spec(48_000, 2), spec(48_000, 2), Quality::Balanced).unwrap();
        assert_eq!(adapter.convert(&[0.1, 0.2, 0.3, 0.4]).unwrap(), [0.1, 0.2, 0.3, 0.4]);
        assert!(adapter.tail().unwrap().is_empty());
    }

    #[test]
    fn channels_are_routed() {
        let route = |n_in, n_out, samples: &[f32]| {
            let mut adapter = Adapter::new(spec(48_000, n_in), spec(48_000, n_out), Quality::Balanced).unwrap();
            adapter.convert(samples).unwrap().to_vec()
        };
        assert_eq!(route(1, 2, &[0.5, -0.25]), [0.5, 0.5, -0.25, -0.25]);
        assert_eq!(route(2, 1, &[0.5, 0.25, -1.0, 1.0]), [0.375, 0.0]);
        assert_eq!(route(2, 4, &[0.5, 0.25]), [0.5, 0.25, 0.0, 0.0]);
        assert_eq!(route(3, 2, &[0.5, 0.25, 0.125]), [0.5, 0.25]);
    }

    #[test]
    fn another_rate_is_resampled_and_no_frame_of_it_is_lost() {
        let mut adapter = Adapter::new(spec(44_100, 1), spec(48_000, 2), Quality::Best).unwrap();
        let hz = 997.0;
        let tone = |i: usize, rate: f64| 0.5 * (std::f64::consts::TAU * hz * i as f64 / rate).sin();
        let mut out = Vec::new();
        for block in (0..44_100).collect::<Vec<_>>().chunks(128) {
            let samples: Vec<f32> = block.iter().map(|&i| tone(i, 44_100.0) as f32).collect();
            out.extend_from_slice(adapter.convert(&samples).unwrap());
        }
        out.extend_from_slice(adapter.tail().unwrap());
        assert!(out.len() / 2 >= 48_000, "{} frames", out.len() / 2);
        for i in 1_000..47_000 {
            let (left, right) = (out[2 * i], out[2 * i + 1]);
            assert_eq!(left, right);
            assert!((f64::from(left) - tone(i, 48_000.0)).abs() < 1e-4, "frame {i}: {left}");
        }
    }
}
