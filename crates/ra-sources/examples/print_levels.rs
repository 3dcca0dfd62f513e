//! Prints the peak level of every 100 ms of a file, first as fast as it can be read, then at its own pace.
//!
//! `cargo run -p ra-sources --example print_levels -- FILE`

use std::{error::Error, sync::Arc};

use ra_core::{ClockedSource, PeriodInput, PulledSource, Source, StreamEvent, SystemClock};
use ra_sources::{FileConfig, FileSource, PacedConfig, PacedSource};

fn print_level(samples: &[f32]) {
    let peak = samples.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
    println!("{:7.1} dBFS", 20.0 * peak.log10());
}

/// Where a paced source delivers. A real one would hand on to another thread and not print from here.
struct Printer;

impl PeriodInput for Printer {
    fn push(&mut self, _capture_ns: u64, interleaved: &[f32]) -> usize {
        print_level(interleaved);
        interleaved.len()
    }

    fn mark_break(&mut self) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: print_levels FILE")?;

    let mut file = FileSource::open(FileConfig::new(&path))?;
    println!("{}, {}: as fast as asked", file.describe(), file.spec());
    let period_frames = file.spec().sample_rate.frames_in_ms_ceil(100.0);
    let mut period = vec![0.0; file.spec().samples(period_frames)];
    while let StreamEvent::Frames { n_frames } = file.read(&mut period)? {
        print_level(&period[..file.spec().samples(n_frames)]);
    }

    println!("and at its own pace");
    let file = Box::new(FileSource::open(FileConfig::new(&path))?);
    let config = PacedConfig { period_frames: u32::try_from(period_frames)?, ..PacedConfig::default() };
    let mut paced = PacedSource::pulled(config, file, Arc::new(SystemClock))?;
    paced.start(Box::new(Printer))?;
    let end = loop {
        match paced.poll_event() {
            Some(event) => break event,
            None => std::thread::sleep(std::time::Duration::from_millis(50)),
        }
    };
    println!("{end:?}");
    Ok(())
}
