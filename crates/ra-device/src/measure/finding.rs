//! What a test may find, and the verdict that it adds up to. Judges nothing itself.

/// Kinds of finding. The names are the JSON's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum FindingCode {
    /// Fault: opened, and never called back.
    NoCallbacks,
    /// Fault: lost in the middle of the test.
    Lost,
    /// Fault: no callback for half a second.
    Stalled,
    /// Fault: the real rate is more than 1000 ppm from the nominal one.
    WrongRate,
    /// Fault: the sound system said that it ran over or under.
    Xruns,
    /// Fault: stamps jumped against the frames: some were lost or came twice, and nobody said so.
    Jumps,
    /// Fault: nothing but zeros in every channel of the input.
    DigitalSilence,
    /// Fault: a channel that stands still at a number other than 0.
    Stuck,
    /// Fault: a channel is clipped.
    Clipping,
    /// Fault: a channel's mean is off by more than 0.01 (−40 dBFS).
    Dc,
    /// Fault: samples that are no numbers.
    NotNumbers,
    /// Fault: the input does not hear the output.
    NotHeard,
    /// Fault: not every sweep was heard, or not at the same distance: frames are lost or added on the way.
    UnsteadyTrip,
    /// Fault: the test was kept from running, and what it says is not to be trusted.
    Unmeasured,
    /// Note: further from the nominal rate than a crystal, and it will be followed.
    UnusualRate,
    /// Note: another rate or period than the one asked for.
    NotAsAsked,
    /// Note: stamps jumped, and no frame seems to be lost.
    StampJumps,
    /// Note: stamps that were replaced by a guess.
    ReplacedStamps,
    /// Note: errors that the sound system did not explain.
    Errors,
    /// Note: exact zeros with sound before and behind.
    Holes,
    /// Note: some channels are silent, others are not.
    SilentChannel,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Finding {
    /// What kind of thing.
    pub code: FindingCode,
    /// It, in words.
    pub text: String,
}

/// What is to be said of a device.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Verdict {
    /// Whether nothing is wrong.
    pub good: bool,
    /// What is wrong.
    pub faults: Vec<Finding>,
    /// What is worth knowing.
    pub notes: Vec<Finding>,
}

impl Verdict {
    pub(super) fn fault(&mut self, code: FindingCode, text: String) {
        self.faults.push(Finding { code, text });
    }

    pub(super) fn note(&mut self, code: FindingCode, text: String) {
        self.notes.push(Finding { code, text });
    }
}
