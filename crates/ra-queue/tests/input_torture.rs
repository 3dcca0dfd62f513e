//! The input ring with both ends flat out on threads of their own, and an accountant looking on. Bounded by frames, not
//! by time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ra_core::PeriodInput;
use ra_queue::{InputConfig, InputReader, input_ring};

const N_PERIODS: u64 = 200_000;
const CAPACITY_FRAMES: usize = 300;

/// Whole numbers that an `f32` holds exactly.
fn sample(position: u64, channel: u64) -> f32 {
    ((position * 2 + channel) % (1 << 24)) as f32
}

/// Reads everything, checks every sample against its place; returns frames read, missing and discarded.
fn listen(mut reader: InputReader) -> (u64, u64, u64) {
    let mut out = [0.0; 2 * 64];
    let (mut n_read, mut n_missing, mut n_discarded) = (0, 0, 0);
    let mut last_capture_ns = 0;
    let mut n_rounds = 0_u64;
    while !reader.is_finished() {
        reader.poll_stamps(&mut |stamp| {
            assert!(stamp.capture_ns > last_capture_ns, "stamps in order, none twice");
            last_capture_ns = stamp.capture_ns;
        });
        n_missing += reader.take_gap().unwrap_or(0);
        let at = reader.position().0;
        let n_frames = reader.read(&mut out);
        for (frame, position) in out[..2 * n_frames].chunks_exact(2).zip(at..) {
            assert_eq!(frame, [sample(position, 0), sample(position, 1)], "the frame of position {position}");
        }
        n_read += n_frames as u64;
        n_rounds += 1;
        if n_rounds.is_multiple_of(1_000) {
            n_discarded += reader.discard(10) as u64;
        }
        if n_frames == 0 {
            thread::yield_now();
        }
    }
    (n_read, n_missing, n_discarded)
}

#[test]
fn every_frame_is_accounted_for_while_both_ends_run() {
    let config = InputConfig { capacity_frames: CAPACITY_FRAMES, capacity_periods: 16, ..InputConfig::default() };
    let (mut writer, reader, monitor) = input_ring(&config).unwrap();
    let is_over = AtomicBool::new(false);
    let (n_offered, heard) = thread::scope(|scope| {
        for _ in 0..2 {
            let monitor = monitor.clone();
            let is_over = &is_over;
            scope.spawn(move || {
                let mut last = monitor.account();
                while !is_over.load(Ordering::Relaxed) {
                    let account = monitor.account();
                    assert!(account.is_balanced(), "{account}");
                    assert!(account.queued_frames <= account.produced_frames, "below zero: {account}");
                    assert!(account.produced_frames >= last.produced_frames, "{last}, then {account}");
                    assert!(account.delivered_frames >= last.delivered_frames, "{last}, then {account}");
                    assert!(account.dropped_frames >= last.dropped_frames, "{last}, then {account}");
                    last = account;
                    thread::yield_now();
                }
            });
        }
        let listener = scope.spawn(|| listen(reader));
        let mut position = 0;
        let mut period = Vec::new();
        for n in 1..=N_PERIODS {
            let n_frames = 1 + n % 61;
            period.clear();
            period.extend((position..position + n_frames).flat_map(|at| [sample(at, 0), sample(at, 1)]));
            writer.push(n, &period);
            position += n_frames;
            if n % 16 == 0 {
                thread::yield_now();
            }
        }
        drop(writer);
        let heard = listener.join().unwrap();
        is_over.store(true, Ordering::Relaxed);
        (position, heard)
    });
    let account = monitor.account();
    let (n_read, n_missing, n_discarded) = heard;
    assert!(account.is_balanced(), "{account}");
    assert_eq!(account.produced_frames, n_offered);
    assert_eq!((account.delivered_frames, account.queued_frames), (n_read, 0));
    assert_eq!(account.dropped_frames, n_missing + n_discarded, "the gaps are exactly what was lost");
    assert!(n_read > 0);
}
