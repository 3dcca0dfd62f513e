//! The Icecast sink against real servers (icecast2, with ffmpeg as the judge) and against ones that misbehave by script.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod fake_server;
mod log_book;
mod misbehaving;
mod outages;
mod player;
mod real_server;
mod secrets;
#[cfg(feature = "tls")]
mod tls;
