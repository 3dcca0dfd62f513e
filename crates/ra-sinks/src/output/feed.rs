//! The sink's end of the ring to the device: drops when the device does not keep up, and fades where it does. Never waits.
//! Knows no device.

use std::sync::Arc;

use ra_core::{SampleRate, StreamSpec};
use rtrb::{Producer, RingBuffer};

use super::{brink::Brink, fade::Fade, player::Player, shared::Shared};

/// The longest period that is kept up with, in milliseconds: a plain null sink of PulseAudio asks for 1.96 s at a time.
const LONGEST_MS: f64 = 2_200.0;

/// The longest period that is kept up with, in frames.
pub(super) fn longest_frames(rate: SampleRate) -> usize {
    rate.frames_in_ms_ceil(LONGEST_MS)
}

/// Writes frames of the device's own format.
pub(super) struct Feed {
    ring: Producer<f32>,
    channels: usize,
    brink: Brink,
    is_dropping: bool,
    dropped_frames: u64,
    written_frames: u64,
    shared: Arc<Shared>,
}

/// Makes the ring between a sink and a device's callback, for the longest period and twice the cushion.
pub(super) fn feed_and_player(device: StreamSpec, shared: Arc<Shared>) -> (Feed, Player) {
    let channels = device.channels.get();
    let fade = Fade::new(device.sample_rate);
    // A ring that holds the limit, and the frames that a cut flushes on top of it.
    let capacity_frames = 2 * shared.cushion_frames() + longest_frames(device.sample_rate) + fade.n_frames();
    let (producer, consumer) = RingBuffer::new(capacity_frames * channels);
    let player = Player::new(consumer, device, fade.clone(), shared.clone());
    let brink = Brink::new(channels, fade);
    let feed =
        Feed { ring: producer, channels, brink, is_dropping: false, dropped_frames: 0, written_frames: 0, shared };
    (feed, player)
}

impl Feed {
    /// Writes frames, or drops them where the device is more than the cushion behind: then all that comes until the ring
    /// holds no more than it should. One hole, faded at both ends, instead of a scratch in every block.
    pub(super) fn write(&mut self, samples: &[f32]) {
        let n_frames = samples.len() / self.channels;
        let queued_frames = self.queued_frames();
        let target_frames = self.shared.target_frames();
        if self.is_dropping && queued_frames <= target_frames {
            self.is_dropping = false;
        } else if !self.is_dropping && queued_frames + n_frames > target_frames + self.shared.cushion_frames() {
            self.cut();
            self.is_dropping = true;
        }
        if self.is_dropping {
            self.dropped_frames += n_frames as u64;
            return;
        }
        self.written_frames += n_frames as u64;
        let Self { ring, brink, channels, dropped_frames, .. } = self;
        brink.push(samples, &mut |ready| *dropped_frames += push(ring, ready, *channels));
    }

    /// Ends the sound here: fades the held frames out and writes them. What is written next fades in.
    pub(super) fn cut(&mut self) {
        let Self { ring, brink, channels, dropped_frames, .. } = self;
        brink.cut(&mut |rest| *dropped_frames += push(ring, rest, *channels));
    }

    /// Ends the sound for good.
    pub(super) fn end(&mut self) {
        self.cut();
        self.shared.end();
    }

    /// Frames in the ring; the device may take some at any time.
    pub(super) fn queued_frames(&self) -> usize {
        (self.ring.buffer().capacity() - self.ring.slots()) / self.channels
    }

    /// The number that the next frame gets in the ring, counted from 0.
    pub(super) fn next_frame(&self) -> u64 {
        self.written_frames
    }

    /// Whether frames are dropped at present.
    pub(super) fn is_dropping(&self) -> bool {
        self.is_dropping
    }

    /// Frames that were written or are held, and frames that were dropped.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.written_frames, self.dropped_frames)
    }
}

/// Moves samples into the ring; returns how many frames it had no room for: none, since `write` has seen to it.
fn push(ring: &mut Producer<f32>, samples: &[f32], channels: usize) -> u64 {
    let (_, refused) = ring.push_partial_slice(samples);
    debug_assert!(refused.is_empty(), "the ring holds the limit and a fade");
    (refused.len() / channels) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_no_alloc::assert_no_alloc;
    use ra_device::PeriodOutput;

    const CUSHION: usize = 960;

    struct Line {
        feed: Feed,
        player: Player,
        shared: Arc<Shared>,
        /// Frames written so far: the phase of the tone.
        n_written: usize,
        heard: Vec<f32>,
    }

    /// 500 Hz at half of full scale: no step is larger than `0.5 · 2π · 500 / 48000`.
    fn tone(i: usize) -> f32 {
        0.5 * (std::f64::consts::TAU * 500.0 * i as f64 / 48_000.0).sin() as f32
    }

    impl Line {
        fn new() -> Self {
            let shared = Arc::new(Shared::new(CUSHION));
            let (feed, player) = feed_and_player(StreamSpec::new(48_000, 1).unwrap(), shared.clone());
            Self { feed, player, shared, n_written: 0, heard: Vec::new() }
        }

        fn write(&mut self, n_frames: usize) {
            let samples: Vec<f32> = (self.n_written..self.n_written + n_frames).map(tone).collect();
            self.n_written += n_frames;
            self.feed.write(&samples);
        }

        /// One period, filled in pieces as a device's callback does it.
        fn render(&mut self, n_frames: usize) {
            let mut period = vec![0.0; n_frames];
            assert_no_alloc(|| {
                self.player.begin_period(1_000, n_frames);
                period.chunks_mut(1024).for_each(|piece| self.player.render(1_000, piece));
            });
            self.heard.extend(period);
        }

        /// No step is larger than the tone's and the fade's together.
        fn assert_no_click(&self) {
            let slope = 0.5 * std::f32::consts::TAU * 500.0 / 48_000.0 + 0.5 * std::f32::consts::FRAC_PI_2 / 96.0;
            let mut last = 0.0;
            for (i, &x) in self.heard.iter().enumerate() {
                assert!((x - last).abs() <= slope * 1.01, "a step of {} at {i}", x - last);
                last = x;
            }
            assert!(last.abs() <= slope, "it ends at {last}");
        }

        fn finish(&mut self) {
            self.feed.end();
            while self.shared.heard_ns().is_none() {
                self.render(128);
            }
        }
    }

    #[test]
    fn what_is_in_time_comes_through_to_the_bit() {
        let mut line = Line::new();
        while line.feed.queued_frames() < CUSHION + 128 {
            line.render(128); // the device asks before there is enough: silence, no underrun
            line.write(128);
        }
        for _ in 0..100 {
            line.render(128);
            line.write(128);
        }
        line.finish();
        let start = line.heard.iter().position(|&x| x != 0.0).unwrap();
        let n_skipped = line.shared.skipped_frames() as usize;
        assert!(n_skipped < 128, "{n_skipped}: no more than to be at the target");
        let n_sound = line.n_written - n_skipped;
        let first = start - usize::from(n_skipped == 0);
        for i in 96..n_sound - 96 {
            assert_eq!(line.heard[first + i], tone(n_skipped + i), "frame {i}");
        }
        assert!(line.heard[first + n_sound..].iter().all(|&x| x == 0.0));
        line.assert_no_click();
        assert_eq!((line.shared.underruns(), line.shared.silent_frames()), (0, 0));
        assert_eq!(line.feed.counts(), (line.n_written as u64, 0));
        assert_eq!(line.shared.played_frames(), n_sound as u64);
    }

    #[test]
    fn an_underrun_is_a_faded_hole_that_is_counted() {
        for period in [1, 24, 128, 333, 2048] {
            let mut line = Line::new();
            line.render(period);
            while line.feed.queued_frames() < CUSHION + period {
                line.write(128);
            }
            for _ in 0..8192 / period {
                line.render(period); // runs dry
            }
            let n_silent = line.shared.silent_frames();
            assert_eq!(line.shared.underruns(), 1, "period {period}");
            for _ in 0..4 {
                line.write(128); // less than the cushion: stays silent
            }
            line.render(period);
            assert_eq!(line.shared.silent_frames(), n_silent + period as u64, "period {period}");
            while line.feed.queued_frames() < CUSHION + period {
                line.write(128);
            }
            line.finish();
            line.assert_no_click();
            let n_played = line.shared.played_frames() + line.shared.skipped_frames();
            assert_eq!(n_played, line.n_written as u64, "period {period}");
            assert!(line.shared.played_frames() + line.shared.silent_frames() <= line.heard.len() as u64);
        }
    }

    #[test]
    fn frames_that_come_just_in_time_turn_the_fade_back_up() {
        let mut line = Line::new();
        line.render(64);
        for _ in 0..8 {
            line.write(128);
        }
        // 928 in the ring, 96 held: the cushion and a period are not there yet.
        line.render(64);
        assert_eq!(line.shared.played_frames(), 0);
        line.write(128);
        line.render(64);
        line.render(1000 - 64); // leaves 24: within a fade of the end
        line.write(128);
        line.render(128);
        line.finish();
        line.assert_no_click();
        assert_eq!(line.shared.underruns(), 0);
    }

    #[test]
    fn a_device_that_does_not_keep_up_costs_one_faded_hole_that_is_counted() {
        let mut line = Line::new();
        for _ in 0..15 {
            line.write(128);
        }
        assert_eq!(line.feed.counts(), (15 * 128, 0), "twice the cushion fits");
        line.write(128);
        line.write(128);
        assert_eq!(line.feed.counts(), (15 * 128, 256));
        line.render(512); // skips nothing: the target is the cushion and the period, 1472 of 1920
        line.write(128);
        let (_, dropped_frames) = line.feed.counts();
        assert_eq!(
            (dropped_frames, line.shared.skipped_frames()),
            (256, 448),
            "what is beyond the target is not heard"
        );
        line.render(512);
        line.write(128);
        assert_eq!(line.feed.counts(), (17 * 128, 256));
        line.finish();
        line.assert_no_click();
        let n_lost = line.feed.counts().1 + line.shared.skipped_frames();
        assert_eq!(line.shared.played_frames() + n_lost, line.n_written as u64);
    }

    #[test]
    fn a_period_of_two_seconds_is_kept_up_with() {
        let mut line = Line::new();
        let period = 94_000;
        for _ in 0..3 {
            line.render(period);
            (0..period / 125).for_each(|_| line.write(125));
        }
        let begun = (line.shared.underruns(), line.feed.counts().1);
        for _ in 0..4 {
            line.render(period);
            (0..period / 125).for_each(|_| line.write(125));
        }
        assert_eq!((line.shared.underruns(), line.feed.counts().1), begun, "not once it has begun");
        assert!(line.shared.played_frames() >= 4 * 94_000);
        line.assert_no_click_but_for_the_end();
    }

    impl Line {
        fn assert_no_click_but_for_the_end(&mut self) {
            self.finish();
            self.assert_no_click();
        }
    }

    #[test]
    fn a_sound_shorter_than_the_cushion_is_played_at_the_end() {
        let mut line = Line::new();
        line.write(50);
        line.finish();
        assert_eq!((line.shared.played_frames(), line.shared.silent_frames()), (50, 0));
        let mut silent = Line::new();
        silent.finish(); // nothing at all ends too
    }
}
