//! The binary `ra` as people meet it: what it prints, what it writes, and its exit codes.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod check;
mod help;
mod mix;
mod run;
mod sim;
mod support;
mod wave;
