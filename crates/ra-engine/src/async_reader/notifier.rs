//! The thread that wakes whoever awaits a block: it looks at fixed times, as consumers' threads do, so that the audio thread
//! wakes nobody. Knows no executor and reads no block.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::thread::Builder;

use parking_lot::Mutex;
use ra_core::Clock;
use ra_queue::ReaderMonitor;

/// How often it looks, in nanoseconds.
const LOOK_NS: u64 = 5_000_000;
/// Who has waited for so long is woken without a block: its bus may have ended, which no counter tells.
const PATIENCE_NS: u64 = 50_000_000;

/// Wakes the async readers of one engine. Its thread, `ra-notify`, runs while there are any.
pub(crate) struct Notifier {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    slots: Vec<Arc<Slot>>,
    is_running: bool,
    next_id: u64,
}

/// One reader, and whether somebody waits for it.
pub(crate) struct Slot {
    id: u64,
    monitor: ReaderMonitor,
    waiting: Mutex<Option<Waiting>>,
}

struct Waiting {
    waker: Waker,
    /// Woken at this time at the latest.
    until_ns: u64,
}

impl Notifier {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::default() })
    }

    /// Looks after a reader from now on, on a thread that runs already or is started now.
    ///
    /// # Errors
    /// What the system said where it refused a thread.
    pub(crate) fn join(self: &Arc<Self>, monitor: ReaderMonitor) -> Result<Arc<Slot>, std::io::Error> {
        let mut state = self.state.lock();
        if !state.is_running {
            let this = Arc::clone(self);
            Builder::new().name("ra-notify".to_owned()).spawn(move || this.run())?;
            state.is_running = true;
        }
        let slot = Arc::new(Slot { id: state.next_id, monitor, waiting: Mutex::default() });
        state.next_id += 1;
        state.slots.push(Arc::clone(&slot));
        Ok(slot)
    }

    /// Looks after it no more. The thread ends when it finds none left.
    pub(crate) fn leave(&self, slot: &Arc<Slot>) {
        self.state.lock().slots.retain(|other| !Arc::ptr_eq(other, slot));
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn run(&self) {
        let mut next_ns = self.clock.now_ns();
        let mut due = Vec::new();
        loop {
            let now_ns = self.clock.now_ns();
            let mut wake_ns = next_ns;
            {
                let mut state = self.state.lock();
                if state.slots.is_empty() {
                    // Under the lock: who joins from here on starts another one.
                    state.is_running = false;
                    return;
                }
                if now_ns >= next_ns {
                    next_ns += ((now_ns - next_ns) / LOOK_NS + 1) * LOOK_NS;
                }
                wake_ns = wake_ns.max(next_ns);
                for slot in &state.slots {
                    match slot.look(now_ns) {
                        Ok(waker) => due.extend(waker),
                        Err(until_ns) => wake_ns = wake_ns.min(until_ns),
                    }
                }
            }
            // Without the lock: a waker runs an executor's code, which may drop readers or make new ones.
            for waker in due.drain(..) {
                if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
                    log::error!("a waker of an async reader has panicked; the others are woken all the same");
                }
            }
            self.clock.sleep_until_ns(wake_ns);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_running(&self) -> bool {
        self.state.lock().is_running
    }
}

impl Slot {
    /// Tells this reader from all others of its engine.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Wakes `waker` once: when there is something to read, at `deadline_ns`, or after a while. It replaces the one before.
    pub(crate) fn wait(&self, waker: &Waker, now_ns: u64, deadline_ns: Option<u64>) {
        let until_ns = deadline_ns.unwrap_or(u64::MAX).min(now_ns + PATIENCE_NS);
        let mut waiting = self.waiting.lock();
        match &mut *waiting {
            Some(waiting) if waiting.waker.will_wake(waker) => waiting.until_ns = until_ns,
            waiting => *waiting = Some(Waiting { waker: waker.clone(), until_ns }),
        }
    }

    /// Wakes nobody any more.
    pub(crate) fn forget(&self) {
        drop(self.waiting.lock().take());
    }

    /// Who is to be woken now, if anybody; else until when whoever waits may sleep.
    fn look(&self, now_ns: u64) -> Result<Option<Waker>, u64> {
        let mut waiting = self.waiting.lock();
        match &*waiting {
            None => Ok(None),
            // What is queued stays queued until the reader has come: no wake-up can be missed, only be late.
            Some(Waiting { until_ns, .. }) if now_ns < *until_ns && self.monitor.counts().queued_blocks == 0 => {
                Err(*until_ns)
            }
            Some(_) => Ok(waiting.take().map(|waiting| waiting.waker)),
        }
    }
}
