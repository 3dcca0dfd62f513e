//! The clock of an output device: a stamp for every period that it asks for, for the sink's own steering and for an engine
//! that follows it, through the device's losses and returns. Real-time code on all sides: nothing here allocates, locks,
//! logs or waits, but for what says so.

use ra_core::{FramePosition, PeriodStamp, PlaybackClock, SampleRate};
use ra_device::PeriodOutput;
use rtrb::{Consumer, Producer, RingBuffer};

use super::player::Player;

/// Stamps that wait for a reader; where nobody reads they stay, and the newer ones are not kept.
const CAPACITY_STAMPS: usize = 1024;
/// Openings of a device that wait for whoever follows it.
const CAPACITY_STREAMS: usize = 4;

/// A player that writes down when it is asked for what.
pub(super) struct ClockedPlayer {
    player: Player,
    is_first: bool,
    for_steering: Producer<PeriodStamp>,
    for_followers: Producer<PeriodStamp>,
}

/// The stamps of one opened device.
pub(super) struct DeviceStamps {
    pub(super) for_steering: Consumer<PeriodStamp>,
    pub(super) for_followers: Stream,
}

/// The stamps of one opened device, as whoever follows it gets them.
pub(super) struct Stream {
    rate: SampleRate,
    stamps: Consumer<PeriodStamp>,
}

/// Lets a player write stamps.
// rt-lint: control-side
pub(super) fn with_clock(player: Player, rate: SampleRate) -> (ClockedPlayer, DeviceStamps) {
    let (for_steering, steering) = RingBuffer::new(CAPACITY_STAMPS);
    let (for_followers, followers) = RingBuffer::new(CAPACITY_STAMPS);
    let stamps = DeviceStamps { for_steering: steering, for_followers: Stream { rate, stamps: followers } };
    (ClockedPlayer { player, is_first: true, for_steering, for_followers }, stamps)
}

impl PeriodOutput for ClockedPlayer {
    fn begin_period(&mut self, playback_ns: u64, n_frames: usize) {
        let stamp = PeriodStamp {
            position: FramePosition(self.player.position()),
            n_frames: n_frames as u64,
            capture_ns: playback_ns,
            is_after_break: std::mem::take(&mut self.is_first),
        };
        // Full: nobody follows this clock, or somebody does too slowly; an estimator lives with missing stamps.
        let _ = self.for_steering.push(stamp);
        let _ = self.for_followers.push(stamp);
        self.player.begin_period(playback_ns, n_frames);
    }

    fn render(&mut self, playback_ns: u64, interleaved: &mut [f32]) {
        self.player.render(playback_ns, interleaved);
    }
}

/// The sink's end of [`OutputClock`].
pub(super) struct ClockFeed {
    streams: Producer<Stream>,
    retired: Consumer<Stream>,
}

/// What an engine follows: one clock, however often the device behind it is opened.
pub(super) struct OutputClock {
    current: Stream,
    streams: Consumer<Stream>,
    retired: Producer<Stream>,
    /// The rate that positions are told in.
    rate: SampleRate,
    /// Where the current stream's frame 0 stands among those that were told.
    begin: FramePosition,
    end: FramePosition,
}

/// A clock that tells positions in `rate`, and is silent until it is given a device's.
// rt-lint: control-side
pub(super) fn output_clock(rate: SampleRate) -> (ClockFeed, OutputClock) {
    let (streams, new_streams) = RingBuffer::new(CAPACITY_STREAMS);
    // Room for all that wait and for the one in use: giving one back never fails.
    let (retired, old_streams) = RingBuffer::new(CAPACITY_STREAMS + 1);
    let clock = OutputClock {
        rate,
        // Its other end is gone.
        current: Stream { rate, stamps: RingBuffer::new(1).1 },
        streams: new_streams,
        retired,
        begin: FramePosition(0),
        end: FramePosition(0),
    };
    (ClockFeed { streams, retired: old_streams }, clock)
}

impl ClockFeed {
    /// The device was opened again: goes on with `stream`.
    // rt-lint: control-side
    pub(super) fn switch_to(&mut self, stream: Stream) {
        while let Ok(old) = self.retired.pop() {
            drop(old);
        }
        // Full: nobody looks at this clock, and so nobody misses it.
        drop(self.streams.push(stream));
    }
}

impl PlaybackClock for OutputClock {
    fn sample_rate(&self) -> SampleRate {
        self.rate
    }

    fn poll_stamps(&mut self, on_stamp: &mut dyn FnMut(&PeriodStamp)) {
        while let Ok(stream) = self.streams.pop() {
            self.begin = self.end;
            let old = std::mem::replace(&mut self.current, stream);
            // Where there is no room after all, a small leak is better than freeing memory here.
            if let Err(rtrb::PushError::Full(old)) = self.retired.push(old) {
                std::mem::forget(old);
            }
        }
        let (from_hz, to_hz) = (u64::from(self.current.rate.hz()), u64::from(self.rate.hz()));
        for _ in 0..self.current.stamps.slots() {
            let Ok(mut stamp) = self.current.stamps.pop() else { return };
            if from_hz != to_hz {
                // Told in the rate that was promised; whole frames are exact enough for a clock.
                stamp.position = FramePosition(rescale(stamp.position.0, from_hz, to_hz));
                stamp.n_frames = rescale(stamp.n_frames, from_hz, to_hz).max(1);
            }
            stamp.position += self.begin.0;
            self.end = stamp.position + stamp.n_frames;
            on_stamp(&stamp);
        }
    }

    /// The sink itself is gone; a lost device is silent, and may come back.
    fn is_closed(&self) -> bool {
        self.streams.is_abandoned()
    }
}

/// `n` frames of one rate in another.
fn rescale(n: u64, from_hz: u64, to_hz: u64) -> u64 {
    (u128::from(n) * u128::from(to_hz) / u128::from(from_hz)) as u64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{feed::feed_and_player, shared::Shared};
    use super::*;
    use assert_no_alloc::assert_no_alloc;
    use ra_core::StreamSpec;

    fn opened(hz: u32) -> (ClockedPlayer, DeviceStamps) {
        let spec = StreamSpec::new(hz, 1).unwrap();
        let (_, player) = feed_and_player(spec, Arc::new(Shared::new(480)));
        with_clock(player, spec.sample_rate)
    }

    #[test]
    fn a_clock_goes_on_through_losses_and_other_rates() {
        let (mut player, stamps) = opened(48_000);
        let (mut feed, mut clock) = output_clock(SampleRate::HZ_48000);
        let poll = |clock: &mut OutputClock| {
            let mut few = [(0, 0, 0, false); 8];
            let mut n = 0;
            assert_no_alloc(|| {
                clock.poll_stamps(&mut |s| {
                    few[n] = (s.position.0, s.n_frames, s.capture_ns, s.is_after_break);
                    n += 1;
                });
            });
            few[..n].to_vec()
        };
        assert_eq!(poll(&mut clock), []);
        feed.switch_to(stamps.for_followers);
        player.begin_period(10, 480);
        player.begin_period(20, 480);
        assert_eq!(poll(&mut clock), [(0, 480, 10, true), (480, 480, 20, false)]);
        drop(player);
        assert!(!clock.is_closed(), "it may come back");
        for i in 0..20u64 {
            let (mut player, stamps) = opened(24_000);
            feed.switch_to(stamps.for_followers);
            player.begin_period(30 + i, 240);
            assert_eq!(poll(&mut clock), [(960 + 480 * i, 480, 30 + i, true)]);
        }
        drop(feed);
        assert!(clock.is_closed());
    }

    #[test]
    fn nobody_who_reads_is_no_harm() {
        let (mut player, stamps) = opened(48_000);
        let (mut feed, clock) = output_clock(SampleRate::HZ_48000);
        feed.switch_to(stamps.for_followers);
        for _ in 0..2 * CAPACITY_STAMPS {
            assert_no_alloc(|| player.begin_period(1, 1));
        }
        for _ in 0..2 * CAPACITY_STREAMS {
            feed.switch_to(opened(48_000).1.for_followers);
        }
        drop(clock);
        feed.switch_to(opened(48_000).1.for_followers);
    }
}
