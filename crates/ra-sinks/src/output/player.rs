//! What runs in an output device's callback: takes frames from the ring, and fades where they run out. Real-time code:
//! nothing here allocates, locks, logs or waits.

use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use ra_core::{SampleRate, StreamSpec};
use ra_device::PeriodOutput;
use rtrb::Consumer;

use super::fade::Fade;

/// What the callback and the sink's thread tell each other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Nothing more will be written.
    ended: AtomicBool,
    /// When the last frame will have been heard, in monotonic nanoseconds; 0 until that is known.
    heard_ns: AtomicU64,
    // Counters: Relaxed, since nothing else is read on the strength of them.
    played_frames: AtomicU64,
    underruns: AtomicU64,
    underrun_frames: AtomicU64,
}

impl Shared {
    /// Says that everything has been written.
    pub(super) fn end(&self) {
        // Release pairs with the Acquire in `render`: whoever sees the end also sees all that was written before.
        self.ended.store(true, Release);
    }

    /// When the last frame will have been heard, once the end was said and the ring is empty.
    pub(super) fn heard_ns(&self) -> Option<u64> {
        // Acquire pairs with the Release in `render`, so that the counts read after it are final.
        Some(self.heard_ns.load(Acquire)).filter(|&ns| ns > 0)
    }

    pub(super) fn played_frames(&self) -> u64 {
        self.played_frames.load(Relaxed)
    }

    pub(super) fn underruns(&self) -> u64 {
        self.underruns.load(Relaxed)
    }

    pub(super) fn underrun_frames(&self) -> u64 {
        self.underrun_frames.load(Relaxed)
    }
}

/// Plays the ring.
///
/// It waits, silent, until the cushion is there. From then on it never plays the last `fade` frames of the ring at full
/// gain: they are what it fades out over when nothing follows them, so no underrun can click, however small the device's
/// periods. Frames that come in time turn the fade back up. After an underrun it waits for the cushion again.
pub(super) struct Player {
    ring: Consumer<f32>,
    sample_rate: SampleRate,
    channels: usize,
    cushion_frames: usize,
    fade: Fade,
    /// Steps away from silence. Invariant: at most the number of frames in the ring.
    level: usize,
    waiting: bool,
    /// Silence before the first sound is no underrun.
    has_played: bool,
    shared: Arc<Shared>,
}

impl Player {
    pub(super) fn new(
        ring: Consumer<f32>,
        device: StreamSpec,
        cushion_frames: usize,
        fade: Fade,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            ring,
            sample_rate: device.sample_rate,
            channels: device.channels.get(),
            cushion_frames,
            fade,
            level: 0,
            waiting: true,
            has_played: false,
            shared,
        }
    }

    /// Plays from the ring with the fade as it comes; returns how many frames there were.
    fn play(&mut self, queued_frames: usize, out: &mut [f32]) -> usize {
        let n_frames = out.len() / self.channels;
        let full = self.fade.n_frames();
        if self.level == full && queued_frames >= n_frames + full {
            let (_, missing) = self.ring.pop_partial_slice(out);
            debug_assert!(missing.is_empty(), "only this side takes frames out");
            return n_frames;
        }
        let n_played = n_frames.min(queued_frames);
        let (_, missing) = self.ring.pop_partial_slice(&mut out[..n_played * self.channels]);
        debug_assert!(missing.is_empty(), "only this side takes frames out");
        for (i, frame) in out.chunks_exact_mut(self.channels).take(n_played).enumerate() {
            if queued_frames - i <= self.level {
                self.level -= 1;
            } else if self.level < full {
                self.level += 1;
            }
            let gain_lin = self.fade.gain(self.level);
            for sample in frame {
                *sample *= gain_lin;
            }
        }
        n_played
    }
}

impl PeriodOutput for Player {
    fn render(&mut self, playback_ns: u64, interleaved: &mut [f32]) {
        let n_frames = interleaved.len() / self.channels;
        // Asked before the ring is looked at: after the end nothing is added, so what is seen then is all there is.
        // Acquire pairs with the Release in `Shared::end`.
        let ended = self.shared.ended.load(Acquire);
        let queued_frames = self.ring.slots() / self.channels;
        if self.waiting && (queued_frames >= self.cushion_frames || (ended && queued_frames > 0)) {
            self.waiting = false;
        }
        let n_played = if self.waiting { 0 } else { self.play(queued_frames, interleaved) };
        self.shared.played_frames.fetch_add(n_played as u64, Relaxed);
        self.has_played |= n_played > 0;
        if ended && n_played == queued_frames {
            if self.shared.heard_ns.load(Relaxed) == 0 {
                let heard_ns = playback_ns + self.sample_rate.ns_of_frames(n_played as u64);
                // Release pairs with the Acquire in `Shared::heard_ns`.
                self.shared.heard_ns.store(heard_ns.max(1), Release);
            }
        } else if n_played < n_frames && self.has_played {
            self.shared.underruns.fetch_add(u64::from(!self.waiting), Relaxed);
            self.shared.underrun_frames.fetch_add((n_frames - n_played) as u64, Relaxed);
            self.waiting = true;
        }
    }
}
