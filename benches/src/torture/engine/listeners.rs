//! One ordinary thread that reads many buses of a storm, and looks at every block: at the steps of its sound and at its
//! place. Commands nothing.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};
use ra_core::{Clock, SystemClock};
use ra_engine::{BusEvent, BusReader};

use super::continuity::Continuity;
use super::step_watch::StepWatch;

/// Between two looks at the rings: they hold seconds.
const LOOK_NS: u64 = 10_000_000;

/// What the thread is told.
enum Order {
    Add { name: String, reader: BusReader, bound_lin: f64 },
    Remove { name: String },
}

/// What was heard on one bus, by one reader, from its joining to its end.
#[derive(Clone, Debug)]
pub(super) struct HeardBus {
    pub(super) name: String,
    pub(super) steps: StepWatch,
    pub(super) stamps: Continuity,
    /// Whether the reader's own counts balance, and agree with what came.
    pub(super) is_accounted: bool,
}

/// The thread, from outside.
pub(super) struct Listeners {
    orders: Sender<Order>,
    thread: JoinHandle<Vec<HeardBus>>,
}

impl Listeners {
    /// Starts it.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn spawn() -> std::io::Result<Self> {
        let (orders, queue) = channel();
        let thread = std::thread::Builder::new().name("storm-listen".to_owned()).spawn(move || run(&queue))?;
        Ok(Self { orders, thread })
    }

    /// A way to it for another thread.
    pub(super) fn door(&self) -> ListenersDoor {
        ListenersDoor { orders: self.orders.clone() }
    }

    /// Ends it, once every bus has ended or every reader was removed; takes what was heard.
    ///
    /// # Errors
    /// It has panicked.
    pub(super) fn finish(self) -> Result<Vec<HeardBus>> {
        drop(self.orders);
        self.thread.join().map_err(|_| anyhow!("the listening thread has panicked"))
    }
}

/// Adds and removes readers.
#[derive(Clone)]
pub(super) struct ListenersDoor {
    orders: Sender<Order>,
}

impl ListenersDoor {
    /// From now on it is listened to.
    pub(super) fn add(&self, name: String, reader: BusReader, bound_lin: f64) {
        // Nobody listens any more only where the thread has panicked, which `finish` tells.
        drop(self.orders.send(Order::Add { name, reader, bound_lin }));
    }

    /// Not any more.
    pub(super) fn remove(&self, name: String) {
        drop(self.orders.send(Order::Remove { name }));
    }
}

/// A reader that is being listened to.
struct Ear {
    reader: BusReader,
    heard: HeardBus,
}

impl Ear {
    fn new(name: String, reader: BusReader, bound_lin: f64) -> Self {
        let steps = StepWatch::new(reader.spec().channels.get(), bound_lin);
        Self { reader, heard: HeardBus { name, steps, stamps: Continuity::default(), is_accounted: true } }
    }

    /// Reads what is there. Returns whether the bus has ended.
    fn listen(&mut self) -> bool {
        loop {
            match self.reader.read() {
                BusEvent::Block(block) => {
                    let n_frames = block.n_frames() as u64;
                    if !self.heard.stamps.block(&block.stamp, n_frames) {
                        self.heard.steps.cut();
                    }
                    self.heard.steps.look(block.stamp.position.0, block.samples);
                }
                BusEvent::Lagged { n_blocks } => self.heard.stamps.lost(n_blocks),
                BusEvent::Empty => return false,
                // Nobody asked for that: what is left unread then shows in the counts.
                BusEvent::Ended | BusEvent::Disconnected { .. } => return true,
            }
        }
    }

    fn end(mut self, has_ended: bool) -> HeardBus {
        let counts = self.reader.counts();
        let stamps = &self.heard.stamps;
        let agrees = counts.read_blocks == stamps.read_blocks && counts.lost_blocks == stamps.lost_blocks;
        let is_empty = !has_ended || counts.queued_blocks == 0;
        self.heard.is_accounted = counts.is_balanced() && agrees && is_empty;
        self.heard
    }
}

fn run(queue: &Receiver<Order>) -> Vec<HeardBus> {
    let (mut ears, mut heard): (Vec<Ear>, Vec<HeardBus>) = (Vec::new(), Vec::new());
    let mut is_ending = false;
    loop {
        loop {
            match queue.try_recv() {
                Ok(Order::Add { name, reader, bound_lin }) => ears.push(Ear::new(name, reader, bound_lin)),
                Ok(Order::Remove { name }) => {
                    // Gone already where its bus has ended.
                    if let Some(at) = ears.iter().position(|ear| ear.heard.name == name) {
                        let mut ear = ears.swap_remove(at);
                        let has_ended = ear.listen();
                        heard.push(ear.end(has_ended));
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    is_ending = true;
                    break;
                }
            }
        }
        let mut at = 0;
        while at < ears.len() {
            if ears[at].listen() {
                heard.push(ears.swap_remove(at).end(true));
            } else {
                at += 1;
            }
        }
        if is_ending && ears.is_empty() {
            return heard;
        }
        let now_ns = SystemClock.now_ns();
        SystemClock.sleep_until_ns(now_ns + LOOK_NS);
    }
}
