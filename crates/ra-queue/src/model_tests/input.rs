//! Models of the input ring with room for one or two frames. Its memory is loom's cells (`sync/cells.rs`).

use ra_core::{ChannelCount, FrameAccount, FramePosition, PeriodInput, PeriodStamp};

use super::{EVERY_ORDER, explore, promise, spawn};
use crate::{InputConfig, InputMonitor, InputReader, InputTrial, InputWriter, input_ring_trial};

/// Where every counter begins: each wraps at its first step, and the source's timeline, at their sum, behind it.
const BEFORE: InputTrial = InputTrial { n_delivered: u64::MAX, n_discarded: u64::MAX, n_refused: u64::MAX };
const ACCEPTED_BEFORE: u64 = BEFORE.n_delivered.wrapping_add(BEFORE.n_discarded);
/// The place of the first frame of a model.
const FIRST: u64 = ACCEPTED_BEFORE.wrapping_add(BEFORE.n_refused);

/// The two ends, and an account.
fn ring(capacity_frames: usize, capacity_periods: usize) -> (Giving, Taking, InputMonitor) {
    let config = InputConfig { channels: ChannelCount::new(1).unwrap(), capacity_frames, capacity_periods };
    let (writer, reader, monitor) = input_ring_trial(&config, &BEFORE).unwrap();
    (Giving { writer, n_offered: 0 }, Taking::new(reader), monitor)
}

/// Frames of the model in front of that place.
fn n_before(position: FramePosition) -> u64 {
    position.0.wrapping_sub(FIRST)
}

/// The sound of the n-th frame of a model, and never the 0 that the ring's memory holds before.
fn sample(n: u64) -> f32 {
    n as f32 + 1.0
}

/// When the n-th frame was captured.
fn capture_ns(n: u64) -> u64 {
    n * 10 + 1_000
}

/// The account without what was counted before the model.
fn account_of(monitor: &InputMonitor) -> FrameAccount {
    let account = monitor.account();
    let FrameAccount { produced_frames, delivered_frames, dropped_frames, queued_frames } = account;
    let n_placed = delivered_frames.wrapping_add(dropped_frames).wrapping_add(queued_frames);
    promise!(produced_frames == n_placed, "produced is delivered, dropped or queued: {account}");
    FrameAccount {
        produced_frames: produced_frames.wrapping_sub(ACCEPTED_BEFORE).wrapping_sub(BEFORE.n_refused),
        delivered_frames: delivered_frames.wrapping_sub(BEFORE.n_delivered),
        dropped_frames: dropped_frames.wrapping_sub(BEFORE.n_refused).wrapping_sub(BEFORE.n_discarded),
        queued_frames,
    }
}

/// The source's end, with sound by which frames are told apart.
struct Giving {
    writer: InputWriter,
    n_offered: u64,
}

impl Giving {
    fn push(&mut self, n_frames: u64) {
        let period: Vec<f32> = (self.n_offered..self.n_offered + n_frames).map(sample).collect();
        self.writer.push(capture_ns(self.n_offered), &period);
        self.n_offered += n_frames;
    }

    /// As a source that waits for room does.
    fn fill(&mut self, n_frames: usize) {
        let n_offered = self.n_offered;
        let n_filled = self.writer.fill(capture_ns(n_offered), n_frames, &mut |piece| {
            piece.iter_mut().zip(n_offered..).for_each(|(slot, n)| *slot = sample(n));
            piece.len()
        });
        self.n_offered += n_filled as u64;
    }
}

/// The mixer's end, and what it has come to.
struct Taking {
    reader: InputReader,
    stamps: Vec<PeriodStamp>,
    n_delivered: u64,
    n_missing: u64,
    n_discarded: u64,
}

impl Taking {
    fn new(reader: InputReader) -> Self {
        Self { reader, stamps: Vec::new(), n_delivered: 0, n_missing: 0, n_discarded: 0 }
    }

    fn poll(&mut self) {
        let stamps = &mut self.stamps;
        self.reader.poll_stamps(&mut |stamp| {
            let end = stamps.last().map_or(0, |last: &PeriodStamp| n_before(last.position) + last.n_frames);
            let n = n_before(stamp.position);
            promise!(n >= end && stamp.n_frames > 0, "a stamp is behind the last one: {stamp:?} at {end}");
            promise!(stamp.capture_ns == capture_ns(n), "a stamp is whole: {stamp:?}");
            stamps.push(*stamp);
        });
    }

    /// Passes the gap that comes first, if one does, and reads what comes then, up to the next.
    fn read(&mut self) {
        let n_missing = self.reader.take_gap().unwrap_or(0);
        promise!(n_missing <= 4, "a gap of {n_missing}, of no more than 4 frames");
        self.n_missing += n_missing;
        let at = n_before(self.reader.position());
        let mut out = [0.0; 4];
        let n_frames = self.reader.read(&mut out);
        self.n_delivered += n_frames as u64;
        for (n, got) in (at..).zip(&out[..n_frames]) {
            promise!(*got == sample(n), "frame {n} sounds like itself: {got}");
        }
    }

    fn read_in_place(&mut self) {
        let at = n_before(self.reader.position());
        let n_frames = self.reader.read_in_place(4, &mut |piece| {
            for (n, got) in (at..).zip(piece) {
                promise!(*got == sample(n), "frame {n} sounds like itself where it lies: {got}");
            }
        });
        self.n_delivered += n_frames as u64;
    }

    fn discard(&mut self) {
        self.n_discarded += self.reader.discard(1) as u64;
    }

    /// The writer is gone after `n_total` frames, and everything it did is known: takes what is left.
    fn finish(&mut self, n_total: u64, monitor: &InputMonitor) {
        promise!(self.reader.is_closed(), "the writer is gone");
        for _ in 0..n_total {
            self.poll();
            self.read();
        }
        promise!(self.reader.is_finished(), "everything has been taken");
        let end = n_before(self.reader.position());
        promise!(end == n_total, "the end is at {end} of {n_total}");
        let n_taken = self.n_delivered + self.n_missing + self.n_discarded;
        promise!(n_taken == n_total, "{n_taken} frames were read, missed or discarded, of {n_total}");
        let account = account_of(monitor);
        let expected = FrameAccount {
            produced_frames: n_total,
            delivered_frames: self.n_delivered,
            dropped_frames: self.n_missing + self.n_discarded,
            queued_frames: 0,
        };
        promise!(account == expected, "the last account is {account}, expected {expected}");
    }
}

/// Takes two accounts of a running ring and checks them, and that nothing goes back from the first to the second.
fn check_accounts(monitor: &InputMonitor, n_total: u64) {
    let capacity = monitor.capacity_frames() as u64;
    let [first, second] = [(); 2].map(|()| {
        let account = account_of(monitor);
        promise!(account.queued_frames <= capacity, "no more than {capacity} are queued: {account}");
        let FrameAccount { produced_frames, delivered_frames, dropped_frames, .. } = account;
        let is_sound = [produced_frames, delivered_frames, dropped_frames].iter().all(|count| *count <= n_total);
        promise!(is_sound, "of {n_total} frames: {account}");
        account
    });
    let only_grows = first.produced_frames <= second.produced_frames
        && first.delivered_frames <= second.delivered_frames
        && first.dropped_frames <= second.dropped_frames;
    promise!(only_grows, "{first}, then {second}");
}

#[test]
fn frames_come_whole_in_order_and_with_their_stamps() {
    explore(Some(5), || {
        let (mut giving, mut taking, monitor) = ring(2, 2);
        let giving = spawn(move || {
            giving.push(1);
            giving.push(2);
            giving.push(1);
        });
        for _ in 0..3 {
            taking.poll();
            taking.read();
        }
        giving.join().unwrap();
        taking.finish(4, &monitor);
    });
}

#[test]
fn what_was_read_before_others_were_discarded_is_done_with() {
    explore(EVERY_ORDER, || {
        let (mut giving, mut taking, monitor) = ring(2, 2);
        giving.push(1);
        let giving = spawn(move || {
            giving.push(1);
            giving.push(1);
        });
        taking.poll();
        taking.read();
        taking.poll();
        taking.discard();
        giving.join().unwrap();
        taking.finish(3, &monitor);
    });
}

#[test]
fn lent_memory_is_nobody_elses() {
    explore(EVERY_ORDER, || {
        let (mut giving, mut taking, monitor) = ring(2, 2);
        let giving = spawn(move || {
            giving.fill(1);
            giving.fill(2);
            giving.fill(1);
            giving.n_offered
        });
        for _ in 0..2 {
            taking.poll();
            taking.read_in_place();
        }
        let n_total = giving.join().unwrap();
        taking.finish(n_total, &monitor);
    });
}

/// One thread gives two frames to a ring of one, another takes the first by `take`, a third takes the account.
fn accounting(take: fn(&mut Taking)) {
    explore(Some(4), move || {
        let (mut giving, mut taking, monitor) = ring(1, 1);
        let giving = spawn(move || {
            giving.push(1);
            giving.push(1);
        });
        let counting = {
            let monitor = monitor.clone();
            spawn(move || check_accounts(&monitor, 2))
        };
        taking.poll();
        take(&mut taking);
        counting.join().unwrap();
        giving.join().unwrap();
        taking.finish(2, &monitor);
    });
}

#[test]
fn the_account_balances_while_frames_are_read() {
    accounting(Taking::read);
}

#[test]
fn the_account_balances_while_frames_are_read_in_place() {
    accounting(Taking::read_in_place);
}

#[test]
fn the_account_balances_while_frames_are_discarded() {
    accounting(Taking::discard);
}

#[test]
fn what_a_reader_leaves_behind_is_dropped_and_nothing_else() {
    explore(Some(3), || {
        let (mut giving, mut taking, monitor) = ring(2, 2);
        giving.push(1);
        let counting = {
            let monitor = monitor.clone();
            spawn(move || check_accounts(&monitor, 2))
        };
        let leaving = spawn(move || {
            taking.poll();
            taking.read();
            taking.n_delivered
        });
        giving.push(1);
        let n_delivered = leaving.join().unwrap();
        counting.join().unwrap();
        promise!(giving.writer.is_abandoned(), "the reader is gone");
        let account = account_of(&monitor);
        let is_all = account.delivered_frames == n_delivered && account.dropped_frames == 2 - n_delivered;
        promise!(is_all, "{n_delivered} were read: {account}");
    });
}

#[test]
fn the_end_is_where_the_writer_left() {
    explore(EVERY_ORDER, || {
        let (mut giving, mut taking, monitor) = ring(1, 1);
        let giving = spawn(move || {
            giving.push(2);
        });
        for _ in 0..2 {
            if taking.reader.is_finished() {
                let end = n_before(taking.reader.position());
                promise!(end == 2, "finished at {end}");
            }
            taking.read();
            taking.poll();
        }
        giving.join().unwrap();
        taking.finish(2, &monitor);
    });
}

#[test]
fn both_ends_may_leave_at_once() {
    explore(EVERY_ORDER, || {
        let (mut giving, mut taking, monitor) = ring(2, 2);
        giving.push(1);
        let leaving = spawn(move || {
            giving.push(1);
            drop(giving);
        });
        taking.poll();
        taking.read();
        let n_delivered = taking.n_delivered;
        // Whoever is the second gives the memory back, which loom watches.
        drop(taking);
        leaving.join().unwrap();
        let account = account_of(&monitor);
        let is_all = account.delivered_frames == n_delivered && account.dropped_frames == 2 - n_delivered;
        promise!(is_all, "{n_delivered} were read: {account}");
    });
}

#[test]
fn a_break_is_told_once_by_the_next_stamp_that_finds_room() {
    explore(EVERY_ORDER, || {
        let (mut giving, mut taking, monitor) = ring(3, 1);
        let giving = spawn(move || {
            giving.push(1);
            giving.writer.mark_break();
            giving.push(1);
            giving.push(1);
        });
        for _ in 0..2 {
            taking.poll();
            taking.read();
        }
        giving.join().unwrap();
        taking.finish(3, &monitor);
        let told: Vec<bool> = taking.stamps.iter().map(|stamp| stamp.is_after_break).collect();
        let expected: Vec<bool> = (0..told.len()).map(|at| at == 1).collect();
        promise!(told == expected, "breaks are told by stamps {told:?}");
    });
}
