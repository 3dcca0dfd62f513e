//! When blocks are due: by the monotonic clock, or at the pace of an output device that is the engine's master.
//!
//! A device never wakes the mixer: its clock is estimated from its stamps, and the deadlines are steered to it. When it
//! goes, the pace glides back to the monotonic clock's; when it is back, it is watched anew and leads again. The pace never
//! has a step, and so has no sound.

use ra_core::{FramePosition, MasterState, PeriodStamp, PlaybackClock, Ppm, SampleRate};
use ra_dsp::{ClockEstimator, Observation, RateSteering};

use super::block_time::ExactNs;

/// How long a device's clock is watched at least before it leads, in seconds; until its rate is known, if that takes longer.
const WATCHED_S: f64 = 1.0;
/// A device that has asked for nothing for so long is gone, in nanoseconds.
const SILENT_NS: u64 = 500_000_000;
/// The pace is the monotonic clock's once it is this close to it.
const SAME_PACE: f64 = 1e-10;

/// A device's clock that leads the engine.
pub(crate) struct MasterClock {
    clock: Box<dyn PlaybackClock>,
    estimator: ClockEstimator,
    hz: f64,
    /// Places of the device and of the mix that belong together; `None` until it leads.
    anchor: Option<(i64, f64, FramePosition)>,
    newest_ns: u64,
    /// It has gone; the pace glides back. It may return.
    is_gone: bool,
}

impl MasterClock {
    // rt-lint: control-side
    pub(crate) fn new(clock: Box<dyn PlaybackClock>) -> Self {
        let rate = clock.sample_rate();
        Self {
            clock,
            estimator: ClockEstimator::new(rate),
            hz: f64::from(rate.hz()),
            anchor: None,
            newest_ns: 0,
            is_gone: false,
        }
    }

    fn poll(&mut self, now_ns: u64) {
        let Self { clock, estimator, newest_ns, anchor, is_gone, .. } = self;
        clock.poll_stamps(&mut |stamp: &PeriodStamp| {
            let is_old = now_ns.saturating_sub(stamp.capture_ns) > SILENT_NS;
            let is_back = *is_gone && !is_old;
            if is_back {
                *is_gone = false;
            }
            if stamp.is_after_break || is_back {
                estimator.mark_break();
                *anchor = None;
            }
            let seen = estimator.observe(stamp.position, stamp.n_frames, stamp.capture_ns);
            if matches!(seen, Observation::Jumped { .. }) {
                *anchor = None;
            }
            *newest_ns = stamp.capture_ns;
        });
        // A stamp of the future is one of a device that still lives.
        if self.clock.is_closed() || (self.newest_ns > 0 && now_ns.saturating_sub(self.newest_ns) > SILENT_NS) {
            self.is_gone = true;
            self.anchor = None;
        }
    }
}

/// The deadlines of an engine.
pub(crate) struct Cadence {
    rate: SampleRate,
    /// The next block's deadline and its position.
    next: ExactNs,
    position: FramePosition,
    /// While the pace is the monotonic clock's: a deadline and its position, from which all others are reckoned.
    origin: Option<(ExactNs, FramePosition)>,
    /// Engine frames per nominal frame of monotonic time, at the next block's start.
    pace: f64,
    steering: RateSteering,
    master: Option<Box<MasterClock>>,
}

impl Cadence {
    // rt-lint: control-side
    pub(crate) fn new(rate: SampleRate, block_frames: usize) -> Self {
        Self {
            rate,
            next: ExactNs::default(),
            position: FramePosition(0),
            origin: Some((ExactNs::default(), FramePosition(0))),
            pace: 1.0,
            steering: RateSteering::new(block_frames as f64 / f64::from(rate.hz())),
            master: None,
        }
    }

    /// Says when frame 0 is due.
    pub(crate) fn start_at_ns(&mut self, start_ns: u64) {
        self.next = ExactNs { ns: start_ns, fraction_ns: 0.0 };
        self.origin = Some((self.next, FramePosition(0)));
    }

    /// Engine frames per nominal frame of monotonic time, at the next block's start.
    pub(crate) fn pace(&self) -> f64 {
        self.pace
    }

    /// When the next block is due.
    pub(crate) fn next(&self) -> ExactNs {
        self.next
    }

    /// Follows another device; returns the one that was followed.
    pub(crate) fn set_master(&mut self, master: Box<MasterClock>) -> Option<Box<MasterClock>> {
        self.master.replace(master)
    }

    /// Frames pass without blocks: the mixer was late.
    pub(crate) fn skip(&mut self, n_frames: u64) {
        self.advance_by(n_frames as f64 * 1e9 / f64::from(self.rate.hz()) / self.pace, n_frames);
    }

    /// Moves on by a block; returns how long it lasts, in nanoseconds.
    pub(crate) fn advance(&mut self, n_frames: u64) -> f64 {
        let nominal_ns = n_frames as f64 * 1e9 / f64::from(self.rate.hz());
        let pace_end = self.next_pace();
        if pace_end == 1.0 && self.pace == 1.0 {
            if self.origin.is_none() {
                self.origin = Some((self.next, self.position));
            }
        } else {
            self.origin = None;
        }
        let duration_ns = nominal_ns * 2.0 / (self.pace + pace_end);
        self.pace = pace_end;
        self.advance_by(duration_ns, n_frames);
        duration_ns
    }

    /// Where the pace is to be at the end of the next block.
    fn next_pace(&mut self) -> f64 {
        let (position, next, hz) = (self.position, self.next, f64::from(self.rate.hz()));
        if let Some(master) = &mut self.master {
            master.poll(next.ns);
        }
        let Some(master) = self.master.as_deref_mut().filter(|master| !master.is_gone) else {
            if self.pace == 1.0 {
                return 1.0;
            }
            let pace = self.steering.next(0.0, 1.0, WATCHED_S);
            return if (pace - 1.0).abs() < SAME_PACE { 1.0 } else { pace };
        };
        let Some(place) = master.estimator.frame_at(next.ns, next.fraction_ns) else { return self.pace };
        let is_known = master.estimator.age_s() >= WATCHED_S && master.estimator.is_rate_known();
        if master.anchor.is_none() && !is_known {
            return self.pace;
        }
        let (frame, fraction, from) = *master.anchor.get_or_insert_with(|| {
            self.steering.start(self.pace);
            (place.frame, place.fraction, position)
        });
        let device_s = ((place.frame - frame) as f64 + (place.fraction - fraction)) / master.hz;
        let mix_s = (position - from) as f64 / hz;
        self.steering.next(device_s - mix_s, master.estimator.rate_factor(), master.estimator.age_s())
    }

    fn advance_by(&mut self, duration_ns: f64, n_frames: u64) {
        self.position += n_frames;
        self.next = match self.origin {
            // Reckoned from the origin: nothing adds up.
            Some((at, position)) => {
                let exact = ExactNs::of_frames(at.ns, self.position.frames_since(position), self.rate);
                exact.plus_ns(at.fraction_ns)
            }
            None => self.next.plus_ns(duration_ns),
        };
    }

    /// Who leads, and how far its clock is from the monotonic one.
    pub(crate) fn master_state(&self) -> (MasterState, Option<f64>) {
        match &self.master {
            None => (MasterState::Clock, None),
            Some(master) if master.is_gone => (MasterState::Gone, None),
            Some(master) if master.anchor.is_none() => (MasterState::Watching, None),
            Some(master) => (MasterState::Following, master.estimator.drift().map(|Ppm(ppm)| ppm)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

    use super::*;

    const RATE: SampleRate = SampleRate::HZ_48000;
    const START_NS: u64 = 1_000_000_000;

    /// A device that plays 480 frames at a time on its own clock, as far as virtual time has come.
    struct Device {
        ppm: f64,
        next_frame: u64,
        now_ns: Arc<AtomicU64>,
        is_closed: Arc<AtomicBool>,
    }

    impl PlaybackClock for Device {
        fn sample_rate(&self) -> SampleRate {
            RATE
        }
        fn poll_stamps(&mut self, on_stamp: &mut dyn FnMut(&PeriodStamp)) {
            loop {
                let s = self.next_frame as f64 / 48_000.0 / (1.0 + self.ppm * 1e-6);
                let capture_ns = START_NS + (s * 1e9) as u64;
                if capture_ns > self.now_ns.load(Relaxed) || self.is_closed.load(Relaxed) {
                    return;
                }
                let position = FramePosition(self.next_frame);
                on_stamp(&PeriodStamp { position, n_frames: 480, capture_ns, is_after_break: false });
                self.next_frame += 480;
            }
        }
        fn is_closed(&self) -> bool {
            self.is_closed.load(Relaxed)
        }
    }

    fn cadence() -> Cadence {
        let mut cadence = Cadence::new(RATE, 128);
        cadence.start_at_ns(START_NS);
        cadence
    }

    fn run(cadence: &mut Cadence, seconds: f64, now_ns: &AtomicU64) -> f64 {
        let mut largest: f64 = 0.0;
        for _ in 0..(seconds * 375.0) as u64 {
            now_ns.store(cadence.next().ns, Relaxed);
            let before = cadence.pace;
            cadence.advance(128);
            largest = largest.max((cadence.pace - before).abs());
        }
        largest
    }

    #[test]
    fn a_device_that_is_back_leads_again() {
        let (now_ns, is_closed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut cadence = cadence();
        let device = Device { ppm: -80.0, next_frame: 0, now_ns: now_ns.clone(), is_closed: is_closed.clone() };
        cadence.set_master(Box::new(MasterClock::new(Box::new(device))));
        let mut largest = run(&mut cadence, 30.0, &now_ns);
        for gone_s in [0.7, 20.0] {
            assert_eq!(cadence.master_state().0, MasterState::Following);
            // Silent, and then it goes on as if nothing had been.
            is_closed.store(true, Relaxed);
            largest = largest.max(run(&mut cadence, gone_s, &now_ns));
            assert_eq!(cadence.master_state().0, MasterState::Gone);
            is_closed.store(false, Relaxed);
            largest = largest.max(run(&mut cadence, 0.2, &now_ns));
            assert_eq!(cadence.master_state().0, MasterState::Watching);
            largest = largest.max(run(&mut cadence, 30.0, &now_ns));
            let (state, ppm) = cadence.master_state();
            assert_eq!(state, MasterState::Following);
            assert!((ppm.unwrap() + 80.0).abs() < 1.0 && (cadence.pace - 0.99992).abs() < 1e-6, "{ppm:?}");
        }
        assert!(largest < 20e-6, "{largest}: no step of pace");
    }

    #[test]
    fn alone_it_is_exact_for_ever() {
        let mut cadence = cadence();
        cadence.skip(48_000 * 86_400 * 365);
        assert_eq!(cadence.next().ns, START_NS + 86_400 * 365 * 1_000_000_000);
        run(&mut cadence, 1.0, &AtomicU64::new(0));
        assert_eq!(cadence.next().ns, START_NS + (86_400 * 365 + 1) * 1_000_000_000);
    }

    #[test]
    fn a_device_leads_and_its_going_is_no_step() {
        let (now_ns, is_closed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        for by_silence in [false, true] {
            is_closed.store(false, Relaxed);
            let mut cadence = cadence();
            let device = Device { ppm: 150.0, next_frame: 0, now_ns: now_ns.clone(), is_closed: is_closed.clone() };
            assert!(cadence.set_master(Box::new(MasterClock::new(Box::new(device)))).is_none());
            run(&mut cadence, 0.5, &now_ns);
            assert_eq!(cadence.master_state().0, MasterState::Watching);
            let mut largest = run(&mut cadence, 60.0, &now_ns);
            let (state, ppm) = cadence.master_state();
            assert_eq!(state, MasterState::Following);
            assert!((ppm.unwrap() - 150.0).abs() < 1.0, "{ppm:?}");
            assert!((cadence.pace - 1.00015).abs() < 1e-6, "{}", cadence.pace);
            // As many frames as the device has played since it leads: what is between them does not grow.
            let ahead = |cadence: &Cadence| {
                let s = (cadence.next().ns - START_NS) as f64 / 1e9;
                cadence.position.0 as f64 - s * 48_000.0 * 1.00015
            };
            let before = ahead(&cadence);
            largest = largest.max(run(&mut cadence, 60.0, &now_ns));
            assert!((ahead(&cadence) - before).abs() < 0.1, "{} and {before}", ahead(&cadence));
            // Closed, or silent: virtual time stands still for it.
            is_closed.store(!by_silence, Relaxed);
            let stopped = AtomicU64::new(0);
            largest = largest.max(run(&mut cadence, 30.0, &stopped));
            assert_eq!((cadence.master_state().0, cadence.pace), (MasterState::Gone, 1.0));
            assert!(largest < 20e-6, "{largest}: no step of pace");
        }
    }
}
