//! The sink's end of the ring to the device: holds the last frames back so that every cut can be faded, and drops when the
//! device does not keep up. Never waits. Knows no device.

use std::sync::Arc;

use ra_core::StreamSpec;
use rtrb::{Producer, RingBuffer};

use super::{
    fade::Fade,
    player::{Player, Shared},
};

/// Writes frames of the device's own format.
pub(super) struct Feed {
    ring: Producer<f32>,
    channels: usize,
    cushion_frames: usize,
    fade: Fade,
    /// The newest frames, a fade long at most: the next cut fades out over them.
    held: Vec<f32>,
    /// Steps away from silence, for the fade-in behind a cut.
    level: usize,
    dropping: bool,
    dropped_frames: u64,
    written_frames: u64,
    shared: Arc<Shared>,
}

/// Makes the ring between a sink and a device's callback, for twice the cushion.
pub(super) fn feed_and_player(device: StreamSpec, cushion_frames: usize, shared: Arc<Shared>) -> (Feed, Player) {
    let channels = device.channels.get();
    let fade = Fade::new(device.sample_rate);
    // A ring that holds the limit, and the frames that a cut flushes on top of it.
    let capacity_frames = 2 * cushion_frames + fade.n_frames();
    let (producer, consumer) = RingBuffer::new(capacity_frames * channels);
    let player = Player::new(consumer, device, cushion_frames, fade.clone(), shared.clone());
    let held = Vec::with_capacity(fade.n_frames() * channels);
    let feed = Feed {
        ring: producer,
        channels,
        cushion_frames,
        fade,
        held,
        level: 0,
        dropping: false,
        dropped_frames: 0,
        written_frames: 0,
        shared,
    };
    (feed, player)
}

impl Feed {
    /// Writes frames, or drops them where the device is more than twice the cushion behind: then all that comes until only
    /// the cushion is left. One hole, faded at both ends, instead of a scratch in every block.
    pub(super) fn write(&mut self, samples: &[f32]) {
        let n_frames = samples.len() / self.channels;
        let queued_frames = self.queued_frames();
        if self.dropping && queued_frames <= self.cushion_frames {
            self.dropping = false;
        } else if !self.dropping && queued_frames + n_frames > 2 * self.cushion_frames {
            self.cut();
            self.dropping = true;
        }
        if self.dropping {
            self.dropped_frames += n_frames as u64;
            return;
        }
        self.written_frames += n_frames as u64;
        let n_old = self.held.len();
        self.held.extend_from_slice(samples);
        if self.level < self.fade.n_frames() {
            for frame in self.held[n_old..].chunks_exact_mut(self.channels) {
                self.level += 1;
                let gain_lin = self.fade.gain(self.level);
                frame.iter_mut().for_each(|sample| *sample *= gain_lin);
            }
        }
        self.push_all_but(self.fade.n_frames() * self.channels);
    }

    /// Ends the sound here: fades the held frames out and writes them. What is written next fades in.
    pub(super) fn cut(&mut self) {
        let n_held = self.held.len() / self.channels;
        for (i, frame) in self.held.chunks_exact_mut(self.channels).enumerate() {
            // Where less than a fade is held, what is there goes down in larger steps.
            let gain_lin = self.fade.gain((n_held - 1 - i) * self.fade.n_frames() / n_held);
            frame.iter_mut().for_each(|sample| *sample *= gain_lin);
        }
        self.push_all_but(0);
        self.level = 0;
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

    /// Frames that were written or are held, and frames that were dropped.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.written_frames, self.dropped_frames)
    }

    /// Moves all held samples but the newest `n_kept` into the ring. There is room: `write` has seen to it.
    fn push_all_but(&mut self, n_kept: usize) {
        let n_ready = self.held.len().saturating_sub(n_kept);
        let (_, refused) = self.ring.push_partial_slice(&self.held[..n_ready]);
        debug_assert!(refused.is_empty(), "the ring holds the limit and a fade");
        self.dropped_frames += (refused.len() / self.channels) as u64;
        self.held.drain(..n_ready);
    }
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
            let shared = Arc::new(Shared::default());
            let (feed, player) = feed_and_player(StreamSpec::new(48_000, 1).unwrap(), CUSHION, shared.clone());
            Self { feed, player, shared, n_written: 0, heard: Vec::new() }
        }

        fn write(&mut self, n_frames: usize) {
            let samples: Vec<f32> = (self.n_written..self.n_written + n_frames).map(tone).collect();
            self.n_written += n_frames;
            self.feed.write(&samples);
        }

        fn render(&mut self, n_frames: usize) {
            let mut period = vec![0.0; n_frames];
            assert_no_alloc(|| self.player.render(1_000, &mut period));
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
        while line.n_written < CUSHION + 96 {
            line.render(100); // the device asks before there is anything: silence, no underrun
            line.write(128);
        }
        for _ in 0..100 {
            line.write(128);
            line.render(128);
        }
        line.finish();
        let start = line.heard.iter().position(|&x| x != 0.0).unwrap() - 1;
        let n_sound = line.n_written;
        for i in 96..n_sound - 96 {
            assert_eq!(line.heard[start + i], tone(i), "frame {i}");
        }
        assert!(line.heard[start + n_sound..].iter().all(|&x| x == 0.0));
        line.assert_no_click();
        assert_eq!((line.shared.underruns(), line.shared.underrun_frames()), (0, 0));
        assert_eq!(line.feed.counts(), (n_sound as u64, 0));
        assert_eq!(line.shared.played_frames(), n_sound as u64);
    }

    #[test]
    fn an_underrun_is_a_faded_hole_that_is_counted() {
        for period in [1, 24, 128, 333, 2048] {
            let mut line = Line::new();
            for _ in 0..10 {
                line.write(128);
            }
            for _ in 0..4096 / period {
                line.render(period); // runs dry
            }
            let n_silent = line.shared.underrun_frames();
            assert_eq!(line.shared.underruns(), 1, "period {period}");
            for _ in 0..4 {
                line.write(128); // less than the cushion: stays silent
            }
            line.render(period);
            assert_eq!(line.shared.underrun_frames(), n_silent + period as u64, "period {period}");
            for _ in 0..8 {
                line.write(128);
            }
            line.finish();
            line.assert_no_click();
            assert_eq!(line.shared.played_frames(), line.n_written as u64, "period {period}");
            let n_heard = line.shared.played_frames() + line.shared.underrun_frames();
            assert!(n_heard <= line.heard.len() as u64);
        }
    }

    #[test]
    fn frames_that_come_just_in_time_turn_the_fade_back_up() {
        let mut line = Line::new();
        for _ in 0..8 {
            line.write(128);
        }
        // 928 in the ring, 96 held, the cushion is not there yet.
        line.render(64);
        assert_eq!(line.shared.played_frames(), 0);
        line.write(128);
        line.render(1000); // leaves 56: within a fade of the end
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
        line.render(512);
        line.write(128);
        assert_eq!(line.feed.counts().1, 384, "until only the cushion is left");
        line.render(512);
        line.write(128);
        assert_eq!(line.feed.counts(), (16 * 128, 384));
        line.finish();
        line.assert_no_click();
        assert_eq!(line.shared.played_frames() + line.feed.counts().1, line.n_written as u64);
    }

    #[test]
    fn a_gap_is_faded_on_both_sides() {
        let mut line = Line::new();
        for _ in 0..5 {
            line.write(128);
        }
        line.feed.cut();
        line.n_written += 12; // an eighth of a period of the tone: a click, were it not faded
        for _ in 0..5 {
            line.write(128);
        }
        line.finish();
        line.assert_no_click();
        assert_eq!(line.shared.played_frames(), 1280);
    }

    #[test]
    fn a_sound_shorter_than_the_cushion_is_played_at_the_end() {
        let mut line = Line::new();
        line.write(50);
        line.finish();
        assert_eq!((line.shared.played_frames(), line.shared.underrun_frames()), (50, 0));
        let mut silent = Line::new();
        silent.finish(); // nothing at all ends too
    }
}
