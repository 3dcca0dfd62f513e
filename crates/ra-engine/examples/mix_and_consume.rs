//! Mixes two sources into a recorder and a consumer of our own: `cargo run --example mix_and_consume`.

use ra_engine::core::{SinkError, StreamSpec};
use ra_engine::sinks::{Recorder, RecorderConfig};
use ra_engine::sources::{MockConfig, MockSource, Signal};
use ra_engine::{AnySource, BusEvent, Engine, EngineConfig, SinkConfig, SourceConfig};

fn mock(signal: Signal) -> Result<AnySource, Box<dyn std::error::Error>> {
    Ok(AnySource::pulled(MockSource::new(MockConfig::new(StreamSpec::new(48_000, 2)?, signal))?))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut engine = Engine::new(EngineConfig::default())?;
    let handle = engine.handle();
    handle.add_source(SourceConfig::named("tone"), mock(Signal::Tone { hz: 440.0, dbfs: -18.0 })?)?;
    let noise = SourceConfig { gain_db: -6.0, ..SourceConfig::named("noise") };
    handle.add_source(noise, mock(Signal::Noise { dbfs: -40.0 })?)?;
    let recorder = Recorder::new(RecorderConfig::new("recordings/example-{time}.wav"))?;
    handle.add_sink(SinkConfig::named("archive"), recorder)?;
    let mut bus = handle.subscribe("main")?; // the consumer of our own
    engine.start()?;

    let mut n_frames = 0;
    let mut peak: f32 = 0.0;
    while n_frames < 48_000 {
        match bus.read() {
            BusEvent::Block(block) => {
                n_frames += block.n_frames();
                peak = block.samples.iter().fold(peak, |peak, sample| peak.max(sample.abs()));
            }
            BusEvent::Lagged { n_blocks } => println!("lagged by {n_blocks} blocks"),
            BusEvent::Empty => std::thread::sleep(std::time::Duration::from_millis(5)),
            BusEvent::Ended | BusEvent::Disconnected { .. } => {
                return Err(SinkError::Fatal("the bus ended early".into()).into());
            }
        }
    }
    let stats = engine.stop()?;
    println!("heard {n_frames} frames, peak {:.1} dBFS; wrote {:?}", 20.0 * peak.log10(), stats.sinks[0].files);
    Ok(())
}
