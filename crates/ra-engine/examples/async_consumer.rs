//! Reads a bus in an async task, with a timeout, on an executor of a few lines:
//! `cargo run -p ra-engine --features async --example async_consumer`.

use std::error::Error;
use std::time::Duration;

use ra_engine::core::StreamSpec;
use ra_engine::sources::{MockConfig, MockSource, Signal};
use ra_engine::{AnySource, AsyncBusEvent, AsyncBusReader, Engine, EngineConfig, SourceConfig};

/// The peak of a second of sound.
async fn listen(bus: &mut AsyncBusReader) -> Result<f32, Box<dyn Error>> {
    let (mut n_frames, mut peak) = (0, 0.0f32);
    while n_frames < 48_000 {
        match bus.next_frame_timeout(Duration::from_millis(500)).await {
            AsyncBusEvent::Block(block) => {
                n_frames += block.n_frames();
                peak = block.samples.iter().fold(peak, |peak, sample| peak.max(sample.abs()));
            }
            AsyncBusEvent::Lagged { n_blocks } => println!("{n_blocks} blocks were missed"),
            AsyncBusEvent::Timeout => println!("nothing for half a second"),
            other => return Err(format!("the bus is gone: {other:?}").into()),
        }
    }
    Ok(peak)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut engine = Engine::new(EngineConfig::default())?;
    let handle = engine.handle();
    let tone = MockSource::new(MockConfig::new(StreamSpec::new(48_000, 2)?, Signal::Tone { hz: 440.0, dbfs: -18.0 }))?;
    handle.add_source(SourceConfig::named("tone"), AnySource::pulled(tone))?;
    let mut bus = handle.subscribe_async("main")?;
    engine.start()?;
    // Any executor does; here it is the one of the futures crate.
    let peak = futures_executor::block_on(listen(&mut bus))?;
    println!("reader {}: {:?}, peak {:.1} dBFS", bus.id(), bus.counts(), 20.0 * peak.log10());
    engine.stop()?;
    Ok(())
}
