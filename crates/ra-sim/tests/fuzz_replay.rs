//! Replays what the fuzz target `scenario` is seeded with, and what once broke it. Needs no fuzzer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "../../../fuzz/checks/cases.rs"]
mod cases;
#[path = "../../../fuzz/checks/problems.rs"]
mod problems;
#[path = "../../../fuzz/checks/scenario.rs"]
mod scenario;

use std::path::Path;

use ra_sim::Scenario;

#[test]
fn scenarios_hold_what_was_promised() {
    let told = cases::replay("scenario", scenario::check);
    let n_accepted = told.iter().filter(|(_, accepted)| *accepted).count();
    assert!(n_accepted >= 12, "{n_accepted} of {} scenarios were accepted", told.len());
    assert!(told.len() - n_accepted >= 5, "{n_accepted} of {} scenarios were accepted", told.len());
}

#[test]
fn a_file_of_nothing_but_errors_is_told_in_bounded_words() {
    let text = "duration_s = 1\n".to_owned() + &"[[source]]\n".repeat(90_000);
    let error = Scenario::parse(Path::new("sea.toml"), text.as_bytes()).unwrap_err();
    assert_eq!(error.problems.len(), 51);
    // Each source lacks a name and a signal.
    assert_eq!(error.problems[50].message, "and 179950 more problems");
}

#[cfg(unix)]
#[test]
fn a_file_without_an_end_is_refused() {
    let error = Scenario::load(Path::new("/dev/zero")).unwrap_err().to_string();
    assert_eq!(error, "/dev/zero: has more than 1048576 bytes, expected a scenario file");
}
