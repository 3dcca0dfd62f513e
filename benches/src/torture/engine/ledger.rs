//! The accounts of everything that lived in a storm: seen again and again while it lived, and held against what sources,
//! sinks and files say themselves. Judges nothing but accounts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ra_core::{FrameAccount, SinkState, SourceState, Stats};
use serde::Serialize;

use super::sinks::SinkTruth;

/// How many wrong accounts are told in words.
const N_TOLD: usize = 10;

/// What the ledger came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AccountFigures {
    /// Sources and sinks that lived.
    pub lived: u64,
    /// Accounts that were looked at, all looks together.
    pub looks: u64,
    /// Accounts that did not balance at some look.
    pub unbalanced: u64,
    /// Of those that were gone: some frames were still queued.
    pub left_queued: u64,
    /// Sources and sinks that never appeared in the engine's own statistics.
    pub never_seen: u64,
    /// Accounts that differ from what the device or the sink counted itself, or from the length of the file.
    pub untrue: u64,
    /// Sinks that were given a block at another place than they had been told.
    pub misplaced: u64,
    /// Frames that sinks lost, all together.
    pub dropped_by_sinks: u64,
    /// Frames that clocked sources lost, all together: rings that were full, and what came too late.
    pub dropped_by_sources: u64,
    /// Recordings that were measured.
    pub recordings: u64,
    /// The first wrong ones, in words.
    pub wrong: Vec<String>,
}

impl AccountFigures {
    fn tell_untrue(&mut self, name: &str, account: FrameAccount, but: &str) {
        self.untrue += 1;
        self.wrong.push(format!("{name}: {account}, but {but}"));
    }
}

/// What can be said of a thing by itself.
enum Truth {
    /// A pulled source: nothing.
    None,
    /// Frames that a device offered.
    Device(Arc<AtomicU64>),
    Sink(Arc<SinkTruth>),
    /// A recorder's file tells.
    Recorder,
}

struct Entry {
    truth: Truth,
    last: Option<FrameAccount>,
    is_gone: bool,
    files: Vec<PathBuf>,
    gap_frames: u64,
}

/// All that lived, by name.
#[derive(Default)]
pub(super) struct Ledger {
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    entries: HashMap<String, Entry>,
    figures: AccountFigures,
}

impl Ledger {
    fn add(&self, name: String, truth: Truth) {
        let entry = Entry { truth, last: None, is_gone: false, files: Vec::new(), gap_frames: 0 };
        self.book.lock().unwrap_or_else(PoisonError::into_inner).entries.insert(name, entry);
    }

    /// A pulled source lives.
    pub(super) fn add_tone(&self, name: String) {
        self.add(name, Truth::None);
    }

    /// A clocked source lives; it offers so many frames.
    pub(super) fn add_device(&self, name: String, offered_frames: Arc<AtomicU64>) {
        self.add(name, Truth::Device(offered_frames));
    }

    /// A sink lives that counts for itself.
    pub(super) fn add_sink(&self, name: String, truth: Arc<SinkTruth>) {
        self.add(name, Truth::Sink(truth));
    }

    /// A recorder lives.
    pub(super) fn add_recorder(&self, name: String) {
        self.add(name, Truth::Recorder);
    }

    /// Looks at every account that the engine tells.
    pub(super) fn look(&self, stats: &Stats) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        for source in &stats.sources {
            let is_gone = source.state == SourceState::Removed;
            book.see(&source.name, source.account, is_gone, &[], 0);
        }
        for sink in &stats.sinks {
            // One whose bus has ended is done, too: it has handed over its file, or has nothing queued at the next look.
            let is_gone = sink.state == SinkState::Removed;
            let gap_frames = sink.gaps.iter().map(|gap| gap.n_frames).sum();
            book.see(&sink.name, sink.account, is_gone, &sink.files, gap_frames);
        }
    }

    /// Takes the last look, after the engine's end, and closes the book.
    pub(super) fn close(&self, stats: &Stats) -> AccountFigures {
        self.look(stats);
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let Book { entries, mut figures } = std::mem::take(&mut *book);
        figures.lived = entries.len() as u64;
        for (name, entry) in entries {
            entry.settle(&name, &mut figures);
        }
        figures.wrong.sort();
        figures.wrong.truncate(N_TOLD);
        figures
    }
}

impl Book {
    fn see(&mut self, name: &str, account: FrameAccount, is_gone: bool, files: &[PathBuf], gap_frames: u64) {
        // What the storm itself needs, a listener on `main` for one, has no entry.
        let Some(entry) = self.entries.get_mut(name) else { return };
        self.figures.looks += 1;
        if !account.is_balanced() {
            self.figures.unbalanced += 1;
            self.figures.wrong.push(format!("{name}: {account}"));
        }
        entry.last = Some(account);
        entry.is_gone |= is_gone;
        entry.files = files.to_vec();
        entry.gap_frames = gap_frames;
    }
}

impl Entry {
    /// Judges what was seen last.
    fn settle(self, name: &str, figures: &mut AccountFigures) {
        let Some(account) = self.last else {
            figures.never_seen += 1;
            figures.wrong.push(format!("{name}: never seen"));
            return;
        };
        if account.queued_frames != 0 {
            figures.left_queued += 1;
            figures.wrong.push(format!("{name}: {account}, after its end"));
        }
        match &self.truth {
            Truth::None => {}
            Truth::Device(offered) => {
                figures.dropped_by_sources += account.dropped_frames;
                let offered = offered.load(Ordering::Acquire);
                if offered != account.produced_frames {
                    figures.tell_untrue(name, account, &format!("the device offered {offered}"));
                }
            }
            Truth::Sink(truth) => {
                figures.dropped_by_sinks += account.dropped_frames;
                let written = truth.written_frames();
                if written != account.delivered_frames {
                    figures.tell_untrue(name, account, &format!("the sink was given {written}"));
                }
                let misplaced = truth.misplaced_frames();
                if misplaced > 0 {
                    figures.misplaced += 1;
                    figures
                        .wrong
                        .push(format!("{name}: misplaced by {misplaced} frames, {} of gaps", truth.gap_frames()));
                }
            }
            Truth::Recorder => {
                figures.dropped_by_sinks += account.dropped_frames;
                let expected = account.delivered_frames + self.gap_frames;
                let recorded: u64 = self.files.iter().filter_map(|file| frames_of(file)).sum();
                figures.recordings += self.files.len() as u64;
                if recorded != expected {
                    let what = format!("its file has {recorded} frames, {} of them gaps", self.gap_frames);
                    figures.tell_untrue(name, account, &what);
                }
            }
        }
    }
}

/// Frames in a recording; `None` where it cannot be read.
fn frames_of(file: &Path) -> Option<u64> {
    hound::WavReader::open(file).ok().map(|reader| u64::from(reader.duration()))
}

#[cfg(test)]
mod tests {
    use ra_core::{SinkStats, SourceStats};

    use super::*;

    fn account(produced: u64, delivered: u64, dropped: u64, queued: u64) -> FrameAccount {
        FrameAccount {
            produced_frames: produced,
            delivered_frames: delivered,
            dropped_frames: dropped,
            queued_frames: queued,
        }
    }

    #[test]
    fn what_is_wrong_is_found_by_its_kind() {
        let ledger = Ledger::default();
        for name in ["good", "unbalanced", "queued", "unseen"] {
            ledger.add_tone(name.to_owned());
        }
        for (name, offered) in [("device", 100), ("lying device", 101)] {
            ledger.add_device(name.to_owned(), Arc::new(AtomicU64::new(offered)));
        }
        let (_, truth) = super::super::sinks::CountingSink::new();
        ledger.add_sink("lying sink".to_owned(), truth);
        ledger.add_recorder("lost file".to_owned());
        let sources = [
            ("good", account(10, 10, 0, 0)),
            ("unbalanced", account(10, 8, 1, 0)),
            ("queued", account(10, 8, 0, 2)),
            ("device", account(100, 90, 10, 0)),
            ("lying device", account(100, 90, 10, 0)),
        ]
        .map(|(name, account)| SourceStats { name: name.to_owned(), account, ..SourceStats::default() });
        let sinks = [("lying sink", account(5, 3, 2, 0)), ("lost file", account(5, 5, 0, 0))]
            .map(|(name, account)| SinkStats { name: name.to_owned(), account, ..SinkStats::default() });
        let stats = Stats { sources: sources.to_vec(), sinks: sinks.to_vec(), ..Stats::default() };
        ledger.look(&stats);
        let figures = ledger.close(&stats);
        assert_eq!((figures.lived, figures.looks), (8, 14));
        assert_eq!((figures.unbalanced, figures.left_queued, figures.never_seen), (2, 1, 1));
        assert_eq!(figures.untrue, 3, "{:?}", figures.wrong);
        assert_eq!((figures.dropped_by_sources, figures.dropped_by_sinks), (20, 2));
    }
}
