//! From a bus's format to a device's: channels by routing, rates by resampling at a rate that glides. Knows no ring, no
//! device, and not what the rate should be.

use ra_core::{FramePosition, StreamSpec};
use ra_dsp::{DspError, GainMatrix, MonoLaw, Quality, SourcePosition, SteeredResampler, routing_gains};

use super::{brink::Brink, fade::Fade};

/// Frames that the resampler gives at a time.
pub(super) const CHUNK_FRAMES: usize = 128;

/// Converts blocks, in order. May allocate: it runs on the sink's thread.
pub(super) struct Adapter {
    router: Option<Router>,
    brink: Brink,
    channels: usize,
    /// Behind the last frame of the bus that has passed the brink.
    end: i64,
    /// Frames of the bus, in the device's channels, that wait to be resampled.
    pending: Vec<f32>,
    /// `None`: they pass as they are.
    resampler: Option<SteeredResampler>,
    chunk: Vec<f32>,
}

struct Router {
    n_in: usize,
    n_out: usize,
    matrix: GainMatrix,
    sums: Vec<f64>,
    routed: Vec<f32>,
}

/// How the rates of a bus and a device go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rates {
    /// They are one: the bus follows the device.
    Same,
    /// The device has a clock of its own.
    Steered(Quality),
}

impl Adapter {
    /// A converter from `bus` to `device`. One channel goes to the first two at unity, two to one at half each, others by
    /// their numbers.
    pub(super) fn new(bus: StreamSpec, device: StreamSpec, rates: Rates) -> Result<Self, DspError> {
        let (n_in, n_out) = (bus.channels.get(), device.channels.get());
        let router = (n_in != n_out).then(|| {
            let mut matrix = GainMatrix::new(n_in, n_out);
            matrix.set_targets(&routing_gains(n_in, n_out, 1.0, 0.0, MonoLaw::Unity), 0);
            Router { n_in, n_out, matrix, sums: Vec::new(), routed: Vec::new() }
        });
        let resampler = match rates {
            Rates::Same => None,
            Rates::Steered(quality) => {
                Some(SteeredResampler::new(n_out, bus.sample_rate, device.sample_rate, CHUNK_FRAMES, quality)?)
            }
        };
        // The silence before the first frame, which its filter reaches back to.
        let reach_frames = resampler.as_ref().map_or(0, SteeredResampler::reach_frames);
        Ok(Self {
            router,
            brink: Brink::new(n_out, Fade::new(bus.sample_rate)),
            channels: n_out,
            end: 0,
            pending: vec![0.0; reach_frames * n_out],
            chunk: vec![0.0; if resampler.is_some() { CHUNK_FRAMES * n_out } else { 0 }],
            resampler,
        })
    }

    /// Takes a block in whose first frame stands at `position` on the bus.
    pub(super) fn push(&mut self, position: FramePosition, samples: &[f32]) {
        let samples = match &mut self.router {
            Some(router) => router.route(samples),
            None => samples,
        };
        let Self { brink, pending, .. } = self;
        brink.push(samples, &mut |ready| pending.extend_from_slice(ready));
        self.end = position.0 as i64 + (samples.len() / self.channels) as i64 - brink.held_frames() as i64;
    }

    /// Ends the sound here, with `n_silent` frames of silence behind it. What comes next fades in.
    pub(super) fn cut(&mut self, n_silent: usize) {
        let Self { brink, pending, .. } = self;
        self.end += (brink.held_frames() + n_silent) as i64;
        brink.cut(&mut |rest| pending.extend_from_slice(rest));
        pending.resize(pending.len() + n_silent * self.channels, 0.0);
    }

    /// Where the next frame that comes out stands on the bus.
    pub(super) fn place(&self) -> SourcePosition {
        let next = self.end - (self.pending.len() / self.channels) as i64;
        let lead_frames = self.resampler.as_ref().map_or(0.0, SteeredResampler::lead_frames);
        let whole = lead_frames.ceil();
        SourcePosition { frame: next - whole as i64, fraction: whole - lead_frames }
    }

    /// The next frames for the device, if there is enough for some. `rate` is the bus's frames per nominal frame of the
    /// bus at their end; it is not looked at where nothing is resampled.
    pub(super) fn next_chunk(&mut self, rate: f64) -> Result<Option<&[f32]>, DspError> {
        let Some(resampler) = &mut self.resampler else {
            std::mem::swap(&mut self.chunk, &mut self.pending);
            self.pending.clear();
            return Ok(if self.chunk.is_empty() { None } else { Some(&self.chunk) });
        };
        let n_samples = resampler.input_frames_next(rate) * self.channels;
        let Some(input) = self.pending.get(..n_samples) else { return Ok(None) };
        resampler.process(input, rate, &mut self.chunk)?;
        self.pending.drain(..n_samples);
        Ok(Some(&self.chunk))
    }

    /// Whether anything would come out at `rate`.
    pub(super) fn has_chunk(&self, rate: f64) -> bool {
        let n_frames = self.resampler.as_ref().map_or(1, |resampler| resampler.input_frames_next(rate));
        self.pending.len() >= n_frames * self.channels
    }

    /// No block follows: what is left comes out with the next chunks.
    pub(super) fn end(&mut self, rate: f64) {
        self.cut(0);
        if let Some(resampler) = &self.resampler {
            // What its filter reaches ahead for, and a chunk that is not full.
            let n_frames = resampler.reach_frames() + resampler.input_frames_next(rate) + 1;
            self.pending.resize(self.pending.len() + n_frames * self.channels, 0.0);
        }
    }

    /// Frames of the bus that came in and have not come out.
    pub(super) fn waiting_frames(&self) -> usize {
        self.brink.held_frames() + self.pending.len() / self.channels
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

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(hz: u32, channels: u16) -> StreamSpec {
        StreamSpec::new(hz, channels).unwrap()
    }

    /// Everything that comes out for `samples`, and its end.
    fn convert(adapter: &mut Adapter, n_in: usize, samples: &[f32]) -> Vec<f32> {
        let (mut out, mut position) = (Vec::new(), FramePosition(0));
        for block in samples.chunks(128 * n_in) {
            adapter.push(position, block);
            position += (block.len() / n_in) as u64;
            while let Some(chunk) = adapter.next_chunk(1.0).unwrap() {
                out.extend_from_slice(chunk);
            }
        }
        adapter.end(1.0);
        while let Some(chunk) = adapter.next_chunk(1.0).unwrap() {
            out.extend_from_slice(chunk);
        }
        out
    }

    #[test]
    fn the_same_format_passes_untouched_between_its_fades() {
        let mut adapter = Adapter::new(spec(48_000, 2), spec(48_000, 2), Rates::Same).unwrap();
        let samples: Vec<f32> = (0..2_000).map(|i| i as f32).collect();
        let out = convert(&mut adapter, 2, &samples);
        assert_eq!((out.len(), &out[200..1_800]), (2_000, &samples[200..1_800]));
        assert_eq!(adapter.waiting_frames(), 0);
    }

    #[test]
    fn channels_are_routed() {
        let route = |n_in: u16, n_out, frame: &[f32]| {
            let mut adapter = Adapter::new(spec(48_000, n_in), spec(48_000, n_out), Rates::Same).unwrap();
            let out = convert(&mut adapter, n_in.into(), &frame.repeat(300));
            out[150 * usize::from(n_out)..][..n_out.into()].to_vec()
        };
        assert_eq!(route(1, 2, &[0.5]), [0.5, 0.5]);
        assert_eq!(route(2, 1, &[0.5, 0.25]), [0.375]);
        assert_eq!(route(2, 4, &[0.5, 0.25]), [0.5, 0.25, 0.0, 0.0]);
        assert_eq!(route(3, 2, &[0.5, 0.25, 0.125]), [0.5, 0.25]);
    }

    #[test]
    fn another_rate_is_resampled_and_no_frame_of_it_is_lost() {
        let mut adapter = Adapter::new(spec(44_100, 1), spec(48_000, 2), Rates::Steered(Quality::Best)).unwrap();
        let hz = 997.0;
        let tone = |i: usize, rate: f64| 0.5 * (std::f64::consts::TAU * hz * i as f64 / rate).sin();
        let samples: Vec<f32> = (0..44_100).map(|i| tone(i, 44_100.0) as f32).collect();
        let out = convert(&mut adapter, 1, &samples);
        assert!(out.len() / 2 >= 48_000, "{} frames", out.len() / 2);
        for i in 1_000..47_000 {
            let (left, right) = (out[2 * i], out[2 * i + 1]);
            assert_eq!(left, right);
            assert!((f64::from(left) - tone(i, 48_000.0)).abs() < 1e-4, "frame {i}: {left}");
        }
    }

    #[test]
    fn the_place_of_the_next_frame_is_exact() {
        let mut adapter = Adapter::new(spec(48_000, 1), spec(48_000, 1), Rates::Steered(Quality::Best)).unwrap();
        let rate = 1.0005;
        let mut position = FramePosition(1_000_000);
        for _ in 0..2_000 {
            // A ramp: what a frame says is where it stood.
            let block: Vec<f32> = (0..128).map(|i| ((position.0 + i) % 4_096) as f32 / 4_096.0).collect();
            adapter.push(position, &block);
            position += 128;
            let place = adapter.place();
            if let Some(chunk) = adapter.next_chunk(rate).unwrap() {
                let ramp = place.frame.rem_euclid(4_096) as f64 + place.fraction;
                if position.0 > 1_010_000 && (200.0..3_800.0).contains(&ramp) {
                    let heard = f64::from(chunk[0]) * 4_096.0;
                    assert!((heard - ramp).abs() < 0.01, "{heard}, expected {ramp}");
                }
            }
        }
    }

    #[test]
    fn a_cut_with_silence_keeps_the_place() {
        let mut adapter = Adapter::new(spec(48_000, 1), spec(48_000, 1), Rates::Same).unwrap();
        adapter.push(FramePosition(0), &[0.5; 500]);
        adapter.cut(100);
        assert_eq!(adapter.place(), SourcePosition { frame: 0, fraction: 0.0 });
        adapter.push(FramePosition(600), &[0.5; 500]);
        let out = adapter.next_chunk(1.0).unwrap().unwrap().to_vec();
        assert_eq!(out.len() + 96, 1_100);
        assert!(out[499..600].iter().all(|&x| x == 0.0) && out[300] == 0.5 && out[800] == 0.5);
        assert!(out.windows(2).all(|w| (w[1] - w[0]).abs() < 0.01), "no click");
        assert_eq!(adapter.place(), SourcePosition { frame: 1_004, fraction: 0.0 });
    }
}
