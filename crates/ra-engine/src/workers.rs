//! The threads of the real-time driver: feeders, consumers, and short-lived ones that open and close devices.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{SendError, Sender};
use ra_core::{Clock, ClockedSource, Granted, SinkState, SourceError};
use ra_queue::InputWriter;

use crate::consumer::Drained;
use crate::control::{Completion, ConsumerRun, Request, SinkNumber, Threadless};
use crate::cushion::{Cushion, Pumped};
use crate::feeder::{Fed, Feeder};
use crate::os;

/// How often a feeder looks whether its ring has room, in nanoseconds.
const FEEDER_POLL_NS: u64 = 20_000_000;
/// How often blocks are carried into a consumer's own ring, in nanoseconds; its bus's ring holds 50 ms at least.
const CUSHION_POLL_NS: u64 = 5_000_000;
/// How often a sink is told to make durable what it has, in nanoseconds.
const FLUSH_NS: u64 = 100_000_000;

/// Carries out requests on threads of their own, and sends what became of them.
pub(crate) struct Workers {
    clock: Arc<dyn Clock>,
    completions: Sender<Completion>,
    /// Set when the engine ends: feeders stop.
    quit: Arc<AtomicBool>,
    threads: Vec<Worker>,
}

/// A thread, and the sink that it works for.
struct Worker {
    sink: Option<SinkNumber>,
    thread: JoinHandle<()>,
}

impl Workers {
    pub(crate) fn new(clock: Arc<dyn Clock>, completions: Sender<Completion>) -> Self {
        Self { clock, completions, quit: Arc::new(AtomicBool::new(false)), threads: Vec::new() }
    }

    /// Gives a request its thread.
    pub(crate) fn carry_out(&mut self, request: Request) {
        self.threads.retain(|worker| !worker.thread.is_finished());
        let completions = self.completions.clone();
        match request {
            Request::StartClocked { id, name, mut source, input } => {
                self.spawn(format!("ra-open-{name}"), Threadless::Source(id), move || {
                    let result = open(&mut *source, input);
                    close_unsent(completions.send(Completion::ClockedOpened { id, source, result }));
                });
            }
            Request::RestartClocked { id, name, mut source, input } => {
                self.spawn(format!("ra-open-{name}"), Threadless::Source(id), move || {
                    // Whatever it does, it is opened anew.
                    drop(catch_unwind(AssertUnwindSafe(|| source.stop())));
                    let result = open(&mut *source, input);
                    close_unsent(completions.send(Completion::ClockedOpened { id, source, result }));
                });
            }
            Request::CloseClocked { id, name, mut source } => {
                self.spawn(format!("ra-close-{name}"), Threadless::Source(id), move || {
                    // Whatever it does, it is opened anew later.
                    drop(catch_unwind(AssertUnwindSafe(|| source.stop())));
                    drop(completions.send(Completion::ClockedClosed { id, source }));
                });
            }
            Request::StopClocked { id, name, mut source } => {
                self.spawn(format!("ra-close-{name}"), Threadless::Source(id), move || {
                    // Whatever it does, it is over with this source.
                    drop(catch_unwind(AssertUnwindSafe(move || {
                        source.stop();
                        drop(source);
                    })));
                    drop(completions.send(Completion::ClockedStopped { id }));
                });
            }
            Request::RunFeeder { id, name, feeder } => {
                let (clock, quit) = (Arc::clone(&self.clock), Arc::clone(&self.quit));
                self.spawn(format!("ra-feed-{name}"), Threadless::Source(id), move || {
                    run_feeder(*feeder, &*clock, &quit, &|| drop(completions.send(Completion::FeederPrimed { id })));
                });
            }
            Request::RunConsumer(run) => self.run_consumer(run),
            Request::DropSink { name, sink } => self.spawn(format!("ra-drop-{name}"), Threadless::Nobody, move || {
                // Nobody wants it: whatever its end does, nobody waits for it.
                drop(catch_unwind(AssertUnwindSafe(|| drop(sink))));
            }),
            // Dropping the handle leaves the thread to itself.
            Request::AbandonConsumer { number } => self.threads.retain(|worker| worker.sink != Some(number)),
        }
    }

    fn run_consumer(&mut self, mut run: ConsumerRun) {
        let number = run.number;
        if let Some(n_blocks) = run.cushion_blocks {
            let (consumer, cushion) = match run.consumer.with_cushion(n_blocks) {
                Ok(both) => both,
                Err(cause) => {
                    let message = format!("no ring of its own: {cause}");
                    drop(self.completions.send(Completion::NoThread { what: Threadless::Sink(number), message }));
                    return;
                }
            };
            run.consumer = consumer;
            let (clock, leave) = (Arc::clone(&self.clock), Arc::clone(&run.leave));
            // The bus's ring does not wait for it either.
            let niceness = run.class.niceness().min(0);
            self.spawn(format!("ra-keep-{}", run.name), Threadless::Sink(number), move || {
                os::ask_for_niceness(niceness);
                run_cushion(cushion, &*clock, &leave);
            });
        }
        let completions = self.completions.clone();
        let (clock, quit) = (Arc::clone(&self.clock), Arc::clone(&self.quit));
        self.spawn(format!("ra-sink-{}", run.name), Threadless::Sink(number), move || {
            let (name, shared) = (run.name.clone(), Arc::clone(&run.consumer.shared));
            // The sink's own panics are caught where they can be told from ours.
            if catch_unwind(AssertUnwindSafe(|| run_consumer(run, &*clock, &quit, &completions))).is_err() {
                let reason = "what feeds it has panicked: a fault of the engine";
                log::error!("sink {name}: {reason}");
                shared.set_state(SinkState::Failed, Some(reason.to_owned()));
                shared.freeze();
            }
            drop(completions.send(Completion::SinkEnded { number }));
        });
    }

    fn spawn(&mut self, name: String, what: Threadless, work: impl FnOnce() + Send + 'static) {
        match Builder::new().name(name).spawn(work) {
            Ok(thread) => {
                let sink = if let Threadless::Sink(number) = what { Some(number) } else { None };
                self.threads.push(Worker { sink, thread });
            }
            Err(cause) => drop(self.completions.send(Completion::NoThread { what, message: cause.to_string() })),
        }
    }

    /// Tells feeders, and consumers that have not seen a block yet, to end.
    pub(crate) fn quit(&self) {
        // Release pairs with the Acquire in the threads.
        self.quit.store(true, Ordering::Release);
    }

    /// Joins every thread that ends by `deadline_ns`; returns how many did not.
    pub(crate) fn join_until(&mut self, deadline_ns: u64) -> usize {
        loop {
            let (done, running): (Vec<_>, Vec<_>) =
                self.threads.drain(..).partition(|worker| worker.thread.is_finished());
            for Worker { thread, .. } in done {
                // A panic was reported where it happened; sinks catch theirs.
                drop(thread.join());
            }
            self.threads = running;
            let now_ns = self.clock.now_ns();
            if self.threads.is_empty() || now_ns >= deadline_ns {
                return self.threads.len();
            }
            self.clock.sleep_until_ns(now_ns + 1_000_000);
        }
    }
}

fn open(source: &mut dyn ClockedSource, input: InputWriter) -> Result<Granted, SourceError> {
    catch_unwind(AssertUnwindSafe(|| source.start(Box::new(input)))).unwrap_or_else(|_| {
        let device = source.describe();
        Err(SourceError::Device { device, message: "panicked while it was opened".to_owned() })
    })
}

/// The engine may be gone by now; then the device is closed right here.
fn close_unsent(sent: Result<(), SendError<Completion>>) {
    if let Err(unsent) = sent
        && let Completion::ClockedOpened { mut source, .. } = unsent.0
    {
        source.stop();
    }
}

fn run_feeder(mut feeder: Feeder, clock: &dyn Clock, quit: &AtomicBool, primed: &dyn Fn()) {
    // An eighth is enough to begin with: many sources are opened one after the other.
    let mut fed = feeder.fill_up_to(feeder.capacity_frames() / 8);
    primed();
    if fed == Fed::Full {
        fed = feeder.fill();
    }
    let mut next_ns = clock.now_ns();
    // Acquire pairs with the Release in `quit`.
    while fed == Fed::Full && !quit.load(Ordering::Acquire) {
        next_ns = next_look_ns(next_ns, FEEDER_POLL_NS, clock.now_ns());
        clock.sleep_until_ns(next_ns);
        fed = feeder.fill();
    }
}

fn run_consumer(run: ConsumerRun, clock: &dyn Clock, quit: &AtomicBool, completions: &Sender<Completion>) {
    let ConsumerRun { number, mut consumer, class, opens_at, leave, .. } = run;
    consumer.shared.set_niceness(os::ask_for_niceness(class.niceness()));
    let mut next_ns = clock.now_ns();
    let result = match opens_at {
        Some(position) => consumer.open_at(position),
        None => loop {
            if let Some(result) = consumer.open_at_first_block() {
                break result;
            }
            consumer.refuse_orders();
            // Acquire pairs with the Release in `quit` and `remove_sink`.
            if quit.load(Ordering::Acquire) || leave.load(Ordering::Acquire) {
                consumer.give_up();
                consumer.close();
                return;
            }
            next_ns = next_look_ns(next_ns, class.poll_ns(), clock.now_ns());
            clock.sleep_until_ns(next_ns);
        },
    };
    let opened = result.is_ok();
    let device_clock = consumer.take_clock();
    drop(completions.send(Completion::SinkOpened { number, result, clock: device_clock }));
    if !opened {
        consumer.close();
        return;
    }
    let mut flushed_ns = clock.now_ns();
    loop {
        // What was published before the request to leave is still handed on. Acquire pairs with the Release in
        // `remove_sink`.
        if leave.load(Ordering::Acquire) {
            consumer.leave();
        }
        let drained = consumer.drain();
        let now_ns = clock.now_ns();
        if now_ns.saturating_sub(flushed_ns) >= FLUSH_NS {
            consumer.flush();
            flushed_ns = now_ns;
        }
        match drained {
            Drained::More => {}
            Drained::Idle => {
                next_ns = next_look_ns(next_ns, class.poll_ns(), now_ns);
                clock.sleep_until_ns(next_ns);
            }
            Drained::Ended | Drained::Dead => break,
        }
    }
    consumer.finish();
    consumer.close();
}

/// Carries blocks into a consumer's own ring until its bus ends, the consumer does, or it is asked to leave.
fn run_cushion(mut cushion: Cushion, clock: &dyn Clock, leave: &AtomicBool) {
    let mut next_ns = clock.now_ns();
    loop {
        // Acquire pairs with the Release in `remove_sink`.
        if leave.load(Ordering::Acquire) {
            cushion.leave();
        }
        match cushion.pump() {
            Pumped::More => {}
            Pumped::Idle => {
                next_ns = next_look_ns(next_ns, CUSHION_POLL_NS, clock.now_ns());
                clock.sleep_until_ns(next_ns);
            }
            Pumped::Ended => return,
        }
    }
}

/// The next multiple of the period that is not past: lateness does not add up.
fn next_look_ns(last_ns: u64, period_ns: u64, now_ns: u64) -> u64 {
    let behind = now_ns.saturating_sub(last_ns) / period_ns;
    last_ns + (behind + 1) * period_ns
}
