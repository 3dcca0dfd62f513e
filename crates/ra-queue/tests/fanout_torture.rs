//! The fan-out with a writer flat out and readers of every temper on threads of their own. Bounded by blocks, not by
//! time: torn 0, backwards 0, duplicate 0, and read + lost == produced for everybody. (`cargo xtask torture queue` does
//! the same for as long as asked, at every pace, in a real-time class.)
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ra_core::{BlockStamp, FramePosition};
use ra_queue::{
    BlockReader, BlockWriter, Join, ReadOutcome, ReaderCounts, RingSubscriber, RingTrial, RingWriter,
    ring_fan_out_trial,
};

/// A ring, what goes through it, and who reads it.
#[derive(Clone, Copy, Debug)]
struct Shape {
    ring_blocks: usize,
    n_samples: usize,
    /// Blocks that are published in all.
    n_published: u64,
    trial: RingTrial,
    /// What every reader's counts begin at.
    first_count: u64,
    /// So many readers of each temper that stays, and visitors.
    n_each: usize,
}

const SHAPE: Shape = Shape {
    ring_blocks: 2,
    n_samples: 512,
    n_published: 60_000,
    trial: RingTrial { first_seq: 0, is_portable: false },
    first_count: 0,
    n_each: 1,
};

fn stamp(n: u64) -> BlockStamp {
    BlockStamp { seq: n, position: FramePosition(n.wrapping_mul(5)), capture_ns: n.wrapping_mul(7) ^ 0x55 }
}

/// Every sample of a block names the block, so that a torn one can't pass; and all are the same, so that writing and
/// checking them takes no longer than copying them.
fn sample(n: u64) -> f32 {
    f32::from_bits(0x3f80_0000 | (n as u32).wrapping_mul(0x9e37) & 0x7f_ffff)
}

/// How a reader behaves between two blocks.
#[derive(Clone, Copy, Debug)]
enum Temper {
    Fast,
    Slow,
    Sleepy,
    Skipping,
}

#[derive(Debug, Default)]
struct Findings {
    n_read: u64,
    n_lost: u64,
    torn: u64,
    out_of_order: u64,
}

impl Findings {
    fn is_clean(&self) -> bool {
        self.torn == 0 && self.out_of_order == 0
    }
}

/// The counts as if they had begun at 0.
fn from_zero(counts: ReaderCounts, first_count: u64) -> ReaderCounts {
    ReaderCounts {
        produced_blocks: counts.produced_blocks.wrapping_sub(first_count.wrapping_mul(2)),
        read_blocks: counts.read_blocks.wrapping_sub(first_count),
        lost_blocks: counts.lost_blocks.wrapping_sub(first_count),
        queued_blocks: counts.queued_blocks,
    }
}

/// Reads until the end, or until `limit` blocks were read.
fn listen(reader: &mut dyn BlockReader, shape: Shape, temper: Temper, limit: u64) -> Findings {
    let mut found = Findings::default();
    let mut out = vec![0.0; shape.n_samples];
    let mut expected: Option<u64> = None;
    while found.n_read < limit {
        match reader.read(&mut out) {
            ReadOutcome::Block(got) => {
                let n = got.seq;
                found.out_of_order += u64::from(expected.is_some_and(|expected| expected != n));
                // No early end, so that the compiler compares many at a time.
                let n_wrong = out.iter().filter(|x| x.to_bits() != sample(n).to_bits()).count();
                let is_whole = got == stamp(n) && n_wrong == 0;
                found.torn += u64::from(!is_whole);
                found.n_read += 1;
                expected = Some(n + 1);
            }
            ReadOutcome::Lagged { n_blocks } => {
                assert!(n_blocks > 0, "a loss of nothing, again and again");
                found.n_lost += n_blocks;
                expected = expected.map(|expected| expected + n_blocks);
            }
            ReadOutcome::Empty => thread::yield_now(),
            ReadOutcome::Closed => break,
        }
        match temper {
            Temper::Fast => {}
            Temper::Slow => (0..500).for_each(|_| std::hint::spin_loop()),
            #[expect(
                clippy::disallowed_methods,
                reason = "a reader that is away is what is tested; nothing waits for it"
            )]
            Temper::Sleepy => thread::sleep(Duration::from_micros(300)),
            Temper::Skipping => {
                let n_skipped = if found.n_read % 64 == 63 { reader.skip_ahead() } else { 0 };
                found.n_lost += n_skipped;
                expected = expected.map(|expected| expected + n_skipped);
            }
        }
    }
    let counts = from_zero(reader.counts(), shape.first_count);
    assert_eq!((counts.read_blocks, counts.lost_blocks), (found.n_read, found.n_lost));
    found
}

fn write_all(mut writer: RingWriter, shape: Shape) {
    let mut samples = vec![0.0; shape.n_samples];
    for n in 0..shape.n_published {
        samples.fill(sample(n));
        writer.publish(&stamp(n), &samples);
        if n % 256 == 0 {
            thread::yield_now();
        }
    }
}

fn check_end(counts: ReaderCounts, found: &Findings, shape: Shape, what: &str) {
    assert!(found.is_clean(), "{what}: {found:?}");
    assert!(counts.is_balanced(), "{what}: {counts:?}");
    assert_eq!((counts.produced_blocks, counts.queued_blocks), (shape.n_published, 0), "{what}: {counts:?}");
    assert_eq!(found.n_read + found.n_lost, counts.produced_blocks, "{what}: {counts:?}");
}

/// Readers that join, read a little and leave, again and again until the writer is done.
fn come_and_go(bus: &RingSubscriber, shape: Shape, is_over: &AtomicBool) -> u64 {
    let mut n_visits = 0;
    while !is_over.load(Ordering::Relaxed) || n_visits == 0 {
        let from = if n_visits % 2 == 0 { Join::Oldest } else { Join::Next };
        let mut reader = bus.join_trial(from, shape.first_count);
        let monitor = reader.monitor();
        let found = listen(&mut reader, shape, Temper::Fast, 5);
        assert!(found.is_clean(), "{found:?}");
        drop(reader);
        assert!(monitor.counts().is_balanced());
        let counts = from_zero(monitor.counts(), shape.first_count);
        assert!(counts.is_balanced() && counts.queued_blocks == 0, "{counts:?}");
        assert_eq!(counts.read_blocks, found.n_read);
        n_visits += 1;
    }
    n_visits
}

fn torture(shape: Shape) {
    let (writer, bus) = ring_fan_out_trial(shape.ring_blocks, shape.n_samples, &shape.trial).unwrap();
    let join = || bus.join_trial(Join::Next, shape.first_count);
    // Never reads while the writer runs: its loss is certain.
    let mut absent = join();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let tempers = [Temper::Fast, Temper::Fast, Temper::Slow, Temper::Sleepy, Temper::Skipping];
        let residents: Vec<_> = std::iter::repeat_n(tempers, shape.n_each)
            .flatten()
            .map(|temper| {
                let mut reader = join();
                let monitor = reader.monitor();
                let thread = scope.spawn(move || {
                    let found = listen(&mut reader, shape, temper, u64::MAX);
                    (reader.counts(), found)
                });
                (temper, monitor, thread)
            })
            .collect();
        let monitors: Vec<_> = residents.iter().map(|(_, monitor, _)| monitor.clone()).collect();
        let (is_over, bus) = (&is_over, &bus);
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                for counts in monitors.iter().map(ra_queue::ReaderMonitor::counts) {
                    assert!(counts.is_balanced(), "{counts:?}");
                    let counts = from_zero(counts, shape.first_count);
                    assert!(counts.queued_blocks <= counts.produced_blocks, "below zero: {counts:?}");
                }
                thread::yield_now();
            }
        });
        let visitors: Vec<_> =
            (0..shape.n_each + 1).map(|_| scope.spawn(move || come_and_go(bus, shape, is_over))).collect();
        let writing = scope.spawn(move || write_all(writer, shape)).join();
        is_over.store(true, Ordering::Relaxed);
        writing.unwrap();
        for (temper, monitor, thread) in residents {
            let (counts, found) = thread.join().unwrap();
            assert_eq!(monitor.counts(), counts);
            check_end(from_zero(counts, shape.first_count), &found, shape, &format!("{temper:?}"));
        }
        visitors.into_iter().for_each(|thread| assert!(thread.join().unwrap() > 0));
    });
    let found = listen(&mut absent, shape, Temper::Fast, u64::MAX);
    check_end(from_zero(absent.counts(), shape.first_count), &found, shape, "absent");
    let n_blocks = bus.n_blocks() as u64;
    let n_kept = n_blocks - (n_blocks / 8).max(1);
    assert_eq!((found.n_read, found.n_lost), (n_kept, shape.n_published - n_kept));
}

/// One reader and nobody else, so that both are really at it at the same time wherever there are two cores.
fn duel(shape: Shape) {
    let (writer, bus) = ring_fan_out_trial(shape.ring_blocks, shape.n_samples, &shape.trial).unwrap();
    let mut reader = bus.join(Join::Next);
    let found = thread::scope(|scope| {
        scope.spawn(move || write_all(writer, shape));
        listen(&mut reader, shape, Temper::Fast, u64::MAX)
    });
    check_end(reader.counts(), &found, shape, "duel");
}

#[test]
fn a_writer_and_a_reader_race_for_the_same_slots() {
    for n_samples in [1, 512, 8_192] {
        for is_portable in [false, true] {
            duel(Shape { n_samples, trial: RingTrial { is_portable, ..RingTrial::default() }, ..SHAPE });
        }
    }
}

#[test]
fn a_small_ring_of_large_blocks_is_never_torn() {
    torture(Shape { n_samples: 8_192, ..SHAPE });
}

#[test]
fn a_small_ring_of_large_blocks_copied_by_plain_atomics_is_never_torn() {
    let trial = RingTrial { is_portable: true, ..RingTrial::default() };
    torture(Shape { n_samples: 8_192, trial, ..SHAPE });
}

#[test]
fn blocks_of_4096_frames_of_64_channels() {
    torture(Shape { n_samples: 4_096 * 64, n_published: 500, ring_blocks: 4, ..SHAPE });
}

#[test]
fn blocks_of_one_frame_of_64_channels_and_32_readers() {
    torture(Shape { n_samples: 64, ring_blocks: 16, n_each: 5, ..SHAPE });
}

#[test]
fn every_counter_wraps_in_the_middle_of_it() {
    for first_count in [0_u64.wrapping_sub(1), 0_u64.wrapping_sub(20), 1 << 63] {
        let trial = RingTrial { first_seq: 0_u64.wrapping_sub(SHAPE.n_published / 2), is_portable: false };
        torture(Shape { ring_blocks: 64, n_samples: 256, trial, first_count, ..SHAPE });
    }
}

#[test]
fn versions_wrap_in_the_middle_of_it() {
    let trial = RingTrial { first_seq: (1_u64 << 63).wrapping_sub(SHAPE.n_published / 2), is_portable: false };
    torture(Shape { ring_blocks: 8, n_samples: 256, trial, ..SHAPE });
}

#[test]
fn blocks_of_one_sample_and_rings_of_two() {
    torture(Shape { n_samples: 1, ..SHAPE });
}

#[test]
fn blocks_that_end_within_a_line() {
    let trial = RingTrial { first_seq: u64::MAX - 1, is_portable: false };
    torture(Shape { ring_blocks: 8, n_samples: 1_001, trial, ..SHAPE });
}
