//! Fuzzes what is in `checks/sound_file.rs`. A panic inside a decoder is no finding as long as it stays inside the source.
#![no_main]

#[path = "ogg_pages.rs"]
mod ogg_pages;
#[path = "../checks/sound_file.rs"]
mod sound_file;

use std::panic::{catch_unwind, set_hook};

libfuzzer_sys::fuzz_target!(
    init: {
        // libFuzzer's own hook ends the process at any panic. The source isolates those of a decoder: only one that gets
        // out of it is a finding.
        set_hook(Box::new(|panic| eprintln!("{panic}")));
    },
    |bytes: &[u8]| {
        if catch_unwind(|| sound_file::check(bytes)).is_err() {
            std::process::abort();
        }
    }
);

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
    let size = libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    ogg_pages::mend_checksums(&mut data[..size]);
    size
});
