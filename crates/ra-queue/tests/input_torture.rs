//! The input ring with both ends flat out on threads of their own, and accountants looking on. Bounded by deliveries,
//! not by time. (`cargo xtask torture queue` does the same for as long as asked, at every pace, in a real-time class.)
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ra_core::{ChannelCount, FrameAccount, PeriodInput};
use ra_queue::{InputConfig, InputMonitor, InputReader, InputTrial, InputWriter, input_ring_trial};

/// A ring and what goes through it.
#[derive(Clone, Copy, Debug)]
struct Shape {
    n_channels: u16,
    capacity_frames: usize,
    capacity_periods: usize,
    /// Deliveries have 1 to so many frames; every hundredth has more than the ring holds.
    max_period_frames: u64,
    n_periods: u64,
    trial: InputTrial,
}

const SHAPE: Shape = Shape {
    n_channels: 2,
    capacity_frames: 300,
    capacity_periods: 16,
    max_period_frames: 61,
    n_periods: 100_000,
    trial: InputTrial { n_delivered: 0, n_discarded: 0, n_refused: 0 },
};

/// What each end knows at its end, by its own count, in frames unless said otherwise.
#[derive(Debug, Default)]
struct Sums {
    n_offered: u64,
    n_in_ring: u64,
    n_read: u64,
    n_missing: u64,
    n_discarded: u64,
    n_stamps: u64,
    n_breaks: u64,
}

/// The samples from `position` on: any bit pattern, each word's its own.
fn samples(position: u64, n_samples: usize, n_channels: u16) -> impl Iterator<Item = f32> {
    let first = position.wrapping_mul(u64::from(n_channels));
    (0..n_samples as u64).map(move |i| f32::from_bits((first.wrapping_add(i) as u32).wrapping_mul(0x9e37_79b1)))
}

/// A capture time that names its delivery, and says whether a break was marked before it.
fn capture_ns(n_stamps: u64, is_after_break: bool) -> u64 {
    (2 * n_stamps + u64::from(is_after_break)).wrapping_sub(1_000)
}

/// The account as if its counts had begun at 0.
fn account(monitor: &InputMonitor, trial: InputTrial) -> FrameAccount {
    let InputTrial { n_delivered, n_discarded, n_refused } = trial;
    let n_dropped = n_discarded.wrapping_add(n_refused);
    let account = monitor.account();
    FrameAccount {
        produced_frames: account.produced_frames.wrapping_sub(n_delivered.wrapping_add(n_dropped)),
        delivered_frames: account.delivered_frames.wrapping_sub(n_delivered),
        dropped_frames: account.dropped_frames.wrapping_sub(n_dropped),
        queued_frames: account.queued_frames,
    }
}

/// Delivers everything, by both ways in.
fn deliver(mut writer: InputWriter, shape: Shape, first_position: u64) -> Sums {
    let mut sums = Sums::default();
    let mut is_after_break = false;
    for n in 1..=shape.n_periods {
        let position = first_position.wrapping_add(sums.n_offered);
        let n_frames = match n % 100 {
            0 => 2 * shape.capacity_frames as u64,
            _ => 1 + n % shape.max_period_frames,
        };
        if n % 7 == 0 {
            writer.mark_break();
            is_after_break = true;
        }
        let captured_ns = capture_ns(sums.n_stamps, is_after_break);
        let n_taken = if n % 3 == 0 {
            let n_taken = writer.fill(captured_ns, n_frames as usize, &mut |piece| {
                let n_samples = piece.len();
                piece.iter_mut().zip(samples(position, n_samples, shape.n_channels)).for_each(|(to, from)| *to = from);
                n_samples / usize::from(shape.n_channels)
            }) as u64;
            sums.n_offered += n_taken;
            n_taken
        } else {
            let n_samples = n_frames as usize * usize::from(shape.n_channels);
            sums.n_offered += n_frames;
            let period: Vec<f32> = samples(position, n_samples, shape.n_channels).collect();
            writer.push(captured_ns, &period) as u64
        };
        sums.n_in_ring += n_taken;
        if n_taken > 0 {
            sums.n_stamps += 1;
            sums.n_breaks += u64::from(is_after_break);
            is_after_break = false;
        }
        if n % 16 == 0 {
            thread::yield_now();
        }
    }
    sums
}

/// Reads everything, or until `limit_frames` were read, and checks every sample against its place.
fn listen(mut reader: InputReader, monitor: &InputMonitor, shape: Shape, limit_frames: u64) -> Sums {
    let first_position = reader.position().0;
    let mut out = vec![0.0; 64 * usize::from(shape.n_channels)];
    let mut sums = Sums::default();
    let mut n_rounds = 0_u64;
    while !reader.is_finished() && sums.n_read < limit_frames {
        reader.poll_stamps(&mut |stamp| {
            let expected = capture_ns(sums.n_stamps, stamp.is_after_break);
            assert_eq!(stamp.capture_ns, expected, "stamps in order, none twice, none missing, breaks where they were");
            sums.n_stamps += 1;
            sums.n_in_ring += stamp.n_frames;
            sums.n_breaks += u64::from(stamp.is_after_break);
        });
        sums.n_missing += reader.take_gap().unwrap_or(0);
        let at = first_position.wrapping_add(sums.n_read + sums.n_missing + sums.n_discarded);
        assert_eq!(reader.position().0, at);
        let check = |piece: &[f32]| {
            let expected = samples(at, piece.len(), shape.n_channels);
            assert!(piece.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits()), "the frames from {at} on");
        };
        n_rounds += 1;
        let n_frames = if n_rounds.is_multiple_of(2) {
            reader.read_in_place(64, &mut |piece| check(piece))
        } else {
            let n_frames = reader.read(&mut out);
            check(&out[..n_frames * usize::from(shape.n_channels)]);
            n_frames
        };
        sums.n_read += n_frames as u64;
        // Some for certain: a delivery that is too long fills the ring beyond what one read takes.
        if n_rounds.is_multiple_of(100) || sums.n_discarded < 10 {
            sums.n_discarded += reader.discard(10) as u64;
        }
        if n_frames == 0 {
            thread::yield_now();
        }
    }
    if reader.is_finished() {
        // While the reader is still there: what an account takes to be in the ring afterwards counts as dropped.
        let account = account(monitor, shape.trial);
        assert_eq!((account.queued_frames, reader.queued_frames()), (0, 0), "{account}");
        assert_eq!(account.dropped_frames, sums.n_missing + sums.n_discarded, "{account}");
    }
    sums
}

/// Takes the account until all is over: balanced, never below zero, never falling.
fn look_on(monitor: &InputMonitor, trial: InputTrial, is_over: &AtomicBool) {
    let mut last = FrameAccount::default();
    while !is_over.load(Ordering::Relaxed) {
        let now = account(monitor, trial);
        assert!(now.is_balanced(), "{now}");
        assert!(now.queued_frames <= now.produced_frames, "below zero: {now}");
        assert!(now.produced_frames >= last.produced_frames, "{last}, then {now}");
        assert!(now.delivered_frames >= last.delivered_frames, "{last}, then {now}");
        assert!(now.dropped_frames >= last.dropped_frames, "{last}, then {now}");
        last = now;
        thread::yield_now();
    }
}

/// Runs both ends and two accountants; gives what the writer offered, what the reader heard, and the account.
fn run(shape: Shape, limit_frames: u64) -> (Sums, Sums, FrameAccount) {
    let config = InputConfig {
        channels: ChannelCount::new(shape.n_channels).unwrap(),
        capacity_frames: shape.capacity_frames,
        capacity_periods: shape.capacity_periods,
    };
    let (writer, reader, monitor) = input_ring_trial(&config, &shape.trial).unwrap();
    let first_position = reader.position().0;
    let is_over = AtomicBool::new(false);
    let (offered, heard) = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| look_on(&monitor, shape.trial, &is_over));
        }
        let listener = scope.spawn(|| listen(reader, &monitor, shape, limit_frames));
        let offered = scope.spawn(move || deliver(writer, shape, first_position)).join();
        let heard = listener.join();
        is_over.store(true, Ordering::Relaxed);
        (offered.unwrap(), heard.unwrap())
    });
    let account = account(&monitor, shape.trial);
    assert!(account.is_balanced() && account.queued_frames == 0, "{account}");
    assert_eq!((account.produced_frames, account.delivered_frames), (offered.n_offered, heard.n_read));
    (offered, heard, account)
}

/// Every frame that was offered was read, or is in a gap of exactly its length, or was discarded.
fn torture(shape: Shape) -> (Sums, Sums) {
    let (offered, heard, account) = run(shape, u64::MAX);
    assert_eq!(account.dropped_frames, heard.n_missing + heard.n_discarded, "the gaps are exactly what was lost");
    assert_eq!(heard.n_read + heard.n_missing + heard.n_discarded, offered.n_offered);
    assert_eq!(heard.n_in_ring, offered.n_in_ring, "what was taken has its stamp");
    assert_eq!((heard.n_stamps, heard.n_breaks), (offered.n_stamps, offered.n_breaks));
    assert!(heard.n_read > 0 && heard.n_missing > 0, "{heard:?}");
    (offered, heard)
}

#[test]
fn every_frame_is_accounted_for_while_both_ends_run() {
    let (offered, heard) = torture(SHAPE);
    assert!(offered.n_breaks > 0 && heard.n_discarded > 0, "{heard:?}");
}

#[test]
fn deliveries_of_one_frame_of_one_channel() {
    torture(Shape { n_channels: 1, max_period_frames: 1, ..SHAPE });
}

#[test]
fn deliveries_of_up_to_4096_frames_of_64_channels() {
    torture(Shape { n_channels: 64, max_period_frames: 4_096, capacity_frames: 8_192, n_periods: 300, ..SHAPE });
}

#[test]
fn frames_of_three_channels_and_room_for_two_stamps() {
    torture(Shape { n_channels: 3, capacity_periods: 2, ..SHAPE });
}

#[test]
fn every_counter_wraps_in_the_middle_of_it() {
    let trial = InputTrial {
        n_delivered: 0_u64.wrapping_sub(100),
        n_discarded: 0_u64.wrapping_sub(5),
        n_refused: 0_u64.wrapping_sub(1_000),
    };
    let (offered, heard) = torture(Shape { trial, ..SHAPE });
    assert!(offered.n_offered > 1_105, "the position wrapped: {offered:?}");
    assert!(heard.n_read > 100 && heard.n_missing > 1_000, "{heard:?}");
    assert!(heard.n_discarded > 5, "{heard:?}");
}

#[test]
fn a_reader_that_leaves_takes_what_was_in_the_ring_with_it() {
    for n in 0..200 {
        let shape = Shape { n_periods: 300, ..SHAPE };
        let (offered, heard, account) = run(shape, 10 * n);
        assert_eq!(account.dropped_frames, offered.n_offered - heard.n_read, "{account}");
        assert!(heard.n_in_ring <= offered.n_in_ring);
    }
}
