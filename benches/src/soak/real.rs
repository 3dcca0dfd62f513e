//! A long run in real time: devices on wandering clocks and a file-like source, mixed and consumed, looked at every minute.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ra_core::{Block, Gap, Sink, SinkError, SinkReport, SinkStart, Stats, StreamSpec, SystemClock};
use ra_engine::sources::{ClockModel, MockConfig, MockSource, PacedConfig, PacedSource, Signal};
use ra_engine::{AnySource, Engine, EngineConfig, SinkConfig, SourceConfig};

use super::Criteria;
use super::memory::MemoryWatch;

const MEMORY_BYTES: u64 = 16 << 20;
/// Between two lines.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Until a clock is known to a ppm.
const SETTLED: Duration = Duration::from_secs(60);

/// Takes what comes.
struct Swallow;

impl Sink for Swallow {
    fn start(&mut self, _start: &SinkStart) -> Result<(), SinkError> {
        Ok(())
    }
    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        std::hint::black_box(block.samples);
        Ok(())
    }
    fn gap(&mut self, _gap: &Gap) -> Result<(), SinkError> {
        Ok(())
    }
    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        Ok(SinkReport::default())
    }
}

/// Runs it, prints a line a minute, and says what held.
///
/// # Errors
/// What the engine refuses.
pub fn soak_in_real_time(duration: Duration) -> Result<Criteria> {
    let mut engine = Engine::new(EngineConfig::default())?;
    let handle = engine.handle();
    let spec = StreamSpec::new(48_000, 2)?;
    let tone = |hz| MockConfig::new(spec, Signal::Tone { hz, dbfs: -20.0 });
    for (name, ppm, hz) in [("fast", 150.0, 440.0), ("slow", -150.0, 554.4)] {
        let config = PacedConfig {
            name: name.to_owned(),
            clock: ClockModel { ppm, ..ClockModel::PERFECT },
            jitter_us: 100.0,
            ..PacedConfig::default()
        };
        let source = PacedSource::mock(config, tone(hz), Arc::new(SystemClock))?;
        handle.add_source(SourceConfig::named(name), AnySource::clocked(source))?;
    }
    handle.add_source(SourceConfig::named("pulled"), AnySource::pulled(MockSource::new(tone(659.3))?))?;
    for (name, from) in [("mix", "main"), ("one", "source:fast"), ("other", "source:slow")] {
        handle.add_sink(SinkConfig { from: from.to_owned(), ..SinkConfig::named(name) }, Swallow)?;
    }
    engine.start()?;
    let started = Instant::now();
    let mut memory = MemoryWatch::default();
    let mut next = Duration::from_secs(5).min(duration);
    loop {
        std::thread::sleep(next.saturating_sub(started.elapsed()));
        let stats = handle.stats()?;
        println!("{}", line(started.elapsed(), &stats, memory.look()));
        if started.elapsed() >= duration {
            break;
        }
        next = (next + LOOK_EVERY).min(duration);
    }
    let stats = engine.stop().context("the engine did not stop")?;
    Ok(judge(&stats, &memory, duration))
}

fn line(elapsed: Duration, stats: &Stats, resident_bytes: u64) -> String {
    let drift = |at: usize| stats.sources[at].drift_ppm.map_or("-".to_owned(), |ppm| format!("{ppm:+.2}"));
    format!(
        "{:7.0} s: {} blocks, {} late, {} xruns, latency {:.1} ms, drift {} and {} ppm, {:.1} MB",
        elapsed.as_secs_f64(),
        stats.engine.blocks,
        stats.engine.late_blocks,
        stats.engine.xruns,
        stats.engine.latency_us / 1000.0,
        drift(0),
        drift(1),
        resident_bytes as f64 / 1e6
    )
}

fn judge(stats: &Stats, memory: &MemoryWatch, duration: Duration) -> Criteria {
    let mut criteria = Criteria::default();
    for source in &stats.sources {
        let holds = source.account.is_balanced() && source.account.queued_frames == 0;
        criteria.check(holds, format!("source {}: account", source.name), source.account, "balanced, nothing queued");
    }
    for (source, ppm) in stats.sources.iter().zip([150.0, -150.0]).filter(|_| duration > SETTLED) {
        let found = source.drift_ppm.unwrap_or(f64::NAN);
        let what = format!("source {}: drift", source.name);
        criteria.check((found - ppm).abs() < 2.0, what, format!("{found:+.2} ppm"), &format!("{ppm:+} to 2 ppm"));
    }
    for sink in &stats.sinks {
        let holds = sink.account.is_balanced() && sink.account.queued_frames == 0 && sink.account.dropped_frames == 0;
        criteria.check(
            holds,
            format!("sink {}: account", sink.name),
            sink.account,
            "balanced, nothing dropped or queued",
        );
    }
    criteria.check(stats.engine.failure.is_none(), "engine", format!("{:?}", stats.engine.failure), "without failure");
    let growth = memory.growth_bytes();
    let is = format!("{:.1} MB", growth as f64 / 1e6);
    criteria.check(growth <= MEMORY_BYTES, "memory grown since the start", is, "at most 16.8 MB");
    criteria
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_hold_every_criterion() {
        let criteria = soak_in_real_time(Duration::from_secs(2)).unwrap();
        assert!(criteria.hold(), "{criteria}");
    }
}
