//! A short torture of the streamer: what the long one must hold; and a few listeners on two relays.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use ra_benches::torture::icecast::{IcecastTorture, OutageKind, RelayTorture};
use ra_sinks::icecast_testing::missing_tools;

/// One at a time: each has servers and decoders of its own.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether there is an Icecast to test with; a failure on CI where there is none.
fn is_possible() -> bool {
    let missing = missing_tools();
    assert!(
        missing.is_empty() || std::env::var("CI").as_deref() != Ok("true"),
        "not installed: {}",
        missing.join(", ")
    );
    if !missing.is_empty() {
        println!("skipped: not installed: {}", missing.join(", "));
    }
    missing.is_empty()
}

#[test]
fn a_few_outages_and_some_seconds_of_listening() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    let figures = IcecastTorture { restarts: 4, seconds: 12, seed: 1 }.run(&|text| println!("{text}")).unwrap();
    println!("{}", figures.criteria());
    assert!(figures.criteria().hold(), "{}\n{figures:#?}", figures.criteria());
    assert_eq!(figures.outages.iter().filter(|row| row.kind == OutageKind::Swallowed).count(), 1);
    assert!(figures.thrown_away_frames > 0, "what was on its way into the black hole is taken back");
}

#[test]
fn a_few_listeners_on_two_relays_are_not_hung_up_on() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    let figures = RelayTorture { listeners: 20, seed: 1 }.run(&|text| println!("{text}")).unwrap();
    println!("{}", figures.criteria());
    assert!(figures.criteria().hold(), "{}\n{figures:#?}", figures.criteria());
}
