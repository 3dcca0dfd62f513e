//! The checks of the input ring's torture see each kind of fault: stamps, frames and sums that are not what they must be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ra_core::{FramePosition, PeriodInput, PeriodStamp};
use ra_queue::{InputConfig, InputReader, InputTrial, InputWriter, input_ring};

use super::reader::{Heard, Listener, listen};
use super::writer::Offered;
use super::{InputTemper, Stage, settle, watch};
use crate::torture::queue::Findings;
use crate::torture::queue::content::FrameContent;
use crate::torture::queue::progress::Progress;
use crate::torture::queue::random::Random;

const CONTENT: FrameContent = FrameContent { n_channels: 2, first_capture_ns: 0 };

/// A stereo ring of 16 frames, and a stage around it.
fn stage() -> (InputWriter, InputReader, Stage) {
    let (writer, reader, monitor) = input_ring(&InputConfig { capacity_frames: 16, ..InputConfig::default() }).unwrap();
    let stage = Stage {
        monitor,
        content: CONTENT,
        first_position: 0,
        trial: InputTrial::default(),
        progress: Progress::default(),
        is_over: AtomicBool::new(false),
        has_left: AtomicBool::new(false),
        gives_up: Arc::default(),
        grant: OnceLock::new(),
        offered: OnceLock::new(),
        heard: OnceLock::new(),
    };
    (writer, reader, stage)
}

/// Delivers the frames from `position` on, with one word changed where asked.
fn push(writer: &mut InputWriter, position: u64, n_frames: usize, capture_ns: u64, wrong_word: Option<usize>) {
    let mut samples = vec![0.0; 2 * n_frames];
    CONTENT.fill(position, &mut samples);
    if let Some(word) = wrong_word {
        samples[word] = 0.5;
    }
    writer.push(capture_ns, &samples);
}

fn listen_to_all(stage: &Stage, reader: InputReader) -> Findings {
    listen(stage, reader, InputTemper::Fast, Duration::ZERO, Random::new(1))
}

#[test]
fn every_wrong_word_and_every_frame_out_of_place_is_seen() {
    for wrong_word in (0..32).map(Some).chain([None]) {
        let (mut writer, reader, stage) = stage();
        push(&mut writer, 0, 16, CONTENT.capture_ns(0, false), wrong_word);
        drop(writer);
        let findings = listen_to_all(&stage, reader);
        // One of two reads may have had it, never none.
        assert_eq!(findings.torn, u64::from(wrong_word.is_some()), "{wrong_word:?}: {findings:?}");
    }
    let (mut writer, reader, stage) = stage();
    push(&mut writer, 1, 16, CONTENT.capture_ns(0, false), None);
    drop(writer);
    assert!(listen_to_all(&stage, reader).torn > 0, "frames of other positions");
}

#[test]
fn a_reader_elsewhere_than_it_should_be_is_seen() {
    let look = |heard: Heard| {
        let (mut writer, mut reader, stage) = stage();
        push(&mut writer, 0, 8, CONTENT.capture_ns(0, false), None);
        let mut before = [0.0; 8];
        reader.poll_stamps(&mut |_| {});
        assert_eq!(reader.read(&mut before), 4);
        let mut listener = Listener::new(&stage, 16);
        listener.heard = heard;
        listener.look(&mut reader, &mut Random::new(1));
        listener.findings
    };
    assert!(look(Heard { n_read: 4, ..Heard::default() }).is_clean());
    assert_eq!(look(Heard { n_read: 2, n_missing: 1, ..Heard::default() }).untold, 1);
    assert_eq!(look(Heard { n_read: 3, n_discarded: 3, ..Heard::default() }).backwards, 1);
    assert_eq!(look(Heard { n_read: 5, ..Heard::default() }).duplicates, 1);
}

#[test]
fn stamps_out_of_order_and_stamps_that_lie_are_seen() {
    let stamp = |n: u64, position: u64, is_after_break: bool| PeriodStamp {
        position: FramePosition(position),
        n_frames: 4,
        capture_ns: CONTENT.capture_ns(n, is_after_break),
        is_after_break,
    };
    let (_writer, _reader, stage) = stage();
    let see = |stamps: &[PeriodStamp]| {
        let mut listener = Listener::new(&stage, 16);
        stamps.iter().for_each(|stamp| listener.see_stamp(stamp));
        listener.findings
    };
    let (first, second) = (stamp(0, 0, false), stamp(1, 9, true));
    assert!(see(&[first, second, stamp(2, 13, false)]).is_clean());
    assert_eq!(see(&[first, PeriodStamp { position: FramePosition(4), ..first }]).duplicates, 1);
    assert_eq!(see(&[first, stamp(3, 9, false)]).untold, 2);
    assert_eq!(see(&[first, stamp(1, 3, false)]).backwards, 1);
    assert_eq!(see(&[first, PeriodStamp { is_after_break: false, ..second }]).torn, 1, "a break that was lost");
    assert_eq!(see(&[PeriodStamp { n_frames: 0, ..first }]).torn, 1);
}

/// Something that one end counted otherwise.
type Change<'a> = &'a dyn Fn(&mut Offered, &mut Heard);

#[test]
fn every_sum_is_held_against_the_others() {
    let offered = Offered { n_frames: 10, n_taken: 6, n_refused: 4, n_stamps: 2, n_breaks: 1, ..Offered::default() };
    let heard =
        Heard { n_read: 5, n_missing: 4, n_discarded: 1, n_stamped: 6, n_stamps: 2, n_breaks: 1, has_left: false };
    // The ring's own account: 10 offered, 5 read, 4 that did not fit and 1 discarded.
    let settled = |change: Change<'_>| {
        let (_writer, _reader, mut stage) = stage();
        let config = InputConfig { capacity_frames: 6, ..InputConfig::default() };
        let (mut writer, mut reader, monitor) = input_ring(&config).unwrap();
        stage.monitor = monitor;
        push(&mut writer, 0, 10, 0, None);
        reader.poll_stamps(&mut |_| {});
        reader.read(&mut [0.0; 10]);
        reader.discard(1);
        let (mut offered, mut heard) = (offered, heard);
        change(&mut offered, &mut heard);
        assert!(stage.offered.set(offered).is_ok() && stage.heard.set(heard).is_ok());
        let mut findings = Findings::default();
        settle(&stage, &mut findings);
        assert_eq!((findings.produced, findings.read, findings.lost), (10, 5, 5));
        findings.unbalanced
    };
    assert_eq!(settled(&|_, _| {}), 0);
    let changes: [Change<'_>; 13] = [
        &|offered, _| offered.n_frames += 1,
        &|offered, _| offered.n_taken += 1,
        &|offered, _| offered.n_refused += 1,
        &|offered, _| offered.n_stamps += 1,
        &|offered, _| offered.n_breaks += 1,
        &|offered, _| offered.saw_it_leave = true,
        &|offered, _| offered.missed_its_leaving = true,
        &|_, heard| heard.n_read -= 1,
        &|_, heard| heard.n_missing -= 1,
        &|_, heard| heard.n_discarded += 1,
        &|_, heard| heard.n_stamped -= 1,
        &|_, heard| heard.n_stamps -= 1,
        &|_, heard| heard.n_breaks -= 1,
    ];
    for (n, change) in changes.into_iter().enumerate() {
        assert!(settled(change) > 0, "change {n}");
    }
}

#[test]
fn the_watch_holds_the_account_against_the_writer() {
    for (said, is_clean) in [(10, true), (11, false), (9, false)] {
        let (mut writer, _reader, stage) = stage();
        push(&mut writer, 0, 10, 0, None);
        stage.progress.begin(said);
        stage.progress.finish(said);
        stage.is_over.store(true, Ordering::Relaxed);
        let findings = watch(&stage);
        assert_eq!(findings.is_clean(), is_clean, "at {said}: {findings:?}");
    }
}
