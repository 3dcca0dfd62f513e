//! The input ring, in one thread, against a model: every frame is where the model says, and the account agrees with
//! what is really in the ring after every step.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::collections::VecDeque;

use proptest::prelude::*;
use ra_core::{ChannelCount, PeriodInput};
use ra_queue::{InputConfig, InputMonitor, InputReader, InputWriter, QueueError, input_ring};

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Fill(usize),
    Poll,
    Read(usize),
    ReadInPlace(usize),
    Discard(usize),
    TakeGap,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0usize..12).prop_map(Step::Push),
        2 => (0usize..12).prop_map(Step::Fill),
        4 => Just(Step::Poll),
        3 => (0usize..12).prop_map(Step::Read),
        2 => (0usize..12).prop_map(Step::ReadInPlace),
        1 => (0usize..6).prop_map(Step::Discard),
        3 => Just(Step::TakeGap),
    ];
    prop::collection::vec(step, 0..200)
}

/// The frames of the ring by their positions, and nothing clever.
#[derive(Debug, Default)]
struct Model {
    n_offered: u64,
    n_refused: u64,
    n_delivered: u64,
    n_discarded: u64,
    /// Frames that no poll has shown, by delivery.
    unseen: VecDeque<Vec<u64>>,
    /// Frames that can be read.
    seen: VecDeque<u64>,
    position: u64,
}

impl Model {
    fn in_ring(&self) -> usize {
        self.seen.len() + self.unseen.iter().map(Vec::len).sum::<usize>()
    }

    fn available(&self) -> usize {
        self.seen.iter().zip(self.position..).take_while(|(frame, at)| **frame == *at).count()
    }

    fn n_breaks(&self) -> usize {
        self.seen.iter().zip(self.seen.iter().skip(1)).filter(|(a, b)| *a + 1 != **b).count()
    }

    fn poll(&mut self, max_segments: usize) -> Vec<(u64, u64)> {
        let mut stamps = Vec::new();
        while let Some(delivery) = self.unseen.front() {
            let touches = self.seen.back().is_none_or(|last| last + 1 == delivery[0]);
            if !touches && self.n_breaks() >= max_segments {
                break;
            }
            stamps.push((delivery[0], delivery.len() as u64));
            self.seen.extend(self.unseen.pop_front().unwrap());
        }
        stamps
    }

    fn take(&mut self, n_frames: usize) {
        self.seen.drain(..n_frames);
        self.position += n_frames as u64;
    }
}

fn sample(position: u64, channel: usize) -> f32 {
    (position * 8 + channel as u64) as f32
}

fn frames(first: u64, n_frames: usize, n_channels: usize) -> Vec<f32> {
    (first..first + n_frames as u64).flat_map(|at| (0..n_channels).map(move |channel| sample(at, channel))).collect()
}

struct Ring {
    writer: InputWriter,
    reader: InputReader,
    monitor: InputMonitor,
    n_channels: usize,
    capacity_frames: usize,
    capacity_periods: usize,
}

impl Ring {
    fn step(&mut self, step: &Step, model: &mut Model) {
        let n_channels = self.n_channels;
        let has_stamp_room = model.unseen.len() < self.capacity_periods;
        let n_free = if has_stamp_room { self.capacity_frames - model.in_ring() } else { 0 };
        assert_eq!(self.writer.free_frames(), n_free);
        match *step {
            Step::Push(n) => {
                let taken = self.writer.push(model.n_offered, &frames(model.n_offered, n, n_channels));
                assert_eq!(taken, n.min(n_free));
                if taken > 0 {
                    model.unseen.push_back((model.n_offered..).take(taken).collect());
                }
                model.n_offered += n as u64;
                model.n_refused += (n - taken) as u64;
            }
            Step::Fill(n) => {
                let mut n_room = 0;
                let first = model.n_offered;
                let filled = self.writer.fill(first, n, &mut |piece| {
                    n_room = piece.len() / n_channels;
                    // One frame less than there is room for, where there is more than one.
                    let n_filled = if n_room > 1 { n_room - 1 } else { n_room };
                    piece[..n_filled * n_channels].copy_from_slice(&frames(first, n_filled, n_channels));
                    n_filled
                });
                assert!(n_room <= n.min(n_free) && (n_room > 0) == (n.min(n_free) > 0));
                assert_eq!(filled, if n_room > 1 { n_room - 1 } else { n_room });
                if filled > 0 {
                    model.unseen.push_back((first..).take(filled).collect());
                }
                model.n_offered += filled as u64;
            }
            Step::Poll => {
                let mut stamps = Vec::new();
                self.reader.poll_stamps(&mut |stamp| {
                    assert_eq!(stamp.capture_ns, stamp.position.0, "the stamp that was given with these frames");
                    stamps.push((stamp.position.0, stamp.n_frames));
                });
                assert_eq!(stamps, model.poll(self.capacity_periods));
            }
            Step::Read(n) => {
                let expected = n.min(model.available());
                let mut out = vec![-1.0; n * n_channels];
                assert_eq!(self.reader.read(&mut out), expected);
                assert_eq!(out[..expected * n_channels], frames(model.position, expected, n_channels));
                assert!(out[expected * n_channels..].iter().all(|&x| x == -1.0), "the rest is left as it was");
                model.take(expected);
                model.n_delivered += expected as u64;
            }
            Step::ReadInPlace(n) => {
                let most = n.min(model.available());
                let mut heard = Vec::new();
                let read = self.reader.read_in_place(n, &mut |piece| heard.extend_from_slice(piece));
                assert!(read <= most && (read > 0) == (most > 0));
                assert_eq!(heard, frames(model.position, read, n_channels));
                model.take(read);
                model.n_delivered += read as u64;
            }
            Step::Discard(n) => {
                let expected = n.min(model.available());
                assert_eq!(self.reader.discard(n), expected);
                model.take(expected);
                model.n_discarded += expected as u64;
            }
            Step::TakeGap => {
                let gap = model.seen.front().map(|next| next - model.position).filter(|&n| n > 0);
                assert_eq!(self.reader.take_gap(), gap);
                model.position += gap.unwrap_or(0);
            }
        }
        self.check(model);
    }

    fn check(&self, model: &Model) {
        assert_eq!(self.reader.position().0, model.position);
        assert_eq!(self.reader.available_frames(), model.available());
        assert_eq!(self.reader.queued_frames(), model.in_ring());
        let account = self.monitor.account();
        assert!(account.is_balanced(), "{account}");
        assert_eq!(account.produced_frames, model.n_offered);
        assert_eq!(account.delivered_frames, model.n_delivered);
        assert_eq!(account.dropped_frames, model.n_refused + model.n_discarded);
        assert_eq!(account.queued_frames, model.in_ring() as u64, "what is really in the ring");
    }

    /// The writer leaves; the reader must come to the very end of the timeline.
    fn finish(self, mut model: Model) {
        let Ring { writer, mut reader, monitor, n_channels, .. } = self;
        drop(writer);
        let mut out = vec![0.0; 5 * n_channels];
        let mut n_missing = 0;
        while !reader.is_finished() {
            reader.poll_stamps(&mut |_| ());
            n_missing += reader.take_gap().unwrap_or(0);
            let at = reader.position().0;
            let read = reader.read(&mut out);
            assert_eq!(out[..read * n_channels], frames(at, read, n_channels));
            model.n_delivered += read as u64;
        }
        assert_eq!(
            reader.position().0,
            model.n_offered,
            "every frame was read or stepped over, the last lost included"
        );
        assert_eq!(reader.take_gap(), None);
        assert!(n_missing <= model.n_refused);
        let account = monitor.account();
        assert!(account.is_balanced() && account.queued_frames == 0, "{account}");
        assert_eq!(account.delivered_frames, model.n_delivered);
        drop(reader);
        assert_eq!(monitor.account(), account, "nothing was left to be dropped");
    }
}

proptest! {
    #[test]
    fn the_ring_does_what_the_model_does(
        steps in steps(),
        n_channels in 1u16..=3,
        capacity_frames in 1usize..=16,
        capacity_periods in 1usize..=5,
    ) {
        let channels = ChannelCount::new(n_channels).unwrap();
        let config = InputConfig { channels, capacity_frames, capacity_periods };
        let (writer, reader, monitor) = input_ring(&config).unwrap();
        prop_assert_eq!(monitor.capacity_frames(), capacity_frames);
        let n_channels = channels.get();
        let mut ring = Ring { writer, reader, monitor, n_channels, capacity_frames, capacity_periods };
        let mut model = Model::default();
        for step in &steps {
            ring.step(step, &mut model);
        }
        ring.finish(model);
    }
}

fn ring_of(capacity_frames: usize, capacity_periods: usize) -> (InputWriter, InputReader, InputMonitor) {
    input_ring(&InputConfig { channels: ChannelCount::MONO, capacity_frames, capacity_periods }).unwrap()
}

#[test]
fn a_lost_period_is_a_gap_of_its_own_length() {
    let (mut writer, mut reader, monitor) = ring_of(4, 8);
    assert_eq!(writer.push(10, &[1.0, 2.0, 3.0]), 3);
    assert_eq!(writer.push(20, &[4.0, 5.0, 6.0]), 1, "the newest that don't fit are lost");
    assert_eq!(writer.push(30, &[7.0]), 0);
    let mut out = [0.0; 8];
    reader.poll_stamps(&mut |_| ());
    assert_eq!(reader.read(&mut out), 4);
    assert_eq!(reader.take_gap(), None, "the gap is not seen before something stands behind it");
    assert_eq!(writer.push(40, &[8.0]), 1);
    reader.poll_stamps(&mut |stamp| assert_eq!((stamp.position.0, stamp.capture_ns), (7, 40)));
    assert_eq!(reader.read(&mut out), 0, "reading stops at a gap");
    assert_eq!(reader.discard(1), 0, "and so does discarding");
    assert_eq!(reader.take_gap(), Some(3));
    assert_eq!((reader.read(&mut out), out[0]), (1, 8.0));
    assert_eq!(monitor.account().dropped_frames, 3);
}

#[test]
fn a_period_without_room_for_its_stamp_is_lost_as_a_whole() {
    let (mut writer, mut reader, monitor) = ring_of(100, 2);
    assert_eq!([writer.push(0, &[0.0; 5]), writer.push(0, &[0.0; 5]), writer.push(0, &[0.0; 5])], [5, 5, 0]);
    assert_eq!(writer.free_frames(), 0);
    assert_eq!(writer.fill(0, 5, &mut |_| unreachable!("no room for a stamp")), 0);
    assert_eq!(monitor.account().dropped_frames, 5);
    reader.poll_stamps(&mut |_| ());
    assert_eq!((reader.available_frames(), reader.queued_frames()), (10, 10));
}

#[test]
fn what_is_left_by_a_reader_that_leaves_is_dropped() {
    let (mut writer, mut reader, monitor) = ring_of(8, 8);
    writer.push(0, &[0.0; 6]);
    reader.poll_stamps(&mut |_| ());
    reader.read(&mut [0.0; 2]);
    assert!(!writer.is_abandoned());
    drop(reader);
    assert!(writer.is_abandoned());
    writer.push(0, &[0.0; 6]);
    let account = monitor.account();
    assert!(account.is_balanced(), "{account}");
    assert_eq!((account.produced_frames, account.delivered_frames), (12, 2));
    assert_eq!((account.dropped_frames, account.queued_frames), (10, 0));
}

#[test]
fn sizes_out_of_range_are_refused() {
    let refused = |capacity_frames, capacity_periods| {
        input_ring(&InputConfig { capacity_frames, capacity_periods, ..InputConfig::default() }).unwrap_err()
    };
    assert_eq!(refused(0, 1), QueueError::CapacityFrames { actual: 0, max: 1 << 25 });
    assert_eq!(refused((1 << 25) + 1, 1).to_string(), "a capacity of 33554433 frames, expected 1 to 33554432");
    assert_eq!(refused(1, 0), QueueError::CapacityPeriods { actual: 0, max: 1 << 20 });
    assert!(matches!(refused(1, usize::MAX), QueueError::CapacityPeriods { .. }));
}
