//! The checks of the fan-out's torture see each kind of fault: readers that lie, in every way that a queue could.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use ra_core::BlockStamp;
use ra_queue::{
    BlockReader, BlockWriter, Join, ReadOutcome, ReaderCounts, ReaderMonitor, RingReader, RingWriter, ring_fan_out,
};

use super::listener::{Listener, Look};
use super::reader::{resident, visit, watch};
use super::{Stage, Temper};
use crate::torture::queue::Findings;
use crate::torture::queue::content::BlockContent;
use crate::torture::queue::progress::Progress;
use crate::torture::queue::random::Random;

const CONTENT: BlockContent = BlockContent { first_seq: 0, first_position: 0, n_frames: 20, n_channels: 2 };

/// What a faulty reader does at its third block; to losses and counts always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    TornWord(usize),
    TornStamp,
    Twice,
    Back,
    Untold,
    HidesLosses,
    OverstatesLosses,
    EndsEarly,
    ForgetsReads,
    ForgetsLosses,
    HidesSkips,
}

struct Faulty {
    reader: RingReader,
    fault: Fault,
    n_read: u64,
    last: (BlockStamp, Vec<f32>),
    first: (BlockStamp, Vec<f32>),
}

impl Faulty {
    fn new(reader: RingReader, fault: Fault) -> Self {
        let nothing = (BlockStamp::default(), Vec::new());
        Self { reader, fault, n_read: 0, last: nothing.clone(), first: nothing }
    }

    fn third(&mut self, stamp: BlockStamp, out: &mut [f32]) -> ReadOutcome {
        match self.fault {
            Fault::TornWord(word) => out[word] = self.last.1[word],
            Fault::TornStamp => {
                return ReadOutcome::Block(BlockStamp { capture_ns: self.last.0.capture_ns, ..stamp });
            }
            Fault::Twice | Fault::Back => {
                let (stamp, samples) = if self.fault == Fault::Twice { &self.last } else { &self.first };
                out.copy_from_slice(samples);
                return ReadOutcome::Block(*stamp);
            }
            Fault::Untold => return self.reader.read(out),
            Fault::EndsEarly => return ReadOutcome::Closed,
            _ => {}
        }
        ReadOutcome::Block(stamp)
    }
}

impl BlockReader for Faulty {
    fn read(&mut self, out: &mut [f32]) -> ReadOutcome {
        match self.reader.read(out) {
            ReadOutcome::Block(stamp) => {
                self.n_read += 1;
                let outcome = if self.n_read == 3 { self.third(stamp, out) } else { ReadOutcome::Block(stamp) };
                self.last = (stamp, out.to_vec());
                if self.n_read == 1 {
                    self.first = self.last.clone();
                }
                outcome
            }
            ReadOutcome::Lagged { .. } if self.fault == Fault::HidesLosses => self.reader.read(out),
            ReadOutcome::Lagged { n_blocks } if self.fault == Fault::OverstatesLosses => {
                ReadOutcome::Lagged { n_blocks: n_blocks + 1 }
            }
            other => other,
        }
    }

    fn skip_ahead(&mut self) -> u64 {
        let n_passed = self.reader.skip_ahead();
        if self.fault == Fault::HidesSkips { 0 } else { n_passed }
    }

    fn keep_newest(&mut self, n_blocks: u64) -> u64 {
        let n_passed = self.reader.keep_newest(n_blocks);
        if self.fault == Fault::HidesSkips { 0 } else { n_passed }
    }

    fn lag_blocks(&self) -> u64 {
        self.reader.lag_blocks()
    }

    fn counts(&self) -> ReaderCounts {
        let counts = self.reader.counts();
        match self.fault {
            Fault::ForgetsReads => ReaderCounts { read_blocks: counts.read_blocks - 1, ..counts },
            Fault::ForgetsLosses => {
                let produced_blocks = counts.produced_blocks - counts.lost_blocks;
                ReaderCounts { produced_blocks, lost_blocks: 0, ..counts }
            }
            _ => counts,
        }
    }

    fn monitor(&self) -> ReaderMonitor {
        self.reader.monitor()
    }
}

fn publish(writer: &mut RingWriter, numbers: std::ops::Range<u64>) {
    let mut samples = vec![0.0; CONTENT.n_samples()];
    for n in numbers {
        CONTENT.fill(n, &mut samples);
        writer.publish(&CONTENT.stamp(n), &samples);
    }
}

/// Five blocks are read one by one, forty overtake the reader, it skips within a few more, and comes to the end.
fn listen_to(fault: Fault) -> Findings {
    let (mut writer, bus) = ring_fan_out(16, CONTENT.n_samples()).unwrap();
    let mut reader = Faulty::new(bus.join(Join::Next), fault);
    let mut listener = Listener::new(CONTENT, Some(0));
    publish(&mut writer, 0..5);
    while listener.look(&mut reader) == Look::Something {}
    publish(&mut writer, 5..45);
    (0..3).for_each(|_| _ = listener.look(&mut reader));
    publish(&mut writer, 45..50);
    listener.skip(&mut reader, &mut Random::new(1));
    drop(writer);
    while listener.look(&mut reader) != Look::End {}
    listener.settle(50, reader.counts())
}

#[test]
fn an_honest_reader_is_clean_and_every_fault_is_seen() {
    let honest = listen_to(Fault::None);
    assert!(honest.is_clean() && honest.lost > 20 && honest.read > 5, "{honest:?}");
    assert_eq!(honest.produced, 50);
    let found = |fault| {
        let findings = listen_to(fault);
        assert!(!findings.is_clean(), "{fault:?}: {findings:?}");
        findings
    };
    for word in 0..CONTENT.n_samples() {
        assert_eq!(found(Fault::TornWord(word)).torn, 1, "word {word}");
    }
    assert_eq!(found(Fault::TornStamp).torn, 1);
    assert_eq!(found(Fault::Twice).duplicates, 1);
    assert_eq!(found(Fault::Back).backwards, 1);
    assert_eq!(found(Fault::Untold).untold, 1);
    assert!(found(Fault::HidesLosses).untold > 20);
    assert!(found(Fault::OverstatesLosses).duplicates > 0);
    assert!(found(Fault::HidesSkips).untold > 0);
    for fault in [Fault::EndsEarly, Fault::ForgetsReads, Fault::ForgetsLosses, Fault::HidesLosses] {
        assert!(found(fault).unbalanced > 0, "{fault:?}");
    }
}

/// A stage whose writer says that it is at `said`, when it is at block 5 of a ring of 16.
fn stage(said: u64, is_over: bool) -> (RingWriter, Stage) {
    let (mut writer, bus) = ring_fan_out(16, CONTENT.n_samples()).unwrap();
    publish(&mut writer, 0..5);
    let progress = Progress::default();
    progress.begin(said);
    progress.finish(said);
    let stage = Stage {
        bus,
        content: CONTENT,
        progress,
        is_over: AtomicBool::new(is_over),
        gives_up: Arc::default(),
        grant: OnceLock::new(),
        first_count: 0,
        has_wrapped: AtomicBool::new(false),
    };
    (writer, stage)
}

#[test]
fn a_reader_that_stays_is_held_against_the_writer() {
    for (said, is_clean) in [(5, true), (6, false), (4, false)] {
        let (writer, stage) = stage(said, true);
        let reader = stage.bus.join(Join::Oldest);
        drop(writer);
        let findings = resident(&stage, reader, Temper::Absent, Random::new(1));
        assert_eq!(findings.is_clean(), is_clean, "at {said}: {findings:?}");
        assert_eq!(findings.read, 5);
    }
}

#[test]
fn visitors_are_held_against_the_writer_when_they_come_and_when_they_go() {
    for (said, is_clean) in [(5, true), (6, false), (4, false)] {
        let (writer, stage) = stage(said, true);
        drop(writer);
        let (mut findings, mut random) = (Findings::default(), Random::new(1));
        // Of either kind, with and without a block.
        (0..100).for_each(|_| findings += visit(&stage, &mut random));
        assert_eq!(findings.readers, 100);
        assert_eq!(findings.is_clean(), is_clean, "at {said}: {findings:?}");
    }
}

#[test]
fn the_watch_holds_accounts_against_the_writer() {
    for (said, is_clean) in [(5, true), (6, false), (4, false)] {
        let (_writer, stage) = stage(said, true);
        let monitors = [stage.bus.join(Join::Oldest).monitor()];
        let findings = watch(&stage, &monitors);
        assert_eq!(findings.is_clean(), is_clean, "at {said}: {findings:?}");
    }
}
