//! The binary `ra` as people meet it: what it prints, what it writes, and its exit codes.

mod check;
mod help;
mod mix;
mod run;
mod support;
