//! Fuzzes what is in `checks/config.rs`.
#![no_main]

#[path = "../checks/config.rs"]
mod config;
#[path = "../checks/problems.rs"]
mod problems;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    config::check(bytes);
});
