//! What runs in an output device's callback: takes frames from the ring, and fades where they run out. Real-time code:
//! nothing here allocates, locks, logs or waits.

use std::sync::Arc;

use ra_core::{SampleRate, StreamSpec};
use ra_device::PeriodOutput;
use rtrb::Consumer;

use super::{fade::Fade, feed::longest_frames, shared::Shared};

/// A long period counts as the longest for at least so long, and at most twice.
const REMEMBERED_S: u64 = 300;

/// Plays the ring.
///
/// It waits, silent, until the cushion and a period are there; what is there beyond that is skipped, so that the sound
/// begins exactly where it is to stay. From then on it never plays the last `fade` frames of the ring at full gain: they
/// are what it fades out over when nothing follows them, so no underrun can click, however small the device's periods.
/// Frames that come in time turn the fade back up. After an underrun it waits for the cushion again.
pub(super) struct Player {
    ring: Consumer<f32>,
    sample_rate: SampleRate,
    channels: usize,
    fade: Fade,
    /// Steps away from silence. Invariant: at most the number of frames in the ring.
    level: usize,
    is_waiting: bool,
    /// Silence before the first sound is no underrun.
    has_played: bool,
    /// Frames that the device has asked for, before this period.
    position: u64,
    /// Frames that have left the ring.
    taken_frames: u64,
    longest: Longest,
    shared: Arc<Shared>,
}

/// The longest period of the last minutes.
#[derive(Clone, Copy, Debug, Default)]
struct Longest {
    now_frames: usize,
    before_frames: usize,
    /// Where `now` becomes `before`.
    until: u64,
}

impl Longest {
    fn observe(&mut self, n_frames: usize, position: u64, remembered_frames: u64) -> usize {
        if position >= self.until {
            self.before_frames = self.now_frames;
            self.now_frames = 0;
            self.until = position + remembered_frames;
        }
        self.now_frames = self.now_frames.max(n_frames);
        self.now_frames.max(self.before_frames)
    }
}

impl Player {
    pub(super) fn new(ring: Consumer<f32>, device: StreamSpec, fade: Fade, shared: Arc<Shared>) -> Self {
        Self {
            ring,
            sample_rate: device.sample_rate,
            channels: device.channels.get(),
            fade,
            level: 0,
            is_waiting: true,
            has_played: false,
            position: 0,
            taken_frames: 0,
            longest: Longest::default(),
            shared,
        }
    }

    /// Frames that the device has asked for so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Begins to play, if enough is there for it.
    fn try_to_begin(&mut self) {
        // Asked before the ring is looked at: after the end nothing is added, so what is seen then is all there is.
        let is_ended = self.shared.is_ended();
        let queued_frames = self.ring.slots() / self.channels;
        let needed_frames = self.shared.target_frames();
        if queued_frames < needed_frames && !(is_ended && queued_frames > 0) {
            return;
        }
        let n_skipped = if is_ended { 0 } else { queued_frames - needed_frames };
        if let Ok(skipped) = self.ring.read_chunk(n_skipped * self.channels) {
            skipped.commit_all();
            self.taken_frames += n_skipped as u64;
            self.shared.add_skipped(n_skipped);
        }
        self.is_waiting = false;
        self.shared.begin_run(self.position.wrapping_sub(self.taken_frames));
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
    fn begin_period(&mut self, _playback_ns: u64, n_frames: usize) {
        let most_frames = longest_frames(self.sample_rate);
        if self.is_waiting {
            // A sound system may ask for its whole buffer when it starts: that is not remembered, only met.
            let remembered = self.longest.now_frames.max(self.longest.before_frames);
            self.shared.set_longest_frames(remembered.max(n_frames).min(most_frames));
            self.try_to_begin();
        }
        if !self.is_waiting {
            let remembered_frames = REMEMBERED_S * u64::from(self.sample_rate.hz());
            let longest_frames = self.longest.observe(n_frames, self.position, remembered_frames);
            self.shared.set_longest_frames(longest_frames.min(most_frames));
            self.shared.note_level(self.ring.slots() / self.channels);
        }
        self.position += n_frames as u64;
    }

    fn render(&mut self, playback_ns: u64, interleaved: &mut [f32]) {
        let n_frames = interleaved.len() / self.channels;
        // As in `try_to_begin`.
        let is_ended = self.shared.is_ended();
        let queued_frames = self.ring.slots() / self.channels;
        let n_played = if self.is_waiting { 0 } else { self.play(queued_frames, interleaved) };
        self.taken_frames += n_played as u64;
        self.shared.add_played(n_played);
        self.has_played |= n_played > 0;
        if is_ended && n_played == queued_frames {
            self.shared.set_heard_ns(playback_ns + self.sample_rate.ns_of_frames(n_played as u64));
        } else if n_played < n_frames && self.has_played {
            self.shared.add_silence(n_frames - n_played, !self.is_waiting);
            if !self.is_waiting {
                self.shared.end_run();
            }
            self.is_waiting = true;
        }
    }
}
