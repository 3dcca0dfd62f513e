//! What can go wrong with a simulated device, and what of it makes sense. Does nothing by itself.

use ra_core::{SampleRate, SourceError};

use crate::PacedConfig;

/// Something that goes wrong with a simulated device. Times are seconds of true time.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The device is away, and nobody says so: nothing is captured, and what was captured and not yet delivered is lost. Its
    /// clock runs on through it. It can't be opened meanwhile. Where it is still open when it is back, it goes on by itself,
    /// and a break is marked before the first delivery behind it.
    Unplug {
        /// When it goes.
        at_s: f64,
        /// How long it is away.
        for_s: f64,
    },
    /// The device goes, and the system says so: it delivers nothing until it is started again, and can't be before it is
    /// back. What was captured and not yet delivered is lost.
    Loss {
        /// When it goes.
        at_s: f64,
        /// How long it is away.
        for_s: f64,
        /// The nominal rate at which it comes back, where that is another one.
        sample_rate: Option<SampleRate>,
    },
    /// Calls that open or close the device in this time return at its end. Whoever calls has to ask how long that is:
    /// [`SimulatedDeviceHandle::hangs_until_ns`](crate::SimulatedDeviceHandle::hangs_until_ns).
    Hang {
        /// From when on.
        at_s: f64,
        /// How long.
        for_s: f64,
    },
    /// The system reports errors, whatever the device delivers: as many events as are asked for, and so many errors.
    Storm {
        /// From when on.
        at_s: f64,
        /// How long.
        for_s: f64,
        /// Errors a second.
        per_s: f64,
    },
    /// Nothing is delivered, but captured all the same: the backlog comes in one burst at the end, with true stamps.
    Stall {
        /// From when on.
        at_s: f64,
        /// How long.
        for_s: f64,
    },
    /// Deliveries come two at once: each first one waits for the second one. Stamps are true.
    Burst {
        /// From when on.
        at_s: f64,
        /// How long.
        for_s: f64,
    },
    /// From the first period on that begins then or later, periods have another size.
    Period {
        /// When.
        at_s: f64,
        /// The new size.
        period_frames: u32,
    },
    /// Between two periods, at the first such moment then or later, frames are lost and nothing says so: only the stamps
    /// behind it are later than the frames before them tell.
    Lose {
        /// When.
        at_s: f64,
        /// How many, in the device's frames.
        n_frames: u64,
    },
    /// The stamps of periods that are captured then run backwards: each is a period before the one before it.
    BackwardsStamp {
        /// From when on.
        at_s: f64,
        /// How long.
        for_s: f64,
    },
    /// The stamps of periods that are captured then are those of the period before them.
    EqualStamps {
        /// From when on.
        at_s: f64,
        /// How long.
        for_s: f64,
    },
    /// The device flips its rate: it says so, and delivers nothing until it is started again. What was captured and not
    /// yet delivered is lost. Another flip that is due before that start happens right behind it.
    Format {
        /// When.
        at_s: f64,
        /// The new nominal rate.
        sample_rate: SampleRate,
    },
    /// The device never delivers anything.
    Silent,
}

impl Fault {
    /// The most frames that can be lost at once.
    pub const MAX_LOST_FRAMES: u64 = 1 << 40;

    /// Checks the numbers.
    ///
    /// # Errors
    /// [`SourceError::Setting`] names the one that makes no sense.
    pub fn check(&self) -> Result<(), SourceError> {
        let fault = |what: &str, message: String| Err(SourceError::Setting { what: format!("fault.{what}"), message });
        let (at_s, for_s) = self.at_and_for_s();
        if !(0.0..=1e9).contains(&at_s) {
            return fault("at_s", format!("{at_s} s, expected 0 to 1000000000 s"));
        }
        if !(1e-6..=1e9).contains(&for_s) {
            return fault("for_s", format!("{for_s} s, expected 0.000001 to 1000000000 s"));
        }
        match *self {
            Fault::Period { period_frames, .. } if !(1..=PacedConfig::MAX_PERIOD_FRAMES).contains(&period_frames) => {
                let most = PacedConfig::MAX_PERIOD_FRAMES;
                fault("period_frames", format!("{period_frames}, expected 1 to {most}"))
            }
            Fault::Lose { n_frames, .. } if !(1..=Self::MAX_LOST_FRAMES).contains(&n_frames) => {
                fault("n_frames", format!("{n_frames}, expected 1 to {}", Self::MAX_LOST_FRAMES))
            }
            Fault::Storm { per_s, .. } if !(1.0..=1e9).contains(&per_s) => {
                fault("per_s", format!("{per_s}, expected 1 to 1000000000"))
            }
            _ => Ok(()),
        }
    }

    /// The rate that the device has from this fault on, where it changes it.
    pub fn new_rate(&self) -> Option<SampleRate> {
        match *self {
            Fault::Format { sample_rate, .. } => Some(sample_rate),
            Fault::Loss { sample_rate, .. } => sample_rate,
            _ => None,
        }
    }

    /// When it begins and how long it lasts, in seconds; a second for what has no duration.
    fn at_and_for_s(&self) -> (f64, f64) {
        match *self {
            Fault::Unplug { at_s, for_s }
            | Fault::Loss { at_s, for_s, .. }
            | Fault::Hang { at_s, for_s }
            | Fault::Storm { at_s, for_s, .. }
            | Fault::Stall { at_s, for_s }
            | Fault::Burst { at_s, for_s }
            | Fault::BackwardsStamp { at_s, for_s }
            | Fault::EqualStamps { at_s, for_s } => (at_s, for_s),
            Fault::Period { at_s, .. } | Fault::Lose { at_s, .. } | Fault::Format { at_s, .. } => (at_s, 1.0),
            Fault::Silent => (0.0, 1.0),
        }
    }
}
