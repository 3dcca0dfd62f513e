//! Keeps an output's device: sees that it is lost, looks for it, and goes on when it is back. Never waits for a device.
//! The time is a parameter.

use ra_core::{Block, Gap, PlaybackClock, SinkError};

use super::{
    OutputCounts, OutputState, OutputStatus,
    bus_clock::BusClock,
    clock::{ClockFeed, OutputClock, output_clock},
    conversion_error,
    open::{Opened, Plan},
    search::{Found, Search},
    troubles::Troubles,
};

/// A device that has not asked for two of its longest periods and this is stalled …
const STALLED_NS: u64 = 300_000_000;
/// … and for so much longer, lost.
const LOST_NS: u64 = 3_000_000_000;
/// Between two looks no more than this counts as waiting: a process that was stopped has not waited for a device.
const MOST_WAITED_NS: u64 = 100_000_000;

/// An output from its start to its end.
pub(super) struct Keeper {
    name: String,
    plan: Plan,
    bus_clock: BusClock,
    clock_feed: ClockFeed,
    /// Until somebody takes it.
    clock: Option<OutputClock>,
    device: Device,
    /// Of what was closed before.
    totals: OutputCounts,
    /// Frames of the bus that were taken, are lost after all, and were not told yet.
    taken_back_frames: u64,
    label: Option<String>,
    troubles: Troubles,
}

enum Device {
    Live(Box<Live>),
    Missing(Missing),
}

struct Live {
    opened: Opened,
    seen_periods: u64,
    looked_ns: u64,
    /// For so long it has not asked for anything.
    silent_ns: u64,
    is_stalled: bool,
}

struct Missing {
    state: OutputState,
    reason: String,
    search: Search,
}

impl Live {
    fn new(opened: Opened, now_ns: u64) -> Self {
        Self { opened, seen_periods: 0, looked_ns: now_ns, silent_ns: 0, is_stalled: false }
    }

    /// Looks after the device; returns why it is lost.
    fn look(&mut self, now_ns: u64) -> Option<String> {
        if let Some(reason) = self.opened.playing.loss() {
            return Some(reason);
        }
        let passed_ns = now_ns.saturating_sub(std::mem::replace(&mut self.looked_ns, now_ns)).min(MOST_WAITED_NS);
        let counts = self.opened.playing.counts();
        let has_asked = std::mem::replace(&mut self.seen_periods, counts.periods) != counts.periods;
        self.silent_ns = if has_asked { 0 } else { self.silent_ns + passed_ns };
        let longest_ns = self.opened.line.device_rate().ns_of_frames(counts.longest_period_frames);
        let stalled_ns = STALLED_NS + 2 * longest_ns;
        self.is_stalled = self.silent_ns > stalled_ns;
        (self.silent_ns > stalled_ns + LOST_NS)
            .then(|| format!("it has asked for no sound for {} ms", self.silent_ns / 1_000_000))
    }

    fn counts(&self) -> OutputCounts {
        let Opened { playing, line, .. } = &self.opened;
        let (stream, shared) = (playing.counts(), line.shared());
        OutputCounts {
            offered_frames: line.offered_frames(),
            played_frames: shared.played_frames(),
            dropped_frames: line.dropped_frames(),
            underruns: shared.underruns(),
            underrun_frames: shared.silent_frames(),
            inserted_frames: line.inserted_frames(),
            clipped_samples: stream.clipped_samples,
            xruns: stream.xruns,
            device_errors: stream.errors,
            ..OutputCounts::default()
        }
    }
}

impl Keeper {
    /// With a device that was opened, or one that is looked for because of `missing`.
    ///
    /// # Errors
    /// [`SinkError::Fatal`] where no thread can be had.
    pub(super) fn new(name: &str, plan: Plan, opened: Result<Opened, String>, now_ns: u64) -> Result<Self, SinkError> {
        let (clock_feed, clock) = output_clock(plan.bus.sample_rate);
        let device = match opened {
            Ok(opened) => Device::Live(Box::new(Live::new(opened, now_ns))),
            Err(reason) => {
                let search = Search::start(plan.clone(), name)?;
                Device::Missing(Missing { state: OutputState::Opening, reason, search })
            }
        };
        let mut keeper = Self {
            name: name.to_owned(),
            bus_clock: BusClock::new(plan.bus.sample_rate),
            plan,
            clock_feed,
            clock: Some(clock),
            device,
            totals: OutputCounts::default(),
            taken_back_frames: 0,
            label: None,
            troubles: Troubles::default(),
        };
        keeper.begin_device();
        Ok(keeper)
    }

    /// What follows every opening.
    fn begin_device(&mut self) {
        let Device::Live(live) = &mut self.device else { return };
        let granted = live.opened.playing.granted();
        self.label = Some(granted.device.clone());
        let what = format!("{}: {}", granted.device, granted.spec);
        log::info!("{what}, period {:?} frames, playing {}", granted.period_frames, self.plan.bus);
        if let Some(stamps) = live.opened.stamps.take() {
            self.clock_feed.switch_to(stamps);
        }
    }

    pub(super) fn take_clock(&mut self) -> Option<Box<dyn PlaybackClock>> {
        let clock = self.clock.take()?;
        Some(Box::new(clock))
    }

    /// Takes a block that arrives at `now_ns`.
    pub(super) fn write(&mut self, block: &Block<'_>, now_ns: u64) -> Result<(), SinkError> {
        let jumped_s = self.bus_clock.observe(block.stamp.position, block.n_frames() as u64, now_ns);
        self.look(now_ns)?;
        let Self { device: Device::Live(live), bus_clock, taken_back_frames, .. } = self else { return Ok(()) };
        let line = &mut live.opened.line;
        line.write(block, bus_clock, jumped_s).map_err(|error| conversion_error(&error))?;
        *taken_back_frames += line.take_lost_frames();
        Ok(())
    }

    pub(super) fn gap(&mut self, gap: &Gap) {
        if let Device::Live(live) = &mut self.device {
            live.opened.line.gap(gap);
        }
    }

    /// Looks after the device, and logs what it complains about. For a few times a second.
    pub(super) fn flush(&mut self, now_ns: u64) -> Result<(), SinkError> {
        if let Device::Live(live) = &mut self.device {
            let words = self.troubles.look(live.opened.playing.take_events());
            words.iter().for_each(|word| log::warn!("sink {}: {word}", self.name));
        }
        self.look(now_ns)
    }

    /// Sees losses and returns.
    fn look(&mut self, now_ns: u64) -> Result<(), SinkError> {
        match &mut self.device {
            Device::Live(live) => match live.look(now_ns) {
                Some(reason) => self.lose(reason),
                None => Ok(()),
            },
            Device::Missing(missing) => match missing.search.look() {
                Found::Nothing => Err(self.missing_error()),
                Found::Unusable(error) => Err(error),
                Found::Device(opened) => {
                    self.totals.failed_opens += missing.search.failed_opens();
                    self.totals.reopens += u64::from(missing.state == OutputState::Lost);
                    log::info!("sink {}: its device is there", self.name);
                    self.device = Device::Live(Box::new(Live::new(*opened, now_ns)));
                    self.begin_device();
                    Ok(())
                }
            },
        }
    }

    /// The device is gone: it is closed where that may take its time, and looked for.
    fn lose(&mut self, reason: String) -> Result<(), SinkError> {
        log::warn!("sink {}: its device is lost: {reason}; looking for it", self.name);
        let search = Search::start(self.plan.clone(), &self.name)?;
        let missing = Device::Missing(Missing { state: OutputState::Lost, reason, search });
        self.totals.losses += 1;
        if let Device::Live(live) = std::mem::replace(&mut self.device, missing) {
            self.close_behind(*live);
        }
        Err(self.missing_error())
    }

    /// Settles the account of a device and closes it on a thread of its own.
    fn close_behind(&mut self, live: Live) {
        let counts = live.counts();
        add(&mut self.totals, &counts);
        let Opened { playing, line, .. } = live.opened;
        self.totals.dropped_frames += line.unplayed_frames();
        self.taken_back_frames += line.abandon();
        let close = std::thread::Builder::new().name(format!("ra-close-{}", self.name));
        if let Err(cause) = close.spawn(move || drop(playing)) {
            // It was closed right here.
            log::warn!("sink {}: no thread to close its device: {cause}", self.name);
        }
    }

    /// The error for the time in which there is no device.
    fn missing_error(&self) -> SinkError {
        let device = self.label.clone().unwrap_or_else(|| self.plan.request.device.clone());
        let message = match &self.device {
            Device::Missing(Missing { state: OutputState::Lost, reason, .. }) => format!("lost: {reason}"),
            Device::Missing(missing) => missing.reason.clone(),
            Device::Live(live) => format!("lost: {}", live.opened.playing.loss().unwrap_or_default()),
        };
        SinkError::Device { device, message }
    }

    pub(super) fn take_back_frames(&mut self) -> u64 {
        std::mem::take(&mut self.taken_back_frames)
    }

    pub(super) fn status(&self) -> OutputStatus {
        let mut counts = self.totals;
        let mut status = OutputStatus { device: self.label.clone(), ..OutputStatus::default() };
        match &self.device {
            Device::Live(live) => {
                add(&mut counts, &live.counts());
                let line = &live.opened.line;
                let per_ms = f64::from(line.device_rate().hz()) / 1e3;
                status.state = if live.is_stalled { OutputState::Stalled } else { OutputState::Live };
                status.reason =
                    live.is_stalled.then(|| format!("it has asked for no sound for {} ms", live.silent_ns / 1_000_000));
                if let Some(steering) = line.steering() {
                    let spare_frames = line.shared().target_frames() - line.shared().cushion_frames();
                    status.latency_ms = steering.latency_ms();
                    status.cushion_ms = steering.level_frames().map(|level| (level - spare_frames as f64) / per_ms);
                    status.drift_ppm = steering.drift_ppm();
                }
            }
            Device::Missing(missing) => {
                counts.failed_opens += missing.search.failed_opens();
                status.state = missing.state;
                status.reason = Some(match missing.search.reason() {
                    Some(latest) if latest != missing.reason => format!("{}; {latest}", missing.reason),
                    _ => missing.reason.clone(),
                });
            }
        }
        status.counts = counts;
        status
    }

    /// Writes what is left. Returns how long it takes to be played, in nanoseconds; 0 where nothing plays.
    pub(super) fn end(&mut self) -> Result<u64, SinkError> {
        let Device::Live(live) = &mut self.device else { return Ok(0) };
        live.opened.line.end().map_err(|error| conversion_error(&error))?;
        Ok(live.opened.line.queued_ns())
    }

    /// Whether nothing is left to wait for at `now_ns`: all is heard, or the device is gone.
    pub(super) fn is_heard(&self, now_ns: u64) -> bool {
        let Device::Live(live) = &self.device else { return true };
        let heard_ns = live.opened.line.shared().heard_ns();
        heard_ns.is_some_and(|heard_ns| heard_ns <= now_ns) || live.opened.playing.loss().is_some()
    }

    /// Closes the device, which may block for 2.5 s, and settles the account. Returns the frames of the bus that are lost
    /// after all, of what was not told yet; and why there is no device, where there is none.
    pub(super) fn close(mut self) -> (OutputStatus, u64, Result<(), SinkError>) {
        let mut status = self.status();
        status.state = OutputState::Closed;
        let is_there = matches!(&self.device, Device::Live(live) if live.opened.playing.loss().is_none());
        let end = if is_there { Ok(()) } else { Err(self.missing_error()) };
        if let Device::Live(live) = self.device {
            let Opened { playing, line, .. } = live.opened;
            drop(playing);
            // The device may have taken more until it was closed.
            status.counts.played_frames = self.totals.played_frames + line.shared().played_frames();
            status.counts.dropped_frames += line.unplayed_frames();
            self.taken_back_frames += line.abandon();
        }
        (status, self.taken_back_frames, end)
    }
}

fn add(sum: &mut OutputCounts, more: &OutputCounts) {
    sum.offered_frames += more.offered_frames;
    sum.played_frames += more.played_frames;
    sum.dropped_frames += more.dropped_frames;
    sum.underruns += more.underruns;
    sum.underrun_frames += more.underrun_frames;
    sum.inserted_frames += more.inserted_frames;
    sum.clipped_samples += more.clipped_samples;
    sum.xruns += more.xruns;
    sum.device_errors += more.device_errors;
}
