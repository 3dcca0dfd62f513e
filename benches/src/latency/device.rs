//! A mock device whose thread runs as a sound card's does, and that notes when each delivery is in the engine's ring.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use ra_core::{Clock, ClockedSource, Granted, PeriodInput, Source, SourceError, StreamEvent, StreamSpec, SystemClock};
use ra_engine::sources::{MockConfig, PacedConfig, PacedSource};

use crate::{ask_for_fifo, describe_grant};

/// What the delivering thread asks for: above the mixer, as a driver's thread stands above its clients.
pub const DEVICE_PRIORITY: i32 = 80;

/// How long the log of a device, or of a sink, may take to come out once its engine has stopped.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// One delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeliveryTime {
    /// Its stamp: when its first frame was captured.
    pub(super) capture_ns: u64,
    /// When it was in the ring.
    pub(super) delivered_ns: u64,
}

/// What a device has noted, once it is closed.
#[derive(Clone, Debug, Default)]
pub(super) struct DeliveryLog {
    /// What its thread was granted.
    pub(super) grant: String,
    pub(super) deliveries: Vec<DeliveryTime>,
}

/// A [`PacedSource`] that notes its deliveries.
pub struct TimedDevice {
    source: PacedSource,
    capacity: usize,
    logs: mpsc::Sender<DeliveryLog>,
}

impl TimedDevice {
    /// A device in a mock room, and where its log comes out when it is closed; room for `capacity` deliveries.
    ///
    /// # Errors
    /// The settings make no sense.
    pub(super) fn new(
        config: PacedConfig,
        mock: MockConfig,
        capacity: usize,
    ) -> Result<(Self, mpsc::Receiver<DeliveryLog>), SourceError> {
        let (logs, log) = mpsc::channel();
        let source = PacedSource::mock(config, mock, Arc::new(SystemClock))?;
        Ok((Self { source, capacity, logs }, log))
    }
}

impl Source for TimedDevice {
    fn spec(&self) -> StreamSpec {
        self.source.spec()
    }

    fn describe(&self) -> String {
        self.source.describe()
    }
}

impl ClockedSource for TimedDevice {
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<Granted, SourceError> {
        let log = DeliveryLog { grant: String::new(), deliveries: Vec::with_capacity(self.capacity) };
        self.source.start(Box::new(TimedInput { input, log, logs: self.logs.clone() }))
    }

    fn poll_event(&mut self) -> Option<StreamEvent> {
        self.source.poll_event()
    }

    fn stop(&mut self) {
        self.source.stop();
    }
}

/// Stands between the device and the engine's ring.
struct TimedInput {
    input: Box<dyn PeriodInput>,
    log: DeliveryLog,
    logs: mpsc::Sender<DeliveryLog>,
}

impl PeriodInput for TimedInput {
    fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize {
        if self.log.deliveries.is_empty() {
            // The first call is the first time that the device's own thread is here.
            self.log.grant = describe_grant(DEVICE_PRIORITY, &ask_for_fifo(DEVICE_PRIORITY));
        }
        let n_taken = self.input.push(capture_ns, interleaved);
        self.log.deliveries.push(DeliveryTime { capture_ns, delivered_ns: SystemClock.now_ns() });
        n_taken
    }

    fn mark_break(&mut self) {
        self.input.mark_break();
    }
}

impl Drop for TimedInput {
    fn drop(&mut self) {
        // Nobody listens where the scene failed.
        drop(self.logs.send(std::mem::take(&mut self.log)));
    }
}

#[cfg(test)]
mod tests {
    use ra_engine::sources::Signal;

    use super::*;

    struct Ignore;

    impl PeriodInput for Ignore {
        fn push(&mut self, _capture_ns: u64, interleaved: &[f32]) -> usize {
            interleaved.len()
        }
        fn mark_break(&mut self) {}
    }

    #[test]
    fn every_delivery_is_noted_after_its_period_has_passed() {
        let mock = MockConfig {
            duration_frames: Some(256 * 4),
            ..MockConfig::new(StreamSpec::new(48_000, 1).unwrap(), Signal::DEFAULT)
        };
        let (mut device, log) = TimedDevice::new(PacedConfig::default(), mock, 8).unwrap();
        device.start(Box::new(Ignore)).unwrap();
        let log = log.recv().unwrap();
        device.stop();
        assert_eq!(log.deliveries.len(), 4);
        assert!(!log.grant.is_empty());
        for pair in log.deliveries.windows(2) {
            assert!((pair[1].capture_ns - pair[0].capture_ns).abs_diff(5_333_333) <= 1);
        }
        assert!(log.deliveries.iter().all(|at| at.delivered_ns >= at.capture_ns + 5_333_332), "{log:?}");
    }
}
