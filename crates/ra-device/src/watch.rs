//! Watches devices come and go: a thread for each sound system looks again and again, and what differs is told. Opens no
//! stream, and never blocks the caller for longer than it says.

mod changes;
mod picture;

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use cpal::HostId;

use crate::{
    DeviceError, DeviceListing, deadline,
    listing::{HostScan, HostScanner, name_of},
    quiet,
};

pub use changes::{DeviceChange, changes};
use picture::Picture;

/// How often a watch looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchConfig {
    /// Between the end of one look at a sound system and the next. Default 1 s; JACK is looked at every fifth time only,
    /// because each look joins its graph for a moment.
    pub interval: Duration,
    /// How long a sound system may take to answer until it is said to be silent. Default 5 s.
    pub patience: Duration,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), patience: deadline::LIST_LIMIT }
    }
}

/// What a look at one sound system brought.
struct Answer {
    host: usize,
    scan: Result<HostScan, DeviceError>,
}

/// Tells which devices have come, gone and changed.
///
/// A sound system that hangs costs its one thread, which is left behind if it still hangs when the watch is dropped; its
/// devices stay as they were last seen, and it is said to be silent.
pub struct DeviceWatch {
    answers: Receiver<Answer>,
    /// Dropping these ends the threads, each after the look that it is at.
    _stops: Vec<Sender<()>>,
    picture: Picture,
    started: Instant,
}

impl DeviceWatch {
    /// Starts watching, and waits for the first answers: [`DeviceWatch::listing`] has what is there now. Blocks for
    /// `patience` at most.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, starts threads and blocks.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] where a thread can't be started.
    pub fn start(config: WatchConfig) -> Result<Self, DeviceError> {
        let (to_answers, answers) = mpsc::channel();
        let mut stops = Vec::new();
        for (index, &host) in cpal::ALL_HOSTS.iter().enumerate() {
            let (stop, stopped) = mpsc::channel();
            let (to_answers, interval) = (to_answers.clone(), interval_of(host, config.interval));
            let look = move || look_again_and_again(host, index, interval, &to_answers, &stopped);
            let spawned = thread::Builder::new().name(format!("ra-watch-{}", name_of(host))).spawn(look);
            spawned.map_err(|cause| DeviceError::Refused {
                operation: "watch the devices",
                message: format!("no thread: {cause}"),
            })?;
            stops.push(stop);
        }
        let names = cpal::ALL_HOSTS.iter().map(|&host| name_of(host)).collect();
        let picture = Picture::new(names, config.patience + interval_of_the_slowest(config.interval));
        let mut watch = Self { answers, _stops: stops, picture, started: Instant::now() };
        while !watch.picture.is_complete() {
            let left = config.patience.saturating_sub(watch.started.elapsed());
            match watch.answers.recv_timeout(left) {
                Ok(Answer { host, scan }) => watch.picture.answer(host, scan, watch.started.elapsed()),
                Err(_) => break,
            }
        }
        // What is there at the start is no change.
        watch.picture.take_changes(watch.started.elapsed());
        Ok(watch)
    }

    /// What is there now.
    pub fn listing(&self) -> DeviceListing {
        self.picture.listing()
    }

    /// Waits for changes for `timeout` at most, and returns those that there are: none where the time was up.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates and blocks.
    pub fn next_changes(&mut self, timeout: Duration) -> Vec<DeviceChange> {
        let begun = Instant::now();
        loop {
            let left = timeout.saturating_sub(begun.elapsed());
            match self.answers.recv_timeout(left) {
                Ok(Answer { host, scan }) => self.picture.answer(host, scan, self.started.elapsed()),
                // Every thread is gone: their backends have panicked, and the time that was given is still to be waited.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(left),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let changes = self.picture.take_changes(self.started.elapsed());
            if !changes.is_empty() || begun.elapsed() >= timeout {
                return changes;
            }
        }
    }
}

/// Looks at JACK every so many intervals.
const JACK_INTERVALS: u32 = 5;

fn interval_of(host: HostId, interval: Duration) -> Duration {
    if name_of(host) == "jack" { interval * JACK_INTERVALS } else { interval }
}

fn interval_of_the_slowest(interval: Duration) -> Duration {
    cpal::ALL_HOSTS.iter().map(|&host| interval_of(host, interval)).max().unwrap_or(interval)
}

/// The body of a sound system's thread.
fn look_again_and_again(host: HostId, index: usize, interval: Duration, answers: &Sender<Answer>, stop: &Receiver<()>) {
    let mut scanner = HostScanner::new(host);
    loop {
        // A thread for each look: alsa-lib's messages on a thread add up for as long as that lives.
        let (looked_with, scan) = match thread::Builder::new().name("ra-device".into()).spawn(move || look(scanner)) {
            Ok(looking) => looking.join().unwrap_or_else(|_| (HostScanner::new(host), Err(refused("it panicked")))),
            Err(cause) => (HostScanner::new(host), Err(refused(&format!("no thread: {cause}")))),
        };
        scanner = looked_with;
        if answers.send(Answer { host: index, scan }).is_err() {
            return;
        }
        match stop.recv_timeout(interval) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn look(mut scanner: HostScanner) -> (HostScanner, Result<HostScan, DeviceError>) {
    let _quiet = quiet::hush_this_thread();
    let scan = scanner.scan();
    (scanner, scan)
}

fn refused(message: &str) -> DeviceError {
    DeviceError::Refused { operation: "list its devices", message: message.to_owned() }
}
