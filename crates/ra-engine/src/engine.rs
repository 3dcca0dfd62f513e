//! The real-time driver: an engine with its threads.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvError, Sender, bounded, never, select, unbounded};
use ra_core::{Clock, Stats, SystemClock};

use crate::command::Command;
use crate::control::{Completion, Control};
use crate::mixer_thread::MixerThread;
use crate::rt::mixer::Mixer;
use crate::timeline::Timeline;
use crate::workers::Workers;
use crate::{CommandError, EngineConfig, EngineError, EngineHandle};

/// How often the control thread looks after what the mixer gave back, and after the sources: a loss is known within it.
const TICK: Duration = Duration::from_millis(10);

/// How long the tails of clocked sources take to mix, beyond three latencies, in nanoseconds: as much as their rings hold.
/// A device that was left behind never closes its ring.
const TAILS_NS: u64 = 1_500_000_000;
/// How long threads that have said that they are done may take to be gone, in nanoseconds.
const JOIN_NS: u64 = 500_000_000;
const MIXER_DIED: &str = "the audio thread has panicked: nothing is mixed any more; what was published before is kept";

/// A running engine: control thread, audio thread, and a thread for each file and each sink.
///
/// Sources and sinks that are added before [`Engine::start`] all begin at the same block, frame 0. Dropping an engine
/// stops it as [`Engine::stop`] does, without the account.
///
/// # Examples
/// See `examples/mix_and_consume.rs` of this crate.
pub struct Engine {
    commands: Sender<Command>,
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
    #[cfg(feature = "async")]
    notifier: Arc<crate::async_reader::Notifier>,
}

/// What the engine's owner tells the control thread.
enum Order {
    Start { reply: Sender<Result<(), EngineError>> },
    Stop { reply: Sender<Stats> },
}

impl Engine {
    /// An engine that waits for its sources and sinks; nothing is mixed before [`Engine::start`].
    ///
    /// # Errors
    /// [`EngineError`] when a setting is out of range or no thread can be had.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        Self::with_clock(config, Arc::new(SystemClock))
    }

    /// As [`Engine::new`], on another monotonic clock: one that is watched, or that runs beside the system's.
    ///
    /// The audio thread calls its methods in every block: they may not allocate, lock or log there.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with_clock(config: EngineConfig, clock: Arc<dyn Clock>) -> Result<Self, EngineError> {
        let timeline = Arc::new(Timeline::new(config.sample_rate, &*clock));
        let (control, mixer) = Control::new(config.clone(), Arc::clone(&timeline), clock.now_ns())?;
        let (commands, command_queue) = unbounded();
        let (orders, order_queue) = unbounded();
        let (completions, completion_queue) = unbounded();
        #[cfg(feature = "async")]
        let notifier = crate::async_reader::Notifier::new(Arc::clone(&clock));
        let driver = Driver {
            workers: Workers::new(Arc::clone(&clock), completions),
            config,
            clock,
            timeline,
            control,
            idle_mixer: Some(mixer),
            mixer_thread: None,
            commands: command_queue,
            orders: order_queue,
            completions: completion_queue,
        };
        let name = "ra-control";
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || driver.run())
            .map_err(|cause| EngineError::Thread { thread: name.to_owned(), cause })?;
        Ok(Self {
            commands,
            orders,
            thread: Some(thread),
            #[cfg(feature = "async")]
            notifier,
        })
    }

    /// A handle for commands; clone it for as many threads as you like.
    pub fn handle(&self) -> EngineHandle {
        EngineHandle {
            commands: self.commands.clone(),
            #[cfg(feature = "async")]
            notifier: Arc::clone(&self.notifier),
        }
    }

    /// Starts the audio thread; frame 0 is now. Does nothing when it runs already.
    ///
    /// # Errors
    /// [`EngineError::Thread`] when the thread can't be had.
    pub fn start(&mut self) -> Result<(), EngineError> {
        let (reply, answer) = bounded(1);
        self.orders.send(Order::Start { reply }).map_err(|_| CommandError::Stopped)?;
        answer.recv().map_err(|_| CommandError::Stopped)?
    }

    /// Closes every source, mixes and writes every tail, joins every thread, and gives the final account.
    ///
    /// Sources, the mixer and sinks each have [`EngineConfig::stop_timeout_ms`]; what does not end within it is left behind,
    /// and its state says so.
    ///
    /// # Errors
    /// [`EngineError`] when the control thread has died.
    pub fn stop(mut self) -> Result<Stats, EngineError> {
        self.end()
    }

    fn end(&mut self) -> Result<Stats, EngineError> {
        let (reply, answer) = bounded(1);
        self.orders.send(Order::Stop { reply }).map_err(|_| CommandError::Stopped)?;
        let stats = answer.recv().map_err(|_| CommandError::Stopped)?;
        if let Some(thread) = self.thread.take() {
            // It has answered, so it did not panic.
            drop(thread.join());
        }
        Ok(stats)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.thread.is_some()
            && let Err(cause) = self.end()
        {
            log::error!("the engine did not stop cleanly: {cause}");
        }
    }
}

/// What the control thread owns.
struct Driver {
    config: EngineConfig,
    clock: Arc<dyn Clock>,
    timeline: Arc<Timeline>,
    control: Control,
    workers: Workers,
    idle_mixer: Option<Mixer>,
    mixer_thread: Option<MixerThread>,
    commands: Receiver<Command>,
    orders: Receiver<Order>,
    completions: Receiver<Completion>,
}

impl Driver {
    fn run(mut self) {
        loop {
            select! {
                recv(self.commands) -> command => self.take_command(command),
                recv(self.completions) -> completion => self.take_completion(completion),
                recv(self.orders) -> order => match order {
                    Ok(Order::Start { reply }) => drop(reply.send(self.start())),
                    Ok(Order::Stop { reply }) => {
                        drop(reply.send(self.stop()));
                        return;
                    }
                    Err(_) => {
                        self.stop();
                        return;
                    }
                },
                default(TICK) => {}
            }
            self.control.look_at_clocks(&*self.clock);
            self.control.tick(self.clock.now_ns());
            if let Some(mixer) = &mut self.idle_mixer {
                self.control.prepare(mixer, self.clock.now_ns());
            }
            if self.mixer_thread.as_ref().is_some_and(MixerThread::is_finished) {
                self.control.set_failure(MIXER_DIED.to_owned());
            }
            self.carry_out_requests();
        }
    }

    fn take_command(&mut self, command: Result<Command, RecvError>) {
        match command {
            Ok(command) => self.control.handle(command),
            // Every handle is gone, and so is the engine: its drop has sent an order before.
            Err(_) => self.commands = never(),
        }
    }

    fn take_completion(&mut self, completion: Result<Completion, RecvError>) {
        // The workers, who hold the other end, live as long as this driver: there is always a completion.
        if let Ok(completion) = completion {
            self.control.complete(completion);
        }
    }

    fn carry_out_requests(&mut self) {
        while let Some(request) = self.control.take_request() {
            self.workers.carry_out(request);
        }
    }

    fn start(&mut self) -> Result<(), EngineError> {
        if self.mixer_thread.is_some() {
            return Ok(());
        }
        let Some(mut mixer) = self.idle_mixer.take() else { return Err(CommandError::Stopped.into()) };
        self.control.prepare(&mut mixer, self.clock.now_ns());
        let (grants, granted) = bounded(1);
        let thread =
            MixerThread::spawn(mixer, &self.config, Arc::clone(&self.clock), Arc::clone(&self.timeline), grants)?;
        if let Ok(grant) = granted.recv() {
            if let Some(reason) = &grant.reason {
                log::warn!("the mixer runs as {:?}: {reason}", grant.class);
            }
            self.control.set_grant(grant);
        }
        self.mixer_thread = Some(thread);
        Ok(())
    }

    /// The end, in order: sources, the mixer with their tails, consumers with theirs.
    fn stop(&mut self) -> Stats {
        let timeout_ms = self.config.stop_timeout_ms;
        // Each phase has its own time: a device that hangs takes none from the recorders.
        let timeout_ns = timeout_ms * 1_000_000;
        self.control.begin_stop();
        self.wait_until(self.clock.now_ns() + timeout_ns, |driver| driver.control.sources_are_closed());
        let n_hanging = self.control.abandon_sources(timeout_ms);
        if let Some(thread) = self.mixer_thread.take() {
            if n_hanging == 0 {
                thread.drain();
                let tails_ns = TAILS_NS + (3.0 * self.config.latency.most_ms() * 1e6) as u64;
                self.wait_until(self.clock.now_ns() + tails_ns.min(timeout_ns), |_| thread.is_finished());
            }
            match thread.join() {
                Some(mixer) => self.idle_mixer = Some(mixer),
                None => self.control.set_failure(MIXER_DIED.to_owned()),
            }
        }
        self.workers.quit();
        // The buses end with their mixer: consumers hand on what is in the rings, and finish.
        if let Some(mut mixer) = self.idle_mixer.take() {
            self.control.take_rest(&mut mixer, self.clock.now_ns());
        }
        self.wait_until(self.clock.now_ns() + timeout_ns, |driver| driver.control.sinks_have_ended());
        self.control.abandon_sinks(timeout_ms);
        let n_left = self.workers.join_until(self.clock.now_ns() + JOIN_NS);
        if n_left > 0 {
            log::error!("{n_left} threads did not end within {timeout_ms} ms and are left behind");
        }
        self.control.tick(self.clock.now_ns());
        self.control.stats()
    }

    /// Goes on answering until `done`, or the deadline.
    fn wait_until(&mut self, deadline_ns: u64, done: impl Fn(&Driver) -> bool) {
        loop {
            self.control.tick(self.clock.now_ns());
            self.carry_out_requests();
            if done(self) || self.clock.now_ns() >= deadline_ns {
                return;
            }
            select! {
                recv(self.commands) -> command => self.take_command(command),
                recv(self.completions) -> completion => self.take_completion(completion),
                default(Duration::from_millis(1)) => {}
            }
        }
    }
}
