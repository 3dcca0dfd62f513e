//! Plays a scene to one contestant, in virtual time, and notes at every block how far its sound is from where it should be.
//! Every contestant gets the same deliveries: they are a function of the scene alone.

use anyhow::Result;
use ra_core::SampleRate;
use ra_engine::VirtualEngine;
use ra_engine::sources::{ClockModel, Outliers, PacedConfig, Pacer, RoomTime};

use super::contestant::{BLOCK_FRAMES, Contestant, LATENCY_MS, Losses, RATE_HZ, Reading};

/// The monotonic time of the first block, and of true time 0.
pub(super) const ORIGIN_NS: u64 = VirtualEngine::ORIGIN_NS;

/// A device and how long it is listened to.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) clock: ClockModel,
    pub(super) jitter_us: f64,
    pub(super) outliers: Outliers,
    pub(super) seed: u64,
    pub(super) seconds: f64,
    /// What is lost and inserted counts from here on, in seconds.
    pub(super) judged_from_s: f64,
}

impl Scene {
    pub(super) fn paced(&self) -> PacedConfig {
        PacedConfig {
            clock: self.clock,
            jitter_us: self.jitter_us,
            outliers: self.outliers,
            seed: self.seed,
            room_origin_ns: Some(ORIGIN_NS),
            ..PacedConfig::default()
        }
    }

    /// When the device is opened: every seed has another place of the periods among the blocks.
    fn start_ns(&self) -> u64 {
        ORIGIN_NS + self.seed * 1_234_567
    }
}

/// What a contestant did.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// Of each block's first frame: true capture time plus latency, minus the block's time; positive: it sounds too early.
    /// NaN where the block was silent.
    pub(super) offsets_us: Vec<f32>,
    /// The rate at which it read, less the source's true rate.
    pub(super) rate_errors_ppm: Vec<f32>,
    /// Since [`Scene::judged_from_s`].
    pub(super) losses: Losses,
    /// Of each delivery: when it was truly captured, in seconds, and how late its stamp is, in us.
    pub(super) stamp_errors_us: Vec<(f64, f64)>,
}

/// Seconds from one block to the next.
pub(super) const BLOCK_S: f64 = BLOCK_FRAMES as f64 / RATE_HZ as f64;

/// The block in which `t_s` lies.
pub(super) fn block_at(t_s: f64) -> usize {
    (t_s / BLOCK_S) as usize
}

/// Plays it from beginning to end.
///
/// # Errors
/// The scene makes no sense.
pub(super) fn play(scene: &Scene, contestant: &mut dyn Contestant) -> Result<Trace> {
    let rate = SampleRate::new(RATE_HZ)?;
    let mut pacer = Pacer::new(&scene.paced(), rate, scene.start_ns())?;
    let mut next = pacer.next_delivery();
    let n_blocks = block_at(scene.seconds);
    let judged_from = block_at(scene.judged_from_s);
    let mut trace = Trace {
        offsets_us: Vec::with_capacity(n_blocks),
        rate_errors_ppm: Vec::with_capacity(n_blocks),
        losses: Losses::default(),
        stamp_errors_us: Vec::new(),
    };
    let mut losses_before = Losses::default();
    for n in 0..n_blocks {
        if n == judged_from {
            losses_before = contestant.losses();
        }
        let block = RoomTime::from_frame(n as u64 * BLOCK_FRAMES, rate);
        let now_ns = ORIGIN_NS.saturating_add_signed(block.as_ns());
        while next.due_ns <= now_ns {
            contestant.deliver(&next);
            let stamped = RoomTime::from_ns(next.capture_ns.wrapping_sub(ORIGIN_NS) as i64);
            trace.stamp_errors_us.push((next.captured.as_s(), stamped.seconds_since(next.captured) * 1e6));
            next = pacer.next_delivery();
        }
        let judged =
            contestant.read_block(now_ns).and_then(|reading| judge(&pacer, &scene.clock, rate, &reading, block));
        let (offset_us, rate_error_ppm) = judged.unwrap_or((f64::NAN, f64::NAN));
        trace.offsets_us.push(offset_us as f32);
        trace.rate_errors_ppm.push(rate_error_ppm as f32);
    }
    trace.losses = contestant.losses().since(losses_before);
    Ok(trace)
}

/// Offset in us and error of the rate in ppm of what sounds at the true time `block`; `None` before the source's first
/// frame. `rate` is the source's nominal one.
pub(super) fn judge(
    pacer: &Pacer,
    clock: &ClockModel,
    rate: SampleRate,
    reading: &Reading,
    block: RoomTime,
) -> Option<(f64, f64)> {
    let whole = pacer.time_of_frame(u64::try_from(reading.frame).ok()?);
    let true_factor = clock.rate_factor(whole.as_s());
    let captured = whole.plus_s(reading.fraction / (f64::from(rate.hz()) * true_factor));
    let offset_s = captured.plus_s(LATENCY_MS * 1e-3).seconds_since(block);
    Some((offset_s * 1e6, (reading.rate_factor - true_factor) * 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_engine::sources::Delivery;

    /// Knows the truth, and is late by a constant.
    struct Oracle {
        clock: ClockModel,
        start_ns: u64,
        late_us: f64,
    }

    impl Contestant for Oracle {
        fn deliver(&mut self, _delivery: &Delivery) {}

        fn read_block(&mut self, now_ns: u64) -> Option<Reading> {
            let rate = SampleRate::HZ_48000;
            let since_s = |ns: u64| (ns as i64 - ORIGIN_NS as i64) as f64 * 1e-9;
            let t_s = since_s(now_ns) - LATENCY_MS * 1e-3 - self.late_us * 1e-6;
            let frames = self.clock.frames_at(t_s, rate) - self.clock.frames_at(since_s(self.start_ns), rate);
            let frame = frames.floor();
            (frame >= 0.0).then(|| Reading {
                frame: frame as i64,
                fraction: frames - frame,
                rate_factor: self.clock.rate_factor(t_s),
            })
        }

        fn losses(&self) -> Losses {
            Losses::default()
        }
    }

    #[test]
    fn the_judge_agrees_with_an_oracle_and_sees_its_lateness_with_the_right_sign() {
        let scene = Scene {
            clock: ClockModel { ppm: 150.0, thermal_ppm: 10.0, step_ppm: 30.0, step_at_s: 5.0, ..ClockModel::PERFECT },
            jitter_us: 200.0,
            outliers: Outliers::default(),
            seed: 3,
            seconds: 10.0,
            judged_from_s: 1.0,
        };
        for late_us in [0.0, 30.0, -30.0] {
            let mut oracle = Oracle { clock: scene.clock, start_ns: scene.start_ns(), late_us };
            let trace = play(&scene, &mut oracle).unwrap();
            let from = block_at(1.0);
            // At 500 s of monotonic time and below, a float's microseconds are good to a few thousandths.
            assert!(trace.offsets_us[from..].iter().all(|offset| (f64::from(*offset) + late_us).abs() < 0.01));
            let step = block_at(5.02);
            let rates = &trace.rate_errors_ppm;
            assert!(rates[from..step - 2].iter().chain(&rates[step + 2..]).all(|error| error.abs() < 1e-3));
        }
    }
}
