//! What must hold of any bytes that are taken for a command line: the program's arguments, or an answer with exit code 0
//! or 2; durations, gains and log filters by themselves too. Runs no command.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use ra_cli::{Cli, Command, GainArg, parse_duration, parse_gain};

/// Takes `bytes` for the arguments of `ra`, one a line, and checks what comes of them; says whether they were accepted.
///
/// # Panics
/// Where something does not hold.
pub(crate) fn check(bytes: &[u8]) -> bool {
    let words: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    for word in words.iter().filter_map(|word| std::str::from_utf8(word).ok()) {
        check_duration(word);
        check_gain(word);
        // Any text is a filter, or is told what it should have been.
        if let Err(message) = ra_cli::fuzzing::check_log_filter(word) {
            assert!(message.contains("expected LEVEL") && !message.chars().any(char::is_control), "{message:?}");
        }
    }
    let args = std::iter::once(OsString::from("ra")).chain(words.into_iter().map(os_string));
    match Cli::try_parse_from(args) {
        Ok(cli) => {
            check_accepted(&cli);
            true
        }
        Err(error) => {
            let code = error.exit_code();
            assert!(code == 0 || code == 2, "exit code {code}: {error}");
            assert!(!error.to_string().is_empty(), "nothing is said");
            false
        }
    }
}

fn check_accepted(cli: &Cli) {
    assert!(cli.quiet == 0 || cli.verbose == 0, "{cli:?}");
    match &cli.command {
        Command::Run(run) => assert_ne!(run.run_for, Some(Duration::ZERO)),
        Command::Mix(mix) => {
            assert!(!mix.inputs.is_empty());
            mix.gains.iter().for_each(check_gain_in_bounds);
        }
        _ => {}
    }
}

/// A duration that was accepted is longer than nothing, and is the same when it is written in seconds.
fn check_duration(text: &str) {
    match parse_duration(text) {
        Ok(duration) => {
            assert!(duration > Duration::ZERO, "{text:?} is no time at all");
            let written = format!("{}s", duration.as_secs_f64());
            assert_eq!(parse_duration(&written), Ok(duration), "{text:?}, written as {written:?}");
        }
        Err(error) => assert!(error.to_string().contains("expected a number and a unit"), "{error}"),
    }
}

/// A gain that was accepted is in its bounds, and is the same when it is written anew.
fn check_gain(text: &str) {
    match parse_gain(text) {
        Ok(gain) => {
            check_gain_in_bounds(&gain);
            assert_eq!(parse_gain(&format!("{}={}dB", gain.input, gain.gain_db)), Ok(gain), "{text:?}");
        }
        Err(error) => assert!(error.to_string().contains("expected N=DB"), "{error}"),
    }
}

fn check_gain_in_bounds(gain: &GainArg) {
    assert!(gain.input >= 1 && (-120.0..=40.0).contains(&gain.gain_db), "{gain:?}");
}

#[cfg(unix)]
fn os_string(word: &[u8]) -> OsString {
    // An argument of the system holds no NUL.
    std::os::unix::ffi::OsStringExt::from_vec(word.iter().copied().filter(|&byte| byte != 0).collect())
}

#[cfg(not(unix))]
fn os_string(word: &[u8]) -> OsString {
    String::from_utf8_lossy(word).into_owned().into()
}
