//! Devices for a storm: each has a thread of its own that is there all the time, as a driver's is, delivers a tone at its
//! own pace while it is open, and goes on at another rate when told to. Their threads are watched as the mixer's is.
//!
//! The thread owns nothing that it would have to free: inputs come to it and go back by rings.

use std::f64::consts::TAU;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use ra_core::{
    Clock, ClockedSource, Granted, PeriodInput, SampleRate, Source, SourceError, StreamEvent, StreamSpec, SystemClock,
};
use rtrb::{Consumer, Producer, RingBuffer};

use super::allocations::mark_this_thread;
use super::bound::amplitude_lin;
use super::system_calls::Seat;
use crate::{ask_for_fifo, describe_grant};

/// Above the mixer, as a driver's thread stands above its clients.
const PRIORITY: i32 = 80;
/// Frames in a delivery.
const PERIOD_FRAMES: usize = 256;
const MAX_CHANNELS: usize = 2;
/// How often the thread of a closed device looks for orders, in nanoseconds.
const IDLE_NS: u64 = 2_000_000;
/// How long a source waits for a device that another one has, in nanoseconds.
const PATIENCE_NS: u64 = 5_000_000_000;
/// No flip is asked for.
const NONE: u32 = 0;

/// What the thread is told. Carries what it must not free.
enum Order {
    Open(Playing),
    Close,
}

/// An open device.
struct Playing {
    input: Box<dyn PeriodInput>,
    start_ns: u64,
    rate_hz: f64,
    nominal_hz: u32,
    channels: usize,
    tone_hz: f64,
    next_frame: u64,
    /// It has flipped, and says nothing until it is opened again.
    is_silent: bool,
    /// Frames that were offered to the source's rings.
    offered_frames: Arc<AtomicU64>,
}

impl Playing {
    fn ns_of(&self, frame: u64) -> u64 {
        self.start_ns + (frame as f64 / self.rate_hz * 1e9) as u64
    }

    fn next_due_ns(&self) -> u64 {
        self.ns_of(self.next_frame + PERIOD_FRAMES as u64)
    }

    /// Hands over the period that is due.
    fn deliver(&mut self, memory: &mut [f32]) {
        let period = &mut memory[..PERIOD_FRAMES * self.channels];
        for (n, frame) in period.chunks_exact_mut(self.channels).enumerate() {
            // By true time, so that a device that is opened again goes on with the same tone.
            let s = self.start_ns as f64 / 1e9 + (self.next_frame + n as u64) as f64 / self.rate_hz;
            let cycles = self.tone_hz * s;
            frame.fill((amplitude_lin() * (TAU * (cycles - cycles.floor())).sin()) as f32);
        }
        let capture_ns = self.ns_of(self.next_frame);
        self.input.push(capture_ns, period);
        self.next_frame += PERIOD_FRAMES as u64;
        // One writer: a load and a store are enough.
        let offered = self.offered_frames.load(Ordering::Relaxed) + PERIOD_FRAMES as u64;
        self.offered_frames.store(offered, Ordering::Release);
    }
}

/// What a device's thread shares with the rest.
#[derive(Debug, Default)]
struct Shared {
    quit: AtomicBool,
    /// The rate to go on at; [`NONE`]: as it is.
    flip_to_hz: AtomicU32,
    /// A flip that has happened and was not told yet.
    flipped_to_hz: AtomicU32,
    /// The source that has the device; 0: nobody.
    owner: AtomicU64,
    periods: AtomicU64,
    /// Taken off the marks: what comes now is the end.
    is_unmarked: AtomicBool,
}

/// One device with its thread.
pub(super) struct DeviceSlot {
    shared: Arc<Shared>,
    ends: Arc<Mutex<Ends>>,
    /// `None` once it was joined.
    thread: Option<JoinHandle<String>>,
    n_owners: AtomicU64,
}

/// The control side's ends of the rings.
struct Ends {
    orders: Producer<Order>,
    returned: Consumer<Playing>,
}

impl DeviceSlot {
    /// Starts the thread; it is watched from the seat on.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn spawn(slot: usize, seat: Option<Seat>) -> std::io::Result<Self> {
        let (orders, queue) = RingBuffer::new(4);
        let (returning, returned) = RingBuffer::new(4);
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(format!("storm-dev-{slot}"))
            .spawn(move || run(&seen, queue, returning, seat.as_ref()))?;
        let ends = Arc::new(Mutex::new(Ends { orders, returned }));
        Ok(Self { shared, ends, thread: Some(thread), n_owners: AtomicU64::new(0) })
    }

    /// The device as a source of the engine's, and the frames that it offers. It is opened once the source that had it
    /// before has closed it.
    pub(super) fn source(&self, spec: StreamSpec, tone_hz: f64, ppm: f64) -> (StormDevice, Arc<AtomicU64>) {
        let offered_frames = Arc::new(AtomicU64::new(0));
        let device = StormDevice {
            shared: Arc::clone(&self.shared),
            ends: Arc::clone(&self.ends),
            // From 1: 0 is nobody.
            number: self.n_owners.fetch_add(1, Ordering::Relaxed) + 1,
            spec,
            tone_hz,
            ppm,
            offered_frames: Arc::clone(&offered_frames),
            is_open: false,
        };
        (device, offered_frames)
    }

    /// Lets it go on at another rate from its next period on.
    pub(super) fn flip_to(&self, rate_hz: u32) {
        self.shared.flip_to_hz.store(rate_hz, Ordering::Release);
    }

    /// Periods that it has delivered so far.
    pub(super) fn periods(&self) -> u64 {
        self.shared.periods.load(Ordering::Acquire)
    }

    /// Takes the marks off its thread and waits until they are.
    pub(super) fn unmark(&self) {
        self.shared.quit.store(true, Ordering::Release);
        while !self.shared.is_unmarked.load(Ordering::Acquire)
            && !self.thread.as_ref().is_none_or(JoinHandle::is_finished)
        {
            SystemClock.sleep_until_ns(SystemClock.now_ns() + IDLE_NS / 4);
        }
    }

    /// Joins it; returns what it was granted.
    ///
    /// # Errors
    /// It has panicked.
    pub(super) fn finish(mut self) -> Result<String> {
        self.shared.quit.store(true, Ordering::Release);
        let thread = self.thread.take().context("a device's thread was joined before")?;
        thread.join().map_err(|_| anyhow!("a device's thread has panicked"))
    }
}

impl Drop for DeviceSlot {
    /// Nobody is left to use it.
    fn drop(&mut self) {
        self.shared.quit.store(true, Ordering::Release);
    }
}

fn run(shared: &Shared, mut orders: Consumer<Order>, mut returning: Producer<Playing>, seat: Option<&Seat>) -> String {
    let grant = describe_grant(PRIORITY, &ask_for_fifo(PRIORITY));
    let mut memory = vec![0.0; PERIOD_FRAMES * MAX_CHANNELS];
    let mut playing: Option<Playing> = None;
    if let Some(seat) = seat {
        seat.take();
    }
    mark_this_thread(true);
    // From here on: one wait a round, and no other system call.
    loop {
        let now_ns = SystemClock.now_ns();
        let due_ns = match &playing {
            Some(open) if !open.is_silent => open.next_due_ns().min(now_ns + 4 * IDLE_NS),
            _ => now_ns + IDLE_NS,
        };
        SystemClock.sleep_until_ns(due_ns);
        while let Ok(order) = orders.pop() {
            let closed = match order {
                Order::Open(open) => playing.replace(open),
                Order::Close => playing.take(),
            };
            if let Some(Err(rtrb::PushError::Full(kept))) = closed.map(|closed| returning.push(closed)) {
                // Never: it holds more than were ever given. To free it here would be worse.
                std::mem::forget(kept);
            }
        }
        if shared.quit.load(Ordering::Acquire) {
            break;
        }
        if let Some(open) = playing.as_mut().filter(|open| !open.is_silent) {
            let flip_to_hz = shared.flip_to_hz.load(Ordering::Acquire);
            if flip_to_hz != NONE && flip_to_hz != open.nominal_hz {
                shared.flip_to_hz.store(NONE, Ordering::Release);
                shared.flipped_to_hz.store(flip_to_hz, Ordering::Release);
                open.is_silent = true;
            } else if SystemClock.now_ns() >= open.next_due_ns() {
                open.deliver(&mut memory);
                // One writer: a load and a store are enough.
                shared.periods.store(shared.periods.load(Ordering::Relaxed) + 1, Ordering::Release);
            }
        }
    }
    mark_this_thread(false);
    shared.is_unmarked.store(true, Ordering::Release);
    grant
}

/// A device slot while a source of the engine's has it.
pub(super) struct StormDevice {
    shared: Arc<Shared>,
    ends: Arc<Mutex<Ends>>,
    number: u64,
    spec: StreamSpec,
    tone_hz: f64,
    ppm: f64,
    offered_frames: Arc<AtomicU64>,
    is_open: bool,
}

impl StormDevice {
    /// Waits until the device is nobody else's. A device that is opened again is still its owner's.
    fn own(&self) -> Result<(), SourceError> {
        if self.shared.owner.load(Ordering::Acquire) == self.number {
            return Ok(());
        }
        let patient_until_ns = SystemClock.now_ns() + PATIENCE_NS;
        while self.shared.owner.compare_exchange(0, self.number, Ordering::AcqRel, Ordering::Acquire).is_err() {
            if SystemClock.now_ns() > patient_until_ns {
                let message = format!("its last source has not closed it within {} s", PATIENCE_NS / 1_000_000_000);
                return Err(SourceError::Device { device: self.describe(), message });
            }
            SystemClock.sleep_until_ns(SystemClock.now_ns() + IDLE_NS);
        }
        // A flip that found the last source closed is not this one's.
        self.shared.flip_to_hz.store(NONE, Ordering::Release);
        self.shared.flipped_to_hz.store(NONE, Ordering::Release);
        Ok(())
    }
}

impl Source for StormDevice {
    fn spec(&self) -> StreamSpec {
        self.spec
    }

    fn describe(&self) -> String {
        format!("storm device, {} Hz", self.tone_hz)
    }
}

impl ClockedSource for StormDevice {
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<Granted, SourceError> {
        self.own()?;
        let nominal_hz = self.spec.sample_rate.hz();
        let playing = Playing {
            input,
            start_ns: SystemClock.now_ns(),
            rate_hz: f64::from(nominal_hz) * (1.0 + self.ppm * 1e-6),
            nominal_hz,
            channels: self.spec.channels.get(),
            tone_hz: self.tone_hz,
            next_frame: 0,
            is_silent: false,
            offered_frames: Arc::clone(&self.offered_frames),
        };
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.orders.push(Order::Open(playing)).is_err() {
            let message = "its thread does not take orders".to_owned();
            return Err(SourceError::Device { device: self.describe(), message });
        }
        self.is_open = true;
        let period_frames = Some(PERIOD_FRAMES as u32);
        Ok(Granted { spec: self.spec, period_frames, device: self.describe() })
    }

    fn poll_event(&mut self) -> Option<StreamEvent> {
        let rate_hz = self.shared.flipped_to_hz.swap(NONE, Ordering::AcqRel);
        let sample_rate = SampleRate::new(rate_hz).ok()?;
        self.spec.sample_rate = sample_rate;
        Some(StreamEvent::FormatChanged { spec: self.spec })
    }

    fn stop(&mut self) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        // It takes orders within milliseconds; where its thread has ended, it has nothing of ours any more.
        while ends.orders.push(Order::Close).is_err() && !self.shared.is_unmarked.load(Ordering::Acquire) {
            SystemClock.sleep_until_ns(SystemClock.now_ns() + IDLE_NS);
        }
        loop {
            if let Ok(closed) = ends.returned.pop() {
                drop(closed); // here, where freeing hurts nobody
                return;
            }
            if self.shared.is_unmarked.load(Ordering::Acquire) {
                return;
            }
            SystemClock.sleep_until_ns(SystemClock.now_ns() + IDLE_NS / 4);
        }
    }
}

impl Drop for StormDevice {
    fn drop(&mut self) {
        self.stop();
        // Only where it is ours: it was perhaps never opened.
        let given_up = self.shared.owner.compare_exchange(self.number, 0, Ordering::AcqRel, Ordering::Acquire);
        debug_assert!(given_up.is_ok() || !self.is_open, "an open device has an owner");
    }
}
