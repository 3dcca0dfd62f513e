//! The fan-out with a writer flat out and readers of every temper on threads of their own. Bounded by blocks, not by
//! time: torn 0, backwards 0, duplicate 0, and read + lost == produced for everybody.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ra_core::{BlockStamp, FramePosition};
use ra_queue::{
    BlockReader, BlockWriter, Join, ReadOutcome, ReaderCounts, RingSubscriber, RingTrial, RingWriter,
    ring_fan_out_trial,
};

const N_BLOCKS: u64 = 60_000;

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

/// Reads until the end, or until `limit` blocks were read.
fn listen(reader: &mut dyn BlockReader, n_samples: usize, temper: Temper, limit: u64) -> Findings {
    let mut found = Findings::default();
    let mut out = vec![0.0; n_samples];
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
    let counts = reader.counts();
    assert_eq!((counts.read_blocks, counts.lost_blocks), (found.n_read, found.n_lost));
    found
}

fn write_all(mut writer: RingWriter, n_samples: usize) {
    let mut samples = vec![0.0; n_samples];
    for n in 0..N_BLOCKS {
        samples.fill(sample(n));
        writer.publish(&stamp(n), &samples);
        if n % 256 == 0 {
            thread::yield_now();
        }
    }
}

fn check_end(counts: ReaderCounts, found: &Findings, what: &str) {
    assert!(found.is_clean(), "{what}: {found:?}");
    assert!(counts.is_balanced(), "{what}: {counts:?}");
    assert_eq!(counts.queued_blocks, 0, "{what}: {counts:?}");
    assert_eq!(found.n_read + found.n_lost, counts.produced_blocks, "{what}: {counts:?}");
}

/// Readers that join, read a little and leave, again and again until the writer is done.
fn come_and_go(bus: &RingSubscriber, n_samples: usize, is_over: &AtomicBool) -> u64 {
    let mut n_visits = 0;
    while !is_over.load(Ordering::Relaxed) || n_visits == 0 {
        let from = if n_visits % 2 == 0 { Join::Oldest } else { Join::Next };
        let mut reader = bus.join(from);
        let monitor = reader.monitor();
        let found = listen(&mut reader, n_samples, Temper::Fast, 5);
        assert!(found.is_clean(), "{found:?}");
        drop(reader);
        let counts = monitor.counts();
        assert!(counts.is_balanced() && counts.queued_blocks == 0, "{counts:?}");
        assert_eq!(counts.read_blocks, found.n_read);
        n_visits += 1;
    }
    n_visits
}

fn torture(n_blocks: usize, n_samples: usize, trial: RingTrial) {
    let (writer, bus) = ring_fan_out_trial(n_blocks, n_samples, &trial).unwrap();
    // Never reads while the writer runs: its loss is certain.
    let mut absent = bus.join(Join::Next);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let residents = [Temper::Fast, Temper::Fast, Temper::Slow, Temper::Sleepy, Temper::Skipping].map(|temper| {
            let mut reader = bus.join(Join::Next);
            let monitor = reader.monitor();
            (
                temper,
                monitor,
                scope.spawn(move || {
                    let found = listen(&mut reader, n_samples, temper, u64::MAX);
                    (reader.counts(), found)
                }),
            )
        });
        let monitors: Vec<_> = residents.iter().map(|(_, monitor, _)| monitor.clone()).collect();
        let is_over = &is_over;
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                for counts in monitors.iter().map(ra_queue::ReaderMonitor::counts) {
                    assert!(counts.is_balanced(), "{counts:?}");
                    assert!(counts.queued_blocks <= counts.produced_blocks, "below zero: {counts:?}");
                }
                thread::yield_now();
            }
        });
        let bus = &bus;
        let visitors = [(); 2].map(|()| scope.spawn(move || come_and_go(bus, n_samples, is_over)));
        scope.spawn(move || write_all(writer, n_samples)).join().unwrap();
        is_over.store(true, Ordering::Relaxed);
        for (temper, monitor, thread) in residents {
            let (counts, found) = thread.join().unwrap();
            check_end(counts, &found, &format!("{temper:?}"));
            assert_eq!(counts.produced_blocks, N_BLOCKS);
            assert_eq!(monitor.counts(), counts);
        }
        visitors.into_iter().for_each(|thread| assert!(thread.join().unwrap() > 0));
    });
    let found = listen(&mut absent, n_samples, Temper::Fast, u64::MAX);
    check_end(absent.counts(), &found, "absent");
    let n_blocks = n_blocks.next_power_of_two() as u64;
    let n_kept = n_blocks - (n_blocks / 8).max(1);
    assert_eq!((found.n_read, found.n_lost), (n_kept, N_BLOCKS - n_kept));
}

/// One reader and nobody else, so that both are really at it at the same time wherever there are two cores.
fn duel(n_samples: usize, trial: RingTrial) {
    let (writer, bus) = ring_fan_out_trial(2, n_samples, &trial).unwrap();
    let mut reader = bus.join(Join::Next);
    let found = thread::scope(|scope| {
        scope.spawn(move || write_all(writer, n_samples));
        listen(&mut reader, n_samples, Temper::Fast, u64::MAX)
    });
    check_end(reader.counts(), &found, "duel");
    assert_eq!(reader.counts().produced_blocks, N_BLOCKS);
}

#[test]
fn a_writer_and_a_reader_race_for_the_same_slots() {
    for n_samples in [1, 512, 8_192] {
        for is_portable in [false, true] {
            duel(n_samples, RingTrial { is_portable, ..RingTrial::default() });
        }
    }
}

#[test]
fn a_small_ring_of_large_blocks_is_never_torn() {
    torture(2, 8_192, RingTrial::default());
}

#[test]
fn a_small_ring_of_large_blocks_copied_by_plain_atomics_is_never_torn() {
    torture(2, 8_192, RingTrial { is_portable: true, ..RingTrial::default() });
}

#[test]
fn sequence_numbers_wrap_in_the_middle_of_it() {
    torture(64, 256, RingTrial { first_seq: u64::MAX - N_BLOCKS / 2, is_portable: false });
}

#[test]
fn blocks_of_one_sample_and_rings_of_two() {
    torture(2, 1, RingTrial::default());
}

#[test]
fn blocks_that_end_within_a_line() {
    torture(8, 1_001, RingTrial { first_seq: u64::MAX - 1, is_portable: false });
}
