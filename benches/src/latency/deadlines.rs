//! When each block of an engine is due. Told by the engine's own stamps, and by nothing else.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use ra_core::{Clock, FramePosition, SampleRate, SystemClock};
use ra_engine::{BusEvent, BusReader, EngineHandle};

/// How long an engine may take to publish its first block.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_NS: u64 = 1_000_000;

/// The deadlines of a running engine whose master is the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    start_ns: u64,
    rate: SampleRate,
}

impl Deadlines {
    /// The deadlines of an engine whose frame 0 is due at monotonic time `start_ns`.
    pub fn new(start_ns: u64, rate: SampleRate) -> Self {
        Self { start_ns, rate }
    }

    /// Learns them from the next block of an engine that has no clocked source yet: its latency is 0, so that the stamp is
    /// the deadline itself.
    ///
    /// # Errors
    /// There is a latency already, or no block comes.
    pub fn learn(handle: &EngineHandle, reader: &mut BusReader) -> Result<Self> {
        let clock = SystemClock;
        let patient_until_ns = clock.now_ns() + PATIENCE.as_nanos() as u64;
        let rate = reader.spec().sample_rate;
        while clock.now_ns() < patient_until_ns {
            match reader.read() {
                BusEvent::Block(block) => {
                    let start_ns = block.stamp.capture_ns.checked_sub(rate.ns_of_frames(block.stamp.position.0));
                    let start_ns = start_ns.context("a stamp before the engine's start")?;
                    let latency_us = handle.stats()?.engine.latency_us;
                    if latency_us != 0.0 {
                        bail!("the engine has a latency of {latency_us} us, expected none without clocked sources");
                    }
                    return Ok(Self::new(start_ns, rate));
                }
                BusEvent::Lagged { .. } => {}
                BusEvent::Empty => clock.sleep_until_ns(clock.now_ns() + LOOK_NS),
                BusEvent::Ended | BusEvent::Disconnected { .. } => bail!("the engine has ended before its first block"),
            }
        }
        bail!("the engine has published nothing within {} s", PATIENCE.as_secs())
    }

    /// When the block at `position` is due, in monotonic nanoseconds.
    pub fn of(&self, position: FramePosition) -> u64 {
        self.start_ns + self.rate.ns_of_frames(position.0)
    }
}

#[cfg(test)]
mod tests {
    use ra_engine::{Engine, EngineConfig, MAIN_BUS, RealtimeRequest};

    use super::*;

    #[test]
    fn a_running_engine_publishes_behind_its_deadlines() {
        let config = EngineConfig { realtime: RealtimeRequest::Ordinary, ..EngineConfig::default() };
        let mut engine = Engine::new(config).unwrap();
        let mut reader = engine.handle().subscribe(MAIN_BUS).unwrap();
        let before_ns = SystemClock.now_ns();
        engine.start().unwrap();
        let deadlines = Deadlines::learn(&engine.handle(), &mut reader).unwrap();
        let now_ns = SystemClock.now_ns();
        assert!((before_ns..now_ns).contains(&deadlines.of(FramePosition(0))));
        assert_eq!(deadlines.of(FramePosition(48_000)) - deadlines.of(FramePosition(0)), 1_000_000_000);
        engine.stop().unwrap();
    }

    #[test]
    fn an_engine_that_never_starts_is_not_waited_for_for_ever() {
        let config = EngineConfig { realtime: RealtimeRequest::Ordinary, ..EngineConfig::default() };
        let engine = Engine::new(config).unwrap();
        let mut reader = engine.handle().subscribe(MAIN_BUS).unwrap();
        let handle = engine.handle();
        engine.stop().unwrap();
        assert!(Deadlines::learn(&handle, &mut reader).is_err());
    }
}
