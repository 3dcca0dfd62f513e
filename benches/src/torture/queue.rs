//! `torture queue`: the fan-out and the input ring under every kind of writer and reader that this project can think of,
//! in rounds, for as long as asked. Every word of every block follows from its number, every reader keeps an account of
//! its own, and both are held against the queue's account and the writer's. Times nothing: that is what benches do.

mod content;
mod crew;
mod fan_out;
mod findings;
mod input;
#[path = "../queue/os.rs"]
#[allow(clippy::duplicate_mod, dead_code, reason = "the queue bench keeps it to itself, and uses more of it")]
mod os;
mod pace;
mod progress;
mod random;
mod run;
mod scene;

pub use findings::Findings;
pub use run::{QueueTorture, SceneRow, TortureConfig, WriterClass, torture_queues};
