//! The thread that writes to the terminal, and what waits for it. Knows nothing of what it writes.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many things wait at most.
const CAPACITY: usize = 1024;

/// What is to be written.
enum Output {
    Lines(String),
    /// The latest picture.
    Live,
    NoLive,
}

/// Hands what is to be written to a thread. None of its methods but [`Writer::flush`] waits for that.
pub(super) struct Writer {
    queue: SyncSender<Output>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The picture that waits to be drawn.
    live: Mutex<Option<Vec<String>>>,
    n_queued: AtomicU64,
    progress: Mutex<Progress>,
    has_gone_on: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    n_written: u64,
    /// Of which nothing has been said yet.
    n_dropped: u64,
    /// Of which it is being said.
    n_being_said: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Held for a moment only, and whole whatever happens in it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    /// # Errors
    /// Where no thread can be had.
    pub(super) fn start(out: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(CAPACITY);
        let shared = Arc::new(Shared::default());
        let thread = Screen { out, shared: Arc::clone(&shared), n_live: 0 };
        std::thread::Builder::new().name("ra-stderr".to_owned()).spawn(move || thread.run(&waiting))?;
        Ok(Self { queue, shared })
    }

    /// Lines that stay.
    pub(super) fn print(&self, text: &str) {
        // Locked over both: the thread, which looks for what was dropped when nothing waits any more, looks before or behind.
        let mut progress = lock(&self.shared.progress);
        // Behind one that was dropped all are, until it is said where they are missing.
        if progress.n_dropped > 0 || !self.send(Output::Lines(text.to_owned())) {
            progress.n_dropped += 1;
        }
    }

    /// Lines in the place of those that were drawn last.
    pub(super) fn draw(&self, lines: Vec<String>) {
        let is_waiting = lock(&self.shared.live).replace(lines).is_some();
        if !is_waiting && !self.send(Output::Live) {
            lock(&self.shared.live).take();
        }
    }

    /// No such lines any more.
    pub(super) fn clear(&self) {
        // Where there is no room nothing can be done for a terminal that stands still.
        let _ = self.send(Output::NoLive);
    }

    /// Waits until what was handed over before is written, and what was dropped is said; or until nothing was written for as
    /// long as `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        // Relaxed: what this thread has handed over itself, it knows; the rest is no concern of this call.
        let goal = self.shared.n_queued.load(Ordering::Relaxed);
        let mut progress = lock(&self.shared.progress);
        while progress.n_written < goal || progress.n_dropped + progress.n_being_said > 0 {
            let before = *progress;
            let waited = self.shared.has_gone_on.wait_timeout_while(progress, patience, |now| *now == before);
            progress = waited.unwrap_or_else(PoisonError::into_inner).0;
            if *progress == before {
                return;
            }
        }
    }

    fn send(&self, output: Output) -> bool {
        let is_sent = self.queue.try_send(output).is_ok();
        // Relaxed: see `flush`.
        self.shared.n_queued.fetch_add(u64::from(is_sent), Ordering::Relaxed);
        is_sent
    }
}

/// The thread's side.
struct Screen<W> {
    out: W,
    shared: Arc<Shared>,
    /// Live lines that stand at the bottom of the terminal.
    n_live: usize,
}

impl<W: Write> Screen<W> {
    fn run(mut self, waiting: &Receiver<Output>) {
        while let Ok(output) = waiting.recv() {
            self.write_output(output);
            while let Ok(output) = waiting.try_recv() {
                self.write_output(output);
            }
            // Those that were dropped came behind those that have been written.
            let n_dropped = {
                let mut progress = lock(&self.shared.progress);
                progress.n_being_said = std::mem::take(&mut progress.n_dropped);
                progress.n_being_said
            };
            if n_dropped > 0 {
                // What is printed meanwhile waits in the queue, and so comes behind it.
                self.print(&format!("{n_dropped} messages are missing here: stderr did not take them in time"));
                lock(&self.shared.progress).n_being_said = 0;
                self.shared.has_gone_on.notify_all();
            }
        }
    }

    fn write_output(&mut self, output: Output) {
        match output {
            Output::Lines(text) => self.print(&text),
            Output::Live => self.draw(),
            Output::NoLive => {
                let erased = self.erased();
                self.write(&erased);
            }
        }
        lock(&self.shared.progress).n_written += 1;
        self.shared.has_gone_on.notify_all();
    }

    fn print(&mut self, text: &str) {
        let erased = self.erased();
        self.write(&format!("{erased}{text}\n"));
    }

    fn draw(&mut self) {
        let Some(lines) = lock(&self.shared.live).take() else { return };
        let mut frame = if self.n_live > 0 { format!("\x1b[{}A\r", self.n_live) } else { String::new() };
        for line in &lines {
            frame.push_str(line);
            frame.push_str("\x1b[K\n");
        }
        frame.push_str("\x1b[J");
        self.n_live = lines.len();
        self.write(&frame);
    }

    /// What moves up over the live lines, and erases everything from there on.
    fn erased(&mut self) -> String {
        match std::mem::take(&mut self.n_live) {
            0 => String::new(),
            n_lines => format!("\x1b[{n_lines}A\r\x1b[J"),
        }
    }

    fn write(&mut self, text: &str) {
        // Where stderr is gone there is nobody left to be told.
        let _ = self.out.write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing until it is opened, and keeps what it took.
    #[derive(Clone, Default)]
    struct Tap(Arc<Taken>);

    #[derive(Default)]
    struct Taken {
        is_open: Mutex<bool>,
        opened: Condvar,
        bytes: Mutex<Vec<u8>>,
    }

    impl Tap {
        fn open(&self) {
            *lock(&self.0.is_open) = true;
            self.0.opened.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(lock(&self.0.bytes).clone()).unwrap()
        }
    }

    impl Write for Tap {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            drop(self.0.opened.wait_while(lock(&self.0.is_open), |is_open| !*is_open).unwrap());
            lock(&self.0.bytes).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_terminal_that_stands_still_holds_up_nobody_and_what_is_missing_is_said() {
        let tap = Tap::default();
        let writer = Writer::start(tap.clone()).unwrap();
        for n in 0..5000 {
            writer.print(&format!("line {n}"));
            writer.draw(vec!["picture".to_owned()]);
        }
        writer.flush(Duration::ZERO);
        assert_eq!(tap.text(), "");
        tap.open();
        writer.flush(LONG);
        // Whatever it wrote last, what follows comes behind it.
        writer.print("last");
        writer.flush(LONG);
        let text = tap.text();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("line ")).collect();
        assert!(lines.len() >= CAPACITY - 1 && lines.len() < 2 * CAPACITY, "{}", lines.len());
        assert!(lines.iter().enumerate().all(|(n, line)| line.ends_with(&format!("line {n}"))), "in order");
        let missing = format!("{} messages are missing here", 5000 - lines.len());
        assert!(text.contains(&missing), "{missing}");
        assert!(text.find(&missing) > text.find(lines[lines.len() - 1]));
        assert!(text.ends_with("last\n"));
    }

    #[test]
    fn live_lines_give_way_to_lines_that_stay_and_are_taken_away() {
        let tap = Tap::default();
        tap.open();
        let writer = Writer::start(tap.clone()).unwrap();
        let steps: [&dyn Fn(); 5] = [
            &|| writer.draw(vec!["a".to_owned(), "b".to_owned()]),
            &|| writer.draw(vec!["c".to_owned()]),
            &|| writer.print("stays"),
            &|| writer.draw(vec!["d".to_owned()]),
            &|| writer.clear(),
        ];
        for step in steps {
            step();
            writer.flush(LONG);
        }
        let expected = [
            "a\x1b[K\nb\x1b[K\n\x1b[J",
            "\x1b[2A\rc\x1b[K\n\x1b[J",
            "\x1b[1A\r\x1b[Jstays\n",
            "d\x1b[K\n\x1b[J",
            "\x1b[1A\r\x1b[J",
        ];
        assert_eq!(tap.text(), expected.concat());
    }
}
