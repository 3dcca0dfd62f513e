//! What can be wrong with a setting or a buffer. Holds no state.

/// Why a processor can't be built, or can't take a block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DspError {
    /// A number is outside of its range.
    #[error("{what} of {actual}, expected {expected}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// What was given.
        actual: f64,
        /// The range that is taken, in words.
        expected: String,
    },
    /// A block is not as long as it has to be.
    #[error("{what} of {actual} samples, expected {expected}")]
    BlockLength {
        /// Which block.
        what: &'static str,
        /// What was given, in samples.
        actual: usize,
        /// What is needed, in samples.
        expected: usize,
    },
    /// No such quality.
    #[error("quality \"{actual}\", expected \"fast\", \"balanced\" or \"best\"")]
    UnknownQuality {
        /// What was given.
        actual: String,
    },
    /// The resampler can't be built for these rates.
    #[error("no resampler from {in_hz} Hz to {out_hz} Hz: {cause}")]
    Resampler {
        /// The input's rate.
        in_hz: u32,
        /// The output's rate.
        out_hz: u32,
        /// What the resampler said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The resampler refused a block; it stays as it was.
    #[error("the resampler refused a block")]
    ResamplerRefused,
}

/// Checks that a setting is finite and within a range. For constructors: words for people are made here.
// rt-lint: control-side
pub(crate) fn check_range(
    what: &'static str,
    actual: f64,
    range: std::ops::RangeInclusive<f64>,
    unit: &str,
) -> Result<(), DspError> {
    if range.contains(&actual) {
        Ok(())
    } else {
        let expected = format!("{} to {}{unit}", range.start(), range.end());
        Err(DspError::Setting { what, actual, expected })
    }
}
