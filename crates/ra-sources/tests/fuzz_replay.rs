//! Replays what the fuzz target `sound_file` is seeded with, and what once broke it: no panic, no wrong frame, an end, and
//! no allocation that a length in the file alone asks for. Needs no fuzzer.

#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "../../../fuzz/checks/cases.rs"]
mod cases;
#[path = "support/largest_allocation.rs"]
mod largest_allocation;
#[path = "../../../fuzz/checks/sound_file.rs"]
mod sound_file;

use std::path::Path;

use largest_allocation::LargestAllocation;
use ra_core::{PulledSource, StreamEvent};
use ra_sources::{AtEnd, FileConfig, FileSource};
use sound_file::Played;

#[global_allocator]
static ALLOCATOR: LargestAllocation = LargestAllocation::new();

/// The most bytes that any of the kept files, none of which has 64 KiB, may make the program ask for at once.
const MOST_BYTES: usize = 32 << 20;

#[test]
fn sound_files_hold_what_was_promised() {
    let told = cases::replay("sound_file", |bytes| {
        ALLOCATOR.forget();
        let played = sound_file::check(bytes);
        assert!(ALLOCATOR.largest_bytes() <= MOST_BYTES, "{} bytes were asked for at once", ALLOCATOR.largest_bytes());
        played
    });
    for (case, played) in &told {
        assert!(case.bytes.len() < 65_536, "{}: {} bytes", case.name, case.bytes.len());
        if case.name.contains("seeds") {
            assert_eq!(*played, Played::Whole, "{}", case.name);
        }
    }
    // What no honest file does is not played to an end that may never come.
    for name in
        ["the_same_bytes_again_and_again.m4a", "packets_of_4_billion_frames.caf", "panics_in_the_caf_reader.caf"]
    {
        let found = told.iter().find(|(case, _)| case.name.ends_with(name));
        assert!(found.is_some_and(|(_, played)| *played != Played::Whole), "{name} was played");
    }
}

#[test]
fn a_fragmented_file_announces_nothing_and_loops() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/sound_file/aac_fragmented.m4a");
    let mut source = FileSource::open(FileConfig { at_end: AtEnd::Loop, ..FileConfig::new(&path) }).unwrap();
    assert_eq!(source.remaining_frames(), None);
    // 60 ms at 8 kHz are 480 frames: this is far into the second round.
    let mut out = vec![0.0; 4000];
    assert_eq!(source.read(&mut out).unwrap(), StreamEvent::Frames { n_frames: 4000 });
    let source = FileSource::open(FileConfig::new(path)).unwrap();
    assert_eq!(source.remaining_frames(), None, "the header counts no frame: the fragments do");
}

#[test]
fn the_largest_allocation_is_seen() {
    ALLOCATOR.forget();
    drop(std::hint::black_box(vec![1u8; MOST_BYTES + 1]));
    assert!(ALLOCATOR.largest_bytes() > MOST_BYTES);
}
