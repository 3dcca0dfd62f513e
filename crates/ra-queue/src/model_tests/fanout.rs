//! Models of our own fan-out ring: two slots of one word each, a handful of blocks, and sequence numbers that wrap on the
//! way.

use std::sync::Arc;

use ra_core::{BlockStamp, FramePosition};

use super::{EVERY_ORDER, explore, promise, spawn};
use crate::{
    BlockReader, BlockWriter, Join, ReadOutcome, ReaderCounts, ReaderMonitor, RingReader, RingSubscriber, RingTrial,
    RingWriter, ring_fan_out_trial,
};

const N_SLOTS: u64 = 2;
const N_SAMPLES: usize = 2;
/// Where sequence numbers and counters begin that wrap at the next step.
const LAST: u64 = u64::MAX;

fn ring(first_seq: u64) -> (RingWriter, RingSubscriber) {
    ring_fan_out_trial(N_SLOTS as usize, N_SAMPLES, &RingTrial { first_seq, is_portable: true }).unwrap()
}

/// Counts without those that every reader of a model begins with.
fn since_joining(counts: ReaderCounts) -> ReaderCounts {
    promise!(counts.is_balanced(), "produced is read, lost or queued: {counts:?}");
    ReaderCounts {
        produced_blocks: counts.produced_blocks.wrapping_sub(LAST.wrapping_mul(2)),
        read_blocks: counts.read_blocks.wrapping_sub(LAST),
        lost_blocks: counts.lost_blocks.wrapping_sub(LAST),
        queued_blocks: counts.queued_blocks,
    }
}

/// The stamp of the n-th block; nothing in it is 0, which is what the ring's memory holds before.
fn stamp(n: u64) -> BlockStamp {
    BlockStamp { seq: n + 1, position: FramePosition(n + 101), capture_ns: n + 1_001 }
}

fn samples(n: u64) -> [f32; N_SAMPLES] {
    [n as f32 + 1.0, -1.0 - n as f32]
}

fn publish(writer: &mut RingWriter, blocks: std::ops::Range<u64>) {
    blocks.for_each(|n| writer.publish(&stamp(n), &samples(n)));
}

/// A reader whose counters wrap at the next step, and what it has come to, in blocks counted from 0.
struct Following {
    reader: RingReader,
    /// Blocks that are published in all.
    n_total: u64,
    /// The next block, once it is known: who joins a running ring finds out at its first one.
    next: Option<u64>,
    n_read: u64,
    n_lost: u64,
}

impl Following {
    fn new(bus: &RingSubscriber, from: Join, n_total: u64, next: Option<u64>) -> Self {
        Self { reader: bus.join_trial(from, LAST), n_total, next, n_read: 0, n_lost: 0 }
    }

    fn counts(&self) -> ReaderCounts {
        since_joining(self.reader.counts())
    }

    /// Reads once; whether there may be more.
    fn read(&mut self) -> bool {
        let mut out = [0.0; N_SAMPLES];
        match self.reader.read(&mut out) {
            ReadOutcome::Block(got) => {
                let n = self.next.unwrap_or(got.seq - 1);
                promise!(got == stamp(n) && out == samples(n), "block {n} is whole: {got:?} {out:?}");
                self.next = Some(n + 1);
                self.n_read += 1;
                true
            }
            ReadOutcome::Lagged { n_blocks } => {
                self.lose(n_blocks, N_SLOTS);
                true
            }
            ReadOutcome::Empty => false,
            ReadOutcome::Closed => {
                let n_left = self.n_total - self.next.unwrap_or(self.n_total);
                promise!(n_left == 0, "the end comes behind the last block: {n_left} were left");
                false
            }
        }
    }

    fn skip_ahead(&mut self) {
        let n_blocks = self.reader.skip_ahead();
        if n_blocks > 0 {
            self.lose(n_blocks, 1);
        }
    }

    /// A loss of a block takes another one `n_ahead` ahead of it, and leaves one to go on with.
    fn lose(&mut self, n_blocks: u64, n_ahead: u64) {
        promise!((1..self.n_total).contains(&n_blocks), "{n_blocks} lost of {}", self.n_total);
        self.n_lost += n_blocks;
        let Some(next) = &mut self.next else { return };
        promise!(*next + n_ahead < self.n_total, "block {next} is lost where nothing can be in its place");
        *next += n_blocks;
        promise!(*next < self.n_total, "block {next} is where it goes on");
    }

    /// The writer is gone and everything it did is known: reads to the end, and checks the account.
    fn finish(mut self) -> ReaderCounts {
        while self.read() {}
        promise!(self.reader.read(&mut [0.0; N_SAMPLES]) == ReadOutcome::Closed, "the end says so again");
        let counts = self.counts();
        promise!(counts.queued_blocks == 0, "nothing is left: {counts:?}");
        promise!((counts.read_blocks, counts.lost_blocks) == (self.n_read, self.n_lost), "{counts:?}");
        if let Some(next) = self.next {
            promise!(next == self.n_total, "the end is at block {next} of {}", self.n_total);
        }
        counts
    }
}

/// Takes one snapshot of a running ring that publishes `n_total` blocks in all.
fn snapshot(monitor: &ReaderMonitor, n_total: u64) -> ReaderCounts {
    let counts = since_joining(monitor.counts());
    let ReaderCounts { produced_blocks, read_blocks, lost_blocks, queued_blocks } = counts;
    let is_sound = [produced_blocks, read_blocks, lost_blocks, queued_blocks].iter().all(|count| *count <= n_total);
    promise!(is_sound, "of {n_total} blocks: {counts:?}");
    counts
}

/// A reader that the writer overtakes, before and in the middle of its reads.
fn overtaken(first_seq: u64) {
    explore(Some(4), move || {
        let (mut writer, bus) = ring(first_seq);
        let mut following = Following::new(&bus, Join::Next, 3, Some(0));
        let writing = spawn(move || {
            publish(&mut writer, 0..3);
            writer
        });
        following.read();
        following.read();
        drop(writing.join().unwrap());
        promise!(following.finish().produced_blocks == 3, "all that was published");
    });
}

#[test]
fn an_overtaken_reader_loses_whole_blocks_and_knows_how_many() {
    overtaken(0);
}

#[test]
fn nothing_changes_where_sequence_numbers_wrap() {
    overtaken(LAST);
}

#[test]
fn the_end_comes_behind_the_last_block() {
    explore(EVERY_ORDER, || {
        let (mut writer, bus) = ring(LAST);
        let mut following = Following::new(&bus, Join::Next, 2, Some(0));
        let writing = spawn(move || publish(&mut writer, 0..2));
        while following.read() {}
        while following.read() {}
        writing.join().unwrap();
        following.finish();
    });
}

/// A reader joins a running ring; the writer does not know.
fn joining(from: Join) {
    explore(Some(4), move || {
        let (mut writer, bus) = ring(LAST);
        publish(&mut writer, 0..1);
        let writing = spawn(move || publish(&mut writer, 1..3));
        let mut following = Following::new(&bus, from, 3, None);
        following.read();
        writing.join().unwrap();
        let joined_at = 3 - following.counts().produced_blocks;
        match from {
            Join::Next => promise!(joined_at >= 1, "who joins for the next block doesn't get block {joined_at}"),
            Join::Oldest => promise!(joined_at <= 2, "there is a block to begin with"),
        }
        let next = joined_at + following.n_lost + following.n_read;
        promise!(following.next.is_none_or(|known| known == next), "block {next} is the next one");
        following.next = Some(next);
        following.finish();
    });
}

#[test]
fn who_joins_for_the_next_block_gets_no_older_one() {
    joining(Join::Next);
}

#[test]
fn who_joins_at_the_oldest_block_gets_whole_blocks_from_there() {
    joining(Join::Oldest);
}

#[test]
fn a_reader_that_joins_and_leaves_does_not_meet_the_others() {
    explore(Some(2), || {
        let (mut writer, bus) = ring(LAST);
        let mut staying = Following::new(&bus, Join::Next, 3, Some(0));
        publish(&mut writer, 0..1);
        let writing = spawn(move || publish(&mut writer, 1..3));
        let leaving = spawn(move || drop(bus.join(Join::Oldest)));
        staying.read();
        leaving.join().unwrap();
        writing.join().unwrap();
        staying.finish();
    });
}

#[test]
fn skipping_ahead_counts_what_it_passes() {
    explore(Some(4), || {
        let (mut writer, bus) = ring(LAST);
        let mut following = Following::new(&bus, Join::Next, 3, Some(0));
        let writing = spawn(move || publish(&mut writer, 0..3));
        following.skip_ahead();
        following.read();
        following.skip_ahead();
        writing.join().unwrap();
        promise!(following.finish().produced_blocks == 3, "all that was published");
    });
}

/// A third thread takes the reader's counts while the writer writes and `act` reads.
fn counting(act: fn(&mut Following)) {
    explore(EVERY_ORDER, move || {
        let (mut writer, bus) = ring(LAST);
        let mut following = Following::new(&bus, Join::Next, 2, Some(0));
        let monitor = following.reader.monitor();
        let writing = spawn(move || publish(&mut writer, 0..2));
        let counting = spawn(move || {
            let (first, second) = (snapshot(&monitor, 2), snapshot(&monitor, 2));
            let only_grows = first.produced_blocks <= second.produced_blocks
                && first.read_blocks <= second.read_blocks
                && first.lost_blocks <= second.lost_blocks;
            promise!(only_grows, "{first:?}, then {second:?}");
        });
        act(&mut following);
        counting.join().unwrap();
        writing.join().unwrap();
        following.finish();
    });
}

#[test]
fn blocks_are_counted_while_they_are_read() {
    counting(|following| {
        following.read();
    });
}

#[test]
fn blocks_are_counted_while_they_are_skipped() {
    counting(Following::skip_ahead);
}

#[test]
fn who_leaves_leaves_a_balanced_account_that_stands_still() {
    explore(EVERY_ORDER, || {
        // Not near the end: there, a `left_at` that nobody stored would look like a place in the ring.
        let (mut writer, bus) = ring(1_000);
        publish(&mut writer, 0..1);
        let mut following = Following::new(&bus, Join::Oldest, 2, Some(0));
        let monitor = Arc::new(following.reader.monitor());
        let counting = {
            let monitor = Arc::clone(&monitor);
            spawn(move || snapshot(&monitor, 2))
        };
        let writing = spawn(move || publish(&mut writer, 1..2));
        following.read();
        let (n_read, n_lost) = (following.n_read, following.n_lost);
        drop(following);
        let before = counting.join().unwrap();
        let left = snapshot(&monitor, 2);
        writing.join().unwrap();
        promise!(left.queued_blocks == 0 && left.read_blocks == n_read, "who has left waits for nothing: {left:?}");
        promise!(left.lost_blocks >= n_lost.max(before.lost_blocks), "{before:?}, then {left:?}");
        promise!(left == snapshot(&monitor, 2), "nothing is produced for who has left");
    });
}
