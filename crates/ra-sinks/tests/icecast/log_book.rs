//! Everything that is logged in this program, at its most talkative.

use std::sync::{Mutex, Once};

static SAID: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());

struct LogBook;

impl log::Log for LogBook {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        SAID.lock().unwrap().push((record.level(), record.args().to_string()));
    }
    fn flush(&self) {}
}

/// Begins to keep what is logged.
pub(crate) fn open() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LogBook).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// What was logged so far, by all tests.
pub(crate) fn said() -> Vec<(log::Level, String)> {
    SAID.lock().unwrap().clone()
}
