//! What every contestant of the drift bench has to do: take a device's deliveries when they come, and say what it lets
//! sound in each block. Judges nobody.

use ra_engine::sources::Delivery;

/// Rate of the mix timeline and of the devices of the scenes with one source, in hertz.
pub(super) const RATE_HZ: u32 = 48_000;
/// Frames in a block of the mix.
pub(super) const BLOCK_FRAMES: u64 = 128;
/// From capture to the mix point, for everybody, in milliseconds.
pub(super) const LATENCY_MS: f64 = 20.0;
/// The same in frames.
pub(super) const LATENCY_FRAMES: f64 = LATENCY_MS * RATE_HZ as f64 / 1e3;
/// What a resampler needs on either side of the place where it reads, in frames: for contestants that have one only in name.
pub(super) const REACH_FRAMES: f64 = 32.0;

/// What sounds at a block's first frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The source's own frame.
    pub frame: i64,
    /// How far behind that frame, 0 to 1.
    pub fraction: f64,
    /// Source frames read per frame of the block, at equal nominal rates.
    pub rate_factor: f64,
}

/// Frames that did not sound once and only once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Losses {
    /// Frames that were captured and left out.
    pub lost_frames: u64,
    /// Frames that sounded twice, or silence where sound was due.
    pub inserted_frames: u64,
}

impl Losses {
    /// What came about since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            lost_frames: self.lost_frames.saturating_sub(before.lost_frames),
            inserted_frames: self.inserted_frames.saturating_sub(before.inserted_frames),
        }
    }
}

/// A way to read a source whose clock is not the reader's.
///
/// Contestants see what a program can see: the frames, their stamps, and the time at which they come
/// ([`Delivery::due_ns`]). None looks at [`Delivery::captured`], the truth.
pub trait Contestant {
    /// A delivery comes; its sound is silence. Called at its due time, in order.
    fn deliver(&mut self, delivery: &Delivery);

    /// A block of 128 frames is due at `now_ns`, to carry what was captured 20 ms ago: reads it. `None`:
    /// it is silent.
    fn read_block(&mut self, now_ns: u64) -> Option<Reading>;

    /// What was lost and inserted so far, the silence before the first sound apart.
    fn losses(&self) -> Losses;
}

/// Nanoseconds from `earlier` to `later`; negative where it is the other way round.
pub(super) fn ns_between(earlier: u64, later: u64) -> f64 {
    later.wrapping_sub(earlier) as i64 as f64
}
