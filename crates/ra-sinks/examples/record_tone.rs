//! Records two seconds of a 440 Hz tone at −20 dBFS with the recorder alone: no engine, no thread, no sound card.
//!
//! `cargo run -p ra-sinks --example record_tone` writes `recordings/tone-TIME.wav` and `.wav.json` beside it.

use std::time::{SystemTime, UNIX_EPOCH};

use ra_core::{Block, BlockStamp, FramePosition, Sink, SinkStart, StreamSpec};
use ra_sinks::{Recorder, RecorderConfig, SampleFormat};

const BLOCK_FRAMES: usize = 128;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let spec = StreamSpec::new(48_000, 1)?;
    let config = RecorderConfig { format: SampleFormat::S24, ..RecorderConfig::new("recordings/{name}-{time}.wav") };
    let mut recorder = Recorder::new(config)?;
    let unix_ns = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as i128;
    let position = FramePosition(0);
    recorder.start(&SinkStart {
        name: "tone".into(),
        spec,
        block_frames: BLOCK_FRAMES,
        position,
        unix_ns,
        unix_minus_monotonic_ns: None,
    })?;

    for seq in 0..750 {
        let position = FramePosition(seq * BLOCK_FRAMES as u64);
        let sample = |n: u64| 0.1 * (n as f64 * 440.0 * std::f64::consts::TAU / 48_000.0).sin() as f32;
        let samples: Vec<f32> = (0..BLOCK_FRAMES as u64).map(|n| sample(position.0 + n)).collect();
        let stamp = BlockStamp { seq, position, capture_ns: 0 };
        recorder.write(&Block { stamp, spec, samples: &samples })?;
    }

    for file in recorder.finish()?.files {
        println!("{}", file.display());
    }
    Ok(())
}
