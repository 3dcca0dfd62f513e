//! The fan-out, in one thread, against a model of it; our own ring to the letter, every back end in what the traits
//! promise.

use proptest::prelude::*;
use ra_core::{BlockStamp, FramePosition};
#[cfg(feature = "spmcq")]
use ra_queue::spmcq_fan_out;
use ra_queue::{
    BlockReader, BlockWriter, FanOutBackend, FanOutConfig, Join, QueueError, ReadOutcome, RingTrial, fan_out,
    ring_fan_out, ring_fan_out_trial,
};

#[derive(Clone, Debug)]
enum Step {
    Publish(usize),
    Join(bool),
    Read(usize, usize),
    SkipAhead(usize),
    Leave(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1usize..6).prop_map(Step::Publish),
        1 => (20usize..50).prop_map(Step::Publish),
        1 => any::<bool>().prop_map(Step::Join),
        6 => (0usize..8, 1usize..9).prop_map(|(reader, n)| Step::Read(reader, n)),
        1 => (0usize..8).prop_map(Step::SkipAhead),
        1 => (0usize..8).prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 0..120)
}

/// The stamp that the model gives to the n-th block.
fn stamp(n: u64) -> BlockStamp {
    BlockStamp { seq: n + 77, position: FramePosition(n * 3), capture_ns: n * 1_000 + 5 }
}

fn samples(n: u64, n_samples: usize) -> Vec<f32> {
    (0..n_samples as u64).map(|i| ((n * 31 + i) % 65_536) as f32).collect()
}

/// A reader beside the blocks (counted from 0) that the model expects of it.
struct Reader {
    real: Box<dyn BlockReader>,
    joined_at: u64,
    cursor: u64,
    n_read: u64,
    n_lost: u64,
}

impl Reader {
    fn check_counts(&self, n_published: u64) {
        let counts = self.real.counts();
        assert!(counts.is_balanced(), "{counts:?}");
        assert_eq!(counts.produced_blocks, n_published - self.joined_at);
        assert_eq!((counts.read_blocks, counts.lost_blocks), (self.n_read, self.n_lost));
        assert_eq!(counts.queued_blocks, n_published - self.cursor);
        assert_eq!(self.real.lag_blocks(), n_published - self.cursor);
        assert_eq!(self.real.monitor().counts(), counts);
    }

    /// Reads once; the outcome must follow from the model. `n_blocks` and the place to go on after a loss are given
    /// where the model knows to the block what a reader of this back end meets.
    fn read(&mut self, n_published: u64, n_samples: usize, exact: Option<(u64, u64)>) {
        let mut out = vec![-1.0; n_samples];
        let outcome = self.real.read(&mut out);
        match outcome {
            ReadOutcome::Block(got) => {
                if let Some((n_blocks, _)) = exact {
                    assert!(n_published - self.cursor <= n_blocks, "block {} is gone", self.cursor);
                }
                assert_eq!(got, stamp(self.cursor));
                assert_eq!(out, samples(self.cursor, n_samples));
                self.cursor += 1;
                self.n_read += 1;
            }
            ReadOutcome::Empty => assert_eq!(self.cursor, n_published),
            ReadOutcome::Lagged { n_blocks: n_lost } => {
                assert!(n_lost > 0);
                if let Some((n_blocks, resume)) = exact {
                    assert!(n_published - self.cursor > n_blocks, "block {} is still there", self.cursor);
                    assert_eq!(self.cursor + n_lost, resume);
                }
                self.cursor += n_lost;
                self.n_lost += n_lost;
                assert!(self.cursor < n_published);
            }
            ReadOutcome::Closed => panic!("the writer is there"),
        }
    }
}

/// Runs the steps on one back end. `is_exact`: the model knows to the block what it does.
fn run(
    steps: &[Step],
    mut writer: Box<dyn BlockWriter>,
    subscribe: &dyn Fn(Join) -> Box<dyn BlockReader>,
    n_blocks: u64,
    n_samples: usize,
    is_exact: bool,
) {
    let margin = (n_blocks / 8).max(1);
    let oldest_clear = |n_published: u64| n_published.saturating_sub(n_blocks - margin);
    let mut n_published = 0;
    let mut readers: Vec<Reader> = Vec::new();
    for step in steps {
        match *step {
            Step::Publish(n) => {
                for _ in 0..n {
                    writer.publish(&stamp(n_published), &samples(n_published, n_samples));
                    n_published += 1;
                }
            }
            Step::Join(from_oldest) => {
                let real = subscribe(if from_oldest { Join::Oldest } else { Join::Next });
                let joined_at = n_published - real.counts().produced_blocks;
                match (from_oldest, is_exact) {
                    (false, _) => assert_eq!(joined_at, n_published),
                    (true, true) => assert_eq!(joined_at, oldest_clear(n_published)),
                    (true, false) => assert!(n_published - joined_at <= n_blocks),
                }
                readers.push(Reader { real, joined_at, cursor: joined_at, n_read: 0, n_lost: 0 });
            }
            Step::Read(reader, n) => {
                let Some(reader) = readers.get_mut(reader) else { continue };
                for _ in 0..n {
                    reader.read(n_published, n_samples, is_exact.then(|| (n_blocks, oldest_clear(n_published))));
                }
            }
            Step::SkipAhead(reader) => {
                let Some(reader) = readers.get_mut(reader) else { continue };
                let expected = (n_published - reader.cursor).saturating_sub(1);
                assert_eq!(reader.real.skip_ahead(), expected);
                reader.cursor += expected;
                reader.n_lost += expected;
            }
            Step::Leave(reader) => {
                if reader < readers.len() {
                    let reader = readers.swap_remove(reader);
                    let monitor = reader.real.monitor();
                    drop(reader.real);
                    let counts = monitor.counts();
                    assert!(counts.is_balanced() && counts.queued_blocks == 0, "{counts:?}");
                    assert_eq!(counts.produced_blocks, n_published - reader.joined_at);
                    assert_eq!(counts.read_blocks, reader.n_read, "what it left unread is lost");
                    writer.publish(&stamp(n_published), &samples(n_published, n_samples));
                    n_published += 1;
                    assert_eq!(monitor.counts(), counts, "nothing is produced for who has left");
                }
            }
        }
        readers.iter().for_each(|reader| reader.check_counts(n_published));
    }
    finish(writer, readers, n_published, n_samples);
}

/// The writer leaves: each reader comes to the end, and to the same one.
fn finish(writer: Box<dyn BlockWriter>, readers: Vec<Reader>, n_published: u64, n_samples: usize) {
    drop(writer);
    for mut reader in readers {
        let mut out = vec![0.0; n_samples];
        loop {
            match reader.real.read(&mut out) {
                ReadOutcome::Block(got) => {
                    assert_eq!(got, stamp(reader.cursor));
                    reader.cursor += 1;
                }
                ReadOutcome::Lagged { n_blocks } => reader.cursor += n_blocks,
                ReadOutcome::Empty => panic!("closed is not empty"),
                ReadOutcome::Closed => break,
            }
        }
        assert_eq!(reader.cursor, n_published);
        assert_eq!(reader.real.read(&mut out), ReadOutcome::Closed, "and says so again");
        let counts = reader.real.counts();
        assert!(counts.is_balanced() && counts.queued_blocks == 0, "{counts:?}");
    }
}

proptest! {
    #[test]
    fn our_ring_does_what_the_model_does(
        steps in steps(),
        n_blocks in 2usize..=20,
        n_samples in 1usize..=40,
        seqs_before_wrap in 0u64..=60,
        is_portable in any::<bool>(),
    ) {
        let trial = RingTrial { first_seq: 0u64.wrapping_sub(seqs_before_wrap), is_portable };
        let (writer, bus) = ring_fan_out_trial(n_blocks, n_samples, &trial).unwrap();
        prop_assert_eq!(bus.n_blocks(), n_blocks.next_power_of_two());
        let n_blocks = bus.n_blocks() as u64;
        run(&steps, Box::new(writer), &|from| Box::new(bus.join(from)), n_blocks, n_samples, true);
    }

    #[test]
    #[cfg(feature = "spmcq")]
    fn spmcq_keeps_the_promises_of_the_traits(
        steps in steps(),
        n_blocks in 2usize..=20,
        n_samples in 1usize..=40,
    ) {
        let config = FanOutConfig { n_blocks, samples_per_block: n_samples, backend: FanOutBackend::Spmcq };
        let (writer, bus) = fan_out(&config).unwrap();
        run(&steps, writer, &|from| bus.subscribe(from), n_blocks as u64, n_samples, false);
    }
}

#[test]
fn an_overtaken_reader_learns_what_it_lost_and_goes_on_an_eighth_clear() {
    let (mut writer, bus) = ring_fan_out(64, 2).unwrap();
    let mut reader = bus.join(Join::Next);
    for n in 0..65 {
        writer.publish(&stamp(n), &samples(n, 2));
    }
    let mut out = [0.0; 2];
    assert_eq!(reader.lag_blocks(), 65, "more than the ring holds: the next read reports it");
    assert_eq!(reader.read(&mut out), ReadOutcome::Lagged { n_blocks: 9 });
    assert_eq!(reader.read(&mut out), ReadOutcome::Block(stamp(9)));
    let counts = reader.counts();
    assert_eq!((counts.produced_blocks, counts.read_blocks), (65, 1));
    assert_eq!((counts.lost_blocks, counts.queued_blocks), (9, 55));
}

#[test]
fn readers_outlive_the_writer_and_the_subscriber() {
    let (mut writer, bus) = ring_fan_out(4, 1).unwrap();
    let mut early = bus.join(Join::Next);
    writer.publish(&stamp(0), &[1.0]);
    writer.close();
    writer.close();
    let mut late = bus.join(Join::Oldest);
    let mut later = bus.join(Join::Next);
    drop((writer, bus));
    let mut out = [0.0];
    assert_eq!([early.read(&mut out), early.read(&mut out)], [ReadOutcome::Block(stamp(0)), ReadOutcome::Closed]);
    assert_eq!([late.read(&mut out), late.read(&mut out)], [ReadOutcome::Block(stamp(0)), ReadOutcome::Closed]);
    assert_eq!(later.read(&mut out), ReadOutcome::Closed);
}

#[test]
fn sizes_out_of_range_are_refused() {
    let refused = |n_blocks, samples_per_block| {
        fan_out(&FanOutConfig { n_blocks, samples_per_block, backend: FanOutBackend::Ring }).err()
    };
    assert_eq!(refused(1, 64), Some(QueueError::Blocks { actual: 1, min: 2, max: 1 << 22 }));
    assert_eq!(refused((1 << 22) + 1, 64), Some(QueueError::Blocks { actual: (1 << 22) + 1, min: 2, max: 1 << 22 }));
    assert_eq!(refused(usize::MAX, 100), Some(QueueError::Blocks { actual: usize::MAX, min: 2, max: 1 << 21 }));
    assert_eq!(refused(8, 0), Some(QueueError::SamplesPerBlock { actual: 0, max: 1 << 20 }));
    assert_eq!(refused(8, (1 << 20) + 1), Some(QueueError::SamplesPerBlock { actual: (1 << 20) + 1, max: 1 << 20 }));
}

#[cfg(feature = "spmcq")]
#[test]
fn spmcq_refuses_what_no_slot_size_takes() {
    let config = |samples_per_block| FanOutConfig { n_blocks: 2, samples_per_block, backend: FanOutBackend::Spmcq };
    for n_samples in [1, 33, 129, 257, 513, 1_025, 2_049, 4_097, 8_192] {
        assert!(fan_out(&config(n_samples)).is_ok(), "{n_samples}");
    }
    let error = fan_out(&config(8_193)).err();
    assert_eq!(error, Some(QueueError::SamplesPerBlock { actual: 8_193, max: 8_192 }));
    assert!(matches!(spmcq_fan_out::<32>(1, 32).err(), Some(QueueError::Blocks { actual: 1, min: 2, .. })));
    assert!(matches!(spmcq_fan_out::<32>(4, 33).err(), Some(QueueError::SamplesPerBlock { actual: 33, max: 32 })));
}
