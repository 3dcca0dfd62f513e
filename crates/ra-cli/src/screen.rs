//! The terminal behind stderr, shared by the log and the live meters so that neither tears the other. Nothing else writes
//! to stderr while meters are on.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines of live output that stand at the bottom of the terminal.
static LIVE_LINES: Mutex<usize> = Mutex::new(0);

fn lock_live_lines() -> MutexGuard<'static, usize> {
    // A panic between two writes leaves at worst a wrong number of lines.
    LIVE_LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether stderr is a terminal that understands cursor movements.
pub(crate) fn is_terminal() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns and rows of the terminal.
pub(crate) fn terminal_size() -> (usize, usize) {
    let (rows, columns) = console::Term::stderr().size_checked().unwrap_or((24, 80));
    (usize::from(columns).max(20), usize::from(rows).max(4))
}

/// Prints lines that stay, above the live ones; those vanish until they are drawn again.
pub(crate) fn print_log(text: &str) {
    let mut live = lock_live_lines();
    let erased = erase(*live);
    *live = 0;
    write_stderr(&format!("{erased}{text}\n"));
}

/// Draws the live lines in the place of those that stand there. Each line fits the terminal's width.
pub(crate) fn draw_live(lines: &[String]) {
    let mut live = lock_live_lines();
    let mut frame = if *live > 0 { format!("\x1b[{}A\r", *live) } else { String::new() };
    for line in lines {
        frame.push_str(line);
        frame.push_str("\x1b[K\n");
    }
    frame.push_str("\x1b[J");
    *live = lines.len();
    write_stderr(&frame);
}

/// Takes the live lines away: the terminal is as it was.
pub(crate) fn clear_live() {
    let mut live = lock_live_lines();
    if *live > 0 {
        write_stderr(&erase(*live));
        *live = 0;
    }
}

/// Moves up over `n_lines` lines and erases everything from there on.
fn erase(n_lines: usize) -> String {
    if n_lines == 0 { String::new() } else { format!("\x1b[{n_lines}A\r\x1b[J") }
}

fn write_stderr(text: &str) {
    // Where stderr is gone there is nobody left to be told.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
