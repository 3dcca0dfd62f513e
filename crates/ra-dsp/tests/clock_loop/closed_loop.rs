//! The closed loop as an engine runs it: deliveries in, a reading position out, block by block; scored against the true
//! clock. Faults can be planted in it.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use ra_core::{FramePosition, SampleRate};
use ra_dsp::{ClockEstimator, Observation, RateSteering};

use super::device::{Deliveries, Delivery, Device};

/// Where the master's time begins, in ns: some machine that has been up for a while.
const EPOCH_NS: u64 = 7_000_000_000_000;

/// Something that is wrong with the loop itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    Nothing,
    WrongSign,
    DoubledGain,
    /// Stamps that the estimator would leave out are bent until it takes them.
    NoOutlierRejection,
}

#[derive(Clone, Debug)]
pub(crate) struct Loop {
    pub(crate) duration_s: f64,
    pub(crate) latency_s: f64,
    pub(crate) out_hz: u32,
    pub(crate) block_frames: u64,
    pub(crate) planted: Planted,
}

impl Loop {
    pub(crate) fn of(duration_s: f64) -> Self {
        Self { duration_s, latency_s: 0.020, out_hz: 48_000, block_frames: 128, planted: Planted::Nothing }
    }
}

/// One block's truth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) t_s: f64,
    /// How far the reading is behind where it should be, by the true clock.
    pub(crate) offset_us: f64,
    /// How far the estimate is behind, by the true clock.
    pub(crate) estimate_us: f64,
    /// The steered rate, and the true one, as deviations from 1, in ppm.
    pub(crate) steered_ppm: f64,
    pub(crate) true_ppm: f64,
}

/// What came of it.
pub(crate) struct Run {
    pub(crate) samples: Vec<Sample>,
    pub(crate) events: Vec<(f64, Observation)>,
    pub(crate) estimator: ClockEstimator,
    pub(crate) block_s: f64,
}

/// Runs the loop.
pub(crate) fn run(device: &Device, setup: &Loop, seed: u64) -> Run {
    let mut deliveries = Deliveries::new(device.clone(), seed);
    let mut estimator = ClockEstimator::new(SampleRate::new(device.hz).unwrap());
    let block_s = setup.block_frames as f64 / f64::from(setup.out_hz);
    let mut steering = RateSteering::new(block_s);
    let hz = f64::from(device.hz);
    let mut next: Delivery = deliveries.next();
    let mut samples = Vec::new();
    let mut events = Vec::new();
    let mut rate = 1.0;
    let mut reading: Option<(i64, f64)> = None;
    let mut start_at_s = f64::INFINITY;
    // What was true for the frames that are read now: (from this position on, captured minus counted).
    let mut lags: Vec<(u64, f64)> = vec![(0, 0.0)];
    let n_blocks = (setup.duration_s / block_s) as u64;
    for block in 0..n_blocks {
        let ns = EPOCH_NS + (block as u128 * setup.block_frames as u128 * 1_000_000_000 / setup.out_hz as u128) as u64;
        let t_s = (ns - EPOCH_NS) as f64 * 1e-9;
        while next.visible_s <= t_s {
            if next.is_after_break {
                estimator.mark_break();
                reading = None;
            }
            let stamp_ns = EPOCH_NS.wrapping_add_signed((next.stamp_s * 1e9).round() as i64);
            if lags.last().is_none_or(|last| last.1 != next.uncounted_frames) {
                lags.push((next.position, next.uncounted_frames));
            }
            let mut observation = estimator.observe(FramePosition(next.position), next.n_frames, stamp_ns);
            if setup.planted == Planted::NoOutlierRejection && observation == Observation::Outlier {
                // In pieces that are each small enough to be believed, as often as it takes for the whole to be taken in.
                let step_ns = (4.0 * estimator.jitter_sigma_us() * 1e3) as u64;
                let late_ns =
                    estimator.time_of(FramePosition(next.position)).map_or(0.0, |time| -time.ns_since(stamp_ns));
                for _ in 0..(late_ns.abs() as u64 / step_ns.max(1)).min(1000) {
                    let time = estimator.time_of(FramePosition(next.position)).unwrap();
                    let bent_ns = (time.ns as u64).wrapping_add_signed(if late_ns > 0.0 {
                        step_ns as i64
                    } else {
                        -(step_ns as i64)
                    });
                    observation = estimator.observe(FramePosition(next.position), next.n_frames, bent_ns);
                }
            }
            match observation {
                Observation::Accepted => {}
                Observation::Locked => {
                    start_at_s = next.stamp_s + setup.latency_s;
                    events.push((t_s, observation));
                }
                _ => events.push((t_s, observation)),
            }
            if let Observation::Jumped { .. } = observation {
                // The engine fades and goes on in the right place.
                reading = None;
            }
            next = deliveries.next();
        }
        let read_ns = ns - (setup.latency_s * 1e9).round() as u64;
        if t_s < start_at_s {
            continue;
        }
        let Some(want) = estimator.frame_at(read_ns, 0.0) else {
            reading = None;
            continue;
        };
        let (frame, fraction) = *reading.get_or_insert_with(|| {
            rate = estimator.rate_factor();
            steering.start(rate);
            (want.frame, want.fraction)
        });
        let mut error_s = (want.frames_since(frame) - fraction) / (hz * estimator.rate_factor());
        let read_s = t_s - setup.latency_s;
        let lag = lags.iter().rev().find(|lag| lag.0 as i64 <= frame).map_or(0.0, |lag| lag.1);
        // Whole frames apart, so that hours leave all digits to the offset.
        let true_frames = (read_s * hz - lag - frame as f64) + device.clock.ahead_s(read_s) * hz;
        let drift = device.clock.drift(read_s);
        samples.push(Sample {
            t_s,
            offset_us: (true_frames - fraction) / (hz * (1.0 + drift)) * 1e6,
            estimate_us: (true_frames - want.frames_since(frame)) / (hz * (1.0 + drift)) * 1e6,
            steered_ppm: (rate - 1.0) * 1e6,
            true_ppm: drift * 1e6,
        });
        match setup.planted {
            Planted::WrongSign => error_s = -error_s,
            Planted::DoubledGain => error_s *= 2.0,
            _ => {}
        }
        let before = rate;
        rate = steering.next(error_s, estimator.rate_factor(), estimator.age_s());
        let step = setup.block_frames as f64 * 0.5 * (before + rate) * hz / f64::from(setup.out_hz);
        let moved = fraction + step;
        reading = Some((frame + moved.floor() as i64, moved - moved.floor()));
    }
    Run { samples, events, estimator, block_s }
}

impl Run {
    /// The blocks from a time on.
    pub(crate) fn from(&self, t_s: f64) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.t_s >= t_s)
    }

    /// (rms, p99, max) of the offset, in us.
    pub(crate) fn offset_us(&self, from_s: f64) -> (f64, f64, f64) {
        figures(self.from(from_s).map(|sample| sample.offset_us))
    }

    /// The same of the estimate alone.
    pub(crate) fn estimate_us(&self, from_s: f64) -> (f64, f64, f64) {
        figures(self.from(from_s).map(|sample| sample.estimate_us))
    }

    /// The rms of the steered rate minus the true one, in ppm.
    pub(crate) fn ratio_noise_ppm(&self, from_s: f64) -> f64 {
        figures(self.from(from_s).map(|sample| sample.steered_ppm - sample.true_ppm)).0
    }

    /// When the offset was last beyond `bound_us`, after `from_s` and relative to it; 0 if never.
    pub(crate) fn inside_after_s(&self, bound_us: f64, from_s: f64) -> f64 {
        self.from(from_s)
            .filter(|sample| sample.offset_us.abs() > bound_us)
            .map(|sample| sample.t_s - from_s)
            .last()
            .unwrap_or(0.0)
    }

    /// The largest offset between two times, in us.
    pub(crate) fn peak_us(&self, from_s: f64, to_s: f64) -> f64 {
        self.from(from_s)
            .take_while(|sample| sample.t_s < to_s)
            .map(|sample| sample.offset_us.abs())
            .fold(0.0, f64::max)
    }

    /// The slope of a line through the offset, in us per 10 minutes.
    pub(crate) fn slope_us_per_600_s(&self, from_s: f64) -> f64 {
        let n = self.from(from_s).count() as f64;
        let mean_t = self.from(from_s).map(|sample| sample.t_s).sum::<f64>() / n;
        let (mut xy, mut xx) = (0.0, 0.0);
        for sample in self.from(from_s) {
            xy += (sample.t_s - mean_t) * sample.offset_us;
            xx += (sample.t_s - mean_t) * (sample.t_s - mean_t);
        }
        xy / xx * 600.0
    }

    /// The rms of the reading position's movement above 20 Hz, in seconds.
    pub(crate) fn modulation_s(&self, from_s: f64) -> f64 {
        // Eighth-order Butterworth high-pass: four second-order sections by the bilinear transform.
        let k = (std::f64::consts::PI * 20.0 * self.block_s).tan();
        let mut sections: Vec<HighPass> = (0..4)
            .map(|at| HighPass::new(k, 2.0 * (std::f64::consts::PI * (2 * at + 1) as f64 / 16.0).sin()))
            .collect();
        let (mut place, mut sum, mut n) = (0.0, 0.0, 0.0);
        let mut last: Option<f64> = None;
        let base_ppm = self.samples.last().map_or(0.0, |sample| sample.steered_ppm);
        for sample in &self.samples {
            let dev = (sample.steered_ppm - base_ppm) * 1e-6;
            place += 0.5 * (dev + last.unwrap_or(dev)) * self.block_s;
            last = Some(dev);
            let high = sections.iter_mut().fold(place, |value, section| section.process(value));
            if sample.t_s >= from_s {
                sum += high * high;
                n += 1.0;
            }
        }
        f64::sqrt(sum / n)
    }
}

/// A second-order high-pass section in transposed direct form II.
struct HighPass {
    b: [f64; 3],
    a: [f64; 2],
    s: [f64; 2],
}

impl HighPass {
    fn new(k: f64, damping: f64) -> Self {
        let norm = 1.0 / (1.0 + damping * k + k * k);
        Self {
            b: [norm, -2.0 * norm, norm],
            a: [2.0 * (k * k - 1.0) * norm, (1.0 - damping * k + k * k) * norm],
            s: [0.0; 2],
        }
    }

    fn process(&mut self, x: f64) -> f64 {
        let y = self.b[0] * x + self.s[0];
        self.s[0] = self.b[1] * x - self.a[0] * y + self.s[1];
        self.s[1] = self.b[2] * x - self.a[1] * y;
        y
    }
}

fn figures(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut sizes: Vec<f64> = values.map(f64::abs).collect();
    assert!(!sizes.is_empty() && sizes.iter().all(|size| size.is_finite()), "figures of {} values", sizes.len());
    sizes.sort_unstable_by(f64::total_cmp);
    let rms = (sizes.iter().map(|size| size * size).sum::<f64>() / sizes.len() as f64).sqrt();
    let p99 = sizes[((sizes.len() - 1) as f64 * 0.99).ceil() as usize];
    (rms, p99, sizes[sizes.len() - 1])
}

/// The middle one of an odd number of values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
