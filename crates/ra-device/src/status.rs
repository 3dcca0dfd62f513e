//! What callbacks leave behind for the control side: counters in atomics. No text, no queue, nothing that could fill; the
//! one text here comes from the control side.

use std::sync::{
    OnceLock,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use cpal::ErrorKind;

/// Periods whose arrival is remembered.
const N_ARRIVALS: usize = 16;

/// Errors in a row, with no period between them, after which a stream counts as dead. ALSA over a PulseAudio server
/// that was killed reports 600,000 a second and no loss.
const DEAD_AFTER_ERRORS: u64 = 100;

/// The kinds of error that a stream is told apart by; the index of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
enum Fault {
    Xrun,
    Rerouted,
    RealtimeDenied,
    NotAvailable,
    Invalidated,
    HostGone,
    Denied,
    Other,
}

const N_FAULTS: usize = 8;

impl Fault {
    fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Xrun => Fault::Xrun,
            ErrorKind::DeviceChanged => Fault::Rerouted,
            ErrorKind::RealtimeDenied => Fault::RealtimeDenied,
            ErrorKind::DeviceNotAvailable => Fault::NotAvailable,
            ErrorKind::StreamInvalidated => Fault::Invalidated,
            ErrorKind::HostUnavailable => Fault::HostGone,
            ErrorKind::PermissionDenied => Fault::Denied,
            _ => Fault::Other,
        }
    }
}

/// Faults after which no period comes any more.
const LOSSES: [(Fault, &str); 4] = [
    (Fault::NotAvailable, "the device is no longer available"),
    (Fault::Invalidated, "the sound system ended the stream"),
    (Fault::HostGone, "the sound system is gone"),
    (Fault::Denied, "access to the device was taken away"),
];

/// Written by callbacks, read by the control side. All counters are Relaxed: each is only a number, and nothing else
/// is read on the strength of it.
#[derive(Debug, Default)]
pub(crate) struct Status {
    closed: AtomicBool,
    faults: [AtomicU64; N_FAULTS],
    errors_since_period: AtomicU64,
    periods: AtomicU64,
    frames: AtomicU64,
    last_period_ns: AtomicU64,
    /// When the latest periods came, and how many frames were in each.
    arrivals: [Arrival; N_ARRIVALS],
    shortest_frames: AtomicU64,
    longest_frames: AtomicU64,
    replaced_stamps: AtomicU64,
    clipped_samples: AtomicU64,
    non_finite_samples: AtomicU64,
    /// The bits of `Stuck`'s level beside its channel, counted from 1; 0 for none.
    stuck: AtomicU64,
    stuck_frames: AtomicU64,
    /// The callback's thread; 0 before its first period.
    thread: AtomicU64,
    /// Why nothing more is wanted of the stream: what the control side has found out about it.
    lost: OnceLock<Verdict>,
}

/// One period.
#[derive(Debug, Default)]
struct Arrival {
    at_ns: AtomicU64,
    n_frames: AtomicU64,
}

/// What the control side has found out about a stream that it does not want any more.
#[derive(Debug)]
struct Verdict {
    reason: String,
    /// What has come since may be another device's.
    doubtful_since_ns: u64,
}

impl Status {
    pub(crate) fn new() -> Self {
        Self { shortest_frames: AtomicU64::new(u64::MAX), ..Self::default() }
    }

    /// From here on callbacks deliver nothing, and errors count for nothing.
    pub(crate) fn close(&self) {
        // Release pairs with the Acquire in `is_closed`: a callback that sees the flag also sees what came before it.
        self.closed.store(true, Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Acquire pairs with the Release in `close`.
        self.closed.load(Acquire)
    }

    /// Nothing more is wanted of the stream, for a reason that no callback tells: from here on callbacks deliver nothing, and
    /// what came since `doubtful_since_ns` may be another device's (`u64::MAX`: nothing is). The first reason stays.
    #[cfg_attr(not(feature = "pulseaudio"), allow(dead_code, reason = "only a sound server moves streams"))]
    pub(crate) fn lose(&self, reason: String, doubtful_since_ns: u64) {
        if !self.is_closed() {
            // Fails only where it is lost already.
            drop(self.lost.set(Verdict { reason, doubtful_since_ns }));
        }
    }

    /// Of how many of the frames that came last nobody knows whether they are the device's, once it is lost.
    fn doubtful_frames(&self) -> u64 {
        let Some(verdict) = self.lost.get() else { return 0 };
        // Before the first period its time is 0, and so is its length.
        let is_doubtful = |arrival: &&Arrival| arrival.at_ns.load(Relaxed) >= verdict.doubtful_since_ns;
        self.arrivals.iter().filter(is_doubtful).map(|arrival| arrival.n_frames.load(Relaxed)).sum()
    }

    /// Whether callbacks deliver nothing any more: closed, or lost by [`Status::lose`].
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub(crate) fn is_over(&self) -> bool {
        self.is_closed() || self.lost.get().is_some()
    }

    /// Called from cpal's error callback, which may be on the audio thread.
    pub(crate) fn count_error(&self, kind: ErrorKind) {
        if !self.is_closed() {
            self.faults[Fault::of(kind) as usize].fetch_add(1, Relaxed);
            self.errors_since_period.fetch_add(1, Relaxed);
        }
    }

    /// Called at the start of each period. One thread at a time writes here, so load and store suffice.
    pub(crate) fn count_period(&self, now_ns: u64, n_frames: u64, trusted_stamp: bool) {
        self.note_thread();
        self.errors_since_period.store(0, Relaxed);
        let n_before = self.periods.fetch_add(1, Relaxed);
        let arrival = &self.arrivals[n_before as usize % N_ARRIVALS];
        arrival.at_ns.store(now_ns, Relaxed);
        arrival.n_frames.store(n_frames, Relaxed);
        self.frames.fetch_add(n_frames, Relaxed);
        self.last_period_ns.store(now_ns, Relaxed);
        self.shortest_frames.store(self.shortest_frames.load(Relaxed).min(n_frames), Relaxed);
        self.longest_frames.store(self.longest_frames.load(Relaxed).max(n_frames), Relaxed);
        if !trusted_stamp {
            self.replaced_stamps.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn count_clipped(&self, n_samples: u64) {
        if n_samples > 0 {
            self.clipped_samples.fetch_add(n_samples, Relaxed);
        }
    }

    /// Samples that are no numbers.
    pub(crate) fn count_non_finite(&self, n_samples: u64) {
        if n_samples > 0 {
            self.non_finite_samples.fetch_add(n_samples, Relaxed);
        }
    }

    /// `n_frames` more in which a channel, counted from 0, stood still at `level`.
    pub(crate) fn count_stuck(&self, channel: usize, level: f32, n_frames: u64) {
        self.stuck.store(((channel as u64 + 1) << 32) | u64::from(level.to_bits()), Relaxed);
        self.stuck_frames.fetch_add(n_frames, Relaxed);
    }

    /// Remembers the calling thread, once: on Linux, by its number, which costs one system call that never waits.
    fn note_thread(&self) {
        #[cfg(target_os = "linux")]
        if self.thread.load(Relaxed) == 0 {
            self.thread.store(rustix::thread::gettid().as_raw_nonzero().get() as u64, Relaxed);
        }
    }

    /// The callback's thread, where the system has numbers for them and there was a period.
    pub(crate) fn thread(&self) -> Option<u64> {
        Some(self.thread.load(Relaxed)).filter(|&number| number != 0)
    }

    fn stuck(&self) -> Option<(u16, f32)> {
        let bits = self.stuck.load(Relaxed);
        let channel = (bits >> 32) as u16;
        (channel != 0).then(|| (channel, f32::from_bits(bits as u32)))
    }

    fn count_of(&self, fault: Fault) -> u64 {
        self.faults[fault as usize].load(Relaxed)
    }

    /// Why no period will come any more, if that is so.
    pub(crate) fn loss(&self) -> Option<String> {
        if let Some(verdict) = self.lost.get() {
            return Some(verdict.reason.clone());
        }
        for (fault, reason) in LOSSES {
            if self.count_of(fault) > 0 {
                return Some(reason.to_owned());
            }
        }
        let n_errors = self.errors_since_period.load(Relaxed);
        (n_errors >= DEAD_AFTER_ERRORS).then(|| format!("{n_errors} errors of the sound system without a period"))
    }

    /// A snapshot; its numbers may be a period apart from each other.
    pub(crate) fn counts(&self) -> StreamCounts {
        let periods = self.periods.load(Relaxed);
        StreamCounts {
            periods,
            frames: self.frames.load(Relaxed),
            last_period_ns: (periods > 0).then(|| self.last_period_ns.load(Relaxed)),
            shortest_period_frames: if periods == 0 { 0 } else { self.shortest_frames.load(Relaxed) },
            longest_period_frames: self.longest_frames.load(Relaxed),
            xruns: self.count_of(Fault::Xrun),
            replaced_stamps: self.replaced_stamps.load(Relaxed),
            clipped_samples: self.clipped_samples.load(Relaxed),
            non_finite_samples: self.non_finite_samples.load(Relaxed),
            stuck_frames: self.stuck_frames.load(Relaxed),
            errors: self.faults.iter().map(|n| n.load(Relaxed)).sum(),
        }
    }
}

/// What a stream has done since it was opened. The callback may count on while it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Callbacks with sound.
    pub periods: u64,
    /// Frames in all of them.
    pub frames: u64,
    /// Monotonic nanoseconds of the latest one: a supervisor tells a stalled device by it. `None` before the first.
    pub last_period_ns: Option<u64>,
    /// Frames in the shortest period; 0 before the first.
    pub shortest_period_frames: u64,
    /// Frames in the longest period.
    pub longest_period_frames: u64,
    /// Times the sound system said that it ran over or under.
    pub xruns: u64,
    /// Periods whose stamp was in the future or absurdly old, and was replaced.
    pub replaced_stamps: u64,
    /// Samples beyond full scale that an output was given.
    pub clipped_samples: u64,
    /// Samples of an input that were NaN or infinite.
    pub non_finite_samples: u64,
    /// Frames of an input in which a channel stood still at a level that is not silence, beyond the first second.
    pub stuck_frames: u64,
    /// Error callbacks of every kind.
    pub errors: u64,
}

/// What happened on a stream, besides sound.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DeviceEvent {
    /// The sound system ran over or under.
    XrunSeen {
        /// How many times since the last look.
        n: u64,
    },
    /// The default device is another one now; the stream goes on there.
    Rerouted,
    /// The sound system refused real-time scheduling to its own thread.
    RealtimeDenied,
    /// Errors that say nothing more precise.
    ErrorsSeen {
        /// How many since the last look.
        n: u64,
    },
    /// Samples that were NaN or infinite came from the device: a broken driver.
    NotNumbers {
        /// How many since the last look.
        n_samples: u64,
    },
    /// A channel of the device has stood still for a second, at a level that is not silence: it is broken, or something
    /// before it is. Said once.
    StoodStill {
        /// The channel, counted from 1, as it is delivered.
        channel: u16,
        /// Where it stands; 1.0 is full scale.
        level_lin: f32,
    },
    /// No sound comes or goes any more: the stream has to be closed and opened again. Said once.
    Lost {
        /// What the sound system said.
        reason: String,
        /// Of an input: so many of the frames that came last may be another device's. The sound system moves a stream, and says
        /// so a moment later. Of those, the last 16 periods are known.
        doubtful_frames: u64,
    },
}

/// The control side's view: what it has already been told.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    seen: [u64; N_FAULTS],
    seen_non_finite: u64,
    has_stood_still: bool,
    lost: bool,
}

impl Watcher {
    /// What is new since the last call.
    pub(crate) fn take(&mut self, status: &Status) -> Vec<DeviceEvent> {
        let mut events = Vec::new();
        let mut news = |fault: Fault| {
            let count = status.count_of(fault);
            count - std::mem::replace(&mut self.seen[fault as usize], count)
        };
        let n_xruns = news(Fault::Xrun);
        if n_xruns > 0 {
            events.push(DeviceEvent::XrunSeen { n: n_xruns });
        }
        if news(Fault::Rerouted) > 0 {
            events.push(DeviceEvent::Rerouted);
        }
        if news(Fault::RealtimeDenied) > 0 {
            events.push(DeviceEvent::RealtimeDenied);
        }
        let n_other = news(Fault::Other);
        if n_other > 0 {
            events.push(DeviceEvent::ErrorsSeen { n: n_other });
        }
        let n_non_finite = status.non_finite_samples.load(Relaxed);
        let n_samples = n_non_finite - std::mem::replace(&mut self.seen_non_finite, n_non_finite);
        if n_samples > 0 {
            events.push(DeviceEvent::NotNumbers { n_samples });
        }
        if let Some((channel, level_lin)) = status.stuck()
            && !std::mem::replace(&mut self.has_stood_still, true)
        {
            events.push(DeviceEvent::StoodStill { channel, level_lin });
        }
        if !self.lost
            && let Some(reason) = status.loss()
        {
            self.lost = true;
            events.push(DeviceEvent::Lost { reason, doubtful_frames: status.doubtful_frames() });
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_is_counted_and_told_once() {
        let (status, mut watcher) = (Status::new(), Watcher::default());
        for kind in [ErrorKind::Xrun, ErrorKind::Xrun, ErrorKind::DeviceChanged, ErrorKind::RealtimeDenied] {
            status.count_error(kind);
        }
        status.count_error(ErrorKind::BackendError);
        assert_eq!(
            watcher.take(&status),
            [
                DeviceEvent::XrunSeen { n: 2 },
                DeviceEvent::Rerouted,
                DeviceEvent::RealtimeDenied,
                DeviceEvent::ErrorsSeen { n: 1 }
            ]
        );
        assert_eq!(watcher.take(&status), []);
        assert_eq!((status.counts().xruns, status.counts().errors), (2, 5));
    }

    #[test]
    fn each_kind_of_loss_is_a_loss_with_its_reason() {
        for (kind, reason) in [
            (ErrorKind::DeviceNotAvailable, LOSSES[0].1),
            (ErrorKind::StreamInvalidated, LOSSES[1].1),
            (ErrorKind::HostUnavailable, LOSSES[2].1),
            (ErrorKind::PermissionDenied, LOSSES[3].1),
        ] {
            let (status, mut watcher) = (Status::new(), Watcher::default());
            status.count_error(kind);
            assert_eq!(watcher.take(&status), [DeviceEvent::Lost { reason: reason.to_owned(), doubtful_frames: 0 }]);
            status.count_error(kind);
            assert_eq!(watcher.take(&status), [], "said once");
        }
    }

    #[test]
    fn a_storm_of_errors_is_a_loss_unless_sound_comes_between() {
        let (status, mut watcher) = (Status::new(), Watcher::default());
        for _ in 0..5 {
            (0..DEAD_AFTER_ERRORS - 1).for_each(|_| status.count_error(ErrorKind::BackendError));
            status.count_period(1, 1, true);
        }
        assert_eq!(watcher.take(&status), [DeviceEvent::ErrorsSeen { n: 5 * (DEAD_AFTER_ERRORS - 1) }]);
        (0..DEAD_AFTER_ERRORS).for_each(|_| status.count_error(ErrorKind::BackendError));
        let events = watcher.take(&status);
        assert!(matches!(&events[..], [DeviceEvent::ErrorsSeen { .. }, DeviceEvent::Lost { .. }]), "{events:?}");
    }

    #[test]
    fn what_comes_after_closing_counts_for_nothing() {
        let (status, mut watcher) = (Status::new(), Watcher::default());
        status.close();
        status.count_error(ErrorKind::DeviceNotAvailable); // PipeWire says so at every ordinary close
        assert_eq!(watcher.take(&status), []);
    }

    #[test]
    fn what_the_control_side_finds_out_is_a_loss_and_the_first_reason_stays() {
        let (status, mut watcher) = (Status::new(), Watcher::default());
        assert!(!status.is_over());
        for (at_ns, n_frames) in [(10, 480), (20, 470), (30, 490)] {
            status.count_period(at_ns, n_frames, true);
        }
        status.lose("moved to another".to_owned(), 20);
        status.lose("later".to_owned(), 30);
        status.count_error(ErrorKind::DeviceNotAvailable);
        assert!(status.is_over() && !status.is_closed());
        assert_eq!(
            watcher.take(&status),
            [DeviceEvent::Lost { reason: "moved to another".to_owned(), doubtful_frames: 960 }]
        );
        assert_eq!(watcher.take(&status), []);
        let closed = Status::new();
        closed.close();
        closed.lose("too late".to_owned(), 0);
        assert_eq!(closed.loss(), None, "what is closed can't be lost");
    }

    #[test]
    fn of_a_stream_that_was_moved_the_latest_periods_are_doubtful() {
        let doubtful = |since_ns: u64| {
            let status = Status::new();
            for n in 1..=100 {
                status.count_period(n * 10, n, true);
            }
            status.lose("moved".to_owned(), since_ns);
            status.doubtful_frames()
        };
        assert_eq!([u64::MAX, 1001, 1000, 981].map(doubtful), [0, 0, 100, 100 + 99]);
        assert_eq!(doubtful(0), (85..=100).sum::<u64>(), "all that are known");
        let status = Status::new();
        status.lose("moved before it delivered".to_owned(), 0);
        assert_eq!(status.doubtful_frames(), 0);
    }

    #[test]
    fn what_is_no_sound_is_counted_and_told() {
        let (status, mut watcher) = (Status::new(), Watcher::default());
        status.count_non_finite(3);
        status.count_stuck(1, -0.25, 480);
        status.count_stuck(1, -0.25, 480);
        assert_eq!(
            watcher.take(&status),
            [DeviceEvent::NotNumbers { n_samples: 3 }, DeviceEvent::StoodStill { channel: 2, level_lin: -0.25 }]
        );
        status.count_non_finite(1);
        status.count_stuck(1, -0.25, 480);
        assert_eq!(watcher.take(&status), [DeviceEvent::NotNumbers { n_samples: 1 }]);
        assert_eq!((status.counts().non_finite_samples, status.counts().stuck_frames), (4, 1_440));
    }

    #[test]
    fn periods_are_counted_with_their_extremes() {
        let status = Status::new();
        assert_eq!(status.counts(), StreamCounts::default());
        status.count_period(10, 480, true);
        status.count_period(20, 24, false);
        status.count_period(30, 94_000, true);
        status.count_clipped(3);
        let counts = status.counts();
        assert_eq!((counts.periods, counts.frames, counts.last_period_ns), (3, 94_504, Some(30)));
        assert_eq!((counts.shortest_period_frames, counts.longest_period_frames), (24, 94_000));
        assert_eq!((counts.replaced_stamps, counts.clipped_samples), (1, 3));
    }
}
