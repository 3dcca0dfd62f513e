//! The clock of an output device: a stamp for every period that it asks for. Real-time code on both sides: nothing here
//! allocates, locks, logs or waits.

use ra_core::{FramePosition, PeriodStamp, PlaybackClock, SampleRate};
use ra_device::PeriodOutput;
use rtrb::{Consumer, Producer, RingBuffer};

use super::player::Player;

/// Stamps that wait for a reader; where nobody reads they stay, and the newer ones are not kept.
const CAPACITY_STAMPS: usize = 1024;

/// A player that writes down when it is asked for what.
pub(super) struct ClockedPlayer {
    player: Player,
    channels: usize,
    position: FramePosition,
    stamps: Producer<PeriodStamp>,
}

/// The reading end.
pub(super) struct OutputClock {
    rate: SampleRate,
    stamps: Consumer<PeriodStamp>,
}

/// Lets a player write stamps.
// rt-lint: control-side
pub(super) fn with_clock(player: Player, rate: SampleRate, channels: usize) -> (ClockedPlayer, OutputClock) {
    let (writer, reader) = RingBuffer::new(CAPACITY_STAMPS);
    let clocked = ClockedPlayer { player, channels, position: FramePosition(0), stamps: writer };
    (clocked, OutputClock { rate, stamps: reader })
}

impl PeriodOutput for ClockedPlayer {
    fn render(&mut self, playback_ns: u64, interleaved: &mut [f32]) {
        let n_frames = (interleaved.len() / self.channels) as u64;
        let stamp = PeriodStamp { position: self.position, n_frames, capture_ns: playback_ns, is_after_break: false };
        // Full: nobody follows this clock, or somebody does too slowly; an estimator lives with missing stamps.
        let _ = self.stamps.push(stamp);
        self.position += n_frames;
        self.player.render(playback_ns, interleaved);
    }
}

impl PlaybackClock for OutputClock {
    fn sample_rate(&self) -> SampleRate {
        self.rate
    }

    fn poll_stamps(&mut self, on_stamp: &mut dyn FnMut(&PeriodStamp)) {
        for _ in 0..self.stamps.slots() {
            let Ok(stamp) = self.stamps.pop() else { return };
            on_stamp(&stamp);
        }
    }

    fn is_closed(&self) -> bool {
        self.stamps.is_abandoned()
    }
}
