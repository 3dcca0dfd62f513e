//! The audio thread seen from outside, by a program that may trace it: every system call of a storm. Where tracing is not
//! allowed, these tests say so and pass; in CI a missing strace fails.

use std::path::Path;
use std::process::{Command, Stdio};

use ra_benches::torture::engine::{CountCalls, Storm};

use super::alone;

/// Set in the process that is to be traced.
const CHILD: &str = "RA_STORM_CHILD";

/// Runs the storm that is to be traced, in a process made for that; its times and its waits are not judged.
fn be_the_traced_one() {
    let storm = Storm { count_calls: CountCalls::FromOutside, ..Storm::new(250, 5) };
    storm.run().unwrap();
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// This very program, to run one test of it in a process of its own.
fn this_test(name: &str) -> Vec<String> {
    let program = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    [program.as_str(), "--exact", name, "--nocapture", "--test-threads=1"].map(str::to_owned).to_vec()
}

fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Why strace cannot be used here; `None`: it can.
fn no_strace() -> Option<String> {
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "true"]).stdin(Stdio::null()).stdout(Stdio::null());
    match command.output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("strace may not trace: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(cause) => {
            assert!(!is_ci(), "strace is missing ({cause}), expected it in CI");
            Some(format!("strace is missing: {cause}"))
        }
    }
}

/// A thread's calls between its first wait and its last: its life between setting up and ending.
fn calls_while_it_runs(trace: &str) -> Vec<&str> {
    let is_wait = |line: &&str| line.starts_with("clock_nanosleep(");
    let lines: Vec<&str> = trace.lines().collect();
    let (first, last) = (lines.iter().position(is_wait), lines.iter().rposition(is_wait));
    first.zip(last).map(|(first, last)| lines[first..=last].to_vec()).unwrap_or_default()
}

/// What a wait waits for: two waits for one deadline would be two in a block.
fn deadline(wait: &str) -> Option<(u64, u64)> {
    let number = |key: &str| -> Option<u64> {
        let digits = wait.split_once(key)?.1;
        digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    wait.contains("TIMER_ABSTIME").then_some((number("tv_sec=")?, number("tv_nsec=")?))
}

/// The trace of the thread that gave itself this name.
fn trace_of(folder: &Path, thread: &str) -> String {
    let named = format!("PR_SET_NAME, \"{thread}\"");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let traces: Vec<String> =
        files.map(|file| std::fs::read_to_string(file).unwrap()).filter(|trace| trace.contains(&named)).collect();
    assert_eq!(traces.len(), 1, "threads of the name {thread}");
    traces.concat()
}

#[test]
fn strace_sees_one_wait_a_block_and_nothing_else() {
    if is_child() {
        be_the_traced_one();
        return;
    }
    if let Some(reason) = no_strace() {
        println!("skipped: {reason}");
        return;
    }
    let _alone = alone();
    let folder = std::env::temp_dir().join(format!("ra-strace-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let output = Command::new("strace")
        .args(["-ff", "-qq", "-o"])
        .arg(folder.join("trace"))
        .args(this_test("traced::strace_sees_one_wait_a_block_and_nothing_else"))
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let mixer = trace_of(&folder, "ra-mixer");
    let calls = calls_while_it_runs(&mixer);
    let others: Vec<&&str> = calls.iter().filter(|call| deadline(call).is_none()).collect();
    assert!(others.is_empty(), "{others:#?}");
    let deadlines: Vec<(u64, u64)> = calls.iter().filter_map(|call| deadline(call)).collect();
    assert!(deadlines.len() > 100, "{}", deadlines.len());
    assert!(deadlines.windows(2).all(|pair| pair[0] < pair[1]), "a deadline was waited for twice");
    for slot in 0..4 {
        let trace = trace_of(&folder, &format!("storm-dev-{slot}"));
        let calls = calls_while_it_runs(&trace);
        let others: Vec<&&str> = calls.iter().filter(|call| deadline(call).is_none()).collect();
        assert!(others.is_empty() && calls.len() > 10, "device {slot}: {} calls, {others:#?}", calls.len());
    }
    println!("{} waits of the audio thread, no other system call", deadlines.len());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_trace_is_read_as_strace_writes_it() {
    let trace = "prctl(PR_SET_NAME, \"ra-mixer\") = 0\n\
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, {tv_sec=7, tv_nsec=250}, NULL) = 0\n\
        futex(0x1, FUTEX_WAIT_PRIVATE, 2, NULL) = 0\n\
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, {tv_sec=7, tv_nsec=350}, NULL) = 0\n\
        munmap(0x1, 4096) = 0\n";
    let calls = calls_while_it_runs(trace);
    assert_eq!(calls.len(), 3);
    let deadlines: Vec<_> = calls.iter().map(|call| deadline(call)).collect();
    assert_eq!(deadlines, [Some((7, 250)), None, Some((7, 350))]);
    assert!(deadline("clock_nanosleep(CLOCK_MONOTONIC, 0, {tv_sec=0, tv_nsec=250}, NULL) = 0").is_none());
}
