//! Changing the sample rate: the qualities, and the two resamplers. Follows no clock: somebody else says by how much.

mod fixed;
mod steered;

use std::fmt;
use std::str::FromStr;

use crate::DspError;

pub use fixed::FixedResampler;
pub use steered::SteeredResampler;

/// How well a resampler works, and at what cost. The figures stand with each resampler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Quality {
    /// The least work.
    Fast,
    /// For listening.
    #[default]
    Balanced,
    /// For archives and measurements.
    Best,
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Quality::Fast => "fast",
            Quality::Balanced => "balanced",
            Quality::Best => "best",
        })
    }
}

impl FromStr for Quality {
    type Err = DspError;

    /// Reads the word that [`Quality`]'s `Display` writes.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    ///
    /// # Errors
    /// [`DspError::UnknownQuality`] for any other.
    fn from_str(text: &str) -> Result<Self, DspError> {
        [Quality::Fast, Quality::Balanced, Quality::Best]
            .into_iter()
            .find(|quality| quality.to_string() == text)
            .ok_or_else(|| DspError::UnknownQuality { actual: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualities_go_to_words_and_back() {
        for quality in [Quality::Fast, Quality::Balanced, Quality::Best] {
            assert_eq!(quality.to_string().parse::<Quality>().unwrap(), quality);
        }
        let error = "good".parse::<Quality>().unwrap_err().to_string();
        assert_eq!(error, "quality \"good\", expected \"fast\", \"balanced\" or \"best\"");
    }
}
