//! Fuzzes what is in `checks/scenario.rs`.
#![no_main]

#[path = "../checks/problems.rs"]
mod problems;
#[path = "../checks/scenario.rs"]
mod scenario;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    scenario::check(bytes);
});
