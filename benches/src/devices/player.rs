//! Plays a dial into a microphone of a sound server, in a process that can die with its server.

use std::io::Write;
use std::process::Child;

use ra_device::testing::{NullSink, Pacat, PulseServer};

use super::dial;

/// Frames that are written at a time.
const CHUNK_FRAMES: u64 = 480;

/// Frames in which it comes up to its level.
const RISE_FRAMES: f32 = 2_400.0;

/// A `pacat` that plays until this is dropped.
pub(super) struct Player {
    child: Child,
}

impl Player {
    /// Starts one. It plays a moment later.
    pub(super) fn start(server: &PulseServer, sink: NullSink) -> Self {
        let mut child = server.pacat(Pacat::Play, sink.name, sink.rate_hz, 2);
        if let Some(mut stdin) = child.stdin.take() {
            std::thread::spawn(move || {
                let mut next_frame = 0;
                loop {
                    let frames = next_frame..next_frame + CHUNK_FRAMES;
                    let samples = frames.flat_map(|number| {
                        // Its own beginning must not be a step.
                        let level = (number as f32 / RISE_FRAMES).min(1.0);
                        dial::frame(number, sink.rate_hz).map(|sample| level * sample)
                    });
                    let bytes: Vec<u8> = samples.flat_map(f32::to_le_bytes).collect();
                    // Its end is the player's.
                    if stdin.write_all(&bytes).is_err() {
                        return;
                    }
                    next_frame += CHUNK_FRAMES;
                }
            });
        }
        Self { child }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // Both fail only where it has ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
