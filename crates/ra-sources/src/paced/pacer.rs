//! When each period of a simulated device is captured and delivered, as a pure function of its settings: no thread, no
//! waiting, no reading of any clock, so that a simulation can drive it in virtual time.

use ra_core::{FramePosition, SampleRate, SourceError};

use crate::{ClockModel, RoomTime, random::RandomStream};

/// The random stream of the stamps' errors. Apart from those of the signals, whose numbers are small.
const JITTER_STREAM: u64 = 1 << 32;
/// The random stream that says which deliveries are outliers.
const OUTLIER_STREAM: u64 = 2 << 32;

/// Deliveries that come far too late, now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outliers {
    /// Of a delivery, 0 to 1. Default 0.
    pub probability: f64,
    /// How much later it comes, stamp and all, in milliseconds, 0 to 10 000. Default 0.
    pub ms: f64,
}

/// Settings of a paced source.
#[derive(Clone, Debug, PartialEq)]
pub struct PacedConfig {
    /// Name for people; the thread is called `ra-src-NAME`. Default `paced`.
    pub name: String,
    /// Frames in a delivery. Default 256.
    pub period_frames: u32,
    /// The device's clock, as a function of true time since `room_origin_ns`. Default: perfect.
    pub clock: ClockModel,
    /// Standard deviation of the error that a delivery and its stamp share, in microseconds. Default 0.
    pub jitter_us: f64,
    /// Deliveries that come far too late: their stamps are as late, and later deliveries queue behind them with stamps of
    /// their own. Default: none.
    pub outliers: Outliers,
    /// Seeds the errors. Default 0.
    pub seed: u64,
    /// The monotonic time that is true time 0. `None`: when the source is first started. Sources that share a room
    /// (the same tone in phase in all of them) need the same origin.
    pub room_origin_ns: Option<u64>,
}

impl Default for PacedConfig {
    fn default() -> Self {
        Self {
            name: "paced".to_owned(),
            period_frames: 256,
            clock: ClockModel::PERFECT,
            jitter_us: 0.0,
            outliers: Outliers::default(),
            seed: 0,
            room_origin_ns: None,
        }
    }
}

impl PacedConfig {
    /// The most frames that a period may have.
    pub const MAX_PERIOD_FRAMES: u32 = 1 << 20;

    /// Checks the settings.
    ///
    /// # Errors
    /// [`SourceError::Setting`] names the one that makes no sense.
    pub fn check(&self) -> Result<(), SourceError> {
        let fault = |what: &str, message: String| Err(SourceError::Setting { what: what.to_owned(), message });
        self.clock.check()?;
        if !(1..=Self::MAX_PERIOD_FRAMES).contains(&self.period_frames) {
            let message = format!("{}, expected 1 to {}", self.period_frames, Self::MAX_PERIOD_FRAMES);
            return fault("period_frames", message);
        }
        if !(0.0..=1e6).contains(&self.jitter_us) {
            return fault("jitter_us", format!("{}, expected 0 to 1000000", self.jitter_us));
        }
        let Outliers { probability, ms } = self.outliers;
        if !(0.0..=1.0).contains(&probability) {
            return fault("outliers.probability", format!("{probability}, expected 0 to 1"));
        }
        if !(0.0..=1e4).contains(&ms) {
            return fault("outliers.ms", format!("{ms}, expected 0 to 10000"));
        }
        if self.name.contains('\0') {
            return fault("name", "a NUL character, expected none".to_owned());
        }
        Ok(())
    }
}

/// One period of a simulated device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delivery {
    /// The first frame's place on the source's own timeline.
    pub position: FramePosition,
    /// Frames in it.
    pub n_frames: u32,
    /// When the first frame was truly captured, since the room's origin.
    pub captured: RoomTime,
    /// The stamp: monotonic nanoseconds of `captured` plus the delivery's error.
    pub capture_ns: u64,
    /// Monotonic nanoseconds at which it is handed over: when its last frame was captured, plus the same error, and never
    /// before the delivery that came before it.
    pub due_ns: u64,
}

/// Yields the deliveries of a simulated device, one after the other.
///
/// Every time is computed from the frame's number and never from the time before it, so that nothing adds up.
#[derive(Clone, Debug)]
pub struct Pacer {
    period_frames: u32,
    clock: ClockModel,
    rate: SampleRate,
    jitter_s: f64,
    errors: RandomStream,
    outliers: Outliers,
    lots: RandomStream,
    origin_ns: u64,
    opened: RoomTime,
    next_frame: u64,
    /// When that frame is truly captured.
    next_captured: RoomTime,
    next_index: i64,
    last_due_ns: u64,
}

impl Pacer {
    /// The pacer of a device that is opened at monotonic time `start_ns`.
    ///
    /// # Errors
    /// Those of [`PacedConfig::check`].
    pub fn new(config: &PacedConfig, rate: SampleRate, start_ns: u64) -> Result<Self, SourceError> {
        config.check()?;
        let origin_ns = config.room_origin_ns.unwrap_or(start_ns);
        let opened = RoomTime::from_ns(start_ns.wrapping_sub(origin_ns) as i64);
        Ok(Self {
            period_frames: config.period_frames,
            clock: config.clock,
            rate,
            jitter_s: config.jitter_us * 1e-6,
            errors: RandomStream::new(config.seed, JITTER_STREAM),
            outliers: config.outliers,
            lots: RandomStream::new(config.seed, OUTLIER_STREAM),
            origin_ns,
            opened,
            next_frame: 0,
            next_captured: config.clock.frame_time(0, rate, opened),
            next_index: 0,
            last_due_ns: 0,
        })
    }

    /// The next delivery; there is always one.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn next_delivery(&mut self) -> Delivery {
        let captured = self.next_captured;
        let end = self.time_of_frame(self.next_frame + u64::from(self.period_frames));
        let error_s = self.next_error_s();
        let due_ns = self.monotonic_ns(end.plus_s(error_s)).max(self.last_due_ns);
        let delivery = Delivery {
            position: FramePosition(self.next_frame),
            n_frames: self.period_frames,
            captured,
            capture_ns: self.monotonic_ns(captured.plus_s(error_s)),
            due_ns,
        };
        self.next_frame += u64::from(self.period_frames);
        self.next_captured = end;
        self.next_index += 1;
        self.last_due_ns = due_ns;
        delivery
    }

    fn next_error_s(&self) -> f64 {
        let jitter_s = if self.jitter_s == 0.0 { 0.0 } else { self.jitter_s * self.errors.gaussian(self.next_index) };
        let is_outlier =
            self.outliers.probability > 0.0 && self.lots.uniform(self.next_index) < self.outliers.probability;
        if is_outlier { jitter_s + self.outliers.ms * 1e-3 } else { jitter_s }
    }

    /// When frame `n` of the source's own timeline is truly captured, since the room's origin.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn time_of_frame(&self, n: u64) -> RoomTime {
        self.clock.frame_time(n, self.rate, self.opened)
    }

    /// The frame that the next delivery begins with, and when it is truly captured.
    #[cfg(feature = "mock")]
    pub(crate) fn next_frame(&self) -> (u64, RoomTime) {
        (self.next_frame, self.next_captured)
    }

    /// Lets the next delivery begin with frame `n`; nothing is in flight any more that it would have to queue behind.
    #[cfg(feature = "mock")]
    pub(crate) fn jump_to_frame(&mut self, n: u64) {
        self.next_frame = n;
        self.next_captured = self.time_of_frame(n);
        self.last_due_ns = 0;
    }

    /// Changes how many frames the next deliveries have; at least one.
    #[cfg(feature = "mock")]
    pub(crate) fn set_period_frames(&mut self, period_frames: u32) {
        self.period_frames = period_frames.max(1);
    }

    /// The first frame that is captured at true time `t` or later.
    #[cfg(feature = "mock")]
    pub(crate) fn first_frame_at(&self, t: RoomTime) -> u64 {
        let counted = self.clock.frames_at(t.as_s(), self.rate) - self.clock.frames_at(self.opened.as_s(), self.rate);
        // The difference of two large numbers may be a frame off: frame times are exact.
        let mut n = counted.round().max(0.0) as u64;
        while n > 0 && self.time_of_frame(n - 1).seconds_since(t) >= 0.0 {
            n -= 1;
        }
        while self.time_of_frame(n).seconds_since(t) < 0.0 {
            n += 1;
        }
        n
    }

    fn monotonic_ns(&self, t: RoomTime) -> u64 {
        // An error may reach back before the origin, and before the monotonic clock's own 0.
        self.origin_ns.saturating_add_signed(t.as_ns())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacer(ppm: f64, jitter_us: f64) -> Pacer {
        let config = PacedConfig {
            clock: ClockModel { ppm, ..ClockModel::PERFECT },
            jitter_us,
            seed: 3,
            room_origin_ns: Some(1_000),
            ..PacedConfig::default()
        };
        Pacer::new(&config, SampleRate::HZ_48000, 1_000).unwrap()
    }

    #[test]
    fn a_million_periods_add_up_no_error() {
        for ppm in [-150.0, 0.0, 150.0, 5_000.0] {
            let mut pacer = pacer(ppm, 0.0);
            for i in 0..1_000_000u64 {
                let delivery = pacer.next_delivery();
                assert_eq!(delivery.position.0, i * 256);
                // Truth by another way: exact integer arithmetic, t = frames * 1e9 / (48000 * (1 + ppm * 1e-6)).
                let true_ns = |frames: u64| {
                    let numerator = u128::from(frames) * 1_000_000_000 * 1_000_000;
                    let denominator = 48_000 * (1_000_000 + ppm as i128) as u128;
                    ((2 * numerator + denominator) / (2 * denominator)) as u64 + 1_000
                };
                assert!(delivery.capture_ns.abs_diff(true_ns(i * 256)) <= 1, "{ppm} ppm, period {i}");
                assert!(delivery.due_ns.abs_diff(true_ns((i + 1) * 256)) <= 1, "{ppm} ppm, period {i}");
            }
        }
    }

    #[test]
    fn jitter_has_its_deviation_is_shared_and_never_reorders() {
        let (mut exact, mut jittered) = (pacer(0.0, 0.0), pacer(0.0, 200.0));
        let (mut sum, mut square, mut last_due_ns) = (0.0, 0.0, 0);
        let n = 100_000;
        for _ in 0..n {
            let (truth, delivery) = (exact.next_delivery(), jittered.next_delivery());
            assert_eq!(delivery.captured, truth.captured);
            let error_us = (delivery.capture_ns as f64 - truth.capture_ns as f64) / 1000.0;
            sum += error_us;
            square += error_us * error_us;
            let due_error_us = (delivery.due_ns as f64 - truth.due_ns as f64) / 1000.0;
            assert!((due_error_us - error_us).abs() < 0.002);
            assert!(delivery.due_ns >= last_due_ns);
            last_due_ns = delivery.due_ns;
        }
        assert!((sum / f64::from(n)).abs() < 3.0);
        assert!(((square / f64::from(n)).sqrt() - 200.0).abs() < 3.0);
    }

    #[test]
    fn deliveries_queue_behind_a_late_one() {
        let mut pacer = pacer(0.0, 20_000.0); // four periods of deviation: many would overtake each other
        let mut last_due_ns = 0;
        let mut queued = 0;
        for _ in 0..1000 {
            let delivery = pacer.next_delivery();
            assert!(delivery.due_ns >= last_due_ns);
            queued += u32::from(delivery.due_ns == last_due_ns);
            last_due_ns = delivery.due_ns;
        }
        assert!(queued > 100);
    }

    #[test]
    fn outliers_are_late_as_often_as_they_should_be_and_leave_the_rest_alone() {
        let config = |probability| PacedConfig {
            jitter_us: 100.0,
            outliers: Outliers { probability, ms: 10.0 },
            seed: 5,
            ..PacedConfig::default()
        };
        let pacer = |probability| Pacer::new(&config(probability), SampleRate::HZ_48000, 1_000_000).unwrap();
        let (mut plain, mut with) = (pacer(0.0), pacer(0.02));
        let (mut n_outliers, mut n_queued, mut last_due_ns) = (0, 0, 0);
        for _ in 0..100_000 {
            let (truth, delivery) = (plain.next_delivery(), with.next_delivery());
            match delivery.capture_ns - truth.capture_ns {
                0 => {}
                late_ns => {
                    assert!(late_ns.abs_diff(10_000_000) <= 1, "{late_ns}");
                    n_outliers += 1;
                }
            }
            assert!(delivery.due_ns >= last_due_ns);
            n_queued += u32::from(delivery.due_ns == last_due_ns && delivery.capture_ns == truth.capture_ns);
            last_due_ns = delivery.due_ns;
        }
        assert!((1_800..2_200).contains(&n_outliers), "{n_outliers}");
        // Periods of 5.3 ms: one delivery, at times two, come due while an outlier is 10 ms late.
        assert!(n_queued > n_outliers / 2, "{n_queued}");
    }

    #[test]
    #[cfg(feature = "mock")]
    fn frames_are_found_by_their_times() {
        for ppm in [-81_250.0, 0.0, 173.0] {
            let mut pacer = pacer(ppm, 0.0);
            for t_s in [0.0, 1e-9, 0.5, 3_600.0, 86_400.0 * 30.0] {
                let t = RoomTime::from_s(t_s);
                let n = pacer.first_frame_at(t);
                assert!(pacer.time_of_frame(n).seconds_since(t) >= 0.0);
                assert!(n == 0 || pacer.time_of_frame(n - 1).seconds_since(t) < 0.0);
            }
            pacer.jump_to_frame(1_000);
            pacer.set_period_frames(10);
            let delivery = pacer.next_delivery();
            assert_eq!((delivery.position.0, delivery.n_frames), (1_000, 10));
            assert_eq!(delivery.captured, pacer.time_of_frame(1_000));
            assert_eq!(pacer.next_delivery().position.0, 1_010);
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let base = PacedConfig::default();
        for (config, what) in [
            (PacedConfig { period_frames: 0, ..base.clone() }, "period_frames: 0"),
            (PacedConfig { jitter_us: -1.0, ..base.clone() }, "jitter_us: -1"),
            (PacedConfig { jitter_us: f64::NAN, ..base.clone() }, "jitter_us: NaN"),
            (
                PacedConfig { outliers: Outliers { probability: 1.1, ms: 1.0 }, ..base.clone() },
                "outliers.probability: 1.1",
            ),
            (PacedConfig { outliers: Outliers { probability: 0.1, ms: -1.0 }, ..base.clone() }, "outliers.ms: -1"),
            (PacedConfig { clock: ClockModel { ppm: f64::INFINITY, ..ClockModel::PERFECT }, ..base }, "clock.ppm"),
        ] {
            let message = Pacer::new(&config, SampleRate::HZ_48000, 0).unwrap_err().to_string();
            assert!(message.contains(what), "{message}");
        }
    }
}
