//! What an output says of itself, and who can hear it: numbers and words. Decides nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an output is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputState {
    /// Not started, or finished.
    #[default]
    Closed,
    /// Its device was not there when it started, and is looked for.
    Opening,
    /// The device asks for sound.
    Live,
    /// The device has not asked for longer than it ever takes. It may go on; soon it is given up as lost.
    Stalled,
    /// The device is gone, and looked for.
    Lost,
}

/// What an output has done since it was started, in frames of its devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputCounts {
    /// Frames that were meant for the device, those that were dropped included.
    pub offered_frames: u64,
    /// Frames that the device took.
    pub played_frames: u64,
    /// Frames that were dropped because the device did not keep up, or was lost with them.
    pub dropped_frames: u64,
    /// Times that the device found too little.
    pub underruns: u64,
    /// Frames of silence that it got then.
    pub underrun_frames: u64,
    /// Frames of silence that were put in for what the bus itself missed.
    pub inserted_frames: u64,
    /// Samples beyond full scale.
    pub clipped_samples: u64,
    /// Times that the sound system said that it ran over or under.
    pub xruns: u64,
    /// Errors that the sound system reported, of every kind.
    pub device_errors: u64,
    /// Times that the device was lost.
    pub losses: u64,
    /// Times that it was opened again after a loss.
    pub reopens: u64,
    /// Attempts to open it that failed.
    pub failed_opens: u64,
}

/// An output at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputStatus {
    /// What it is doing.
    pub state: OutputState,
    /// Why, where it is not live.
    pub reason: Option<String>,
    /// The device that it plays on, or the last one.
    pub device: Option<String>,
    /// From a block's arrival at the sink to its sound, as far as the sound system tells, in milliseconds. `None` while
    /// nothing plays, and for a master that is not resampled.
    pub latency_ms: Option<f64>,
    /// What is left between the bus and the device when that has taken a period, on average over the last seconds, in
    /// milliseconds; to be held at the cushion.
    pub cushion_ms: Option<f64>,
    /// How fast the device's clock is against the system's monotonic one, once that is known.
    pub drift_ppm: Option<f64>,
    /// What it has done.
    pub counts: OutputCounts,
}

impl OutputStatus {
    /// The remarks for people.
    pub(super) fn notes(&self) -> Vec<String> {
        let OutputCounts {
            played_frames,
            dropped_frames,
            underruns,
            underrun_frames,
            inserted_frames,
            clipped_samples,
            xruns,
            device_errors,
            losses,
            reopens,
            failed_opens,
            ..
        } = self.counts;
        let Some(device) = &self.device else { return self.reason.clone().into_iter().collect() };
        let number = |value: Option<f64>, unit: &str| value.map_or("unknown".to_owned(), |x| format!("{x:.1} {unit}"));
        let mut notes = vec![
            format!(
                "{device}: played {played_frames} frames; underruns {underruns} ({underrun_frames} frames of silence); \
                 dropped {dropped_frames} frames"
            ),
            format!(
                "{device}: latency {}; cushion {}; drift {}",
                number(self.latency_ms, "ms"),
                number(self.cushion_ms, "ms"),
                number(self.drift_ppm, "ppm")
            ),
        ];
        if inserted_frames > 0 {
            notes.push(format!("{device}: {inserted_frames} frames of silence for what the bus missed"));
        }
        if clipped_samples > 0 {
            notes.push(format!("{device}: {clipped_samples} samples beyond full scale"));
        }
        if xruns + device_errors > 0 {
            notes.push(format!("{device}: the sound system reported {device_errors} errors, {xruns} xruns among them"));
        }
        if losses + failed_opens > 0 {
            notes.push(format!(
                "{device}: lost {losses} times, opened again {reopens} times, {failed_opens} failed tries"
            ));
        }
        notes
    }
}

/// Tells what an output is doing, from any thread, also after it has ended. A tenth of a second old at most while its
/// engine runs.
#[derive(Clone, Debug, Default)]
pub struct OutputMonitor {
    status: Arc<Mutex<OutputStatus>>,
}

impl OutputMonitor {
    /// The latest state.
    ///
    /// # Real-time safety
    /// Not real-time safe: locks and allocates.
    pub fn status(&self) -> OutputStatus {
        self.lock().clone()
    }

    pub(super) fn set(&self, status: OutputStatus) {
        *self.lock() = status;
    }

    fn lock(&self) -> MutexGuard<'_, OutputStatus> {
        // A panic elsewhere leaves a whole status behind.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_say_what_was_and_nothing_more() {
        let mut status = OutputStatus { device: Some("pulseaudio:x".into()), ..OutputStatus::default() };
        assert_eq!(status.notes().len(), 2);
        status.counts = OutputCounts {
            inserted_frames: 1,
            clipped_samples: 2,
            device_errors: 3,
            losses: 4,
            ..OutputCounts::default()
        };
        status.drift_ppm = Some(-12.345);
        let notes = status.notes();
        assert_eq!(notes.len(), 6);
        assert!(notes[1].ends_with("latency unknown; cushion unknown; drift -12.3 ppm"), "{notes:?}");
        let waiting = OutputStatus { reason: Some("no device".into()), ..OutputStatus::default() };
        assert_eq!(waiting.notes(), ["no device"]);
    }
}
