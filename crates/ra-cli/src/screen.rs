//! The terminal behind stderr, shared by the log and the live meters so that neither tears the other. Nothing else writes
//! to stderr while meters are on.
//!
//! A thread of its own writes: a terminal that stands still, or a pipe that nobody reads, holds up nobody else.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

mod writer;

use writer::Writer;

/// Who waits for stderr waits as long as it takes something within this time.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether stderr is a terminal that understands cursor movements.
pub(crate) fn is_terminal() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns and rows of the terminal.
pub(crate) fn terminal_size() -> (usize, usize) {
    let (rows, columns) = console::Term::stderr().size_checked().unwrap_or((24, 80));
    (usize::from(columns).max(20), usize::from(rows).max(4))
}

/// Has lines printed that stay, above the live ones; those vanish until they are drawn again. Waits for nothing: where too
/// many lines wait already it drops these, and how many were dropped is printed once there is room.
pub(crate) fn print_log(text: &str) {
    match writer() {
        Some(writer) => writer.print(text),
        // No thread could be had. Where stderr is gone there is nobody left to be told.
        None => drop(writeln!(std::io::stderr().lock(), "{text}")),
    }
}

/// Has the live lines drawn in the place of those that stand there. Each line fits the terminal's width. Waits for nothing:
/// the latest picture counts.
pub(crate) fn draw_live(lines: Vec<String>) {
    if let Some(writer) = writer() {
        writer.draw(lines);
    }
}

/// Takes the live lines away: the terminal is as it was. Returns when that is done, or stderr takes nothing any more.
pub(crate) fn clear_live() {
    if let Some(writer) = writer() {
        writer.clear();
    }
    flush();
}

/// Returns when everything that was to be printed is, or stderr takes nothing any more.
pub(crate) fn flush() {
    if let Some(writer) = writer() {
        writer.flush(PATIENCE);
    }
}

fn writer() -> Option<&'static Writer> {
    static WRITER: OnceLock<Option<Writer>> = OnceLock::new();
    WRITER.get_or_init(|| Writer::start(std::io::stderr()).ok()).as_ref()
}
