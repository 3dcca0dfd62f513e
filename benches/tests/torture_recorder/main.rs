//! Short tortures of the recorder: what the long one must hold, in seconds, format by format as far as the build writes them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![cfg(unix)]

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ra_benches::torture::recorder::{KINDS, RecorderFigures, RecorderTorture};

/// One torture at a time: they want the machine, and the disk.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nothing() -> RecorderTorture {
    RecorderTorture {
        seed: 1,
        n_kills: 0,
        n_fulls: 0,
        n_splits: 0,
        n_power_cuts: 0,
        cross_4gib: false,
        victim: PathBuf::from(env!("CARGO_BIN_EXE_torture_recorder")),
        tells: false,
    }
}

fn run(torture: &RecorderTorture) -> RecorderFigures {
    let figures = torture.run().unwrap();
    let criteria = figures.criteria();
    println!("{criteria}");
    assert!(criteria.hold(), "{criteria}\n{figures:#?}");
    figures
}

#[test]
fn killed_recorders_leave_files_that_everybody_opens() {
    let _alone = alone();
    let figures = run(&RecorderTorture { n_kills: 4 * KINDS.len() as u64, ..nothing() });
    assert_eq!(figures.kills.len(), KINDS.len());
    for kill in &figures.kills {
        assert_eq!(kill.kills, 4);
        if std::env::var("CI").as_deref() == Ok("true") {
            let missing: Vec<_> = kill.not_judging.iter().filter(|why| why.contains("is not installed")).collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
    }
    assert!(figures.kills.iter().any(|kill| kill.longest_s > 1.0), "the kills came in the midst of the work");
}

#[test]
fn a_power_cut_takes_nothing_that_was_synced() {
    let _alone = alone();
    let figures = run(&RecorderTorture { n_power_cuts: 20 * KINDS.len() as u64, ..nothing() });
    for power in &figures.power_cuts {
        assert!(power.with_losses > 5 && power.calls[2] > 5, "{power:?}");
        assert!(power.before_the_first_sync < power.cuts / 2, "{power:?}");
    }
}

#[test]
fn splits_add_up_to_the_unsplit_recording() {
    let _alone = alone();
    let figures = run(&RecorderTorture { n_splits: 30, ..nothing() });
    assert_eq!(figures.splits.len(), KINDS.iter().filter(|kind| kind.is_lossless).count());
    assert!(figures.splits.iter().all(|split| split.read_outside > 0 || std::env::var("CI").is_err()));
}

#[test]
fn full_disks_hurt_nobody_else_and_pass() {
    let _alone = alone();
    let figures = run(&RecorderTorture { n_fulls: KINDS.len() as u64, ..nothing() });
    let fulls = figures.fulls.unwrap();
    println!("on {}", fulls.disk);
    assert!(fulls.by_kind.iter().all(|(_, n)| *n == 1), "{fulls:?}");
}
