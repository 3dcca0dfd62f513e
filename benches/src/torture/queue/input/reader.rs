//! The mixer's end under torture: every stamp in its order, every frame at its place, every gap of its length.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use ra_core::PeriodStamp;
use ra_queue::InputReader;

use super::{InputTemper, Stage};
use crate::torture::queue::Findings;
use crate::torture::queue::findings::Order;
use crate::torture::queue::random::Random;

/// What the reader knows at its end, all by its own count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    pub(super) n_read: u64,
    /// The gaps.
    pub(super) n_missing: u64,
    pub(super) n_discarded: u64,
    /// Frames that the stamps spoke of.
    pub(super) n_stamped: u64,
    pub(super) n_stamps: u64,
    /// Stamps behind a break.
    pub(super) n_breaks: u64,
    pub(super) has_left: bool,
}

/// Holds what comes against what must come.
pub(super) struct Listener<'a> {
    stage: &'a Stage,
    pub(super) heard: Heard,
    /// Of deliveries.
    order: Order,
    /// Where the next stamp begins at the earliest.
    stamped_until: u64,
    out: Vec<f32>,
    pub(super) findings: Findings,
}

/// Reads until the end, or leaves after about `leaving_after`; leaves what it counted on the stage.
pub(super) fn listen(
    stage: &Stage,
    mut reader: InputReader,
    temper: InputTemper,
    leaving_after: Duration,
    mut random: Random,
) -> Findings {
    let mut listener = Listener::new(stage, stage.monitor.capacity_frames());
    let begun = Instant::now();
    while !reader.is_finished() && !stage.gives_up() {
        if temper == InputTemper::Leaving && begun.elapsed() > leaving_after {
            listener.heard.has_left = true;
            break;
        }
        let n_frames = listener.look(&mut reader, &mut random);
        match (temper, n_frames) {
            (InputTemper::Slow, 1..) => (0..random.between(0, 2_000)).for_each(|_| std::hint::spin_loop()),
            (InputTemper::Sleeping, _) if random.once_in(16) => {
                thread::sleep(Duration::from_micros(random.between(1, 5_000)));
            }
            (_, 0) => thread::yield_now(),
            _ => {}
        }
    }
    if reader.is_finished() {
        listener.check_end(&reader);
    }
    // Only this thread sets it.
    let _ = stage.heard.set(listener.heard);
    drop(reader);
    // Release: pairs with the Acquire in `write`.
    stage.has_left.store(true, Ordering::Release);
    listener.findings
}

impl<'a> Listener<'a> {
    pub(super) fn new(stage: &'a Stage, capacity_frames: usize) -> Self {
        Self {
            stage,
            heard: Heard::default(),
            order: Order::from(0),
            stamped_until: stage.first_position,
            out: vec![0.0; capacity_frames * stage.content.n_channels],
            findings: Findings::default(),
        }
    }

    /// The position that comes next, by what was heard.
    fn position(&self) -> u64 {
        let Heard { n_read, n_missing, n_discarded, .. } = self.heard;
        self.stage.first_position.wrapping_add(n_read + n_missing + n_discarded)
    }

    /// Takes stamps, gaps and frames once; gives the number of frames.
    pub(super) fn look(&mut self, reader: &mut InputReader, random: &mut Random) -> u64 {
        reader.poll_stamps(&mut |stamp| self.see_stamp(stamp));
        self.heard.n_missing += reader.take_gap().unwrap_or(0);
        let at = self.position();
        let mut place = Order::from(at);
        place.see(reader.position().0, &mut self.findings);
        let max_frames = random.between(1, (self.out.len() / self.stage.content.n_channels) as u64) as usize;
        if random.once_in(64) {
            self.heard.n_discarded += reader.discard(max_frames.min(32)) as u64;
            return 0;
        }
        let n_frames = if random.once_in(4) {
            let (content, findings) = (self.stage.content, &mut self.findings);
            reader.read_in_place(max_frames, &mut |piece| findings.torn += u64::from(!content.is_right(at, piece)))
        } else {
            let n_channels = self.stage.content.n_channels;
            let n_frames = reader.read(&mut self.out[..max_frames * n_channels]);
            let is_right = self.stage.content.is_right(at, &self.out[..n_frames * n_channels]);
            self.findings.torn += u64::from(!is_right);
            n_frames
        };
        self.heard.n_read += n_frames as u64;
        n_frames as u64
    }

    /// All was read, and the reader is still there: nothing may be on its way. (Once it is gone, what the account takes
    /// to be in the ring counts as dropped, whether it is there or not.)
    fn check_end(&mut self, reader: &InputReader) {
        let account = self.stage.account();
        self.findings.check(account.queued_frames == 0 && reader.queued_frames() == 0);
        self.findings.check(account.dropped_frames == self.heard.n_missing + self.heard.n_discarded);
    }

    pub(super) fn see_stamp(&mut self, stamp: &PeriodStamp) {
        let (n, is_after_break) = self.stage.content.delivery(stamp.capture_ns);
        self.order.see(n, &mut self.findings);
        let is_behind = (stamp.position.0.wrapping_sub(self.stamped_until) as i64) < 0;
        self.findings.backwards += u64::from(is_behind);
        self.findings.torn += u64::from(stamp.is_after_break != is_after_break || stamp.n_frames == 0);
        self.stamped_until = stamp.position.0.wrapping_add(stamp.n_frames);
        self.heard.n_stamps += 1;
        self.heard.n_stamped += stamp.n_frames;
        self.heard.n_breaks += u64::from(stamp.is_after_break);
    }
}
