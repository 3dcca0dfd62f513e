//! From what was noted to how long each stage took. Runs nothing.

use std::collections::HashMap;
use std::ops::Range;

use serde::Serialize;

use super::Deadlines;
use super::consumer::{ConsumerLog, ReadBlock};
use super::device::DeliveryTime;
use crate::{Quantiles, Recorder};

/// How long each stage took. Durations begin at the stamp, when a period's or a block's first frame was captured, unless
/// they say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stages {
    /// (a) A period's first frame captured, to the period in the ring: the period itself and the thread's wake-up.
    pub delivered: Quantiles,
    /// (b) A block's first frame captured, to the block's deadline: the engine's latency, as stamped.
    pub mixed: Quantiles,
    /// (c) The deadline, to the block published.
    pub published: Quantiles,
    /// (d) The block published, to the consumer's read. A reader on another core may be done before the mixer has told
    /// the time: that counts as 1 ns.
    pub read: Quantiles,
    /// A block's first frame captured, to the consumer's read.
    pub total_first_frame: Quantiles,
    /// A block's last frame captured, to the consumer's read.
    pub total_last_frame: Quantiles,
    /// What `total_first_frame` is beyond the device's period and the resampler's delay.
    pub added: Quantiles,
    /// (d) for the sink.
    pub sink_read: Quantiles,
    /// `total_first_frame` for the sink.
    pub sink_total_first_frame: Quantiles,
    /// `added` for the sink.
    pub sink_added: Quantiles,
}

/// What the durations are measured against.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) deadlines: Deadlines,
    /// Blocks that are due, and periods that are delivered, in this time count.
    pub(super) measured_ns: Range<u64>,
    /// From a block's first to its last frame.
    pub(super) last_frame_ns: u64,
    /// The device's period and the resampler's delay.
    pub(super) own_ns: u64,
}

/// The same as [`Stages`], while it is being gathered.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    delivered: Recorder,
    mixed: Recorder,
    published: Recorder,
    own: Reads,
    total_last_frame: Recorder,
    sink: Reads,
}

/// What one consumer saw.
#[derive(Clone, Debug, Default)]
struct Reads {
    read: Recorder,
    total_first_frame: Recorder,
    added: Recorder,
}

impl Reads {
    fn merge(&mut self, other: &Self) {
        self.read.merge(&other.read);
        self.total_first_frame.merge(&other.total_first_frame);
        self.added.merge(&other.added);
    }
}

impl Times {
    /// Adds what another round gathered.
    pub(super) fn merge(&mut self, other: &Self) {
        self.delivered.merge(&other.delivered);
        self.mixed.merge(&other.mixed);
        self.published.merge(&other.published);
        self.own.merge(&other.own);
        self.total_last_frame.merge(&other.total_last_frame);
        self.sink.merge(&other.sink);
    }

    /// The quantiles of what was gathered.
    pub(super) fn stages(&self) -> Stages {
        Stages {
            delivered: self.delivered.quantiles(),
            mixed: self.mixed.quantiles(),
            published: self.published.quantiles(),
            read: self.own.read.quantiles(),
            total_first_frame: self.own.total_first_frame.quantiles(),
            total_last_frame: self.total_last_frame.quantiles(),
            added: self.own.added.quantiles(),
            sink_read: self.sink.read.quantiles(),
            sink_total_first_frame: self.sink.total_first_frame.quantiles(),
            sink_added: self.sink.added.quantiles(),
        }
    }
}

impl Way {
    /// The stages of all that was noted, and `added` of each block in milliseconds.
    pub(super) fn times(
        &self,
        deliveries: &[DeliveryTime],
        consumer: &ConsumerLog,
        sink: &[ReadBlock],
    ) -> (Times, Vec<f64>) {
        let published: HashMap<u64, u64> = consumer.published.iter().copied().collect();
        let mut times = Times::default();
        for delivery in self.delivered(deliveries) {
            times.delivered.record_ns(delivery.delivered_ns.saturating_sub(delivery.capture_ns));
        }
        let mut added_ms = Vec::with_capacity(consumer.blocks.len());
        for ReadBlock { stamp, read_ns } in self.measured(&consumer.blocks) {
            let due_ns = self.deadlines.of(stamp.position);
            times.mixed.record_ns(due_ns.saturating_sub(stamp.capture_ns));
            if let Some(published_ns) = published.get(&stamp.seq) {
                times.published.record_ns(published_ns.saturating_sub(due_ns));
            }
            let total_ns = read_ns.saturating_sub(stamp.capture_ns);
            times.total_last_frame.record_ns(total_ns.saturating_sub(self.last_frame_ns));
            added_ms.push((total_ns as f64 - self.own_ns as f64) / 1e6);
        }
        times.own = self.reads(&consumer.blocks, &published);
        times.sink = self.reads(sink, &published);
        (times, added_ms)
    }

    /// Deliveries that came more than `late_ns` after the end of their period: the device's own thread was kept waiting.
    pub(super) fn late_deliveries(&self, deliveries: &[DeliveryTime], period_ns: u64, late_ns: u64) -> usize {
        let is_late = |at: &&DeliveryTime| at.delivered_ns.saturating_sub(at.capture_ns) > period_ns + late_ns;
        self.delivered(deliveries).filter(is_late).count()
    }

    fn delivered<'a>(&'a self, deliveries: &'a [DeliveryTime]) -> impl Iterator<Item = &'a DeliveryTime> {
        deliveries.iter().filter(|delivery| self.measured_ns.contains(&delivery.delivered_ns))
    }

    fn measured<'a>(&'a self, blocks: &'a [ReadBlock]) -> impl Iterator<Item = &'a ReadBlock> {
        blocks.iter().filter(|block| self.measured_ns.contains(&self.deadlines.of(block.stamp.position)))
    }

    fn reads(&self, blocks: &[ReadBlock], published: &HashMap<u64, u64>) -> Reads {
        let mut reads = Reads::default();
        for ReadBlock { stamp, read_ns } in self.measured(blocks) {
            if let Some(published_ns) = published.get(&stamp.seq) {
                reads.read.record_ns(read_ns.saturating_sub(*published_ns));
            }
            let total_ns = read_ns.saturating_sub(stamp.capture_ns);
            reads.total_first_frame.record_ns(total_ns);
            reads.added.record_ns(total_ns.saturating_sub(self.own_ns));
        }
        reads
    }
}

#[cfg(test)]
mod tests {
    use ra_core::{BlockStamp, FramePosition, SampleRate};

    use super::*;

    #[test]
    fn every_stage_is_what_was_put_in() {
        const MS: u64 = 1_000_000;
        let rate = SampleRate::HZ_48000;
        let way = Way {
            deadlines: Deadlines::new(1_000 * MS, rate),
            measured_ns: 2_000 * MS..3_000 * MS,
            last_frame_ns: 3 * MS,
            own_ns: 6 * MS,
        };
        // A block every 10 ms; a latency of 9 ms; published after 0.1 ms, read after 0.3, by the sink after 5.
        let block = |seq: u64, read_after_ns: u64| {
            let position = FramePosition(seq * 480);
            let due_ns = way.deadlines.of(position);
            let stamp = BlockStamp { seq, position, capture_ns: due_ns - 9 * MS };
            ReadBlock { stamp, read_ns: due_ns + read_after_ns }
        };
        let consumer = ConsumerLog {
            blocks: (0..300).map(|seq| block(seq, MS / 10 + 3 * MS / 10)).collect(),
            // One that was not told is left out, and moves no other.
            published: (0..300).filter(|&n| n != 150).map(|n| (n, 1_000 * MS + n * 10 * MS + MS / 10)).collect(),
            ..ConsumerLog::default()
        };
        let sink: Vec<ReadBlock> = (0..300).map(|seq| block(seq, MS / 10 + 5 * MS)).collect();
        let deliveries: Vec<DeliveryTime> = (0..300)
            .map(|n| 1_000 * MS + n * 10 * MS)
            .map(|delivered_ns| DeliveryTime { capture_ns: delivered_ns - 5 * MS, delivered_ns })
            .collect();
        let (mut times, added_ms) = way.times(&deliveries, &consumer, &sink);
        assert_eq!(times.stages().added.count, 100);
        times.merge(&times.clone());
        let stages = times.stages();
        for (name, quantiles, count, expected_ns) in [
            ("delivered", stages.delivered, 200, 5 * MS),
            ("mixed", stages.mixed, 200, 9 * MS),
            ("published", stages.published, 198, MS / 10),
            ("read", stages.read, 198, 3 * MS / 10),
            ("total, first frame", stages.total_first_frame, 200, 9 * MS + 4 * MS / 10),
            ("total, last frame", stages.total_last_frame, 200, 6 * MS + 4 * MS / 10),
            ("added", stages.added, 200, 3 * MS + 4 * MS / 10),
            ("read by the sink", stages.sink_read, 198, 5 * MS),
            ("sink, total", stages.sink_total_first_frame, 200, 14 * MS + MS / 10),
            ("sink, added", stages.sink_added, 200, 8 * MS + MS / 10),
        ] {
            assert_eq!(quantiles.count, count, "{name}");
            for ns in [quantiles.p50_ns, quantiles.max_ns] {
                assert!(ns.abs_diff(expected_ns) * 500 <= expected_ns, "{name}: {ns}, expected {expected_ns}");
            }
        }
        assert_eq!(added_ms.len(), 100);
        assert_eq!(way.late_deliveries(&deliveries, 4 * MS, MS / 2), 100);
        assert_eq!(way.late_deliveries(&deliveries, 4 * MS, 2 * MS), 0);
        assert!(added_ms.iter().all(|ms| (ms - 3.4).abs() < 1e-9));
    }
}
