//! Replays what the fuzz targets `config` and `command_line` are seeded with, and what once broke them. Needs no fuzzer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "../../../fuzz/checks/cases.rs"]
mod cases;
#[path = "../../../fuzz/checks/command_line.rs"]
mod command_line;
#[path = "../../../fuzz/checks/config.rs"]
mod config;
#[path = "../../../fuzz/checks/problems.rs"]
mod problems;

use std::path::Path;

#[test]
fn configs_hold_what_was_promised() {
    let told = cases::replay("config", config::check);
    let n_accepted = told.iter().filter(|(_, accepted)| *accepted).count();
    assert!(n_accepted >= 5, "{n_accepted} of {} configs were accepted", told.len());
    assert!(told.len() - n_accepted >= 5, "{n_accepted} of {} configs were accepted", told.len());
}

#[test]
fn command_lines_hold_what_was_promised() {
    let told = cases::replay("command_line", command_line::check);
    let n_accepted = told.iter().filter(|(_, accepted)| *accepted).count();
    assert!(n_accepted >= 5, "{n_accepted} of {} command lines were accepted", told.len());
    assert!(told.len() - n_accepted >= 5, "{n_accepted} of {} command lines were accepted", told.len());
}

#[test]
fn a_file_of_nothing_but_errors_is_told_in_bounded_words() {
    let problem_of = |text: String| {
        assert!(text.len() <= 1 << 20);
        ra_cli::parse_config(Path::new("sea.toml"), text.as_bytes()).unwrap_err()
    };
    // One line of half a million items, and a hundred thousand tables: neither the text nor the names are gone through
    // anew for each.
    let on_one_line = problem_of(format!("source = [{}]", "1,".repeat(500_000)));
    let tables = problem_of("[[source]]\n".repeat(90_000));
    let names = problem_of((0..35_000).map(|n| format!("[[bus]]\nname = \"{n}\"\n")).collect::<String>() + "x = 1");
    for (error, n_problems) in [(on_one_line, 1001), (tables, 1001), (names, 2)] {
        assert_eq!(error.problems.len(), n_problems, "{error}");
        assert!(error.to_string().len() < 10_000);
    }
}

#[cfg(unix)]
#[test]
fn a_file_without_an_end_is_refused() {
    let error = ra_cli::load_config(Path::new("/dev/zero")).unwrap_err().to_string();
    assert_eq!(error, "/dev/zero: has more than 1048576 bytes, expected a config file");
}
