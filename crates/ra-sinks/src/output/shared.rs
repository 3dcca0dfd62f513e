//! What the device's callback and the sink's thread tell each other: numbers in atomics. No sound, no decisions.

use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// The latest state of an open device. One side writes each number; both may read all of them.
#[derive(Debug)]
pub(super) struct Shared {
    cushion_frames: u64,
    /// Nothing more will be written.
    ended: AtomicBool,
    /// When the last frame will have been heard, in monotonic nanoseconds; 0 until that is known.
    heard_ns: AtomicU64,
    /// How often playing has begun or ceased: odd while it plays.
    run: AtomicU64,
    /// The device's position minus the frames that have left the ring; it moves only while nothing plays.
    shift_frames: AtomicU64,
    // Counters: Relaxed, since nothing else is read on the strength of them.
    played_frames: AtomicU64,
    skipped_frames: AtomicU64,
    underruns: AtomicU64,
    silent_frames: AtomicU64,
    longest_frames: AtomicU64,
    level_sum_frames: AtomicU64,
    n_levels: AtomicU64,
}

impl Shared {
    /// For a device that is to have `cushion_frames` left when it has taken a period.
    pub(super) fn new(cushion_frames: usize) -> Self {
        Self {
            cushion_frames: cushion_frames as u64,
            ended: AtomicBool::default(),
            heard_ns: AtomicU64::default(),
            run: AtomicU64::default(),
            shift_frames: AtomicU64::default(),
            played_frames: AtomicU64::default(),
            skipped_frames: AtomicU64::default(),
            underruns: AtomicU64::default(),
            silent_frames: AtomicU64::default(),
            longest_frames: AtomicU64::default(),
            level_sum_frames: AtomicU64::default(),
            n_levels: AtomicU64::default(),
        }
    }

    /// Says that everything has been written.
    pub(super) fn end(&self) {
        // Release pairs with the Acquire in `is_ended`: whoever sees the end also sees all that was written before.
        self.ended.store(true, Release);
    }

    pub(super) fn is_ended(&self) -> bool {
        // Acquire pairs with the Release in `end`.
        self.ended.load(Acquire)
    }

    /// When the last frame will have been heard, once the end was said and the ring is empty.
    pub(super) fn heard_ns(&self) -> Option<u64> {
        // Acquire pairs with the Release in `set_heard_ns`, so that the counts read after it are final.
        Some(self.heard_ns.load(Acquire)).filter(|&ns| ns > 0)
    }

    pub(super) fn set_heard_ns(&self, heard_ns: u64) {
        if self.heard_ns.load(Relaxed) == 0 {
            // Release pairs with the Acquire in `heard_ns`.
            self.heard_ns.store(heard_ns.max(1), Release);
        }
    }

    /// Playing begins, with the ring's frames so far behind the device's own count.
    pub(super) fn begin_run(&self, shift_frames: u64) {
        self.shift_frames.store(shift_frames, Relaxed);
        // Release pairs with the Acquire in `run`: who sees that it plays also sees the shift.
        self.run.fetch_add(1, Release);
    }

    /// Playing ceases.
    pub(super) fn end_run(&self) {
        // Release pairs with the Acquire in `run`.
        self.run.fetch_add(1, Release);
    }

    /// The number of the run that plays now; `None`: nothing plays.
    pub(super) fn run(&self) -> Option<u64> {
        // Acquire pairs with the Release in `begin_run`.
        Some(self.run.load(Acquire)).filter(|run| run % 2 == 1)
    }

    /// What the device calls the ring's frame 0 during this run; it may end at any time.
    pub(super) fn shift_frames(&self) -> u64 {
        self.shift_frames.load(Relaxed)
    }

    /// Frames that are to be in the ring when the device asks: its longest period, and the cushion, which stays.
    pub(super) fn target_frames(&self) -> usize {
        (self.cushion_frames + self.longest_frames.load(Relaxed)) as usize
    }

    pub(super) fn cushion_frames(&self) -> usize {
        self.cushion_frames as usize
    }

    pub(super) fn set_longest_frames(&self, n_frames: usize) {
        self.longest_frames.store(n_frames as u64, Relaxed);
    }

    /// The device asked while so many frames were in the ring.
    pub(super) fn note_level(&self, queued_frames: usize) {
        self.level_sum_frames.fetch_add(queued_frames as u64, Relaxed);
        self.n_levels.fetch_add(1, Relaxed);
    }

    /// The sum of all levels, and how many there were; a period may pass between the two.
    pub(super) fn levels(&self) -> (u64, u64) {
        (self.level_sum_frames.load(Relaxed), self.n_levels.load(Relaxed))
    }

    pub(super) fn add_played(&self, n_frames: usize) {
        self.played_frames.fetch_add(n_frames as u64, Relaxed);
    }

    /// Frames that the device has taken.
    pub(super) fn played_frames(&self) -> u64 {
        self.played_frames.load(Relaxed)
    }

    pub(super) fn add_skipped(&self, n_frames: usize) {
        self.skipped_frames.fetch_add(n_frames as u64, Relaxed);
    }

    /// Frames that were taken out of the ring unheard, when sound began with more than the target.
    pub(super) fn skipped_frames(&self) -> u64 {
        self.skipped_frames.load(Relaxed)
    }

    pub(super) fn add_silence(&self, n_frames: usize, is_new: bool) {
        self.underruns.fetch_add(u64::from(is_new), Relaxed);
        self.silent_frames.fetch_add(n_frames as u64, Relaxed);
    }

    pub(super) fn underruns(&self) -> u64 {
        self.underruns.load(Relaxed)
    }

    pub(super) fn silent_frames(&self) -> u64 {
        self.silent_frames.load(Relaxed)
    }
}
