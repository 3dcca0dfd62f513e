//! A whole sound device in virtual time: a scripted clock, stamps, and faults, delivering when somebody says what time it
//! is. Starts no thread and reads no clock; what it delivers depends on its settings alone.

mod fault;
mod schedule;
mod truth;
mod windows;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ra_core::{
    ClockedSource, Granted, PeriodInput, PulledSource, SampleRate, Source, SourceError, StreamEvent, StreamSpec,
};

pub use fault::Fault;

use crate::{ClockModel, MockConfig, MockSource, PacedConfig, RoomTime};
use schedule::{Formats, Period, Schedule, Step};
use truth::Truth;
use windows::Window;

/// What a simulated device is.
#[derive(Clone, Debug)]
pub struct SimulatedConfig {
    /// Its clock, its stamps' errors, its periods and their seed. Where `room_origin_ns` is `None`, true time 0 is
    /// monotonic time 0.
    pub paced: PacedConfig,
    /// What it hears, and the format in which it delivers that. Ends never: `duration_frames` is not looked at.
    pub room: MockConfig,
    /// What goes wrong, in any order.
    pub faults: Vec<Fault>,
}

/// A clocked source that is simulated. Its [`SimulatedDeviceHandle`] moves its time.
///
/// [`start`](ClockedSource::start) opens it at the time that the handle was last told (the room's origin, if never):
/// frame 0 is captured then. While a fault keeps it away it can't be opened. [`poll_event`](ClockedSource::poll_event) says [`StreamEvent::FormatChanged`] where a fault
/// says so; it then delivers nothing until it is started again. Flips that were due in between come right behind that
/// start, one for each.
///
/// # Examples
/// ```
/// use ra_core::{ClockedSource, PeriodInput, StreamSpec};
/// use ra_sources::{Fault, MockConfig, PacedConfig, Signal, SimulatedConfig, SimulatedDevice};
/// struct Ignore;
/// impl PeriodInput for Ignore {
///     fn push(&mut self, _capture_ns: u64, interleaved: &[f32]) -> usize { interleaved.len() }
///     fn mark_break(&mut self) {}
/// }
/// let (mut device, handle) = SimulatedDevice::new(SimulatedConfig {
///     paced: PacedConfig { period_frames: 480, ..PacedConfig::default() },
///     room: MockConfig::new(StreamSpec::new(48_000, 1)?, Signal::DEFAULT),
///     faults: vec![Fault::Unplug { at_s: 1.0, for_s: 0.5 }],
/// })?;
/// device.start(Box::new(Ignore))?;
/// assert_eq!(handle.next_due_ns(), Some(10_000_000)); // when the last frame of the first period is captured
/// handle.deliver_until(2_000_000_000);
/// // 99 periods before it went (the hundredth was due just then), and more behind it.
/// assert_eq!(handle.true_time(0, 99 * 480, 0.0).as_ns(), 1_500_000_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SimulatedDevice {
    shared: Arc<Mutex<Device>>,
    description: String,
}

/// Moves a simulated device's time, and knows the truth of it.
#[derive(Clone)]
pub struct SimulatedDeviceHandle {
    shared: Arc<Mutex<Device>>,
}

struct Device {
    config: SimulatedConfig,
    spec: StreamSpec,
    origin_ns: u64,
    now_ns: u64,
    is_silent: bool,
    room: MockSource,
    /// One period of samples, as large as any will be.
    samples: Vec<f32>,
    running: Option<Running>,
    /// One for each start.
    truths: Vec<Truth>,
    /// What was left to flip when it flipped and stopped: happens behind the next start, however soon it was due.
    flips_left: Option<Formats>,
    /// The rate at which it comes back.
    returns_at: Option<SampleRate>,
    /// When it is away, unplugged or lost; when calls hang; when errors come, and how many a second.
    away: Vec<Window>,
    hangs: Vec<Window>,
    storms: Vec<Storm>,
    events: VecDeque<StreamEvent>,
}

/// Errors that come evenly.
struct Storm {
    window: Window,
    per_s: f64,
    n_told: u64,
}

impl Storm {
    /// Those that have come by `now_ns` and were not told before.
    fn errors_until(&mut self, now_ns: u64) -> u64 {
        let passed_ns = now_ns.min(self.window.to_ns).saturating_sub(self.window.from_ns);
        let n_come = (passed_ns as f64 / 1e9 * self.per_s) as u64;
        n_come - std::mem::replace(&mut self.n_told, n_come)
    }
}

struct Running {
    input: Box<dyn PeriodInput>,
    schedule: Schedule,
    /// `None`: nothing ever happens.
    next: Option<Step>,
}

impl Running {
    fn next_due_ns(&self) -> Option<u64> {
        self.next.as_ref().map(Step::due_ns)
    }
}

impl SimulatedDevice {
    /// A device, and what moves it.
    ///
    /// # Errors
    /// [`SourceError::Setting`] where a setting or a fault makes no sense, or the sound does not fit a rate to which the
    /// device flips.
    pub fn new(config: SimulatedConfig) -> Result<(Self, SimulatedDeviceHandle), SourceError> {
        config.paced.check()?;
        let config = SimulatedConfig { room: MockConfig { duration_frames: None, ..config.room }, ..config };
        let room = MockSource::new(config.room.clone())?;
        let mut max_period_frames = config.paced.period_frames;
        for (fault, n) in config.faults.iter().zip(1..) {
            fault.check()?;
            if let Fault::Period { period_frames, .. } = *fault {
                max_period_frames = max_period_frames.max(period_frames);
            }
            if let Some(sample_rate) = fault.new_rate() {
                let spec = StreamSpec { sample_rate, ..config.room.spec };
                let band_rate = config.room.band_rate.unwrap_or(sample_rate);
                config.room.signal.check(spec, band_rate).map_err(|cause| SourceError::Setting {
                    what: format!("fault {n}"),
                    message: format!("sample_rate {sample_rate}: {cause}"),
                })?;
            }
        }
        let description = format!("{} (simulated, {})", config.paced.name, config.room.signal);
        let origin_ns = config.paced.room_origin_ns.unwrap_or(0);
        let spec = config.room.spec;
        let device = Device {
            spec,
            origin_ns,
            now_ns: origin_ns,
            is_silent: config.faults.contains(&Fault::Silent),
            room,
            samples: vec![0.0; spec.samples(max_period_frames as usize)],
            running: None,
            truths: Vec::new(),
            flips_left: None,
            returns_at: None,
            away: windows(&config.faults, origin_ns, |fault| match *fault {
                Fault::Unplug { at_s, for_s } | Fault::Loss { at_s, for_s, .. } => Some((at_s, for_s)),
                _ => None,
            }),
            hangs: windows(&config.faults, origin_ns, |fault| match *fault {
                Fault::Hang { at_s, for_s } => Some((at_s, for_s)),
                _ => None,
            }),
            storms: config
                .faults
                .iter()
                .filter_map(|fault| match *fault {
                    Fault::Storm { at_s, for_s, per_s } => {
                        Some(Storm { window: Window::new(origin_ns, at_s, for_s), per_s, n_told: 0 })
                    }
                    _ => None,
                })
                .collect(),
            events: VecDeque::new(),
            config,
        };
        let shared = Arc::new(Mutex::new(device));
        let handle = SimulatedDeviceHandle { shared: Arc::clone(&shared) };
        Ok((Self { shared, description }, handle))
    }
}

fn windows(faults: &[Fault], origin_ns: u64, pick: impl Fn(&Fault) -> Option<(f64, f64)>) -> Vec<Window> {
    faults.iter().filter_map(pick).map(|(at_s, for_s)| Window::new(origin_ns, at_s, for_s)).collect()
}

/// The window that a time is in.
fn around(windows: &[Window], now_ns: u64) -> Option<&Window> {
    windows.iter().find(|window| (window.from_ns..window.to_ns).contains(&now_ns))
}

fn lock(shared: &Mutex<Device>) -> MutexGuard<'_, Device> {
    // Only an input that panics can leave it poisoned; the device itself is whole then.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimulatedDeviceHandle {
    /// Delivers, in their order, all periods that are due at monotonic time `now_ns` or before it.
    ///
    /// # Real-time safety
    /// Not real-time safe: locks.
    pub fn deliver_until(&self, now_ns: u64) {
        lock(&self.shared).deliver_until(now_ns);
    }

    /// When something happens next; `None` where nothing ever will: it is not started, or never delivers.
    pub fn next_due_ns(&self) -> Option<u64> {
        lock(&self.shared).running.as_ref().and_then(Running::next_due_ns)
    }

    /// The true time at which the sound at the source's own frame `position + fraction` was captured, since the room's
    /// origin; time 0 where there was no such start.
    ///
    /// Frames are counted as the stamps behind the `start`-th start, from 0, count them: those that were delivered. One
    /// that is not delivered yet is where it will be if nothing goes wrong; one before the first, where it would have been.
    pub fn true_time(&self, start: usize, position: i64, fraction: f64) -> RoomTime {
        lock(&self.shared).truths.get(start).map_or(RoomTime::ZERO, |truth| truth.time_of(position, fraction).0)
    }

    /// As [`true_time`](Self::true_time), for a frame that is there: `None` where it is not delivered yet, and where frames
    /// were lost, seen or unseen, at a place that is at most so many delivered frames before or behind it. At the edges of
    /// a hole, a reader that goes on by itself is at frames that never were. With it, the clock's true rate then, as a
    /// factor of the nominal one.
    pub fn true_time_of_sound(
        &self,
        start: usize,
        position: i64,
        fraction: f64,
        (before_frames, behind_frames): (u64, u64),
    ) -> Option<(RoomTime, f64)> {
        let device = lock(&self.shared);
        let truth = device.truths.get(start)?;
        let is_there = truth.is_delivered(position) && !truth.is_near_a_loss(position, before_frames, behind_frames);
        is_there.then(|| truth.time_of(position, fraction))
    }

    /// The stretches of true time in which the frames were captured that were delivered since the `start`-th start: one, and
    /// one more behind each loss of frames.
    pub fn captured(&self, start: usize) -> Vec<(RoomTime, RoomTime)> {
        lock(&self.shared).truths.get(start).map_or_else(Vec::new, Truth::captured)
    }

    /// When a call that opens or closes it at `now_ns` returns: then, unless a fault says otherwise.
    pub fn hangs_until_ns(&self, now_ns: u64) -> u64 {
        around(&lock(&self.shared).hangs, now_ns).map_or(now_ns, |window| window.to_ns)
    }

    /// Its clock.
    pub fn clock(&self) -> ClockModel {
        lock(&self.shared).config.paced.clock
    }

    /// How often it was started.
    pub fn n_starts(&self) -> usize {
        lock(&self.shared).truths.len()
    }
}

impl Device {
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<(), SourceError> {
        if self.running.is_some() {
            let message = "started twice, expected a stop in between".to_owned();
            return Err(SourceError::Setting { what: self.config.paced.name.clone(), message });
        }
        if around(&self.away, self.now_ns).is_some() {
            let message = "it is not there".to_owned();
            return Err(SourceError::Device { device: self.config.paced.name.clone(), message });
        }
        if let Some(sample_rate) = self.returns_at.take() {
            self.spec.sample_rate = sample_rate;
            self.room = MockSource::new(MockConfig { spec: self.spec, ..self.config.room.clone() })?;
        }
        let opened = RoomTime::from_ns(self.now_ns.wrapping_sub(self.origin_ns) as i64);
        self.room.set_clock(self.config.paced.clock, opened)?;
        let paced = PacedConfig {
            room_origin_ns: Some(self.origin_ns),
            // A second start does not repeat the errors of the first.
            seed: self.config.paced.seed.wrapping_add((self.truths.len() as u64) << 48),
            ..self.config.paced.clone()
        };
        let mut schedule = Schedule::new(&paced, &self.config.faults, self.spec.sample_rate, self.now_ns)?;
        if let Some(formats) = self.flips_left.take() {
            schedule.set_formats(formats);
        }
        self.truths.push(Truth::new(paced.clock, self.spec.sample_rate, opened));
        let next = if self.is_silent { None } else { Some(schedule.next_step()) };
        self.running = Some(Running { input, schedule, next });
        Ok(())
    }

    fn deliver_until(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        while let Some(running) = &mut self.running {
            let Some(step) = running.next.filter(|step| step.due_ns() <= now_ns) else { return };
            match step {
                Step::Deliver(period) => {
                    let n_samples = self.spec.samples(period.n_frames as usize);
                    let samples = &mut self.samples[..n_samples];
                    fill(&mut self.room, &period, samples);
                    if period.is_after_break {
                        running.input.mark_break();
                    }
                    // What is not taken keeps its place, and the input counts it.
                    running.input.push(period.capture_ns, samples);
                    running.next = Some(running.schedule.next_step());
                    if let Some(truth) = self.truths.last_mut() {
                        truth.delivered(period.device_frame, u64::from(period.n_frames));
                    }
                }
                Step::Format { sample_rate, .. } => self.flip(StreamSpec { sample_rate, ..self.spec }),
                Step::Gone { sample_rate, .. } => {
                    self.running = None;
                    self.returns_at = sample_rate.or(self.returns_at);
                    self.events
                        .push_back(StreamEvent::DeviceLost { reason: "unplugged".to_owned(), doubtful_frames: 0 });
                }
            }
        }
    }

    /// The errors of storms since it was asked last: while one goes on an event, however soon that was.
    fn errors(&mut self) -> Option<StreamEvent> {
        let now_ns = self.now_ns;
        let n = self.storms.iter_mut().map(|storm| storm.errors_until(now_ns)).sum();
        let is_on = self.storms.iter().any(|Storm { window, .. }| (window.from_ns..window.to_ns).contains(&now_ns));
        (is_on || n > 0).then_some(StreamEvent::ErrorsSeen { n })
    }

    fn flip(&mut self, spec: StreamSpec) {
        self.flips_left = self.running.take().map(|running| running.schedule.into_formats());
        let room = MockConfig { spec, ..self.config.room.clone() };
        match MockSource::new(room) {
            Ok(room) => {
                self.room = room;
                self.spec = spec;
                self.events.push_back(StreamEvent::FormatChanged { spec });
            }
            // Can't be: it was checked when the device was made.
            Err(error) => {
                self.events.push_back(StreamEvent::DeviceLost { reason: error.to_string(), doubtful_frames: 0 })
            }
        }
    }
}

fn fill(room: &mut MockSource, period: &Period, samples: &mut [f32]) {
    room.seek(period.device_frame);
    if room.read(samples).is_err() {
        samples.fill(0.0); // a mock never fails
    }
}

impl Source for SimulatedDevice {
    fn spec(&self) -> StreamSpec {
        lock(&self.shared).spec
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

impl ClockedSource for SimulatedDevice {
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<Granted, SourceError> {
        let mut device = lock(&self.shared);
        device.start(input)?;
        Ok(Granted {
            spec: device.spec,
            period_frames: Some(device.config.paced.period_frames),
            device: self.description.clone(),
        })
    }

    fn poll_event(&mut self) -> Option<StreamEvent> {
        let mut device = lock(&self.shared);
        device.events.pop_front().or_else(|| device.errors())
    }

    fn stop(&mut self) {
        lock(&self.shared).running = None;
    }
}

impl Drop for SimulatedDevice {
    fn drop(&mut self) {
        self.stop();
    }
}
